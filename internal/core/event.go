package core

import "slices"

// EventKind says what has happened. The numbers are stored: new ones go to the end.
type EventKind uint8

const (
	_ EventKind = iota
	EnrolmentBegun
	EnrolmentConfirmed
	EnrolmentAbandoned
	Verified
	Denied
	Locked
	Unlocked
	ThrottledBurst
	ManyFailures
	CodeUsed
	CodesLow
	CodesRegenerated
	CodesAcknowledged
	OperatorCodeMade
	OperatorCodeUsed
	AuthenticatorAdded
	AuthenticatorRenamed
	AuthenticatorRemoved
	AuthenticatorResynced
	TwoFactorOff
	PasswordChanged
	WasReset
	WasSuspended
	WasResumed
	KeyMoved
	WasImported
	WasDeleted
	TokenMinted
	TokenFirstUsed
	TokenNewAddress
	TokenRotated
	TokenRenewed
	TokenReused
	TokenExpiring
	TokenSuspended
	TokenRevoked
	TokensRevoked
	TokenPurged
	RiskAccepted
	RiskWithdrawn
	ActivityReviewed
	PostureChanged
	PostureRules
	WasRestored
)

var eventNames = [...]string{
	"unknown", "enrolment begun", "enrolment confirmed", "enrolment abandoned", "verified", "denied", "locked", "unlocked",
	"throttled burst", "many failures", "recovery code used", "recovery codes low", "recovery codes regenerated",
	"recovery codes acknowledged", "operator code made", "operator code used", "authenticator added",
	"authenticator renamed", "authenticator removed", "authenticator resynced", "two-factor off", "password changed",
	"reset", "suspended", "resumed", "key moved", "imported", "deleted",
	"token minted", "token first used", "token used from a new address", "token rotated", "token renewed",
	"token reused after rotation", "token expiring", "token suspended", "token revoked", "all tokens revoked",
	"token purged", "risk accepted", "risk withdrawn", "activity reviewed", "posture changed", "posture rules changed",
	"restored from a backup",
}

// String returns the name, in lower case with spaces.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return eventNames[0]
}

// Method names in events.
type Method uint8

const (
	_ Method = iota
	TOTP
	RecoveryCodes
	ByOperatorCode
)

// Event is one thing that happened to an account: for observers, and as an entry of the account's
// recent activity, which keeps the fields with a name.
type Event struct {
	Kind     EventKind `json:"k"`
	At       int64     `json:"t"`
	Method   Method    `json:"m,omitempty"`
	Auth     string    `json:"a,omitempty"`  // the ID of an authenticator
	Token    string    `json:"tk,omitempty"` // the ID of an access token
	Name     string    `json:"n,omitempty"`  // the name of either at that time, or a control
	Operator string    `json:"o,omitempty"`
	Detail   string    `json:"d,omitempty"` // an operator's reason
	Count    int       `json:"c,omitempty"` // how many denials a run has, where it is more than one

	Why     Reason `json:"-"` // why a code was denied
	Left    int    `json:"-"` // recovery codes
	RetryAt int64  `json:"-"`
	Address string `json:"-"` // from which a token was used
	Level   int    `json:"-"` // of the posture, with Score
	Score   int    `json:"-"`
}

const (
	maxActivity   = 20 // entries
	shareActivity = 10 // of them for changes of factors, and the other ten for the rest, if there are as many
)

// factors reports whether an event changed what it takes to get in.
func (k EventKind) factors() bool {
	switch k {
	case CodeUsed, CodesRegenerated, OperatorCodeMade, OperatorCodeUsed, AuthenticatorAdded,
		AuthenticatorRemoved, TwoFactorOff, PasswordChanged, WasReset, WasSuspended, WasResumed, WasImported, WasRestored:
		return true
	}
	return false
}

// MovesPosture reports whether what has happened may change how well the account is protected.
func (k EventKind) MovesPosture() bool {
	switch k {
	case Locked, Unlocked, CodeUsed, CodesRegenerated, CodesAcknowledged, AuthenticatorAdded, AuthenticatorRemoved, TwoFactorOff,
		WasReset, WasSuspended, WasResumed, KeyMoved, WasImported, TokenMinted, TokenRotated, TokenRenewed, TokenRevoked, TokensRevoked,
		RiskAccepted, RiskWithdrawn, ActivityReviewed, WasRestored:
		return true
	}
	return false
}

// note tells an event and keeps it. A run of denials is one entry, and sign-ins cannot push a change
// of factors out of the list, so that an intruder's traces are not washed away by what follows.
func (a *Account) note(env Env, e Event) {
	e.At = env.unix()
	a.Events = append(a.Events, e)
	a.keep(e)
}

// keep puts an event into the activity alone.
func (a *Account) keep(e Event) {
	if e.Kind == KeyMoved || e.Kind == EnrolmentConfirmed || e.Kind == Verified && e.Method != TOTP {
		return // of no interest to the owner, or followed by an entry that says more
	}
	if n := len(a.Activity); n > 0 && e.Kind == Denied && a.Activity[n-1].Kind == Denied && a.Activity[n-1].Method == e.Method {
		last := &a.Activity[n-1]
		last.At, last.Count = e.At, max(last.Count, 1)+1
		return
	}
	a.Activity = append(a.Activity, e)
	if len(a.Activity) <= maxActivity {
		return
	}
	others := 0
	for _, old := range a.Activity {
		if !old.Kind.factors() {
			others++
		}
	}
	evictFactors := others <= maxActivity-shareActivity
	i := slices.IndexFunc(a.Activity, func(old Event) bool { return old.Kind.factors() == evictFactors })
	a.Activity = slices.Delete(a.Activity, i, i+1)
}
