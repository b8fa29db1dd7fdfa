package storagetest

import (
	"context"
	crand "crypto/rand"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

const (
	stepsOfSeed  = 300 // of which each is a call, a race or a turn of a service
	turns        = 30  // of a hundred steps
	defaultSeeds = 20
	shortSeeds   = 5
	maxShrinks   = 400 // runs that are spent to make a schedule smaller
)

// Simulate looks for schedules that a store does not survive. It runs services on the store, and other callers beside them, with
// every call under one scheduler, which draws from a seed whose call goes on next, through which handle, and what becomes of it:
// it is done, its reply is lost, it is refused, it meets a conflict, its context ends, or its node dies. Each answer must be that
// of a model, a store in memory that gets the same calls. Now and then calls that contend go on together: one of them must win,
// and whoever reads meanwhile must see what was stored before or after.
//
// It does not replace Run, which tries each clause of the contract in a place of its own and says so: it finds what comes of
// several calls, none of which is wrong alone. What it cannot see is what no answer shows: that a save is lost with the power,
// or what a listing costs.
//
// open is called once for each of three nodes, and returns handles on the same data; where two make no sense it returns the same
// store each time. Other rows may be there and come and go, as in Run. Simulate deletes what it has written, unless it fails.
//
// 20 seeds are run, or 5 with -short: some 21,000 calls, and as many of the model. GATEHOUSE_STORE_SEEDS says how
// many, and GATEHOUSE_STORE_SEED which is the first. A failure names the seed, what differs, and the fewest calls that were
// found to lead to it. A seed draws the same steps each time; the random numbers of the services differ, and what really
// happens at once depends on the machine, so a seed that fails only sometimes is worth another run.
func Simulate(t *testing.T, open func(t *testing.T) storage.Store) {
	t.Helper()
	t.Run("simulate", func(t *testing.T) {
		n, first := seeds(t)
		var stores [nodes]storage.Store
		for i := range stores {
			if stores[i] = open(t); stores[i] == nil {
				t.Fatal("open returned no store")
			}
		}
		calls, again, did := 0, int64(0), map[string]int{}
		for seed := first; seed < first+n; seed++ {
			r := simulate(t, stores, seed, whole)
			if r.wrong != "" {
				small := shrink(t, stores, seed, r)
				t.Fatalf("seed %d, after %d calls: %s\nThe fewest calls that were found to lead to it, of IDs whose common part is …:\n%s\n%s",
					seed, len(r.log), r.wrong, strings.Join(small.log, "\n"), small.wrong)
			}
			calls += len(r.log)
			again += r.again.Load()
			for what, n := range r.team.done {
				did[what] += n
			}
		}
		t.Logf("%d seeds from %d on, %d calls; ErrConflict asked %d times to try again; services did %v", n, first, calls, again, did)
	})
}

// seeds returns how many seeds are run, and the first of them.
func seeds(t *testing.T) (n, first uint64) {
	n = defaultSeeds
	if testing.Short() {
		n = shortSeeds
	}
	for _, v := range []struct {
		name string
		to   *uint64
	}{{"GATEHOUSE_STORE_SEEDS", &n}, {"GATEHOUSE_STORE_SEED", &first}} {
		if text := os.Getenv(v.name); text != "" {
			parsed, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("%s: %v", v.name, err)
			}
			*v.to = parsed
		}
	}
	return n, first
}

// shape says what of a seed is left out.
type shape struct {
	skipped map[int]bool // steps
	calm    map[int]bool // steps of which the call is just done
	steps   int          // how many there are
}

var whole = shape{steps: stepsOfSeed}

// sim is a run of a seed.
type sim struct {
	*drawer
	seed  uint64
	team  *team
	wrong string
}

func newSim(t *testing.T, stores [nodes]storage.Store, seed uint64) *sim {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
	c := &checker{
		ctx: ctx, stores: stores, model: memory.New(), prefix: "storagetest-" + strings.ToLower(crand.Text()[:16]) + "-",
		own: map[string]bool{}, once: map[string][]int64{},
	}
	s := &sim{seed: seed}
	s.drawer = newDrawer(c, seed, s.stream(math.MaxUint64))
	s.team = newTeam(s.drawer, s.stream)
	return s
}

// stream returns random numbers of a seed.
func (s *sim) stream(number uint64) *rand.Rand { return rand.New(rand.NewPCG(s.seed, number)) }

// simulate runs a seed. What is wrong is in the result.
func simulate(t *testing.T, stores [nodes]storage.Store, seed uint64, of shape) *sim {
	s := newSim(t, stores, seed)
	s.guarded(func() {
		defer s.team.stop()
		for i := range of.steps {
			if s.at = i; !of.skipped[i] {
				s.step(of.calm[i])
			}
		}
	})
	s.guarded(func() {
		if s.wrong == "" {
			s.sweep()
			s.clean()
		}
	})
	return s
}

// step makes one step. It draws the same, whatever was left out before it.
func (s *sim) step(calm bool) {
	s.rng = s.stream(uint64(s.at))
	switch n := s.rng.IntN(100); {
	case n < turns:
		s.team.turn(calm)
	case n < 40:
		s.race()
	case n < 68:
		s.write()
	case n < 90:
		s.call(s.node(), s.read())
	case n < 94:
		s.ended()
	default:
		s.midway()
	}
}

// guarded calls f, which ends where something is wrong.
func (s *sim) guarded(f func()) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case wrong:
			s.wrong = string(r)
		default:
			panic(r)
		}
	}()
	f()
}

// shrink takes steps out of a failing run, in halves, quarters and so on, and then faults, for as long as it fails.
func shrink(t *testing.T, stores [nodes]storage.Store, seed uint64, failing *sim) *sim {
	s := &shrinking{
		of:  shape{skipped: map[int]bool{}, calm: map[int]bool{}, steps: min(failing.at+1, stepsOfSeed)},
		run: func(of shape) *sim { return simulate(t, stores, seed, of) }, best: failing,
	}
	for size := s.of.steps / 2; size > 0; size /= 2 {
		for from := 0; from < s.of.steps; from += size {
			s.try(s.of.skipped, from, min(from+size, s.of.steps))
		}
	}
	for i := range s.of.steps {
		s.try(s.of.calm, i, i+1)
	}
	return s.best
}

// shrinking is a run that becomes smaller.
type shrinking struct {
	of   shape
	run  func(of shape) *sim
	runs int
	best *sim
}

// try adds steps to those that are left out, if the rest fails.
func (s *shrinking) try(without map[int]bool, from, to int) {
	var added []int
	for i := from; i < to; i++ {
		if !s.of.skipped[i] && !without[i] {
			without[i] = true
			added = append(added, i)
		}
	}
	if len(added) == 0 {
		return
	}
	if s.runs++; s.runs <= maxShrinks {
		if r := s.run(s.of); r.wrong != "" {
			s.best = r
			return
		}
	}
	for _, i := range added {
		delete(without, i)
	}
}
