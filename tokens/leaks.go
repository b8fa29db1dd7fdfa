package tokens

import (
	"sync"
	"time"
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
