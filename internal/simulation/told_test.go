package simulation

import (
	"context"
	"fmt"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
)

// Observe notes what is told.
func (c *client) Observe(_ context.Context, e event.Event) {
	c.hears.Lock()
	defer c.hears.Unlock()
	c.heard = append(c.heard, e.Kind)
	if e.Kind == event.CodeDenied && slices.Contains([]string{core.Wrong.String(), core.Replayed.String(), core.Used.String()}, e.Why) {
		c.denials++
	}
}

func (c *client) listen() {
	c.hears.Lock()
	defer c.hears.Unlock()
	c.heard, c.denials, c.saves = nil, 0, 0
}

// saved notes that an account was saved.
func (c *client) saved() {
	c.hears.Lock()
	defer c.hears.Unlock()
	c.saves++
}

// hasSavedDenials checks that a code which was looked at was counted before its denial was told.
func (c *client) hasSavedDenials() {
	c.hears.Lock()
	defer c.hears.Unlock()
	if c.denials > c.saves {
		c.wrong(fmt.Sprintf("call %d has told a denial that was not saved", c.making))
	}
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
