// Package event has the events that Gatehouse tells: their kinds, their fields, and the Observer that a host gives to
// gatehouse.Config to hear of them. [Log] is an Observer that writes them to a log.
package event

import (
	"log/slog"
	"time"
)

// Event is one thing that happened to an account. It never holds a secret or a code. Fields that do not go with the
// kind are zero.
type Event struct {
	Kind              Kind
	AccountID         string
	At                time.Time
	Method            Method
	AuthenticatorID   string
	AuthenticatorName string
	TokenID           string
	TokenName         string
	ServiceAccountID  string // of ServiceAccountCreated and its like, in the account that owns it
	SignIn            bool   // of CodeAccepted and RecoveryCodeUsed: it completed a sign-in; false: inside a session
	Address           string // where the request came from: see WithClient. Of an event of a token, the one in Check
	Agent             Agent
	Control           string // of RiskAccepted and RiskWithdrawn
	Level             int    // of PostureChanged and PostureRules, as Score; not in an account's activity
	Score             int
	OperatorID        string
	Reason            string    // an operator's
	Why               string    // why a code was denied; not in an account's activity
	CodesLeft         int       // of RecoveryCodeUsed, RecoveryCodesLow and AccountImported; not in an account's activity
	RetryAt           time.Time // of MethodLocked and ThrottledBurst; not in an account's activity
	Expires           time.Time // of OperatorCodeMade and TokenExpiring; not in an account's activity
	Count             int       // how many events a run stands for; at least 1
	First             time.Time // when the first of a run was; zero where Count is 1

	// Number counts the entries of the account's activity, 1 for the first. 0 in an event that an Observer is told.
	Number int64
}

// Notice is an Event that the owner of the account must be told. See package notify.
type Notice struct {
	// ID is a UUID. It stays the same if the notice is delivered again. What happens once more before that may be counted in
	// it: then it is another notice, with a Count, and another ID.
	ID string
	Event
}

// LogValue returns the fields that are set, the ID among them.
func (n Notice) LogValue() slog.Value {
	return slog.GroupValue(append([]slog.Attr{slog.String("id", n.ID)}, n.Event.LogValue().Group()...)...)
}

// LogValue returns the fields that are set.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind)), slog.String("account", e.AccountID), slog.Time("at", e.At)}
	add := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	add("method", string(e.Method))
	if e.SignIn {
		attrs = append(attrs, slog.Bool("sign_in", true))
	}
	add("authenticator", e.AuthenticatorID)
	add("name", e.AuthenticatorName)
	add("token", e.TokenID)
	add("name", e.TokenName)
	add("service_account", e.ServiceAccountID)
	add("address", e.Address)
	add("agent", string(e.Agent))
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
	if !e.Expires.IsZero() {
		attrs = append(attrs, slog.Time("expires", e.Expires))
	}
	if e.Count > 1 {
		attrs = append(attrs, slog.Int("count", e.Count))
	}
	return slog.GroupValue(attrs...)
}
