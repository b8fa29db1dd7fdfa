package core

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

// Account is everything that is kept of one account's factors. Moments are Unix seconds, 0 for never.
type Account struct {
	ID string // a separate column

	Authenticators []Authenticator
	Passkeys       []Passkey
	Pending        *Pending
	Recovery       *RecoverySet

	TOTPThrottle     TOTPThrottle
	RecoveryThrottle Bucket
	Misses           Bucket // of wrong codes and assertions that no throttle counts; those that are kept

	SignIns int64 // successful answers to challenges

	Reset      *Reset // from an operator's reset, or an import without a factor, until the next confirmed enrollment
	Suspension *Suspension
	Activity   []Event // oldest first

	Noted    int64 // entries of the activity so far
	LookedAt int64 // up to which of them the owner has looked at it
	Accepted []Acceptance
	History  []Snapshot // of the posture, oldest first

	// Epoch is replaced at every change of factors and of the host's password, and ends challenges
	// and proofs made under another one. It is compared for equality alone; 0 says that the account
	// has no record.
	Epoch int64
	// Since is when the host's first factor last ceased to prove anything: by a new password, a reset, a
	// suspension or a restore. What the host had checked by then is over.
	Since int64
	// SessionEpoch is replaced by what ends the browser sessions of the account: 0 says that nothing ever has. A proof
	// carries the one of when it was made, and a session counts while it is the same. Changer is the digest of the
	// session by which the owner made the last such change, which goes on; empty: all have ended.
	SessionEpoch int64
	Changer      string
	// Browsers are those in which a second step was completed, in the order of the last one.
	Browsers []Browser
	// TokenEpoch is replaced when all tokens are revoked. 0 says that there is no account: see Absent.
	TokenEpoch int64
	// FirstTokenEpoch is the TokenEpoch that the account was made with, 0 while it has that one: see Birth.
	FirstTokenEpoch int64
	// Minted counts the tokens of a day. Those that have ended stay stored until they are purged, and this bounds how
	// many there can be.
	Minted DayCount

	// ServiceOf is the owner of a service account; empty: an account that somebody signs in to.
	ServiceOf string
	// Services are the service accounts that the account owns. One of another owner, or that is none yet, may be among
	// them: what the record of that account says counts.
	Services []string

	// Imported says whether another import may add to what answers a second step.
	Imported ImportState

	// Handle is the account's name for passkeys. It comes with the first enrollment of one and never changes.
	Handle storage.Handle

	// Notices are what the owner must be told and has not been yet, oldest first. Until NoticesHeld somebody delivers them.
	Notices     []Notice
	NoticesHeld int64

	// The engine keeps Ancestry; transitions leave it alone.
	Ancestry Ancestry

	// Events is what the last transition has to tell, for observers. It is not kept.
	Events []Event
}

// Authenticator is one authenticator app.
type Authenticator struct {
	ID        string
	Name      string
	Sealed    []byte // the secret, sealed for this account and this ID
	Key       string // the name of the key it is sealed under
	Algorithm totp.Algorithm
	Digits    int
	Weak      bool  // its secret has under 16 bytes: another system made it, and Import alone sets this
	Last      int64 // the step accepted last, or one that an import or a restore put there
	Steps     Steps // those that were ever accepted
	Base      int
	Created   int64
	LastUsed  int64
}

func (a Authenticator) showsEight() bool { return a.Digits == eightDigits }

// RecoverySet is a set of recovery codes, of which only hashes are kept.
type RecoverySet struct {
	ID           string
	Slots        []Slot
	Created      int64
	Acknowledged int64 // when the owner said that the codes are saved
	Imported     bool  // hashes of another system's codes, which have no selectors
	Tags         *Tags // nil: the codes have none
}

// Slot is the place of one recovery code.
type Slot struct {
	Selector string // the code's first symbol, unique in the set
	Hash     Hash   // empty once the code is used
	Used     int64
	Tag      string // of an unused code of ours, where one is known
	Tags     *Tags  // of an operator's code alone: recovery codes have one for the set
	// Digits is 8 for an imported code of eight digits. It is typed where a TOTP code is, and counts as one.
	Digits int
}

// Tags says under which key of the ring the tags of a set's codes are. A tag is 20 bits of a MAC of the code, in three
// bytes. A code whose tag is another is not this one, which is found out without Argon2id; anyone who lacks the key
// learns nothing of a code by its tag.
type Tags struct {
	Key   string
	Check string // 32 bits of a MAC under it: that of another key with the same name is another
}

// Left returns how many codes are unused. A nil set has none.
func (s *RecoverySet) Left() int {
	if s == nil {
		return 0
	}
	n := 0
	for _, slot := range s.Slots {
		if slot.Hash != "" {
			n++
		}
	}
	return n
}

