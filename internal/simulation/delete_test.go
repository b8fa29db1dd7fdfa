package simulation

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// A deletion is two statements: one removes the record and its tokens, and one saves what ends the sessions of before. Of the
// first one it is known when it was carried out, so it is a call of its own in the history: removed. remove is the rest.

// removal is a record that was removed.
type removal struct {
	client, call int
	began, at    int64 // when the call began, and when it was removed
}

func (r remote) DeleteAccount(ctx context.Context, id string) error {
	client, call := r.of, r.of.making
	began := client.began
	return write(ctx, r, "delete "+id, func() error {
		err := r.Store.DeleteAccount(context.WithoutCancel(ctx), id)
		client.removed(id, removal{client: client.number, call: call, began: began})
		return err
	})
}

func (w *world) removed(account string, r removal) {
	w.mu.Lock()
	defer w.mu.Unlock()
	begin := w.tick()
	r.at = w.tick()
	w.removals[account] = append(w.removals[account], r)
	w.history = append(w.history, made{client: r.client, in: input{op: removed, account: account}, told: ok, begin: begin, end: r.at})
}

// removedBy returns when a call has last removed a record, 0 for never. The lock is held.
func (w *world) removedBy(account string, call int) (at int64) {
	for _, r := range w.removals[account] {
		if r.call == call {
			at = r.at
		}
	}
	return at
}

// bindRemove is bind for deletions.
func (c *client) bindRemove(in *input) func(context.Context) error {
	return func(ctx context.Context) error {
		untold, err := c.svc.Operator("op-7").DeleteAccount(ctx, in.account)
		c.outbox.handedOver(untold)
		return err
	}
}

// isRemoved is an account of which nothing is stored. Only what its clients know is left.
func (a account) isRemoved() account {
	b := account{Epoch: -1, Pending: -1, Brings: -1, Set: -1, Reset: -1, Sessions: sessions{Stamp: -1}, Removed: true, Tries: maps.Clone(a.Tries), Proofs: maps.Clone(a.Proofs)}
	b.Looks, b.Challenges, b.Asked = map[int]int{}, map[int]label{}, map[int]question{}
	for id, q := range a.Asked {
		if q.purpose == core.PasskeySignIn {
			b.Asked[id] = q
		}
	}
	return b
}

// reviewsOld is what becomes of a look at the activity of an account that was deleted since: it is a number alone.
func (a account) reviewsOld() (ways []next) {
	for seen := a.Seen; seen <= a.Uses; seen++ {
		b := a.clone()
		b.Seen = seen
		ways = append(ways, next{ok, b})
	}
	return ways
}

// removed looks at an account that is no more.
func (v *invariants) removed(id string) {
	was, err := core.Decode(id, v.records[id].Data)
	if err != nil {
		v.fail("%s cannot be read: %v", id, err)
	}
	for _, s := range slots(was) {
		v.burned[s.Hash] = true
	}
	for _, auth := range was.Authenticators {
		v.gone[auth.ID] = true
	}
	for _, k := range was.Passkeys {
		v.gone[k.ID] = true
	}
	v.ended[was.Epoch] = true
	delete(v.records, id)
	delete(v.handles, id)
	v.w.outbox.removed(was)
}

// deleted looks at the tokens of an account that was deleted since the last look, whether there was an account or not: one
// that was saved right after a deletion goes with the next one.
func (v *invariants) deleted(id string) {
	if v.deletions[id] == len(v.w.removals[id]) {
		return
	}
	v.deletions[id] = len(v.w.removals[id])
	for token, t := range v.tokens {
		if t.Account == id {
			v.gone[token] = true
			delete(v.tokens, token)
		}
	}
}

// mustHand is a notice that was there when its account was removed.
type mustHand struct {
	saved
	by removal
}

// removed notes what the notices of an account have come to: whoever deletes it is handed them.
func (o *outbox) removed(was core.Account) {
	if !o.notices {
		return
	}
	o.mail.Lock()
	defer o.mail.Unlock()
	removals := o.removals[was.ID]
	for _, n := range was.Notices {
		if !o.taken[n.ID] {
			o.hand = append(o.hand, mustHand{o.saved[n.ID], removals[len(removals)-1]})
			o.taken[n.ID] = true
		}
	}
	o.lives[was.ID]++
}

// handedOver notes what a deletion has returned.
func (o *outbox) handedOver(list []event.Notice) {
	o.mail.Lock()
	defer o.mail.Unlock()
	for _, n := range list {
		o.handed[n.ID] = true
	}
}

// notHanded returns what nobody was handed or told of an account that was deleted, "" for nothing. What was saved while its
// deletion was under way may be missing, and whoever cannot read a record does not know what is in it.
func (o *outbox) notHanded() string {
	i := slices.IndexFunc(o.hand, func(m mustHand) bool {
		return !o.handed[m.ID.String()] && m.tick < m.by.began && o.rollout != careless
	})
	if i < 0 {
		return ""
	}
	return fmt.Sprintf("%s was deleted, and nobody was handed a notice of %s", o.hand[i].account, o.hand[i].Kind)
}
