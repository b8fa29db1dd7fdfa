package integration_test

import (
	"context"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/totp"
)

// browser is one in which a second step was completed, by the secret of its cookie.
type browser struct {
	secret      string
	since, used int64
}

// streak is wrong TOTP codes in a row.
type streak struct {
	wrong int   // since the last right one
	until int64 // they are locked
}

// browserSecrets are those of all browsers that there are: more than an account knows.
var browserSecrets = []string{"home", "work", "b0", "b1", "b2", "b3", "b4", "b5", "b6", "b7", "b8", "b9"}

// knows says whether the browser that the present call comes from is known.
func (a *account) knows(now int64) bool {
	return slices.ContainsFunc(a.browsers, func(b browser) bool { return b.secret == a.from && b.known(now) })
}

// knowsAny says whether any browser is known.
func (a *account) knowsAny(now int64) bool {
	return slices.ContainsFunc(a.browsers, func(b browser) bool { return b.known(now) })
}

func (b browser) known(now int64) bool { return b.used > now-90*day && b.used <= now+hour+30 }

// seen is a second step that was completed. A sign-in makes the browser known.
func (a *account) seen(signIn bool, now int64) {
	known := a.knows(now)
	if a.from == "" || !known && !signIn {
		return
	}
	a.meet(now)
	if !known {
		a.owe(notice{kind: event.NewBrowser, at: now})
	}
}

// meet makes the browser known, and the latest of ten.
func (a *account) meet(now int64) {
	if a.from == "" {
		return
	}
	b := browser{a.from, now, now}
	if i := slices.IndexFunc(a.browsers, func(b browser) bool { return b.secret == a.from }); i >= 0 {
		if a.knows(now) {
			b.since = a.browsers[i].since
		}
		a.browsers = slices.Delete(a.browsers, i, i+1)
	}
	a.browsers = append(a.browsers, b)
	a.browsers = a.browsers[max(len(a.browsers)-10, 0):]
}

// forgetOthers is what a change that ends sessions means for browsers.
func (a *account) forgetOthers() {
	a.browsers = slices.DeleteFunc(a.browsers, func(b browser) bool { return b.secret != a.from })
}

// saved is what a save leaves out.
func (a *account) saved(now int64) {
	a.browsers = slices.DeleteFunc(a.browsers, func(b browser) bool { return b.used <= now-90*day })
}

// shares says how many wrong codes are the last, of strangers and of known browsers.
func (a *account) shares() (strangers, known int) {
	_, most := a.limits()
	known = max(most/5, 1)
	return max(most-known, 1), known
}

// streak is what a code from the browser of the present call is counted with: known browsers have their own share, and
// when that is used up the strangers'. Strangers have that share after theirs where no browser is known.
func (a *account) streak(now int64) (s *streak, most int) {
	strangers, known := a.shares()
	if a.knows(now) && a.known.wrong < known {
		return &a.known, known
	}
	if _, all := a.limits(); !a.knowsAny(now) && a.strangers.wrong >= strangers && a.strangers.wrong+a.known.wrong < all {
		return &a.known, known
	}
	return &a.strangers, strangers
}

// ofStrangers is what a store says of strangers. It has no clock: a browser that is kept counts as known.
func (a *account) ofStrangers() (s streak, most int) {
	strangers, known := a.shares()
	if _, all := a.limits(); len(a.browsers) == 0 && a.strangers.wrong >= strangers && a.strangers.wrong+a.known.wrong < all {
		return a.known, known
	}
	return a.strangers, strangers
}

func (s streak) lock(most int, now int64) (until int64, locked bool) {
	if s.wrong >= most {
		return 0, true
	}
	return s.until, lies(s.until, now, hour)
}

// wrongTOTP counts a wrong code.
func (a *account) wrongTOTP(now int64) {
	s, most := a.streak(now)
	s.wrong++
	free, _ := a.limits()
	if free = min(free, most-1); s.wrong > free {
		ladder := []int64{30, minute, 2 * minute, 5 * minute, 15 * minute, 30 * minute, hour}
		s.until = now + ladder[min(s.wrong-free, len(ladder))-1]
	}
	if _, locked := a.lock(event.MethodTOTP, now); locked {
		a.owe(notice{kind: event.MethodLocked, at: now})
	}
}

