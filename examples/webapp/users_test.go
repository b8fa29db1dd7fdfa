package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
)

// guess posts a password, and returns the page without the address that was typed.
func (c *client) guess(email, password string) string {
	c.t.Helper()
	got := c.post("/sign-in", url.Values{"email": {email}, "password": {password}})
	return strings.ReplaceAll(got.body, email, "")
}

// TestPasswordThrottle goes as far with an address that nobody has as with one of an account, so that neither the
// answers nor the waits tell which is which.
func TestPasswordThrottle(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	c := w.client(t)
	for range freeGuesses {
		ada := c.guess("Ada@acme.test ", "a wrong password")
		require.Contains(t, ada, "do not go together")
		require.Equal(t, strings.ReplaceAll(ada, "Ada@acme.test ", ""), c.guess("nobody@acme.test", "a wrong password"))
	}
	for range 2 { // what is not looked at does not make the wait longer
		ada := c.guess("ada@acme.test", password)
		require.Contains(t, ada, "Try again in 30s")
		require.Equal(t, ada, c.guess("nobody@acme.test", password))
		require.False(t, c.in())
	}
	w.wait(30 * time.Second)
	require.Contains(t, c.guess("ada@acme.test", "a wrong password"), "do not go together")
	require.Contains(t, c.guess("ada@acme.test", password), "Try again in 1m0s")
	w.wait(time.Minute)
	require.Equal(t, "/", c.signIn("ADA@acme.test"))
	require.True(t, c.in())

	for range freeGuesses - 1 { // the count has ended with the right one
		require.Contains(t, w.client(t).guess("ada@acme.test", "a wrong password"), "do not go together")
	}
	require.Equal(t, "/", w.client(t).signIn("ada@acme.test"))
}

// TestGuessesAreBounded waits as long as it is told to, again and again.
func TestGuessesAreBounded(t *testing.T) {
	w := newWorld(t)
	guesses, begun, place := 0, w.clock(), outside("ada@acme.test")
	for {
		err := w.app.users.count(t.Context(), place)
		var denied *gatehouse.DeniedError
		if err == nil {
			guesses++
			continue
		}
		require.ErrorAs(t, err, &denied)
		if denied.Disabled {
			break
		}
		require.Greater(t, denied.RetryAt, w.clock())
		require.LessOrEqual(t, denied.RetryAt.Sub(w.clock()), 15*time.Minute)
		w.wait(denied.RetryAt.Sub(w.clock()) - time.Second)
		require.ErrorIs(t, w.app.users.count(t.Context(), place), gatehouse.ErrDenied, "a second too early")
		w.wait(time.Second)
	}
	require.Equal(t, allGuesses, guesses)
	require.Greater(t, w.clock().Sub(begun), 20*time.Hour)
	c := w.client(t)
	require.Contains(t, c.guess("ada@acme.test", "x"), "ask support")
}

