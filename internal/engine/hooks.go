package engine

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Hooks are what services that stand on the engine do at its changes. Each is set by one service at most, before the
// first call.
type Hooks struct {
	// Trail is asked when a change may move the posture of an account, once a change: it finds out what there is to
	// know, and returns what notes the posture in the account that is saved, or nil. tokens is Transition.Tokens.
	Trail func(ctx context.Context, a core.Account, tokens Tokens) func(a core.Account, cause event.Kind, env core.Env) core.Account

	// Changed is told of every account that was saved, after its events.
	Changed func(ctx context.Context, before, after core.Account)

	// Gates returns the gates that a new secret of a token has to pass, asked in the save that mints. a is the token's
	// account, or the owner of a service account.
	Gates func(ctx context.Context, a core.Account, s Secret, tokens Tokens) (Gates, error)

	// Close is called by Engine.Close: it stores what is not stored yet.
	Close func(ctx context.Context) error

	watch Watcher // see Watch; nil: nobody watches

	mu    sync.Mutex // of fixing them
	fixed atomic.Bool
}

// Register lets a service that is made on the engine set its hooks. After the first use of the engine it is an error:
// changes before that would have gone by without them.
func (e *Engine) Register(set func(h *Hooks) error) error {
	e.Hooks.mu.Lock()
	defer e.Hooks.mu.Unlock()
	if e.Hooks.fixed.Load() {
		return fmt.Errorf("%w: services are made before the first use of the Service that they stand on", core.ErrInvalid)
	}
	return set(&e.Hooks)
}

// fix ends the time of Register. No call that has come past it misses a hook.
func (h *Hooks) fix() {
	if h.fixed.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fixed.Store(true)
}

// Tokens returns the tokens of an account that have not ended, a []tokens.Info.
type Tokens func(ctx context.Context, a core.Account) (any, error)

// Secret is what gates have to know of a token that gets a secret.
type Secret struct {
	Risky   bool // it has a scope of high risk
	Service bool // it is of a service account, and an operator vouches for it
}

// Gates returns nil if the gates are open to an owner who presents a proof, on an account as it is now.
type Gates func(a core.Account, p core.Presented, env core.Env) error

// SignedIn says what signs in without the second step.
type SignedIn struct {
	External     bool // the host's own second factor
	KnownBrowser bool // a browser that is known
}

// ByOf returns who operates, and why, of a gatehouse.Operator. ViewOf returns what is shown of an account in the browser of
// a digest, nil for one that is not known, a gatehouse.Account, and AccountOf the account of one. Package gatehouse sets them, as it does Of.
var (
	ByOf      func(operator any) core.By
	ViewOf    func(e *Engine, a core.Account, browser []byte, env core.Env) any
	AccountOf func(account any) core.Account

	// SignIn is Vouch of a gatehouse.SignIn for the first proof of a gatehouse.Session, with a gatehouse.FirstFactor that may
	// be as old as a sign-in at an identity provider. It returns a gatehouse.Proof, and the account as it was saved.
	SignIn func(ctx context.Context, signIn, session, factor any, by SignedIn) (any, core.Account, error)

	// DecodeToken returns a pointer to the record of a token, for tests. DescribeToken says what the record has. The error
	// is core.ErrFormat. Package tokens sets both.
	DecodeToken   func(id, account string, data []byte) (any, error)
	DescribeToken func(id, account string, data []byte) (StoredToken, error)
)
