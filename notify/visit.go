package notify

import (
	"maps"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// visit is one delivery to an account.
type visit struct {
	rec   storage.Record
	due   bool                   // what has failed before is tried as well
	past  bool                   // later notices are tried past one that fails
	stuck map[core.NoticeID]bool // those that have failed
	told  []core.NoticeID
}

// visit returns what the next delivery to an account is like. The lock is held.
func (d *drain) visit(rec storage.Record) *visit {
	f := d.failing[rec.ID]
	return &visit{
		rec: rec, due: f.until <= d.rounds, past: f.times >= patience, stuck: maps.Clone(f.stuck),
	}
}

// news reports whether there is a notice that was not tried yet, of an account whose others do not hold it up.
func (v *visit) news() bool {
	if !v.past {
		return false
	}
	a, err := core.Decode(v.rec.ID, v.rec.Data)
	return err == nil && len(v.fresh(a.Notices)) > 0
}

// fresh returns which notices have not failed, in their order.
func (v *visit) fresh(notices []core.Notice) (fresh []int) {
	for i, n := range notices {
		if !v.stuck[n.ID] {
			fresh = append(fresh, i)
		}
	}
	return fresh
}

// order returns which notices are tried: those that have failed last, so that one which takes all the time there is
// holds no other up.
func (v *visit) order(notices []core.Notice) []int {
	order := v.fresh(notices)
	there := map[core.NoticeID]bool{}
	for i, n := range notices {
		if !v.stuck[n.ID] {
			continue
		}
		there[n.ID] = true
		if v.due {
			order = append(order, i)
		}
	}
	v.stuck = there // others may have been folded, or told by another process
	return order
}

// tried notes what became of a notice.
func (v *visit) tried(id core.NoticeID, err error) {
	switch {
	case err == nil:
		v.told = append(v.told, id)
		delete(v.stuck, id)
	case v.past:
		v.stuck[id] = true
	}
}
