package gatehouse

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/recovery"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Import is what another system had of an account.
type Import struct {
	// Authenticators are the account's apps there. An account has at most 5 here.
	Authenticators []ImportAuthenticator
	// RecoveryCodes are its unused codes, at most 16. They work once each, as that system's users typed them, and
	// only for an account with an authenticator. Codes of eight digits are taken only if no authenticator shows eight.
	// Defaults to none.
	RecoveryCodes []recovery.Foreign
	// Close closes the account if none of its authenticators can be imported: the second step is needed, and only the
	// code in the result answers it. Without Close such an account is ErrInvalid and stays as it was: the password is
	// enough.
	Close bool
	// CodeLife is how long that code works, an hour to 90 days; without Close it must be 0. Defaults to 24 hours.
	CodeLife time.Duration
}

// ImportAuthenticator is one authenticator app of another system.
type ImportAuthenticator struct {
	// Secret is what totp.ParseImported reads. One of under 16 bytes makes a weak authenticator: it works, and the
	// review asks to pair it again. The zero Secret is left out and named in the result.
	Secret totp.Secret
	// Algorithm, Digits and Period are what the app was given. Default to SHA-1, 6 and 30 seconds. Another Period
	// cannot be brought.
	Algorithm totp.Algorithm
	Digits    int
	Period    time.Duration
	// LastStep is the step (Unix seconds over 30, not seconds or milliseconds) of the last accepted code, so that it
	// cannot be used again here. Defaults to the end of the present window: every code so far is
	// used up, and the owner may have to wait a minute for the next one.
	LastStep int64
	// Name is as in EnrollmentRequest.
	Name string
}

// ImportOutcome says what became of one part of an Import. It is a stable code:
//
//	brought           it works from now on
//	weak              it works as well, and its secret is short: ask the owner to pair again
//	there             the account has this authenticator already
//
// and for what was left out:
//
//	duplicate         it is in the same list, further up
//	too_many          over 5 authenticators, or 16 codes
//	bad_secret        none, or one of under 80 bits
//	bad_period        codes of another period than 30 seconds
//	bad_parameters    an algorithm, or a number of digits, that is not there here
//	bad_code          no code: empty, too long, or with control characters
//	bad_hash          a hash of another kind, or out of bounds
//	guessable         six digits, and others that are as easy to guess
//	eight_digits      authenticators and recovery codes would both be of eight digits
//	has_codes         the account has recovery codes, to which none are added
//	no_authenticator  recovery codes without an authenticator open nothing
//	bad_passkey       of a passkey (passkey.Service.Import): its credential cannot be read
type ImportOutcome string

// Brought reports whether it works from this import on.
func (o ImportOutcome) Brought() bool { return core.ImportOutcome(o).Brought() }

// ImportResult says what an import has done. It holds no secret but Code.
type ImportResult struct {
	Authenticators []ImportOutcome // of each of Import.Authenticators, in their order
	RecoveryCodes  []ImportOutcome // of each of Import.RecoveryCodes
	// Closed says that no authenticator answers the second step. Code is the operator's code then, which
	// RedeemOperatorCode takes until CodeExpires, as after Reset: hand it to the owner on a channel that the password
	// does not open. It is set only by the import that has closed the account; for another code use Reset.
	Closed      bool
	Code        recovery.Code
	CodeExpires time.Time
}

// Import turns two-factor on for an account with what another system had, so that its owner signs in as before. What
// cannot be brought is left out and named in the result, and the rest is imported: read the result of each account.
//
// It replaces nothing. Run again it adds what is not there yet, and the same import twice changes nothing; an account
// that Import has closed it opens with an authenticator that can be brought now. ErrPrecondition says that something would be
// added where that must not be: to a suspended account, to one whose second factor its owner or an operator has changed
// or turned off since the last import, or to one that has a second factor and was never imported. ErrInvalid says that
// a name, a last step or CodeLife is out of bounds, or that no authenticator can be brought and Close is not set.
func (o Operator) Import(ctx context.Context, account string, in Import) (_ ImportResult, err error) {
	defer o.s.e.Begin(&ctx, "gatehouse.Operator.Import").End(&err)
	m, err := o.newMigration(in)
	if err != nil {
		return ImportResult{}, err
	}
	if err := o.by.Check(); err != nil {
		return ImportResult{}, err
	}
	var result ImportResult
	err = o.s.e.Change(ctx, account, engine.Transition{
		Prepare: func(ctx context.Context, a core.Account, _ core.Env) error { return m.prepare(ctx, o.s, a) },
		Slow:    func(a core.Account, _ core.Env) engine.Work { return m.slow(o.s, a.ID) },
		Step: func(a core.Account, env core.Env) (core.Account, error) {
			next := a.Import(o.by, m.brings(), env)
			result = m.result(next)
			return next, nil
		},
	})
	if err != nil {
		return ImportResult{}, err
	}
	return result, nil
}

