package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Fleet is the posture of many accounts.
type Fleet struct {
	Model    string // version of the rules
	Accounts int
	Failed   int     // of them, those that cannot be read; they are in no other count
	Levels   [4]int  // accounts by level
	Scores   [11]int // and by score: 0 to 9, 10 to 19 and so on, 100
	// Controls has, by control and state, how many accounts have that answer.
	Controls map[string]map[posture.State]int
	// ShutOut has, by gate, how many accounts would not get through if it were enforced now, for everybody.
	ShutOut map[string]int
	Cursor  string // the last account that is counted: where another call can go on
}

// Fleet reviews all accounts that Gatehouse knows, in the order of their IDs and one page at a time. It
// begins with from, the zero Fleet, or goes on where an earlier one has ended: from is then what that
// returned, or what progress was told last. progress, which may be nil, is called after each account.
// A fault, or the end of ctx, ends it.
func (o Operator) Fleet(ctx context.Context, from Fleet, progress func(Fleet)) (Fleet, error) {
	f := from.clone()
	if err := o.canReview(f.Cursor); err != nil {
		return f, err
	}
	version := o.s.posture.Model().Version()
	if f.Model != "" && f.Model != version {
		return f, fmt.Errorf("%w: the count began under other rules", ErrInvalid)
	}
	f.Model = version
	if f.Controls == nil {
		f.Controls, f.ShutOut = map[string]map[posture.State]int{}, map[string]int{}
	}
	err := o.review(ctx, f.Cursor, func(id string, r posture.Review, err error) bool {
		f.Accounts++
		f.Cursor = id
		if err != nil {
			f.Failed++
		} else {
			f.count(r)
		}
		if progress != nil {
			progress(f.clone())
		}
		return true
	})
	return f, err
}

// clone returns a count that shares nothing with f, which goes on counting.
func (f Fleet) clone() Fleet {
	f.Controls, f.ShutOut = maps.Clone(f.Controls), maps.Clone(f.ShutOut)
	for id, states := range f.Controls {
		f.Controls[id] = maps.Clone(states)
	}
	return f
}

func (f *Fleet) count(r posture.Review) {
	f.Levels[r.Level]++
	f.Scores[r.Score/10]++
	for _, finding := range r.Findings {
		states := f.Controls[finding.ID]
		if states == nil {
			states = map[posture.State]int{}
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
func shutOut(d posture.Decision) bool { return len(d.Unmet) > 0 || len(d.Hidden) > 0 || d.Level > 0 }

// ShutOut returns up to limit (1 to 1000) accounts after one, "" for the first, that would not get through
// the gate of an action if it were enforced now. An empty page ends them.
func (o Operator) ShutOut(ctx context.Context, action, after string, limit int) ([]string, error) {
	if err := o.canReview(after); err != nil {
		return nil, err
	}
	if err := o.s.hasGate(action); err != nil {
		return nil, err
	}
	if limit < 1 || limit > 1000 {
		return nil, fmt.Errorf("%w: a page has 1 to 1000 accounts", ErrInvalid)
	}
	var page []string
	err := o.review(ctx, after, func(id string, r posture.Review, err error) bool {
		for _, d := range r.Gates {
			if d.Action == action && shutOut(d) {
				page = append(page, id)
			}
		}
		return len(page) < limit
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

func (o Operator) canReview(cursor string) error {
	if err := o.by.Check(); err != nil {
		return err
	}
	if err := o.s.hasPosture(); err != nil {
		return err
	}
	if cursor != "" {
		return checkID(cursor)
	}
	return nil
}

// Reviews calls f with the review of every account that Gatehouse knows, in the order of their IDs, from
// after one, "" for the first, until f returns false. Where err is not nil the account cannot be read, and
// there is no review. A fault, or the end of ctx, ends it: the last account that f has seen is where to
// go on.
func (o Operator) Reviews(ctx context.Context, after string, f func(account string, r posture.Review, err error) bool) error {
	if err := o.canReview(after); err != nil {
		return err
	}
	return o.review(ctx, after, f)
}

// errEnough ends a walk over accounts.
var errEnough = errors.New("gatehouse: enough")

// review calls f with each account after a cursor, until it returns false. err says that an account cannot
// be read.
func (o Operator) review(ctx context.Context, cursor string, f func(id string, r posture.Review, err error) bool) error {
	err := o.s.eachAccount(ctx, cursor, func(rec storage.Record) error {
		var r posture.Review
		a, broken := core.Decode(rec.ID, rec.Data)
		if broken == nil {
			e, err := o.s.gather(ctx, a, posture.AllEvidence)
			if err != nil {
				return err
			}
			r = o.s.posture.Review(e.facts(), e.env.Now)
		}
		if !f(rec.ID, r, broken) {
			return errEnough
		}
		return nil
	})
	if err == errEnough {
		return nil
	}
	return err
}
