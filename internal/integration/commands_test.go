package integration_test

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// accountCommands are what the machine draws from.
func (m *machine) accountCommands() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"vouch": m.Vouch, "answer": m.Answer, "answer again": m.Answer, "step up": m.StepUp, "guess": m.Guess, "resync": m.Resync, "redeem": m.Redeem,
		"pair": m.Pair, "begin": m.Begin, "confirm": m.Confirm, "cancel": m.Cancel, "acknowledge": m.Acknowledge,
		"regenerate": m.Regenerate, "rename": m.Rename, "remove": m.Remove, "disable": m.Disable, "unlock": m.Unlock,
		"reset": m.Reset, "operator": m.Operator, "delete": m.Delete, "import": m.Import, "reseal": m.Reseal,
		"clock": m.Clock, "clock again": m.Clock, "damage": m.Damage,
		"add a passkey": m.AddPasskey, "begin a passkey": m.BeginPasskey, "finish a passkey": m.FinishPasskey, "passkey": m.Passkey, "passkey again": m.Passkey, "drain": m.Drain,
		"browsers": m.Browsers, "forget": m.Forget,
	}
}

// accountsMeanwhile are those of them that another process can make while one is in a call.
var accountsMeanwhile = []string{
	"acknowledge", "answer", "begin", "cancel", "confirm", "delete", "disable", "guess", "import", "operator",
	"pair", "redeem", "regenerate", "remove", "rename", "reset", "resync", "step up", "unlock", "vouch",
	"add a passkey", "begin a passkey", "finish a passkey", "passkey", "drain", "forget",
}

// Clock moves the clock: on as a rule, and back. Now and then it jumps, and comes back later by as much.
func (m *machine) Clock(t *rapid.T) {
	if m.jumped != 0 && oneIn(t, 2, "put right") {
		m.now -= m.jumped
		m.jumped = 0
		return
	}
	if m.jumped == 0 && oneIn(t, 4, "jump") {
		m.jumped = rapid.SampledFrom([]int64{-hour, 40 * minute, hour, hour + 90, 3 * hour, 30 * day, 3650 * day}).Draw(t, "by")
		m.now += m.jumped
		return
	}
	m.now += rapid.SampledFrom([]int64{
		1, 6, 29, 30, 31, 90, 5 * minute, 10 * minute, 16 * minute, hour, day, 40 * day, -1, -30, -5 * minute, -day,
	}).Draw(t, "seconds")
}

func (m *machine) Vouch(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	ago := rapid.SampledFrom([]int64{0, 0, 299, 300, 301, -30, -31, day}).Draw(t, "seconds ago")
	m.vouch(t, p, id, m.at(p)-ago, m.session(t))
}

func (m *machine) vouch(t *rapid.T, p *process, id string, at int64, session string) {
	var got gatehouse.Proof
	began := m.model[id].clone()
	m.do(t, p, call{
		name: "Vouch", account: id,
		rule: func(a *account, now int64) answer { return a.vouch(began, at, session, now) },
		run: func(ctx context.Context, s *process) error {
			try, err := s.Before(ctx, id)
			if err != nil {
				return err
			}
			got, err = try.Vouch(ctx, gatehouse.Session{Account: id, Secret: session}, gatehouse.FirstFactor{Method: "pwd", At: time.Unix(at, 999_999_999)})
			return nothing(got, err)
		},
		told: func(a *account, ok answer) { m.hold(t, p, a, got, ok) },
	})
}

// hold notes a proof that a call has left an account with, and looks at what it is enough for in the
// last second of its life and in the next one. Neither what is acknowledged nor what is renamed is
// there, which is told only to who has a proof that is enough.
func (m *machine) hold(t *rapid.T, p *process, a *account, text gatehouse.Proof, ok answer) {
	h := held[proof]{text.Reveal(), *ok.proof}
	m.proofs = append(m.proofs, h)
	now := m.now
	defer func() { m.now = now }()
	ctx, owner, session := context.Background(), m.owner(p, h, h.what.session), h.what.session
	for _, account := range []string{"", otherThan(a.id)} {
		in := sessionOf(h, session)
		in.Account = account
		require.ErrorIs(t, p.Owner(in).AcknowledgeRecoveryCodes(ctx, "none"), gatehouse.ErrStepUpRequired, "in the session of %q", account)
	}
	for _, age := range []int64{15 * minute, 15*minute + 1} {
		m.now = h.what.at + age - p.skew
		want := a.acknowledge(h.what, session, "none", m.at(p))
		require.ErrorIs(t, owner.AcknowledgeRecoveryCodes(ctx, "none"), want.err, "%d seconds old", age)
		want = a.rename(h.what, session, "none", "Phone", m.at(p))
		require.ErrorIs(t, owner.RenameAuthenticator(ctx, "none", "Phone"), want.err, "%d seconds old", age)
	}
}

