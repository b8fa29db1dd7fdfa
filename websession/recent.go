package websession

import (
	"sync"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// maxRecent bounds how many accounts are remembered.
const maxRecent = 10_000

// recent remembers accounts that were read within Config.Recheck, if that is not 0. It makes sessions count, and never
// ends one.
type recent struct {
	lasts time.Duration
	now   func() time.Time

	mu       sync.Mutex
	accounts map[string]read
}

type read struct {
	account core.Account
	at      time.Time
}

func (c *recent) fresh(x read) bool {
	age := c.now().Sub(x.at)
	return age >= 0 && age < c.lasts
}

func (c *recent) get(id string) (core.Account, bool) {
	if c.lasts == 0 {
		return core.Account{}, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	x, ok := c.accounts[id]
	return x.account, ok && c.fresh(x)
}

// put remembers an account that was read after a moment.
func (c *recent) put(a core.Account, began time.Time) {
	if c.lasts == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.accounts) >= maxRecent {
		for id, x := range c.accounts {
			if !c.fresh(x) {
				delete(c.accounts, id)
			}
		}
	}
	if c.accounts == nil || len(c.accounts) >= maxRecent {
		c.accounts = map[string]read{}
	}
	if x, ok := c.accounts[a.ID]; !ok || !x.at.After(began) || !c.fresh(x) {
		c.accounts[a.ID] = read{a.ForSessions(), began}
	}
}
