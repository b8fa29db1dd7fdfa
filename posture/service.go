package posture

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Config is what a Service is told once.
type Config struct {
	// Policy has the controls and gates by which accounts are judged. There is no default.
	Policy *Policy

	// Tokens are those of the same gatehouse.Service. With gates for MintToken and its like it mints only where
	// they are open. Defaults to none: then no account has tokens, so leave them out only where no process mints any on
	// this store.
	Tokens *tokens.Service

	// Host returns what the host knows of an account. It is asked by Review and its kind, in
	// changes that may move the posture, and for a gate whose controls read it. An error, a panic or an answer that
	// takes over 2 seconds is no evidence: what would have come from it is unknown. At most 64 calls run at a time,
	// those that were given up among them; what finds no place in time is unknown as well. Defaults to a host that
	// signs its owners in itself, has no plans, and knows nothing else.
	Host func(ctx context.Context, account string) (Host, error)
}

// Service says how well accounts are protected, and whether that is enough. It is safe for concurrent use.
type Service struct {
	e      *engine.Engine
	policy *Policy
	tokens *tokens.Service // nil: none
	host   *host
}

// New returns the posture of the accounts of a Service. ErrInvalid says that there is no policy, that the tokens are of
// another Service or those of this one were left out, that the Service has a posture already, or that it was in use
// before.
func New(svc *gatehouse.Service, c Config) (*Service, error) {
	e := engine.Of(svc)
	if e == nil || c.Policy == nil {
		return nil, fmt.Errorf("%w: a posture needs a service and a policy", gatehouse.ErrInvalid)
	}
	if c.Tokens != nil && !c.Tokens.Of(svc) {
		return nil, fmt.Errorf("%w: the tokens are of another service", gatehouse.ErrInvalid)
	}
	s := &Service{e: e, policy: c.Policy, tokens: c.Tokens, host: newHost(c.Host, &e.Counts.HostUnknown)}
	err := e.Register(func(h *engine.Hooks) error {
		switch {
		case h.Trail != nil:
			return fmt.Errorf("%w: the service has a posture already", gatehouse.ErrInvalid)
		case c.Tokens == nil && h.Close != nil: // it would take every account for one without tokens
			return fmt.Errorf("%w: the service has tokens, which a posture must know", gatehouse.ErrInvalid)
		}
		h.Trail, h.Gates = s.trail, s.secretGates
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Of reports whether the posture is that of the accounts of a Service. Few hosts need it: packages that are given both
// do, to refuse what does not belong together.
func (s *Service) Of(svc *gatehouse.Service) bool { return s.e == engine.Of(svc) }

// Review returns how well an account is protected: every control with its state, level and score, the
// gates, and what to do next. A level or score that is new is kept in History. Show it to the account's
// owner.
func (s *Service) Review(ctx context.Context, account string) (_ Review, err error) {
	defer s.e.Begin(&ctx, "posture.Service.Review").End(&err)
	e, err := s.evidence(ctx, account)
	if err != nil {
		return Review{}, err
	}
	return s.reviewed(ctx, e), nil
}

// ReviewOf is Review for a page that has loaded the account anyhow. live are the tokens that tokens.Service.Live returned
// for it, where the page has those too; with nil they are read here. gatehouse.ErrInvalid says that the Account was not
// loaded, or that a token is of another one.
func (s *Service) ReviewOf(ctx context.Context, account gatehouse.Account, live []tokens.Info) (_ Review, err error) {
	defer s.e.Begin(&ctx, "posture.Service.ReviewOf").End(&err)
	e, err := s.evidenceOf(ctx, account, live)
	if err != nil {
		return Review{}, err
	}
	return s.reviewed(ctx, e), nil
}

func (s *Service) reviewed(ctx context.Context, e evidence) Review {
	r := s.policy.Review(e.facts(), e.env.Now)
	next := e.keep(e.account, r.Report, "", e.env)
	if len(next.History) == len(e.account.History) && len(next.Events) == 0 {
		return r
	}
	// It changes nothing that counts, so what goes wrong here waits for the next Review.
	_ = s.e.Change(ctx, e.account.ID, engine.Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return e.note(a, "", env), nil
	}})
	return r
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
func (s *Service) History(ctx context.Context, account string) (_ []Snapshot, err error) {
	defer s.e.Begin(&ctx, "posture.Service.History").End(&err)
	a, err := s.e.Load(ctx, account)
	if err != nil {
		return nil, err
	}
	list := make([]Snapshot, 0, len(a.History))
	for _, x := range a.History {
		list = append(list, Snapshot{core.Time(x.At), x.Model, x.Level, x.Score, x.Cause})
	}
	return list, nil
}

// trail gathers what there is to know of an account that is about to be saved.
func (s *Service) trail(ctx context.Context, a core.Account, live engine.Tokens) func(core.Account, event.Kind, core.Env) core.Account {
	e, err := s.gatherWith(ctx, a, AllEvidence, live)
	if err != nil {
		return nil // the next review makes up for it
	}
	return e.note
}

// note judges an account by the evidence, and keeps its level and score.
func (e evidence) note(a core.Account, cause event.Kind, env core.Env) core.Account {
	e.account, e.env = a, env
	return e.keep(a, e.s.policy.Model().Evaluate(e.facts(), env.Now), cause, env)
}

// keep keeps a level and score in an account if they are new, and the host has answered.
func (e evidence) keep(a core.Account, r Report, cause event.Kind, env core.Env) core.Account {
	if a.Absent() || e.silent {
		return a // no record of the account, or a fall that is the host's and not the account's
	}
	return a.Record(core.Snapshot{Model: r.Model, Level: r.Level, Score: r.Score, Cause: cause}, env)
}

// evidence is all that facts are made of.
type evidence struct {
	s       *Service
	account core.Account
	tokens  []tokens.Info
	known   bool // the tokens
	host    Host
	silent  bool // the host was asked and has not answered
	env     core.Env
}

// evidence returns all that is known of an account.
func (s *Service) evidence(ctx context.Context, account string) (evidence, error) {
	a, err := s.e.Load(ctx, account)
	if err != nil {
		return evidence{}, err
	}
	return s.gatherWith(ctx, a, AllEvidence, nil)
}

// evidenceOf returns all that is known of an account that was loaded, with its live tokens; nil: they are read.
func (s *Service) evidenceOf(ctx context.Context, account gatehouse.Account, live []tokens.Info) (evidence, error) {
	a := engine.AccountOf(account)
	if err := engine.CheckID(a.ID); err != nil {
		return evidence{}, err
	}
	if live == nil {
		return s.gatherWith(ctx, a, AllEvidence, nil)
	}
	for _, t := range live {
		if t.AccountID != a.ID {
			return evidence{}, fmt.Errorf("%w: a token of another account", gatehouse.ErrInvalid)
		}
	}
	return s.gatherWith(ctx, a, AllEvidence, func(context.Context, core.Account) (any, error) { return live, nil })
}

// evidenceFor returns what the gates of actions have to know of an account, and no more.
func (s *Service) evidenceFor(ctx context.Context, a core.Account, live engine.Tokens, actions ...string) (evidence, error) {
	env := s.e.Env()
	bare := evidence{s: s, account: a, env: env}.facts()
	needs := AccountEvidence
	for _, action := range actions {
		needs |= s.policy.Needs(action, bare, env.Now)
	}
	return s.gatherWith(ctx, a, needs, live)
}

// gatherWith finds out what is needed. live is what reads the tokens, nil for reading them as they are stored.
func (s *Service) gatherWith(ctx context.Context, a core.Account, needs Evidence, live engine.Tokens) (evidence, error) {
	e := evidence{s: s, account: a, env: s.e.Env()}
	if needs.Has(HostEvidence) {
		e.askHost(ctx)
	}
	if needs.Has(TokenEvidence) {
		if err := e.readTokens(ctx, live); err != nil {
			return evidence{}, err
		}
	}
	// What is unknown because the caller has gone is no answer to anybody.
	return e, ctx.Err()
}

func (e *evidence) askHost(ctx context.Context) {
	var answered bool
	e.host, answered = e.s.host.ask(ctx, e.account.ID, e.env.Now)
	e.silent = !answered
}

func (e *evidence) readTokens(ctx context.Context, live engine.Tokens) error {
	e.known = true
	if e.s.tokens == nil { // there are none
		return nil
	}
	if live == nil {
		live = func(ctx context.Context, a core.Account) (any, error) {
			return e.s.tokens.Live(ctx, e.s.view(a, e.env))
		}
	}
	list, err := live(ctx, e.account)
	if errors.Is(err, core.ErrFormat) {
		e.known = false // one that cannot be read is no evidence
		return nil
	}
	if err != nil {
		return err
	}
	e.tokens = list.([]tokens.Info)
	return nil
}

func (s *Service) view(a core.Account, env core.Env) gatehouse.Account {
	return engine.ViewOf(s.e, a, nil, env).(gatehouse.Account)
}

// facts returns the evidence for the account as it is in it now.
func (e evidence) facts() Facts {
	f := Facts{Account: e.s.view(e.account, e.env), TokensKnown: e.known, Host: e.host}
	if e.s.tokens == nil {
		return f
	}
	f.Tokens = slices.DeleteFunc(e.s.tokens.As(f.Account, e.tokens), func(t tokens.Info) bool {
		return t.State == tokens.StateRevoked || t.State == tokens.StateExpired
	})
	return f
}
