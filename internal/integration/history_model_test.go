package integration_test

import (
	"fmt"

	"github.com/anishathalye/porcupine"

	"github.com/gatehouse-go/gatehouse"
)

// The sequential rules that a concurrent history is held against. They are fewer than the machine's:
// one authenticator, no challenge but of this epoch, no operator's reset.

type operation uint8

const (
	doTOTP operation = iota
	doRedeem
	doRegenerate
	doDisable
	doUnlock   // with a proof by a recovery code
	doUnlockBy // an operator
)

var operationNames = [...]string{"TOTP", "redeem", "regenerate", "disable", "unlock", "unlock by operator"}

// input is a call as a client made it.
type input struct {
	account string
	op      operation
	now     int64
	id      int // of this call: names the epoch and the codes that it makes

	challenge *label // of Answer; nil: StepUp
	step      int64  // of a TOTP code
	set, code int    // of a recovery code: who made it, and which of ten
	proof     int    // the epoch of the proof of a change
}

// label is what a challenge was made of.
type label struct {
	epoch   int
	signIns int
}

// output is what the client was told.
type output struct {
	account  string
	err      error // nil, ErrDenied, ErrStepUpRequired or ErrState
	retryAt  int64
	disabled bool
	left     int
}

// kept is the state of one account, comparable.
type kept struct {
	on          bool
	last        int64
	wrong       int
	lockedUntil int64
	set         int
	used        uint16
	signIns     int
	epoch       int
}

func rules(initial map[string]kept) porcupine.Model {
	return porcupine.Model{
		PartitionEvent: func(history []porcupine.Event) [][]porcupine.Event {
			of := map[string][]porcupine.Event{}
			for _, e := range history {
				id := ""
				switch v := e.Value.(type) {
				case input:
					id = v.account
				case output:
					id = v.account
				}
				of[id] = append(of[id], e)
			}
			var parts [][]porcupine.Event
			for _, part := range of {
				parts = append(parts, part)
			}
			return parts
		},
		Init: func() any { return initial },
		Step: func(s, in, out any) (bool, any) {
			k, ok := s.(kept)
			if !ok {
				k = s.(map[string]kept)[in.(input).account]
			}
			want := k.step(in.(input))
			return want == out.(output), k
		},
		Equal: func(a, b any) bool {
			k, one := a.(kept)
			l, two := b.(kept)
			return one && two && k == l || !one && !two // the initial state is one alone
		},
		DescribeOperation: func(in, out any) string {
			return fmt.Sprintf("%s %+v: %+v", operationNames[in.(input).op], in, out)
		},
	}
}

// step is the rule of one call.
func (k *kept) step(in input) output {
	out := output{account: in.account}
	switch in.op {
	case doTOTP, doRedeem:
		k.present(in, &out)
	case doRegenerate:
		if out.err = k.authorized(in); out.err == nil {
			k.set, k.used, k.epoch = in.id, 0, in.id
		}
	case doDisable:
		if out.err = k.authorized(in); out.err == nil {
			*k = kept{signIns: k.signIns, epoch: in.id}
		}
	case doUnlock:
		if out.err = k.authorized(in); out.err == nil {
			k.unlock(in.now)
		}
	case doUnlockBy:
		k.unlock(in.now)
	}
	return out
}

// authorized is for proofs of this moment and enough, so that only their epoch matters.
func (k *kept) authorized(in input) error {
	if in.proof != k.epoch {
		return gatehouse.ErrStepUpRequired
	}
	return nil
}

func (k *kept) unlock(now int64) {
	if now < k.lockedUntil {
		k.wrong, k.lockedUntil = 0, 0
	}
}

func (k *kept) present(in input, out *output) {
	out.err = gatehouse.ErrDenied
	if !k.on || in.challenge != nil && *in.challenge != (label{k.epoch, k.signIns}) {
		return
	}
	if in.op == doTOTP {
		k.totp(in, out)
	} else {
		k.redeem(in, out)
	}
	if out.err == nil && in.challenge != nil {
		k.signIns++
	}
	out.left = 0
	if out.err == nil {
		out.left = 10 - ones(k.used)
	}
}

func (k *kept) totp(in input, out *output) {
	if in.now < k.lockedUntil {
		out.retryAt = k.lockedUntil
		return
	}
	offset := in.step - in.now/30
	if offset >= -1 && offset <= 1 && in.step > k.last {
		k.last = in.step
		k.wrong, k.lockedUntil = 0, 0
		out.err = nil
		return
	}
	if k.wrong++; k.wrong > 5 {
		k.lockedUntil = in.now + []int64{30, 60, 120, 300, 900, 1800, 3600}[min(k.wrong-6, 6)]
		out.retryAt = k.lockedUntil
	}
}

func (k *kept) redeem(in input, out *output) {
	if in.set == k.set && k.used>>in.code&1 == 0 {
		k.used |= 1 << in.code
		out.err = nil
	}
}

func ones(n uint16) (count int) {
	for ; n != 0; n &= n - 1 {
		count++
	}
	return count
}
