package core

import (
	"crypto/subtle"

	"github.com/gatehouse-go/gatehouse/event"
)

const (
	tagSize   = 3 // bytes, of which the last 4 bits are 0. Of the 75 bits of a code 55 stay under Argon2id for anyone who has the key
	checkSize = 4

	maxKeyName = 32 // bytes
)

// Tag returns the tag of a code, of a MAC of it.
func Tag(mac []byte) string { return string([]byte{mac[0], mac[1], mac[2] & 0xf0}) }

// NewTags returns what says under which key tags are, of a MAC of nothing.
func NewTags(key string, mac []byte) *Tags { return &Tags{Key: key, Check: string(mac[:checkSize])} }

// Are reports whether the tags are under the key that this MAC of nothing is under.
func (t Tags) Are(mac []byte) bool { return t.Check == string(mac[:checkSize]) }

func (t *Tags) broken() bool {
	return t != nil && (len(t.Key) > maxKeyName || CheckName(t.Key) != nil || len(t.Check) != checkSize)
}

// brokenTag reports whether the tag of a place cannot be there.
func (s Slot) brokenTag(tags *Tags) bool {
	return s.Tag != "" && (s.Hash == "" || tags == nil || len(s.Tag) != tagSize || s.Tag[tagSize-1]&0x0f != 0)
}

// TagsOf returns under which key the tags are that the code of an attempt may have, and of what they are in the
// account; nil where there are none. Codes of another system never have any: they may be short, and their tags would
// let them be guessed at without a bound.
func (a Account) TagsOf(m event.Method) (tags *Tags, item string) {
	switch {
	case m == event.MethodOperatorCode && a.Reset != nil:
		return a.Reset.Code.Tags, OperatorItem
	case m == event.MethodRecoveryCode && a.Recovery != nil && !a.Recovery.Imported:
		return a.Recovery.Tags, a.Recovery.ID
	}
	return nil, ""
}

// OperatorItem is of what the tag of an operator's code is. No set of recovery codes has this ID.
const OperatorItem = "operator"

// another reports whether the code of an attempt is known not to be the one of a place.
func (s Slot) another(t Attempt) bool {
	return s.Tag != "" && t.Tag != "" && subtle.ConstantTimeCompare([]byte(s.Tag), []byte(t.Tag)) != 1
}

// missed reports whether the code of an attempt cannot be any of the account's, as far as that is known without
// Argon2id: no unused code begins with its selector, or that one has another tag. Such a code takes nothing from the
// throttle, so that nobody who has but the password can use up what lets an owner with a right code in. It is no
// guess worth counting: a code has 75 secret bits, and at a million guesses a second for a year the chance of a right
// one is one in some 2^32. Of another system's codes, which may be shorter, every guess counts.
func (a Account) missed(t Attempt, env Env) bool {
	if t.Method == event.MethodTOTP || a.foreignCodes(t) || len(t.Tried) > 0 {
		return false
	}
	for _, slot := range a.slots(t, env) {
		if slot.Hash != "" && !slot.another(t) {
			return false
		}
	}
	return true
}

// unkept reports whether a miss is one of so many that it is not kept: each that is takes a save.
func (a Account) unkept(t Attempt, env Env) bool {
	_, full := a.Misses.lock(env)
	return full && a.missed(t, env)
}
