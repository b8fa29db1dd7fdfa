package securitypage

import (
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/text"
)

const (
	placeDeadline = 300 * time.Millisecond // for all addresses of a page
	maxPlaceCalls = 8                      // pages that ask at once, those that were left behind included
	maxPlace      = 64                     // bytes of a place
)

// places asks the host where addresses are. A host that hangs or panics costs the page the places, and nothing else.
type places struct {
	place func(netip.Addr) string // nil: the host does not say
	calls chan struct{}
}

func newPlaces(place func(netip.Addr) string) places {
	return places{place, make(chan struct{}, maxPlaceCalls)}
}

type placeOf struct{ address, place string }

// of returns places by addresses, as many as are known in time.
func (p places) of(addresses []netip.Addr) map[string]string {
	if p.place == nil || len(addresses) == 0 {
		return nil
	}
	select {
	case p.calls <- struct{}{}:
	default:
		return nil
	}
	found := make(chan placeOf, len(addresses))
	go func() {
		defer func() { <-p.calls }()
		defer close(found)
		p.ask(addresses, found)
	}()
	names := map[string]string{}
	timer := time.NewTimer(placeDeadline)
	defer timer.Stop()
	for {
		select {
		case f, more := <-found:
			if !more {
				return names
			}
			names[f.address] = f.place
		case <-timer.C:
			return names
		}
	}
}

func (p places) ask(addresses []netip.Addr, found chan<- placeOf) {
	asked := map[netip.Addr]bool{}
	for _, a := range addresses {
		if asked[a] {
			continue
		}
		asked[a] = true
		if place := p.safely(a); text.Trimmed(place, 1, maxPlace) {
			found <- placeOf{a.String(), place}
		}
	}
}

func (p places) safely(a netip.Addr) (place string) {
	defer func() {
		if recover() != nil {
			place = ""
		}
	}()
	return p.place(a)
}
