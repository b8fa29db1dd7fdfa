package simulation

import (
	"context"
	"fmt"
	"math/bits"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/posture"
)

// The gates of the host itself.
const (
	pay      = "pay"       // for a second factor, shown by whoever asks
	payLarge = "pay.large" // for two factors, of which one that nobody can have phished was shown
	publish  = "publish"   // for an account of level 1
)

var hostGates = []string{pay, payLarge, publish}

func (w *world) newGates() {
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(w.t, err)
	w.gates, err = posture.NewPolicy(model,
		posture.Gate{Action: posture.MintToken, Controls: []string{posture.RecoveryUseSeen}},
		posture.Gate{Action: posture.MintProductionToken, Controls: []string{posture.SecondFactor}},
		posture.Gate{Action: pay, Controls: []string{posture.SecondFactor}, SecondFactor: true},
		posture.Gate{Action: payLarge, Controls: []string{posture.SecondAuthenticator}, PhishingResistant: true},
		posture.Gate{Action: publish, Level: 1},
	)
	require.NoError(w.t, err)
}

// bindGate is bind for the gates of the host.
func (c *client) bindGate(in *input, face func(...proofKind) (gatehouse.Session, bool)) func(context.Context) error {
	with, any := face(vouched, secondFactor)
	if !any {
		return nil
	}
	in.gate = hostGates[c.rng.IntN(len(hostGates))]
	return func(ctx context.Context) error { return c.posture.Require(ctx, with, in.gate) }
}

// opens is what becomes of who asks for a gate.
func (a account) opens(in input) outcome {
	if !a.good(in, vouched, secondFactor) {
		return needsStep
	}
	open := a.factors() > 0
	switch kind := a.Proofs[in.proof].kind; in.gate {
	case pay:
		open = open && kind != vouched
	case payLarge:
		open = kind == byPasskey && a.factors() > 1 && len(a.Passkeys) > 0
	}
	if !open {
		return closed
	}
	return ok
}

// reviewed is what a review finds, as far as it follows from what the model knows of an account.
type reviewed struct {
	factor    string
	codes     int
	several   posture.State
	resistant posture.State
	useSeen   posture.State
}

// bindPosture is bind for reviews.
func (c *client) bindPosture(in *input) func(context.Context) error {
	return func(ctx context.Context) error {
		r, err := c.posture.Review(ctx, in.account)
		if err != nil {
			return err
		}
		find := func(control string) posture.Finding {
			f, shown := r.Find(control)
			require.True(c.t, shown, control)
			return f
		}
		codes := find(posture.RecoveryCodesExist)
		c.found = reviewed{
			factor: find(posture.SecondFactor).Code, several: find(posture.SecondAuthenticator).State,
			resistant: find(posture.PhishingResistant).State, useSeen: find(posture.RecoveryUseSeen).State,
		}
		if codes.State == posture.Pass {
			c.found.codes = codes.N
		}
		return nil
	}
}

// review returns what a review of an account finds.
func (a account) reviewed() reviewed {
	r := reviewed{factor: "password-alone", several: posture.Fail, resistant: posture.Locked, useSeen: posture.Pass}
	apps, passkeys := len(a.Apps), len(a.Passkeys)
	switch {
	case apps > 0 && passkeys > 0:
		r.factor = "password-and-either"
	case passkeys > 0:
		r.factor = "password-and-passkey"
	case apps > 0:
		r.factor = "password-and-app"
	case a.Reset >= 0:
		r.factor = "apps-removed"
	}
	if a.Set >= 0 {
		r.codes = 10 - bits.OnesCount16(a.Used)
	}
	switch {
	case apps+passkeys > 1:
		r.several = posture.Pass
	case a.Accepted:
		r.several = posture.Accepted
	}
	switch {
	case passkeys > 0 && apps == 0:
		r.resistant = posture.Pass
	case passkeys > 0:
		r.resistant = posture.Partial
	}
	if a.Uses > a.Seen {
		r.useSeen = posture.Fail
	}
	return r
}

// posture looks at the level that a save has noted: it is that of the account as it is saved. As no codes are ever said to be
// saved here, it is 1 with a second factor.
func (v *invariants) posture(was, now core.Account) {
	n := len(now.History)
	if n == 0 || slices.Equal(was.History, now.History) {
		return
	}
	if level := now.History[n-1].Level; level != min(now.Factors(), 1) {
		v.fail("%s: level %d is noted of an account with %d factors", now.ID, level, now.Factors())
	}
	if v.by >= 0 && v.by < clients {
		v.w.moved[v.by]++
	}
}

// hasHeardOfPosture checks that a posture which has moved in a call that met no fault was told.
func (c *client) hasHeardOfPosture() {
	c.hears.Lock()
	defer c.hears.Unlock()
	if c.moved[c.number] > 0 && !c.s.met(c.number) && !slices.Contains(c.heard, event.PostureChanged) {
		c.wrong(fmt.Sprintf("call %d has moved the posture, and told %v", c.making, c.heard))
	}
}
