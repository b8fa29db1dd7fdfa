package core

import (
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/totp"
)

const (
	freeFailures = 5  // failures in a row that cost no waiting, of strangers and of known browsers
	maxFailures  = 50 // failures in a row after which codes are refused until unlocked; NIST SP 800-63B-4 §3.2.2 asks for at most 100
	knownShare   = 5  // one in so many of them is that of known browsers

	// usualTargets is with how many steps one guess is compared in the usual case: one
	// authenticator, one step on either side.
	usualTargets = 3

	monthDays  = 30
	monthAlarm = 20 // failures in that time which are an event
	day        = 24 * 60 * 60
	alarmAgain = 7 * day // after which they are one again
)

// ladder is how long each failure after the free ones locks, the last for all that follow.
var ladder = [...]int64{30, 60, 2 * 60, 5 * 60, 15 * 60, 30 * 60, 60 * 60}

// TOTPThrottle counts wrong codes of all of an account's authenticators (RFC 4226 §7.3: the count
// spans sessions).
type TOTPThrottle struct {
	Streak        // of strangers: browsers that are not known, and callers who name none
	Known  Streak // of all browsers that are known, and of strangers who have used up theirs while none is: see share
	// Days counts failures of every method by day over the last thirty days, oldest first. Success does not reset it:
	// an attacker who has the password waits for the owner to sign in and reset the other count.
	Days  []DayCount
	Alarm Alarm // the last one
}

// Streak is failures in a row.
type Streak struct {
	Failures int   // since the last success
	Until    int64 // no code is evaluated before
}

// Alarm is a telling of many failures.
type Alarm struct {
	At    int64
	Count int64 // failures in the thirty days before it
}

// DayCount is how often something happened in one day: the day, a count of days since 1970, and the count.
type DayCount [2]int64

// stepWeight is what one step weighs as a target, where a recovery code of eight digits weighs 1: of those one in
// 10^8 is right, of codes of six digits one in 10^6.
const stepWeight = 100

// limits returns how many failures are free and how many disable, of strangers and known browsers together. Both shrink
// as a guess is compared with more steps, or with recovery codes of eight digits as well, so that what an attacker can
// expect of all guesses together does not grow.
func (a Account) limits(w totp.Window) (free, most int) {
	const usual = usualTargets * stepWeight
	targets := a.Recovery.eightDigits()
	for _, auth := range a.Authenticators {
		targets += totp.Counter{Base: auth.Base}.Steps(w) * stepWeight
	}
	targets = max(targets, usual)
	return max(freeFailures*usual/targets, 1), maxFailures * usual / targets
}

// shares returns how many failures in a row disable codes for strangers and for known browsers. Somebody who has the
// password and guesses fills the share of strangers alone, and together they are no more than most, which is 3 at the
// least: five authenticators, a window of five steps and as many of another base.
func shares(most int) (strangers, known int) {
	known = max(most/knownShare, 1)
	return max(most-known, 1), known
}

// streak returns the failures that a code from a browser is counted with, and how many disable.
func (a *Account) streak(browser []byte, env Env) (s *Streak, most int) {
	return a.share(a.Knows(browser, env), a.knowsAny(env), env.Window)
}

// share returns the failures that a code from a known browser or from a stranger is counted with, and how many disable.
// Known browsers have their own, and those of strangers when their own are used up: so none is worse off for being known.
// Whoever has the cookie of one gains nothing by that, as they could leave it out. While no browser is known, strangers
// have both shares, theirs first: nothing is kept from an owner for browsers that there are not.
func (a *Account) share(known, anyKnown bool, w totp.Window) (s *Streak, most int) {
	_, all := a.limits(w)
	strangers, others := shares(all)
	t := &a.TOTPThrottle
	spare := t.Failures >= strangers && t.Failures+t.Known.Failures < all
	if known && t.Known.Failures < others || !anyKnown && spare {
		return &t.Known, others
	}
	return &t.Streak, strangers
}

// totpLock returns whether codes from a browser are refused unseen, and until when; the zero time with true says
// until unlocked.
func (a Account) totpLock(browser []byte, env Env) (until time.Time, locked bool) {
	s, most := a.streak(browser, env)
	return s.lock(most, env)
}

// totpLocks reports whether there is anything to unlock, for whichever browser.
func (a Account) totpLocks(env Env) bool {
	_, most := a.limits(env.Window)
	strangers, known := shares(most)
	_, some := a.TOTPThrottle.lock(strangers, env)
	_, others := a.TOTPThrottle.Known.lock(known, env)
	return some || others
}

