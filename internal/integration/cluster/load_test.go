//go:build linux && !race

package cluster_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// owner is what the owner of an account has.
type owner struct {
	ID     string
	Auth   string // the ID of the authenticator
	Secret string
	Set    string // of recovery codes; "" where it is not known which set there is
	Codes  []string
	Live   []token // that work for sure
	Ended  []token // that are revoked or rotated for sure
	Step   int64   // the last one whose code was given
}

type token struct {
	ID, Text string
	Count    int // rotations
}

// code is what an authenticator shows at a step.
func code(secret string, step int64) string {
	s, err := totp.ParseSecret(secret)
	if err != nil {
		panic(err)
	}
	text, err := totp.Key{Secret: s}.Code(step)
	if err != nil {
		panic(err)
	}
	return text
}

// lane does one thing after the other.
type lane struct {
	task   task
	svc    *gatehouse.Service
	tok    *tokens.Service
	far    storage.Store // next to another node, as farTok is
	farTok *tokens.Service
	out    *reporter
	owners []*owner
	turn   int

	owner *owner
	fresh time.Time // when the proof was made
}

// pause is between the things that a lane does. Three workers of three lanes take about half of a core with it.
const pause = 150 * time.Millisecond

// proofGood is for how long a proof is good for anything, by the clock of this machine, and half of that as a margin.
const proofGood = 5 * time.Minute / speed / 2

// codeGood is for how long a code is right at the least: a step longer than it is shown. A call that waits longer for the
// store may find it wrong.
const codeGood = totp.Period / speed

// call makes a call and writes what came of it.
func (l *lane) call(rec record, f func(*record) error) outcome {
	rec.Account, rec.Begin = l.owner.ID, time.Now()
	err := f(&rec)
	rec.End, rec.Outcome = time.Now(), outcomeOf(err)
	if err != nil {
		rec.Error = err.Error()
	}
	if rec.Do == signIn || rec.Do == confirm {
		rec.Slow = rec.End.Sub(rec.Begin) > codeGood
	} else {
		rec.Slow = rec.End.Sub(l.fresh) > proofGood
	}
	l.out.write(rec)
	return rec.Outcome
}

