package integration_test

import (
	"context"
	"errors"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// What package passkey does with a service, without the ceremonies of browsers: what they find is drawn.

func presented(h held[proof], in string) engine.Session {
	s := sessionOf(h, in)
	return engine.Session{Account: s.Account, Secret: s.Secret, Proof: s.Proof.Reveal()}
}

// AddPasskey adds a passkey from beginning to end.
func (m *machine) AddPasskey(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	m.prove(t, p, id)
	h, ok := last(m.ownProofs(id))
	if !ok || !m.beginPasskey(t, p, id, h, h.what.session, "Key", "") {
		return
	}
	q, _ := last(m.asked)
	m.finishPasskey(t, p, id, h, h.what.session, q, m.made(t, q.Enrollment))
}

// made is what an enrollment makes: every second passkey counts.
func (m *machine) made(t *rapid.T, enrollment string) assertion {
	s := passkey{credential: enrollment}.next()
	s.count = rapid.SampledFrom([]uint32{0, 1, 1<<32 - 2}).Draw(t, "count")
	s.eligible, s.verified = rapid.Bool().Draw(t, "eligible"), rapid.Bool().Draw(t, "verified")
	s.backedUp = s.eligible && rapid.Bool().Draw(t, "backed up")
	return s
}

func (m *machine) BeginPasskey(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	h, in := m.proof(t, p, id)
	instead := ""
	if m.model[id].factors() > 0 && rapid.Bool().Draw(t, "replace") {
		instead = m.authenticator(t, id)
	}
	m.beginPasskey(t, p, id, h, in, rapid.SampledFrom([]string{"Key", ""}).Draw(t, "name"), instead)
}

func (m *machine) beginPasskey(t *rapid.T, p *process, id string, h held[proof], in, name, instead string) bool {
	var got any
	var saved core.Account
	return m.do(t, p, call{
		name: "BeginPasskey", account: whose(h.what.account, id), staging: true, names: true,
		rule: func(a *account, now int64) answer {
			if h.what.account == "" {
				return stepUp
			}
			return a.beginPasskey(h.what, in, name, instead, now)
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, saved, err = engine.BeginPasskey(ctx, s.Service, presented(h, in), engine.PasskeyRequest{Label: "o", Name: name, Replace: instead})
			return err
		},
		told: func(a *account, _ answer) {
			staged, enr := a.pending, got.(gatehouse.Enrollment)
			staged.app.id = enr.ID
			require.Equal(t, staged.expires, enr.Expires.Unix())
			require.Equal(t, staged.codes != nil, enr.RecoveryCodes != nil)
			if staged.codes != nil {
				m.codesTold(a.id, staged.codes, enr.RecoverySetID, enr.RecoveryCodes)
			}
			c := saved.PasskeyChallenge(core.PasskeyRegister, engine.Digest(in), nil, engine.Of(p.Service).Issued())
			m.asked = append(m.asked, question{c, a.id, a.epoch, in})
		},
	})
}

func (m *machine) FinishPasskey(t *rapid.T) {
	p, id := m.process(t), m.likely(t, isPending)
	h, in := m.proof(t, p, id)
	q, ok := recent(t, m.asked, "question")
	if !ok {
		return
	}
	s, n := m.made(t, q.Enrollment), 1
	switch rapid.IntRange(0, 5).Draw(t, "right or wrong") {
	case 3:
		if k, any := recent(t, m.model[id].passkeys, "passkey"); any {
			s.credential = k.credential
		}
	case 4, 5:
		s.good, n = false, rapid.SampledFrom([]int{1, 9, 14}).Draw(t, "times")
	}
	m.toEdge(t, p, q.At/1e9, []int64{5 * minute})
	for range n {
		m.finishPasskey(t, p, id, h, in, q, s)
	}
}

func (m *machine) finishPasskey(t *rapid.T, p *process, id string, h held[proof], in string, q question, s assertion) {
	m.owning(t, p, id, "FinishPasskey", h, true, func(a *account, now int64) answer {
		return a.finishPasskey(h.what, in, q, s, now)
	}, func(ctx context.Context, of *process) (gatehouse.Proof, error) {
		e := engine.Of(of.Service)
		shown, err := e.Present(ctx, presented(h, in))
		if err != nil {
			return gatehouse.Proof{}, err
		}
		var successor core.Proof
		err = e.Change(ctx, shown.Account, engine.Transition{Step: func(a core.Account, env core.Env) (next core.Account, err error) {
			if !s.good {
				return a.FailPasskey(shown, q.PasskeyChallenge, env)
			}
			next, successor, err = a.FinishPasskey(shown, q.PasskeyChallenge, core.Passkey{
				Credential: []byte(s.credential), PublicKey: []byte(s.key), Verified: s.verified, Eligible: s.eligible, BackedUp: s.backedUp, Count: s.count,
			}, env)
			return next, err
		}})
		if errors.Is(err, gatehouse.ErrDenied) {
			err = engine.Denied(core.Outcome{Reason: core.Wrong})
		}
		return sealed(ctx, e, successor, err)
	})
}

// sealed returns a proof as an owner gets it.
func sealed(ctx context.Context, e *engine.Engine, p core.Proof, err error) (gatehouse.Proof, error) {
	if err != nil {
		return gatehouse.Proof{}, err
	}
	text, err := e.Seal(ctx, engine.PurposeProof, p)
	return gatehouse.ParseProof(text), err
}

// ask asks a passkey of an account. c is the challenge of the sign-in that it is asked in.
func (m *machine) ask(t *rapid.T, p *process, id string, purpose core.PasskeyPurpose, session string, c held[challenge]) question {
	e := engine.Of(p.Service)
	q := question{core.SignInChallenge(engine.Digest(session), e.Issued()), "", 0, session}
	if purpose != core.PasskeySignIn {
		a := m.stored(t, id, m.snapshot(t)[id])
		var in *core.Challenge
		if purpose == core.PasskeyAnswer {
			in = &core.Challenge{SignIns: c.what.signIns, At: c.what.at}
		}
		q = question{a.PasskeyChallenge(purpose, engine.Digest(session), in, e.Issued()), id, m.model[id].epoch, session}
	}
	m.asked = append(m.asked, q)
	return q
}

// Passkey asks a passkey and shows what it has signed, or what one has signed before.
func (m *machine) Passkey(t *rapid.T) {
	p, id := m.process(t), m.likely(t, hasPasskey)
	c := held[challenge]{}
	purpose := rapid.SampledFrom([]core.PasskeyPurpose{core.PasskeyStepUp, core.PasskeySignIn, core.PasskeyAnswer}).Draw(t, "purpose")
	if purpose == core.PasskeyAnswer {
		if c = m.challenge(t, p, id); c.what.account == "" {
			return
		}
		id = c.what.account
	}
	k, ok := recent(t, m.model[id].passkeys, "passkey")
	if !ok {
		return
	}
	session := m.session(t)
	if purpose == core.PasskeySignIn && session == "" && !oneIn(t, 4, "without a secret") {
		session = "a"
	}
	q := m.ask(t, p, id, purpose, session, c)
	if old, any := recent(t, m.asked, "question"); any && oneIn(t, 4, "an older question") {
		q = old
		if rapid.Bool().Draw(t, "in its session") {
			session = old.session
		}
	}
	if purpose == core.PasskeyAnswer && oneIn(t, 4, "in another sign-in") {
		if m.busy == nil {
			m.now++
		}
		m.challengeFor(t, p, id)
		c, _ = last(m.ownChallenges(id))
	}
	s := k.next()
	switch rapid.IntRange(0, 9).Draw(t, "what is signed") {
	case 4:
		s.good = false
	case 5:
		s.count = rapid.SampledFrom([]uint32{0, k.count, k.count + 2, 1<<32 - 1}).Draw(t, "count")
	case 6:
		s.eligible = !s.eligible
	case 7:
		s.backedUp = !s.backedUp
	case 8:
		s.verified = false
	case 9:
		s.key = "another"
	}
	m.toEdge(t, p, q.At/1e9, []int64{5 * minute})
	for range rapid.SampledFrom([]int{1, 1, 1, 2, 14}).Draw(t, "times") { // the second time it is used up
		m.showPasskeyIn(t, p, id, q, s, session, purpose, c)
	}
}

// showPasskey shows an assertion where it was asked for.
func (m *machine) showPasskey(t *rapid.T, p *process, q question, s assertion, c held[challenge]) {
	m.showPasskeyIn(t, p, q.account, q, s, q.session, q.Purpose, c)
}

func (m *machine) showPasskeyIn(t *rapid.T, p *process, id string, q question, s assertion, session string, purpose core.PasskeyPurpose, c held[challenge]) {
	var got gatehouse.Proof
	var out core.Outcome
	from := m.browser(t)
	m.do(t, p, call{
		name: "Passkey", account: id, browser: from,
		rule: func(a *account, now int64) answer {
			if purpose == core.PasskeySignIn && !a.named {
				return denied
			}
			return a.show(purpose, q, s, session, c.what, now)
		},
		run: func(ctx context.Context, of *process) (err error) {
			e := engine.Of(of.Service)
			at := core.PasskeyAttempt{Purpose: purpose, Session: engine.Digest(session), Browser: engine.BrowserDigests(id, from), NewBrowser: engine.NewBrowserDigest(id, from), Finding: core.PasskeyFinding{
				Challenge: q.PasskeyChallenge, Credential: []byte(s.credential), PublicKey: []byte(s.key), Good: s.good, UserVerified: s.verified,
				Eligible: s.eligible, BackedUp: s.backedUp, Count: s.count,
			}}
			change := engine.Transition{
				Refused: func(a core.Account, env core.Env) bool { _, refused := a.PasskeyRefused(at, env); return refused },
				Step: func(a core.Account, env core.Env) (core.Account, error) {
					if a, out = a.AnswerPasskey(at, env); out.Reason != core.Accepted {
						return a, engine.Denied(out)
					}
					return a, nil
				},
			}
			switch purpose {
			case core.PasskeyAnswer:
				if at.Challenge, err = engine.OpenSignIn(ctx, of.Service, c.text, id); err != nil {
					return err
				}
			case core.PasskeySignIn:
				kept, err := e.LoadByHandle(ctx, m.handle(t, id))
				if err != nil {
					return deniedIfNone(err)
				}
				change.Loaded = &kept
			}
			err = e.Change(ctx, id, change)
			got, err = sealed(ctx, e, out.Proof, err)
			return err
		},
		told: func(a *account, ok answer) {
			require.Equal(t, []any{ok.passkey, ok.left}, []any{out.AuthenticatorID, out.CodesLeft})
			m.hold(t, p, a, got, ok)
		},
	})
}

func (m *machine) handle(t *rapid.T, id string) storage.Handle {
	return m.stored(t, id, m.snapshot(t)[id]).Handle
}

// deniedIfNone is what package passkey makes of a handle that nobody has.
func deniedIfNone(err error) error {
	if isFault(err) {
		return err
	}
	return engine.Denied(core.Outcome{Reason: core.Unknown})
}
