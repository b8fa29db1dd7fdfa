package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	webauthn "github.com/gatehouse-go/gatehouse/passkey"
	"github.com/gatehouse-go/gatehouse/posture"
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
	store storage.Store // as the nodes have it
	raw   storage.Store // what is really stored
	truth storage.Store // as the latest release reads it
	gates *posture.Policy

	notices bool // what owners must be told is kept until drainers have told it
	outbox  *outbox

	keys [2]*keyring.Ring // the same keys in either order: a rotation that some nodes have yet to take
	rng  *rand.Rand

	rollout rollout
	began   release // of all nodes at first
	rolled  rolled

	mu       sync.Mutex
	nodes    [nodes]*node
	born     int   // nodes
	clock    int64 // counts beginnings and ends of calls
	ids      int
	history  []made
	removals map[string][]removal // by account
	told     map[op]map[outcome]int
	mistold  string       // what was not told as it must be
	moved    [clients]int // postures, in the call of each client that is under way

	accounts map[string]account // as they are at first
	holders  map[string]holder

	knows map[string]*known
	start int64 // when the simulation begins
}

// known is what the clients know of an account, by the calls that have told it.
type known struct {
	challenges map[int]string
	proofs     map[int]gatehouse.Proof
	kinds      map[int]proofKind
	apps       map[int]totp.Key // of pending enrollments too, by the call that began them
	names      map[int]string   // their IDs
	sets       map[int][]string
	imports    map[int]totp.Secret // by the call that has offered them first
	resets     map[int]string
	tokens     map[int]tokens.Info
	secrets    map[int]map[int]string // by token, and by the call that made them
	newest     map[int]int            // of a token
	passkeys   map[int]*madePasskey
	asserts    map[int]signed // by the ask
}

func newWorld(t *testing.T, seed uint64, under func(storage.Store) storage.Store, s *scheduler) *world {
	w := &world{
		t: t, s: s, rng: rand.New(rand.NewPCG(seed, 2)), told: map[op]map[outcome]int{}, removals: map[string][]removal{},
		accounts: map[string]account{}, holders: map[string]holder{}, knows: map[string]*known{},
	}
	memory := newMemory()
	w.store, w.raw, w.truth = under(memory), memory, nextFormat{memory}
	w.drawRollout()
	w.notices, w.outbox = w.rng.IntN(2) == 0, newOutbox(w, seed)
	one, two := keyring.Generate(), keyring.Generate()
	for i, text := range []string{one.Reveal() + "\n" + two.Reveal(), two.Reveal() + "\n" + one.Reveal()} {
		ring, err := keyring.Parse(text)
		require.NoError(t, err)
		w.keys[i] = ring
	}
	w.newGates()
	for i := range w.nodes {
		w.nodes[i] = w.newNode(i, w.began)
	}
	for _, id := range []string{"ada", "bob"} {
		w.knows[id] = &known{
			challenges: map[int]string{}, proofs: map[int]gatehouse.Proof{}, kinds: map[int]proofKind{}, apps: map[int]totp.Key{}, names: map[int]string{}, imports: map[int]totp.Secret{},
			sets: map[int][]string{}, resets: map[int]string{}, tokens: map[int]tokens.Info{}, secrets: map[int]map[int]string{}, newest: map[int]int{},
			passkeys: map[int]*madePasskey{}, asserts: map[int]signed{},
		}
		w.accounts[id] = account{Epoch: -1, Pending: -1, Brings: -1, Set: -1, Reset: -1, Tries: map[int]int{}, Looks: map[int]int{}, Challenges: map[int]label{}, Asked: map[int]question{}, Proofs: map[int]proof{}}
		w.holders[id] = holder{TokenEpoch: -1, Tokens: map[int]token{}}
	}
	w.enroll("ada", w.truth)
	for _, n := range w.nodes {
		w.outbox.start(nil, n)
	}
	return w
}

func (w *world) newNode(number int, r release) *node {
	w.born++
	return &node{number: number, born: w.born, release: r, clock: time.Duration(w.rng.IntN(2*maxSkew+1)-maxSkew) * time.Second}
}

// replace starts a node in the place of one that has died.
func (w *world) replace(i int, r release) {
	died := w.nodes[i]
	w.nodes[i] = w.newNode(i, r)
	w.outbox.start(died, w.nodes[i])
}

