package tokens

import (
	"cmp"
	"crypto/subtle"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// record is everything that is kept of one access token but its usage. Moments are Unix seconds, 0
// for never.
type record struct {
	ID      string // separate columns
	Account string

	Kind      Kind
	Name      string
	Scopes    Scopes
	Resources *[]string // nil: not restricted; empty: none
	Networks  *[]string

	Digest     []byte      // of the present generation
	Generation int         // how often it was rotated
	Old        []oldDigest // of those before it that were in their grace, the latest first
	Lines      [][]byte    // of all generations, the present one first: see Parsed.Line

	Created   int64
	NotBefore int64
	Expires   int64
	Revoked   int64
	Lifetime  int64     // seconds, from the last minting, rotation or renewal on
	Warned    int       // days before its end for which it was told that it ends
	Epoch     int64     // the account's token epoch at the minting
	Birth     int64     // see birth; 0: as Epoch
	How       core.Kind // what proof its owner had, the weakest that the secret rests on
	AMR       string    // by what method
	ProofAt   int64     // when
	Vouched   int64     // when its owner last minted, rotated or renewed it
	Operator  string    // who did so in the place of an owner, of a service account's token

	NeedsFactor   bool // it works only while its owner has a second factor
	RotatesItself bool

	Ancestry core.Ancestry // as of an account
}

// oldDigest is that of a rotated generation, which works until its grace ends.
type oldDigest struct {
	Digest []byte
	Until  int64
	Told   bool // that it was presented to be rotated
}

const (
	maxOld   = 8  // rotated generations that work at a time
	maxLines = 32 // an owner's rotation begins another one
	linePart = 16 // bytes of a line's digest
)

// standing says whether a token is good, or why not.
type standing uint8

const (
	foreign        standing = iota // the zero value: the secret is another
	good                           // works
	inGrace                        // works, and was rotated
	revoked                        // itself or with all tokens of the account
	ownerSuspended                 // the account is suspended
	lacksFactor                    // its owner's second factor is off
	lacksProof                     // its owner's second factor is on, and it was made without
	notYet                         // before its time
	expired
	elsewhere // from an address that it is not for
	reusedOld // rotated, and its grace is over: this comes before all but a revocation
)

// copyKind says which of a token's copies was presented.
type copyKind uint8

const (
	noCopy      copyKind = iota // the zero value: the secret is another
	presentCopy                 //
	graceCopy                   // rotated, and works
	oldCopy                     // rotated, and its grace is over
)

// birth returns core.Account.Birth of the account that is told of the token.
func (t record) birth() int64 { return cmp.Or(t.Birth, t.Epoch) }

// terms decide whether a token works by itself: they do not depend on who presents it from where. None is secret.
type terms struct {
	revoked                             int64
	epoch, notBefore, expires, lifetime int64
	needsFactor, secondFactor           bool
}

func (t record) terms() terms {
	return terms{
		revoked: t.Revoked, epoch: t.Epoch, notBefore: t.NotBefore, expires: t.Expires, lifetime: t.Lifetime,
		needsFactor: t.NeedsFactor, secondFactor: t.How == core.SecondFactor,
	}
}

// stands returns the standing of a token by itself.
func (t record) stands(owner storage.AccountIndex, now env) standing {
	return t.terms().stand(owner, now)
}

func (t terms) stand(owner storage.AccountIndex, now env) standing {
	switch at := now.unix(); {
	case t.revoked != 0 || t.epoch != owner.TokenEpoch:
		return revoked
	case owner.Suspended:
		return ownerSuspended
	case at >= t.expires || t.expires > now.latest(t.lifetime+int64(core.ClockBack/time.Second)):
		return expired // or was minted by a clock that ran ahead: it would work for longer than it may
	case t.needsFactor && owner.Authenticators+owner.Passkeys == 0:
		return lacksFactor
	case now.secondFactorOnly && !t.secondFactor && owner.Authenticators+owner.Passkeys > 0:
		return lacksProof
	case at < t.notBefore:
		return notYet
	}
	return good
}

// presented returns the standing of a token as it was presented from an address; the zero Addr is an unknown one. That
// an old copy is out comes before every other reason to deny it: it is a theft as well if the thief comes from
// elsewhere, or while the account is suspended. A token that is revoked is of no use to anybody, so there it is no
// news.
func (t record) presented(p Parsed, from netip.Addr, owner storage.AccountIndex, now env) standing {
	c, _ := t.which(p, now)
	stands := t.stands(owner, now)
	switch {
	case c == noCopy:
		return foreign
	case stands == revoked:
		return stands
	case c == oldCopy:
		return reusedOld
	case stands != good:
		return stands
	case !t.networkLimit().Has(from):
		return elsewhere
	case c == graceCopy:
		return inGrace
	}
	return good
}

// which returns which copy of the token was presented, and until when a rotated one works. Somebody who knows the line
// of a token was given a copy of it, though its digest may no longer be kept.
func (t record) which(p Parsed, now env) (c copyKind, until int64) {
	if p.ID != t.ID || p.Kind != t.Kind {
		return noCopy, 0
	}
	if p.Digest.Equal(t.Digest) {
		return presentCopy, 0
	}
	if i := t.old(p); i >= 0 && now.unix() < t.Old[i].Until {
		return graceCopy, t.Old[i].Until
	} else if i >= 0 {
		return oldCopy, 0
	}
	for _, line := range t.Lines {
		if subtle.ConstantTimeCompare(line, lineOf(p)) == 1 {
			return oldCopy, 0
		}
	}
	return noCopy, 0
}

// old returns the index of a rotated generation, or -1.
func (t record) old(p Parsed) int {
	return slices.IndexFunc(t.Old, func(old oldDigest) bool { return p.Digest.Equal(old.Digest) })
}

func lineOf(p Parsed) []byte { return p.Line[:linePart] }

// resourceLimit returns the restriction to resources. One that cannot be read allows none.
func (t record) resourceLimit() Resources {
	if t.Resources == nil {
		return Resources{}
	}
	r, err := OnlyResources(*t.Resources...)
	if err != nil {
		r, _ = OnlyResources()
	}
	return r
}

// networkLimit returns the restriction to networks. One that cannot be read allows none.
func (t record) networkLimit() Networks {
	if t.Networks == nil {
		return Networks{}
	}
	n, err := OnlyNetworks(*t.Networks...)
	if err != nil {
		n, _ = OnlyNetworks()
	}
	return n
}

// index returns the columns of a token besides its data.
func (t record) index() storage.TokenIndex {
	return storage.TokenIndex{Expires: core.Time(t.Expires), Revoked: t.Revoked != 0, Scopes: t.Scopes.String(), Epoch: t.Epoch}
}

// broken names the part of a token that cannot be as it is, "" for none. What has a length or a greatest number is not read
// with another one: see code.
func (t record) broken() string {
	switch {
	case t.Kind.Check() != nil || core.CheckName(t.Name) != nil:
		return "kind or name"
	case t.Generation < 0:
		return "generation"
	case len(t.Lines) == 0:
		return "lines"
	case t.brokenProof():
		return "proof"
	case t.Epoch == 0 || t.Created == 0 || t.Expires == 0 || t.Vouched == 0 || t.ProofAt == 0 || t.Lifetime <= 0 ||
		t.Lifetime > int64(MaxLifetime/time.Second):
		return "times"
	}
	if slices.ContainsFunc(t.Old, func(old oldDigest) bool { return old.Until == 0 }) {
		return "old digests"
	}
	return t.brokenLimits()
}

// brokenProof reports whether a token cannot rest on what it says. One of a service account never needs the second factor
// that such an account cannot have.
func (t record) brokenProof() bool {
	switch t.How {
	case core.Vouched, core.SecondFactor:
		return t.Operator != ""
	case core.OperatorsWord:
		return core.CheckName(t.Operator) != nil || t.NeedsFactor
	}
	return true
}

// brokenLimits is broken for the scopes and the restrictions.
func (t record) brokenLimits() string {
	if brokenScopes(t.Scopes) {
		return "scopes"
	}
	if t.Resources != nil {
		if _, err := OnlyResources(*t.Resources...); err != nil {
			return "resources"
		}
	}
	if t.Networks != nil {
		if _, err := OnlyNetworks(*t.Networks...); err != nil {
			return "networks"
		}
	}
	return ""
}
