package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/storage"
)

const (
	maxImportedCodes = 16 // a wrong code is compared with each of them

	// DefaultImportLife, and what a host may choose in its place, is how long the code of an account that an import has
	// closed works.
	DefaultImportLife = 24 * time.Hour
	MinImportLife     = time.Hour
	MaxImportLife     = 90 * 24 * time.Hour
)

// ImportState is where an account is with imports.
type ImportState uint8

const (
	_           ImportState = iota // nothing was imported
	ImportOpen                     // what answers the second step is as imports left it
	ImportEnded                    // it was changed since: no import brings back what its owner or an operator has removed
)

// endImport ends what imports may add, at every other change of what answers the second step.
func (a *Account) endImport() {
	if a.Imported == ImportOpen {
		a.Imported = ImportEnded
	}
}

// ImportOutcome says what became of one part of an import.
type ImportOutcome string

const (
	ImportBrought         ImportOutcome = "brought"
	ImportWeak            ImportOutcome = "weak"
	ImportThere           ImportOutcome = "there"
	ImportDuplicate       ImportOutcome = "duplicate"
	ImportTooMany         ImportOutcome = "too_many"
	ImportBadSecret       ImportOutcome = "bad_secret"
	ImportBadPeriod       ImportOutcome = "bad_period"
	ImportBadParameters   ImportOutcome = "bad_parameters"
	ImportBadCode         ImportOutcome = "bad_code"
	ImportBadHash         ImportOutcome = "bad_hash"
	ImportGuessable       ImportOutcome = "guessable"
	ImportEightDigits     ImportOutcome = "eight_digits"
	ImportHasCodes        ImportOutcome = "has_codes"
	ImportNoAuthenticator ImportOutcome = "no_authenticator"
	ImportBadPasskey      ImportOutcome = "bad_passkey"
)

// Brought reports whether this import has added it.
func (o ImportOutcome) Brought() bool { return o == ImportBrought || o == ImportWeak }

// Offered is one authenticator or code that an import offers.
type Offered struct {
	Outcome ImportOutcome // why it cannot be brought to any account; empty if it can
	There   bool          // of an authenticator: one of the account has the same secret
	Weak    bool          // the same: its secret is short
	Digits  int           // of an authenticator; of a code 8, or 0 for any other
}

// ImportPlan is what an import does to an account.
type ImportPlan struct {
	Authenticators, Codes []ImportOutcome
	Close                 bool // there is nothing else that answers a second step
}

// PlanImport decides what of an import can be brought. ErrPrecondition says that the account does not take what could be: it
// is suspended or a service account, or its factors are not as imports left them. So an import that is run again does not bring back
// what was removed, nor codes that were used.
func (a Account) PlanImport(authenticators, codes []Offered) (ImportPlan, error) {
	if err := a.signsIn(); err != nil {
		return ImportPlan{}, err
	}
	p := ImportPlan{}
	adds, have, eight := false, len(a.Authenticators), slices.ContainsFunc(a.Authenticators, Authenticator.showsEight)
	for _, o := range authenticators {
		outcome := a.importAuthenticator(o, have)
		p.Authenticators = append(p.Authenticators, outcome)
		if outcome.Brought() {
			adds, have, eight = true, have+1, eight || o.Digits == eightDigits
		}
	}
	brought := 0
	for _, o := range codes {
		outcome := a.importCode(o, have+len(a.Passkeys), brought, eight)
		p.Codes = append(p.Codes, outcome)
		if outcome.Brought() {
			adds = true
			brought++
		}
	}
	p.Close = have == 0 && !a.Protected()
	if adds || p.Close {
		if err := a.takesImports(); err != nil {
			return ImportPlan{}, err
		}
	}
	return p, nil
}

// takesImports returns nil if an import may add to what answers the second step.
func (a Account) takesImports() error {
	if a.Imported == ImportEnded || a.Protected() && a.Imported != ImportOpen {
		return fmt.Errorf("%w: the account's second factor is not as an import left it", ErrPrecondition)
	}
	return nil
}

