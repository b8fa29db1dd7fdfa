package core

import (
	"fmt"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/text"
)

// Reset is the state between an operator's reset, or an import that brought no authenticator, and the next
// confirmed enrollment.
type Reset struct {
	Code     Slot // its Hash is empty once it is used
	Expires  int64
	Operator string
	At       int64
	Life     int64 // of the code, in seconds; 0: operatorCodeLife
}

// open reports whether the code has not expired.
func (r Reset) open(env Env) bool {
	life := r.Life
	if life == 0 {
		life = operatorCodeLife
	}
	return env.before(r.Expires, life)
}

// Suspension is why an account lets nobody in.
type Suspension struct {
	Operator string
	Reason   string
	At       int64
}

// By is who operates, and why.
type By struct{ Operator, Reason string }

// Check returns ErrInvalid unless the operator is 1 to 64 bytes and the reason at most 200 of
// printable UTF-8.
func (b By) Check() error {
	if err := CheckName(b.Operator); err != nil {
		return fmt.Errorf("%w (operator)", err)
	}
	if !text.Within(b.Reason, 0, maxReason) {
		return fmt.Errorf("%w: a reason is at most %d bytes of printable UTF-8", ErrInvalid, maxReason)
	}
	return nil
}

// Event returns an event that names the operator and the reason, yet of no kind.
func (b By) Event() Event { return b.event("") }

func (b By) event(k event.Kind) Event {
	return Event{Kind: k, Operator: b.Operator, Detail: b.Reason}
}

// CanReset returns nil if there is something to reset.
func (a Account) CanReset() error {
	if !a.Protected() {
		return fmt.Errorf("%w: the account has no second factor", ErrPrecondition)
	}
	return nil
}

// Resets removes every factor and every token. The second step stays needed, and code is all that
// answers it.
func (a Account) Resets(by By, code Slot, env Env) (Account, error) {
	if err := a.CanReset(); err != nil {
		return a, err
	}
	a = a.clone()
	a.dropFactors()
	a.Reset = &Reset{Code: code, Expires: env.unix() + operatorCodeLife, Operator: by.Operator, At: env.unix()}
	a.endTokens(env)
	a.note(env, by.event(event.AccountReset))
	a.note(env, Event{Kind: event.OperatorCodeMade, Operator: by.Operator, Expires: a.Reset.Expires})
	a.endFirstFactors(env)
	return a, nil
}

// UnlockBy opens a method early by an operator's word.
func (a Account) UnlockBy(by By, m event.Method, env Env) Account {
	return a.unlock(m, Event{Operator: by.Operator, Detail: by.Reason}, env)
}

// Suspend lets nobody in and nothing be changed until Resume.
func (a Account) Suspend(by By, env Env) Account {
	a = a.clone().Create(env)
	if a.Suspension != nil {
		return a
	}
	a.Suspension = &Suspension{Operator: by.Operator, Reason: by.Reason, At: env.unix()}
	a.note(env, by.event(event.AccountSuspended))
	a.endFirstFactors(env)
	return a
}

// Resume ends a suspension.
func (a Account) Resume(by By, env Env) Account {
	if a.Suspension == nil {
		return a
	}
	a = a.clone()
	a.Suspension = nil
	a.note(env, by.event(event.AccountResumed))
	a.endFirstFactors(env)
	return a
}

// PasswordChanged ends challenges, proofs, pending enrollments and what was proven by the old password, and tokens
// where that is asked for. It makes a record where there is none: a check of the old password may be under way.
func (a Account) PasswordChanged(by By, revokeTokens bool, env Env) Account {
	a = a.clone().Create(env)
	if revokeTokens {
		a.endTokens(env)
	}
	a.note(env, by.event(event.PasswordChanged))
	a.endFirstFactors(env)
	return a
}

// Resealed is a secret under the primary key.
type Resealed struct {
	Sealed []byte
	Key    string
}

// UnderOther returns what is sealed under another key than the primary one, as sealed.
func (a Account) UnderOther(primary string) (sealed []Authenticator) {
	for _, auth := range a.Authenticators {
		if auth.Key != primary {
			sealed = append(sealed, auth)
		}
	}
	if a.Pending != nil && !a.Pending.Passkey && a.Pending.Authenticator.Key != primary {
		sealed = append(sealed, a.Pending.Authenticator)
	}
	return sealed
}

// Current reports whether nothing is sealed under another key than the primary one.
func (a Account) Current(primary string) bool {
	return len(a.UnderOther(primary)) == 0 && !a.keptUnderOther(primary)
}

// keptUnderOther is UnderOther for what a pending passkey has kept, which has no secret.
func (a Account) keptUnderOther(primary string) bool {
	p := a.Pending
	return p != nil && p.Passkey && p.Kept != nil && p.Authenticator.Key != primary
}

// Reseal replaces secrets with the same ones sealed again, by sealed secret. What a pending enrollment has kept is dropped
// with its secret's old key, and not moved: it is there for ten minutes, and so that a key can be retired at once nothing
// may be left under it. Its owner can still finish, or begin again.
func (a Account) Reseal(by By, anew map[string]Resealed, primary string, env Env) Account {
	a = a.clone()
	move := func(auth *Authenticator) bool {
		r, ok := anew[string(auth.Sealed)]
		if ok {
			auth.Sealed, auth.Key = r.Sealed, r.Key
			a.note(env, Event{Kind: event.KeyMoved, Auth: auth.ID, Operator: by.Operator})
		}
		return ok
	}
	for i := range a.Authenticators {
		move(&a.Authenticators[i])
	}
	if a.Pending != nil {
		if move(&a.Pending.Authenticator) {
			a.Pending.Kept = nil
		}
	}
	if a.keptUnderOther(primary) {
		a.Pending.forget()
		a.note(env, Event{Kind: event.KeyMoved, Method: event.MethodPasskey, Auth: a.Pending.Authenticator.ID, Operator: by.Operator})
	}
	return a
}

// Deleted is the event of an account that is no more.
func Deleted(by By, env Env) Event {
	e := by.event(event.AccountDeleted)
	e.At = env.unix()
	return e
}