func (m *machine) challengeFor(t *rapid.T, p *process, id string) {
	var got gatehouse.Challenge
	m.do(t, p, call{
		name: "Challenge", account: id,
		rule: func(a *account, now int64) answer {
			if a.suspended != 0 {
				return answer{err: gatehouse.ErrDenied, disabled: true}
			}
			return answer{}
		},
		run: func(ctx context.Context, s *process) error {
			try, err := s.Before(ctx, id)
			if err != nil {
				return err
			}
			got, err = try.Challenge(ctx)
			return nothing(got, err)
		},
		told: func(a *account, _ answer) {
			if !a.protected() {
				require.Equal(t, gatehouse.Challenge{AccountID: a.id, Step: gatehouse.StepNotNeeded}, got)
				return
			}
			m.challenges = append(m.challenges, held[challenge]{got.Token.Reveal(), challenge{id, a.epoch, a.signIns, m.at(p)}})
			st := a.shown(m.at(p))
			got.Token = gatehouse.ChallengeToken{}
			require.Equal(t, gatehouse.Challenge{
				AccountID: id, Step: gatehouse.StepNeeded, Authenticators: st.Authenticators,
				TOTP: st.TOTP, RecoveryCode: st.RecoveryCode, OperatorCode: st.OperatorCode, Passkey: st.Passkey,
			}, got)
		},
	})
}

// otherThan returns another account.
func otherThan(id string) string {
	if id == ids[0] {
		return ids[1]
	}
	return ids[0]
}

// whose returns the account that a challenge or proof names, or the one that garbage is tried for.
func whose(named, id string) string {
	if named == "" {
		return id
	}
	return named
}

func (m *machine) Answer(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	c := m.challenge(t, p, id)
	typed, session := m.code(t, p, id), m.session(t)
	of := whose(c.what.account, id)
	in := c.what.account
	if oneIn(t, 12, "in another's session") {
		in = otherThan(of)
		c.what.account = "" // it is no challenge there
	}
	m.answer(t, p, c, typed, session, m.browser(t), in)
}

// answer answers a challenge in a session of an account.
func (m *machine) answer(t *rapid.T, p *process, c held[challenge], typed, session, browser, account string) {
	in := fromBrowser(gatehouse.Session{Account: account, Secret: session}, browser)
	of := c.what.account
	if of == "" {
		of = whose(account, ids[0])
	}
	m.verify(t, p, of, &c, typed, session, browser, func(ctx context.Context, s *process) (gatehouse.Verification, error) {
		return s.Answer(ctx, in, c.text, typed)
	})
}

func (m *machine) StepUp(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	m.stepUp(t, p, id, m.code(t, p, id), m.session(t), m.browser(t))
}

func (m *machine) stepUp(t *rapid.T, p *process, id, typed, session, browser string) {
	m.verify(t, p, id, nil, typed, session, browser, func(ctx context.Context, s *process) (gatehouse.Verification, error) {
		return s.StepUp(ctx, fromBrowser(gatehouse.Session{Account: id, Secret: session}, browser), typed)
	})
}

// verify is Answer, or StepUp where c is nil.
func (m *machine) verify(t *rapid.T, p *process, id string, c *held[challenge], typed, session, browser string,
	run func(context.Context, *process) (gatehouse.Verification, error)) {
	method := event.MethodRecoveryCode
	if isTOTP(typed) {
		method = event.MethodTOTP
	}
	var got gatehouse.Verification
	m.do(t, p, call{
		name: "Answer or StepUp", account: id, guess: method, browser: browser,
		rule: func(a *account, now int64) answer {
			if c == nil {
				return a.present(nil, typed, session, now)
			}
			if c.what.account == "" {
				return denied
			}
			return a.present(&c.what, typed, session, now)
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = run(ctx, s)
			return nothing(got, err)
		},
		happened: func(ok answer) {
			if ok.proof.kind == recoveryCode {
				m.redeem(t, typed)
			}
		},
		told: func(a *account, ok answer) {
			m.hold(t, p, a, got.Session.Proof, ok)
			got.Session.Proof, got.Session.Browser, got.Session.NewBrowser = gatehouse.Proof{}, "", ""
			method := event.MethodTOTP
			if ok.proof.kind == recoveryCode {
				method = event.MethodRecoveryCode
			}
			require.Equal(t, gatehouse.Verification{Session: gatehouse.Session{Account: id, Secret: got.Session.Secret}, Method: method, AuthenticatorID: ok.app, CodesLeft: ok.left}, got)
		},
	})
}

