package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

const (
	clients       = 5
	nodes         = 3
	callsOfClient = 10
	maxNap        = 7  // seconds; all naps together stay under the life of a proof
	maxSkew       = 10 // seconds that the clock of a node is off
)

// world is the store, the nodes on it, and all that clients know.
type world struct {
	t     *testing.T
	s     *scheduler
	store storage.Store    // as the nodes have it
	truth storage.Store    // what is really stored
	keys  [2]*keyring.Ring // the same keys in either order: a rotation that some nodes have yet to take
	rng   *rand.Rand

	mu      sync.Mutex
	nodes   [nodes]*node
	clock   int64 // counts beginnings and ends of calls
	ids     int
	history []porcupine.Operation
	told    map[op]map[outcome]int

	accounts map[string]account // as they are at first
	holders  map[string]holder

	knows map[string]*known
}

// known is what the clients know of an account, by the calls that have told it.
type known struct {
	challenges map[int]string
	proofs     map[int]gatehouse.Proof
	kinds      map[int]proofKind
	apps       map[int]totp.Key // of pending enrollments too, by the call that began them
	names      map[int]string   // their IDs
	sets       map[int][]string
	resets     map[int]string
	tokens     map[int]gatehouse.TokenInfo
	secrets    map[int]map[int]string // by token, and by the call that made them
	newest     map[int]int            // of a token
}

func newWorld(t *testing.T, seed uint64, under func(storage.Store) storage.Store, s *scheduler) *world {
	w := &world{
		t: t, s: s, rng: rand.New(rand.NewPCG(seed, 2)), told: map[op]map[outcome]int{},
		accounts: map[string]account{}, holders: map[string]holder{}, knows: map[string]*known{},
	}
	memory := newMemory()
	w.store, w.truth = under(memory), memory
	one, two := keyring.Generate(), keyring.Generate()
	for i, text := range []string{one.Reveal() + "\n" + two.Reveal(), two.Reveal() + "\n" + one.Reveal()} {
		ring, err := keyring.Parse(text)
		require.NoError(t, err)
		w.keys[i] = ring
	}
	for i := range w.nodes {
		w.nodes[i] = w.newNode(i)
	}
	for _, id := range []string{"ada", "bob"} {
		w.knows[id] = &known{
			challenges: map[int]string{}, proofs: map[int]gatehouse.Proof{}, kinds: map[int]proofKind{}, apps: map[int]totp.Key{}, names: map[int]string{},
			sets: map[int][]string{}, resets: map[int]string{}, tokens: map[int]gatehouse.TokenInfo{}, secrets: map[int]map[int]string{}, newest: map[int]int{},
		}
		w.accounts[id] = account{Epoch: -1, Pending: -1, Brings: -1, Set: -1, Reset: -1, Challenges: map[int]label{}, Proofs: map[int]proof{}}
		w.holders[id] = holder{TokenEpoch: -1, Tokens: map[int]token{}}
	}
	w.enroll("ada", memory)
	return w
}

func (w *world) newNode(number int) *node {
	return &node{number: number, clock: time.Duration(w.rng.IntN(2*maxSkew+1)-maxSkew) * time.Second}
}

// enroll pairs an account's first authenticator by itself, before the simulation begins. Its number is 0.
func (w *world) enroll(id string, store storage.Store) {
	ctx := context.Background()
	svc, err := gatehouse.New(store, w.config(&node{}))
	require.NoError(w.t, err)
	p, err := svc.Attest(ctx, id, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	require.NoError(w.t, err)
	enr, err := svc.Owner(p).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: id})
	require.NoError(w.t, err)
	k := w.knows[id]
	k.keep(0, enr)
	step := totp.Step(time.Now())
	code, err := k.apps[0].Code(step)
	require.NoError(w.t, err)
	k.proofs[0], err = svc.Owner(p).ConfirmEnrollment(ctx, enr.ID, code)
	require.NoError(w.t, err)
	k.kinds[0] = secondFactor
	a := w.accounts[id]
	a.Stored, a.Epoch, a.Apps, a.Set = true, 0, []app{{0, step}}, 0
	a.Proofs[0] = proof{0, secondFactor}
	w.accounts[id] = a
	w.holders[id] = holder{On: true, TokenEpoch: -1, Tokens: map[int]token{}}
	time.Sleep(totp.Period)
}

