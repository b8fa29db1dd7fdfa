package core

import "github.com/gatehouse-go/gatehouse/event"

// voided is the time of use of a code that nobody has used and that is void. It lies long enough
// back that no owner is asked about that use.
const voided = 1

// Restored ends what a backup has brought back. What was used up after the backup was made is not known,
// so all is ended that could have been: challenges, proofs, a pending enrollment, an operator's code,
// the steps of authenticators and the challenges of passkeys that can have been accepted by now, and recovery codes unless they are kept.
// A resynchronization since the backup is lost with the rest, and nothing here allows for the other offset
// that it had.
func (a Account) Restored(by By, keepCodes, revokeTokens bool, env Env) Account {
	if a.Absent() {
		return a
	}
	a = a.clone()
	for i := range a.Authenticators {
		auth := &a.Authenticators[i]
		auth.Last = max(auth.counter(auth.reach(env)).Last, auth.reach(env))
	}
	for i := range a.Passkeys { // whose counters can only be lower than they were
		a.Passkeys[i].Accepted = max(a.Passkeys[i].Accepted, env.latest(0)*second)
	}
	a.endImport() // what was changed since the backup is not known
	if a.Recovery != nil && !keepCodes {
		for i := range a.Recovery.Slots {
			a.Recovery.Slots[i].void()
		}
	}
	if a.Reset != nil {
		a.Reset.Code.void()
	}
	a.note(env, by.event(event.AccountRestored))
	if revokeTokens {
		a.endTokens(env)
		a.note(env, by.event(event.TokensRevoked))
	}
	a.endFirstFactors(env)
	return a
}

// void ends a code that was not used.
func (s *Slot) void() {
	if s.Hash != "" {
		s.end(voided)
	}
}

// end ends a code, of which nothing is kept.
func (s *Slot) end(at int64) { *s = Slot{Selector: s.Selector, Digits: s.Digits, Used: at} }
