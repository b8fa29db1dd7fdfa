package core

import (
	"crypto/subtle"

	"github.com/gatehouse-go/gatehouse/event"
)

// DigestSize is the size of the digest of a session's secret, in bytes.
const DigestSize = 16

// endSessions ends every browser session of the account but the one that makes the change, which is nil for none.
func (a *Account) endSessions(but []byte, env Env) {
	a.SessionEpoch, a.Changer = env.Fresh, string(but)
}

// endOthers ends every browser session of the account but one, and forgets every browser but one, nil for none: those in
// which a change is made. Whoever had got in otherwise is a stranger again.
func (a *Account) endOthers(session, browser []byte, env Env) {
	a.endSessions(session, env)
	a.forgetBrowsers(func(b Browser) bool { return !b.Is(browser) })
}

// goesOn reports whether nothing has ended a proof's session, but for its own change, whose answer may have been lost.
func (a Account) goesOn(p Presented) bool {
	return p.Stamp == a.SessionEpoch || len(p.In) > 0 && string(p.In) == a.Changer
}

// EndSessions ends every browser session, and the proofs in them, but the one of a digest, nil for none, and forgets
// every browser but the one of some digests.
func (a Account) EndSessions(but, browser []byte, env Env) Account {
	a = a.clone().Create(env)
	a.endOthers(but, browser, env)
	a.note(env, Event{Kind: event.SessionsEnded})
	return a
}

// SessionEnded notes that the owner has ended one other browser session, which the host keeps.
func (a Account) SessionEnded(env Env) Account {
	a = a.clone().Create(env)
	a.note(env, Event{Kind: event.SessionEnded})
	return a
}

// SessionState is what becomes of a browser session.
type SessionState uint8

const (
	SessionEnded  SessionState = iota // the host has to end it
	SessionCounts                     // somebody is signed in
	SessionSteps                      // it has passed the first factor alone: the second step is to come
)

// Session returns what becomes of a browser session that keeps a proof, which may have ended as a proof: the session goes
// by its stamp. One that has proven nothing may be of an account that has no record yet.
func (a Account) Session(p Presented) SessionState {
	if a.Absent() && p.Kind == 0 {
		return a.UnknownSession()
	}
	bound := subtle.ConstantTimeCompare(p.Session, p.In) == 1
	if !a.Absent() && p.Account == a.ID && p.Kind != OperatorCode && bound && !a.Closed() && a.goesOn(p) {
		return SessionCounts
	}
	return SessionEnded
}

// UnknownSession returns what becomes of a browser session of which nothing is kept here: one that began before the host
// used Gatehouse, or one whose cookie was left out. Where the first factor that it began with may be over, it has ended.
func (a Account) UnknownSession() SessionState {
	switch {
	case a.Closed() || a.Since != 0:
		return SessionEnded
	case a.Protected():
		return SessionSteps
	case a.SessionEpoch != 0:
		return SessionEnded
	}
	return SessionCounts
}

// Forgotten is what is left of an account that was deleted: enough for its sessions to have ended, and for what the host
// had checked of it to be over. Nothing is noted. What somebody has made of it since the deletion stays.
func (a Account) Forgotten(env Env) Account {
	a = a.clone()
	a.endFirstFactors(env)
	return a
}

// Presence returns a proof that proves nothing. It carries the stamp by which a session counts that began before anything
// was known of it.
func (a Account) Presence(session []byte, env Env) Proof {
	return Proof{Account: a.ID, At: env.unix(), Session: session, Epoch: a.Epoch, Stamp: a.SessionEpoch}
}

// ForSessions returns what Session and UnknownSession look at.
func (a Account) ForSessions() Account {
	return Account{
		ID: a.ID, TokenEpoch: a.TokenEpoch, SessionEpoch: a.SessionEpoch, Changer: a.Changer, Since: a.Since,
		Suspension: a.Suspension, ServiceOf: a.ServiceOf, Authenticators: a.Authenticators, Passkeys: a.Passkeys, Reset: a.Reset,
	}
}