// keep notes what an enrollment has shown.
func (k *known) keep(id int, enr gatehouse.Enrollment) {
	k.apps[id] = totp.Key{Secret: enr.Secret(), Digits: 6}
	k.names[id] = enr.ID
	if enr.RecoveryCodes != nil {
		k.keepCodes(id, enr.RecoveryCodes)
	}
}

func (w *world) config(n *node) gatehouse.Config {
	registry, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "logs:read", Description: "Read logs"})
	require.NoError(w.t, err)
	return gatehouse.Config{
		Issuer: "Acme", Keys: w.keys[n.number%2], Recovery: gatehousetest.CheapRecovery(), Now: n.now,
		Tokens: &tokens.Policy{Brand: "acme", Scopes: registry},
	}
}

// client is somebody who makes calls, each to a node that lives.
type client struct {
	*world
	number int
	rng    *rand.Rand
	node   *node
	svc    *gatehouse.Service
}

func (c *client) run(skip func(call int) bool) {
	c.node = &node{}
	for i := range callsOfClient {
		c.s.await(&waiting{client: c.number, node: c.node, what: "nap", nap: time.Duration(c.rng.IntN(maxNap*1000)+1) * time.Millisecond})
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
	if c.nodes[i].dead {
		c.nodes[i] = c.newNode(i)
	}
	if c.node == c.nodes[i] {
		return
	}
	c.node = c.nodes[i]
	svc, err := gatehouse.New(remote{Store: c.store, s: c.s, client: c.number, node: c.node}, c.config(c.node))
	require.NoError(c.t, err)
	c.svc = svc
}

// planned is a call that is to be made.
type planned struct {
	input
	run func(ctx context.Context) error
}

// make makes a call and puts it in the history.
func (c *client) make(p planned) {
	c.mu.Lock()
	began := c.tick()
	c.mu.Unlock()
	p.from = c.node.now().Unix()
	err := p.run(context.Background())
	p.to = c.node.now().Unix()
	told := outcomeOf(err)
	if p.op == challenge && errors.Is(err, errNotNeeded) {
		told = notNeeded
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.told[p.op] == nil {
		c.told[p.op] = map[outcome]int{}
	}
	c.told[p.op][told]++
	c.s.mu.Lock()
	c.s.log = append(c.s.log, fmt.Sprintf("client %d was told of %+v: %s (%v)", c.number, p.input, told, err))
	c.s.mu.Unlock()
	c.history = append(c.history, porcupine.Operation{ClientId: c.number, Input: p.input, Call: began, Output: told, Return: c.tick()})
}

func (w *world) tick() int64 {
	w.clock++
	return w.clock
}

var errNotNeeded = errors.New("simulation: no second step")

func outcomeOf(err error) outcome {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, gatehouse.ErrDenied):
		return denied
	case errors.Is(err, gatehouse.ErrStepUpRequired):
		return needsStep
	case errors.Is(err, gatehouse.ErrState):
		return state
	}
	return fault
}

// often says how often a call is drawn.
var often = map[op]int{
	challenge: 10, answer: 24, stepUp: 16, attest: 6, begin: 8, confirm: 16, regen: 8, disable: 2, reset: 3, redeem: 8, password: 2,
	suspend: 1, resume: 4, unlock: 2, reseal: 2, mint: 8, rotate: 14, revoke: 10, revokeAll: 1, check: 20,
}

// plan draws a call. It is nothing where there is nothing yet that such a call could present.
func (c *client) plan() (p planned) {
	c.mu.Lock()
	defer c.mu.Unlock()
	total := 0
	for _, n := range often {
		total += n
	}
	n := c.rng.IntN(total)
	for _, does := range slices.Sorted(maps.Keys(often)) {
		if n -= often[does]; n < 0 {
			p.op = does
			break
		}
	}
	p.account = "ada"
	if c.rng.IntN(4) == 0 {
		p.account = "bob"
	}
	c.ids++
	p.id = c.ids
	p.totp, p.set, p.enrollment, p.reset, p.challenge, p.proof, p.token = -1, -1, -1, -1, -1, -1, -1
	k := c.knows[p.account]
	in := &p.input
	p.run = c.bind(k, in)
	return p
}

