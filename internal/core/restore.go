package core

import "github.com/gatehouse-go/gatehouse/totp"

// voided stands for the time of use of a code that nobody has used and that is void. It lies long enough
// back that no owner is asked about that use.
const voided = 1

// Restored ends what a backup has brought back. What was used up after the backup was made is not known,
// so all is ended that could have been: challenges, proofs, a pending enrolment, an operator's code,
// the steps of authenticators up to now, and recovery codes unless they are kept.
func (a Account) Restored(by By, keepCodes, revokeTokens bool, env Env) Account {
	if a.Epoch == 0 {
		return a
	}
	a = a.clone()
	for i := range a.Authenticators {
		auth := &a.Authenticators[i]
		auth.Last = max(auth.Last, usable(*auth, env))
	}
	if a.Recovery != nil && !keepCodes {
		for i := range a.Recovery.Slots {
			a.Recovery.Slots[i].void()
		}
	}
	if a.Reset != nil {
		a.Reset.Code.void()
	}
	a.note(env, by.event(WasRestored))
	if revokeTokens {
		a.TokenEpoch = env.Fresh
		a.note(env, by.event(TokensRevoked))
	}
	a.endFirstFactors(env)
	return a
}

// usable returns the last step of which a code can have been accepted by now, whatever drift was learned
// since the backup: it is at most Window.Past. A resynchronisation since then is lost with the rest, and
// nothing here allows for the other offset that it had.
func usable(auth Authenticator, env Env) int64 {
	return totp.Step(env.Now) + int64(max(auth.Base, 0)+env.Window.Past+env.Window.Ahead)
}

// void ends a code that was not used.
func (s *Slot) void() {
	if s.Hash != "" {
		s.Hash, s.Used = "", voided
	}
}
