package core_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// digest is that of a session's secret.
func digest(session string) []byte { return fmt.Appendf(nil, "%16.16s", session) }

// A session counts by its stamp, in its own browser alone, and each thing that it lacks ends it.
func TestSessionLacks(t *testing.T) {
	account := core.Account{ID: "user-42", Epoch: 1, TokenEpoch: 1, SessionEpoch: 7, Changer: string(digest("changer"))}
	good := core.Presented{Proof: core.Proof{Account: "user-42", Kind: core.SecondFactor, Session: digest("one"), Stamp: 7}, In: digest("one")}
	for what, c := range map[string]struct {
		edit func(*core.Account, *core.Presented)
		want core.SessionState
	}{
		"nothing":             {func(*core.Account, *core.Presented) {}, core.SessionCounts},
		"proven nothing":      {func(a *core.Account, p *core.Presented) { p.Proof = a.Presence(p.In, core.Env{Now: start}) }, core.SessionCounts},
		"a first factor's":    {func(_ *core.Account, p *core.Presented) { p.Kind = core.Vouched }, core.SessionCounts},
		"a recovery code's":   {func(_ *core.Account, p *core.Presented) { p.Kind = core.RecoveryCode }, core.SessionCounts},
		"its proof has ended": {func(a *core.Account, _ *core.Presented) { a.Epoch = 2 }, core.SessionCounts},
		"no secret":           {func(_ *core.Account, p *core.Presented) { p.Session, p.In = nil, nil }, core.SessionCounts},
		"another stamp":       {func(_ *core.Account, p *core.Presented) { p.Stamp = 6 }, core.SessionEnded},
		"no stamp":            {func(_ *core.Account, p *core.Presented) { p.Stamp = 0 }, core.SessionEnded},
		"the changer's, another stamp": {func(_ *core.Account, p *core.Presented) {
			p.Session, p.In, p.Stamp = digest("changer"), digest("changer"), 6
		}, core.SessionCounts},
		"the changer's, elsewhere":        {func(_ *core.Account, p *core.Presented) { p.Session, p.Stamp = digest("changer"), 6 }, core.SessionEnded},
		"another's, where the changer is": {func(_ *core.Account, p *core.Presented) { p.In, p.Stamp = digest("changer"), 6 }, core.SessionEnded},
		"no changer and no secret": {func(a *core.Account, p *core.Presented) {
			a.Changer, p.Session, p.In, p.Stamp = "", nil, nil, 6
		}, core.SessionEnded},
		"elsewhere":            {func(_ *core.Account, p *core.Presented) { p.In = digest("two") }, core.SessionEnded},
		"tied, without secret": {func(_ *core.Account, p *core.Presented) { p.In = nil }, core.SessionEnded},
		"not tied, with one":   {func(_ *core.Account, p *core.Presented) { p.Session = nil }, core.SessionEnded},
		"another account":      {func(_ *core.Account, p *core.Presented) { p.Account = "user-43" }, core.SessionEnded},
		"an operator's code":   {func(_ *core.Account, p *core.Presented) { p.Kind = core.OperatorCode }, core.SessionEnded},
		"a suspended account":  {func(a *core.Account, _ *core.Presented) { a.Suspension = &core.Suspension{} }, core.SessionEnded},
		"a service account":    {func(a *core.Account, _ *core.Presented) { a.ServiceOf = "user-43" }, core.SessionEnded},
		"a deleted account":    {func(a *core.Account, _ *core.Presented) { a.TokenEpoch = 0 }, core.SessionEnded},
		"no account": {func(a *core.Account, p *core.Presented) {
			*a, p.Stamp = core.Account{ID: "user-42"}, 0
		}, core.SessionEnded},
	} {
		a, p := account, good
		c.edit(&a, &p)
		require.Equal(t, c.want, a.Session(p), what)
		require.Equal(t, c.want, a.ForSessions().Session(p), what)
	}
}

