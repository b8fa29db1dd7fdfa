package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
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
		w.accounts[id] = account{Epoch: -1, Pending: -1, Brings: -1, Set: -1, Reset: -1, Sessions: sessions{Stamp: -1}, Tries: map[int]int{}, Looks: map[int]int{}, Challenges: map[int]label{}, Asked: map[int]question{}, Proofs: map[int]proof{}}
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
	a.Stored, a.Epoch, a.Apps, a.Set, a.Sessions = true, 0, []app{{0, step}}, 0, sessions{0, true}
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

func (k *known) keepCodes(id int, codes recovery.Codes) {
	for _, code := range codes {
		k.sets[id] = append(k.sets[id], code.Reveal())
	}
}

func (w *world) String() string {
	var b strings.Builder
	for _, o := range w.history {
		fmt.Fprintf(&b, "[%d, %d] client %d: %+v: %s\n", o.begin, o.end, o.client, o.in, o.told)
	}
	return b.String()
}
