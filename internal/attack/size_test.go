package attack_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// A record stays small, as every sign-in reads and writes it whole. The limits stand in
// docs/design.md.
func TestRecordSize(t *testing.T) {
	ctx := context.Background()
	h := newHouse(t, func(c *settings) { c.Recovery = recovery.Params{Memory: 19456, Time: 1, Threads: 1} })
	o := h.enroll("u")
	size := func() int {
		rec, err := h.store.LoadAccount(ctx, "u")
		require.NoError(t, err)
		return len(rec.Data)
	}
	fill := func() {
		for range 12 {
			h.wait(totp.Period)
			_, err := o.signIn(o.code())
			require.NoError(t, err)
			_, err = o.signIn(o.wrong())
			require.Error(t, err)
		}
		for range 10 {
			require.NoError(t, h.Operator("support-4711").PasswordChanged(ctx, "u", gatehouse.KeepTokens))
		}
		events, err := h.Activity(ctx, "u")
		require.NoError(t, err)
		require.Len(t, events, 20)
	}
	fill()
	one := size()
	require.Less(t, one, 1536)
	h.tamper("u", func(a *accountData) { // each from another address and browser
		for i := range a.Activity {
			a.Activity[i].Client = core.Client{Address: fmt.Sprintf("%016d", i), Agent: event.Agents()[i]}
		}
	})
	require.Less(t, size(), 1536)
	t.Logf("one app, ten codes, a full activity: %d bytes, and %d with twenty clients", one, size())

	for len(must(h.Account(ctx, "u")).Authenticators) < 5 {
		o.second()
		h.wait(totp.Period)
	}
	fill()
	// Each of them is in use every other day.
	h.tamper("u", func(a *accountData) {
		for i := range a.Authenticators {
			auth := &a.Authenticators[i]
			auth.Steps = nil
			for n := range int64(12) {
				step := auth.Last - (11-n)*5760
				auth.Steps = append(auth.Steps, [2]int64{step, step})
			}
		}
	})
	five := size()
	require.Less(t, five, 2048)

	// The longest names and reasons there are, and a pending enrollment with another name.
	long := strings.Repeat("n", 64)
	h.wait(totp.Period)
	face := h.Owner(o.stepUp(o.code()))
	for _, auth := range must(h.Account(ctx, "u")).Authenticators {
		require.NoError(t, face.RenameAuthenticator(ctx, auth.ID, long))
	}
	for range 20 {
		require.NoError(t, h.Operator(long).Because(strings.Repeat("r", 200)).PasswordChanged(ctx, "u", gatehouse.KeepTokens))
	}
	h.wait(totp.Period)
	_, err := h.Owner(o.stepUp(o.code())).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "x", Name: long, Replace: o.auth})
	require.NoError(t, err)
	most := size()
	require.Less(t, most, 3072)

	// What an import can bring at the most: five weak authenticators, and sixteen codes with the longest hashes.
	var in gatehouse.Import
	for range 5 {
		secret, _, err := totp.ParseImported(totp.GenerateSecret().Reveal()[:24])
		require.NoError(t, err)
		in.Authenticators = append(in.Authenticators, gatehouse.ImportAuthenticator{Secret: secret, Name: long})
	}
	for i := range 16 {
		digest := base64.StdEncoding.EncodeToString(append(make([]byte, 31), byte(i)))
		in.RecoveryCodes = append(in.RecoveryCodes, recovery.ForeignHash("pbkdf2_sha256$1500000$"+strings.Repeat("s", 64)+"$"+digest, 8))
	}
	require.Len(t, h.bring("v", in).RecoveryCodes, 16)
	require.Equal(t, 16, must(h.Account(ctx, "v")).RecoveryCodes.Left)
	imported := len(h.record("v").Data)
	require.Less(t, imported, 4096)
	t.Logf("imported %d bytes", imported)
	t.Logf("one authenticator %d bytes, five %d, everything as long as it can be %d", one, five, most)
}