// bind draws what a call presents, and returns the call.
func (c *client) bind(k *known, in *input) func(context.Context) error {
	svc, op := c.svc, c.svc.Operator("op-7")
	face := func(kinds ...proofKind) (gatehouse.Owner, bool) {
		id, any := c.newest(slices.DeleteFunc(slices.Sorted(maps.Keys(k.proofs)), func(id int) bool {
			return !slices.Contains(kinds, k.kinds[id]) && c.rng.IntN(8) > 0
		}))
		if !any {
			return gatehouse.Owner{}, false
		}
		in.proof, in.strong = id, k.kinds[id] == secondFactor
		return svc.Owner(k.proofs[id]), true
	}
	switch in.op {
	case challenge:
		return func(ctx context.Context) error {
			ch, err := svc.Challenge(ctx, in.account)
			if err == nil && ch.Step == gatehouse.NotNeeded {
				return errNotNeeded
			}
			return c.keep(err, func() { k.challenges[in.id] = ch.Token.Reveal() })
		}
	case answer, stepUp:
		code, any := c.code(k, in)
		challenge, began := c.newest(slices.Sorted(maps.Keys(k.challenges)))
		if !any || in.op == answer && !began {
			return nil
		}
		if in.op == answer {
			in.challenge = challenge
		}
		return func(ctx context.Context) (err error) {
			var v gatehouse.Verification
			if in.op == answer {
				v, err = svc.Answer(ctx, k.challenges[in.challenge], code)
			} else {
				v, err = svc.StepUp(ctx, in.account, code)
			}
			kind := secondFactor
			if in.set >= 0 {
				kind = recoveryCode
			}
			return c.keepProof(k, in, kind, v.Proof, err)
		}
	case attest:
		return func(ctx context.Context) error {
			try, err := svc.Before(ctx, in.account)
			if err != nil {
				return err
			}
			p, err := try.Attest(ctx, gatehouse.FirstFactor{Method: "pwd", At: c.node.now()})
			return c.keepProof(k, in, attested, p, err)
		}
	case begin:
		owner, any := face(attested, secondFactor, operatorCode)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			enr, err := owner.BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: in.account})
			return c.keep(err, func() { k.keep(in.id, enr) })
		}
	case confirm:
		owner, any := face(attested, secondFactor, operatorCode)
		in.enrollment, _ = c.newest(slices.Sorted(maps.Keys(k.names)))
		if !any || in.enrollment <= 0 {
			return nil
		}
		in.step = totp.Step(c.node.now()) + int64(c.rng.IntN(2)) - 1
		code, err := k.apps[in.enrollment].Code(in.step)
		require.NoError(c.t, err)
		return func(ctx context.Context) error {
			p, err := owner.ConfirmEnrollment(ctx, k.names[in.enrollment], code)
			kind := k.kinds[in.proof]
			if kind == attested {
				kind = secondFactor
			}
			return c.keepProof(k, in, kind, p, err)
		}
	case regen:
		owner, any := face(secondFactor, recoveryCode)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			made, err := owner.RegenerateRecoveryCodes(ctx)
			if err == nil {
				k.keepCodes(in.id, made.Codes)
			}
			return c.keepProof(k, in, k.kinds[in.proof], made.Proof, err)
		}
	case disable:
		owner, any := face(secondFactor)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			p, err := owner.DisableTwoFactor(ctx)
			return c.keepProof(k, in, k.kinds[in.proof], p, err)
		}
	case reset:
		return func(ctx context.Context) error {
			code, err := op.Reset(ctx, in.account)
			return c.keep(err, func() { k.resets[in.id] = code.Reveal() })
		}
	case redeem:
		made, any := c.newest(slices.Sorted(maps.Keys(k.resets)))
		challenge, began := c.newest(slices.Sorted(maps.Keys(k.challenges)))
		if !any || !began {
			return nil
		}
		in.reset, in.challenge = made, challenge
		return func(ctx context.Context) error {
			p, err := svc.RedeemOperatorCode(ctx, k.challenges[in.challenge], k.resets[in.reset])
			return c.keepProof(k, in, operatorCode, p, err)
		}
	case password:
		in.revoke = c.rng.IntN(2) == 0
		choice := gatehouse.KeepTokens
		if in.revoke {
			choice = gatehouse.RevokeTokens
		}
		return func(ctx context.Context) error { return op.PasswordChanged(ctx, in.account, choice) }
	case suspend:
		return func(ctx context.Context) error { return op.Suspend(ctx, in.account) }
	case resume:
		return func(ctx context.Context) error { return op.Resume(ctx, in.account) }
	case unlock:
		return func(ctx context.Context) error { return op.Unlock(ctx, in.account, gatehouse.MethodTOTP) }
	case reseal:
		return func(ctx context.Context) error {
			_, err := op.Reseal(ctx, "", nil)
			return err
		}
	}
	return c.bindToken(k, in, face)
}

