package core

import (
	"crypto/subtle"
	"encoding/hex"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
)

const (
	maxBrowsers = 10 // that are kept; the one whose last second step is the furthest back makes room

	// BrowserLife is for how long after its last second step a browser is known.
	BrowserLife = 90 * 24 * time.Hour
)

// Browser is one in which a second step was completed. It proves nothing: what it is for is a notice at a sign-in from
// another one, and its own share of the failures in a row, see shares.
type Browser struct {
	Digest string // of its secret and the account, DigestSize bytes: accounts cannot be linked by it
	Since  int64  // when it became known
	Used   int64  // its last second step
	Client Client // of that
}

// ID is a name for the browser that is no secret.
func (b Browser) ID() string { return hex.EncodeToString([]byte(b.Digest)) }

// known reports whether the browser's last second step was in the last ninety days. One that lies over an hour ahead was
// noted by a clock that had run ahead: the browser is not known before its next, as nobody could say for how long.
func (b Browser) known(env Env) bool {
	return !b.over(env) && b.Used <= env.latest(int64(ClockBack/time.Second))
}

// over reports whether the ninety days are over.
func (b Browser) over(env Env) bool { return b.Used <= env.unix()-int64(BrowserLife/time.Second) }

// Is reports whether one of some digests, one after the other, is the browser's: what a browser keeps serves several
// accounts, each of which knows it by a secret of its own.
func (b Browser) Is(digests []byte) bool {
	is := false
	for d := range slices.Chunk(digests, DigestSize) {
		is = subtle.ConstantTimeCompare([]byte(b.Digest), d) == 1 || is
	}
	return is
}

// browser returns the index of the first browser that is known of some digests, or -1.
func (a Account) browser(digests []byte, env Env) int {
	return slices.IndexFunc(a.Browsers, func(b Browser) bool { return b.known(env) && b.Is(digests) })
}

// Knows reports whether a browser of some digests is known. None is known by no digest.
func (a Account) Knows(digests []byte, env Env) bool { return a.browser(digests, env) >= 0 }

// knowsAny reports whether any browser is known.
func (a Account) knowsAny(env Env) bool {
	return slices.ContainsFunc(a.Browsers, func(b Browser) bool { return b.known(env) })
}

// KnownBrowsers returns the browsers that are known, the one whose last second step is the latest first.
func (a Account) KnownBrowsers(env Env) (known []Browser) {
	for _, b := range slices.Backward(a.Browsers) {
		if b.known(env) {
			known = append(known, b)
		}
	}
	return known
}

// seen notes that a second step was completed in a browser. A sign-in makes one known that was not, under the digest of a
// new secret, and the owner is told: a copy of the one before stays worthless, whatever has ended it. A step-up makes none
// known.
func (a *Account) seen(digests, fresh []byte, signIn bool, env Env) (met bool) {
	if i := a.browser(digests, env); i >= 0 {
		b := a.Browsers[i]
		b.Used, b.Client = env.unix(), env.Client
		a.Browsers = append(slices.Delete(a.Browsers, i, i+1), b)
		return false
	}
	if !signIn || !a.meet(fresh, env) {
		return false
	}
	a.note(env, Event{Kind: event.NewBrowser})
	return true
}

// meet makes a browser known under the digest of a new secret, nil for none.
func (a *Account) meet(fresh []byte, env Env) bool {
	if len(fresh) == 0 {
		return false
	}
	a.forgetBrowsers(func(b Browser) bool { return b.Is(fresh) }) // no secret of ours is new twice
	a.Browsers = append(a.Browsers, Browser{Digest: string(fresh), Since: env.unix(), Used: env.unix(), Client: env.Client})
	a.Browsers = a.Browsers[max(len(a.Browsers)-maxBrowsers, 0):]
	return true
}

// forgetBrowsers forgets the browsers for which is reports true.
func (a *Account) forgetBrowsers(is func(Browser) bool) {
	if a.Browsers = slices.DeleteFunc(a.Browsers, is); len(a.Browsers) == 0 {
		a.Browsers = nil
	}
}

// ForgetBrowser forgets the browser of an ID, or with "" every one. One that is not there is no error: it is forgotten.
func (a Account) ForgetBrowser(id string) Account {
	a = a.clone()
	a.forgetBrowsers(func(b Browser) bool { return id == "" || b.ID() == id })
	return a
}

// brokenBrowsers is broken for the browsers.
func (a Account) brokenBrowsers() string {
	for i, b := range a.Browsers {
		first := slices.IndexFunc(a.Browsers, func(other Browser) bool { return other.Digest == b.Digest })
		if len(b.Digest) != DigestSize || first != i || a.Absent() {
			return "browser"
		}
	}
	return ""
}
