package posture

import (
	"slices"
	"time"
)

// Answer is what is known of a question. The zero value is unknown.
type Answer uint8

const (
	Unknown Answer = iota
	Yes
	No
)

// Facts is everything that is known of an account. What Gatehouse keeps is filled in by gatehouse.Service;
// the fields of Host are the host's.
type Facts struct {
	Authenticators []Authenticator
	Recovery       RecoverySet
	RecoveryUnseen time.Time // when a recovery code was last used that the owner has not looked at; zero: never
	TOTP           Method
	RecoveryCodes  Method
	ResetPending   bool // an operator has removed the factors, and the owner has yet to enroll anew
	OperatorCode   bool // an operator's code can be redeemed
	Suspended      bool
	KeysCurrent    bool // every secret is sealed under the primary key
	TokensKnown    bool
	Tokens         []Token
	Accepted       []Acceptance

	Host Host
}

// Authenticator is one that is active.
type Authenticator struct {
	ID                string
	Name              string
	PhishingResistant bool
	Weak              bool // its secret has under 128 bits, as another system made it
	Created           time.Time
	LastUsed          time.Time
}

// RecoverySet is the set of recovery codes. Its Total is 0 where there is none.
type RecoverySet struct {
	Total        int
	Left         int
	Acknowledged time.Time // when the owner said that the codes are saved; zero: not yet
}

// Method is whether a method can be used.
type Method struct {
	Locked   bool // for a time
	Disabled bool // until it is unlocked
}

// Token is an access token that has not ended for good.
type Token struct {
	ID       string
	Name     string
	Works    bool // now; one that waits for the second factor does not
	Created  time.Time
	Expires  time.Time // zero: never
	LastUsed time.Time // zero: never
	Unused   []string  // scopes that no check has asked for

	FirstFactorOnly bool // it was made, or last rotated, without a second factor
}

func (t Token) clone() Token {
	t.Unused = slices.Clone(t.Unused)
	return t
}

// Host is what the host knows of an account. The zero value knows nothing: where At is zero, a Plan or a Delegated
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

// Evidence is what there is to know of an account beside what Gatehouse keeps of the account itself. To gather it
// costs a call of the host, or reads of the store.
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
// owner has beside something that the owner knows or is. "otp" alone may be a code that was mailed.
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

// Acceptance is a risk that somebody has taken on.
type Acceptance struct {
	Control string    `json:"control"`
	By      string    `json:"by"`
	Why     string    `json:"why"`
	Until   time.Time `json:"until,omitzero"` // zero: without an end
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