// enroll pairs an account's first authenticator, adds a passkey and mints a token by itself, before the simulation begins. Their number
// is 0.
func (w *world) enroll(id string, store storage.Store) {
	ctx := context.Background()
	w.start = time.Now().Unix()
	svc, err := gatehouse.New(store, w.config(&node{}))
	require.NoError(w.t, err)
	tok := newTokens(w.t, svc)
	try, err := svc.Before(ctx, id)
	require.NoError(w.t, err)
	in := sessionOf(id)
	in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	require.NoError(w.t, err)
	enr, err := svc.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: id})
	require.NoError(w.t, err)
	k := w.knows[id]
	k.keep(0, enr)
	step := totp.Step(time.Now())
	code, err := k.apps[0].Code(step)
	require.NoError(w.t, err)
	in.Proof, err = svc.Owner(in).ConfirmEnrollment(ctx, enr.ID, code)
	require.NoError(w.t, err)
	made := w.addPasskey(svc, in, k)
	k.kinds[0] = secondFactor
	in.Proof = k.proofs[0]
	minted, err := tok.Mint(ctx, in, request(false, w.began == makes))
	require.NoError(w.t, err)
	k.minted(0, minted)
	a := w.accounts[id]
	a.Stored, a.Epoch, a.Apps, a.Set, a.Sessions.ByOwner = true, 0, []app{{0, step}}, 0, true
	a.Passkeys = []passkey{{0, made.issued, made.count}}
	a.Proofs[0] = proof{epoch: 0, kind: secondFactor, stamp: 0}
	w.accounts[id] = a
	w.holders[id] = holder{On: true, TokenEpoch: -1, Tokens: map[int]token{0: {Epoch: -1, Needs: true, Rotates: w.began == makes}}}
	time.Sleep(totp.Period)
}

// keep notes what an enrollment has shown.
func (k *known) keep(id int, enr gatehouse.Enrollment) {
	k.apps[id] = totp.Key{Secret: enr.Secret, Digits: 6}
	k.names[id] = enr.ID
	if enr.RecoveryCodes != nil {
		k.keepCodes(id, enr.RecoveryCodes)
	}
}

func (w *world) config(n *node) gatehouse.Config {
	return gatehouse.Config{Issuer: "Acme", Keys: w.keys[n.number%2], Recovery: gatehousetest.CheapRecovery(), Now: n.now, Notices: w.notices}
}

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

	hears sync.Mutex
	heard []event.Kind // what was told since the last call began
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
			return told
		}
	}
	c.history = append(c.history, call)
	return told
}

// Observe notes what is told.
func (c *client) Observe(_ context.Context, e event.Event) {
	c.hears.Lock()
	defer c.hears.Unlock()
	c.heard = append(c.heard, e.Kind)
}

func (c *client) listen() {
	c.hears.Lock()
	defer c.hears.Unlock()
	c.heard = nil
}

// tells is what a call that succeeds tells.
var tells = map[op]event.Kind{
	confirm: event.AuthenticatorAdded, finish: event.AuthenticatorAdded, regen: event.RecoveryCodesRegenerated, disable: event.TwoFactorOff, reset: event.AccountReset,
	redeem: event.OperatorCodeUsed, password: event.PasswordChanged, mint: event.TokenMinted, rotate: event.TokenRotated,
	revokeAll: event.TokensRevoked, imports: event.AccountImported, review: event.ActivityReviewed, accept: event.RiskAccepted,
	rotateSelf: event.TokenRotated, remove: event.AccountDeleted, drop: event.AuthenticatorRemoved,
}

// tells returns what a call tells if it succeeds, or none.
func (in input) tells() event.Kind {
	if (in.op == answer || in.op == stepUp) && in.set >= 0 {
		return event.RecoveryCodeUsed
	}
	return tells[in.op]
}

// hasHeard checks that a call which has succeeded was told before its answer, and what that makes of the posture after
// it. Of a token its account is saved first, and with that the posture.
func (c *client) hasHeard(in input) {
	kind := in.tells()
	if kind == "" {
		return
	}
	c.hears.Lock()
	defer c.hears.Unlock()
	told, moved := slices.Index(c.heard, kind), slices.Index(c.heard, event.PostureChanged)
	if told < 0 || moved >= 0 && moved < told && in.op != mint && in.op != rotate {
		c.wrong(fmt.Sprintf("call %d, %s, has told %v", in.id, in.op, c.heard))
	}
}

