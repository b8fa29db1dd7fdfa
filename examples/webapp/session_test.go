package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/posture"
)

// TestSessionFixationWithPasswordAlone plants a session of mallory's where somebody signs in or up without a second step.
func TestSessionFixationWithPasswordAlone(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	for path, email := range map[string]string{"/sign-in": "ada@acme.test", "/sign-up": "eve@acme.test"} {
		mallory, victim := w.client(t), w.client(t)
		mallory.signUp(rand.Text() + "@acme.test")
		planted := mallory.session()
		victim.http.Jar.SetCookies(victim.url(), mallory.http.Jar.Cookies(mallory.url()))
		require.Equal(t, "/", victim.post(path, credentials(email)).Header.Get("Location"))
		require.NotEqual(t, planted, victim.session(), path)
		require.Contains(t, victim.get("/").body, email)
		require.False(t, mallory.in(), path)
	}
}

// TestSignInDuringPasswordChange checks the old password before the change, and goes on after it.
func TestSignInDuringPasswordChange(t *testing.T) {
	for name, protected := range map[string]bool{"without a second factor": false, "with": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.client(t).signUp("ada@acme.test")
			if protected {
				w.pair("ada@acme.test")
			}
			u, account := w.app.users, w.account("ada@acme.test")
			next, err := argon2id.CreateHash("another long password", hashing)
			require.NoError(t, err)
			for range cap(u.hashes.running) {
				u.hashes.running <- struct{}{}
			}
			thief := w.client(t)
			done := make(chan reply)
			go func() { done <- thief.post("/sign-in", credentials("ada@acme.test")) }()
			require.Eventually(t, func() bool { return len(u.hashes.entered) == 1 }, browsertest.Patience, time.Millisecond)
			_, err = u.db.Exec(`UPDATE users SET password = ? WHERE id = ?`, next, account)
			require.NoError(t, err)
			require.NoError(t, w.app.svc.Operator("system").PasswordChanged(t.Context(), account, gatehouse.RevokeTokens))
			for range cap(u.hashes.running) {
				<-u.hashes.running
			}
			require.Equal(t, 422, (<-done).StatusCode, "the old password was right when it was read, and is over (row K1)")
			require.False(t, thief.in())
			require.Equal(t, "/sign-in", thief.get(securityPath+"/sign-in").Header.Get("Location"))
			require.Contains(t, w.client(t).guess("ada@acme.test", password), "do not go together")
		})
	}
}

// Row K9: the accounts of the library are lost, and this service knows that there was a second factor.
func TestLostSecondFactor(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	w.pair("ada@acme.test")
	w.client(t).signUp("bob@acme.test")
	_, err := w.app.users.db.Exec(`DELETE FROM gatehouse_accounts`)
	require.NoError(t, err)
	thief := w.client(t)
	require.Equal(t, 500, thief.post("/sign-in", credentials("ada@acme.test")).StatusCode)
	require.False(t, thief.in())
	require.Contains(t, w.logged(), "second_factor.missing")
	require.Equal(t, "/", w.client(t).signIn("bob@acme.test"), "who never had one")
}

// TestHalfPasswordChange has one half of it fail: neither is done then, and everybody is told so.
func TestHalfPasswordChange(t *testing.T) {
	for _, table := range []string{"gatehouse_accounts", "users"} {
		w := newWorld(t)
		owner, thief := w.client(t), w.client(t)
		owner.signUp("ada@acme.test")
		require.Equal(t, "/", thief.signIn("ada@acme.test"))
		_, err := w.app.users.db.Exec(`CREATE TRIGGER busy BEFORE UPDATE ON ` + table + ` BEGIN SELECT RAISE(ABORT, 'no'); END`)
		require.NoError(t, err)
		require.Equal(t, 500, owner.change(password, "another long password").StatusCode)
		require.NotContains(t, w.logged(), "password.changed")
		_, err = w.app.users.db.Exec(`DROP TRIGGER busy`)
		require.NoError(t, err)
		require.True(t, owner.in())
		require.Contains(t, w.client(t).guess("ada@acme.test", "another long password"), "do not go together")

		require.Equal(t, "/sign-in", owner.change(password, "another long password").Header.Get("Location"))
		require.Contains(t, w.logged(), "password.changed")
		require.False(t, thief.in())
		require.Contains(t, thief.guess("ada@acme.test", password), "do not go together")
	}
}

// TestHangUpDuringPasswordChange has the browser go once the old password was right: all of it is done, or nothing.
func TestHangUpDuringPasswordChange(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	q := w.app.users.hashes
	for range cap(q.running) {
		q.running <- struct{}{}
	}
	done := make(chan error)
	go func() { done <- w.app.setPassword(ctx, w.account("ada@acme.test"), password, "another long password") }()
	require.Eventually(t, func() bool { return len(q.entered) == 1 }, browsertest.Patience, time.Millisecond)
	<-q.running // the old password is looked at, and the new one waits for as long as this place is taken again
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, w.app.users.db.QueryRow(`SELECT count(*) FROM guesses`).Scan(&n))
		return n == 0
	}, browsertest.Patience, time.Millisecond)
	hangUp()
	for range cap(q.running) - 1 {
		<-q.running
	}
	require.ErrorIs(t, <-done, context.Canceled)
	require.True(t, c.in())
	require.NotContains(t, w.logged(), "password.changed")
	require.Equal(t, "/", w.client(t).signIn("ada@acme.test"))
}

