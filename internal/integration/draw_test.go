package integration_test

import (
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// What commands draw. The first choice, to which a failing sequence shrinks, is the ordinary one.

func (m *machine) process(t *rapid.T) *process {
	var free []*process
	for _, p := range m.procs {
		if p != m.busy {
			free = append(free, p)
		}
	}
	return free[rapid.IntRange(0, len(free)-1).Draw(t, "process")]
}

func (m *machine) account(t *rapid.T) string { return rapid.SampledFrom(ids).Draw(t, "account") }

// likely draws an account that a command has something to do with, as a rule, if there is any.
func (m *machine) likely(t *rapid.T, fits func(*account) bool) string {
	var list []string
	for _, id := range ids {
		if fits(m.model[id]) {
			list = append(list, id)
		}
	}
	if len(list) == 0 || oneIn(t, 8, "any account") {
		list = ids
	}
	return rapid.SampledFrom(list).Draw(t, "account")
}

func isProtected(a *account) bool { return a.factors() > 0 }
func isPending(a *account) bool   { return a.pending != nil }
func isReset(a *account) bool     { return a.reset != nil }
func isOff(a *account) bool       { return !a.protected() }
func hasSeveral(a *account) bool  { return a.factors() > 1 }
func hasPasskey(a *account) bool  { return len(a.passkeys) > 0 }

// oneIn draws true once in n times.
func oneIn(t *rapid.T, n int, label string) bool {
	return rapid.IntRange(0, n-1).Draw(t, label) == n-1
}

// recent draws one of the last of a list, the last itself first.
func recent[T any](t *rapid.T, list []T, label string) (v T, ok bool) {
	if len(list) == 0 {
		return v, false
	}
	return list[len(list)-1-rapid.IntRange(0, min(len(list), 15)-1).Draw(t, label)], true
}

func last[T any](list []T) (v T, ok bool) {
	if len(list) == 0 {
		return v, false
	}
	return list[len(list)-1], true
}

func (m *machine) ownProofs(id string) (own []held[proof]) {
	for _, h := range m.proofs {
		if h.what.account == id {
			own = append(own, h)
		}
	}
	return own
}

func (m *machine) ownChallenges(id string) (own []held[challenge]) {
	for _, h := range m.challenges {
		if h.what.account == id {
			own = append(own, h)
		}
	}
	return own
}

func (m *machine) session(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "", "a", "b"}).Draw(t, "session")
}

// sessionOf is a session with a proof in it, of the account that the proof is of.
func sessionOf(h held[proof], in string) gatehouse.Session {
	return gatehouse.Session{Account: whose(h.what.account, ids[0]), Secret: in, Proof: gatehouse.ParseProof(h.text)}
}

// garbage is neither a challenge nor a proof.
var garbage = slices.Clip([]string{"", "x", "AAAA", strings.Repeat("A", 5000), "=\x00\xff"})

// proof draws a proof, as a rule one of the account that was made this moment or is the last one, and
// the session it comes in.
func (m *machine) proof(t *rapid.T, p *process, id string) (h held[proof], in string) {
	ok := true
	switch rapid.IntRange(0, 9).Draw(t, "which proof") {
	default:
		m.prove(t, p, id)
		h, ok = last(m.ownProofs(id))
	case 4, 5:
		h, ok = last(m.ownProofs(id))
	case 6, 7:
		h, ok = recent(t, m.ownProofs(id), "proof")
	case 8:
		h, ok = recent(t, m.proofs, "proof")
	case 9:
		ok = false
	}
	if !ok { // a challenge is no proof
		c, _ := last(m.challenges)
		h = held[proof]{text: rapid.SampledFrom(append(garbage, c.text)).Draw(t, "garbage")}
	}
	m.toEdge(t, p, h.what.at, []int64{5 * minute, 15 * minute})
	in = h.what.session
	if oneIn(t, 10, "another session") {
		in = m.session(t)
	}
	return h, in
}

// challenge draws a challenge, as a rule one of this moment.
func (m *machine) challenge(t *rapid.T, p *process, id string) held[challenge] {
	var h held[challenge]
	ok := false
	switch rapid.IntRange(0, 9).Draw(t, "which challenge") {
	default:
		m.challengeFor(t, p, id)
		h, ok = last(m.ownChallenges(id))
	case 6, 7:
		h, ok = recent(t, m.ownChallenges(id), "challenge")
	case 8:
		h, ok = recent(t, m.challenges, "challenge")
	case 9:
	}
	if !ok { // a proof is no challenge
		p, _ := last(m.ownProofs(id))
		h = held[challenge]{text: rapid.SampledFrom(append(garbage, p.text)).Draw(t, "garbage")}
	}
	m.toEdge(t, p, h.what.at, []int64{5 * minute})
	return h
}

// totp draws a TOTP code: of the account's authenticators one that is unused, for which the clock may
// have to move on, one around the step expected now, or one at the edge of the window; or that of any
// authenticator there ever was.
func (m *machine) totp(t *rapid.T, p *process, id string) string {
	if a := m.model[id]; len(a.apps) > 0 && !oneIn(t, 8, "another's") {
		app := a.apps[rapid.IntRange(0, len(a.apps)-1).Draw(t, "authenticator")]
		which := rapid.IntRange(0, 5).Draw(t, "which step")
		if which == 3 || which == 4 { // around now
			base := rapid.SampledFrom([]int{0, app.base}).Draw(t, "put right since it was resynchronized")
			return app.code(m.at(p)/30 + int64(base) + rapid.Int64Range(-3, 3).Draw(t, "step"))
		}
		m.waitFor(p, app, 0)
		if which == 5 { // of an authenticator whose clock runs fast or slow, or that was accepted before
			if len(app.steps) > 0 && oneIn(t, 3, "accepted before") {
				return app.code(rapid.SampledFrom(app.steps).Draw(t, "run")[1])
			}
			return app.code(m.at(p)/30 + int64(app.base) + rapid.SampledFrom([]int64{side, -side}).Draw(t, "step"))
		}
		return app.unused(m.at(p))
	}
	if h, ok := recent(t, m.apps, "authenticator"); ok {
		return h.what.code(m.at(p)/30 + rapid.Int64Range(-3, 3).Draw(t, "step"))
	}
	return "000000"
}