// Guess presents wrong codes one after the other, and waits out the locks, as somebody does who has
// the password.
func (m *machine) Guess(t *rapid.T) {
	p, id := m.process(t), m.likely(t, hasSeveral)
	method := rapid.SampledFrom([]event.Method{event.MethodTOTP, event.MethodRecoveryCode}).Draw(t, "method")
	wait, from := rapid.Bool().Draw(t, "wait"), m.browser(t)
	n := rapid.SampledFrom([]int{1, 2, 3, 6, 6, 12, 60}).Draw(t, "guesses")
	if b, ok := last(m.model[id].browsers); ok && oneIn(t, 2, "from a browser that is known") {
		wait, from, n = true, b.secret, max(n, 12) // more than its share
	}
	for range n {
		a := m.model[id].clone()
		a.from = from
		until, locked := a.lock(method, m.at(p))
		if locked && (until == 0 || !wait || m.busy != nil || until-m.at(p) > hour) {
			break
		}
		if locked {
			m.now += until - m.at(p)
		}
		typed := "0000-0000-0000-0000"
		if method == event.MethodTOTP {
			typed = "000000"
		}
		m.stepUp(t, p, id, typed, "", from)
	}
}

func (m *machine) Resync(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isProtected)
	c := m.challenge(t, p, id)
	app, ok := recent(t, m.model[id].apps, "authenticator")
	if !ok || oneIn(t, 8, "another's") {
		h, any := recent(t, m.apps, "authenticator")
		if !any {
			return
		}
		app = h.what
	}
	step := m.at(p) / 30
	switch rapid.IntRange(0, 5).Draw(t, "which step") {
	default:
		step += rapid.Int64Range(-22, 22).Draw(t, "step")
	case 4: // around the last accepted one
		step = max(app.last+rapid.Int64Range(-1, 1).Draw(t, "step"), 1)
	case 5: // where it is too far
		step += rapid.SampledFrom([]int64{-21, -20, 19, 20}).Draw(t, "step")
	}
	first, second := app.code(step), app.code(step+1)
	if oneIn(t, 5, "wrong") {
		second = rapid.SampledFrom([]string{first, app.code(step + 2), "", "x", "000000"}).Draw(t, "second")
	}
	from := m.browser(t)
	m.do(t, p, call{
		name: "Resync", account: whose(c.what.account, id), guess: event.MethodTOTP, browser: from,
		rule: func(a *account, now int64) answer {
			if c.what.account == "" {
				return denied
			}
			return a.resync(c.what, app.id, first, second, now)
		},
		run: func(ctx context.Context, s *process) error {
			return s.Resync(ctx, fromBrowser(gatehouse.Session{Account: whose(c.what.account, id)}, from), c.text, app.id, first, second)
		},
	})
}

func (m *machine) Redeem(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isReset)
	m.later(t)
	c := m.challenge(t, p, id)
	typed := m.recoveryCode(t, id)
	if r := m.model[id].reset; r != nil && r.code.text != "" && !oneIn(t, 4, "another code") {
		typed = r.code.text
	}
	m.redeemOperatorCode(t, p, c, typed, m.session(t))
}

func (m *machine) redeemOperatorCode(t *rapid.T, p *process, c held[challenge], typed, session string) {
	var got gatehouse.Proof
	m.do(t, p, call{
		name: "RedeemOperatorCode", account: whose(c.what.account, ids[0]), guess: event.MethodOperatorCode,
		rule: func(a *account, now int64) answer {
			if c.what.account == "" {
				return denied
			}
			return a.presentCode(event.MethodOperatorCode, &c.what, typed, session, now)
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = s.RedeemOperatorCode(ctx, gatehouse.Session{Account: c.what.account, Secret: session}, c.text, typed)
			return nothing(got, err)
		},
		happened: func(answer) { m.redeem(t, typed) },
		told:     func(a *account, ok answer) { m.hold(t, p, a, got, ok) },
	})
}

// Pair enrolls an authenticator from beginning to end.
func (m *machine) Pair(t *rapid.T) { m.pair(t, m.process(t), m.account(t)) }

func (m *machine) pair(t *rapid.T, p *process, id string) {
	m.prove(t, p, id)
	h, ok := last(m.ownProofs(id))
	if !ok || !m.begin(t, p, id, h, h.what.session, "", totp.SHA1, 6) {
		return
	}
	pending := m.model[id].pending
	m.confirm(t, p, id, h, h.what.session, pending.app.id, pending.app.code(m.at(p)/30))
}

