package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Row T3: what Confirm makes of every outcome of a code, as whole accounts: a fault turns nothing on and counts
// nothing, a wrong code counts and turns nothing on.
func TestConfirmWholeAccounts(t *testing.T) {
	w := &walker{t: t, now: start}
	env := core.Env{Now: start, Fresh: 9, Window: totp.DefaultWindow()}
	for _, replacing := range []bool{false, true} {
		a, _ := w.account(1)
		a.Recovery = nil
		proof := core.Presented{Proof: core.Proof{Account: a.ID, Kind: core.SecondFactor, Method: "otp", At: start.Unix() - 60, Epoch: a.Epoch}}
		pending := core.Pending{Authenticator: newAuthenticator("NEW"), Recovery: newSet("CODES")}
		if replacing {
			pending.Replace = "AUTH0"
		}
		a, err := a.Begin(proof, pending, env)
		require.NoError(t, err)
		a.Events = nil
		key := totp.Key{Secret: totp.GenerateSecret()}
		code, err := key.Code(totp.Step(start) - 1)
		require.NoError(t, err)

		for what, c := range map[string]struct {
			id, code string
			key      totp.Key
			want     error
		}{
			"no key":                {"NEW", code, totp.Key{}, totp.ErrSecret},
			"a key of no algorithm": {"NEW", code, totp.Key{Secret: key.Secret, Algorithm: 9}, totp.ErrParams},
			"no code":               {"NEW", "x", key, core.ErrDenied},
			"another's ID":          {"AUTH0", code, key, core.ErrNotFound},
			"no ID":                 {"", code, key, core.ErrNotFound},
		} {
			next, p, err := a.Confirm(proof, c.id, c.code, c.key, env)
			require.ErrorIs(t, err, c.want, what)
			require.Equal(t, core.Proof{}, p, what)
			require.Equal(t, a, next, what)
		}
		old, err := key.Code(totp.Step(start) - 2)
		require.NoError(t, err)
		before := a
		for tries := 1; tries <= 10; tries++ {
			next, p, err := before.Confirm(proof, "NEW", old, key, env)
			require.ErrorIs(t, err, core.ErrDenied)
			require.Equal(t, core.Proof{}, p)
			want := before
			if tries < 10 {
				p := *before.Pending
				p.Tries = tries
				want.Pending = &p
			} else {
				e := core.Event{Kind: event.EnrollmentAbandoned, At: start.Unix(), Auth: "NEW", Name: "Phone NEW", Number: before.Noted + 1}
				want.Pending, want.Noted = nil, before.Noted+1
				begun := len(want.Activity) - 1 // which the end replaces
				require.Equal(t, event.EnrollmentBegun, want.Activity[begun].Kind)
				want.Activity = append(want.Activity[:begun:begun], e)
				e.Number = 0
				want.Events = []core.Event{e}
			}
			require.Equal(t, want, next)
			next.Events = nil
			before = next
		}

		next, p, err := a.Confirm(proof, "NEW", code, key, env)
		require.NoError(t, err)
		require.Equal(t, core.Proof{Account: a.ID, Kind: core.SecondFactor, Method: "otp", At: start.Unix() - 60, Epoch: 9, Stamp: next.SessionEpoch}, p)
		on := a.Pending.Authenticator
		on.Last, on.Steps, on.LastUsed = totp.Step(start)-1, core.Steps{{totp.Step(start) - 1, totp.Step(start) - 1}}, start.Unix()
		codes := newSet("CODES")
		codes.Created = start.Unix()
		events := []core.Event{{Kind: event.EnrollmentConfirmed, Auth: "NEW", Name: "Phone NEW"}}
		want := a
		want.Authenticators = []core.Authenticator{a.Authenticators[0], on}
		if replacing {
			want.Authenticators, want.SessionEpoch = []core.Authenticator{on}, 9
			events = append(events, core.Event{Kind: event.AuthenticatorRemoved, Auth: "AUTH0", Name: "Phone AUTH0"})
		}
		events = append(events, core.Event{Kind: event.AuthenticatorAdded, Auth: "NEW", Name: "Phone NEW"})
		want.Pending, want.Recovery, want.Epoch, want.Activity, want.Noted, want.Events = nil, codes, 9, next.Activity, next.Noted, nil
		for _, e := range events {
			e.At = start.Unix()
			want.Events = append(want.Events, e)
		}
		require.Equal(t, want, next)
	}
}

// Row T3: what is sealed under another key is found and moved, pending secrets too, and nothing else changes.
func TestResealWholeAccounts(t *testing.T) {
	a := full()
	a.Events = nil
	a.Authenticators[0].Key = "k2"
	env := core.Env{Now: start, Fresh: 9}
	require.Equal(t, []core.Authenticator{a.Authenticators[1], a.Pending.Authenticator}, a.UnderOther("k2"))
	require.Equal(t, []core.Authenticator{a.Authenticators[0]}, a.UnderOther("k1"))
	require.Equal(t, []core.Authenticator{a.Authenticators[0], a.Authenticators[1], a.Pending.Authenticator}, a.UnderOther("k3"))

	moved := core.Resealed{Sealed: []byte("anew"), Key: "k2"}
	for what, sealed := range map[string]string{"an authenticator": "sealed A2", "a pending one": "sealed A3", "nothing": "sealed A9"} {
		next := a.Reseal(by, map[string]core.Resealed{sealed: moved}, "k2", env)
		want := full()
		want.Authenticators[0].Key, want.Events = "k2", nil
		switch what {
		case "an authenticator":
			want.Authenticators[1].Sealed, want.Authenticators[1].Key = moved.Sealed, moved.Key
			want.Events = []core.Event{{Kind: event.KeyMoved, At: start.Unix(), Auth: "A2", Operator: "op-1"}}
		case "a pending one":
			want.Pending.Authenticator.Sealed, want.Pending.Authenticator.Key = moved.Sealed, moved.Key
			want.Pending.Kept = nil
			want.Events = []core.Event{{Kind: event.KeyMoved, At: start.Unix(), Auth: "A3", Operator: "op-1"}}
		}
		require.Equal(t, want, next, what)
	}
}
