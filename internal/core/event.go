package core

import (
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
)

// Event is one thing that happened to an account: for observers, and as an entry of the account's
// recent activity, which keeps the fields with a name.
type Event struct {
	Kind     event.Kind
	At       int64
	Method   event.Method
	Auth     string // the ID of an authenticator
	Token    string // the ID of an access token
	Name     string // the name of either at that time, or a control
	Service  string // the ID of a service account, in the activity of its owner
	Operator string
	Detail   string // an operator's reason
	Count    int    // how many a run has, where it is more than one; of ManyFailures, how many codes
	First    int64  // when the first of a run was, where it has more than one
	Number   int64  // which entry of the activity it is, of a run its latest

	SignIn bool   // a code that completed a sign-in
	Client Client // where the request came from that caused it

	Why     Reason // why a code was denied
	Left    int    // recovery codes
	RetryAt int64  // of a method that is locked
	Expires int64  // of a token or an operator's code
	Address string // from which a token was used, as text
	Level   int    // of the posture, with Score
	Score   int
}

const (
	maxActivity   = 20 // entries, unless there are more kinds that nobody has looked at yet
	shareActivity = 10 // of them for changes of factors, and the other ten for the rest, if there are as many
	sharePlain    = 5  // of those ten, for what need not be looked at

	// mostActivity bounds what is read: all entries of full shares, and one of each kind and method.
	mostActivity = 64
)

// changesFactors reports whether an event changed what it takes to get in.
func changesFactors(k event.Kind) bool {
	switch k {
	case event.RecoveryCodeUsed, event.RecoveryCodesRegenerated, event.OperatorCodeMade, event.OperatorCodeUsed, event.AuthenticatorAdded,
		event.AuthenticatorRemoved, event.TwoFactorOff, event.PasswordChanged, event.AccountReset, event.AccountSuspended, event.AccountResumed, event.AccountImported, event.AccountRestored:
		return true
	}
	return false
}

// MovesPosture reports whether what has happened may change how well the account is protected.
func MovesPosture(k event.Kind) bool {
	switch k {
	case event.MethodLocked, event.MethodUnlocked, event.RecoveryCodeUsed, event.RecoveryCodesRegenerated, event.RecoveryCodesAcknowledged, event.AuthenticatorAdded, event.AuthenticatorRemoved, event.TwoFactorOff,
		event.AccountReset, event.AccountSuspended, event.AccountResumed, event.KeyMoved, event.AccountImported, event.TokenMinted, event.TokenRotated, event.TokenRenewed, event.TokenRevoked, event.TokensRevoked,
		event.RiskAccepted, event.RiskWithdrawn, event.ActivityReviewed, event.AccountRestored,
		event.ServiceAccountCreated, event.ServiceTokenMinted, event.ServiceTokenRotated, event.ServiceTokenRenewed:
		return true
	}
	return false
}

// lookedAt reports whether an event has to stay until the owner has looked at it: it changed what it takes to
// get in, or is what somebody leaves behind who got in.
func lookedAt(k event.Kind) bool {
	switch k {
	case event.ManyFailures, event.MethodUnlocked, event.AuthenticatorResynced, event.PasskeySuspect, event.TokenMinted, event.TokenRotated, event.TokenRenewed, event.TokenRevoked, event.TokensRevoked, event.RiskAccepted,
		event.ServiceAccountCreated, event.ServiceTokenMinted, event.ServiceTokenRotated, event.ServiceTokenRenewed:
		return true
	}
	return changesFactors(k)
}

// note tells an event and keeps it.
func (a *Account) note(env Env, e Event) {
	e.At = env.unix()
	a.Events = append(a.Events, e)
	// The owner is not told where support sits. A new password is mostly the owner's own doing, whoever reports it.
	if e.Operator == "" || e.Kind == event.PasswordChanged {
		e.Client = env.Client
	}
	e.Number = a.keep(e)
	a.owe(env, e)
}

// runs reports whether an event is one more of a run whose latest is before: such a run is one entry.
func (e Event) runs(before Event) bool {
	switch e.Kind {
	case event.CodeDenied, event.EnrollmentAbandoned:
		return before.sameAs(e)
	case event.FirstFactorSignIn:
		return before.sameAs(e) && before.Client == e.Client
	}
	return false
}

