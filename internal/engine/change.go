package engine

import (
	"context"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Transition is one change of an account.
type Transition struct {
	// Loaded is the account as it was loaded already, which the first try begins with; nil: it is loaded. A try after a
	// conflict loads it as it is then.
	Loaded *Kept[core.Account]
	// Refused reports whether Step refuses this account without a look at what Prepare would find out. Where others
	// are at the account it is asked first, so that nobody waits, or has others wait, for nothing. nil: never.
	Refused func(a core.Account, env core.Env) bool
	// Prepare does what needs keys or other services, on an account that may change before Step sees it. It
	// is called before every Step and must not repeat what a call before has done.
	Prepare func(ctx context.Context, a core.Account, env core.Env) error
	// Slow returns what takes Argon2id and is still to be done for Step, nil for nothing. It runs without the
	// account's turn, and then everything begins again on the account as it is then.
	Slow func(a core.Account, env core.Env) Work
	// Step is pure. Its error is the answer, given after the account it returns is saved.
	Step func(a core.Account, env core.Env) (core.Account, error)
	// Tokens returns the account's tokens where the same call changes one, as they will be, for Hooks.Trail. nil: as
	// they are. TokenEvent is its event, which is told once the token is saved as well.
	Tokens     Tokens
	TokenEvent event.Kind
	Restate    bool // of Kind, where the answer is a success
}

// Work runs Argon2id.
type Work func(ctx context.Context) error

// Change is the one place that changes accounts. No answer leaves before its save has returned.
func (e *Engine) Change(ctx context.Context, id string, t Transition) error {
	if refused, err := e.refused(ctx, id, t); refused || err != nil {
		return err
	}
	c := &change{
		Transition: t, e: e, at: &place{e: e, id: id}, tell: func() {},
		loop: loop[core.Account]{kind: e.accounts(), id: id, ctx: ctx, attached: e.attached},
	}
	c.kind.Restate = t.Restate
	defer c.end()
	defer func() { c.tell() }() // after the turn has ended
	defer c.at.leave()
	if err := c.at.takeTurn(ctx); err != nil {
		return err
	}
	for c.try < maxTries {
		if again, err := c.once(); !again {
			return err
		}
	}
	return c.gaveUp()
}

// refused answers without the account's turn what is refused anyway, if somebody else has the turn.
func (e *Engine) refused(ctx context.Context, id string, t Transition) (refused bool, answer error) {
	if t.Refused == nil || e.turns.Free(id) {
		return false, nil
	}
	a, err := e.Load(ctx, id)
	if err != nil {
		return false, err
	}
	env := e.EnvOf(ctx)
	if !t.Refused(a, env) {
		return false, nil
	}
	next, answer := t.Step(a, env)
	e.Tell(ctx, id, next.Events...)
	return true, answer
}

// change is a Transition on its way.
type change struct {
	Transition
	loop[core.Account]
	e      *Engine
	at     *place
	tell   func()
	rounds int                                                   // of work
	trail  func(core.Account, event.Kind, core.Env) core.Account // of Hooks.Trail, once it was asked
	asked  bool
}

// once tries the change once. again says that it has to be tried again.
func (c *change) once() (again bool, err error) {
	kept, err := c.load()
	if err != nil {
		return false, err
	}
	env := c.e.EnvOf(c.ctx) // one moment for all: what was refused in Prepare must not be let through in Step
	if c.Prepare != nil {
		if err := c.Prepare(c.ctx, kept.Record, env); err != nil {
			return false, c.knownOnly(err)
		}
	}
	if worked, err := c.work(kept.Record, env); worked || err != nil {
		return err == nil, err
	}
	next, answer := c.Step(kept.Record, env)
	if answer != nil && c.unsure {
		return false, ErrUnsure
	}
	return c.finish(kept, next, answer, env)
}

// load returns the account as it is, or as it was loaded before the change.
func (c *change) load() (Kept[core.Account], error) {
	if l := c.Loaded; l != nil {
		c.Loaded = nil
		return *l, nil
	}
	return c.kind.Load(c.ctx, c.id)
}

// work does what takes Argon2id, and reports whether there was any: then the account has to be loaded again.
func (c *change) work(a core.Account, env core.Env) (worked bool, err error) {
	if c.Slow == nil || c.rounds >= maxTries {
		return false, nil
	}
	work := c.Slow(a, env)
	if work == nil {
		return false, nil
	}
	c.rounds++
	waited, err := c.at.queue(c.ctx)
	if err != nil {
		return true, err
	}
	if waited {
		return true, c.at.takeTurn(c.ctx)
	}
	if err := work(c.ctx); err != nil {
		return true, err
	}
	// The turn spares conflicts and no more, so what was looked at goes on without it if need be.
	waiting, cancel := Detach(c.ctx)
	_ = c.at.takeTurn(waiting)
	cancel()
	c.detach() // something was looked at, and counts
	return true, nil
}

// finish saves what Step has made of an account, and has it told.
func (c *change) finish(kept Kept[core.Account], next core.Account, answer error, env core.Env) (again bool, err error) {
	changed, err := c.changes(kept, next)
	if err != nil {
		return false, err
	}
	if !changed && (answer != nil || !c.restates(kept)) {
		c.tell = c.e.observers.add(c.ctx, c.id, next.Events)
		return false, answer
	}
	c.detach() // before others are asked: a guess that locks counts, also if its maker hangs up now
	next = c.follow(next, env).WithoutExpired(env)
	if again, err := c.save(kept, next, answer == nil); again || err != nil {
		c.try++
		return again, err
	}
	told := c.e.observers.add(c.ctx, c.id, next.Events)
	c.tell = func() {
		told()
		if f := c.e.Hooks.Changed; f != nil {
			f(c.ctx, kept.Record, next)
		}
	}
	return false, answer
}

// follow notes the posture in an account that is about to be saved. The host's own has a part in it, such as its Sealer:
// a panic of that leaves the note out, and what time it takes is not the save's.
func (c *change) follow(next core.Account, env core.Env) (noted core.Account) {
	cause := movesPosture(next.Events)
	if c.Tokens != nil {
		cause = c.TokenEvent
	}
	if c.e.Hooks.Trail == nil || cause == "" {
		return next
	}
	first := !c.asked
	defer func() {
		if recover() != nil {
			noted = next
		}
		if first {
			c.end()
			c.detach()
		}
	}()
	if first {
		c.asked = true
		ctx, cancel := context.WithTimeout(c.ctx, trailTimeout)
		defer cancel()
		c.trail = c.e.Hooks.Trail(ctx, next, c.Tokens)
	}
	if c.trail == nil {
		return next
	}
	return c.trail(next, cause, env)
}

// movesPosture returns the first kind that may move the posture, or none.
func movesPosture(events []core.Event) event.Kind {
	for _, e := range events {
		if core.MovesPosture(e.Kind) {
			return e.Kind
		}
	}
	return ""
}

// Follow notes the posture of an account after events that were saved elsewhere, such as in a token. It is best effort,
// and the next review makes up for it. The account's turn is not held while evidence is gathered: who holds a token can
// cause that as often as they like.
func (e *Engine) Follow(ctx context.Context, account string, events []core.Event) {
	cause := movesPosture(events)
	if e.Hooks.Trail == nil || cause == "" {
		return
	}
	ctx = context.WithoutCancel(ctx)
	asking, cancel := context.WithTimeout(ctx, trailTimeout)
	defer cancel()
	a, err := e.Load(asking, account)
	if err != nil || a.Absent() {
		return
	}
	trail := e.Hooks.Trail(asking, a, nil)
	if trail == nil {
		return
	}
	saving, cancel := Detach(ctx)
	defer cancel()
	_ = e.Change(saving, account, Transition{Step: func(a core.Account, env core.Env) (core.Account, error) {
		return trail(a, cause, env), nil
	}})
}
