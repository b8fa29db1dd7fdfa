package tokens

import (
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

const (
	leakAgain = time.Hour
	maxLeaks  = 1024 // tokens that are remembered
)

// leaks remembers of which tokens a reuse was owed lately.
type leaks struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// again reports whether a reuse of a token is to be owed now.
func (l *leaks) again(id string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if since := now.Sub(l.last[id]); since >= 0 && since < leakAgain {
		return false
	}
	if l.last == nil || len(l.last) >= maxLeaks {
		l.last = map[string]time.Time{}
	}
	l.last[id] = now
	return true
}

// debt is what an owner must be told of a token, in its order, and is not in their account yet.
type debt struct {
	token, account string
	service        bool // the account is a service account
	events         []core.Event
	past           int // so many of the events have happened, even if the token does not end
}

// unpaid remembers debts that could not be paid, by token.
type unpaid struct {
	mu    sync.Mutex
	debts map[string]debt
}

// keep reports whether there is a place for a debt. All that it has is then past.
func (u *unpaid) keep(d debt) bool {
	if len(d.events) == 0 {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.debts == nil {
		u.debts = map[string]debt{}
	}
	if _, is := u.debts[d.token]; !is && len(u.debts) >= maxLeaks {
		return false
	}
	d.past = len(d.events)
	u.debts[d.token] = d
	return true
}

// take returns the debt of a token, with no events if there is none, and forgets it.
func (u *unpaid) take(id string) debt {
	u.mu.Lock()
	defer u.mu.Unlock()
	d := u.debts[id]
	delete(u.debts, id)
	return d
}
