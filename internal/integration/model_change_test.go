package integration_test

import (
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// --- what an owner changes, with a proof ---

type action string

const (
	enroll            action = "enroll"
	replace           action = "replace"
	finishEnrollment  action = "finish an enrollment"
	finishReplacement action = "finish a replacement"
	acknowledge       action = "acknowledge"
	regenerate        action = "regenerate"
	rename            action = "rename"
	remove            action = "remove"
	removePasskey     action = "remove a passkey"
	unlockTOTP        action = "unlock TOTP"
	unlockCodes       action = "unlock recovery codes"
	mintToken         action = "mint, rotate or renew a token"
	revokeToken       action = "revoke tokens"
)

// late has the actions for which a proof may be 15 minutes old instead of 5.
var late = []action{finishEnrollment, finishReplacement, acknowledge, rename, mintToken, revokeToken}

// allowed says what each kind of proof is enough for, beside vouched ones.
var allowed = map[kind][]action{
	secondFactor: {
		enroll, replace, finishEnrollment, finishReplacement, acknowledge, regenerate, rename, remove, removePasskey,
		unlockCodes, mintToken, revokeToken,
	},
	recoveryCode: {replace, finishReplacement, removePasskey, acknowledge, regenerate, unlockTOTP, revokeToken},
	operatorCode: {acknowledge},
}

// withPasskey has what only a passkey is enough for, where there is one, of what a code is enough for otherwise.
var withPasskey = []action{enroll, replace, finishEnrollment, finishReplacement, regenerate, remove, removePasskey}

// authorized answers whether a proof that is presented in a session is enough for an action.
func (a *account) authorized(p proof, in string, act action, now int64) answer {
	age := int64(5 * minute)
	if slices.Contains(late, act) {
		age = 15 * minute
	}
	enough := slices.Contains(allowed[p.kind], act)
	switch {
	case p.kind == vouched:
		enough = !a.protected()
	case p.kind == operatorCode && (act == enroll || act == finishEnrollment):
		enough = a.reset != nil
	case p.passkey != "" && act == unlockTOTP: // which no guess of a code has made
		enough = true
	case p.kind == secondFactor && p.passkey == "" && len(a.passkeys) > 0 && slices.Contains(withPasskey, act):
		enough = false
	}
	if !a.stored || p.account != a.id || p.epoch != a.epoch || p.session != "" && p.session != in ||
		!fresh(p.at, now, age) || !enough {
		return stepUp
	}
	if a.suspended != 0 {
		return state
	}
	return answer{}
}

// successor is the proof that stands for p after a change of factors.
func (a *account) successor(p proof) answer {
	p.epoch = a.epoch
	return answer{proof: &p}
}

// vouch is for a sign-in that began, in this second, when the account was as in began. Of a first factor from before
// that it is not known what has come after it, but by the clock.
func (a *account) vouch(began *account, at int64, session string, now int64) answer {
	switch {
	case a.suspended != 0:
		return state
	case !fresh(at, now, 5*minute):
		return stepUp
	case at >= now && (began.recorded() && !(a.recorded() && a.epoch == began.epoch) || !began.recorded() && a.since != 0):
		return stepUp
	case at < now && a.since > now+30: // of a clock that had jumped
		a.since = now
		return stepUp
	case at < now && a.since != 0 && at <= a.since:
		return stepUp
	}
	a.create()
	return answer{proof: &proof{a.id, vouched, at, session, a.epoch, ""}}
}

// begin stages next, whose ID, key and codes are told afterwards.
func (a *account) begin(p proof, in string, next app, instead string, now int64) answer {
	act := enroll
	if instead != "" {
		act = replace
	}
	if no := a.authorized(p, in, act, now); no.err != nil {
		return no
	}
	if instead != "" && a.find(instead) < 0 && a.findPasskey(instead) < 0 {
		return missing
	}
	if a.find(instead) < 0 && len(a.apps) >= 5 || next.key.digits == 8 && a.codes.eights() > 0 {
		return state
	}
	a.stage(pending{app: next, replace: instead}, now)
	return answer{}
}

func (a *account) stage(next pending, now int64) {
	next.app.created, next.expires = now, now+10*minute
	if a.codes == nil {
		next.codes = &codes{list: make([]code, 10), created: now}
	}
	a.pending = &next
}

// finish answers whether the pending enrollment of an ID can be confirmed or canceled.
func (a *account) finish(p proof, in, id string, now int64) answer {
	act := finishEnrollment
	if a.pending != nil && a.pending.replace != "" {
		act = finishReplacement
	}
	if no := a.authorized(p, in, act, now); no.err != nil {
		return no
	}
	if pending := a.pendingNow(now); pending == nil || pending.app.id != id {
		return missing
	}
	return answer{}
}

func (a *account) confirm(p proof, in, id, typed string, now int64) answer {
	if no := a.finish(p, in, id, now); no.err != nil {
		return no
	}
	if a.pending.passkey {
		return missing
	}
	if !isTOTP(typed) {
		return denied
	}
	next := a.pending.app
	if !next.match(typed, now) {
		if a.pending.tries++; a.pending.tries == 10 {
			a.pending = nil
		}
		return denied
	}
	next.used = now
	if i := a.find(a.pending.replace); i >= 0 {
		a.apps[i] = next
		a.owe(notice{kind: event.AuthenticatorRemoved, at: now})
	} else {
		a.dropFactor(a.pending.replace, now)
		a.apps = append(a.apps, next)
	}
	return a.enrolled(p, "", now)
}

// enrolled is what comes along with a factor that was added.
func (a *account) enrolled(p proof, passkey string, now int64) answer {
	a.owe(notice{kind: event.AuthenticatorAdded, at: now})
	if a.pending.codes != nil {
		a.codes = a.pending.codes
	}
	if a.pending.replace != "" {
		a.forgetOthers()
	}
	if p.kind == vouched {
		a.meet(now)
	}
	a.reset = nil
	a.changed()
	a.endEpoch()
	if p.kind == vouched {
		p.kind, p.passkey = secondFactor, passkey
	}
	return a.successor(p)
}

// dropFactor removes an app or a passkey.
func (a *account) dropFactor(id string, now int64) {
	if a.find(id) >= 0 || a.findPasskey(id) >= 0 {
		a.owe(notice{kind: event.AuthenticatorRemoved, at: now})
	}
	a.apps = slices.DeleteFunc(a.apps, func(app app) bool { return app.id == id })
	a.passkeys = slices.DeleteFunc(a.passkeys, func(k passkey) bool { return k.id == id })
}

func (a *account) cancel(p proof, in, id string, now int64) answer {
	if no := a.finish(p, in, id, now); no.err != nil {
		return no
	}
	a.pending = nil
	return answer{}
}

func (a *account) acknowledge(p proof, in, set string, now int64) answer {
	if no := a.authorized(p, in, acknowledge, now); no.err != nil {
		return no
	}
	sets := []*codes{a.codes}
	if pending := a.pendingNow(now); pending != nil {
		sets = append(sets, pending.codes)
	}
	for _, s := range sets {
		if s != nil && s.id == set {
			if s.acknowledged == 0 {
				s.acknowledged = now
			}
			return answer{}
		}
	}
	return missing
}

func (a *account) regenerate(p proof, in string, now int64) answer {
	if no := a.authorized(p, in, regenerate, now); no.err != nil {
		return no
	}
	if a.factors() == 0 {
		return state
	}
	a.codes = &codes{list: make([]code, 10), created: now}
	a.owe(notice{kind: event.RecoveryCodesRegenerated, at: now})
	a.changed()
	a.endEpoch()
	return a.successor(p)
}

func (a *account) rename(p proof, in, id, name string, now int64) answer {
	if name == "" {
		return invalid
	}
	if no := a.authorized(p, in, rename, now); no.err != nil {
		return no
	}
	if i := a.findPasskey(id); i >= 0 {
		a.passkeys[i].name = name
		return answer{}
	}
	i := a.find(id)
	if i < 0 {
		return missing
	}
	a.apps[i].name = name
	return answer{}
}

func (a *account) remove(p proof, in, id string, now int64) answer {
	act := remove
	if a.findPasskey(id) >= 0 {
		act = removePasskey
	}
	if no := a.authorized(p, in, act, now); no.err != nil {
		return no
	}
	if a.find(id) < 0 && a.findPasskey(id) < 0 {
		return missing
	}
	if a.factors() == 1 {
		return state
	}
	a.dropFactor(id, now)
	a.forgetOthers()
	a.changed()
	a.endEpoch()
	return a.successor(p)
}

func (a *account) disable(p proof, in string, now int64) answer {
	if no := a.authorized(p, in, remove, now); no.err != nil {
		return no
	}
	if a.factors() == 0 {
		return state
	}
	a.dropFactors()
	a.owe(notice{kind: event.TwoFactorOff, at: now})
	a.endEpoch()
	return a.successor(p)
}

func (a *account) dropFactors() {
	a.apps, a.passkeys, a.codes = nil, nil, nil
	a.changed()
	a.strangers, a.known, a.browsers, a.bucketFull = streak{}, streak{}, nil, 0
}

func (a *account) unlock(p proof, in string, m event.Method, now int64) answer {
	act := unlockTOTP
	if m == event.MethodRecoveryCode {
		act = unlockCodes
	}
	if no := a.authorized(p, in, act, now); no.err != nil {
		return no
	}
	return a.unlockBy(m, now)
}

// --- what an operator does ---

func (a *account) unlockBy(m event.Method, now int64) answer {
	strangers, known := a.shares()
	_, some := a.strangers.lock(strangers, now)
	_, others := a.known.lock(known, now)
	if m == event.MethodTOTP {
		if some || others {
			a.strangers, a.known = streak{}, streak{}
		}
	} else if _, locked := a.lock(m, now); locked {
		a.bucketFull = 0
	}
	return answer{}
}

func (a *account) operatorReset(now int64) answer {
	if !a.protected() {
		return state
	}
	a.dropFactors()
	a.owe(notice{kind: event.AccountReset, at: now})
	a.endEpoch()
	a.tokenEpoch++
	a.since, a.browsers = now, nil
	a.reset = &reset{at: now, expires: now + day, life: day}
	return answer{}
}

func (a *account) suspend(now int64) answer {
	if a.suspended == 0 {
		a.touch()
		a.suspended, a.since, a.browsers = now, now, nil
		a.owe(notice{kind: event.AccountSuspended, at: now})
	}
	return answer{}
}

func (a *account) resume(now int64) answer {
	if a.suspended != 0 {
		a.suspended, a.since, a.browsers = 0, now, nil
		a.owe(notice{kind: event.AccountResumed, at: now})
		a.endEpoch()
	}
	return answer{}
}

func (a *account) passwordChanged(revoke bool, now int64) answer {
	if a.stored && revoke {
		a.tokenEpoch++
	}
	a.touch()
	a.since, a.browsers = now, nil
	return answer{}
}

// changed says that the factors are not as an import left them.
func (a *account) changed() {
	if a.imported == core.ImportOpen {
		a.imported = core.ImportEnded
	}
}

// offer is an import, with the rules of what becomes of each part in order of importance.
type offer struct {
	apps  []app // one without a secret cannot be brought
	codes []code
	six   []bool // of the codes, those of six digits
	close bool
	life  int64
}

type brought struct {
	apps, codes []gatehouse.ImportOutcome
	closed      bool
	code        bool
}

func (a *account) importFrom(o offer, now int64) (answer, brought) {
	if a.suspended != 0 {
		return state, brought{}
	}
	next, b := a.clone(), brought{}
	for _, x := range o.apps {
		outcome := gatehouse.ImportOutcome("brought")
		switch {
		case x.key.secret == "":
			outcome = gatehouse.ImportOutcome("bad_secret")
		case slices.ContainsFunc(a.apps, func(old app) bool { return old.key.secret == x.key.secret }):
			outcome = gatehouse.ImportOutcome("there")
		case x.key.digits == 8 && a.codes.eights() > 0:
			outcome = gatehouse.ImportOutcome("eight_digits")
		case len(next.apps) == 5:
			outcome = gatehouse.ImportOutcome("too_many")
		case x.key.weak:
			outcome = gatehouse.ImportOutcome("weak")
		}
		if outcome.Brought() {
			x.created = now
			if x.last > 0 {
				x.spend(x.last, x.last)
			}
			next.apps = append(next.apps, x)
			next.reset = nil
		}
		b.apps = append(b.apps, outcome)
	}
	showsEight := slices.ContainsFunc(next.apps, func(x app) bool { return x.key.digits == 8 })
	for i, c := range o.codes {
		outcome := gatehouse.ImportOutcome("brought")
		switch {
		case o.six[i]:
			outcome = gatehouse.ImportOutcome("guessable")
		case next.factors() == 0:
			outcome = gatehouse.ImportOutcome("no_authenticator")
		case a.codes != nil:
			outcome = gatehouse.ImportOutcome("has_codes")
		case c.eight && showsEight:
			outcome = gatehouse.ImportOutcome("eight_digits")
		}
		if outcome.Brought() {
			if next.codes == nil {
				next.codes = &codes{imported: true, created: now}
			}
			next.codes.list = append(next.codes.list, c)
		}
		b.codes = append(b.codes, outcome)
	}
	adds := slices.ContainsFunc(append(slices.Clone(b.apps), b.codes...), gatehouse.ImportOutcome.Brought)
	b.closed = next.factors() == 0
	b.code = b.closed && !next.protected()
	if (adds || b.code) && (a.imported == core.ImportEnded || a.protected() && a.imported != core.ImportOpen) {
		return state, brought{}
	}
	if b.code && !o.close {
		return invalid, brought{}
	}
	if b.code {
		next.reset = &reset{at: now, expires: now + o.life, life: o.life}
	}
	if adds || b.code {
		next.imported = core.ImportOpen
		next.touch()
		*a = *next
	}
	return answer{}, b
}

func (a *account) delete(now int64) answer {
	a.forget()
	a.epoch++
	a.since = now
	return answer{}
}

// forget is a deletion that was cut short.
func (a *account) forget() {
	*a = account{id: a.id, epoch: a.epoch, tokenEpoch: a.tokenEpoch, keepsNotices: a.keepsNotices}
}

func (a *account) reseal(key string) {
	for i := range a.apps {
		a.apps[i].sealedBy = key
	}
	if a.pending != nil && !a.pending.passkey {
		a.pending.app.sealedBy = key
	}
}

// --- what is shown ---

func moment(at int64) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(at, 0).UTC()
}

