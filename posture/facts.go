package posture

import (
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Answer is what is known of a question. The zero value is unknown.
type Answer uint8

const (
	Unknown Answer = iota
	Yes
	No
)

// Facts is everything that is known of an account. Gatehouse fills in Account and Tokens; Host is the host's.
type Facts struct {
	Account     gatehouse.Account
	Tokens      []tokens.Info // those that have not ended
	TokensKnown bool
	Host        Host
}

// lock says whether the owner can use a method that the account has.
type lock uint8

const (
	usable   lock = iota // or the account does not have it
	waiting              // locked for a time
	disabled             // locked until it is unlocked
)

func lockOf(has bool, m gatehouse.MethodState) lock {
	switch {
	case !has || m.Available:
		return usable
	case m.RetryAt.IsZero():
		return disabled
	}
	return waiting
}

func (f Facts) totp() lock { return lockOf(f.apps() > 0, f.Account.TOTP) }

func (f Facts) recoveryCodes() lock {
	return lockOf(f.Account.RecoveryCodes.Left > 0, f.Account.RecoveryCode)
}

// passkeys returns how many passkeys the account has, and apps how many authenticator apps.
func (f Facts) passkeys() int { return f.count(isPasskey) }

func (f Facts) apps() int { return len(f.Account.Authenticators) - f.passkeys() }

// resistant returns how many authenticators resist phishing.
func (f Facts) resistant() int {
	return f.count(func(a gatehouse.Authenticator) bool { return a.PhishingResistant })
}

func (f Facts) count(is func(gatehouse.Authenticator) bool) (n int) {
	for _, a := range f.Account.Authenticators {
		if is(a) {
			n++
		}
	}
	return n
}

func isPasskey(a gatehouse.Authenticator) bool { return a.Kind == event.MethodPasskey }

func works(t tokens.Info) bool { return t.State == tokens.StateActive }

// cloneToken returns a token that shares nothing with t that can change.
func cloneToken(t tokens.Info) tokens.Info {
	t.Scopes, t.Unused, t.Addresses = slices.Clone(t.Scopes), slices.Clone(t.Unused), slices.Clone(t.Addresses)
	return t
}

// Host has the host's knowledge of an account. The zero value knows nothing: where At is zero, a Plan or a Delegated
// that is empty is not known. With an At, an empty Plan says that there is none, and a nil Delegated that the host
// itself signs the owner in.
type Host struct {
	At            time.Time // when this was found out; older than a day it counts for nothing
	Since         time.Time // when the account came to be; zero: unknown, and so no grace
	Plan          string    // for ModelConfig.Adjust
	EmailVerified Answer
	Delegated     *Delegation       // the identity provider that signs the owner in
	Answers       map[string]Answer // evidence for controls of the host's own, by their IDs
}

// planKnown reports whether an empty Plan says that there is none.
func (h Host) planKnown() bool { return h.Plan != "" || !h.At.IsZero() }

// Evidence is everything that can be known of an account besides the account itself. To gather it costs a call of the
// host, or reads of the store.
type Evidence uint8

const (
	AllEvidence     Evidence = 0      // HostEvidence and TokenEvidence
	AccountEvidence Evidence = 1 << 0 // neither
	HostEvidence    Evidence = 1 << 1 // Facts.Host
	TokenEvidence   Evidence = 1 << 2 // Facts.Tokens
)

// Has reports whether some evidence is part of e.
func (e Evidence) Has(some Evidence) bool { return e == AllEvidence || e&some != 0 }

// only returns the facts without the evidence that is not part of e.
func (f Facts) only(e Evidence) Facts {
	if !e.Has(HostEvidence) {
		f.Host = Host{}
	}
	if !e.Has(TokenEvidence) {
		f.Tokens, f.TokensKnown = nil, false
	}
	return f
}

// Delegation says that an identity provider signs the owner in, and how it last did.
type Delegation struct {
	Provider string
	AMR      []string // RFC 8176 values
}

// secondFactor reports whether the provider has asked for one: it says so, or it names something that the
// owner has in addition to something that the owner knows or is. "otp" alone may be a code that was mailed.
func (d *Delegation) secondFactor() bool {
	if d == nil {
		return false
	}
	has, other := false, false
	for _, amr := range d.AMR {
		switch amr {
		case "mfa":
			return true
		case "otp", "hwk", "swk", "sc":
			has = true
		case "pwd", "pin", "face", "fpt", "iris", "retina", "vbm":
			other = true
		}
	}
	return has && other
}

const (
	stale = 24 * time.Hour // how old a host's facts may be
	ahead = time.Minute    // how far clocks may differ
)

// within reports whether a moment is at most so long ago, and not in the future.
func within(at, now time.Time, most time.Duration) bool {
	age := now.Sub(at)
	return !at.IsZero() && age <= most && age >= -ahead
}

// current returns the facts as they count at a time: what the host found out too long ago, or says
// to have found out in the future, is unknown. Whether a provider signs the owner in stays known, as does the
// plan; how it last did not.
func (f Facts) current(now time.Time) Facts {
	if within(f.Host.At, now, stale) {
		return f
	}
	h := Host{At: f.Host.At, Plan: f.Host.Plan}
	if d := f.Host.Delegated; d != nil {
		h.Delegated = &Delegation{Provider: d.Provider}
	}
	f.Host = h
	return f
}
