package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Clients check, rotate and end one token at the same time, in four processes, with secrets of all its
// generations. Like TestHistory, it asks for an order of these calls that explains their answers.
func TestTokenHistory(t *testing.T) {
	happened := map[tokenOperation]int{}
	rounds := 0
	for n := range 4 * histories {
		h := &tokenHistory{t: t, house: newHouse(t, historyClients), rng: rand.New(rand.NewPCG(firstSeed+uint64(n), 2)), happened: happened}
		h.begin()
		for range historyRounds {
			if last, _ := last(h.secrets); !works(t, h.house.process(0), last.text) {
				break
			}
			rounds++
			h.round()
		}
		model := tokenRules.ToModel()
		result := porcupine.CheckEventsTimeout(model, h.events, time.Minute)
		require.Equal(t, porcupine.Ok, result, "seed %d: no order of the calls explains what they answered", firstSeed+n)
	}
	for op := range tokenOperations {
		require.NotZero(t, happened[tokenOperation(op)], "%s never succeeded", tokenOperations[op])
	}
	t.Logf("%d rounds: %v", rounds, happened)
}

type tokenHistory struct {
	t        *testing.T
	house    *house
	rng      *rand.Rand
	id       string
	owner    *owner
	mu       sync.Mutex
	calls    int
	secrets  []secret // the newest last
	events   []porcupine.Event
	happened map[tokenOperation]int
}

// secret is the text of one generation, and the call that made it.
type secret struct {
	call int
	text string
}

func (h *tokenHistory) begin() {
	h.owner = h.house.enroll("ada")
	text, id := h.owner.mint(0)
	h.id, h.secrets = id, []secret{{0, text}}
}

// round has every client make its calls at once. The clock stands still, and a proof is of this moment.
func (h *tokenHistory) round() {
	h.house.now.Add([]int64{30, 60, 3600}[h.rng.IntN(3)])
	if v, err := h.house.process(0).StepUp(context.Background(), h.owner.bare(), h.owner.at(0)); err == nil {
		h.owner.proof = v.Session.Proof
	}
	ending := h.rng.IntN(3) == 0
	var clients []func()
	for client := range historyClients {
		rng := rand.New(rand.NewPCG(h.rng.Uint64(), 3))
		clients = append(clients, func() {
			for range callsOfAClient {
				h.make(client, rng, ending)
			}
		})
	}
	atOnce(clients...)
}

// make draws a call, makes it by a client's process and puts it in the history.
func (h *tokenHistory) make(client int, rng *rand.Rand, ending bool) {
	in := tokenInput{now: h.house.now.Load(), grace: []int64{7200, 60, 0}[rng.IntN(3)]}
	if !ending {
		in.grace = 7200 // or what is presented after it would end the token soon
	}
	switch n := rng.IntN(20); {
	case n < 11:
		in.op = checkToken
	case n < 14:
		in.op = rotateByOwner
	case n < 17 || !ending:
		in.op = rotateItself
	case n < 18:
		in.op = revokeByOwner
	case n < 19:
		in.op = revokeAll
	default:
		in.op = suspendOwner
	}
	h.mu.Lock()
	h.calls++
	in.call = h.calls
	held := h.secrets[max(0, len(h.secrets)-1-[]int{0, 0, 0, 1, 2}[rng.IntN(5)])]
	in.secret = held.call
	h.events = append(h.events, porcupine.Event{ClientId: client, Kind: porcupine.CallEvent, Value: in, Id: in.call})
	h.mu.Unlock()

	s, ctx := h.house.process(client), context.Background()
	how := tokens.Rotation{Grace: time.Duration(in.grace) * time.Second}
	var made tokens.Minted
	var out tokenOutput
	var err error
	switch in.op {
	case checkToken:
		var g tokens.Grant
		if g, err = s.tok.Check(ctx, held.text, netip.Addr{}); !g.Rotated.IsZero() {
			out.until = g.Rotated.Unix()
		}
	case rotateByOwner:
		made, err = s.tok.Rotate(ctx, h.owner.in(), h.id, how)
	case rotateItself:
		made, err = s.tok.RotateSelf(ctx, held.text, netip.Addr{}, how)
	case revokeByOwner:
		err = s.tok.Revoke(ctx, h.owner.in(), h.id)
	case revokeAll:
		err = s.tok.Operator(s.Operator("op-7")).RevokeAll(ctx, h.owner.id)
	case suspendOwner:
		err = s.Operator("op-7").Suspend(ctx, h.owner.id)
	}
	if out.ok = err == nil; err != nil && !errors.Is(err, gatehouse.ErrDenied) &&
		!errors.Is(err, gatehouse.ErrPrecondition) && !errors.Is(err, gatehouse.ErrNotFound) && !errors.Is(err, gatehouse.ErrStepUpRequired) {
		h.t.Errorf("a fault: %v", err)
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, porcupine.Event{ClientId: client, Kind: porcupine.ReturnEvent, Value: out, Id: in.call})
	if out.ok {
		h.happened[in.op]++
		if text := made.Token.Reveal(); text != "" {
			h.secrets = append(h.secrets, secret{in.call, text})
		}
	}
}