// migration is an Import on its way. What takes keys or Argon2id it does once, however often it is tried.
type migration struct {
	in      Import
	auths   []core.Authenticator // of in.Authenticators; sealed once they are to be brought
	offered []core.Offered
	hashes  []string // of in.RecoveryCodes, once they are to be brought
	codes   []core.Offered
	setID   string
	code    recovery.Code // of an account that is closed
	slot    core.Slot

	keys map[string]totp.Key // of the account's own authenticators, by ID
	plan core.ImportPlan
}

// newMigration checks what can be checked without the account.
func (o Operator) newMigration(in Import) (*migration, error) {
	if in.CodeLife == 0 && in.Close {
		in.CodeLife = core.DefaultImportLife
	}
	if in.Close != (in.CodeLife != 0) || in.Close && (in.CodeLife < core.MinImportLife || in.CodeLife > core.MaxImportLife) {
		return nil, fmt.Errorf("%w: CodeLife goes with Close, and is %v to %v", ErrInvalid, core.MinImportLife, core.MaxImportLife)
	}
	m := &migration{in: in, setID: newID(), keys: map[string]totp.Key{}, hashes: make([]string, len(in.RecoveryCodes))}
	for i, x := range in.Authenticators {
		if err := m.offer(x, o.s.e.Now(), o.s.e.Window); err != nil {
			return nil, fmt.Errorf("%w (authenticator %d)", err, i+1)
		}
	}
	for i, code := range in.RecoveryCodes {
		offered := core.Offered{Outcome: offeredCode(in.RecoveryCodes[:i], code)}
		if code.EightDigits() {
			offered.Digits = 8
		}
		m.codes = append(m.codes, offered)
	}
	return m, nil
}

// offer takes the next authenticator, with its defaults filled in.
func (m *migration) offer(x ImportAuthenticator, now time.Time, window totp.Window) error {
	if x.Name == "" {
		x.Name = defaultName
	}
	if err := core.CheckName(x.Name); err != nil {
		return err
	}
	// What is further ahead no right clock has accepted: seconds or milliseconds, for which no code would ever work.
	if x.LastStep < 0 || x.LastStep > totp.Step(now.Add(core.Ahead))+int64(window.Ahead) {
		return fmt.Errorf("%w: the last step is negative or in the future: a step is Unix seconds over 30", ErrInvalid)
	}
	if x.LastStep == 0 {
		x.LastStep = totp.Step(now) + int64(window.Ahead)
	}
	if x.Digits == 0 {
		x.Digits = defaultDigits
	}
	m.offered = append(m.offered, core.Offered{Outcome: m.offeredAuthenticator(x), Weak: x.Secret.Weak(), Digits: x.Digits})
	m.auths = append(m.auths, core.Authenticator{
		ID: newID(), Name: x.Name, Algorithm: x.Algorithm, Digits: x.Digits, Weak: x.Secret.Weak(), Last: x.LastStep,
	})
	return nil
}

// offeredAuthenticator says why the next authenticator cannot be brought to any account, "" if it can.
func (m *migration) offeredAuthenticator(x ImportAuthenticator) core.ImportOutcome {
	err := totp.Key{Secret: x.Secret, Algorithm: x.Algorithm, Digits: x.Digits, Weak: x.Secret.Weak()}.Check()
	switch {
	case errors.Is(err, totp.ErrSecret):
		return core.ImportBadSecret
	case err != nil:
		return core.ImportBadParameters
	case x.Period != 0 && x.Period != totp.Period:
		return core.ImportBadPeriod
	}
	for i, before := range m.offered {
		if before.Outcome == "" && m.in.Authenticators[i].Secret.Reveal() == x.Secret.Reveal() {
			return core.ImportDuplicate
		}
	}
	return ""
}

