package simulation

import (
	"maps"
	"slices"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

// The sequential rules that what all clients were told is held against. Calls are named by their number, and so is what
// they have made: an epoch, a set of codes, an authenticator, a token, a generation of its secret.

type label struct{ epoch, signIns int }

type proof struct {
	epoch int
	kind  proofKind
	stamp int // of the sessions
}

type app struct {
	by   int
	last int64
}

// passkey is one by the enrollment that has made it, with what it has accepted.
type passkey struct {
	by       int
	accepted int64
	count    uint32
}

// question is what a passkey was asked, in which state of the account.
type question struct {
	purpose   core.PasskeyPurpose
	epoch     int
	challenge int // of the sign-in
}

type importState uint8

const (
	neverImported importState = iota
	importOpen
	importEnded // its owner or an operator has changed factors since
)

// account is an account as far as sign-in and changes go.
type account struct {
	Stored, Suspended bool
	Removed           bool // once at least
	Accepted          bool // that it has one factor alone
	Sessions          sessions
	Epoch             int
	SignIns           int
	Apps              []app
	Passkeys          []passkey
	Pending, Brings   int  // the enrollment, and the set that it brings; -1 for none
	PendingPasskey    bool // it is one of a passkey
	Set               int
	Used              uint16
	Browsers          []string // that are known
	Wrong, WrongKnown int      // codes of authenticators in a row, from others and from them
	WrongCodes        int
	Reset             int
	ResetUsed         bool
	Ended             bool        // first factors, once at least
	Since             [2]int64    // between which seconds they ended last
	Imported          importState // whether more can be imported
	Uses, Seen        int         // of recovery codes, and how many of them the owner has looked at
	Looks             map[int]int // how many uses each look has shown
	Tries             map[int]int // the epochs in which sign-ins began
	Challenges        map[int]label
	Asked             map[int]question
	Proofs            map[int]proof
}

func (a account) clone() account {
	a.Apps, a.Passkeys, a.Tries, a.Looks = slices.Clone(a.Apps), slices.Clone(a.Passkeys), maps.Clone(a.Tries), maps.Clone(a.Looks)
	a.Challenges, a.Asked, a.Proofs = maps.Clone(a.Challenges), maps.Clone(a.Asked), maps.Clone(a.Proofs)
	return a
}

// goesOn reports whether a sign-in is still the one that began: one that began before the account had a record goes on
// until first factors are ended.
func (a account) goesOn(try int) bool {
	epoch, known := a.Tries[try]
	return known && (epoch == a.Epoch || epoch == -1 && !a.Ended)
}

func (a account) factors() int { return len(a.Apps) + len(a.Passkeys) }

func (a account) protected() bool { return a.factors() > 0 || a.Reset >= 0 }

// free is how many wrong codes of authenticators in a row cost nothing.
func (a account) free() int { return max(15/max(3*len(a.Apps), 3), 1) }

// good reports whether a proof is good for something that kinds of it are enough for.
func (a account) good(in input, kinds ...proofKind) bool {
	p, known := a.Proofs[in.proof]
	return known && p.epoch == a.Epoch && !a.Suspended && p.kind.among(kinds) && (p.kind != vouched || !a.protected())
}

// changes is good for a change of factors: where there is a passkey, a code is not enough.
func (a account) changes(in input, kinds ...proofKind) bool {
	return a.good(in, kinds...) && (a.Proofs[in.proof].kind != secondFactor || len(a.Passkeys) == 0)
}

// shut reports whether a gate is closed to whoever would make a secret of a token: after a recovery code that the owner
// has not looked at, and for production without a second factor.
func (a account) shut(in input) bool { return a.Uses > a.Seen || in.production && a.factors() == 0 }

// pairs returns the kinds of proof that are enough to pair an authenticator.
func (a account) pairs() []proofKind {
	if a.Reset >= 0 {
		return []proofKind{vouched, secondFactor, operatorCode}
	}
	return []proofKind{vouched, secondFactor}
}

// next is one way in which a call can go.
type next = way[account]

// changed returns the account after a change of factors or of the password by a call.
func (a account) changed(in input) account {
	a.Epoch, a.Pending, a.Brings = in.id, -1, -1
	return a
}

// create makes the record of an account that has none, or only what a deletion leaves.
func (a *account) create(in input) {
	if a.Epoch < 0 {
		a.Epoch = in.id
	}
	a.Stored = true
}

// endFirstFactors ends what the host has checked so far, and sign-ins by a passkey alone, and forgets all browsers.
func (a *account) endFirstFactors(in input) {
	a.Ended, a.Since, a.Browsers, a.Sessions = true, [2]int64{in.from, in.to}, nil, sessions{Stamp: in.id}
}

// step returns every way in which a call can go.
func (a account) step(in input) []next { return append(a.inTime(in), a.tooOld(in)...) }

// inTime is step where nothing is too old.
func (a account) inTime(in input) []next {
	b := a.clone()
	same := func(told ...outcome) (ways []next) {
		for _, t := range told {
			ways = append(ways, next{t, a})
		}
		return ways
	}
	switch in.op {
	case before:
		b.Tries[in.id] = a.Epoch
		return []next{{ok, b}}
	case challenge:
		switch {
		case a.Suspended, !a.goesOn(in.try):
			return same(denied)
		case !a.protected():
			return same(notNeeded)
		}
		b.Challenges[in.id] = label{a.Epoch, a.SignIns}
		return []next{{ok, b}}
	case answer, stepUp, redeem:
		return a.present(in)
	case vouch:
		switch {
		case a.Suspended:
			return same(state)
		case !a.goesOn(in.try):
			return same(needsStep)
		}
		b.create(in)
		b.Proofs[in.id] = proof{b.Epoch, vouched, b.Sessions.Stamp}
		return []next{{ok, b}}
	case begin:
		switch {
		case !a.changes(in, a.pairs()...):
			return same(needsStep)
		case len(a.Apps) >= 5:
			return same(state)
		}
		return []next{{ok, a.stages(in, false)}}
	case confirm:
		return a.confirm(in)
	case drop:
		return a.drops(in)
	case cancel:
		return a.cancels(in)
	case register, finish, ask, assert:
		return a.passkey(in)
	case regen:
		switch {
		case !a.changes(in, vouched, secondFactor, recoveryCode):
			return same(needsStep)
		case a.factors() == 0:
			return same(state)
		}
		b = b.changed(in)
		b.endImport()
		b.Set, b.Used = in.id, 0
		b.Proofs[in.id] = proof{in.id, a.Proofs[in.proof].kind, b.Sessions.Stamp}
		return []next{{ok, b}}
	case disable:
		switch {
		case !a.changes(in, vouched, secondFactor):
			return same(needsStep)
		case a.factors() == 0:
			return same(state)
		}
		b = b.changed(in)
		b.dropFactors()
		b.Sessions = sessions{in.id, true}
		b.Proofs[in.id] = proof{in.id, a.Proofs[in.proof].kind, in.id}
		return []next{{ok, b}}
	case reset:
		if !a.protected() {
			return same(state)
		}
		b = b.changed(in)
		b.dropFactors()
		b.Reset, b.ResetUsed = in.id, false
		b.endFirstFactors(in)
		return []next{{ok, b}}
	case password:
		b = b.changed(in)
		b.Stored = true
		b.endFirstFactors(in)
		return []next{{ok, b}}
	case suspend:
		if !a.Suspended {
			b = b.changed(in)
			b.Stored, b.Suspended = true, true
			b.endFirstFactors(in)
		}
		return []next{{ok, b}}
	case resume:
		if a.Suspended {
			b = b.changed(in)
			b.Suspended = false
			b.endFirstFactors(in)
		}
		return []next{{ok, b}}
	case unlock:
		b.unlocked()
		return append(same(ok), next{ok, b}) // it opens what is locked, and nothing else
	case mint:
		switch {
		case !a.good(in, vouched, secondFactor):
			return same(needsStep)
		case a.shut(in):
			return same(closed, state)
		}
		return same(ok, state)
	case rotate:
		switch {
		case !a.good(in, vouched, secondFactor):
			return same(needsStep, state)
		case a.shut(in):
			return same(closed, state)
		}
		return same(ok, state)
	case imports:
		return a.imports(in)
	case look:
		b.Looks[in.id] = a.Uses
		return []next{{ok, b}}
	case review:
		if !a.good(in, vouched, secondFactor) {
			return same(needsStep)
		}
		if _, known := a.Looks[in.look]; !known && a.Removed {
			return a.reviewsOld()
		}
		b.Seen = max(b.Seen, b.Looks[in.look])
		return []next{{ok, b}}
	case revoke, revokeAll:
		if !a.good(in, vouched, secondFactor, recoveryCode) {
			return same(needsStep, state)
		}
		return same(ok, state)
	case rotateSelf:
		if a.shut(in) {
			return same(closed, denied)
		}
		return same(ok, denied)
	case revokeAllBy:
		return []next{{ok, b}}
	case accept:
		b.create(in)
		b.Accepted = true
		return []next{{ok, b}}
	case removed:
		return []next{{ok, a.isRemoved()}}
	case remove:
		b = b.changed(in)
		b.endFirstFactors(in)
		return []next{{ok, b}}
	case demand:
		return same(a.opens(in))
	case reviewPosture:
		if a.reviewed() != in.found {
			return nil
		}
		return same(ok)
	case withdraw:
		b.Accepted = false
		return []next{{ok, b}}
	case goesOn:
		if a.counts(in) {
			return same(ok)
		}
		return same(denied)
	}
	return same(ok) // reseal, purge
}

func (a *account) dropFactors() {
	a.Apps, a.Passkeys, a.Browsers, a.Set, a.Used, a.Wrong, a.WrongKnown, a.WrongCodes = nil, nil, nil, -1, 0, 0, 0, 0
	a.endImport()
}

func (a *account) endImport() {
	if a.Imported == importOpen {
		a.Imported = importEnded
	}
}

// imports is what becomes of an authenticator that another system had.
func (a account) imports(in input) []next {
	switch {
	case a.Suspended:
		return []next{{state, a}}
	case len(a.Apps) >= 5 || slices.ContainsFunc(a.Apps, func(app app) bool { return app.by == in.totp }):
		return []next{{nothing, a}}
	case a.Imported == importEnded || a.protected() && a.Imported != importOpen:
		return []next{{state, a}}
	}
	b := a.clone().changed(in)
	if !a.protected() {
		b.Sessions = sessions{Stamp: in.id}
	}
	b.Stored, b.Imported, b.Reset, b.ResetUsed = true, importOpen, -1, false
	b.Apps = append(b.Apps, app{in.totp, in.step})
	return []next{{ok, b}}
}

// present is what becomes of a code.
func (a account) present(in input) (ways []next) {
	c, made := a.Challenges[in.challenge]
	if !a.protected() || a.Suspended || in.op != stepUp && (!made || c != (label{a.Epoch, a.SignIns})) {
		return []next{{denied, a}}
	}
	right := a.clone()
	wrong := a.clone()
	found, sure := false, false
	switch {
	case in.op == redeem:
		found = a.Reset == in.reset && !a.ResetUsed
		sure = found && a.WrongCodes < 9
		right.ResetUsed, right.WrongCodes = true, 0
		right.Proofs[in.id] = proof{a.Epoch, operatorCode, a.Sessions.Stamp}
		if a.Reset >= 0 {
			wrong.WrongCodes++
		}
	case in.set >= 0:
		found = a.Set == in.set && a.Used>>in.code&1 == 0
		sure = found && a.WrongCodes < 9
		right.Used |= 1 << in.code
		right.Uses++
		right.WrongCodes = 0
		right.Proofs[in.id] = proof{a.Epoch, recoveryCode, a.Sessions.Stamp}
		wrong.WrongCodes++
	default:
		i := slices.IndexFunc(a.Apps, func(app app) bool { return app.by == in.totp })
		if i >= 0 && in.step > a.Apps[i].last {
			found, sure = inWindow(in, in.step)
			sure = sure && *a.wrongFrom(in.browser) < a.free()
			right.Apps[i].last = in.step
		}
		right.Proofs[in.id] = proof{a.Epoch, secondFactor, a.Sessions.Stamp}
		if len(a.Apps) > 0 {
			*wrong.wrongFrom(in.browser)++
		}
	}
	if in.op != redeem { // by which nobody is signed in
		right.rightFrom(in, in.set < 0)
	}
	if in.op != stepUp {
		right.SignIns++
	}
	if found {
		ways = append(ways, next{ok, right})
	}
	if !sure {
		ways = append(ways, next{denied, wrong}, next{denied, a}) // counted, or locked and not looked at
	}
	return ways
}

// inWindow reports whether a step may be in the window while a call runs, and whether it is for certain.
func inWindow(in input, step int64) (may, surely bool) {
	first, last := in.from/30, in.to/30
	may = step >= first-1 && step <= last+1
	return may, step >= last-1 && step <= first+1
}

// stages returns the account with an enrollment that a call has begun.
func (a account) stages(in input, passkey bool) account {
	b := a.clone()
	b.Pending, b.Brings, b.PendingPasskey = in.id, -1, passkey
	if a.Set < 0 {
		b.Brings = in.id
	}
	return b
}

// finishes returns what becomes of whoever may not finish an enrollment of a kind, or nothing.
func (a account) finishes(in input, passkey bool) []next {
	switch {
	case !a.changes(in, a.pairs()...):
		return []next{{needsStep, a}}
	case in.enrollment != a.Pending || a.Pending < 0 || a.PendingPasskey != passkey:
		return []next{{state, a}}
	}
	return nil
}

// enrolled returns the account after an enrollment, without the factor, a proof by which is of a kind.
func (a account) enrolled(in input, by proofKind) account {
	b := a.clone().changed(in)
	b.endImport()
	if a.factors() == 0 {
		b.Sessions = sessions{in.id, true}
	}
	if a.Brings >= 0 {
		b.Set, b.Used = a.Brings, 0
	}
	b.Reset, b.ResetUsed = -1, false
	kind := a.Proofs[in.proof].kind
	if kind == vouched {
		kind = by
		b.meet(in.browser)
	}
	b.Proofs[in.id] = proof{in.id, kind, b.Sessions.Stamp}
	return b
}

func (a account) confirm(in input) []next {
	if refused := a.finishes(in, false); refused != nil {
		return refused
	}
	b := a.enrolled(in, secondFactor)
	b.Apps = append(b.Apps, app{in.enrollment, in.step})
	may, surely := inWindow(in, in.step)
	var ways []next
	if may {
		ways = append(ways, next{ok, b})
	}
	if !surely {
		ways = append(ways, next{denied, a})
	}
	return ways
}