// completed is what a right code means for browsers and wrong codes.
func (a *account) completed(k kind, signIn bool, now int64) {
	s, _ := a.streak(now)
	together := !a.knowsAny(now)
	if k != operatorCode {
		a.seen(signIn, now)
	}
	if k == secondFactor {
		*s = streak{}
		if together || a.knows(now) {
			a.known = streak{}
		}
		if together {
			a.strangers = streak{}
		}
	}
}

func (m *machine) storedBrowsers(t *rapid.T, a core.Account) (list []browser) {
	for _, b := range a.Browsers {
		i := slices.IndexFunc(browserSecrets, func(secret string) bool { return string(engine.BrowserDigests(a.ID, secret)) == b.Digest })
		require.GreaterOrEqual(t, i, 0, "a browser of nobody")
		list = append(list, browser{browserSecrets[i], b.Since, b.Used})
	}
	return list
}

// checkBrowsers has no guess of a stranger lock a browser that is known, and all guesses in a row be as many as there
// may be.
func (m *machine) checkBrowsers(t *rapid.T, c call, old, now core.Account, env core.Env) {
	if c.guess == "" || old.Absent() {
		return
	}
	a := m.model[c.account]
	_, most := a.limits()
	was, is := old.TOTPThrottle, now.TOTPThrottle
	if sum := is.Failures + is.Known.Failures; sum > was.Failures+was.Known.Failures {
		require.LessOrEqual(t, sum, max(most, 2))
	}
	_, known := a.shares()
	if was.Known.Failures >= known || old.Knows(engine.BrowserDigests(c.account, c.browser), env) || len(old.Authenticators) == 0 {
		return
	}
	for _, b := range old.KnownBrowsers(env) {
		if now.Knows([]byte(b.Digest), env) && is.Failures > was.Failures {
			require.Equal(t, old.TOTPState([]byte(b.Digest), env), now.TOTPState([]byte(b.Digest), env), "a stranger has locked a browser that is known")
		}
	}
}

// browser draws which browser a call comes from: none that has a cookie, as a rule.
func (m *machine) browser(t *rapid.T) string {
	return rapid.SampledFrom(append([]string{"", "", "", "", "home", "home", "home", "work"}, browserSecrets...)).Draw(t, "browser")
}

// Browsers signs somebody in from one browser after the other, more than can be known.
func (m *machine) Browsers(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	n := rapid.SampledFrom([]int{1, 2, 4, 12}).Draw(t, "browsers")
	for _, from := range browserSecrets[len(browserSecrets)-n:] {
		a := m.model[id]
		if len(a.apps) == 0 || m.busy != nil {
			return
		}
		m.waitFor(p, a.apps[0], a.strangers.until)
		m.challengeFor(t, p, id)
		if c, ok := last(m.ownChallenges(id)); ok {
			m.answer(t, p, c, a.apps[0].unused(m.at(p)), "", from, id)
		}
	}
	if oneIn(t, 4, "ninety days later") {
		m.now += 90*day + rapid.Int64Range(-1, 1).Draw(t, "seconds")
	}
}

// Forget has an account forget a browser by its owner's word, or all of them.
func (m *machine) Forget(t *rapid.T) {
	p, id := m.process(t), m.likely(t, func(a *account) bool { return len(a.browsers) > 0 })
	secret, which := m.browser(t), ""
	if secret != "" {
		which = core.Browser{Digest: string(engine.BrowserDigests(id, secret))}.ID()
	}
	m.do(t, p, call{
		name: "ForgetBrowser", account: id,
		rule: func(a *account, _ int64) answer {
			a.browsers = slices.DeleteFunc(a.browsers, func(b browser) bool { return secret == "" || b.secret == secret })
			return answer{}
		},
		run: func(ctx context.Context, s *process) error {
			return engine.Of(s.Service).Change(ctx, id, engine.Transition{Step: func(a core.Account, _ core.Env) (core.Account, error) {
				return a.ForgetBrowser(which), nil
			}})
		},
	})
}

// fromBrowser returns a session in a browser. The secret that it would get is the one that it has, if it is not known: to
// an account it is a new one then.
func fromBrowser(in gatehouse.Session, secret string) gatehouse.Session {
	in.Browser, in.NewBrowser = secret, secret
	return in
}

// envOf is what a process knows of the moment.
func (m *machine) envOf(p *process) core.Env {
	return core.Env{Now: moment(m.at(p)), Window: totp.DefaultWindow()}
}
