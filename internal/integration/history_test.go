package integration_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
)

const (
	histories      = 25
	historyRounds  = 6
	historyClients = 4 // each in a process of its own
	callsOfAClient = 4 // in a round
	firstSeed      = 2026
)

// Clients sign in, redeem, regenerate, disable and unlock at the same time, in four processes. What
// each of them was told must be what some order of these calls, one after the other, would have told
// them, every call having happened between its beginning and its end.
func TestHistory(t *testing.T) {
	happened := map[operation]int{}
	for n := range histories {
		h := newHistoryRun(t, uint64(firstSeed+n))
		for range historyRounds {
			h.round()
		}
		result := porcupine.CheckEventsTimeout(rules(h.initial), h.events, time.Minute)
		require.Equal(t, porcupine.Ok, result, "seed %d: no order of the calls explains what they answered", firstSeed+n)
		for op, times := range h.happened {
			happened[op] += times
		}
	}
	for op := range operationNames {
		require.NotZero(t, happened[operation(op)], "%s never succeeded", operationNames[op])
	}
}

type historyRun struct {
	t       *testing.T
	house   *house
	rng     *rand.Rand
	owners  []*historyOwner
	initial map[string]kept
	ids     int // of calls

	mu       sync.Mutex
	events   []porcupine.Event
	happened map[operation]int
}

// historyOwner is what clients know of an account at the beginning of a round.
type historyOwner struct {
	*owner
	sets    []codesOfCall // the newest last
	epoch   int           // the call that made it
	signIns int
	on      bool

	challenge    string
	strong, weak gatehouse.Proof // by a code of the authenticator, by a recovery code
}

type codesOfCall struct {
	call  int
	codes []string
}

// planned is a call that is to be made.
type planned struct {
	input
	run func(context.Context, *node) (left int, err error)
}

func newHistoryRun(t *testing.T, seed uint64) *historyRun {
	h := &historyRun{
		t: t, house: newHouse(t, historyClients), rng: rand.New(rand.NewPCG(seed, 1)),
		initial: map[string]kept{}, happened: map[operation]int{},
	}
	h.owners = []*historyOwner{h.enroll("ada"), h.enroll("bob")}
	return h
}

func (h *historyRun) enroll(id string) *historyOwner {
	o := &historyOwner{owner: h.house.enroll(id), on: true}
	o.sets = []codesOfCall{{0, o.codes}}
	h.initial[id] = kept{on: true, last: h.house.now.Load()/30 - 2} // enroll used a code, 60 seconds ago
	return o
}

// round has every client make its calls at once. The clock stands still.
func (h *historyRun) round() {
	for i, o := range h.owners {
		if !o.on {
			h.owners[i] = h.enroll(o.id + "'") // an account of its own in the history
		}
	}
	h.house.now.Add([]int64{30, 60, 90, 3600, -30}[h.rng.IntN(5)])
	for _, o := range h.owners {
		h.prepare(o)
	}
	attack := h.rng.IntN(3) == 0
	var clients []func()
	for c := range historyClients {
		var plan []planned
		for range callsOfAClient {
			plan = append(plan, h.plan(h.owners[h.rng.IntN(len(h.owners))], attack))
		}
		clients = append(clients, func() {
			for _, p := range plan {
				h.make(c, p)
			}
		})
	}
	atOnce(clients...)
}

// prepare gets an owner a challenge and proofs, by calls that are in the history like any other.
func (h *historyRun) prepare(o *historyOwner) {
	h.make(0, h.planned(o, input{op: doUnlockBy}, nil))
	o.strong, o.weak = gatehouse.Proof{}, gatehouse.Proof{}
	keep := func(into *gatehouse.Proof) func(gatehouse.Verification) {
		return func(v gatehouse.Verification) { *into = v.Session.Proof }
	}
	h.make(0, h.present(o, input{op: doTOTP, step: h.house.now.Load()/30 - 1}, keep(&o.strong)))
	h.make(0, h.present(o, input{op: doRedeem, set: o.newest().call, code: h.rng.IntN(10)}, keep(&o.weak)))
	o.challenge = o.owner.challenge()
}

func (o *historyOwner) newest() codesOfCall { return o.sets[len(o.sets)-1] }