// What becomes of a session of which nothing is kept, by all that can have happened to the account.
func TestUnknownSession(t *testing.T) {
	env := core.Env{Now: start, Fresh: 9, Window: totp.DefaultWindow()}
	none := core.Account{ID: "user-42"}
	seen := none.Create(env)
	on, _ := (&walker{t: t, now: start}).account(2)
	confirmed := on
	confirmed.SessionEpoch = 5
	must := func(a core.Account, err error) core.Account { require.NoError(t, err); return a }
	imported := func(a core.Account) core.Account {
		return a.Import(by, core.Imported{Authenticators: []core.Authenticator{newAuthenticator("I")}}, env)
	}
	for what, c := range map[string]struct {
		a    core.Account
		want core.SessionState
	}{
		"no record":                              {none, core.SessionCounts},
		"nothing has ended":                      {seen, core.SessionCounts},
		"all was ended":                          {none.EndSessions(nil, nil, env), core.SessionEnded},
		"all but another was ended":              {seen.EndSessions(digest("one"), nil, env), core.SessionEnded},
		"two-factor":                             {on, core.SessionSteps},
		"two-factor, turned on here":             {confirmed, core.SessionSteps},
		"two-factor, and all was ended":          {on.EndSessions(nil, nil, env), core.SessionSteps},
		"two-factor that was imported":           {imported(none), core.SessionSteps},
		"closed by an import":                    {none.Import(by, core.Imported{Code: core.Slot{Selector: "3", Hash: "h"}}, env), core.SessionSteps},
		"another password":                       {none.PasswordChanged(by, false, env), core.SessionEnded},
		"another password, and two-factor since": {imported(none.PasswordChanged(by, false, env)), core.SessionEnded},
		"two-factor, and another password since": {on.PasswordChanged(by, false, env), core.SessionEnded},
		"a reset":                                {must(on.Resets(by, core.Slot{Selector: "3", Hash: "h"}, env)), core.SessionEnded},
		"suspended":                              {none.Suspend(by, env), core.SessionEnded},
		"suspended, of a clock at 0":             {core.Account{ID: "user-42", Epoch: 1, TokenEpoch: 1, Suspension: &core.Suspension{}}, core.SessionEnded},
		"resumed":                                {none.Suspend(by, env).Resume(by, env), core.SessionEnded},
		"restored":                               {seen.Restored(by, true, false, env), core.SessionEnded},
		"deleted":                                {none.Forgotten(env), core.SessionEnded},
		"deleted and made again":                 {none.Forgotten(env).Create(env), core.SessionEnded},
	} {
		require.Equal(t, c.want, c.a.UnknownSession(), what)
		require.Equal(t, c.want, c.a.ForSessions().UnknownSession(), what)
	}
}

// What a deletion leaves is no account, and nothing but what ends sessions; somebody's who has the ID again is left alone
// but for that.
func TestForgotten(t *testing.T) {
	env := core.Env{Now: start, Fresh: 9, Window: totp.DefaultWindow()}
	left := core.Account{ID: "user-42"}.Forgotten(env)
	require.True(t, left.Absent())
	require.Equal(t, core.Account{ID: "user-42", Epoch: 9, SessionEpoch: 9, Since: start.Unix()}, left)
	data, err := left.Encode()
	require.NoError(t, err)
	again, err := core.Decode("user-42", data)
	require.NoError(t, err)
	require.Equal(t, left, again)
	env.Fresh = 10
	require.Equal(t, core.Account{ID: "user-42", Epoch: 10, SessionEpoch: 10, Since: start.Unix()}, left.Forgotten(env))
	require.Equal(t, left, left.Restored(by, false, true, env))
	require.Equal(t, left, left.RevokeTokensBy(by, env))

	for what, made := range map[string]core.Account{
		"created": left.Create(env), "another password": left.PasswordChanged(by, false, env), "suspended": left.Suspend(by, env),
		"imported":       left.Import(by, core.Imported{Authenticators: []core.Authenticator{newAuthenticator("I")}}, env),
		"ended sessions": left.EndSessions(nil, nil, env),
	} {
		require.False(t, made.Absent(), what)
		require.Equal(t, int64(10), made.TokenEpoch, what)
		kept := made
		kept.Epoch, kept.SessionEpoch, kept.Changer, kept.Since, kept.Events = 11, 11, "", start.Unix(), nil
		require.Equal(t, kept, made.Forgotten(core.Env{Now: start, Fresh: 11}), what)
	}
	for who, denied := range map[string]core.Account{"nobody": {ID: "user-42"}, "deleted": left} {
		before := int64(3)
		next, _, err := denied.Vouch(core.FirstFactor{Method: "pwd", At: start.Unix(), Before: &before}, nil, env)
		require.ErrorIs(t, err, core.ErrStepUpRequired)
		require.Equal(t, denied, next, "%s: a denial makes no account", who)
		next, p, err := denied.Vouch(core.FirstFactor{Method: "pwd", At: start.Unix(), Before: &denied.Epoch}, nil, env)
		require.NoError(t, err)
		require.Equal(t, denied.Create(env), next)
		require.Equal(t, core.Proof{Account: "user-42", Kind: core.Vouched, Method: "pwd", At: start.Unix(), Epoch: next.Epoch, Stamp: next.SessionEpoch}, p)
	}

	left.Authenticators = []core.Authenticator{newAuthenticator("A1")}
	data, err = left.Encode()
	require.NoError(t, err)
	_, err = core.Decode("user-42", data)
	require.ErrorIs(t, err, core.ErrFormat, "a factor that no walk would see")
}

