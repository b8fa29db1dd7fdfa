// Package core holds an account as one value and every change that it can undergo.
//
// It is pure: no store, no keys, no clock, no context and no randomness. A transition takes an
// account, what the caller has found out (opened keys, the outcome of an Argon2id run, an opened
// proof) and an Env, and returns the next account with an outcome. It never changes the account it
// was called on. The caller saves the next account by compare-and-swap, and answers after that.
//
// Whatever is refused with an error is refused on the very state that would have been saved, so
// proofs and limits are checked here and nowhere else.
package core

import (
	"errors"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

// The errors of package gatehouse, which documents them.
var (
	ErrDenied         = errors.New("gatehouse: denied")
	ErrStepUpRequired = errors.New("gatehouse: step-up required")
	ErrInvalid        = errors.New("gatehouse: invalid argument")
	ErrNotFound       = errors.New("gatehouse: not found")
	ErrPrecondition   = errors.New("gatehouse: not possible in the account's state")
)

const (
	MaxAuthenticators = 5
	maxReason         = 200 // bytes of an operator's reason
	fewCodes          = 3   // fewer are too few
	eightDigits       = 8   // of a TOTP code, and of some imported recovery codes

	pendingLife  = 10 * 60 // seconds
	pendingTries = 10

	operatorCodeLife = 24 * 60 * 60 // seconds

	// ChallengeLife is how long a challenge, and a first factor that the host has vouched for, are valid.
	ChallengeLife = 5 * time.Minute
	// Ahead is how far in the future a time of issue may lie: clocks of one service's machines differ.
	Ahead = 30 * time.Second

	// ClockBack is how far the clock may run back for what it has said before to be believed: as long as the
	// ladder's longest lock.
	ClockBack = time.Hour

	// factorAge bounds the proof for a change of factors; tokenAge the one for a token, and for
	// what completes an enrollment, which had the younger proof when it began.
	factorAge = 5 * time.Minute
	tokenAge  = 15 * time.Minute
)

// Env is what a transition may know of the world.
type Env struct {
	Now    time.Time
	Fresh  int64 // a fresh random number, never 0: the epoch after a change that ends the present one
	Window totp.Window
	Client Client // of the request; it decides nothing
	// Notices is a fresh random UUID of version 4, from which those of the change's notices are made. Zero: nothing is
	// kept that the owner must be told.
	Notices NoticeID
}

// Client is where a request came from, as far as that is known and kept.
type Client struct {
	Address string // 4 or 16 bytes; empty: not known
	Agent   event.Agent
}

func (e Env) unix() int64 { return e.Now.Unix() }

// within reports whether a moment in Unix seconds is at most age old and not ahead of the clock by
// more than Ahead.
func (e Env) within(at int64, age time.Duration) bool {
	now := e.unix()
	return at >= now-int64(age/time.Second) && at <= now+int64(Ahead/time.Second)
}

// latest returns the latest moment that a clock of the service can have set by now as one that lies so
// many seconds ahead. What is later was set by a clock that had run ahead and has been put right.
func (e Env) latest(seconds int64) int64 { return e.unix() + seconds + int64(Ahead/time.Second) }

// before reports whether a moment that was set as one so many seconds ahead is still to come.
func (e Env) before(at, seconds int64) bool { return e.unix() < at && at <= e.latest(seconds) }

// Time returns a moment kept as Unix seconds, 0 being the zero Time.
func Time(unix int64) time.Time {
	if unix == 0 {
		return time.Time{}
	}
	return time.Unix(unix, 0).UTC()
}
