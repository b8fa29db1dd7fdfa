package gatehouse

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Review returns how well an account is protected: every control with its state, level and score, the
// gates, and what to do next. A level or score that is new is kept in History. Show it to the account's
// owner.
func (s *Service) Review(ctx context.Context, account string) (posture.Review, error) {
	e, err := s.evidence(ctx, account)
	if err != nil {
		return posture.Review{}, err
	}
	r := s.posture.Review(e.facts(), e.env.Now)
	s.record(ctx, e, "")
	return r, nil
}

// GateError is the error of a gate that is closed. Its Decision says what keeps it closed and what mends
// that. Where nothing but a fresher or stronger proof is missing, errors.Is(err, ErrStepUpRequired)
// holds as well.
type GateError struct{ posture.Decision }

func (e *GateError) Error() string { return "gatehouse: the gate for " + e.Action + " is closed" }

// Unwrap returns ErrStepUpRequired where that is all.
func (e *GateError) Unwrap() error {
	if e.ProofIsEnough() {
		return ErrStepUpRequired
	}
	return nil
}

// Require returns nil if the gate of an action is open to a proof's owner, or a *GateError. The proof
// shows who is there: it may be a day old, unless the gate demands a fresher one. ErrStepUpRequired says
// that it is none, and ErrInvalid that the action has no gate; neither lets the action go on, and nor
// does a fault.
func (s *Service) Require(ctx context.Context, p Proof, action string, opts ...Option) error {
	if err := s.hasGate(action); err != nil {
		return err
	}
	o, err := optionsOf(opts, ofProofs)
	if err != nil {
		return err
	}
	presented, err := s.present(ctx, p, o)
	if err != nil {
		return err
	}
	a, _, err := s.load(ctx, presented.Account)
	if err != nil {
		return err
	}
	if err := a.CheckProof(presented, core.ProofLife, s.env()); err != nil {
		return err
	}
	e, err := s.evidenceFor(ctx, a, action)
	if err != nil {
		return err
	}
	return s.gate(action, e, presented)
}

func (s *Service) hasGate(action string) error {
	if err := s.hasPosture(); err != nil {
		return err
	}
	if !slices.Contains(s.posture.Actions(), action) {
		return fmt.Errorf("%w: no gate for this action", ErrInvalid)
	}
	return nil
}

func (s *Service) hasPosture() error {
	if s.posture == nil {
		return fmt.Errorf("%w: Config.Posture is not set", ErrState)
	}
	return nil
}

func (s *Service) gate(action string, e evidence, p core.Presented) error {
	now := e.env.Now
	f := e.facts()
	d := s.posture.Decide(action, s.posture.Model().Evaluate(f, now), f, posture.Proof{At: core.Time(p.At), SecondFactor: p.Kind == core.SecondFactor}, now)
	if !d.Open {
		return &GateError{d}
	}
	return nil
}

// evidence is all that facts are made of.
type evidence struct {
	s       *Service
	account core.Account
	tokens  []held
	known   bool // the tokens
	host    posture.Host
	silent  bool // the host was asked and has not answered
	env     core.Env
}

// evidence returns all that is known of an account.
func (s *Service) evidence(ctx context.Context, account string) (evidence, error) {
	if err := s.hasPosture(); err != nil {
		return evidence{}, err
	}
	a, _, err := s.load(ctx, account)
	if err != nil {
		return evidence{}, err
	}
	return s.gather(ctx, a, posture.AllEvidence)
}

// evidenceFor returns what the gates of actions have to know of an account, and no more.
func (s *Service) evidenceFor(ctx context.Context, a core.Account, actions ...string) (evidence, error) {
	bare := evidence{s: s, account: a, env: s.env()}
	needs := posture.AccountEvidence
	for _, action := range actions {
		needs |= s.posture.Needs(action, bare.facts(), bare.env.Now)
	}
	return s.gather(ctx, a, needs)
}

func (s *Service) gather(ctx context.Context, a core.Account, needs posture.Evidence) (evidence, error) {
	e := evidence{s: s, account: a, env: s.env()}
	if needs.Has(posture.HostEvidence) {
		var answered bool
		e.host, answered = s.host.ask(ctx, a.ID, e.env.Now)
		e.silent = !answered
	}
	if needs.Has(posture.TokenEvidence) {
		if err := e.gatherTokens(ctx); err != nil {
			return evidence{}, err
		}
	}
	// What is unknown because the caller has gone is no answer to anybody.
	return e, ctx.Err()
}

func (e *evidence) gatherTokens(ctx context.Context) error {
	e.known = true
	if e.s.policy == nil { // there are none
		return nil
	}
	return e.s.eachLive(ctx, e.account, e.env, func(rec storage.TokenRecord) error {
		t, err := core.DecodeToken(rec.ID, rec.AccountID, rec.Data)
		if err != nil {
			e.known = false // one that cannot be read is no evidence
			return nil
		}
		e.tokens = append(e.tokens, held{Token: t, rec: rec})
		return nil
	})
}

