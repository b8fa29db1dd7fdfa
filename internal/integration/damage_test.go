package integration_test

import (
	"context"
	"encoding/base32"
	"slices"

	"github.com/pquerna/otp/hotp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Damage puts something else in the place of an authenticator's sealed secret, sees that no code is
// right any more and that none is counted, and puts it back. Invariants 7, 8 and 11.
func (m *machine) Damage(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	before := m.snapshot(t)
	a := m.stored(t, id, before[id])
	if len(a.Authenticators) == 0 {
		return
	}
	i := rapid.IntRange(0, len(a.Authenticators)-1).Draw(t, "authenticator")
	a.Authenticators = slices.Clone(a.Authenticators)
	auth := &a.Authenticators[i]
	step := max(m.at(p)/30+int64(auth.Base), auth.Last+1)
	typed := []string{m.model[id].apps[i].code(step)}

	switch rapid.IntRange(0, 4).Draw(t, "damage") {
	case 0: // another's
		other, sealed := m.otherSecret(t, id, auth.ID, before)
		if sealed == nil {
			return
		}
		auth.Sealed = sealed
		typed = append(typed, other.code(step))
	case 1: // a bit
		auth.Sealed = slices.Clone(auth.Sealed)
		auth.Sealed[rapid.IntRange(0, len(auth.Sealed)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
	case 2: // cut off
		auth.Sealed = auth.Sealed[:rapid.IntRange(0, len(auth.Sealed)-1).Draw(t, "length")]
	case 3: // a secret in its place that is too short, or too long for one that is marked as weak
		sizes := []int{0, 1, 10, 15}
		if auth.Weak {
			sizes = []int{0, 1, 5, 20}
		}
		short := base32.StdEncoding.EncodeToString(make([]byte, rapid.SampledFrom(sizes).Draw(t, "bytes")))
		sealed, err := p.keys.Seal(context.Background(), []byte(short), keyring.Binding{Purpose: "totp", Account: id, Item: auth.ID})
		require.NoError(t, err)
		auth.Sealed = sealed
		code, err := hotp.GenerateCode(short, uint64(step))
		require.NoError(t, err)
		typed = append(typed, code)
	case 4: // one of another purpose
		sealed, err := p.keys.Seal(context.Background(), []byte("x"), keyring.Binding{Purpose: "proof"})
		require.NoError(t, err)
		auth.Sealed = sealed
	}
	damaged := m.put(t, a)
	for _, code := range typed {
		v, err := p.StepUp(context.Background(), gatehouse.Session{Account: id}, code)
		require.Error(t, err)
		require.Zero(t, v)
		require.Equal(t, damaged, m.snapshot(t)[id])
	}
	m.put(t, m.stored(t, id, before[id]))
	m.checkModel(t, m.stored(t, id, m.snapshot(t)[id]))
}

// otherSecret draws another authenticator, of any account, pending ones included.
func (m *machine) otherSecret(t *rapid.T, id, except string, all snapshot) (app, []byte) {
	type found struct {
		account string
		auth    core.Authenticator
	}
	var list []found
	for _, other := range ids {
		a := m.stored(t, other, all[other])
		for _, auth := range a.Authenticators {
			list = append(list, found{other, auth})
		}
		if a.Pending != nil && !a.Pending.Passkey {
			list = append(list, found{other, a.Pending.Authenticator})
		}
	}
	list = slices.DeleteFunc(list, func(f found) bool { return f.account == id && f.auth.ID == except })
	f, ok := recent(t, list, "other secret")
	if !ok {
		return app{}, nil
	}
	return m.appOf(t, f.account, f.auth), f.auth.Sealed
}

// put writes an account past all services, and returns its record.
func (m *machine) put(t *rapid.T, a core.Account) storage.Record {
	ctx := context.Background()
	rec, err := m.truth.LoadAccount(ctx, a.ID)
	require.NoError(t, err)
	before := rec.Version
	rec.Data, err = a.Encode()
	require.NoError(t, err)
	rec.Version++
	require.NoError(t, m.truth.SaveAccount(ctx, rec, before))
	return m.snapshot(t)[a.ID]
}