// browser is one that was signed in, with each of its cookies, the latest last: of some the reply was lost.
type browser struct {
	secret  []byte
	cookies []cookie
}

// cookie is a proof and how many changes had ended sessions when it was made.
type cookie struct {
	core.Proof
	ends int
}

// visits is an account with browsers, and which of them each change that ends sessions has left: "" none. Browsers without a
// secret cannot be left.
type visits struct {
	*walker
	a        core.Account
	keys     map[string]totp.Key
	browsers []*browser
	ends     []string
	made     int

	ever, first bool // whether sessions, and first factors, were ever ended
	from        int  // browsers before are of nobody's account any more
}

func (v *visits) environment() core.Env { return v.env(totp.DefaultWindow()) }

// end notes a change that ends every session but one.
func (v *visits) end(but []byte) { v.ends, v.ever = append(v.ends, string(but)), true }

func (v *visits) endFirst(next core.Account) {
	v.end(nil)
	v.first, v.a = true, next
}

// counts says whether a cookie's session goes on: nothing that ends it came after it, except its own browser's changes.
func (v *visits) counts(i int, c cookie) bool {
	for _, but := range v.ends[c.ends:] {
		if but == "" || but != string(v.browsers[i].secret) {
			return false
		}
	}
	return i >= v.from && v.a.Suspension == nil && c.Kind != core.OperatorCode
}

// change has a browser change the account, by any of its cookies, and mostly tells it of its new one. ends says whether
// the change ends the other sessions.
func (v *visits) change(ends func(before core.Account) bool, do func(p core.Presented, env core.Env) (core.Account, core.Proof, error)) bool {
	if len(v.browsers) == 0 {
		return false
	}
	i := len(v.browsers) - 1 - v.IntN(min(len(v.browsers), 4))
	b := v.browsers[i]
	c := b.cookies[max(0, len(b.cookies)-1-v.IntN(2))]
	next, p, err := do(core.Presented{Proof: c.Proof, In: b.secret}, v.environment())
	if err != nil {
		return false
	}
	if c.Kind != core.OperatorCode {
		require.True(v.t, v.counts(i, c), "a session that has ended changes nothing")
	}
	if ends != nil && ends(v.a) {
		v.end(b.secret)
	}
	v.a = next
	if v.IntN(3) > 0 {
		b.cookies = append(b.cookies, cookie{p, len(v.ends)})
	}
	return true
}

func always(core.Account) bool { return true }

