package tokens

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

const (
	leakAgain = time.Hour
	maxLeaks  = 1024 // tokens that are remembered
	maxOwed   = 64   // and of one account
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
	service        bool         // the account is a service account
	owner          string       // who must be told; empty: not known yet
	birth          int64        // of the owner's account: another that has its ID later is told nothing
	events         []core.Event // with the moment and the client of the call that has caused them
	past           int          // so many of the events have happened, even if the token does not end
	placed         bool         // it has a place among those that are remembered
}

// told returns the events as the owner is told of them.
func (d debt) told() []core.Event {
	events := slices.Clone(d.events)
	for i := range events {
		if d.service {
			events[i].Service = d.account
		}
	}
	return events
}

// unpaid remembers debts that could not be paid, by token.
type unpaid struct {
	mu     sync.Mutex
	places map[string]place
}

// place is where a debt is remembered. It is kept while calls pay what they have taken out of it, so that they can put it
// back.
type place struct {
	debt
	out int // such calls
}

// keep reports whether there is a place for a debt. All that it has is then past. What was put there meanwhile stays.
func (u *unpaid) keep(d debt) bool {
	if len(d.events) == 0 {
		return true
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	p, is := u.places[d.token]
	if !is && (len(u.places) >= maxLeaks || u.owed(d.account) >= maxOwed) {
		return false
	}
	d.events = merged(p.events, d.events)
	d.owner, d.past, d.placed = cmp.Or(d.owner, p.owner), len(d.events), true
	if u.places == nil {
		u.places = map[string]place{}
	}
	u.places[d.token] = place{d, p.out}
	return true
}

// owed returns of how many tokens of an account something is remembered.
func (u *unpaid) owed(account string) (n int) {
	for _, p := range u.places {
		if p.account == account {
			n++
		}
	}
	return n
}

// merged returns the events of two debts of one token, one of each kind.
func merged(a, b []core.Event) []core.Event {
	if len(a) < len(b) {
		a, b = b, a
	}
	all := slices.Clone(a)
	for _, e := range b {
		if !slices.ContainsFunc(all, func(other core.Event) bool { return other.Kind == e.Kind }) {
			all = append(all, e)
		}
	}
	return all
}

// take returns the debt of a token, the one given if there is none, and has others find none. Its place is there until
// done.
func (u *unpaid) take(none debt) debt {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, is := u.places[none.token]; !is {
		return none
	}
	return u.takeOut(none.token)
}

func (u *unpaid) takeOut(token string) debt {
	p := u.places[token]
	d := p.debt
	p.events, p.past = nil, 0
	p.out++
	u.places[token] = p
	return d
}

// takeOf is take for everything that an owner must be told, and takeAll for everything.
func (u *unpaid) takeOf(owner string) []debt {
	return u.takeWhere(func(d debt) bool { return d.owner == owner })
}

func (u *unpaid) takeAll() []debt {
	return u.takeWhere(func(debt) bool { return true })
}

func (u *unpaid) takeWhere(is func(debt) bool) (all []debt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, token := range slices.Sorted(maps.Keys(u.places)) {
		if d := u.places[token].debt; len(d.events) > 0 && is(d) {
			all = append(all, u.takeOut(token))
		}
	}
	return all
}

// done frees the place that a debt was taken out of, unless there is something in it again.
func (u *unpaid) done(d debt) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p, is := u.places[d.token]
	if !d.placed || !is {
		return
	}
	p.out--
	u.places[d.token] = p
	if p.out <= 0 && len(p.events) == 0 {
		delete(u.places, d.token)
	}
}
