package gatehouse

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/redact"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Account is a view of an account as it was loaded: pages, reviews and lists are made from it. It shows no secrets. An
// account that Gatehouse has never seen has only an ID.
type Account struct {
	ID             string
	Protected      bool               // a second step is needed at sign-in
	Authenticators []Authenticator    // the apps, then the passkeys
	Pending        *PendingEnrollment // nil: none
	RecoveryCodes  RecoverySet
	TOTP           MethodState
	RecoveryCode   MethodState
	OperatorCode   MethodState
	Passkey        MethodState
	Reset          *Reset    // nil: no operator has reset the account since its last enrollment
	Suspended      time.Time // since when; zero: not suspended

	// CodeUseUnseen is when a recovery code was last used that the owner has not looked at; zero: none was.
	CodeUseUnseen time.Time
	// ServiceOf is the account that owns this one; empty: it is no service account. Nobody signs in to one: operators give it
	// tokens (package tokens).
	ServiceOf string
	// ServiceAccounts are those that operators have created for this account to own.
	ServiceAccounts []string
	// ServiceUnseen is when one of them last came to be, or a token of one last got a secret or more time, that the owner has
	// not looked at; zero: never.
	ServiceUnseen time.Time
	// KeysCurrent says that no secret is sealed under an older key than the primary one.
	KeysCurrent bool
	// AcceptedRisks are the controls that an operator has accepted for the account.
	AcceptedRisks []AcceptedRisk

	// Activity is the account's recent history, newest first: usually the last 20 entries, ten of them reserved for
	// changes of factors. An entry that the owner must look at, such as a used recovery code or a new token, stays until
	// ReviewActivity names it or a later entry. If there are too many of those, entries of one kind become a run. A run,
	// also of denied codes, is one entry with its Count and the times of the first and the last. Show it to the owner:
	// only the owner can say "that was not me".
	Activity []event.Event

	record redact.Value[core.Account] // hidden, as it has hashes and sealed secrets
}

// AcceptedRisk is a control that an operator has accepted that the account fails.
type AcceptedRisk struct {
	Control  string
	Operator string
	Reason   string
	Until    time.Time // zero: without an end
}

// Reset says that an operator has removed every factor, or that an import has brought none, and that the owner has not
// enrolled since.
type Reset struct {
	Imported    bool // an import has closed the account
	At          time.Time
	CodeExpires time.Time
	CodeUsed    bool // then either an enrollment is pending, or an operator has to reset again
}

// Authenticator is an authenticator app or a passkey that is active.
type Authenticator struct {
	ID   string
	Name string
	Kind event.Method // MethodTOTP or MethodPasskey

	// Of an app.
	Algorithm totp.Algorithm
	Digits    int
	// Weak says that another system made the secret, with under 128 bits: pair the app again to replace this one.
	Weak bool

	// Of a passkey.
	UserVerified bool   // it has verified its user (by a PIN or a finger) at least once
	Synced       bool   // it can be in a backup, and so on more than one device
	BackedUp     bool   // it was in a backup when it was last used
	Attested     bool   // its make was checked against the host's list
	AAGUID       string // says its make or its provider, as the text of a UUID; empty: not known

	// PhishingResistant says that a false page learns nothing of use from it. Passkeys are, and no authenticator app is.
	PhishingResistant bool

	Created  time.Time // when it was paired
	LastUsed time.Time
}

// PendingEnrollment is an enrollment that waits for its first code, or for the browser to make the passkey.
type PendingEnrollment struct {
	ID        string
	Kind      event.Method // as that of an Authenticator
	Name      string       // empty: the owner has chosen none for a passkey
	Replace   string       // the ID of the authenticator whose place it takes; empty: none
	Expires   time.Time
	TriesLeft int
	// RecoveryCodes are those that it brings; its Total is 0 if it brings none.
	RecoveryCodes RecoverySet
}

// RecoverySet says how many codes there are, not which.
type RecoverySet struct {
	ID           string
	Total        int
	Left         int
	Created      time.Time
	Acknowledged time.Time // when the owner said that they are saved; zero: not yet
	Imported     bool      // another system's codes, slower to check: suggest new ones
}

