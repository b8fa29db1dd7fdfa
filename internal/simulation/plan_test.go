package simulation

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/totp"
)

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