func (w *world) wrong(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.mistold == "" {
		w.mistold = what
	}
}

func (w *world) tick() int64 {
	w.clock++
	return w.clock
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

// often says how often a call is drawn.
var often = map[op]int{
	challenge: 10, answer: 24, stepUp: 18, vouch: 6, begin: 7, confirm: 16, regen: 6, disable: 2, reset: 3, redeem: 16, password: 2,
	suspend: 1, resume: 4, unlock: 2, reseal: 2, imports: 3, review: 6, mint: 12, rotate: 16, revoke: 6, revokeAll: 1, check: 18,
	register: 5, finish: 8, assert: 26, accept: 3, withdraw: 3, rotateSelf: 12, revokeBy: 4, purge: 2, remove: 2, goesOn: 8, demand: 10, reviewPosture: 8, drop: 8, cancel: 3, revokeAllBy: 1,
}

// follows says with what somebody often goes on after a call that has succeeded.
var follows = map[op]op{begin: confirm, register: finish, remove: vouch}

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
	if c.guesses() && c.rng.IntN(2) == 0 {
		p.op = stepUp
	}
	p.account = "ada"
	if c.rng.IntN(4) == 0 {
		p.account = "bob"
	}
	if next, any := follows[c.last.op]; any && c.rng.IntN(3) > 0 {
		p.op, p.account = next, c.last.account
	}
	c.last = input{} // once, as there may be nothing to go on with
	c.ids++
	p.id = c.ids
	p.asked, p.passkey, p.session, p.browser = -1, -1, -1, c.browser()
	p.totp, p.set, p.enrollment, p.reset, p.challenge, p.proof, p.token = -1, -1, -1, -1, -1, -1, -1
	k := c.knows[p.account]
	in := &p.input
	switch p.op {
	case challenge, vouch:
		p.first = c.planTry(in)
	case review:
		p.first = c.planLook(in)
	case assert:
		p.first, p.learn = c.planAsk(k, in)
	}
	p.run = c.bind(k, in)
	return p
}

// planTry draws the sign-in that a challenge or a vouching goes on with: one that this client has begun before, or nil
// and the call that begins one.
func (c *client) planTry(in *input) *planned {
	old, any := c.newest(slices.DeleteFunc(slices.Sorted(maps.Keys(c.tries)), func(id int) bool { return c.tries[id].account != in.account }))
	if any && c.rng.IntN(4) == 0 {
		in.try = old
		return nil
	}
	begins := c.planFirst(before, in)
	in.try = begins.id
	begins.run = func(ctx context.Context) error {
		try, err := c.svc.Before(ctx, begins.account)
		return c.keep(err, func() { c.tries[begins.id] = begun{try, begins.account, c.node} })
	}
	return begins
}

// planFirst returns a call that is made before another one of the same account.
func (c *client) planFirst(does op, in *input) *planned {
	first := &planned{input: *in}
	first.op = does
	c.ids++
	in.id = c.ids
	return first
}

// planLook returns the look at the activity that is reviewed then.
func (c *client) planLook(in *input) *planned {
	looks := c.planFirst(look, in)
	in.look = looks.id
	looks.run = func(ctx context.Context) error {
		a, err := c.svc.Account(ctx, looks.account)
		if err == nil && len(a.Activity) == 0 {
			err = errNoActivity
		}
		return c.keep(err, func() { c.looks[looks.id] = a.Activity[0].Number })
	}
	return looks
}

var errNoActivity = errors.New("simulation: there is no activity")