// bindToken is bind for calls that have to do with tokens.
func (c *client) bindToken(k *known, in *input, face func(...proofKind) (gatehouse.Owner, bool)) func(context.Context) error {
	svc := c.svc
	if in.op == mint || in.op == revokeAll {
		owner, any := face(attested, secondFactor)
		switch {
		case !any:
			return nil
		case in.op == revokeAll:
			return owner.RevokeAllTokens
		}
		return func(ctx context.Context) error {
			made, err := owner.MintToken(ctx, tokens.Request{Kind: "pat", Name: "deploy", Scopes: tokens.Scopes{"logs:read"}})
			return c.keep(err, func() {
				k.tokens[in.id] = made.Info
				k.secrets[in.id] = map[int]string{in.id: made.Token.Reveal()}
				k.newest[in.id] = in.id
			})
		}
	}
	made, any := c.oneOf(slices.Sorted(maps.Keys(k.tokens)))
	if !any {
		return nil
	}
	in.token = made
	if in.op == check {
		in.secret, _ = c.oneOf(slices.Sorted(maps.Keys(k.secrets[made])))
		if c.rng.IntN(3) > 0 {
			in.secret = k.newest[made]
		}
		return func(ctx context.Context) error {
			grant, err := svc.AuthenticateToken(ctx, k.secrets[in.token][in.secret])
			if err == nil && !grant.Allows("logs:read", "") {
				return errors.New("a grant without its scope")
			}
			return err
		}
	}
	owner, any := face(attested, secondFactor)
	if !any {
		return nil
	}
	if in.op == revoke {
		return func(ctx context.Context) error { return owner.RevokeToken(ctx, k.tokens[in.token].ID) }
	}
	in.seen = k.newest[made]
	seen := k.tokens[made]
	return func(ctx context.Context) error {
		rotated, err := owner.RotateToken(ctx, seen.ID, gatehouse.Rotation{Seen: seen})
		return c.keep(err, func() {
			k.tokens[in.token] = rotated.Info
			k.secrets[in.token][in.id] = rotated.Token.Reveal()
			k.newest[in.token] = in.id
		})
	}
}

func (k *known) keepCodes(id int, codes recovery.Codes) {
	for _, code := range codes {
		k.sets[id] = append(k.sets[id], code.Reveal())
	}
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

// oneOf draws one of the calls that have made something, most often one of the latest.
func (c *client) oneOf(made []int) (int, bool) {
	if len(made) == 0 {
		return -1, false
	}
	if c.rng.IntN(3) > 0 {
		made = made[max(0, len(made)-2):]
	}
	return made[c.rng.IntN(len(made))], true
}

// newest is oneOf that seldom takes another than the latest.
func (c *client) newest(made []int) (int, bool) {
	if len(made) > 0 && c.rng.IntN(4) > 0 {
		return made[len(made)-1], true
	}
	return c.oneOf(made)
}

// code draws a code of an authenticator or a recovery code, right or wrong.
func (c *client) code(k *known, in *input) (string, bool) {
	if c.rng.IntN(3) == 0 {
		set, any := c.newest(slices.Sorted(maps.Keys(k.sets)))
		if !any {
			return "", false
		}
		in.set, in.code = set, c.rng.IntN(5)
		return k.sets[set][in.code], true
	}
	by, any := c.oneOf(slices.Sorted(maps.Keys(k.apps)))
	if !any {
		return "", false
	}
	in.totp = by
	in.step = totp.Step(c.node.now()) + int64(c.rng.IntN(3)) - 1
	if c.rng.IntN(10) == 0 {
		in.step += 100
	}
	code, err := k.apps[by].Code(in.step)
	require.NoError(c.t, err)
	return code, true
}

func (w *world) String() string {
	var b strings.Builder
	for _, o := range w.history {
		fmt.Fprintf(&b, "[%d, %d] client %d: %+v: %s\n", o.Call, o.Return, o.ClientId, o.Input, o.Output)
	}
	return b.String()
}
