package core_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// TestSetChangesWhileACodeIsTried has another set, with the same selectors, by the time the outcome of
// the Argon2id run is known: there is no second run, but a denial that counts.
func TestSetChangesWhileACodeIsTried(t *testing.T) {
	w := &walker{t: t, now: start}
	env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
	before, _ := w.account(1)
	attempt := core.Attempt{Method: event.MethodRecoveryCode, Selector: '3', Tried: map[core.Hash]bool{}}
	hashes, imported := before.Untried(attempt, env)
	require.Equal(t, []core.Hash{"SET3"}, hashes)
	require.False(t, imported)
	attempt.Tried["SET3"] = true

	used, out, err := before.Answer(attempt, env)
	require.NoError(t, err)
	require.Equal(t, core.Accepted, out.Reason)
	after := before
	after.Recovery = newSet("OTHER")
	for _, a := range []core.Account{used, after} {
		hashes, _ = a.Untried(attempt, env)
		require.Empty(t, hashes, "one run at most")
		next, out, err := a.Answer(attempt, env)
		require.NoError(t, err)
		require.Equal(t, core.Outcome{Reason: core.Used}, out)
		require.Equal(t, start.Unix()+6, next.RecoveryThrottle.Full)
		require.Equal(t, a.Recovery, next.Recovery)
	}
}

// TestChallengeOfAnother changes one thing at a time of what a challenge says.
func TestChallengeOfAnother(t *testing.T) {
	w := &walker{t: t, now: start}
	env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
	a, keys := w.account(1)
	code, err := keys["AUTH0"].Code(totp.Step(start))
	require.NoError(t, err)
	for what, edit := range map[string]func(c *core.Challenge){
		"account":  func(c *core.Challenge) { c.Account = "user-43" },
		"epoch":    func(c *core.Challenge) { c.Epoch++ },
		"sign-ins": func(c *core.Challenge) { c.SignIns++ },
		"older":    func(c *core.Challenge) { c.At -= 301 },
		"ahead":    func(c *core.Challenge) { c.At += 31 },
		"nothing":  func(c *core.Challenge) {},
	} {
		c := a.Challenge(env)
		edit(&c)
		next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: code, Keys: keys, Challenge: &c}, env)
		require.NoError(t, err)
		if what == "nothing" {
			require.Equal(t, core.Accepted, out.Reason)
			continue
		}
		require.Equal(t, core.Outcome{Reason: core.Stale}, out, what)
		next.Events = nil
		require.Equal(t, a, next, what)
	}
}

// TestKeyThatIsMissing has no key for one of two authenticators: that is a fault, and no denial.
func TestKeyThatIsMissing(t *testing.T) {
	w := &walker{t: t, now: start}
	env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
	a, keys := w.account(2)
	delete(keys, "AUTH1")
	right, err := keys["AUTH0"].Code(totp.Step(start))
	require.NoError(t, err)
	for _, code := range []string{right, "000000"} {
		next, out, err := a.Answer(core.Attempt{Method: event.MethodTOTP, Code: code, Keys: keys}, env)
		require.ErrorIs(t, err, totp.ErrSecret)
		require.Equal(t, core.Outcome{}, out)
		require.Equal(t, a, next)
	}
}

// TestProofOfAnother changes one thing at a time of what a proof says.
func TestProofOfAnother(t *testing.T) {
	w := &walker{t: t, now: start}
	env := core.Env{Now: start, Fresh: 1, Window: totp.DefaultWindow()}
	a, _ := w.account(1)
	good := core.Proof{Account: a.ID, Kind: core.SecondFactor, At: start.Unix(), Session: []byte("s"), Epoch: a.Epoch}
	for what, edit := range map[string]func(p *core.Presented){
		"account":       func(p *core.Presented) { p.Account = "user-43" },
		"epoch":         func(p *core.Presented) { p.Epoch++ },
		"no epoch":      func(p *core.Presented) { p.Epoch = 0 },
		"older":         func(p *core.Presented) { p.At -= 301 },
		"ahead":         func(p *core.Presented) { p.At += 31 },
		"no kind":       func(p *core.Presented) { p.Kind = 0 },
		"unknown kind":  func(p *core.Presented) { p.Kind = core.OperatorCode + 1 },
		"no session":    func(p *core.Presented) { p.In = nil },
		"another":       func(p *core.Presented) { p.In = []byte("t") },
		"a longer one":  func(p *core.Presented) { p.In = []byte("ss") },
		"nothing":       func(p *core.Presented) {},
		"of no session": func(p *core.Presented) { p.Session = nil },
	} {
		p := core.Presented{Proof: good, In: []byte("s")}
		edit(&p)
		_, err := a.Begin(p, core.Pending{Authenticator: newAuthenticator("NEW")}, env)
		if what == "nothing" || what == "of no session" {
			require.NoError(t, err, what)
			continue
		}
		require.ErrorIs(t, err, core.ErrStepUpRequired, what)
	}
	// An account without a record has no epoch that a proof could have.
	p := core.Presented{Proof: core.Proof{Account: "user-42", Kind: core.Vouched, At: start.Unix()}}
	_, err := core.Account{ID: "user-42"}.Begin(p, core.Pending{Authenticator: newAuthenticator("NEW")}, env)
	require.ErrorIs(t, err, core.ErrStepUpRequired)
}