// TestPasswordChangedTwice has two changes check the same old password.
func TestPasswordChangedTwice(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	checked, err := w.app.users.check(t.Context(), "ada@acme.test", password)
	require.NoError(t, err)
	require.NoError(t, w.app.setPassword(t.Context(), checked.id, password, "the first long password"))
	tx, err := w.app.users.db.Begin()
	require.NoError(t, err)
	require.ErrorIs(t, storePassword(t.Context(), tx, checked, "a hash"), gatehouse.ErrDenied)
	require.NoError(t, tx.Rollback())
	_, err = w.app.users.check(t.Context(), "ada@acme.test", "the first long password")
	require.NoError(t, err)
}

// TestGatesWantTheSecondFactor comes by a recovery code, which is no second factor, and then by a code of the app.
func TestGatesWantTheSecondFactor(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	w.verify("ada@acme.test")
	require.Equal(t, 403, c.post("/project/invite", url.Values{"email": {"eve@acme.test"}}).StatusCode, "the address alone is not enough")
	require.Empty(t, w.mail)
	vouched := w.vouch("ada@acme.test")
	for action, wants := range map[string]bool{posture.MintProductionToken: true, "deploy.public": true, "team.invite": false} {
		var closed *posture.GateError
		require.ErrorAs(t, w.app.posture.Require(t.Context(), vouched, action), &closed)
		require.Equal(t, wants, closed.StepUp != nil, "%s: whether a fresh password is not enough", action)
	}
	phone, paired := w.pair("ada@acme.test")
	made, err := w.app.svc.Owner(paired).RegenerateRecoveryCodes(t.Context())
	require.NoError(t, err)
	paired.Proof = made.Proof
	require.NoError(t, w.app.svc.Owner(paired).AcknowledgeRecoveryCodes(t.Context(), made.SetID))
	requests := map[string]string{
		"POST /project/token": securityPath + "/tokens/new", "POST /project/deploy": "/project", "POST /project/invite": "", "GET /password": "",
	}
	c.signIn("ada@acme.test")
	c.answerSecondStep(made.Codes[0].Reveal())
	require.True(t, c.in())
	for path := range requests {
		require.Contains(t, c.request(path).Header.Get("Location"), "/step-up?next=", path)
	}
	c.signIn("ada@acme.test")
	c.answerSecondStep(w.code(phone))
	for path, to := range requests {
		require.Equal(t, to, c.request(path).Header.Get("Location"), path)
	}
}

// TestPagesWriteNoSession shows every page while sessions cannot be written.
func TestPagesWriteNoSession(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	c.post("/email/send", nil)
	_, err := w.app.users.db.Exec(`CREATE TRIGGER busy BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`)
	require.NoError(t, err)
	require.Contains(t, c.get("/email").body, "A mail is on its way.")
	for _, path := range everyPath {
		if strings.HasPrefix(path, "GET ") {
			require.NotEqual(t, 500, c.request(path).StatusCode, path)
		}
	}
	require.Contains(t, c.get("/email").body, "The code in the mail")
}

// TestSessionNotSaved signs in and out while sessions cannot be written.
func TestSessionNotSaved(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	w.client(t).signUp("eve@acme.test")
	_, err := w.app.users.db.Exec(`CREATE TRIGGER busy BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`)
	require.NoError(t, err)
	for path, form := range map[string]url.Values{"/sign-out": nil, "/sign-in": credentials("eve@acme.test"), "/sign-up": credentials("bob@acme.test")} {
		got := c.post(path, form)
		require.Equal(t, 500, got.StatusCode, path)
		require.Equal(t, "Something went wrong.\n", got.body)
	}
	_, err = w.app.users.db.Exec(`DROP TRIGGER busy; CREATE TRIGGER full BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`)
	require.NoError(t, err)
	c = w.client(t)
	got := c.post("/sign-in", credentials("eve@acme.test"))
	require.Equal(t, 500, got.StatusCode)
	require.Equal(t, "Internal Server Error\n", got.body)
	require.Empty(t, c.session())
	require.False(t, c.in())
}

func TestBodyIsBounded(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	form := credentials("ada@acme.test")
	form.Set("more", strings.Repeat("x", 64<<10))
	require.Equal(t, 422, c.post("/sign-up", form).StatusCode)
	c.signUp("ada@acme.test")
	c.post("/sign-out", nil)
	require.Equal(t, 422, c.post("/sign-in", form).StatusCode)
	require.False(t, c.in())
	form.Set("more", strings.Repeat("x", 60<<10))
	require.Equal(t, 303, c.post("/sign-in", form).StatusCode)
}

// TestLog looks for what is told of an account, and for clients that have hung up.
func TestLog(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	w.pair("ada@acme.test")
	require.Contains(t, w.logged(), "enrollment.confirmed")

	ctx, hangUp := context.WithCancel(t.Context())
	hangUp()
	fails := w.app.sessions.LoadAndSave(w.app.page(func(http.ResponseWriter, *http.Request, user) error { return context.Canceled }))
	fails.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	require.Contains(t, w.logged(), `level=INFO msg="a request has failed"`)
	require.NotContains(t, w.logged(), "level=ERROR")
	fails.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Contains(t, w.logged(), "level=ERROR")
}