// index is the rule of what a store keeps beside an account's data. Of what is stored now the model takes what nobody was told.
func (a *account) index(now core.Account) storage.AccountIndex {
	var keys []string
	for _, app := range a.apps {
		keys = append(keys, app.sealedBy)
	}
	switch {
	case a.pending == nil:
	case !a.pending.passkey:
		keys = append(keys, a.pending.app.sealedBy)
	case now.Pending.Authenticator.Key != "": // of what it keeps for its session
		keys = append(keys, now.Pending.Authenticator.Key)
	}
	slices.Sort(keys)
	strangers, most := a.ofStrangers()
	return storage.AccountIndex{
		Authenticators: len(a.apps), Passkeys: len(a.passkeys), Handle: now.Handle, CodesLeft: a.codes.left(), LockedUntil: moment(strangers.until), Disabled: strangers.wrong >= most,
		Suspended: a.suspended != 0, KeyName: strings.Join(slices.Compact(keys), ","), TokenEpoch: now.TokenEpoch,
		Unsent: moment(a.oldest()),
	}
}

// method is the rule of a MethodState. have says whether there is a code of it at all.
func (a *account) method(m event.Method, have bool, now int64) gatehouse.MethodState {
	if !have {
		return gatehouse.MethodState{}
	}
	until, locked := a.lock(m, now)
	if !locked {
		return gatehouse.MethodState{Available: true}
	}
	return gatehouse.MethodState{RetryAt: moment(until)}
}