// PlanPasskeys is PlanImport for passkeys, which close no account. It has an outcome for each.
func (a Account) PlanPasskeys(offered []Passkey) ([]ImportOutcome, error) {
	if err := a.signsIn(); err != nil {
		return nil, err
	}
	var plan []ImportOutcome
	var brings []Passkey
	for _, k := range offered {
		outcome := a.importPasskey(k, brings)
		plan = append(plan, outcome)
		if outcome.Brought() {
			brings = append(brings, k)
		}
	}
	if len(brings) > 0 {
		if err := a.takesImports(); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

func (a Account) importPasskey(k Passkey, before []Passkey) ImportOutcome {
	switch {
	case k.broken() != "":
		return ImportBadPasskey
	case a.findCredential(k.Credential) >= 0:
		return ImportThere
	case Account{Passkeys: before}.findCredential(k.Credential) >= 0:
		return ImportDuplicate
	case len(a.Passkeys)+len(before) >= MaxPasskeys:
		return ImportTooMany
	}
	return ImportBrought
}

func (a Account) importAuthenticator(o Offered, have int) ImportOutcome {
	switch {
	case o.Outcome != "":
		return o.Outcome
	case o.There:
		return ImportThere
	case o.Digits == eightDigits && a.Recovery.eightDigits() > 0:
		return ImportEightDigits
	case have >= MaxAuthenticators:
		return ImportTooMany
	case o.Weak:
		return ImportWeak
	}
	return ImportBrought
}

// importCode answers for one code. Nothing is added to a set that is there: of a code that was used nothing is kept by
// which it could be known again, and one whose hash was made here has another each time.
func (a Account) importCode(o Offered, factors, brought int, eight bool) ImportOutcome {
	switch {
	case o.Outcome != "":
		return o.Outcome
	case factors == 0:
		return ImportNoAuthenticator
	case a.Recovery != nil:
		return ImportHasCodes
	case o.Digits == eightDigits && eight:
		return ImportEightDigits
	case brought >= maxImportedCodes:
		return ImportTooMany
	}
	return ImportBrought
}

// Imported is what an ImportPlan brings.
type Imported struct {
	Authenticators []Authenticator
	Passkeys       []Passkey
	Handle         storage.Handle // becomes the account's, with its first passkeys
	Codes          *RecoverySet   // nil: none
	Code           Slot           // the operator's, of an account that is closed
	Life           time.Duration
}

// Import makes what another system had active, or closes an account of which nothing can be: then the operator's code
// is all that answers the second step. It has been planned on this very account. Where it brings nothing, nothing
// changes.
func (a Account) Import(by By, in Imported, env Env) Account {
	brought := len(in.Authenticators) + len(in.Passkeys)
	if brought == 0 && in.Codes == nil && in.Code.Hash == "" {
		return a
	}
	a = a.clone().Create(env)
	if !a.Protected() {
		a.endSessions(nil, env) // none of them has passed the second step
	}
	a.Imported = ImportOpen
	e := by.event(event.AccountImported)
	if brought > 0 {
		a.Reset = nil
	}
	for _, auth := range in.Authenticators {
		auth.Created = env.unix()
		if auth.Last > 0 && auth.Last <= maxStep {
			auth.Steps = auth.Steps.with([2]int64{auth.Last, auth.Last}, auth.Last)
		}
		a.Authenticators = append(a.Authenticators, auth)
		e.Auth, e.Name = auth.ID, auth.Name
	}
	if len(in.Passkeys) > 0 && len(a.Passkeys) == 0 {
		a.Handle = in.Handle // no passkey is under another one: what was pending ends
	}
	for _, k := range in.Passkeys {
		k.Created = env.unix()
		a.Passkeys = append(a.Passkeys, k)
		e.Method, e.Auth, e.Name = event.MethodPasskey, k.ID, k.Name
	}
	if brought > 1 {
		e.Auth, e.Name = "", ""
	}
	if in.Codes != nil {
		a.Recovery = in.Codes.clone()
		a.Recovery.Created, a.Recovery.Imported = env.unix(), true
	}
	e.Left = a.Recovery.Left()
	a.note(env, e)
	if in.Code.Hash != "" {
		a.Reset = &Reset{Code: in.Code, Expires: env.unix() + int64(in.Life/time.Second), Life: int64(in.Life / time.Second), Operator: by.Operator, At: env.unix()}
		a.note(env, Event{Kind: event.OperatorCodeMade, Operator: by.Operator, Expires: a.Reset.Expires})
	}
	a.endEpoch(env)
	return a
}
