package storagetest

import (
	"context"
	"math/rand/v2"
	"slices"

	"github.com/gatehouse-go/gatehouse/storage"
)

// team is the clients. One of them is at work at a time, and the others wait for the store.
type team struct {
	*household
	s       *drawer
	clients []*client
	end     context.CancelFunc
}

const (
	workers       = 3
	drainers      = 1
	secondsOfStep = 4
)

func newTeam(s *drawer, stream func(uint64) *rand.Rand) *team {
	m := &team{household: newHousehold([]string{s.prefix + "Ow\u00e9ner ", " " + s.prefix + "owner"}), s: s}
	s.served = m.owners
	over, end := context.WithCancel(s.ctx)
	m.end = end
	for i := range workers + drainers {
		c := &client{household: m.household, remote: newRemote(over), number: i, rng: stream(1<<32 + uint64(i))}
		m.clients = append(m.clients, c)
		work := c.work
		if i >= workers {
			work = c.drain
		}
		go func() {
			defer close(c.ended)
			work()
		}()
		c.next()
	}
	return m
}

// stop ends all clients.
func (m *team) stop() {
	m.end()
	for _, c := range m.clients {
		for c.waits != nil {
			c.tell(answer{err: errDead})
		}
	}
}

// fate is what becomes of a client's call.
type fate uint8

const (
	done fate = iota
	replyLost
	refused
	conflict
	late // its context ends before it is made
	nodeDies
	nodeDiesAfter // it is done, and nobody hears of it
)

// fate draws what becomes of a call. Calm draws the same, so that a run without a fault goes on like the one with it.
func (m *team) fate(calm bool) fate {
	n := m.s.rng.IntN(100)
	if calm {
		return done
	}
	for _, f := range []struct {
		fate
		share int
	}{{replyLost, 3}, {refused, 2}, {conflict, 3}, {late, 1}, {nodeDies, 1}, {nodeDiesAfter, 1}} {
		if n -= f.share; n < 0 {
			return f.fate
		}
	}
	return done
}

// turn lets some calls of clients go on.
func (m *team) turn(calm bool) {
	for range 1 + m.s.rng.IntN(3) {
		m.one(calm)
	}
}

// one lets a client's call go on, or those of two that contend.
func (m *team) one(calm bool) {
	m.seconds.Add(secondsOfStep)
	clients := slices.DeleteFunc(slices.Clone(m.clients), func(c *client) bool { return c.waits == nil })
	m.s.rng.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	if len(clients) == 0 {
		return
	}
	f := m.fate(calm)
	if m.s.rng.IntN(3) > 0 && m.pair(clients) {
		return
	}
	c := clients[0]
	c.tell(m.become(c, f))
}

// pair has two calls go on together that contend: writes over one version, or a write and a call that reads.
func (m *team) pair(clients []*client) bool {
	for _, a := range clients {
		for _, b := range clients {
			one, two := a.waits.request, b.waits.request
			switch {
			case a == b || one.writes == "" || m.s.stored(one.writes) != one.prev:
				continue
			case one.writes == two.writes && one.prev == two.prev && one.handle == two.handle:
				m.s.oneWins([]request{one, two})
				m.wrote(one, two)
				first, last := answer{}, answer{err: storage.ErrConflict}
				if m.s.stored(one.writes) != one.version {
					first, last = last, first
				}
				a.tell(first)
				b.tell(last)
				return true
			case two.reads:
				told := m.s.alongside([]request{one, two})
				m.wrote(one)
				a.tell(told[0])
				b.tell(told[1])
				return true
			}
		}
	}
	return false
}

// become makes a call, or what has become of it.
func (m *team) become(c *client, f fate) answer {
	r, s := c.waits.request, m.s
	switch f {
	case refused:
		return answer{err: errNetwork}
	case conflict:
		return answer{err: storage.ErrConflict}
	case nodeDies:
		c.dead.Store(true)
		return answer{err: errDead}
	case late:
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		r.what += ", with a context that has ended"
		return s.callIn(ctx, c.node, r)
	}
	a := s.call(c.node, r)
	m.wrote(r)
	switch f {
	case replyLost:
		return answer{err: errNetwork}
	case nodeDiesAfter:
		c.dead.Store(true)
		return answer{err: errDead}
	}
	return a
}

// wrote notes what was saved.
func (m *team) wrote(requests ...request) {
	for _, r := range requests {
		m.s.seen(r)
		if id, ok := tokenOf(r); ok && !slices.Contains(m.s.minted, id) && len(m.s.minted) < 20 {
			m.s.minted = append(m.s.minted, id)
		}
	}
}