// facts are what is known of the account as it is in the evidence.
func (e evidence) facts() posture.Facts {
	a, env := e.account, e.env
	f := posture.Facts{
		Recovery:       posture.RecoverySet{Left: a.Recovery.Left()},
		RecoveryUnseen: core.Time(a.CodeUseUnseen()),
		TOTP:           methodOf(len(a.Authenticators) > 0, a.TOTPState(env)),
		ResetPending:   a.Reset != nil,
		OperatorCode:   a.OperatorState(env).Available,
		Suspended:      a.Suspension != nil,
		KeysCurrent:    len(a.UnderOther(e.s.sealer.Primary())) == 0,
		TokensKnown:    e.known,
		Host:           e.host,
	}
	f.RecoveryCodes = methodOf(f.Recovery.Left > 0, a.RecoveryState(env))
	if a.Recovery != nil {
		f.Recovery.Total, f.Recovery.Acknowledged = len(a.Recovery.Slots), core.Time(a.Recovery.Acknowledged)
	}
	for _, auth := range a.Authenticators {
		f.Authenticators = append(f.Authenticators, posture.Authenticator{
			ID: auth.ID, Name: auth.Name, Created: core.Time(auth.Created), LastUsed: core.Time(auth.LastUsed),
			Weak: auth.Weak,
		})
	}
	for _, x := range a.Accepted {
		f.Accepted = append(f.Accepted, posture.Acceptance{Control: x.Control, By: x.By, Why: x.Why, Until: core.Time(x.Until)})
	}
	index := a.Index(env.Window)
	for _, t := range e.tokens {
		st := t.Stands(index, env)
		if st == core.WasRevoked || st == core.HasExpired {
			continue
		}
		unused := make([]string, 0, len(t.Scopes))
		for _, scope := range t.Scopes.Unused(t.rec.Usage.Scopes) {
			unused = append(unused, string(scope))
		}
		f.Tokens = append(f.Tokens, posture.Token{
			ID: t.ID, Name: t.Name, Works: st == core.Good, Created: core.Time(t.Created), Expires: core.Time(t.Expires),
			LastUsed: t.rec.Usage.LastUsed, Unused: unused, FirstFactorOnly: t.How != core.SecondFactor,
		})
	}
	return f
}

func methodOf(has bool, st core.MethodState) posture.Method {
	if !has || st.Available {
		return posture.Method{}
	}
	return posture.Method{Locked: !st.RetryAt.IsZero(), Disabled: st.RetryAt.IsZero()}
}

// Snapshot is a level and score that an account has had.
type Snapshot struct {
	At    time.Time
	Model string // version of the rules: between two versions the account may not have changed at all
	Level int
	Score int
	Cause event.Kind // the change behind it; empty: time or evidence, or other rules
}

// History returns the levels and scores that an account has had, oldest first: at most 10. They are
// taken when the account changes, and by Review.
func (s *Service) History(ctx context.Context, account string) ([]Snapshot, error) {
	if err := s.hasPosture(); err != nil {
		return nil, err
	}
	a, _, err := s.load(ctx, account)
	if err != nil {
		return nil, err
	}
	list := make([]Snapshot, 0, len(a.History))
	for _, x := range a.History {
		list = append(list, Snapshot{core.Time(x.At), x.Model, x.Level, x.Score, x.Cause})
	}
	return list, nil
}

// record keeps the level and score if they are new, and the host has answered. It is told of after the fact and changes
// nothing that counts, so what goes wrong here waits for the next Review.
func (s *Service) record(ctx context.Context, e evidence, cause event.Kind) {
	if e.account.Epoch == 0 || e.silent {
		return // no record of the account, or a fall that is the host's and not the account's
	}
	_ = s.apply(ctx, e.account.ID, transition{step: func(a core.Account, env core.Env) (core.Account, error) {
		if a.Epoch == 0 {
			return a, nil
		}
		e.account, e.env = a, env
		r := s.posture.Model().Evaluate(e.facts(), env.Now)
		return a.Record(core.Snapshot{Model: r.Model, Level: r.Level, Score: r.Score, Cause: cause}, env), nil
	}})
}

// follow takes a snapshot after a change of an account that may be one of its posture.
func (s *Service) follow(ctx context.Context, account string, events []core.Event) {
	if s.posture == nil {
		return
	}
	for _, e := range events {
		if !core.MovesPosture(e.Kind) {
			continue
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
		defer cancel()
		if ev, err := s.evidence(ctx, account); err == nil {
			s.record(ctx, ev, e.Kind)
		}
		return
	}
}

// ReviewActivity says that the owner has looked at the account's activity and that it was their own, up to the
// entry of this Number, which is that of the newest Event the owner was shown. It needs a proof of the last 15
// minutes, by a code of an authenticator. ErrInvalid says that the activity has no entry of this number yet.
func (o Owner) ReviewActivity(ctx context.Context, upTo int64) error {
	return o.change(ctx, nil, func(a core.Account, p core.Presented, env core.Env) (core.Account, error) {
		return a.ReviewActivity(p, upTo, env)
	})
}

// AcceptRisk takes on that an account fails a control, until a time or, with the zero Time, without an
// end. It needs a reason (see Because). The control counts as one that fails and keeps its gates
// closed; it is shown as accepted, and by whom.
func (o Operator) AcceptRisk(ctx context.Context, account, control string, until time.Time) error {
	if err := o.s.hasControl(control); err != nil {
		return err
	}
	end := int64(0)
	if !until.IsZero() {
		if end = until.Unix(); end <= o.s.env().Now.Unix() {
			return fmt.Errorf("%w: an acceptance that has ended", ErrInvalid)
		}
	}
	return o.change(ctx, account, nil, func(a core.Account, env core.Env) (core.Account, error) {
		return a.Accept(o.by, control, end, env)
	})
}

// WithdrawRisk ends the acceptance of a risk. One that was not accepted is no error.
func (o Operator) WithdrawRisk(ctx context.Context, account, control string) error {
	if err := o.s.hasControl(control); err != nil {
		return err
	}
	return o.change(ctx, account, nil, always(func(a core.Account, env core.Env) core.Account {
		return a.Withdraw(o.by, control, env)
	}))
}

func (s *Service) hasControl(id string) error {
	if err := s.hasPosture(); err != nil {
		return err
	}
	if !s.posture.Model().Has(id) {
		return fmt.Errorf("%w: no such control", ErrInvalid)
	}
	return nil
}
