package simulation

import (
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// epochs looks at what sessions and tokens go by: a first factor and the loss of one end other sessions, and a reset ends
// tokens.
func (v *invariants) epochs(was, now core.Account) {
	lost := slices.ContainsFunc(factors(was), func(id string) bool { return !slices.Contains(factors(now), id) })
	if (lost || was.Factors() == 0 && now.Factors() > 0) && now.SessionEpoch == was.SessionEpoch {
		v.fail("%s: other factors, and the same sessions", now.ID)
	}
	reset := slices.ContainsFunc(now.Activity, func(e core.Event) bool { return e.Number > was.Noted && e.Kind == event.AccountReset })
	if reset && now.TokenEpoch == was.TokenEpoch {
		v.fail("%s: a reset, and the same tokens", now.ID)
	}
}

// ended is a token that a client's call has revoked.
type ended struct {
	client         int
	account, token string
	tick           int64
}

// endings are what owners are told where others than they end a token: whoever shows an old secret of it, and operators.
var endings = map[op][]event.Kind{
	check:      {event.TokenReused, event.TokenRevoked},
	rotateSelf: {event.TokenReused, event.TokenRevoked},
	revokeBy:   {event.TokenRevoked},
}

// ends notes that a client's call has revoked a token.
func (o *outbox) ends(client int, account, token string) {
	o.mail.Lock()
	defer o.mail.Unlock()
	o.ended = append(o.ended, ended{client, account, token, o.clock})
}

// silent returns which token has ended without a word to its owner, "" for none. A call that has met a fault may not have
// told it, nor one during which the account was deleted, and whoever cannot read an account tells nobody.
func (o *outbox) silent() string {
	for _, e := range o.ended {
		c := o.callOf(e)
		if c.told == fault || o.rollout == careless || o.removedDuring(c) {
			continue
		}
		for _, kind := range endings[c.in.op] {
			if !o.hasNotice(e, kind) {
				return fmt.Sprintf("%s is not told of %s by call %d", e.account, kind, c.in.id)
			}
		}
	}
	return ""
}

// callOf returns the call that has revoked a token: the last of its client that had begun by then.
func (o *outbox) callOf(e ended) (by made) {
	for _, c := range o.history {
		if c.client == e.client && c.begin <= e.tick && c.begin > by.begin {
			by = c
		}
	}
	return by
}

func (o *outbox) removedDuring(c made) bool {
	for _, r := range o.removals[c.in.account] {
		if r.at >= c.begin && r.at <= c.end+1 {
			return true
		}
	}
	return false
}

func (o *outbox) hasNotice(e ended, kind event.Kind) bool {
	for _, s := range o.saved {
		if s.account == e.account && s.Token == e.token && s.Kind == kind {
			return true
		}
	}
	return false
}
