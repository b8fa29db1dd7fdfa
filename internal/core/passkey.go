package core

import (
	"bytes"
	"crypto/subtle"
	"slices"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/storage"
)

const (
	// MaxPasskeys is how many passkeys an account has at the most, in addition to its apps.
	MaxPasskeys = 10

	MaxCredential = 1023 // bytes of a credential ID: Web Authentication Level 3 §4
	MaxPublicKey  = 1024 // bytes of a COSE_Key

	// DefaultPasskeyName is the name of a passkey that nobody has named.
	DefaultPasskeyName = "Passkey"
)

// Transports are the ways in which a browser can reach an authenticator, as bits: the first is 1, the next 2 and so on.
// The order is what is stored.
var Transports = [...]string{"usb", "nfc", "ble", "internal", "hybrid", "smart-card"}

// Passkey is one WebAuthn credential.
type Passkey struct {
	ID         string
	Name       string
	Credential []byte // its ID as the authenticator knows it, unique in the account
	PublicKey  []byte // COSE_Key, as the authenticator has given it
	AAGUID     [16]byte
	Transports uint8 // bits of Transports
	Verified   bool  // it has verified its user at least once
	Eligible   bool  // it may be in a backup; never changes
	BackedUp   bool  // it was in one when it was last seen
	Attested   bool  // its attestation was checked against the host's list
	Flagless   bool  // an import has brought it without Eligible and BackedUp: its first use tells them
	Count      uint32
	Accepted   int64 // when the last challenge was issued that it has answered, in nanoseconds
	Suspected  int64 // when the last one was issued, after that, whose answer looked like a copy's, in nanoseconds
	Created    int64
	LastUsed   int64
}

// amr returns how somebody has proven that they have the passkey, as RFC 8176 names it.
func (k Passkey) amr() string {
	if k.Eligible {
		return "swk"
	}
	return "hwk"
}

// PasskeyPurpose is what a ceremony is for. An assertion that was made for one purpose answers no other.
type PasskeyPurpose uint8

const (
	_               PasskeyPurpose = iota
	PasskeyRegister                // a new passkey
	PasskeyAnswer                  // the second step of a sign-in
	PasskeyStepUp                  // inside a session
	PasskeySignIn                  // without a password
)

// PasskeyChallenge is what the sealed challenge of a ceremony says. It is stored nowhere: a passkey accepts only one that
// was issued after the last that it has used up.
type PasskeyChallenge struct {
	Purpose    PasskeyPurpose `json:"p"`
	Account    string         `json:"a"` // empty: PasskeySignIn
	Epoch      int64          `json:"e,omitempty"`
	SignIns    int64          `json:"n,omitempty"` // of the sign-in's challenge, for PasskeyAnswer
	Begun      int64          `json:"b,omitempty"` // when that was issued
	At         int64          `json:"t"`           // when this one was issued, in nanoseconds
	Session    []byte         `json:"s,omitempty"` // digest of the session's secret
	Enrollment string         `json:"i,omitempty"` // for PasskeyRegister
}

// MarshalJSON has the account as base64.
func (c PasskeyChallenge) MarshalJSON() ([]byte, error) {
	type plain PasskeyChallenge
	return withID((*plain)(&c), &c.Account)
}

// UnmarshalJSON is the inverse of MarshalJSON.
func (c *PasskeyChallenge) UnmarshalJSON(data []byte) error {
	type plain PasskeyChallenge
	return readWithID(data, (*plain)(c), &c.Account)
}

const second = 1_000_000_000 // nanoseconds

// fresh reports whether a challenge was issued within its life, in the session of a digest and for a purpose.
func (c PasskeyChallenge) fresh(purpose PasskeyPurpose, session []byte, env Env) bool {
	return c.Purpose == purpose && subtle.ConstantTimeCompare(c.Session, session) == 1 && env.within(c.At/second, ChallengeLife)
}

