package simulation

import (
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Stalls take minutes, and what calls present works for some: the model says of what may be too old that it may be refused.

const (
	youth     = int64(core.ChallengeLife/time.Second) - 2*maxSkew // seconds for which nothing is too old by any clock
	staging   = 2 * youth                                         // and no enrollment
	firstMade = 0                                                 // the number of what was made before the simulation
)

// successors are calls whose proof is of the time of the one that they present.
var successors = []op{confirm, finish, regen, disable, drop}

// aged marks the calls that present something which may be too old by then.
func (w *world) aged() {
	made := map[int]int64{firstMade: w.start}
	for i := range w.history {
		in := &w.history[i].in
		at := in.from
		for _, op := range successors {
			if proof, known := made[in.proof]; in.op == op && known {
				at = min(at, proof)
			}
		}
		made[in.id] = at
	}
	for i := range w.history {
		in := &w.history[i].in
		for _, id := range []int{in.proof, in.challenge, in.try} {
			if at, known := made[id]; known && id >= firstMade && in.to-at > youth {
				in.stale = true
			}
		}
		if in.issued != 0 && in.to-in.issued/int64(time.Second) > youth || in.to-in.from > youth {
			in.stale = true
		}
		if at, known := made[in.enrollment]; known && in.enrollment > firstMade && in.to-at > staging {
			in.expired = true
		}
	}
}

// tooOld returns how a call can go that presents something too old.
func (a account) tooOld(in input) (ways []next) {
	if in.expired {
		ways = append(ways, next{state, a})
	}
	if !in.stale {
		return ways
	}
	switch in.op {
	case answer, redeem, assert, challenge, ask:
		return append(ways, next{denied, a})
	case reset, password, suspend, resume, unlock, reseal, imports, look, accept, withdraw, rotateSelf, purge, before, remove, removed, goesOn, reviewPosture, revokeAllBy:
		return ways
	}
	return append(ways, next{needsStep, a})
}