type tokenOperation uint8

const (
	checkToken tokenOperation = iota
	rotateByOwner
	rotateItself
	revokeByOwner
	revokeAll
	suspendOwner
)

var tokenOperations = [...]string{"check", "rotate by owner", "rotate itself", "revoke", "revoke all", "suspend"}

type tokenInput struct {
	op     tokenOperation
	now    int64
	call   int // names the secret that a rotation makes
	secret int // the call that made what is presented
	grace  int64
}

type tokenOutput struct {
	ok    bool
	until int64 // of a check of a rotated secret
}

// keptToken is the state of the one token, comparable.
type keptToken struct {
	present int
	old     [8]struct {
		secret int
		until  int64
	} // those in their grace when the last rotation was made, the latest first; 0 until: none
	ended bool // revoked, or its owner suspended
}

// tokenRules has the sequential rules. An owner's change may be refused: because the token has ended or
// the proof has with the suspension, or as another rotation has come first.
var tokenRules = porcupine.NondeterministicModel{
	Init: func() []any { return []any{keptToken{}} },
	Step: func(s, i, o any) []any {
		k, in, out := s.(keptToken), i.(tokenInput), o.(tokenOutput)
		var next []any
		for _, possible := range k.step(in) {
			if possible.out == out {
				next = append(next, possible.next)
			}
		}
		return next
	},
	DescribeOperation: func(in, out any) string {
		return fmt.Sprintf("%s %+v: %+v", tokenOperations[in.(tokenInput).op], in, out)
	},
}

type possible struct {
	out  tokenOutput
	next keptToken
}

// step returns what a call may answer and what it then leaves.
func (k keptToken) step(in tokenInput) []possible {
	no, done := possible{tokenOutput{}, k}, func(k keptToken) possible { return possible{tokenOutput{ok: true}, k} }
	next, room := k.rotated(in)
	ended := k
	ended.ended = true
	until, reuse := k.stands(in)
	switch in.op {
	case checkToken:
		switch {
		case reuse:
			return []possible{{tokenOutput{}, ended}}
		case until >= 0 && !k.ended:
			return []possible{{tokenOutput{true, until}, k}}
		}
		return []possible{no}
	case rotateItself:
		switch {
		case reuse: // it may have been good when the call began
			return []possible{no, {tokenOutput{}, ended}}
		case until == 0 && !k.ended && room:
			return []possible{done(next)}
		}
		return []possible{no}
	case rotateByOwner:
		if k.ended || !room {
			return []possible{no}
		}
		return []possible{no, done(next)}
	case revokeByOwner:
		if k.ended {
			return []possible{no, done(ended)}
		}
	}
	return []possible{done(ended)}
}

// stands returns until when a secret works, 0 for the present one and -1 if it does not, and whether it
// is one that was used after its grace.
func (k keptToken) stands(in tokenInput) (until int64, reuse bool) {
	if in.secret == k.present {
		return 0, false
	}
	for _, old := range k.old {
		if old.until != 0 && old.secret == in.secret && in.now < old.until {
			return old.until, false
		}
	}
	return -1, !k.ended // whatever was shown to somebody is known
}

// rotated returns the token with another secret, if there is room for one more copy in its grace.
func (k keptToken) rotated(in tokenInput) (next keptToken, room bool) {
	until := in.now + in.grace
	next = keptToken{present: in.call, ended: k.ended}
	n := 0
	keep := func(secret int, until int64) {
		if until > in.now {
			if n < len(next.old) {
				next.old[n].secret, next.old[n].until = secret, until
			}
			n++
		}
	}
	keep(k.present, until)
	for _, old := range k.old {
		keep(old.secret, min(old.until, until))
	}
	return next, n <= len(next.old)
}