// shown is the rule of Service.Account.
func (a *account) shown(now int64) gatehouse.Account {
	operator := a.reset != nil && !a.reset.code.used && lies(a.reset.expires, now, a.reset.life)
	st := gatehouse.Account{
		ID:            a.id,
		Protected:     a.protected(),
		RecoveryCodes: a.codes.shown(),
		TOTP:          a.method(event.MethodTOTP, len(a.apps) > 0, now),
		RecoveryCode:  a.method(event.MethodRecoveryCode, a.codes.left() > 0, now),
		OperatorCode:  a.method(event.MethodOperatorCode, operator, now),
		Passkey:       gatehouse.MethodState{Available: len(a.passkeys) > 0},
		Suspended:     moment(a.suspended),
	}
	if left := a.codes.left(); left > 0 && left == a.codes.eights() {
		st.RecoveryCode = a.method(event.MethodTOTP, true, now) // they are counted as TOTP codes
	}
	for _, app := range a.apps {
		st.Authenticators = append(st.Authenticators, gatehouse.Authenticator{
			ID: app.id, Kind: event.MethodTOTP, Name: app.name, Algorithm: app.key.algorithm, Digits: app.key.digits, Weak: app.key.weak,
			Created: moment(app.created), LastUsed: moment(app.used),
		})
	}
	for _, k := range a.passkeys {
		st.Authenticators = append(st.Authenticators, k.shown())
	}
	if r := a.reset; r != nil {
		st.Reset = &gatehouse.Reset{Imported: a.imported == core.ImportOpen, At: moment(r.at), CodeExpires: moment(r.expires), CodeUsed: r.code.used}
	}
	if p := a.pendingNow(now); p != nil {
		st.Pending = &gatehouse.PendingEnrollment{
			ID: p.app.id, Kind: event.MethodTOTP, Name: p.app.name, Replace: p.replace, Expires: moment(p.expires),
			TriesLeft: 10 - p.tries, RecoveryCodes: p.codes.shown(),
		}
		if p.passkey {
			st.Pending.Kind = event.MethodPasskey
		}
	}
	return st
}

func (c *codes) shown() gatehouse.RecoverySet {
	if c == nil {
		return gatehouse.RecoverySet{}
	}
	return gatehouse.RecoverySet{
		ID: c.id, Total: len(c.list), Left: c.left(), Imported: c.imported,
		Created: moment(c.created), Acknowledged: moment(c.acknowledged),
	}
}
