package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// listed is how many rows an account has in the list of sessions.
func (w *world) listed(email string) (n int) {
	w.t.Helper()
	require.NoError(w.t, w.app.users.db.QueryRow(`SELECT count(*) FROM browser_sessions WHERE account = ?`, w.account(email)).Scan(&n))
	return n
}

// TestWhereYouAreSignedIn has an owner find other browsers in the list, and sign out one of them, all others, and all others
// by the plan; a new password does it too.
func TestWhereYouAreSignedIn(t *testing.T) {
	w := newWorld(t)
	owner, other, third := w.open(t), w.open(t), w.client(t)
	owner.signUp(ada)
	other.Agent(firefox)
	other.signIn(ada)
	require.Equal(t, "/", third.signIn(ada))

	owner.Visit(securityPath + "/")
	owner.Press("Manage Sessions")
	owner.Has("Where you are signed in", "Chrome on Linux", "This browser", "Firefox on Windows", "127.0.0.1", "A program")
	owner.glance("sessions")
	other.Visit(securityPath + "/sessions")
	owner.Press("Sign out Firefox on Windows")
	owner.Has("That browser is signed out.", "A program")
	require.NotContains(t, owner.Text(), "Firefox")
	require.Equal(t, 401, other.Press("Sign out in all other browsers"), "by a page from before")
	other.Visit("/")
	require.Equal(t, "/sign-in", other.Path())
	require.True(t, third.in())

	owner.Press("Sign out in all other browsers")
	owner.Has("All other browsers are signed out.", "You are not signed in anywhere else.")
	require.False(t, third.in())

	other.signIn(ada)
	third.signIn(ada)
	require.Equal(t, 3, w.listed(ada))
	owner.Visit(securityPath + "/activity/plan")
	owner.Press("Sign out", "Sign out everywhere else")
	require.Equal(t, 1, w.listed(ada))
	other.Visit("/")
	require.Equal(t, "/sign-in", other.Path())
	owner.Visit(securityPath + "/activity")
	owner.Has("You signed out another browser", "You signed out everywhere else")

	third.signIn(ada)
	other.signIn(ada)
	require.Equal(t, 303, third.change(password, w.secret(nextPassword)).StatusCode)
	require.Zero(t, w.listed(ada))
	other.Visit("/")
	require.Equal(t, "/sign-in", other.Path())
}