// PasskeyChallenge returns the challenge of a ceremony in a session, issued at a moment in nanoseconds. signIn is the
// sign-in's challenge for PasskeyAnswer.
func (a Account) PasskeyChallenge(purpose PasskeyPurpose, session []byte, signIn *Challenge, at int64) PasskeyChallenge {
	c := PasskeyChallenge{Purpose: purpose, Account: a.ID, Epoch: a.Epoch, At: at, Session: session}
	if signIn != nil {
		c.SignIns, c.Begun = signIn.SignIns, signIn.At
	}
	if purpose == PasskeyRegister && a.Pending != nil {
		c.Enrollment = a.Pending.Authenticator.ID
	}
	return c
}

// SignInChallenge returns the challenge of a sign-in without a password: whose it is, the answer says.
func SignInChallenge(session []byte, at int64) PasskeyChallenge {
	return PasskeyChallenge{Purpose: PasskeySignIn, At: at, Session: session}
}

// Factors returns how many apps and passkeys the account has.
func (a Account) Factors() int { return len(a.Authenticators) + len(a.Passkeys) }

// PasskeyState is that of passkeys, which nothing locks: see AnswerPasskey.
func (a Account) PasskeyState() MethodState { return MethodState{Available: len(a.Passkeys) > 0} }

// Passkey returns the passkey of a credential ID.
func (a Account) Passkey(credential []byte) (Passkey, bool) {
	i := a.findCredential(credential)
	if i < 0 {
		return Passkey{}, false
	}
	return a.Passkeys[i], true
}

func (a Account) findCredential(credential []byte) int {
	return slices.IndexFunc(a.Passkeys, func(k Passkey) bool { return bytes.Equal(k.Credential, credential) })
}

// findPasskey returns the index of a passkey, or -1.
func (a Account) findPasskey(id string) int {
	return slices.IndexFunc(a.Passkeys, func(k Passkey) bool { return k.ID == id })
}

// nameOf returns where the name of an app or a passkey is, and its method in events; nil: there is no such factor.
func (a *Account) nameOf(id string) (name *string, method event.Method) {
	if i := a.find(id); i >= 0 {
		return &a.Authenticators[i].Name, ""
	}
	if i := a.findPasskey(id); i >= 0 {
		return &a.Passkeys[i].Name, event.MethodPasskey
	}
	return nil, ""
}

// drop removes an app or a passkey.
func (a *Account) drop(id string, env Env) {
	name, method := a.nameOf(id)
	if name == nil {
		return
	}
	a.note(env, Event{Kind: event.AuthenticatorRemoved, Method: method, Auth: id, Name: *name})
	a.Authenticators = slices.DeleteFunc(a.Authenticators, func(auth Authenticator) bool { return auth.ID == id })
	a.Passkeys = slices.DeleteFunc(a.Passkeys, func(k Passkey) bool { return k.ID == id })
}

// brokenPasskeys is broken for the passkeys.
func (a Account) brokenPasskeys() string {
	if len(a.Passkeys) > MaxPasskeys {
		return "too many passkeys"
	}
	if len(a.Passkeys) > 0 && a.Handle == (storage.Handle{}) {
		return "passkeys without a handle"
	}
	for i, k := range a.Passkeys {
		if what := k.broken(); what != "" || a.findPasskey(k.ID) != i || a.findCredential(k.Credential) != i || a.find(k.ID) >= 0 {
			return "passkey " + what
		}
	}
	return ""
}

func (k Passkey) broken() string {
	switch {
	case brokenID(k.ID):
		return "ID"
	case CheckName(k.Name) != nil:
		return "name"
	case len(k.Credential) == 0 || len(k.Credential) > MaxCredential:
		return "credential"
	case len(k.PublicKey) == 0 || len(k.PublicKey) > MaxPublicKey:
		return "public key"
	case k.Transports>>len(Transports) != 0:
		return "transports"
	case k.BackedUp && !k.Eligible:
		return "flags"
	case k.Accepted < 0 || k.Suspected < 0:
		return "challenge"
	}
	return ""
}
