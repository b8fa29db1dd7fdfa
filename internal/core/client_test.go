package core_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Every agent that there can be is stored under a number.
func TestAgentsHaveNumbers(t *testing.T) {
	for _, agent := range event.Agents() {
		a := core.Account{ID: "user-42", Epoch: 1, Noted: 1, Activity: []core.Event{{Kind: event.CodeAccepted, Number: 1, Client: core.Client{Agent: agent}}}}
		data, err := a.Encode()
		require.NoError(t, err, agent)
		got, err := core.Decode(a.ID, data)
		require.NoError(t, err, agent)
		require.Equal(t, a, got)
	}
	for _, from := range []core.Client{{Agent: "netscape"}, {Address: "abc"}, {Address: "abc", Agent: "firefox"}, {Address: "203.0.113.2400000"}} {
		_, err := core.Account{ID: "user-42", Epoch: 1, Noted: 1, Activity: []core.Event{{Kind: event.CodeAccepted, Number: 1, Client: from}}}.Encode()
		require.Error(t, err, from)
	}
}

// Sign-ins by the first factor alone are a run as long as they come from one client. A check inside a session is none, and
// nor is one that a second step follows.
func TestFirstFactorSignIns(t *testing.T) {
	home, away := core.Client{Address: "\xcb\x00\x71\x18", Agent: "firefox/linux"}, core.Client{Agent: "safari/ios"}
	a := core.Account{ID: "user-42"}
	now := start
	vouch := func(f core.FirstFactor, from core.Client) {
		now = now.Add(time.Hour)
		f.At, f.Before = now.Unix(), &a.Epoch
		next, _, err := a.Vouch(f, nil, core.Env{Now: now, Fresh: 7, Client: from})
		require.NoError(t, err)
		a = next
	}
	signIn := core.FirstFactor{Method: "pwd", SignIn: true}
	vouch(signIn, home)
	vouch(signIn, home)
	vouch(core.FirstFactor{Method: "pwd"}, home)
	vouch(signIn, home)
	vouch(signIn, away)
	vouch(core.FirstFactor{Method: "fed", SignIn: true}, away)
	at := func(hours int) int64 { return start.Add(time.Duration(hours) * time.Hour).Unix() }
	want := []core.Event{
		{Kind: event.FirstFactorSignIn, Method: event.MethodPassword, At: at(4), First: at(1), Count: 3, Number: 3, Client: home},
		{Kind: event.FirstFactorSignIn, Method: event.MethodPassword, At: at(5), Number: 4, Client: away},
		{Kind: event.FirstFactorSignIn, Method: event.MethodProvider, At: at(6), Number: 5, Client: away},
	}
	require.Equal(t, want, a.Activity)

	a.Authenticators = []core.Authenticator{newAuthenticator("A1")}
	vouch(signIn, home)
	vouch(core.FirstFactor{Method: "fed", SignIn: true, External: "hwk"}, home)
	vouch(core.FirstFactor{Method: "fed", SignIn: true, Replaces: true}, home)
	require.Equal(t, want, a.Activity, "a second step follows")
	vouch(core.FirstFactor{Method: "fed", SignIn: true, Replaces: true, External: "hwk"}, home)
	require.Len(t, a.Activity, 4)
}

// Support's address is not the owner's to see. That of a new password is: whoever set it, it was from there.
func TestOperatorsClient(t *testing.T) {
	from := core.Client{Address: "\xcb\x00\x71\x18"}
	env := core.Env{Now: start, Fresh: 7, Client: from}
	by := core.By{Operator: "op-1"}
	a := core.Account{ID: "user-42"}.Suspend(by, env).Resume(by, env).PasswordChanged(by, false, env).EndSessions(nil, nil, env)
	for i, want := range []core.Client{{}, {}, from, from} {
		require.Equal(t, want, a.Activity[i].Client, a.Activity[i].Kind)
	}
}