// signsIn has a browser sign in, or a browser whose session counts prove again who is there.
func (v *visits) signsIn() bool {
	v.made++
	b, env := &browser{}, v.environment()
	if v.IntN(8) > 0 {
		b.secret = digest(fmt.Sprint("session ", v.made))
	}
	known := false
	if i := len(v.browsers) - 1; i >= v.from && v.IntN(3) == 0 && v.counts(i, v.browsers[i].cookies[0]) {
		b, known = v.browsers[i], true
	}
	proof := core.Proof{}
	if v.a.Protected() {
		t := core.Attempt{Method: event.MethodTOTP, Keys: v.keys, Tried: map[core.Hash]bool{}, Session: b.secret}
		if v.a.Reset != nil && len(v.a.Authenticators) == 0 {
			t.Method, t.Selector = event.MethodOperatorCode, '3'
			t.Tried["h"] = true
		} else {
			t.Code, _ = v.keys[v.a.Authenticators[0].ID].Code(totp.Step(v.now))
		}
		next, out, err := v.a.Answer(t, env)
		require.NoError(v.t, err)
		if v.a = next; out.Reason != core.Accepted {
			return false
		}
		proof = out.Proof
	} else {
		next, p, err := v.a.Vouch(core.FirstFactor{Method: "pwd", At: v.now.Unix(), Before: &v.a.Epoch}, b.secret, env)
		if err != nil {
			return false
		}
		v.a, proof = next, p
	}
	b.cookies = append(b.cookies, cookie{proof, len(v.ends)})
	if !known {
		v.browsers = append(v.browsers, b)
	}
	return true
}

var visit = map[string]func(v *visits) bool{
	"sign in": (*visits).signsIn,
	"first seen": func(v *visits) bool { // a session that began before anything was known of it
		if v.a.UnknownSession() != core.SessionCounts {
			return false
		}
		v.made++
		secret := digest(fmt.Sprint("session ", v.made))
		v.browsers = append(v.browsers, &browser{secret, []cookie{{v.a.Presence(secret, v.environment()), len(v.ends)}}})
		return true
	},
	"pair": func(v *visits) bool {
		v.made++
		id, key := fmt.Sprint("A", v.made), totp.Key{Secret: totp.GenerateSecret()}
		replace := ""
		if n := len(v.a.Authenticators); n > 0 && v.IntN(2) == 0 {
			replace = v.a.Authenticators[v.IntN(n)].ID
		}
		first := func(before core.Account) bool { return replace != "" || len(before.Authenticators) == 0 }
		return v.change(first, func(p core.Presented, env core.Env) (core.Account, core.Proof, error) {
			a, err := v.a.Begin(p, core.Pending{Authenticator: newAuthenticator(id), Recovery: newSet(id), Replace: replace}, env)
			if err != nil {
				return a, core.Proof{}, err
			}
			v.keys[id] = key
			code, _ := key.Code(totp.Step(v.now))
			return a.Confirm(p, id, code, key, env)
		})
	},
	"remove": func(v *visits) bool {
		return v.change(always, func(p core.Presented, env core.Env) (core.Account, core.Proof, error) {
			if len(v.a.Authenticators) == 0 {
				return v.a, core.Proof{}, core.ErrNotFound
			}
			return v.a.Remove(p, v.a.Authenticators[0].ID, env)
		})
	},
	"disable": func(v *visits) bool {
		return v.IntN(3) == 0 && v.change(always, func(p core.Presented, env core.Env) (core.Account, core.Proof, error) { return v.a.Disable(p, env) })
	},
	"regenerate": func(v *visits) bool {
		return v.change(nil, func(p core.Presented, env core.Env) (core.Account, core.Proof, error) {
			return v.a.Regenerate(p, newSet("NEW"), env)
		})
	},
	"rename": func(v *visits) bool {
		return v.change(nil, func(p core.Presented, env core.Env) (core.Account, core.Proof, error) {
			if len(v.a.Authenticators) == 0 {
				return v.a, core.Proof{}, core.ErrNotFound
			}
			next, err := v.a.Rename(p, v.a.Authenticators[0].ID, "Phone", env)
			return next, p.Proof, err
		})
	},
	"end elsewhere": func(v *visits) bool {
		i := len(v.browsers) - 1
		if i < 0 || !v.counts(i, v.browsers[i].cookies[0]) {
			return false
		}
		v.a = v.a.EndSessions(v.browsers[i].secret, nil, v.environment())
		v.end(v.browsers[i].secret)
		return true
	},
	"end all": func(v *visits) bool {
		if v.IntN(8) > 0 {
			return false
		}
		v.a = v.a.EndSessions(nil, nil, v.environment())
		require.Equal(v.t, []core.Event{{Kind: event.SessionsEnded, At: v.now.Unix()}}, v.a.Events)
		v.end(nil)
		return true
	},
	"password": func(v *visits) bool {
		if v.IntN(8) > 0 {
			return false
		}
		v.endFirst(v.a.PasswordChanged(by, false, v.environment()))
		return true
	},
	"reset": func(v *visits) bool {
		next, err := v.a.Resets(by, core.Slot{Selector: "3", Hash: "h"}, v.environment())
		if err != nil || v.IntN(8) > 0 {
			return false
		}
		v.endFirst(next)
		return true
	},
	"suspend": func(v *visits) bool {
		if v.a.Suspension != nil || v.IntN(8) > 0 {
			return false
		}
		v.endFirst(v.a.Suspend(by, v.environment()))
		return true
	},
	"resume": func(v *visits) bool {
		if v.a.Suspension == nil {
			return false
		}
		v.endFirst(v.a.Resume(by, v.environment()))
		return true
	},
	"restore": func(v *visits) bool {
		if v.a.Absent() || v.IntN(8) > 0 {
			return false
		}
		v.endFirst(v.a.Restored(by, true, false, v.environment()))
		v.now = v.now.Add(2 * time.Minute)
		return true
	},
	"import": func(v *visits) bool {
		plan, err := v.a.PlanImport([]core.Offered{{Digits: 6}}, nil)
		if err != nil || !plan.Authenticators[0].Brought() {
			return false
		}
		v.made++
		auth := newAuthenticator(fmt.Sprint("I", v.made))
		v.keys[auth.ID] = totp.Key{Secret: totp.GenerateSecret()}
		if !v.a.Protected() {
			v.end(nil)
		}
		v.a = v.a.Import(by, core.Imported{Authenticators: []core.Authenticator{auth}}, v.environment())
		return true
	},
	"delete": func(v *visits) bool {
		if v.IntN(6) > 0 {
			return false
		}
		v.endFirst(core.Account{ID: v.a.ID}.Forgotten(v.environment()))
		v.from = len(v.browsers)
		return true
	},
}

