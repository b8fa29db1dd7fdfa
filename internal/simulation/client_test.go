package simulation

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	webauthn "github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// client is somebody who makes calls, each to a node that lives.
type client struct {
	*world
	number  int
	rng     *rand.Rand
	making  int // the call under way
	began   int64
	last    input    // the call that has succeeded last
	found   reviewed // by the last review
	node    *node
	svc     *gatehouse.Service
	tokens  *tokens.Service
	posture *posture.Service
	pk      *webauthn.Service
	tries   map[int]begun // that this client has begun, by the call
	looks   map[int]int64 // the newest entry of the activity that it was shown, by the call

	hears   sync.Mutex
	heard   []event.Kind // what was told since the last call began
	denials int          // of codes that were looked at, of them
	saves   int          // of accounts, since then
}

// begun is a sign-in that has begun.
type begun struct {
	gatehouse.SignIn
	account string
	node    *node // by whose clock
}

func (c *client) run(skip func(call int) bool) {
	c.node, c.tries, c.looks = &node{}, map[int]begun{}, map[int]int64{}
	for i := range callsOfClient {
		c.s.await(context.Background(), &waiting{client: c.number, node: c.node, what: "nap", nap: time.Duration(c.rng.IntN(maxNap*1000)+1) * time.Millisecond})
		c.connect()
		plan := c.plan()
		for plan.run == nil { // nothing of that kind to present yet
			plan = c.plan()
		}
		if !skip(c.number*callsOfClient + i) {
			c.make(plan)
		}
	}
}

// connect takes a node, a new one in the place of one that has died.
func (c *client) connect() {
	i := c.rng.IntN(nodes)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deploy()
	if c.nodes[i].dead {
		c.replace(i, c.nodes[i].release)
	}
	if c.node == c.nodes[i] {
		return
	}
	c.node = c.nodes[i]
	config := c.config(c.node)
	config.Observer = c
	svc, err := gatehouse.New(remote{Store: c.node.release.on(c.store), s: c.s, client: c.number, node: c.node, of: c}, config)
	require.NoError(c.t, err)
	c.tokens = newTokens(c.t, svc)
	c.posture, err = posture.New(svc, posture.Config{Policy: c.gates, Tokens: c.tokens})
	require.NoError(c.t, err)
	c.svc, c.pk = svc, newPasskeys(c.t, svc)
}

func newTokens(t *testing.T, svc *gatehouse.Service) *tokens.Service {
	registry, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "logs:read", Description: "Read logs"},
		tokens.ScopeInfo{Scope: "live:deploy", Description: "Deploy", Risk: tokens.High},
	)
	require.NoError(t, err)
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: registry})
	require.NoError(t, err)
	return tok
}

// planned is a call that is to be made.
type planned struct {
	input
	run   func(ctx context.Context) error
	first *planned     // a call that is made before it; nil: none
	learn func(*input) // what the call presents that the first one has told; nil: nothing
}

// make makes a call and puts it in the history.
func (c *client) make(p planned) outcome {
	if p.first != nil && c.make(*p.first) != ok {
		return fault
	}
	c.mu.Lock()
	if p.learn != nil {
		p.learn(&p.input)
	}
	c.began = c.tick()
	c.node.calls++
	c.mu.Unlock()
	p.from = c.node.now().Unix()
	c.listen()
	c.making = p.id
	c.moved[c.number] = 0
	c.s.forget(c.number)
	ctx, cancel := c.patienceOf()
	defer cancel()
	err := p.run(ctx)
	p.to = c.node.now().Unix()
	if p.op == reviewPosture {
		p.found = c.found
	}
	told := outcomeOf(err)
	c.hasSavedDenials()
	if told == ok {
		c.hasHeard(p.input)
		c.hasHeardOfPosture()
	}
	if p.op == challenge && errors.Is(err, errNotNeeded) {
		told = notNeeded
	}
	if errors.Is(err, core.ErrFormat) {
		c.shutOut(fmt.Sprintf("call %d, %s,", p.id, p.op))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.node.calls--
	if told == ok {
		c.last = p.input
	}
	if c.told[p.op] == nil {
		c.told[p.op] = map[outcome]int{}
	}
	c.told[p.op][told]++
	c.s.mu.Lock()
	c.s.log = append(c.s.log, fmt.Sprintf("client %d was told of %+v: %s (%v)", c.number, p.input, told, err))
	c.s.mu.Unlock()
	call := made{c.number, p.input, told, c.began, c.tick()}
	if p.op == remove {
		if call.begin = c.removedBy(p.account, p.id); call.begin == 0 {
			if told == ok && c.mistold == "" {
				c.mistold = fmt.Sprintf("call %d has removed nothing, and says that it has", p.id)
			}
			return told
		}
	}
	c.history = append(c.history, call)
	return told
}

var errNothing = errors.New("simulation: nothing was imported")

var errNotNeeded = errors.New("simulation: no second step")

func outcomeOf(err error) outcome {
	var gate *posture.GateError
	switch {
	case errors.As(err, &gate):
		return closed
	case errors.Is(err, errNothing):
		return nothing
	case errors.Is(err, errNoPasskey):
		return state
	case err == nil:
		return ok
	case errors.Is(err, gatehouse.ErrDenied):
		return denied
	case errors.Is(err, gatehouse.ErrStepUpRequired):
		return needsStep
	case errors.Is(err, gatehouse.ErrPrecondition), errors.Is(err, gatehouse.ErrNotFound):
		return state
	}
	return fault
}

// keep notes what a call has told, if it has.
func (c *client) keep(err error, note func()) error {
	if err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		note()
	}
	return err
}

func (c *client) keepProof(k *known, in *input, kind proofKind, p gatehouse.Proof, err error) error {
	return c.keep(err, func() { k.proofs[in.id], k.kinds[in.id] = p, kind })
}