// bind draws what a call presents, and returns the call.
func (c *client) bind(k *known, in *input) func(context.Context) error {
	svc, op := c.svc, c.svc.Operator("op-7")
	session := c.sessionOf(in.account)
	face := func(kinds ...proofKind) (gatehouse.Session, bool) {
		id, any := c.newest(slices.DeleteFunc(slices.Sorted(maps.Keys(k.proofs)), func(id int) bool {
			return !k.kinds[id].among(kinds) && c.rng.IntN(8) > 0
		}))
		if !any {
			return gatehouse.Session{}, false
		}
		in.proof, in.strong = id, k.kinds[id].among([]proofKind{secondFactor})
		with := c.sessionOf(in.account)
		with.Proof = k.proofs[id]
		return with, true
	}
	switch in.op {
	case challenge:
		return func(ctx context.Context) error {
			ch, err := c.tries[in.try].Challenge(ctx)
			if err == nil && ch.Step == gatehouse.StepNotNeeded {
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
				v, err = svc.Answer(ctx, session, k.challenges[in.challenge], code)
			} else {
				v, err = svc.StepUp(ctx, session, code)
			}
			kind := secondFactor
			if in.set >= 0 {
				kind = recoveryCode
			}
			return c.keepProof(k, in, kind, v.Session.Proof, err)
		}
	case vouch:
		return func(ctx context.Context) error {
			p, err := c.tries[in.try].Vouch(ctx, session, gatehouse.FirstFactor{Method: "pwd", At: c.tries[in.try].node.now()})
			return c.keepProof(k, in, vouched, p, err)
		}
	case begin:
		session, any := face(vouched, secondFactor, operatorCode)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			enr, err := svc.Owner(session).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: in.account})
			return c.keep(err, func() { k.keep(in.id, enr) })
		}
	case confirm:
		session, any := face(vouched, secondFactor, operatorCode)
		in.enrollment, _ = c.newest(slices.Sorted(maps.Keys(k.names)))
		if !any || in.enrollment <= 0 {
			return nil
		}
		in.step = totp.Step(c.node.now()) + int64(c.rng.IntN(2)) - 1
		code, err := k.apps[in.enrollment].Code(in.step)
		require.NoError(c.t, err)
		return func(ctx context.Context) error {
			p, err := svc.Owner(session).ConfirmEnrollment(ctx, k.names[in.enrollment], code)
			kind := k.kinds[in.proof]
			if kind == vouched {
				kind = secondFactor
			}
			return c.keepProof(k, in, kind, p, err)
		}
	case regen:
		session, any := face(secondFactor, recoveryCode)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			made, err := svc.Owner(session).RegenerateRecoveryCodes(ctx)
			if err == nil {
				k.keepCodes(in.id, made.Codes)
			}
			return c.keepProof(k, in, k.kinds[in.proof], made.Proof, err)
		}
	case disable:
		session, any := face(secondFactor)
		if !any {
			return nil
		}
		return func(ctx context.Context) error {
			p, err := svc.Owner(session).DisableTwoFactor(ctx)
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
			p, err := svc.RedeemOperatorCode(ctx, session, k.challenges[in.challenge], k.resets[in.reset])
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
		return func(ctx context.Context) error { return op.Unlock(ctx, in.account, event.MethodTOTP) }
	case review:
		session, any := face(vouched, secondFactor)
		if !any {
			return nil
		}
		return func(ctx context.Context) error { return svc.Owner(session).ReviewActivity(ctx, c.looks[in.look]) }
	case imports:
		return c.bindImport(k, in)
	case register, finish, assert:
		return c.bindPasskey(k, in, face)
	case drop, cancel:
		return c.bindDrop(k, in, face)
	case remove:
		return c.bindRemove(in)
	case demand:
		return c.bindGate(in, face)
	case reviewPosture:
		return c.bindPosture(in)
	case goesOn:
		return c.bindSession(k, in)
	case accept, withdraw:
		return c.bindRisk(in)
	case reseal:
		return func(ctx context.Context) error {
			_, err := op.Reseal(ctx, "", nil)
			return err
		}
	}
	return c.bindToken(k, in, face)
}

// bindImport draws an authenticator of another system, sometimes one that was offered before.
func (c *client) bindImport(k *known, in *input) func(context.Context) error {
	offered, any := c.oneOf(slices.Sorted(maps.Keys(k.imports)))
	if !any || c.rng.IntN(3) > 0 {
		offered = in.id
		k.imports[offered] = totp.GenerateSecret()
		k.apps[offered] = totp.Key{Secret: k.imports[offered], Digits: 6}
	}
	in.totp, in.step = offered, totp.Step(c.node.now())-1
	return func(ctx context.Context) error {
		done, err := c.svc.Operator("op-7").Import(ctx, in.account, gatehouse.Import{
			Authenticators: []gatehouse.ImportAuthenticator{{Secret: k.imports[in.totp], LastStep: in.step}},
		})
		if err == nil && !done.Authenticators[0].Brought() {
			return errNothing
		}
		return err
	}
}

