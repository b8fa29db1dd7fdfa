package gatehouse

import (
	"context"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Status is what an owner's Settings page shows of an account. It holds no secrets. That of an
// account which Gatehouse has never seen is the zero Status.
type Status struct {
	Protected      bool // a second step is needed at sign-in
	Authenticators []Authenticator
	Pending        *PendingEnrollment // nil: none
	RecoveryCodes  RecoverySet
	TOTP           MethodState
	RecoveryCode   MethodState
	OperatorCode   MethodState
	Reset          *Reset    // nil: no operator has reset the account since its last enrollment
	Suspended      time.Time // since when; zero: not suspended
}

// Reset says that an operator has removed every factor, or that an import has brought none, and that the owner has yet
// to enroll.
type Reset struct {
	Imported    bool // an import has closed the account
	At          time.Time
	CodeExpires time.Time
	CodeUsed    bool // then either an enrollment is pending, or an operator has to reset again
}

// Authenticator is an authenticator app that is active.
type Authenticator struct {
	ID        string
	Name      string
	Algorithm totp.Algorithm
	Digits    int
	// Weak says that another system made the secret, with under 128 bits: pair the app again in the place of this one.
	Weak     bool
	Created  time.Time // when it was paired
	LastUsed time.Time
}

// PendingEnrollment is an enrollment that waits for its first code.
type PendingEnrollment struct {
	ID        string
	Name      string
	Replace   string // the ID of the authenticator whose place it takes; empty: none
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

// Status returns what is on and what is off. Show it to the account's owner, and to nobody who has
// only a name.
func (s *Service) Status(ctx context.Context, account string) (Status, error) {
	a, _, err := s.load(ctx, account)
	if err != nil {
		return Status{}, err
	}
	env := s.env()
	st := Status{
		Protected:      a.Protected(),
		Authenticators: authenticators(a),
		RecoveryCodes:  recoverySet(a.Recovery),
		OperatorCode:   MethodState(a.OperatorState(env)),
		TOTP:           MethodState(a.TOTPState(env)),
		RecoveryCode:   MethodState(a.RecoveryState(env)),
	}
	if a.Suspension != nil {
		st.Suspended = core.Time(a.Suspension.At)
	}
	if a.Reset != nil {
		st.Reset = &Reset{Imported: a.Imported == core.ImportOpen, At: core.Time(a.Reset.At), CodeExpires: core.Time(a.Reset.Expires), CodeUsed: a.Reset.Code.Hash == ""}
	}
	if p := a.PendingNow(env); p != nil {
		st.Pending = &PendingEnrollment{
			ID: p.Authenticator.ID, Name: p.Authenticator.Name, Replace: p.Replace,
			Expires: core.Time(p.Expires), TriesLeft: p.TriesLeft(), RecoveryCodes: recoverySet(p.Recovery),
		}
	}
	return st, nil
}

func authenticators(a core.Account) (list []Authenticator) {
	for _, auth := range a.Authenticators {
		list = append(list, Authenticator{
			ID: auth.ID, Name: auth.Name, Algorithm: auth.Algorithm, Digits: auth.Digits, Weak: auth.Weak,
			Created: core.Time(auth.Created), LastUsed: core.Time(auth.LastUsed),
		})
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