// keep puts an event into the activity alone, and returns the number of its entry, 0 for none. A pairing is one entry, of
// its latest event.
func (a *Account) keep(e Event) (number int64) {
	if e.Kind == event.KeyMoved || e.Kind == event.EnrollmentConfirmed || e.Kind == event.CodeAccepted && e.Method != event.MethodTOTP && e.Method != event.MethodPasskey {
		return 0 // of no interest to the owner, or followed by an entry that says more
	}
	a.Noted++
	e.Number = a.Noted
	a.Activity = append(make([]Event, 0, len(a.Activity)+1), a.Activity...) // clone shares it, and one entry more has room
	if e.Kind == event.AuthenticatorAdded || e.Kind == event.EnrollmentAbandoned {
		a.Activity = slices.DeleteFunc(a.Activity, func(was Event) bool { return was.Kind == event.EnrollmentBegun && was.Auth == e.Auth })
	}
	if n := len(a.Activity); n > 0 && e.runs(a.Activity[n-1]) {
		a.Activity[n-1] = e.following(a.Activity[n-1])
		return e.Number
	}
	a.Activity = append(a.Activity, e)
	for len(a.Activity) > maxActivity && a.shorten() {
	}
	return e.Number
}

func (e Event) sameAs(other Event) bool { return e.Kind == other.Kind && e.Method == other.Method }

// following returns an event as the latest of a run whose other events are in before.
func (e Event) following(before Event) Event {
	if e.Kind != event.ManyFailures { // whose Count is one of codes
		e.Count = max(before.Count, 1) + max(e.Count, 1)
	}
	e.First = before.At
	if before.First != 0 {
		e.First = before.First
	}
	return e
}

// shorten takes one entry out of the activity, if it can. Sign-ins cannot push a change of factors out, and nothing pushes
// out what the owner has not looked at yet: where that is all there is, the latest two of one kind become a run. So
// what an intruder did first, which was not to be seen, keeps its own entry, and what was done to hide it is
// counted. If no two are alike, the activity grows, by less than twenty: there are no more kinds, with their methods.
func (a *Account) shorten() bool {
	others := 0
	for _, e := range a.Activity {
		if !changesFactors(e.Kind) {
			others++
		}
	}
	factors := others <= maxActivity-shareActivity
	return a.shortenShare(factors) || a.shortenShare(!factors)
}

// shortenShare takes one entry out of a share of the activity, if it can.
func (a *Account) shortenShare(factors bool) bool {
	plain, oldest := 0, -1
	for i, e := range a.Activity {
		if changesFactors(e.Kind) == factors && !a.toBeSeen(e) {
			if plain++; oldest < 0 {
				oldest = i
			}
		}
	}
	first, second := a.latestTwo(factors)
	switch {
	case oldest >= 0 && (factors || plain > sharePlain || first < 0):
		a.Activity = slices.Delete(a.Activity, oldest, oldest+1)
	case first >= 0:
		a.Activity[second] = a.Activity[second].following(a.Activity[first])
		a.Activity = slices.Delete(a.Activity, first, first+1)
	default:
		return false
	}
	return true
}

// toBeSeen reports whether the owner has not looked at an entry yet. Nobody looks at those of a service account: its owner
// has entries to look at.
func (a *Account) toBeSeen(e Event) bool {
	return a.ServiceOf == "" && lookedAt(e.Kind) && e.Number > a.LookedAt
}

// latestTwo returns the latest two entries of one kind and method that nobody has looked at yet, -1 if no two are alike.
func (a *Account) latestTwo(factors bool) (first, second int) {
	for second = len(a.Activity) - 1; second > 0; second-- {
		e := a.Activity[second]
		if changesFactors(e.Kind) != factors || !a.toBeSeen(e) {
			continue
		}
		for first = second - 1; first >= 0; first-- {
			if a.Activity[first].sameAs(e) && a.toBeSeen(a.Activity[first]) {
				return first, second
			}
		}
	}
	return -1, -1
}

// CodeUseUnseen returns when a recovery code was last used that the owner has not looked at, 0 for never.
func (a Account) CodeUseUnseen() int64 {
	for _, e := range slices.Backward(a.Activity) {
		if e.Kind == event.RecoveryCodeUsed && e.Number > a.LookedAt {
			return e.At
		}
	}
	return 0
}
