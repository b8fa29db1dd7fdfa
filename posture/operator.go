package posture

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Operator is what support and operations ask about the posture of accounts, and what they accept.
type Operator struct {
	s  *Service
	by core.By
}

// Operator returns the operations of an operator on the posture of accounts.
func (s *Service) Operator(o gatehouse.Operator) Operator { return Operator{s: s, by: engine.ByOf(o)} }

// Summary is the posture of many accounts.
type Summary struct {
	Model    string // version of the rules
	Accounts int
	Failed   int     // of them, those that cannot be read; they are in no other count
	Levels   [4]int  // accounts by level
	Scores   [11]int // and by score: 0 to 9, 10 to 19 and so on, 100
	// Controls has, by control and state, how many accounts have that answer.
	Controls map[string]map[State]int
	// ShutOut has, by gate, how many accounts would not get through if it were enforced now, for everybody.
	ShutOut map[string]int
	Cursor  string // the last account that is counted: where another call can go on
}

// Fleet reviews all accounts that Gatehouse knows, in the order of their IDs and one page at a time. It
// begins with from, the zero Summary, or goes on where an earlier one has ended: from is then what that
// returned, or what progress was told last. progress, which may be nil, is called after each account.
// A fault, or the end of ctx, ends it.
func (o Operator) Fleet(ctx context.Context, from Summary, progress func(Summary)) (_ Summary, err error) {
	defer o.s.e.Begin(&ctx, "posture.Operator.Fleet").End(&err)
	f := from.clone()
	if err := o.canReview(f.Cursor); err != nil {
		return f, err
	}
	version := o.s.policy.Model().Version()
	if f.Model != "" && f.Model != version {
		return f, fmt.Errorf("%w: the count began under other rules", gatehouse.ErrInvalid)
	}
	f.Model = version
	if f.Controls == nil {
		f.Controls, f.ShutOut = map[string]map[State]int{}, map[string]int{}
	}
	for r, err := range o.each(ctx, f.Cursor) {
		if err != nil && r.AccountID == "" {
			return f, err
		}
		f.Accounts++
		f.Cursor = r.AccountID
		if err != nil {
			f.Failed++
		} else {
			f.count(r.Review)
		}
		if progress != nil {
			progress(f.clone())
		}
	}
	return f, nil
}

// clone returns a count that shares nothing with f, which goes on counting.
func (f Summary) clone() Summary {
	f.Controls, f.ShutOut = maps.Clone(f.Controls), maps.Clone(f.ShutOut)
	for id, states := range f.Controls {
		f.Controls[id] = maps.Clone(states)
	}
	return f
}

func (f *Summary) count(r Review) {
	f.Levels[r.Level]++
	f.Scores[r.Score/10]++
	for _, finding := range r.Findings {
		states := f.Controls[finding.ID]
		if states == nil {
			states = map[State]int{}
			f.Controls[finding.ID] = states
		}
		states[finding.State]++
	}
	for _, d := range r.Gates {
		if shutOut(d) {
			f.ShutOut[d.Action]++
		}
	}
}

// shutOut reports whether a gate would be closed without its grace and for real.
func shutOut(d Decision) bool { return len(d.Unmet) > 0 || len(d.Hidden) > 0 || d.Level > 0 }

// ShutOut yields the accounts after one, "" for the first, that would not get through the gate of an action if it were
// enforced now, for everybody. Errors are as in Reviews. gatehouse.ErrInvalid says that the action has no gate.
func (o Operator) ShutOut(ctx context.Context, action, after string) iter.Seq2[string, error] {
	return engine.Each(ctx, o.s.e, "posture.Operator.ShutOut", func(ctx context.Context) iter.Seq2[string, error] { return o.shutOut(ctx, action, after) })
}

func (o Operator) shutOut(ctx context.Context, action, after string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := o.s.hasGate(action); err != nil {
			yield("", err)
			return
		}
		for r, err := range o.reviews(ctx, after) {
			out := slices.ContainsFunc(r.Review.Gates, func(d Decision) bool { return d.Action == action && shutOut(d) })
			if (out || err != nil) && !yield(r.AccountID, err) {
				return
			}
		}
	}
}

