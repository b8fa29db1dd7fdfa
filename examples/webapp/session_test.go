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
			require.Eventually(t, func() bool { return len(u.hashes.entered) == 1 }, patience, time.Millisecond)
			_, err = u.db.Exec(`UPDATE users SET password = ?, version = ? WHERE id = ?`, next, rand.Text(), account)
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

// TestHalfPasswordChange has the account's proofs stay, as Gatehouse's table cannot be written.
func TestHalfPasswordChange(t *testing.T) {
	w := newWorld(t)
	owner, thief := w.client(t), w.client(t)
	owner.signUp("ada@acme.test")
	require.Equal(t, "/", thief.signIn("ada@acme.test"))
	_, err := w.app.users.db.Exec(`CREATE TRIGGER busy BEFORE INSERT ON gatehouse_accounts BEGIN SELECT RAISE(ABORT, 'no'); END;
		CREATE TRIGGER busy_too BEFORE UPDATE ON gatehouse_accounts BEGIN SELECT RAISE(ABORT, 'no'); END`)
	require.NoError(t, err)
	require.Equal(t, 500, owner.change(password, "another long password").StatusCode)
	_, err = w.app.users.db.Exec(`DROP TRIGGER busy; DROP TRIGGER busy_too`)
	require.NoError(t, err)
	require.False(t, thief.in())
	require.Contains(t, thief.guess("ada@acme.test", password), "do not go together")
}

// TestHangUpDuringPasswordChange has the browser go once the old password was right.
func TestHangUpDuringPasswordChange(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	ctx, err := w.app.sessions.Load(t.Context(), c.session())
	require.NoError(t, err)
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	q := w.app.users.hashes
	for range cap(q.running) {
		q.running <- struct{}{}
	}
	r := httptest.NewRequest("POST", "/password", strings.NewReader(url.Values{"old": {password}, "new": {"another long password"}}.Encode())).WithContext(ctx)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	done := make(chan error)
	go func() { done <- w.app.changePassword(httptest.NewRecorder(), r, w.app.visit(ctx)) }()
	require.Eventually(t, func() bool { return len(q.entered) == 1 }, patience, time.Millisecond)
	<-q.running // the old password is looked at, and the new one waits for as long as this place is taken again
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, w.app.users.db.QueryRow(`SELECT count(*) FROM guesses`).Scan(&n))
		return n == 0
	}, patience, time.Millisecond)
	hangUp()
	for range cap(q.running) - 1 {
		<-q.running
	}
	require.NoError(t, <-done)
	require.Contains(t, w.logged(), "password.changed")
	require.False(t, c.in())
	require.Contains(t, c.guess("ada@acme.test", password), "do not go together")
}

// TestPasswordChangedTwice has two changes check the same old password.
func TestPasswordChangedTwice(t *testing.T) {
	w := newWorld(t)
	w.client(t).signUp("ada@acme.test")
	checked, err := w.app.users.check(t.Context(), "ada@acme.test", password)
	require.NoError(t, err)
	require.NoError(t, w.app.users.setPassword(t.Context(), checked, "the first long password"))
	require.ErrorIs(t, w.app.users.setPassword(t.Context(), checked, "the second long password"), gatehouse.ErrDenied)
	_, err = w.app.users.check(t.Context(), "ada@acme.test", "the first long password")
	require.NoError(t, err)
}

// TestProofsAreTied takes the proof of each way to sign in to another session.
func TestProofsAreTied(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	moved := func(what string) {
		t.Helper()
		ctx, err := w.app.sessions.Load(t.Context(), c.session())
		require.NoError(t, err)
		v := w.app.visit(ctx)
		got, err := w.app.signedIn(ctx)
		require.NoError(t, err)
		require.Equal(t, v, got, what)
		v.Secret = rand.Text()
		w.app.sessions.Put(ctx, "visit", v)
		got, err = w.app.signedIn(ctx)
		require.NoError(t, err)
		require.Equal(t, visit{}, got, what)
		session, err := w.app.guardSession(httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		require.NoError(t, err)
		_, err = w.app.svc.CheckProof(ctx, session, 0)
		require.ErrorIs(t, err, gatehouse.ErrStepUpRequired, what)
	}
	c.signUp("ada@acme.test")
	moved("sign-up")
	c.signIn("ada@acme.test")
	moved("sign-in")
	phone, _ := w.pair("ada@acme.test")
	c.signIn("ada@acme.test")
	c.answerSecondStep(w.code(phone))
	moved("second step")
	w.wait(6 * time.Minute)
	require.Equal(t, 303, c.submit("/step-up?next=/", "/step-up", url.Values{"step_up": {w.code(phone)}}).StatusCode)
	moved("step-up")
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

// TestSessionNotSaved makes a change of which the session cannot be told.
func TestSessionNotSaved(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	w.wait(6 * time.Minute)
	stepUp := func() reply {
		return c.submit("/pair", "/step-up", url.Values{"step_up_password": {password}})
	}
	_, err := w.app.users.db.Exec(`CREATE TRIGGER busy BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`)
	require.NoError(t, err)
	got := stepUp()
	require.Equal(t, 500, got.StatusCode)
	require.Equal(t, "Internal Server Error\n", got.body)
	_, err = w.app.users.db.Exec(`DROP TRIGGER busy; CREATE TRIGGER full BEFORE INSERT ON sessions WHEN NOT EXISTS
		(SELECT 1 FROM sessions WHERE token = NEW.token) BEGIN SELECT RAISE(ABORT, 'no'); END`)
	require.NoError(t, err)
	require.Equal(t, 303, stepUp().StatusCode)
	got = w.client(t).post("/sign-in", credentials("ada@acme.test"))
	require.Equal(t, 500, got.StatusCode)
	require.Empty(t, got.Cookies())
}

// TestFinalWriter has a page follow an error.
func TestFinalWriter(t *testing.T) {
	w := newWorld(t)
	c := w.client(t)
	c.signUp("ada@acme.test")
	_, err := w.app.users.db.Exec(`CREATE TRIGGER busy BEFORE UPDATE ON sessions BEGIN SELECT RAISE(ABORT, 'no'); END`)
	require.NoError(t, err)
	for _, status := range []int{0, 200, 303} {
		h := w.app.saved(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.app.sessions.Put(r.Context(), "visit", visit{})
			if status != 0 {
				rw.WriteHeader(status)
			}
			_, err := rw.Write([]byte("the page"))
			require.NoError(t, err)
		}))
		r := httptest.NewRequest("GET", "/", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: c.session()})
		got := httptest.NewRecorder()
		h.ServeHTTP(got, r)
		require.Equal(t, 500, got.Code)
		require.Equal(t, "Internal Server Error\n", got.Body.String())
	}
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
	fails := w.app.page(func(http.ResponseWriter, *http.Request) error { return context.Canceled })
	fails.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	require.Contains(t, w.logged(), `level=INFO msg="a request has failed"`)
	require.NotContains(t, w.logged(), "level=ERROR")
	fails.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	require.Contains(t, w.logged(), "level=ERROR")
}