// Account loads an account, with one read of the store. Show it to the account's owner only: knowing a name is not
// enough.
func (s *Service) Account(ctx context.Context, id string) (_ Account, err error) {
	defer s.e.Begin(&ctx, "gatehouse.Service.Account").End(&err)
	a, err := s.e.Load(ctx, id)
	if err != nil {
		return Account{}, err
	}
	return view(s.e, a, nil, s.e.Env()), nil
}

// view returns what is shown of an account in the browser of a digest, nil for one that is not known.
func view(e *engine.Engine, a core.Account, browser []byte, env core.Env) Account {
	v := Account{
		ID:              a.ID,
		Protected:       a.Protected(),
		Authenticators:  authenticators(a),
		RecoveryCodes:   recoverySet(a.Recovery),
		OperatorCode:    MethodState(a.OperatorState(env)),
		TOTP:            MethodState(a.TOTPState(browser, env)),
		RecoveryCode:    MethodState(a.RecoveryState(browser, env)),
		Passkey:         MethodState(a.PasskeyState()),
		CodeUseUnseen:   core.Time(a.CodeUseUnseen()),
		ServiceOf:       a.ServiceOf,
		ServiceAccounts: slices.Clone(a.Services),
		ServiceUnseen:   core.Time(a.ServiceUnseen()),
		KeysCurrent:     a.Current(e.Sealer.Primary()),
		record:          redact.New(a),
	}
	if a.Suspension != nil {
		v.Suspended = core.Time(a.Suspension.At)
	}
	if a.Reset != nil {
		v.Reset = &Reset{Imported: a.Imported == core.ImportOpen, At: core.Time(a.Reset.At), CodeExpires: core.Time(a.Reset.Expires), CodeUsed: a.Reset.Code.Hash == ""}
	}
	if p := a.PendingNow(env); p != nil {
		v.Pending = &PendingEnrollment{
			ID: p.Authenticator.ID, Kind: event.MethodTOTP, Name: p.Authenticator.Name, Replace: p.Replace,
			Expires: core.Time(p.Expires), TriesLeft: p.TriesLeft(), RecoveryCodes: recoverySet(p.Recovery),
		}
		if p.Passkey {
			v.Pending.Kind = event.MethodPasskey
		}
	}
	for _, x := range a.Accepted {
		v.AcceptedRisks = append(v.AcceptedRisks, AcceptedRisk{Control: x.Control, Operator: x.By, Reason: x.Why, Until: core.Time(x.Until)})
	}
	v.Activity = slices.Grow(v.Activity, len(a.Activity))
	for _, e := range slices.Backward(a.Activity) {
		v.Activity = append(v.Activity, engine.Event(a.ID, e))
	}
	return v
}

func authenticators(a core.Account) (list []Authenticator) {
	for _, auth := range a.Authenticators {
		list = append(list, Authenticator{
			ID: auth.ID, Name: auth.Name, Kind: event.MethodTOTP, Algorithm: auth.Algorithm, Digits: auth.Digits, Weak: auth.Weak,
			Created: core.Time(auth.Created), LastUsed: core.Time(auth.LastUsed),
		})
	}
	for _, k := range a.Passkeys {
		auth := Authenticator{
			ID: k.ID, Name: k.Name, Kind: event.MethodPasskey, PhishingResistant: true,
			UserVerified: k.Verified, Synced: k.Eligible, BackedUp: k.BackedUp, Attested: k.Attested,
			Created: core.Time(k.Created), LastUsed: core.Time(k.LastUsed),
		}
		if k.AAGUID != [16]byte{} {
			auth.AAGUID = uuid.UUID(k.AAGUID).String()
		}
		list = append(list, auth)
	}
	return list
}

func recoverySet(s *core.RecoverySet) RecoverySet {
	if s == nil {
		return RecoverySet{}
	}
	return RecoverySet{
		ID: s.ID, Total: len(s.Slots), Left: s.Left(),
		Created: core.Time(s.Created), Acknowledged: core.Time(s.Acknowledged), Imported: s.Imported,
	}
}
