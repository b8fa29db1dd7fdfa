package integration_test

import (
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// notice is something that the owner of an account must be told.
type notice struct {
	id        core.NoticeID // zero: nobody has seen it yet
	kind      event.Kind
	at, first int64
	count     int // of events, or of codes; 0: one
	left      int // recovery codes
}

func storedNotice(n core.Notice) notice { return notice{n.ID, n.Kind, n.At, n.First, n.Count, n.Left} }

// owe keeps what the owner must be told. A fourth of a kind is the third once more, from the earlier of their moments to
// the later one, also where a clock that is behind tells it.
func (a *account) owe(n notice) {
	if !a.keepsNotices {
		return
	}
	alike := slices.DeleteFunc(slices.Clone(a.outbox), func(was notice) bool { return was.kind != n.kind })
	if len(alike) == 3 {
		was := alike[2]
		a.outbox = slices.DeleteFunc(a.outbox, func(other notice) bool { return other == was })
		n.first, n.at = n.at, max(n.at, was.at)
		if n.first = min(n.first, was.at); was.first != 0 {
			n.first = min(n.first, was.first)
		}
		if n.kind != event.ManyFailures {
			n.count = max(was.count, 1) + max(n.count, 1)
		}
	}
	a.outbox = append(a.outbox, n)
}

// holdNotices is the rule of a drainer that begins. ok says that it may.
func (a *account) holdNotices(now int64) (ok bool) {
	if len(a.outbox) == 0 || lies(a.noticesHeld, now, holdFor) {
		return false
	}
	a.noticesHeld = now + holdFor
	return true
}

// noticesTold is the rule of a drainer that has told some.
func (a *account) noticesTold(told []notice, held int64) {
	a.outbox = slices.DeleteFunc(a.outbox, func(n notice) bool {
		return slices.ContainsFunc(told, func(t notice) bool { return t.id == n.id })
	})
	if a.noticesHeld == held || len(a.outbox) == 0 {
		a.noticesHeld = 0
	}
}

// oldest says since when something waits to be told, 0 for nothing.
func (a *account) oldest() (since int64) {
	for _, n := range a.outbox {
		at := n.at
		if n.first != 0 {
			at = min(at, n.first)
		}
		if since == 0 || at < since {
			since = at
		}
	}
	return since
}

func hasNotices(a *account) bool { return len(a.outbox) > 0 }
