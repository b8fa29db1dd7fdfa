package gatehouse

import (
	"context"
	"log/slog"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// EventKind says what has happened.
type EventKind uint8

const (
	EnrollmentBegun           = EventKind(core.EnrollmentBegun)
	EnrollmentConfirmed       = EventKind(core.EnrollmentConfirmed)
	EnrollmentAbandoned       = EventKind(core.EnrollmentAbandoned) // canceled, ten wrong codes, superseded or ended by another change
	Verified                  = EventKind(core.Verified)            // a code was right: Method, and AuthenticatorID of TOTP
	CodeDenied                = EventKind(core.Denied)              // Why says why; tell it to nobody outside
	MethodLocked              = EventKind(core.Locked)              // RetryAt zero: until it is unlocked
	MethodUnlocked            = EventKind(core.Unlocked)            // before its time
	ThrottledBurst            = EventKind(core.ThrottledBurst)      // codes come in while the method is locked, or more wrong recovery codes than are kept; told once for each lock or pause, and process
	ManyFailures              = EventKind(core.ManyFailures)        // 20 wrong codes in 30 days: somebody may have the password. Told again each week while it goes on
	RecoveryCodeUsed          = EventKind(core.CodeUsed)
	RecoveryCodesLow          = EventKind(core.CodesLow) // fewer than 3 are left
	RecoveryCodesRegenerated  = EventKind(core.CodesRegenerated)
	RecoveryCodesAcknowledged = EventKind(core.CodesAcknowledged)
	OperatorCodeMade          = EventKind(core.OperatorCodeMade) // RetryAt is when it expires
	OperatorCodeUsed          = EventKind(core.OperatorCodeUsed)
	AuthenticatorAdded        = EventKind(core.AuthenticatorAdded)
	AuthenticatorRenamed      = EventKind(core.AuthenticatorRenamed)
	AuthenticatorRemoved      = EventKind(core.AuthenticatorRemoved)
	AuthenticatorResynced     = EventKind(core.AuthenticatorResynced)
	TwoFactorOff              = EventKind(core.TwoFactorOff)
	PasswordChanged           = EventKind(core.PasswordChanged)
	AccountReset              = EventKind(core.WasReset)
	AccountSuspended          = EventKind(core.WasSuspended)
	AccountResumed            = EventKind(core.WasResumed)
	KeyMoved                  = EventKind(core.KeyMoved)
	AccountImported           = EventKind(core.WasImported) // the authenticator if it was one, and CodesLeft; OperatorCodeMade follows where it was closed
	AccountDeleted            = EventKind(core.WasDeleted)
	AccountRestored           = EventKind(core.WasRestored)   // AfterRestore: the owner may have no recovery codes any more
	SecondFactorMissing       = EventKind(core.FactorMissing) // the host expects one, and the store has none: see MissingError

	TokenMinted     = EventKind(core.TokenMinted)
	TokenFirstUsed  = EventKind(core.TokenFirstUsed)  // each process may tell it once
	TokenNewAddress = EventKind(core.TokenNewAddress) // Address is none of the last five; each process may tell it once
	TokenRotated    = EventKind(core.TokenRotated)
	TokenRenewed    = EventKind(core.TokenRenewed)
	TokenReused     = EventKind(core.TokenReused) // a rotated copy was presented after its grace: somebody has an old one
	// A rotated copy that still works was presented to be rotated by itself: two have the token, or its holder has
	// lost the successor. Told once a copy.
	TokenContested = EventKind(core.TokenContested)
	TokenExpiring  = EventKind(core.TokenExpiring)  // RetryAt is when it expires
	TokenSuspended = EventKind(core.TokenSuspended) // its owner's second factor was turned off, which it needs, or on, and it was made without
	TokenRevoked   = EventKind(core.TokenRevoked)
	TokensRevoked  = EventKind(core.TokensRevoked) // all of the account's
	TokenPurged    = EventKind(core.TokenPurged)

	RiskAccepted     = EventKind(core.RiskAccepted) // Control
	RiskWithdrawn    = EventKind(core.RiskWithdrawn)
	ActivityReviewed = EventKind(core.ActivityReviewed)
	PostureChanged   = EventKind(core.PostureChanged) // Level and Score are what the account has now
	PostureRules     = EventKind(core.PostureRules)   // the same, because the rules are others; the account has not changed
)

// String returns the kind in words, such as "recovery code used".
func (k EventKind) String() string { return core.EventKind(k).String() }

// Event is one thing that happened to an account. It never holds a secret or a code. Fields that do
// not go with the kind are zero.
type Event struct {
	Kind              EventKind
	AccountID         string
	At                time.Time
	Method            Method
	AuthenticatorID   string
	AuthenticatorName string
	TokenID           string
	TokenName         string
	Address           string // of TokenNewAddress; not in Activity
	Control           string // of RiskAccepted and RiskWithdrawn
	Level             int    // of PostureChanged and PostureRules, as Score; not in Activity
	Score             int
	OperatorID        string
	Reason            string    // an operator's
	Why               string    // why a code was denied; not in Activity
	CodesLeft         int       // of RecoveryCodeUsed, RecoveryCodesLow and AccountImported; not in Activity
	RetryAt           time.Time // not in Activity
	Count             int       // how many events a run stands for; at least 1
	First             time.Time // when the first of a run was; zero where Count is 1

	// Number counts the entries of the account's Activity, 1 for the first: that of the newest one which the owner was
	// shown is for ReviewActivity. 0 for what an Observer is told.
	Number int64
}

// LogValue returns the fields that are set.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", e.Kind.String()), slog.String("account", e.AccountID), slog.Time("at", e.At)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	if e.Method != 0 {
		add("method", e.Method.String())
	}
	add("authenticator", e.AuthenticatorID)
	add("name", e.AuthenticatorName)
	add("token", e.TokenID)
	add("name", e.TokenName)
	add("address", e.Address)
	add("control", e.Control)
	if e.Kind == PostureChanged || e.Kind == PostureRules {
		attrs = append(attrs, slog.Int("level", e.Level), slog.Int("score", e.Score))
	}
	add("operator", e.OperatorID)
	add("reason", e.Reason)
	add("why", e.Why)
	if e.Kind == RecoveryCodeUsed || e.Kind == RecoveryCodesLow || e.Kind == AccountImported {
		attrs = append(attrs, slog.Int("codes_left", e.CodesLeft))
	}
	if !e.RetryAt.IsZero() {
		attrs = append(attrs, slog.Time("retry_at", e.RetryAt))
	}
	if e.Count > 1 {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	return slog.GroupValue(attrs...)
}