func (s Streak) lock(most int, env Env) (until time.Time, locked bool) {
	if s.Failures >= most {
		return time.Time{}, true
	}
	if until := s.until(env); env.unix() < until {
		return Time(until), true
	}
	return time.Time{}, false
}

// until returns Until as it counts now. One that lies further ahead than the longest lock is of a clock
// that had run ahead and came back. It leaves one try, which puts it right, and takes no failure away.
func (s Streak) until(env Env) int64 {
	if s.Until > env.latest(ladder[len(ladder)-1]) {
		return 0
	}
	return s.Until
}

func (a *Account) totpFailed(browser []byte, env Env) {
	s, most := a.streak(browser, env)
	s.Failures++
	free, _ := a.limits(env.Window)
	free = min(free, most-1)
	if s.Failures > free {
		s.Until = env.unix() + ladder[min(s.Failures-free, len(ladder))-1]
	}
	if until, locked := a.totpLock(browser, env); locked {
		a.note(env, Event{Kind: event.MethodLocked, Method: event.MethodTOTP, RetryAt: unixOf(until)})
	}
}

// countMonth counts a failure of whatever method, and tells if there are many.
func (a *Account) countMonth(env Env) {
	t := &a.TOTPThrottle
	total := t.count(env.unix() / day)
	if total >= monthAlarm && t.Alarm.over(total, env) {
		t.Alarm = Alarm{At: env.unix(), Count: total}
		a.note(env, Event{Kind: event.ManyFailures, Count: int(total)})
	}
}

// count adds a failure of today and returns how many there were in the last thirty days. What a clock
// that had run ahead counted for days to come is of today.
func (t *TOTPThrottle) count(today int64) (total int64) {
	days := make([]DayCount, 0, len(t.Days)+1)
	now := DayCount{today, 1}
	for _, d := range t.Days {
		switch {
		case d[0] >= today:
			now[1] += d[1]
		case d[0] > today-monthDays:
			days = append(days, d)
		default:
			continue
		}
		total += d[1]
	}
	t.Days = append(days, now)
	return total + 1
}

// over reports whether it is time for another alarm: a week after the last one, or once there are twice
// as many failures. One that is told at a time to come is of a clock that had run ahead.
func (m Alarm) over(total int64, env Env) bool {
	return total >= 2*m.Count || env.unix() >= m.At+alarmAgain || m.At > env.latest(0)
}

// clear forgets the failures in a row.
func (s *Streak) clear() { *s = Streak{} }

// clear forgets all failures in a row, and not those of the month.
func (t *TOTPThrottle) clear() { t.Streak, t.Known = Streak{}, Streak{} }

const (
	bucketSize   = 10 // wrong recovery codes in a row
	bucketRefill = 6  // seconds for one more
)

// Bucket bounds how fast wrong recovery codes are answered. It never closes for good: with 75
// secret bits a rate is enough, and recovery is what an owner has left when codes are disabled.
type Bucket struct {
	// Full is when the bucket will be full again, if nothing more is taken (the theoretical arrival
	// time of the generic cell rate algorithm).
	Full int64
}

// full returns Full as it counts now. One that no clock of the service can have set is of a clock that
// had jumped ahead and came back. It leaves one try, which puts it right: an empty bucket would stay
// empty for as long as the clock had jumped, as nothing is saved while it is.
func (b Bucket) full(now int64) int64 {
	if b.Full > now+bucketSize*bucketRefill+int64(Ahead/time.Second) {
		return now + (bucketSize-1)*bucketRefill
	}
	return max(b.Full, now)
}

// lock returns whether the bucket is empty, and until when.
func (b Bucket) lock(env Env) (until time.Time, locked bool) {
	now := env.unix()
	free := b.full(now) - (bucketSize-1)*bucketRefill
	if now >= free {
		return time.Time{}, false
	}
	return Time(free), true
}

// take takes one try.
func (b *Bucket) take(env Env) { b.Full = b.full(env.unix()) + bucketRefill }

func (a *Account) recoveryFailed(env Env) {
	a.RecoveryThrottle.take(env)
	if until, locked := a.RecoveryThrottle.lock(env); locked {
		a.note(env, Event{Kind: event.MethodLocked, Method: event.MethodRecoveryCode, RetryAt: until.Unix()})
	}
}