// run has each owner do things in turn, all of which are right: nothing may deny them.
func (l *lane) run(ctx context.Context) {
	for ctx.Err() == nil {
		l.turn++
		l.owner = l.owners[l.turn%len(l.owners)]
		l.check()
		if v, ok := l.signIn(); ok {
			l.visit(v.Session, v.Method == event.MethodRecoveryCode)
			l.read()
		}
		sleep(ctx, pause)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// check presents a token that works, or one that does not.
func (l *lane) check() {
	present := func(do what, by *tokens.Service, t token) {
		l.call(record{Do: do, ID: t.ID, Count: t.Count}, func(*record) error {
			_, err := by.Check(context.Background(), t.Text, netip.Addr{})
			return err
		})
	}
	if n := len(l.owner.Live); n > 0 {
		present(checkLive, l.tok, l.owner.Live[rand.IntN(n)])
	}
	if n := len(l.owner.Ended); n > 0 {
		present(checkEnded, l.farTok, l.owner.Ended[rand.IntN(n)])
	}
}

// signIn signs the owner in, by a code that was never given or by a recovery code.
func (l *lane) signIn() (_ gatehouse.Verification, ok bool) {
	ctx, o := context.Background(), l.owner
	step := totp.Step(l.task.Setup.now())
	byCode := step <= o.Step
	if byCode && (len(o.Codes) < 4 || rand.IntN(4) > 0) {
		return gatehouse.Verification{}, false
	}
	var ch gatehouse.Challenge
	l.fresh = time.Now()
	if l.call(record{Do: challenge}, func(r *record) error {
		try, err := l.svc.Before(ctx, o.ID)
		if err == nil {
			ch, err = try.Challenge(ctx)
		}
		if err == nil && ch.Step != gatehouse.StepNeeded {
			return fmt.Errorf("%w: the second step is not needed", gatehouse.ErrNotFound)
		}
		return err
	}) != done {
		return gatehouse.Verification{}, false
	}
	// From here on the code is used up, whatever comes of it.
	var rec record
	var text string
	if byCode {
		text, o.Codes = o.Codes[0], o.Codes[1:]
		rec = record{Do: recovered, Code: text, Set: o.Set}
	} else {
		o.Step = totp.Step(l.task.Setup.now())
		text, rec = code(o.Secret, o.Step), record{Do: signIn, Step: o.Step, ID: o.Auth}
	}
	in := gatehouse.Session{Secret: fmt.Sprint(rand.Uint64())}
	answer := func(rec record) (v gatehouse.Verification, ok bool) {
		got := l.call(rec, func(r *record) (err error) {
			v, err = l.svc.Answer(ctx, in, ch.Token.Reveal(), text)
			return err
		})
		return v, got == done
	}
	v, ok := answer(rec)
	if ok && rand.IntN(10) == 0 {
		answer(record{Do: again, Step: o.Step})
	}
	return v, ok && time.Since(l.fresh) < proofGood
}

// visit does something that needs a proof. That of a recovery code is good for little.
func (l *lane) visit(in gatehouse.Session, byCode bool) {
	if l.owner.Set == "" || len(l.owner.Codes) < 4 {
		l.regenerate(in)
		return
	}
	n := rand.IntN(8)
	if byCode {
		n = 5
	}
	switch {
	case n < 3 && len(l.owner.Live) < 8:
		l.mint(in)
	case n < 5 && len(l.owner.Live) > 0:
		l.rotate(in)
	case n < 7 && len(l.owner.Live) > 2:
		l.revoke(in)
	case n == 7:
		l.enroll(in)
	}
}

func (l *lane) mint(in gatehouse.Session) {
	var m tokens.Minted
	if l.call(record{Do: mint}, func(r *record) (err error) {
		m, err = l.tok.Mint(context.Background(), in, tokens.Request{
			Name: "ci", Scopes: scopes(), RotatesItself: l.task.Release == second,
		})
		r.ID = m.Info.ID
		return err
	}) == done {
		l.owner.Live = append(l.owner.Live, token{ID: m.Info.ID, Text: m.Token.Reveal()})
	}
}

// take takes the first live token: after a fault nobody knows whether it works.
func (l *lane) take() token {
	t := l.owner.Live[0]
	l.owner.Live = l.owner.Live[1:]
	return t
}

func (l *lane) rotate(in gatehouse.Session) {
	t := l.take()
	var m tokens.Minted
	if l.call(record{Do: rotate, ID: t.ID}, func(r *record) (err error) {
		m, err = l.tok.Rotate(context.Background(), in, t.ID, tokens.Rotation{})
		r.Count = m.Info.Rotations
		return err
	}) == done {
		l.owner.Live = append(l.owner.Live, token{ID: t.ID, Text: m.Token.Reveal(), Count: m.Info.Rotations})
		l.owner.Ended = append(l.owner.Ended, t)
	}
}

func (l *lane) revoke(in gatehouse.Session) {
	t := l.take()
	if l.call(record{Do: revoke, ID: t.ID}, func(r *record) error {
		return l.tok.Revoke(context.Background(), in, t.ID)
	}) == done {
		l.owner.Ended = append(l.owner.Ended, t)
	}
}

func (l *lane) regenerate(in gatehouse.Session) {
	var got gatehouse.RecoveryCodes
	l.owner.Set, l.owner.Codes = "", nil
	if l.call(record{Do: regenerate}, func(r *record) (err error) {
		got, err = l.svc.Owner(in).RegenerateRecoveryCodes(context.Background())
		r.Set = got.SetID
		return err
	}) == done {
		l.owner.Set = got.SetID
		for _, c := range got.Codes {
			l.owner.Codes = append(l.owner.Codes, c.Reveal())
		}
	}
}

// enroll adds an authenticator and removes it again, and those that earlier visits have left.
func (l *lane) enroll(in gatehouse.Session) {
	ctx := context.Background()
	if a, err := l.svc.Account(ctx, l.owner.ID); err != nil {
		return
	} else if len(a.Authenticators) > 1 {
		l.remove(in, a.Authenticators[1].ID)
		return
	}
	var e gatehouse.Enrollment
	if l.call(record{Do: begin}, func(r *record) (err error) {
		e, err = l.svc.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: l.owner.ID})
		return err
	}) != done {
		return
	}
	if l.call(record{Do: confirm, ID: e.ID}, func(r *record) (err error) {
		in.Proof, err = l.svc.Owner(in).ConfirmEnrollment(ctx, e.ID, code(e.Secret.Reveal(), totp.Step(l.task.Setup.now())))
		return err
	}) == done {
		l.remove(in, e.ID)
	}
}

func (l *lane) remove(in gatehouse.Session, id string) {
	l.call(record{Do: remove, ID: id}, func(r *record) error {
		_, err := l.svc.Owner(in).RemoveAuthenticator(context.Background(), id)
		return err
	})
}

// read loads the account as it is stored, through another node.
func (l *lane) read() {
	rec := record{Do: read, Account: l.owner.ID, Begin: time.Now()}
	a, err := load(l.far, l.owner.ID)
	rec.End, rec.Outcome = time.Now(), outcomeOf(err)
	if err == nil {
		rec.SignIn, rec.Step = a.SignIns, lastOf(a, l.owner.Auth)
	} else {
		rec.Error = err.Error()
	}
	l.out.write(rec)
}

func load(store storage.Store, id string) (core.Account, error) {
	r, err := store.LoadAccount(context.Background(), id)
	if err != nil {
		return core.Account{}, err
	}
	return core.Decode(id, r.Data)
}

func lastOf(a core.Account, auth string) int64 {
	for _, one := range a.Authenticators {
		if one.ID == auth {
			return one.Last
		}
	}
	return 0
}

// races gives, at the beginning of each step, the same code as all other workers do.
func (l *lane) races(ctx context.Context) {
	s := l.task.Setup
	for ctx.Err() == nil {
		step := totp.Step(s.now()) + 1
		sleep(ctx, time.Unix(step*30, 0).Sub(s.now())/speed)
		l.owner = l.task.Shared[int(step)%len(l.task.Shared)]
		rec, text := record{Do: race, Step: step, ID: l.owner.Auth}, code(l.owner.Secret, step)
		if round := int(step) / len(l.task.Shared); round%4 == 0 {
			text = l.owner.Codes[round/4%len(l.owner.Codes)]
			rec = record{Do: raceCode, Code: text, Set: l.owner.Set}
		}
		in := gatehouse.Session{Account: l.owner.ID}
		l.call(rec, func(r *record) error {
			_, err := l.svc.StepUp(context.Background(), in, text)
			return err
		})
	}
}