// plan draws a call. An attack is mostly wrong codes.
func (h *historyRun) plan(o *historyOwner, attack bool) planned {
	answers := &label{o.epoch, o.signIns}
	if h.rng.IntN(2) == 0 {
		answers = nil
	}
	wrong := attack && h.rng.IntN(4) != 0
	switch n := h.rng.IntN(20); {
	case n < 8:
		in := input{op: doTOTP, challenge: answers, step: h.house.now.Load()/30 + int64(h.rng.IntN(3)) - 1}
		if wrong {
			in.step += 10
		}
		return h.present(o, in, nil)
	case n < 15:
		set := o.newest()
		if wrong {
			set = o.sets[0]
		}
		return h.present(o, input{op: doRedeem, challenge: answers, set: set.call, code: h.rng.IntN(10)}, nil)
	case n < 17:
		return h.planned(o, input{op: doRegenerate, proof: o.epoch}, o.strong)
	case n < 18:
		return h.planned(o, input{op: doDisable, proof: o.epoch}, o.strong)
	case n < 19:
		return h.planned(o, input{op: doUnlock, proof: o.epoch}, o.weak)
	}
	return h.planned(o, input{op: doUnlockBy}, nil)
}

// present plans to present a code.
func (h *historyRun) present(o *historyOwner, in input, then func(gatehouse.Verification)) planned {
	challenge, typed := o.challenge, ""
	if in.op == doTOTP {
		typed = o.apps[0].Code(time.Unix(in.step*30, 0))
	} else {
		for _, set := range o.sets {
			if set.call == in.set {
				typed = set.codes[in.code]
			}
		}
	}
	p := h.planned(o, in, nil)
	p.run = func(ctx context.Context, s *node) (int, error) {
		var v gatehouse.Verification
		var err error
		if in.challenge != nil {
			v, err = s.Answer(ctx, o.bare(), challenge, typed)
		} else {
			v, err = s.StepUp(ctx, o.bare(), typed)
		}
		if err == nil && in.challenge != nil {
			h.mu.Lock()
			o.signIns++
			h.mu.Unlock()
		}
		if err == nil && then != nil {
			then(v)
		}
		return v.CodesLeft, err
	}
	return p
}

// planned fills in a call, and how a change is made. Where there is no proof for it, an operator's
// unlocking takes its place.
func (h *historyRun) planned(o *historyOwner, in input, proof any) planned {
	if p, needed := proof.(gatehouse.Proof); needed && p.IsZero() {
		in = input{op: doUnlockBy}
	}
	h.ids++
	in.account, in.now, in.id = o.id, h.house.now.Load(), h.ids
	return planned{in, func(ctx context.Context, s *node) (int, error) {
		switch in.op {
		case doRegenerate:
			made, err := s.Owner(o.session(o.strong)).RegenerateRecoveryCodes(ctx)
			if err == nil {
				set := codesOfCall{call: in.id}
				for _, c := range made.Codes {
					set.codes = append(set.codes, c.Reveal())
				}
				h.mu.Lock()
				o.sets, o.epoch = append(o.sets, set), in.id
				h.mu.Unlock()
			}
			return 0, err
		case doDisable:
			_, err := s.Owner(o.session(o.strong)).DisableTwoFactor(ctx)
			if err == nil {
				h.mu.Lock()
				o.on = false
				h.mu.Unlock()
			}
			return 0, err
		case doUnlock:
			return 0, s.Owner(o.session(o.weak)).Unlock(ctx, event.MethodTOTP)
		}
		return 0, s.Operator("op-7").Unlock(ctx, o.id, event.MethodTOTP)
	}}
}

// make makes a call by a client's process and puts it in the history.
func (h *historyRun) make(client int, p planned) {
	h.event(porcupine.Event{ClientId: client, Kind: porcupine.CallEvent, Value: p.input, Id: p.id})
	left, err := p.run(context.Background(), h.house.process(client))
	out := output{account: p.account, left: left}
	var denied *gatehouse.DeniedError
	switch {
	case errors.As(err, &denied):
		out.err, out.disabled = gatehouse.ErrDenied, denied.Disabled
		if !denied.RetryAt.IsZero() {
			out.retryAt = denied.RetryAt.Unix()
		}
	case errors.Is(err, gatehouse.ErrStepUpRequired):
		out.err = gatehouse.ErrStepUpRequired
	case err != nil:
		h.t.Errorf("a fault: %v", err)
		out.err = err
	}
	h.event(porcupine.Event{ClientId: client, Kind: porcupine.ReturnEvent, Value: out, Id: p.id})
	if err == nil {
		h.mu.Lock()
		h.happened[p.op]++
		h.mu.Unlock()
	}
}

func (h *historyRun) event(e porcupine.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}
