package simulation

import (
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// passkey is what becomes of a call that has to do with passkeys.
func (a account) passkey(in input) []next {
	switch in.op {
	case register:
		switch {
		case !a.changes(in, a.pairs()...):
			return []next{{needsStep, a}}
		case len(a.Passkeys) >= 10:
			return []next{{state, a}}
		}
		return []next{{ok, a.stages(in, true)}}
	case finish:
		if refused := a.finishes(in, true); refused != nil {
			return refused
		}
		b := a.enrolled(in, byPasskey)
		b.Passkeys = append(b.Passkeys, passkey{in.enrollment, in.registered, in.count})
		return []next{{ok, b}}
	case ask:
		return a.asks(in)
	}
	return a.shows(in)
}

// find returns the index of a passkey, or -1.
func (a account) find(by int) int {
	return slices.IndexFunc(a.Passkeys, func(k passkey) bool { return k.by == by })
}

// stale reports whether a sign-in that a challenge represents has ended.
func (a account) stale(challenge int) bool {
	c, made := a.Challenges[challenge]
	return !made || c != (label{a.Epoch, a.SignIns})
}

// asks is what becomes of asking a passkey. Whoever signs in by it alone is asked without a look at any account.
func (a account) asks(in input) []next {
	b := a.clone()
	b.Asked[in.id] = question{in.purpose, a.Epoch, in.challenge}
	switch {
	case in.purpose == core.PasskeySignIn:
		b.Asked[in.id] = question{purpose: in.purpose}
	case a.Suspended, len(a.Passkeys) == 0, in.purpose == core.PasskeyAnswer && a.stale(in.challenge):
		return []next{{denied, a}}
	case a.find(in.passkey) < 0:
		return []next{{state, a}}
	}
	return []next{{ok, b}}
}

// shows is what becomes of what a passkey has signed: it is accepted once, and not after what it has signed later.
func (a account) shows(in input) []next {
	no := []next{{denied, a}}
	q, was := a.Asked[in.asked]
	if !was || !a.protected() || a.Suspended || q.purpose != in.purpose {
		return no
	}
	i, sure := a.find(in.passkey), true
	switch in.purpose {
	case core.PasskeyAnswer:
		if a.stale(in.challenge) || q.epoch != a.Epoch || a.stale(q.challenge) {
			return no
		}
		sure = q.challenge == in.challenge // otherwise it is another sign-in's, unless both began in one second
	case core.PasskeyStepUp:
		if q.epoch != a.Epoch {
			return no
		}
	case core.PasskeySignIn:
		began := in.issued / int64(time.Second)
		if a.Since[1] > in.from+int64(core.Ahead/time.Second) { // a clock may have been ahead, which a denial puts right
			right := a.clone()
			right.Since = [2]int64{in.from, in.to}
			no = append(no, next{denied, right})
		}
		if began < a.Since[0] {
			return no
		}
		sure = began >= a.Since[1]
	}
	if i < 0 || in.issued <= a.Passkeys[i].accepted {
		return no
	}
	if count := a.Passkeys[i].count; (in.count > 0 || count > 0) && in.count <= count { // a copy's, after which the owner's counts
		if sure {
			return []next{{denied, a}}
		}
		return no
	}
	b := a.clone()
	b.Passkeys[i].accepted, b.Passkeys[i].count = in.issued, in.count
	if in.purpose != core.PasskeyStepUp {
		b.SignIns++
		b.meet(in.browser)
	}
	b.Proofs[in.id] = proof{a.Epoch, byPasskey, a.Sessions.Stamp}
	if sure {
		return []next{{ok, b}}
	}
	return append(no, next{ok, b})
}