func eventOf(account string, e core.Event) Event {
	event := Event{
		Kind: EventKind(e.Kind), AccountID: account, At: time.Unix(e.At, 0).UTC(), Method: Method(e.Method),
		AuthenticatorID: e.Auth, TokenID: e.Token, Address: e.Address, OperatorID: e.Operator, Reason: e.Detail,
		Why: e.Why.String(), CodesLeft: e.Left, RetryAt: core.Time(e.RetryAt), Count: max(e.Count, 1),
		First: core.Time(e.First), Number: e.Number, Level: e.Level, Score: e.Score,
	}
	switch {
	case e.Token != "":
		event.TokenName = e.Name
	case e.Kind == core.RiskAccepted || e.Kind == core.RiskWithdrawn:
		event.Control = e.Name
	default:
		event.AuthenticatorName = e.Name
	}
	return event
}

// Activity returns what has happened to an account, newest first: as a rule the last 20 entries, of which ten
// are kept for changes of factors. What an owner has to look at, such as the use of a recovery code or a new
// token, stays until ReviewActivity has named it or a later entry; where there is too much of that, entries of one
// kind become a run. A run, also of denied codes, is one entry with its Count and the times of the first and the
// last. Show it to the owner, who alone can say "that was not me".
func (s *Service) Activity(ctx context.Context, account string) ([]Event, error) {
	a, _, err := s.load(ctx, account)
	if err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(a.Activity))
	for i := len(a.Activity) - 1; i >= 0; i-- {
		events = append(events, eventOf(account, a.Activity[i]))
	}
	return events, nil
}
