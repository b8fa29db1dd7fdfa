package main

import (
	"crypto/rand"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
)

// TestNewBrowser has an owner told of each sign-in from a browser that is new, and of none from one that is not, until a new
// password makes all of them new again.
func TestNewBrowser(t *testing.T) {
	w := newNamedWorld(t)
	laptop := w.open(t)
	laptop.signUp(ada)
	laptop.Visit(securityPath + "/pair")
	phone, _ := laptop.pairFirst("Phone")
	w.mailed()
	again := func(b *tab, told ...string) {
		t.Helper()
		b.signOut()
		b.signInWith(ada, phone)
		require.Equal(t, told, subjects(w.mailed()))
	}
	again(laptop)

	desk := w.open(t)
	desk.Agent(firefox)
	desk.signInWith(ada, phone)
	mails := w.mailed()
	require.Len(t, mails, 1)
	require.Equal(t, "Acme: Sign-in from a new browser", mails[0].Subject)
	require.Contains(t, mails[0].Text, "Firefox on Windows")
	again(desk)
	again(laptop)

	desk.Open(mails[0].HTML)
	desk.Press("This wasn’t me")
	require.Equal(t, linkOf(t, mails[0]), desk.where())
	desk.Has("Sign-in from a new browser")
	desk.Press("Change the password")
	desk.Fill("Present password", password)
	desk.Fill("New password", w.secret(nextPassword))
	desk.Press("Change it")
	desk.bothSteps(nextPassword, phone)
	require.Equal(t, []string{"Acme: Sign-in from a new browser"}, subjects(w.mailed()))
}

// TestGuesserLocksNobodyOut has somebody who knows the password use up all guesses that there are for them. A browser that
// the owner has signed in with before gets in.
func TestGuesserLocksNobodyOut(t *testing.T) {
	w := newNamedWorld(t)
	w.client(t).signUp(ada)
	phone, _ := w.pair(ada)
	owner := w.client(t)
	owner.signIn(ada)
	require.Equal(t, "/", owner.answerSecondStep(w.code(phone)).Header.Get("Location"))

	account, guesses := w.account(ada), 0
	for denied := (&gatehouse.DeniedError{}); !denied.Disabled; guesses++ {
		w.wait(max(0, denied.RetryAt.Sub(w.clock())))
		try, err := w.app.svc.Before(t.Context(), account)
		require.NoError(t, err)
		asked, err := try.Challenge(t.Context())
		require.NoError(t, err)
		_, err = w.app.svc.Answer(t.Context(), gatehouse.Session{Secret: rand.Text()}, asked.Token.Reveal(), w.wrongCode(phone))
		require.ErrorAs(t, err, &denied)
	}
	require.Equal(t, 40, guesses)

	guesser := w.client(t)
	guesser.signIn(ada)
	require.Empty(t, guesser.answerSecondStep(w.code(phone)).Header.Get("Location"))
	require.False(t, guesser.in())
	owner.post("/sign-out", nil)
	owner.signIn(ada)
	require.Equal(t, "/", owner.answerSecondStep(w.code(phone)).Header.Get("Location"))
	require.True(t, owner.in())
}
