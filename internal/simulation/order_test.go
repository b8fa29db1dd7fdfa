package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/anishathalye/porcupine"
)

// patience is for how long an order is looked for.
const patience = 10 * time.Second

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

// order is a model for porcupine of states that calls can change in several ways. States are told apart by their text and
// go by numbers, so each step of each is worked out once, and what no call that is still to be looked at presents is
// dropped from them, or there would be too many.
type order[S any] struct {
	step   func(S, input) []way[S]
	settle func(state *S, wanted func(id int) bool)
	copy   func(S) S

	last    map[int]int64 // by what calls present, when the last one that does has ended
	numbers map[string]int
	states  []S
	steps   map[stepOf][]int
	sets    map[string]int // numbers of sets of states
	members [][]int
}

type stepOf struct {
	state     int
	ended, at int64 // when the call has ended, at which no other has
}

// place is all states in which everything can be after some of the calls, the latest of which began at a time: every call
// that had ended by then is among them, as that one came after it.
type place struct {
	set int
	at  int64
}

func newOrder[S any](step func(S, input) []way[S], settle func(*S, func(int) bool), copy func(S) S) *order[S] {
	return &order[S]{
		step: step, settle: settle, copy: copy,
		last: map[int]int64{}, numbers: map[string]int{}, steps: map[stepOf][]int{}, sets: map[string]int{},
	}
}

// number returns the number of a state, which is nobody else's, as it is at a time.
func (o *order[S]) number(s S, at int64) int {
	o.settle(&s, func(id int) bool { return o.last[id] > at })
	text := fmt.Sprint(s)
	n, known := o.numbers[text]
	if !known {
		n = len(o.states)
		o.numbers[text], o.states = n, append(o.states, s)
	}
	return n
}

// set returns the number of a set of states.
func (o *order[S]) set(states []int) int {
	slices.Sort(states)
	states = slices.Compact(states)
	text := fmt.Sprint(states)
	n, known := o.sets[text]
	if !known {
		n = len(o.members)
		o.sets[text], o.members = n, append(o.members, states)
	}
	return n
}

// after returns the states that there may be after a call.
func (o *order[S]) after(state int, c made, at int64) []int {
	key := stepOf{state, c.end, at}
	list, known := o.steps[key]
	if known {
		return list
	}
	for _, w := range o.step(o.states[state], c.in) {
		if w.told == c.told || c.told == fault {
			list = append(list, o.number(o.copy(w.after), at))
		}
	}
	if c.told == fault {
		list = append(list, o.number(o.copy(o.states[state]), at))
	}
	o.steps[key] = list
	return list
}

// model returns the model in which everything begins in one state.
func (o *order[S]) model(initial S) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return place{set: o.set([]int{o.number(initial, 0)})} },
		Step: func(state, in, _ any) (bool, any) {
			from, c := state.(place), in.(made)
			at := max(from.at, c.begin)
			var states []int
			for _, s := range o.members[from.set] {
				states = append(states, o.after(s, c, at)...)
			}
			if len(states) == 0 {
				return false, state
			}
			return true, place{o.set(states), at}
		},
		Hash: func(state any) uint64 { return uint64(state.(place).set) * 0x9e3779b97f4a7c15 },
	}
}

// explains looks for an order of calls that explains what they were told.
func (o *order[S]) explains(initial S, calls []made) porcupine.CheckResult {
	var list []porcupine.Operation
	for _, c := range calls {
		for _, id := range c.in.presents() {
			o.last[id] = max(o.last[id], c.end)
		}
		list = append(list, porcupine.Operation{ClientId: c.client, Input: c, Call: c.begin, Return: c.end})
	}
	return porcupine.CheckOperationsTimeout(o.model(initial), list, patience)
}