func (o Operator) canReview(cursor string) error {
	if err := o.by.Check(); err != nil {
		return err
	}
	if cursor != "" {
		return engine.CheckID(cursor)
	}
	return nil
}

// Reviewed is an account with its review.
type Reviewed struct {
	AccountID string
	Review    Review
}

// Reviews yields the review of every account that Gatehouse knows, in the order of their IDs, from after one, "" for the
// first. An error together with an AccountID says that the record of that account cannot be read: there is no review, and
// the next account follows. An error without one is a fault, or the end of ctx, and ends it: the last account that was
// yielded is where to go on.
func (o Operator) Reviews(ctx context.Context, after string) iter.Seq2[Reviewed, error] {
	return engine.Each(ctx, o.s.e, "posture.Operator.Reviews", func(ctx context.Context) iter.Seq2[Reviewed, error] { return o.reviews(ctx, after) })
}

func (o Operator) reviews(ctx context.Context, after string) iter.Seq2[Reviewed, error] {
	return func(yield func(Reviewed, error) bool) {
		if err := o.canReview(after); err != nil {
			yield(Reviewed{}, err)
			return
		}
		o.each(ctx, after)(yield)
	}
}

// errEnough ends a walk over accounts.
var errEnough = errors.New("gatehouse: enough")

// each is Reviews for an operator and a cursor that were checked.
func (o Operator) each(ctx context.Context, cursor string) iter.Seq2[Reviewed, error] {
	return func(yield func(Reviewed, error) bool) {
		err := o.s.e.EachAccount(ctx, cursor, func(rec storage.Record) error {
			r := Reviewed{AccountID: rec.ID}
			a, broken := core.Decode(rec.ID, rec.Data)
			if broken == nil {
				e, err := o.s.gatherWith(ctx, a, AllEvidence, nil)
				if err != nil {
					return err
				}
				r.Review = o.s.policy.Review(e.facts(), e.env.Now)
			}
			if !yield(r, broken) {
				return errEnough
			}
			return nil
		})
		if err != nil && err != errEnough {
			yield(Reviewed{}, err)
		}
	}
}

// AcceptRisk takes on that an account fails a control, until a time or, with the zero Time, without an
// end. It needs a reason (see gatehouse.Operator.Because). The control counts as one that fails and keeps its gates
// closed; it is shown as accepted, and by whom.
func (o Operator) AcceptRisk(ctx context.Context, account, control string, until time.Time) (err error) {
	defer o.s.e.Begin(&ctx, "posture.Operator.AcceptRisk").End(&err)
	if err := o.s.hasControl(control); err != nil {
		return err
	}
	end := int64(0)
	if !until.IsZero() {
		if end = until.Unix(); end <= o.s.e.Env().Now.Unix() {
			return fmt.Errorf("%w: an acceptance that has ended", gatehouse.ErrInvalid)
		}
	}
	return o.change(ctx, account, func(a core.Account, env core.Env) (core.Account, error) {
		return a.Accept(o.by, control, end, env)
	})
}

// WithdrawRisk ends the acceptance of a risk. One that was not accepted is no error.
func (o Operator) WithdrawRisk(ctx context.Context, account, control string) (err error) {
	defer o.s.e.Begin(&ctx, "posture.Operator.WithdrawRisk").End(&err)
	if err := o.s.hasControl(control); err != nil {
		return err
	}
	return o.change(ctx, account, func(a core.Account, env core.Env) (core.Account, error) {
		return a.Withdraw(o.by, control, env), nil
	})
}

func (s *Service) hasControl(id string) error {
	if !s.policy.Model().Has(id) {
		return fmt.Errorf("%w: no such control", gatehouse.ErrInvalid)
	}
	return nil
}

func (o Operator) change(ctx context.Context, account string, step func(core.Account, core.Env) (core.Account, error)) error {
	if err := o.by.Check(); err != nil {
		return err
	}
	return o.s.e.Change(ctx, account, engine.Transition{Step: step})
}
