package tokens

import (
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Work returns how many bytes Find looks at in a text, counted each time.
func Work(brand string, text []byte) int {
	f := finder{brand: brand}
	f.all(text, true, func(string) bool { return true })
	return f.work
}

// Settle returns the policy with its defaults filled in.
func (p Policy) Settle() (Policy, error) { return p.settle() }

// Request returns a request with its defaults filled in.
func (p Policy) Request(r Request) (Request, error) { return p.request(r) }

// Life returns the lifetime that the policy gives.
func (p Policy) Life(asked time.Duration) (time.Duration, error) { return p.life(asked) }

// FillUnpaid has what is owed of other tokens take every place.
func (s *Service) FillUnpaid() {
	for i := range maxLeaks {
		s.unpaid.keep(debt{token: fmt.Sprint(i), account: fmt.Sprint(i), events: make([]core.Event, 1)})
	}
}

// Unpaid returns of how many tokens something is owed.
func (s *Service) Unpaid() int { return len(s.unpaid.places) }