// TestGuessesAtOnce tells the guesses that were looked at from the others by what they are told.
func TestGuessesAtOnce(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	for name, check := range map[string]func() error{
		"to sign in": func() error {
			_, err := w.app.users.check(t.Context(), "ada@acme.test", "a wrong password")
			return err
		},
		"inside": func() error {
			_, err := w.app.users.checkAgain(t.Context(), w.account("ada@acme.test"), "a wrong password")
			return err
		},
	} {
		var looked, late atomic.Int32
		var wg sync.WaitGroup
		for range 4 * freeGuesses {
			wg.Go(func() {
				var denied *gatehouse.DeniedError
				if err := check(); !errors.As(err, &denied) {
					t.Error(err)
				} else if denied.RetryAt.IsZero() {
					looked.Add(1)
				} else {
					late.Add(1)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, freeGuesses, looked.Load(), name)
		require.EqualValues(t, 3*freeGuesses, late.Load(), name)
	}
}

// TestStrangers guess at an address from outside. Its owner, who is signed in, is not kept from anything.
func TestStrangers(t *testing.T) {
	w := newWorld(t)
	owner := w.client(t)
	owner.signUp("ada@acme.test")
	for _, typed := range []string{"ada@acme.test", inside(w.account("ada@acme.test")), w.account("ada@acme.test")} {
		for range freeGuesses {
			w.client(t).guess(typed, "a wrong password")
		}
		require.Contains(t, w.client(t).guess(typed, password), "Try again in")
	}
	w.wait(6 * time.Minute)
	stepUp := func(typed string) reply {
		return owner.submit("/pair", "/step-up", url.Values{"step_up_password": {typed}})
	}
	require.Equal(t, 303, stepUp(password).StatusCode)
	require.Contains(t, owner.get(securityPath+"/pair").body, "Show the QR code")

	// Inside, wrong ones count too, on the Security page and for the password together.
	for range freeGuesses - 1 {
		require.Equal(t, 422, owner.change("a wrong password", "another long password").StatusCode)
	}
	w.wait(6 * time.Minute)
	require.Equal(t, 422, stepUp("a wrong password").StatusCode)
	require.Equal(t, 429, stepUp(password).StatusCode)
	w.wait(30 * time.Second)
	require.Equal(t, 303, stepUp(password).StatusCode)
	require.Equal(t, "/sign-in", owner.change(password, "another long password").Header.Get("Location"))
}

// TestQueue fills the queue for hashes.
func TestQueue(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	q := w.app.users.hashes
	for range runtime.NumCPU() + waiting {
		q.entered <- struct{}{}
	}
	for _, path := range []string{"/sign-in", "/sign-up"} {
		got := w.client(t).post(path, credentials("ada@acme.test"))
		require.Equal(t, http.StatusServiceUnavailable, got.StatusCode, path)
		require.Equal(t, "5", got.Header.Get("Retry-After"), path)
		require.Empty(t, got.Cookies())
	}
	<-q.entered
	require.Equal(t, "/", w.client(t).signIn("ada@acme.test"))

	// Who has a place, and gives up before the turn, leaves it.
	for range cap(q.running) {
		q.running <- struct{}{}
	}
	ctx, giveUp := context.WithCancel(t.Context())
	giveUp()
	for range 2 {
		require.ErrorIs(t, q.run(ctx, func() error { return nil }), context.Canceled)
	}
	require.Len(t, q.entered, cap(q.entered)-1)
}

// TestNobodyIsHashed finds that the time of a hash passes where there is no account, by breaking that hash.
func TestNobodyIsHashed(t *testing.T) {
	w := newWorld(t)
	_, err := w.app.users.check(t.Context(), "nobody@acme.test", password)
	require.ErrorIs(t, err, gatehouse.ErrDenied)
	w.app.users.nobody = "no hash"
	_, err = w.app.users.check(t.Context(), "nobody@acme.test", password)
	require.Error(t, err)
	require.False(t, errors.Is(err, gatehouse.ErrDenied))
}

func TestSignUp(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp(" Ada@Acme.test")
	c := w.client(t)
	for what, form := range map[string]url.Values{
		"an account with this e-mail address": credentials("ADA@acme.test"),
		"no e-mail address":                   credentials("ada"),
		"no e-mail address ":                  credentials(`Ada <b@acme.test>`),
		"no e-mail address  ":                 credentials(strings.Repeat("a", 100) + "@acme.test"),
		"no e-mail address   ":                credentials(`"a:b"@acme.test`),
		"15 to 200 characters":                {"email": {"b@acme.test"}, "password": {"fourteen chars"}},
		"15 to 200 characters ":               {"email": {"b@acme.test"}, "password": {strings.Repeat("é", 14)}},
		"15 to 200 characters  ":              {"email": {"b@acme.test"}, "password": {strings.Repeat("x", 201)}},
		"no e-mail address    ":               {},
	} {
		got := c.post("/sign-up", form)
		require.Equal(t, 422, got.StatusCode, what)
		require.Contains(t, got.body, strings.TrimSpace(what))
		require.False(t, c.in())
	}
	var n int
	require.NoError(t, w.app.users.db.QueryRow(`SELECT count(*) FROM users WHERE email = 'ada@acme.test' AND password LIKE '$argon2id$v=19$m=19456,t=2,p=1$%'`).Scan(&n))
	require.Equal(t, 1, n)
	require.Equal(t, "/", c.signIn("ada@ACME.test"))
}