func (m *machine) Begin(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	h, in := m.proof(t, p, id)
	instead := ""
	if m.model[id].factors() > 0 && rapid.Bool().Draw(t, "replace") {
		instead = m.authenticator(t, id)
	}
	algorithm := rapid.SampledFrom([]totp.Algorithm{totp.SHA1, totp.SHA256, totp.SHA512}).Draw(t, "algorithm")
	m.begin(t, p, id, h, in, instead, algorithm, rapid.SampledFrom([]int{6, 8}).Draw(t, "digits"))
}

func (m *machine) begin(t *rapid.T, p *process, id string, h held[proof], in, instead string, algorithm totp.Algorithm, digits int) bool {
	next := app{name: "Phone", sealedBy: p.keys.Primary(), key: key{algorithm: algorithm, digits: digits}}
	var got gatehouse.Enrollment
	return m.do(t, p, call{
		name: "BeginEnrollment", account: whose(h.what.account, id), staging: true,
		rule: func(a *account, now int64) answer {
			if h.what.account == "" {
				return stepUp
			}
			return a.begin(h.what, in, next, instead, now)
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = m.owner(s, h, in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{
				Label: "o", Name: next.name, Replace: instead, Algorithm: algorithm, Digits: digits,
			})
			return nothing(got, err)
		},
		told: func(a *account, _ answer) {
			staged := a.pending
			staged.app.id, staged.app.key.secret = got.ID, got.Secret.Reveal()
			require.Equal(t, staged.expires, got.Expires.Unix())
			require.Equal(t, staged.codes != nil, got.RecoveryCodes != nil)
			if staged.codes != nil {
				m.codesTold(a.id, staged.codes, got.RecoverySetID, got.RecoveryCodes)
			}
			m.apps = append(m.apps, held[app]{a.id, staged.app})
		},
	})
}

func (m *machine) owner(s *process, h held[proof], in string) gatehouse.Owner {
	return s.Owner(sessionOf(h, in))
}

func (m *machine) Confirm(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isPending)
	if m.model[id].pending == nil {
		return
	}
	h, in := m.proof(t, p, id)
	staged := m.model[id].pending
	if staged == nil {
		return
	}
	enrollment := staged.app.id
	if oneIn(t, 8, "an old enrollment") {
		if old, ok := recent(t, m.apps, "enrollment"); ok {
			enrollment = old.what.id
		}
	}
	typed, n := "000000", 1
	if !staged.passkey {
		typed = staged.app.code(m.at(p)/30 + rapid.Int64Range(-2, 2).Draw(t, "step"))
	}
	switch rapid.IntRange(0, 7).Draw(t, "right or wrong") {
	case 4:
		typed = m.totp(t, p, id)
	case 5:
		typed = rapid.SampledFrom(malformed).Draw(t, "malformed")
	case 6, 7: // to the tenth try and beyond, though a fault comes between
		typed, n = "000000", rapid.SampledFrom([]int{1, 9, 14}).Draw(t, "times")
	}
	for range n {
		m.confirm(t, p, id, h, in, enrollment, typed)
	}
}

func (m *machine) confirm(t *rapid.T, p *process, id string, h held[proof], in, enrollment, typed string) {
	from := m.browser(t)
	m.owningFrom(t, p, id, "ConfirmEnrollment", h, true, from, func(a *account, now int64) answer {
		return a.confirm(h.what, in, enrollment, typed, now)
	}, func(ctx context.Context, s *process) (gatehouse.Proof, error) {
		return s.Owner(fromBrowser(sessionOf(h, in), from)).ConfirmEnrollment(ctx, enrollment, typed)
	})
}

// owning is a call that ends the proof it takes and returns its successor.
func (m *machine) owning(t *rapid.T, p *process, id, name string, h held[proof], staging bool,
	rule func(*account, int64) answer, run func(context.Context, *process) (gatehouse.Proof, error)) {
	m.owningFrom(t, p, id, name, h, staging, "", rule, run)
}

// owningFrom is owning from a browser.
func (m *machine) owningFrom(t *rapid.T, p *process, id, name string, h held[proof], staging bool, from string,
	rule func(*account, int64) answer, run func(context.Context, *process) (gatehouse.Proof, error)) {
	var got gatehouse.Proof
	m.do(t, p, call{
		name: name, account: whose(h.what.account, id), staging: staging, browser: from,
		rule: func(a *account, now int64) answer {
			if h.what.account == "" {
				return stepUp
			}
			return rule(a, now)
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = run(ctx, s)
			return nothing(got, err)
		},
		told: func(a *account, ok answer) {
			if ok.proof != nil {
				m.hold(t, p, a, got, ok)
			}
		},
	})
}
