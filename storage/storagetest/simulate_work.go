package storagetest

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/recovery"
	accesstokens "github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// known is what is known of an account to all who use it.
type known struct {
	app     totp.Key
	codes   []string
	reset   string
	session gatehouse.Session
	tokens  []accesstokens.Minted
}

// household is what clients have in common.
type household struct {
	keys    *keyring.Ring
	seconds atomic.Int64 // of all clocks
	owners  []string     // IDs of accounts
	mu      sync.Mutex
	knows   map[string]*known
	done    map[string]int // what services did, by what it was
}

func newHousehold(owners []string) *household {
	h := &household{keys: keyring.Generate(), owners: owners, knows: map[string]*known{}, done: map[string]int{}}
	for _, id := range owners {
		h.knows[id] = &known{}
	}
	return h
}

// client is somebody who calls services, on a node of its own.
type client struct {
	*household
	*remote
	number int
	node   int
	rng    *rand.Rand
}

// now is the time by the clock of the client's node.
func (c *client) now() time.Time {
	return second(0).Add(time.Duration(c.seconds.Load()+int64(c.number)-1) * time.Second)
}

// service is what a client calls.
type service struct {
	*gatehouse.Service
	tokens *accesstokens.Service
	now    func() time.Time
}

// connect makes a service on the store, as a node does that begins.
func (c *client) connect() service {
	c.dead.Store(false)
	c.node = c.rng.IntN(nodes)
	svc, err := gatehouse.New(c.remote, gatehouse.Config{
		Issuer: "Acme", Keys: c.keys, Recovery: recovery.Params{Memory: 8, Time: 1, Threads: 1}, Now: c.now, Notices: true,
	})
	if err != nil {
		panic(err)
	}
	registry, err := accesstokens.NewRegistry(accesstokens.ScopeInfo{Scope: "logs:read", Description: "Read logs"})
	if err != nil {
		panic(err)
	}
	tok, err := accesstokens.New(svc, accesstokens.Policy{Brand: "acme", Scopes: registry})
	if err != nil {
		panic(err)
	}
	return service{svc, tok, c.now}
}

// work makes calls until the run is over. What they answer is not looked at: what the store has told them was.
func (c *client) work() {
	svc := c.connect()
	for c.over.Err() == nil {
		if c.dead.Load() {
			_ = svc.Close(c.over)
			svc = c.connect()
		}
		id := c.owners[c.rng.IntN(4)%3%2] // the first one more often
		c.mu.Lock()
		k := *c.knows[id]
		c.mu.Unlock()
		a := actions[c.rng.IntN(len(actions))]
		if err := a.do(c.over, c, svc, id, &k); err == nil {
			c.mu.Lock()
			*c.knows[id] = k
			c.done[a.name]++
			c.mu.Unlock()
		}
		if c.rng.IntN(6) == 0 {
			_ = svc.Close(c.over) // which stores the uses of tokens
			svc = c.connect()
		}
	}
}

// action is something that a client has a service do.
type action struct {
	name string
	do   func(ctx context.Context, c *client, svc service, id string, k *known) error
}

// actions has each as often as it is to be drawn.
var actions = []action{
	{"sign in", signIn}, {"sign in", signIn}, {"sign in", signIn}, {"enroll", enroll}, {"enroll", enroll}, {"regenerate", regenerate},
	{"mint", mint}, {"mint", mint}, {"mint", mint}, {"rotate", rotate}, {"check", check}, {"check", check}, {"revoke", revoke}, {"list", list},
	{"operate", operate}, {"operate", operate}, {"reset", reset},
}

// vouch proves the password alone.
func vouch(ctx context.Context, svc service, id string) (gatehouse.Session, error) {
	in := gatehouse.Session{Account: id}
	try, err := svc.Before(ctx, id)
	if err != nil {
		return in, err
	}
	in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: svc.now()})
	return in, err
}

// signIn goes all the way, with a code of the app, a recovery code or a wrong one.
func signIn(ctx context.Context, c *client, svc service, id string, k *known) error {
	try, err := svc.Before(ctx, id)
	if err != nil {
		return err
	}
	ch, err := try.Challenge(ctx)
	if err != nil {
		return err
	}
	if ch.Step == gatehouse.StepNotNeeded {
		k.session, err = vouch(ctx, svc, id)
		return err
	}
	code := "000000"
	switch n := c.rng.IntN(8); {
	case n == 0:
	case n == 1 && len(k.codes) > 0:
		code, k.codes = k.codes[0], k.codes[1:]
	default:
		if code, err = k.app.Code(totp.Step(svc.now())); err != nil {
			return err
		}
	}
	v, err := svc.Answer(ctx, gatehouse.Session{Account: id}, ch.Token.Reveal(), code)
	if err == nil {
		k.session = v.Session
	}
	return err
}

// enroll pairs an authenticator, with a proof of the password or of an older one.
func enroll(ctx context.Context, _ *client, svc service, id string, k *known) error {
	in := k.session
	if in.Account == "" {
		var err error
		if in, err = vouch(ctx, svc, id); err != nil {
			return err
		}
	}
	enr, err := svc.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: "owner"})
	if err != nil {
		return err
	}
	app := totp.Key{Secret: enr.Secret, Digits: 6}
	code, err := app.Code(totp.Step(svc.now()))
	if err != nil {
		return err
	}
	if in.Proof, err = svc.Owner(in).ConfirmEnrollment(ctx, enr.ID, code); err != nil {
		return err
	}
	k.app, k.session = app, in
	keep(k, enr.RecoveryCodes)
	return nil
}