// bindToken is bind for calls that have to do with tokens.
func (c *client) bindToken(k *known, in *input, face func(...proofKind) (gatehouse.Session, bool)) func(context.Context) error {
	tok := c.tokens
	if in.op == mint || in.op == revokeAll {
		session, any := face(vouched, secondFactor)
		switch {
		case !any:
			return nil
		case in.op == revokeAll:
			return func(ctx context.Context) error { return tok.RevokeAll(ctx, session) }
		}
		in.production, in.rotates = c.rng.IntN(3) == 0, c.node.release == makes && c.rng.IntN(2) == 0
		return func(ctx context.Context) error {
			made, err := tok.Mint(ctx, session, request(in.production, in.rotates))
			return c.keep(err, func() { k.minted(in.id, made) })
		}
	}
	if in.op == revokeAllBy {
		return func(ctx context.Context) error {
			return tok.Operator(c.svc.Operator("op-7")).RevokeAll(ctx, in.account)
		}
	}
	if in.op == purge {
		return func(ctx context.Context) error {
			_, err := tok.Operator(c.svc.Operator("op-7")).Purge(ctx, c.node.now(), "", nil)
			return err
		}
	}
	made, any := c.oneOf(slices.Sorted(maps.Keys(k.tokens)))
	if !any {
		return nil
	}
	in.token = made
	switch in.op {
	case revokeBy:
		if c.node.release != makes {
			return nil
		}
		return func(ctx context.Context) error {
			return tok.Operator(c.svc.Operator("op-7")).Revoke(ctx, k.tokens[in.token].ID)
		}
	case check, rotateSelf:
		in.secret, _ = c.oneOf(slices.Sorted(maps.Keys(k.secrets[made])))
		if c.rng.IntN(3) > 0 {
			in.secret = k.newest[made]
		}
	}
	if in.op == rotateSelf {
		in.production = k.tokens[made].Name == production
		return func(ctx context.Context) error {
			rotated, err := tok.RotateSelf(ctx, k.secrets[in.token][in.secret], netip.Addr{}, tokens.Rotation{})
			return c.keep(err, func() { k.rotated(in, rotated) })
		}
	}
	if in.op == check {
		return func(ctx context.Context) error {
			grant, err := tok.Check(ctx, k.secrets[in.token][in.secret], netip.Addr{})
			if err == nil && !grant.Allows(grant.Scopes[0], "") {
				return errors.New("a grant without its scope")
			}
			return err
		}
	}
	session, any := face(vouched, secondFactor)
	if !any {
		return nil
	}
	if in.op == revoke {
		return func(ctx context.Context) error { return tok.Revoke(ctx, session, k.tokens[in.token].ID) }
	}
	in.seen = k.newest[made]
	seen := k.tokens[made]
	in.production = seen.Name == production
	return func(ctx context.Context) error {
		rotated, err := tok.Rotate(ctx, session, seen.ID, tokens.Rotation{Seen: seen})
		return c.keep(err, func() { k.rotated(in, rotated) })
	}
}

// minted notes a token.
func (k *known) minted(id int, m tokens.Minted) {
	k.tokens[id], k.newest[id] = m.Info, id
	k.secrets[id] = map[int]string{id: m.Token.Reveal()}
}

// rotated notes the new secret of a token.
func (k *known) rotated(in *input, r tokens.Minted) {
	k.tokens[in.token] = r.Info
	k.secrets[in.token][in.id] = r.Token.Reveal()
	k.newest[in.token] = in.id
}

const production = "production" // the name of tokens with a scope of high risk

func request(risky, rotatesItself bool) tokens.Request {
	if risky {
		return tokens.Request{Kind: "pat", Name: production, Scopes: tokens.Scopes{"live:deploy"}, RotatesItself: rotatesItself}
	}
	return tokens.Request{Kind: "pat", Name: "reader", Scopes: tokens.Scopes{"logs:read"}, RotatesItself: rotatesItself}
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
	if c.rng.IntN(10) == 0 || c.guesses() && c.rng.IntN(3) > 0 {
		in.step += 100
	}
	code, err := k.apps[by].Code(in.step)
	require.NoError(c.t, err)
	return code, true
}

func (w *world) String() string {
	var b strings.Builder
	for _, o := range w.history {
		fmt.Fprintf(&b, "[%d, %d] client %d: %+v: %s\n", o.begin, o.end, o.client, o.in, o.told)
	}
	return b.String()
}