// TestSessions has browsers and operators do whatever can be done to an account. After each step every cookie that there
// ever was counts, if and only if nothing that ends its session came after it, except for its own browser's changes.
func TestSessions(t *testing.T) {
	names := slices.Sorted(maps.Keys(visit))
	did, counted, unknown := map[string]int{}, map[bool]int{}, map[core.SessionState]int{}
	walk(t, 10, func(w *walker) {
		v := &visits{walker: w, a: core.Account{ID: "user-42"}, keys: map[string]totp.Key{}}
		for step := range 400 {
			v.now = v.now.Add(totp.Period)
			name := names[v.IntN(len(names))]
			if v.IntN(2) == 0 {
				name = []string{"sign in", "sign in", "sign in", "resume"}[v.IntN(4)]
			}
			if step == 0 {
				name = "first seen" // before there is a record
			}
			if visit[name](v) {
				did[name]++
			}
			for i, b := range v.browsers {
				for _, c := range b.cookies {
					counts := v.counts(i, c)
					counted[counts]++
					p := core.Presented{Proof: c.Proof, In: b.secret}
					require.Equal(t, counts, v.a.Session(p) == core.SessionCounts, "after %s: session %d of %d: %v since %d of\n%q", name, i, len(v.browsers), c.Proof, c.ends, v.ends)
					require.Equal(t, v.a.Session(p), v.a.ForSessions().Session(p))
					p.In = digest("another")
					if !v.a.Absent() || c.Kind != 0 {
						require.Equal(t, core.SessionEnded, v.a.Session(p))
					}
				}
			}
			want := core.SessionCounts
			switch {
			case v.first:
				want = core.SessionEnded
			case v.a.Protected():
				want = core.SessionSteps
			case v.ever:
				want = core.SessionEnded
			}
			unknown[want]++
			require.Equal(t, want, v.a.UnknownSession(), name)
			require.Equal(t, want, v.a.ForSessions().UnknownSession(), name)
		}
	})
	for _, name := range names {
		require.NotZero(t, did[name], "%s has never succeeded: the walk is too narrow", name)
	}
	for _, n := range []int{counted[true], counted[false], unknown[core.SessionCounts], unknown[core.SessionSteps], unknown[core.SessionEnded]} {
		require.Greater(t, n, 10)
	}
}