// eightDigits returns how many unused codes are of eight digits. A nil set has none.
func (s *RecoverySet) eightDigits() int {
	if s == nil {
		return 0
	}
	n := 0
	for _, slot := range s.Slots {
		if slot.Hash != "" && slot.Digits == eightDigits {
			n++
		}
	}
	return n
}

// Protected reports whether a second step is needed at sign-in. After an operator's reset it stays
// needed, though there is no factor: the password alone gets nobody in.
func (a Account) Protected() bool { return a.Factors() > 0 || a.Reset != nil }

// clone returns a copy that shares nothing that transitions change. Sealed bytes are shared: they
// are replaced and never written to. So is the activity, which keep copies.
func (a Account) clone() Account {
	a.Authenticators, a.Passkeys = slices.Clone(a.Authenticators), slices.Clone(a.Passkeys)
	if a.Pending != nil {
		p := *a.Pending
		p.Recovery = p.Recovery.clone()
		a.Pending = &p
	}
	a.Recovery = a.Recovery.clone()
	a.TOTPThrottle.Days = slices.Clone(a.TOTPThrottle.Days)
	if a.Reset != nil {
		r := *a.Reset
		a.Reset = &r
	}
	a.Browsers = slices.Clone(a.Browsers)
	a.Services = slices.Clone(a.Services)
	a.Accepted = slices.Clone(a.Accepted)
	a.History = slices.Clone(a.History)
	a.Notices = slices.Clone(a.Notices)
	a.Events = nil
	return a
}

func (s *RecoverySet) clone() *RecoverySet {
	if s == nil {
		return nil
	}
	c := *s
	c.Slots = slices.Clone(s.Slots)
	return &c
}

// endEpoch ends all challenges, proofs and pending enrollments.
func (a *Account) endEpoch(env Env) {
	a.Epoch = env.Fresh
	a.abandon(env)
}

// endFirstFactors ends, in addition to everything that endEpoch ends, every session and what the host has checked so far.
// No browser is known after it.
func (a *Account) endFirstFactors(env Env) {
	a.Since, a.Browsers = env.unix(), nil
	a.endEpoch(env)
	a.endSessions(nil, env)
}

// abandon ends the pending enrollment, if there is one.
func (a *Account) abandon(env Env) {
	if p := a.Pending; p != nil {
		a.note(env, Event{Kind: event.EnrollmentAbandoned, Method: p.method(), Auth: p.Authenticator.ID, Name: p.Authenticator.Name})
		a.Pending = nil
	}
}

// Create returns the record of an account that has none, or only what Forgotten leaves.
func (a Account) Create(env Env) Account {
	if a.Epoch == 0 {
		a.Epoch = env.Fresh
	}
	if a.Absent() {
		a.TokenEpoch = env.Fresh
	}
	return a
}

// Absent reports whether there is no account: no record, or only what Forgotten leaves.
func (a Account) Absent() bool { return a.TokenEpoch == 0 }

// Birth tells an account from others that have its ID after it is deleted. It stays as long as the account is there.
func (a Account) Birth() int64 { return cmp.Or(a.FirstTokenEpoch, a.TokenEpoch) }

// endTokens ends all tokens of the account. One that this change makes has none.
func (a *Account) endTokens(env Env) {
	if a.TokenEpoch != env.Fresh {
		a.FirstTokenEpoch, a.TokenEpoch = a.Birth(), env.Fresh
	}
}

// Index returns what the store keeps next to the data. What it says of locks is of strangers. It has no clock, so a
// browser that is no longer known, and is still kept, counts as one that is.
func (a Account) Index(window totp.Window) storage.AccountIndex {
	var keys []string
	for _, auth := range a.Authenticators {
		keys = append(keys, auth.Key)
	}
	if a.Pending != nil && a.Pending.Authenticator.Key != "" {
		keys = append(keys, a.Pending.Authenticator.Key)
	}
	slices.Sort(keys)
	strangers, most := a.share(false, len(a.Browsers) > 0, window)
	return storage.AccountIndex{
		Authenticators: len(a.Authenticators),
		Passkeys:       len(a.Passkeys),
		CodesLeft:      a.Recovery.Left(),
		LockedUntil:    Time(strangers.Until),
		Disabled:       strangers.Failures >= most,
		Suspended:      a.Suspension != nil,
		KeyName:        strings.Join(slices.Compact(keys), ","),
		TokenEpoch:     a.TokenEpoch,
		Handle:         a.Handle,
		Unsent:         Time(a.unsent()),
	}
}

// CheckName returns ErrInvalid unless name can be that of an authenticator, a token or an operator.
func CheckName(name string) error {
	if !text.IsName(name) {
		return fmt.Errorf("%w: a name is 1 to %d bytes of printable UTF-8 without spaces around it", ErrInvalid, text.MaxName)
	}
	return nil
}
