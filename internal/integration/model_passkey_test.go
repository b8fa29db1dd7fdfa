package integration_test

import (
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// passkey is a passkey of an account. Its credential ID is that of the enrollment which has made it, and so is its key.
type passkey struct {
	id, name, credential         string
	verified, eligible, backedUp bool
	count                        uint32
	accepted                     int64 // when the challenge was issued that it has answered last, in nanoseconds
	suspected                    int64 // the same of what has looked like a copy since
	created, used                int64
}

func storedPasskey(k core.Passkey) passkey {
	return passkey{k.ID, k.Name, string(k.Credential), k.Verified, k.Eligible, k.BackedUp, k.Count, k.Accepted, k.Suspected, k.Created, k.LastUsed}
}

// method is how somebody has proven that they have it.
func (k passkey) method() string {
	if k.eligible {
		return "swk"
	}
	return "hwk"
}

func (k passkey) shown() gatehouse.Authenticator {
	return gatehouse.Authenticator{
		ID: k.id, Name: k.name, Kind: event.MethodPasskey, PhishingResistant: true, UserVerified: k.verified, Synced: k.eligible, BackedUp: k.backedUp,
		Created: moment(k.created), LastUsed: moment(k.used),
	}
}

// question is what a passkey was asked: a challenge, with what the model knows of it.
type question struct {
	core.PasskeyChallenge
	account string
	epoch   int
	session string
}

// assertion is what a passkey has signed, as it was found to be.
type assertion struct {
	credential, key                    string
	good, verified, eligible, backedUp bool
	count                              uint32
}

// next is what the passkey signs next.
func (k passkey) next() assertion {
	s := assertion{k.credential, k.credential, true, true, k.eligible, k.backedUp, k.count}
	if s.count > 0 {
		s.count++
	}
	return s
}

func (a *account) findPasskey(id string) int {
	return slices.IndexFunc(a.passkeys, func(k passkey) bool { return k.id == id })
}

func (a *account) credential(id string) int {
	return slices.IndexFunc(a.passkeys, func(k passkey) bool { return k.credential == id })
}

// beginPasskey is begin for a passkey.
func (a *account) beginPasskey(p proof, in, name, instead string, now int64) answer {
	act := enroll
	if instead != "" {
		act = replace
	}
	if no := a.authorized(p, in, act, now); no.err != nil {
		return no
	}
	switch {
	case instead != "" && a.find(instead) < 0 && a.findPasskey(instead) < 0:
		return missing
	case a.findPasskey(instead) < 0 && len(a.passkeys) >= 10:
		return state
	}
	a.named = true
	a.stage(pending{app: app{name: name}, passkey: true, replace: instead}, now)
	return answer{}
}

// finishPasskey is confirm for a passkey.
func (a *account) finishPasskey(p proof, in string, q question, s assertion, now int64) answer {
	if no := a.finish(p, in, q.Enrollment, now); no.err != nil {
		return no
	}
	switch {
	case !a.pending.passkey:
		return missing
	case q.Purpose != core.PasskeyRegister || q.account != a.id || q.epoch != a.epoch || q.session != in || !fresh(q.At/1e9, now, 5*minute):
		return denied
	case !s.good:
		if a.pending.tries++; a.pending.tries == 10 {
			a.pending = nil
		}
		return denied
	case a.credential(s.credential) >= 0:
		return state
	}
	next := passkey{
		a.pending.app.id, a.pending.app.name, s.credential, s.verified, s.eligible, s.backedUp, s.count, q.At, 0, a.pending.app.created, now,
	}
	if next.name == "" {
		next.name = "Passkey"
	}
	if i := a.findPasskey(a.pending.replace); i >= 0 {
		a.passkeys[i] = next
		a.owe(notice{kind: event.AuthenticatorRemoved, at: now})
	} else {
		a.dropFactor(a.pending.replace, now)
		a.passkeys = append(a.passkeys, next)
	}
	return a.enrolled(p, next.method(), now)
}

// asks says whether a question is one that the account, in its present state, has asked for what it is used for now.
func (a *account) asks(q question, session string, c challenge, now int64) bool {
	own := q.account == a.id && q.epoch == a.epoch
	if q.session != session || !fresh(q.At/1e9, now, 5*minute) {
		return false
	}
	switch q.Purpose {
	case core.PasskeyAnswer:
		return own && a.current(c, now) && q.SignIns == c.signIns && q.Begun == c.at
	case core.PasskeyStepUp:
		return own
	}
	return session != "" && q.At/1e9 >= a.since
}

// show is the rule of an assertion that is shown for a purpose.
func (a *account) show(purpose core.PasskeyPurpose, q question, s assertion, session string, c challenge, now int64) answer {
	if !a.protected() || a.suspended != 0 {
		return denied
	}
	if q.Purpose != purpose || !a.asks(q, session, c, now) {
		if purpose == core.PasskeySignIn && a.since > now+30 { // of a clock that had jumped
			a.since = now
		}
		return denied
	}
	i := a.credential(s.credential)
	if i < 0 {
		return denied
	}
	k := &a.passkeys[i]
	suspect := s.eligible != k.eligible || s.backedUp && !s.eligible || (s.count > 0 || k.count > 0) && s.count <= k.count
	switch {
	case s.key != k.credential || !s.good:
		return a.missed(now)
	case q.At <= k.accepted, suspect && q.At <= k.suspected:
		right := false
		for _, at := range []*int64{&k.accepted, &k.suspected} {
			if *at/1e9 > now+hour+30 { // a clock has set it that had run ahead: it is put right, however many misses are kept
				*at, right = (now+30)*1e9, true
			}
		}
		if right {
			return a.kept(now)
		}
		return a.missed(now)
	case suspect: // its owner's challenges stay good
		a.owe(notice{kind: event.PasskeySuspect, at: now})
		k.suspected = q.At
		return a.kept(now)
	case q.Purpose == core.PasskeySignIn && !s.verified:
		return a.missed(now)
	}
	k.accepted, k.used, k.count, k.backedUp, k.verified = q.At, now, s.count, s.backedUp, k.verified || s.verified
	if k.suspected <= k.accepted {
		k.suspected = 0
	}
	if q.Purpose != core.PasskeyStepUp {
		a.signIns++
	}
	a.seen(q.Purpose != core.PasskeyStepUp, now)
	return answer{proof: &proof{a.id, secondFactor, now, session, a.epoch, k.method()}, passkey: k.id, left: a.codes.left()}
}

// kept keeps a denial, however many are kept already: of a passkey that may be in two places, or that a clock has spoiled.
func (a *account) kept(now int64) answer {
	full := a.missFull
	if full > now+10*6+30 {
		full = now + 9*6
	}
	a.missFull = max(full, now) + 6
	a.failedOn(now)
	return denied
}

// hasEight says whether there are codes of eight digits, used or not.
func (c *codes) hasEight() bool {
	return c != nil && slices.ContainsFunc(c.list, func(c code) bool { return c.eight })
}

// checkPasskeys has the handle stay, and what passkeys have accepted go up alone, unless a clock had run ahead by over an hour.
func (m *machine) checkPasskeys(t *rapid.T, old, now core.Account, at int64) {
	if old.Handle != (storage.Handle{}) && !now.Absent() {
		require.Equal(t, old.Handle, now.Handle)
	}
	for _, k := range now.Passkeys {
		for _, was := range old.Passkeys {
			if was.ID == k.ID {
				require.GreaterOrEqual(t, k.Count, was.Count)
				require.True(t, k.Accepted >= was.Accepted || was.Accepted/1e9 > at+hour+30, "it forgets what it has accepted")
			}
		}
	}
}