func keep(k *known, codes recovery.Codes) {
	if codes != nil {
		k.codes = nil
	}
	for _, code := range codes {
		k.codes = append(k.codes, code.Reveal())
	}
}

func regenerate(ctx context.Context, _ *client, svc service, _ string, k *known) error {
	made, err := svc.Owner(k.session).RegenerateRecoveryCodes(ctx)
	if err == nil {
		keep(k, made.Codes)
		k.session.Proof = made.Proof
	}
	return err
}

func mint(ctx context.Context, _ *client, svc service, _ string, k *known) error {
	made, err := svc.tokens.Mint(ctx, k.session, accesstokens.Request{Kind: "pat", Name: "reader", Scopes: accesstokens.Scopes{"logs:read"}})
	if err == nil {
		k.tokens = append(k.tokens[:len(k.tokens):len(k.tokens)], made)
	}
	return err
}

var errNoToken = errors.New("simulation: there is no token yet")

// rotate rotates the newest token, and revoke and check take any.
func rotate(ctx context.Context, _ *client, svc service, _ string, k *known) error {
	n := len(k.tokens)
	if n == 0 {
		return errNoToken
	}
	made, err := svc.tokens.Rotate(ctx, k.session, k.tokens[n-1].Info.ID, accesstokens.Rotation{Seen: k.tokens[n-1].Info})
	if err == nil {
		k.tokens = append(k.tokens[:n:n], made)
	}
	return err
}

func revoke(ctx context.Context, c *client, svc service, _ string, k *known) error {
	if len(k.tokens) == 0 {
		return errNoToken
	}
	if c.rng.IntN(6) == 0 {
		return svc.tokens.RevokeAll(ctx, k.session)
	}
	return svc.tokens.Revoke(ctx, k.session, k.tokens[c.rng.IntN(len(k.tokens))].Info.ID)
}

func check(ctx context.Context, c *client, svc service, _ string, k *known) error {
	if len(k.tokens) == 0 {
		return errNoToken
	}
	_, err := svc.tokens.Check(ctx, k.tokens[c.rng.IntN(len(k.tokens))].Token.Reveal(), netip.MustParseAddr("192.0.2.1"))
	return err
}

func list(ctx context.Context, _ *client, svc service, id string, _ *known) error {
	a, err := svc.Account(ctx, id)
	if err != nil {
		return err
	}
	if _, err = svc.tokens.Live(ctx, a); err != nil {
		return err
	}
	for _, err = range svc.tokens.List(ctx, id) {
		if err != nil {
			return err
		}
	}
	return nil
}

// operate does what support does to an account.
func operate(ctx context.Context, c *client, svc service, id string, _ *known) error {
	op := svc.Operator("op-7")
	switch c.rng.IntN(12) {
	case 0:
		_, err := op.DeleteAccount(ctx, id)
		return err
	case 1:
		return op.Suspend(ctx, id)
	case 2:
		return op.PasswordChanged(ctx, id, gatehouse.RevokeTokens)
	case 3, 4:
		return op.Unlock(ctx, id, event.MethodTOTP)
	}
	return op.Resume(ctx, id)
}

// reset has an operator reset an account, and its owner redeem the code.
func reset(ctx context.Context, _ *client, svc service, id string, k *known) error {
	if k.reset == "" {
		code, err := svc.Operator("op-7").Reset(ctx, id)
		if err == nil {
			k.reset = code.Reveal()
		}
		return err
	}
	code := k.reset
	k.reset = ""
	try, err := svc.Before(ctx, id)
	if err != nil {
		return err
	}
	ch, err := try.Challenge(ctx)
	if err != nil {
		return err
	}
	in := gatehouse.Session{Account: id}
	in.Proof, err = svc.RedeemOperatorCode(ctx, in, ch.Token.Reveal(), code)
	if err == nil {
		k.session = in
	}
	return err
}

const (
	drainEvery = 100 * time.Millisecond // the least that there is
	drainIdle  = 3 * time.Millisecond   // without a call to the store, after which a round is taken to be over
)

// drain delivers notices, round after round, each by a node of its own.
func (c *client) drain() {
	for c.over.Err() == nil {
		svc := c.connect()
		n, err := notify.New(svc.Service, notify.Config{Every: drainEvery, Parallel: 1, Faults: slog.New(slog.DiscardHandler)})
		if err != nil {
			panic(err)
		}
		ctx, end := context.WithCancel(c.over)
		c.heard.Store(0)
		go func() {
			defer end()
			for tick := time.NewTicker(time.Millisecond); ctx.Err() == nil; <-tick.C {
				if heard := c.heard.Load(); heard != 0 && c.open.Load() == 0 && time.Since(time.Unix(0, heard)) > drainIdle {
					return
				}
			}
		}()
		_ = n.Drain(ctx, notify.SinkFunc(func(context.Context, event.Notice) error {
			if c.rng.IntN(4) == 0 {
				return errNetwork
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.done["tell"]++
			return nil
		}))
		end()
	}
}
