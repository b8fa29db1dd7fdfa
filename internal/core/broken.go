package core

import (
	"reflect"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/totp"
)

const (
	maxSlots    = 32 // selectors there are
	maxFailKept = 1 << 20
)

// broken names what cannot be in an account, "" for nothing.
func (a Account) broken() string {
	t := a.TOTPThrottle
	for _, x := range []struct {
		is   bool
		what string
	}{
		{a.Epoch == 0 || a.SignIns < 0, "epoch or count"},
		{a.Changer != "" && a.SessionEpoch == 0, "sessions"},
		{a.Absent() && (a.Protected() || a.FirstTokenEpoch != 0), "factors or tokens of nobody"},
		{a.Imported > ImportEnded, "state of imports"},
		{!a.Ancestry.valid(), "ancestry"},
		{a.showsEight() && a.Recovery.eightDigits() > 0, "recovery codes of eight digits"},
		{a.Recovery.broken(), "recovery codes"},
		{a.Reset.broken(), "reset"},
		{len(a.Accepted) > maxAccepted || len(a.History) > maxHistory, "posture"},
		{t.Failures < 0 || t.Failures > maxFailKept || t.Known.Failures < 0 || t.Known.Failures > maxFailKept || len(t.Days) > monthDays+1, "throttle"},
		{a.Minted[1] < 0, "count of tokens"},
	} {
		if x.is {
			return x.what
		}
	}
	for _, what := range []string{a.brokenAuthenticators(), a.brokenPasskeys(), a.brokenPending(), a.brokenActivity(), a.brokenServices(), a.brokenNotices(), a.brokenBrowsers()} {
		if what != "" {
			return what
		}
	}
	return ""
}

// brokenAuthenticators is broken for the authenticators.
func (a Account) brokenAuthenticators() string {
	if len(a.Authenticators) > MaxAuthenticators {
		return "too many authenticators"
	}
	for i, auth := range a.Authenticators {
		if what := auth.broken(); what != "" || a.find(auth.ID) != i {
			return "authenticator " + what
		}
	}
	return ""
}

// brokenPending is broken for the pending enrollment.
func (a Account) brokenPending() string {
	p := a.Pending
	if p == nil {
		return ""
	}
	if what := p.broken(); what != "" || p.Authenticator.Weak || p.Tries < 0 || p.Tries >= pendingTries {
		return "pending authenticator " + what
	}
	there, _ := a.nameOf(p.Authenticator.ID)
	instead, _ := a.nameOf(p.Replace)
	if there != nil || p.Replace != "" && instead == nil || p.Passkey && a.Handle == (storage.Handle{}) {
		return "pending authenticator"
	}
	if p.Recovery.broken() {
		return "pending recovery codes"
	}
	if p.Kept != nil && len(p.Kept.Sealed) == 0 {
		return "pending enrollment"
	}
	return ""
}

// broken is that of what is pending.
func (p *Pending) broken() string {
	if !p.Passkey {
		return p.Authenticator.broken()
	}
	auth := p.Authenticator
	switch {
	case brokenID(auth.ID):
		return "ID"
	case auth.Name != "" && CheckName(auth.Name) != nil:
		return "name"
	case !reflect.DeepEqual(auth, Authenticator{ID: auth.ID, Name: auth.Name, Key: auth.Key, Created: auth.Created}):
		return "of an app"
	}
	return ""
}

func brokenID(id string) bool { return id == "" || len(id) > text.MaxName }

// brokenActivity is broken for the activity, whose entries count upwards.
func (a Account) brokenActivity() string {
	if len(a.Activity) > mostActivity || a.LookedAt < 0 || a.LookedAt > a.Noted {
		return "activity"
	}
	last := int64(0)
	for _, e := range a.Activity {
		if e.Number <= last || e.Number > a.Noted || e.Count < 0 || e.First < 0 {
			return "entry of the activity"
		}
		last = e.Number
	}
	return ""
}

// showsEight reports whether an authenticator, or the pending one, has codes of eight digits: then no recovery code has.
func (a Account) showsEight() bool {
	return slices.ContainsFunc(a.Authenticators, Authenticator.showsEight) || a.Pending != nil && a.Pending.Authenticator.showsEight()
}

func (a Authenticator) broken() string {
	switch {
	case brokenID(a.ID):
		return "ID"
	case CheckName(a.Name) != nil:
		return "name"
	case len(a.Sealed) == 0:
		return "secret"
	case a.Algorithm > totp.SHA512 || a.Digits != 6 && a.Digits != 8:
		return "parameters"
	case a.Last < 0 || a.Base < -resyncReach || a.Base > resyncReach || a.Steps.broken():
		return "counter"
	}
	return ""
}

func (s *RecoverySet) broken() bool {
	if s == nil {
		return false
	}
	if s.ID == "" || len(s.Slots) == 0 || len(s.Slots) > maxSlots || s.Tags.broken() || s.Imported && s.Tags != nil {
		return true
	}
	var selectors [256]bool
	for _, slot := range s.Slots {
		if slot.broken(s.Tags) || slot.Tags != nil || selectors[slot.Selector[0]] ||
			slot.Digits != 0 && (slot.Digits != eightDigits || !s.Imported) {
			return true
		}
		selectors[slot.Selector[0]] = true
	}
	return false
}

// broken reports whether a place cannot be as it is, with its tag under tags.
func (s Slot) broken(tags *Tags) bool {
	return len(s.Selector) != 1 || (s.Hash == "") == (s.Used == 0) || s.Hash.broken() || s.brokenTag(tags)
}

func (r *Reset) broken() bool {
	return r != nil && (r.Code.Tags.broken() || r.Code.broken(r.Code.Tags) || r.Life < 0 || r.Life > int64(MaxImportLife/time.Second))
}
