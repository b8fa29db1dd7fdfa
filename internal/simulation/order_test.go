package simulation

import (
	"cmp"
	"fmt"
	"slices"
)

// made is a call that a client has made, with what it was told and when it began and ended.
type made struct {
	client     int
	in         input
	told       outcome
	begin, end int64
}

// way is one way in which a call can go: what is told, and what there is then.
type way[S any] struct {
	told  outcome
	after S
}

// order looks for an order of calls that explains what they were told: each is done at one moment between its beginning and
// its end (linearizability). It goes through the history and keeps all states in which everything can be, each with the calls
// under way that have been done in it. States are told apart by their text, so each step of each is worked out once, and
// what no call that is still to be looked at presents is dropped from them, or there would be too many.
type order[S any] struct {
	step   func(S, input) []way[S]
	settle func(state *S, wanted func(id int) bool)
	copy   func(S) S

	last    map[int]int // by what calls present, the number of the last one that does
	at      int         // how many have ended
	numbers map[string]int
	states  []S
	steps   map[stepOf][]int
}

type stepOf struct{ state, call int }

// place is a state with a set of clients whose calls under way are done.
type place struct {
	state int
	done  uint32
}

func newOrder[S any](step func(S, input) []way[S], settle func(*S, func(int) bool), copy func(S) S) *order[S] {
	return &order[S]{step: step, settle: settle, copy: copy, last: map[int]int{}, numbers: map[string]int{}, steps: map[stepOf][]int{}}
}

// number returns the number of a state, which is nobody else's.
func (o *order[S]) number(s S) int {
	o.settle(&s, func(id int) bool { return o.last[id] > o.at })
	text := fmt.Sprint(s)
	n, known := o.numbers[text]
	if !known {
		n = len(o.states)
		o.numbers[text], o.states = n, append(o.states, s)
	}
	return n
}

// after returns the states that there may be after a call.
func (o *order[S]) after(state, number int, c made) []int {
	key := stepOf{state, number}
	list, known := o.steps[key]
	if known {
		return list
	}
	for _, w := range o.step(o.states[state], c.in) {
		if w.told == c.told || c.told == fault {
			list = append(list, o.number(o.copy(w.after)))
		}
	}
	if c.told == fault {
		list = append(list, state)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	o.steps[key] = list
	return list
}

// explains returns "", or the first call of which no order explains what it was told.
func (o *order[S]) explains(initial S, calls []made) string {
	slices.SortFunc(calls, func(a, b made) int { return cmp.Compare(a.end, b.end) })
	for i, c := range calls {
		for _, id := range c.in.presents() {
			o.last[id] = i + 1
		}
	}
	byBegin := slices.Clone(calls)
	slices.SortFunc(byBegin, func(a, b made) int { return cmp.Compare(a.begin, b.begin) })
	places := map[place]bool{{o.number(initial), 0}: true}
	under := map[int]int{} // which call of each client is under way
	for i, c := range calls {
		for len(byBegin) > 0 && byBegin[0].begin < c.end {
			under[byBegin[0].client] = slices.IndexFunc(calls, func(c made) bool { return c.in.id == byBegin[0].in.id })
			byBegin = byBegin[1:]
		}
		places = o.through(places, under, c.client, calls)
		if len(places) == 0 {
			return fmt.Sprintf("%+v of client %d was told %q", c.in, c.client, c.told)
		}
		delete(under, c.client)
		o.at = i + 1
		places = o.settled(places, c)
	}
	return ""
}

// settled returns places without what the last call that has ended was the last one to present.
func (o *order[S]) settled(places map[place]bool, ended made) map[place]bool {
	if !slices.ContainsFunc(ended.in.presents(), func(id int) bool { return id > 0 && o.last[id] == o.at }) {
		return places
	}
	numbers, settled := map[int]int{}, map[place]bool{}
	for p := range places {
		n, known := numbers[p.state]
		if !known {
			n = o.number(o.copy(o.states[p.state]))
			numbers[p.state] = n
		}
		settled[place{n, p.done}] = true
	}
	return settled
}

// through returns the places in which the call of a client is done, that has ended.
func (o *order[S]) through(places map[place]bool, under map[int]int, client int, calls []made) map[place]bool {
	ended := map[place]bool{}
	var list []place
	for p := range places {
		list = append(list, p)
	}
	for len(list) > 0 {
		p := list[len(list)-1]
		list = list[:len(list)-1]
		p = o.refused(p, under, calls)
		if p.done>>client&1 == 1 {
			p.done &^= 1 << client
			ended[p] = true
			continue
		}
		for by, call := range under {
			if p.done>>by&1 == 1 {
				continue
			}
			for _, state := range o.after(p.state, call, calls[call]) {
				next := place{state, p.done | 1<<by}
				if !places[next] {
					places[next] = true
					list = append(list, next)
				}
			}
		}
	}
	return ended
}

// refused returns a place with all calls done that were refused and can be done in its state: they have changed nothing, so
// that to do them later leads nowhere else.
func (o *order[S]) refused(p place, under map[int]int, calls []made) place {
	for by, call := range under {
		if c := calls[call]; p.done>>by&1 == 0 && slices.Contains(refusals, c.told) && len(o.after(p.state, call, c)) > 0 {
			p.done |= 1 << by
		}
	}
	return p
}