func offeredCode(before []recovery.Foreign, code recovery.Foreign) core.ImportOutcome {
	switch err := code.Check(); {
	case errors.Is(err, recovery.ErrGuessable):
		return core.ImportGuessable
	case errors.Is(err, recovery.ErrHash):
		return core.ImportBadHash
	case err != nil:
		return core.ImportBadCode
	}
	for _, b := range before {
		if b.Check() == nil && b.Same(code) {
			return core.ImportDuplicate
		}
	}
	return ""
}

// prepare plans the import for an account, and seals what the plan brings.
func (m *migration) prepare(ctx context.Context, s *Service, a core.Account) (err error) {
	if err := s.openKeys(ctx, a, m.keys); err != nil {
		return err
	}
	for i, x := range m.in.Authenticators {
		m.offered[i].There = slices.ContainsFunc(a.Authenticators, func(auth core.Authenticator) bool {
			return m.keys[auth.ID].Secret.Reveal() == x.Secret.Reveal()
		})
	}
	if m.plan, err = a.PlanImport(m.offered, m.codes); err != nil {
		return err
	}
	if m.plan.Close && !m.in.Close {
		return fmt.Errorf("%w: no authenticator can be brought (%v), and Close is not set", ErrInvalid, m.plan.Authenticators)
	}
	for i, outcome := range m.plan.Authenticators {
		if outcome.Brought() && m.auths[i].Sealed == nil {
			if err := s.sealSecret(ctx, a.ID, &m.auths[i], m.in.Authenticators[i].Secret); err != nil {
				return err
			}
		}
	}
	return nil
}

// slow returns what the plan takes Argon2id for, nil once it is done.
func (m *migration) slow(s *Service, account string) engine.Work {
	var unhashed []int
	for i, outcome := range m.plan.Codes {
		if outcome.Brought() && m.hashes[i] == "" {
			unhashed = append(unhashed, i)
		}
	}
	closes := m.plan.Close && m.slot.Hash == ""
	if len(unhashed) == 0 && !closes {
		return nil
	}
	return func(ctx context.Context) error {
		for _, i := range unhashed {
			var hash string
			var err error
			gateErr := s.e.Argon2(ctx, queue.Make, int(s.recovery.Memory)<<10, func() { hash, err = s.recovery.HashForeign(m.in.RecoveryCodes[i]) })
			if err := errors.Join(gateErr, err); err != nil {
				return err
			}
			m.hashes[i] = hash
		}
		if !closes {
			return nil
		}
		code, slot, err := s.operatorCode(ctx, account)
		if err == nil {
			m.code, m.slot = code, slot
		}
		return err
	}
}

// brings returns what the plan brings. The selectors of codes only keep their places apart: they have none.
func (m *migration) brings() core.Imported {
	var brings core.Imported
	for i, outcome := range m.plan.Authenticators {
		if outcome.Brought() {
			brings.Authenticators = append(brings.Authenticators, m.auths[i])
		}
	}
	for i, outcome := range m.plan.Codes {
		if !outcome.Brought() {
			continue
		}
		if brings.Codes == nil {
			brings.Codes = &core.RecoverySet{ID: m.setID}
		}
		selector := string(rune('A' + len(brings.Codes.Slots)))
		brings.Codes.Slots = append(brings.Codes.Slots, core.Slot{Selector: selector, Hash: core.NewHash(m.hashes[i]), Digits: m.codes[i].Digits})
	}
	if m.plan.Close {
		brings.Code, brings.Life = m.slot, m.in.CodeLife
	}
	return brings
}

func (m *migration) result(next core.Account) ImportResult {
	r := ImportResult{Closed: next.Factors() == 0}
	for _, outcome := range m.plan.Authenticators {
		r.Authenticators = append(r.Authenticators, ImportOutcome(outcome))
	}
	for _, outcome := range m.plan.Codes {
		r.RecoveryCodes = append(r.RecoveryCodes, ImportOutcome(outcome))
	}
	if m.plan.Close {
		r.Code, r.CodeExpires = m.code, core.Time(next.Reset.Expires)
	}
	return r
}