// malformed are no codes, or codes of nobody.
var malformed = []string{
	"", " ", "12345", "1234567", "000000000", "+12345", "12345 ", " 123456", "123456\n", "١٢٣٤٥٦", "0x1234", "\xff\xfe",
	"0000-0000-0000-000", "0000-0000-0000-0000-0", "UUUU-UUUU-UUUU-UUUU", "0000-0000-0000-0000", strings.Repeat("0", 73), strings.Repeat("A", 1<<16),
	"00000000", "foreign code 99",
}

// recoveryCode draws one: of the account's present set or any other, used or not, as it may be typed.
func (m *machine) recoveryCode(t *rapid.T, id string) string {
	var texts []string
	if a := m.model[id]; a.codes != nil && !oneIn(t, 6, "any set") {
		for _, c := range a.codes.list {
			if c.text != "" && (!c.used || oneIn(t, 8, "used")) {
				texts = append(texts, c.text)
			}
		}
	} else {
		for _, h := range m.codes {
			texts = append(texts, h.what)
		}
	}
	text, ok := recent(t, texts, "code")
	if !ok {
		return "0000-0000-0000-0000"
	}
	return typed(t, text)
}

func typed(t *rapid.T, text string) string {
	c, err := recovery.Parse(text)
	if err != nil {
		return text // another system's, which is taken as it is
	}
	switch rapid.IntRange(0, 6).Draw(t, "spelling") {
	case 3: // another code, of the same selector
		end := "0"
		if strings.HasSuffix(text, end) {
			end = "1"
		}
		return text[:len(text)-1] + end
	case 4:
		return strings.ToLower(text)
	case 5:
		return strings.NewReplacer("0", "o", "1", "l").Replace(" " + text + " ")
	}
	return c.Reveal()
}

// code draws what is typed where a TOTP or a recovery code is asked for.
func (m *machine) code(t *rapid.T, p *process, id string) string {
	switch rapid.IntRange(0, 9).Draw(t, "which code") {
	default:
		return m.totp(t, p, id)
	case 6, 7, 8:
		return m.recoveryCode(t, id)
	case 9:
		return rapid.SampledFrom(malformed).Draw(t, "malformed")
	}
}

// prove makes a proof of the account of this moment, by the strongest means its owner has now, with
// calls like any other. Where there is none it does nothing.
func (m *machine) prove(t *rapid.T, p *process, id string) {
	a := m.model[id]
	switch {
	case !a.protected():
		m.vouch(t, p, id, m.at(p), m.session(t))
	case len(a.passkeys) > 0 && (len(a.apps) == 0 || oneIn(t, 3, "by a passkey")):
		k := a.passkeys[rapid.IntRange(0, len(a.passkeys)-1).Draw(t, "passkey")]
		m.showPasskey(t, p, m.ask(t, p, id, core.PasskeyStepUp, m.session(t), held[challenge]{}), k.next(), held[challenge]{})
	case len(a.apps) > 0 && !oneIn(t, 4, "by a recovery code"):
		app := a.apps[rapid.IntRange(0, len(a.apps)-1).Draw(t, "authenticator")]
		m.waitFor(p, app, a.strangers.until)
		m.stepUp(t, p, id, app.unused(m.at(p)), m.session(t), "")
	case len(a.apps) > 0:
		m.stepUp(t, p, id, m.recoveryCode(t, id), m.session(t), "")
	case a.reset.code.text != "":
		m.later(t)
		m.challengeFor(t, p, id)
		if h, ok := last(m.ownChallenges(id)); ok {
			m.redeemOperatorCode(t, p, h, a.reset.code.text, m.session(t))
		}
	}
}

// later lets a day pass now and then.
func (m *machine) later(t *rapid.T) {
	if m.busy == nil && oneIn(t, 5, "a day later") {
		m.now += day
	}
}

// toEdge moves the clock on, now and then, to the last moment at which something is young enough, or
// to the first at which it is not, if that is an hour ahead at most.
func (m *machine) toEdge(t *rapid.T, p *process, at int64, ages []int64) {
	if m.busy != nil || !oneIn(t, 6, "at the edge of its age") {
		return
	}
	edge := at + rapid.SampledFrom(ages).Draw(t, "age") + rapid.Int64Range(0, 1).Draw(t, "too old")
	if wait := edge - m.at(p); wait > 0 && wait <= hour {
		m.now += wait
	}
}

// waitFor moves the clock on until an authenticator has an unused code and TOTP is not locked, if that
// takes an hour at most.
func (m *machine) waitFor(p *process, a app, lockedUntil int64) {
	if m.busy != nil {
		return
	}
	unused := (a.next(m.at(p)) - int64(a.base)) * 30
	if wait := max(unused, lockedUntil) - m.at(p); wait > 0 && wait <= hour {
		m.now += wait
	}
}

// next is the first step that the app shows of which the code is not refused.
func (a *app) next(now int64) int64 {
	return max(a.refused(now/30+int64(max(a.base, 0))+side)+1, now/30+int64(a.base))
}

func (a *app) unused(now int64) string { return a.code(a.next(now)) }
