package core

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/netip"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// Token is everything that is kept of one access token but its usage. Moments are Unix seconds, 0
// for never.
type Token struct {
	ID      string // columns of their own
	Account string

	Kind      tokens.Kind
	Name      string
	Scopes    tokens.Scopes
	Resources *[]string // nil: not restricted; empty: none
	Networks  *[]string

	Digest     []byte      // of the present generation
	Generation int         // how often it was rotated
	Old        []OldDigest // of those before it that were in their grace, the latest first
	Lines      [][]byte    // of all generations, the present one first: see tokens.Parsed.Line

	Created   int64
	NotBefore int64
	Expires   int64
	Revoked   int64
	Lifetime  int64  // seconds, from the last minting, rotation or renewal on
	Warned    int    // days before its end for which it was told that it ends
	Epoch     int64  // the account's token epoch at the minting
	How       Kind   // what proof its owner had, the weakest that the secret rests on
	AMR       string // by what method
	ProofAt   int64  // when
	Vouched   int64  // when its owner last minted, rotated or renewed it

	NeedsFactor   bool // it works only while its owner has a second factor
	RotatesItself bool

	Ancestry Ancestry // as of an account
}

// OldDigest is that of a rotated generation, which works until its grace ends.
type OldDigest struct {
	Digest []byte
	Until  int64
	Told   bool // that it was presented to be rotated
}

const (
	maxOld   = 8  // rotated generations that work at a time
	maxLines = 32 // an owner's rotation begins another one
	lineSize = 16 // bytes of a line's digest
)

// Standing says whether a token is good, or what keeps it from that.
type Standing uint8

const (
	Unproven     Standing = iota // the zero value: the secret is another
	Good                         // works
	InGrace                      // works, and was rotated
	WasRevoked                   // itself or with all tokens of the account
	OwnerBlocked                 // the account is suspended
	LacksFactor                  // its owner's second factor is off
	LacksProof                   // its owner's second factor is on, and it was made without
	NotYet                       // before its time
	HasExpired
	ElsewhereUsed // from an address that it is not for
	ReusedOld     // rotated, and its grace is over: whatever else there is
)

// Copy says which of a token's copies was presented.
type Copy uint8

const (
	NoCopy      Copy = iota // the zero value: the secret is another
	PresentCopy             //
	GraceCopy               // rotated, and works
	OldCopy                 // rotated, and its grace is over
)

// Stands returns the standing of a token by itself, whoever presents it from wherever.
func (t Token) Stands(owner storage.AccountIndex, env Env) Standing {
	switch now := env.unix(); {
	case t.Revoked != 0 || t.Epoch != owner.TokenEpoch:
		return WasRevoked
	case owner.Suspended:
		return OwnerBlocked
	case now >= t.Expires || t.Expires > env.latest(t.Lifetime+int64(clockBack/time.Second)):
		return HasExpired // or was minted by a clock that ran ahead: it would work for longer than it may
	case t.NeedsFactor && owner.Authenticators == 0:
		return LacksFactor
	case env.SecondFactorOnly && t.How != SecondFactor && owner.Authenticators > 0:
		return LacksProof
	case now < t.NotBefore:
		return NotYet
	}
	return Good
}

// Presented returns the standing of a token as it was presented from an address, the zero Addr being
// an unknown one. That an old copy is out is found before anything that denies it for another reason: a thief
// who comes from elsewhere, or while the account is suspended, is one all the same. Of a token that is revoked
// nobody has anything, so there it is no news.
func (t Token) Presented(p tokens.Parsed, from netip.Addr, owner storage.AccountIndex, env Env) Standing {
	c, _ := t.Copy(p, env)
	stands := t.Stands(owner, env)
	switch {
	case c == NoCopy:
		return Unproven
	case stands == WasRevoked:
		return stands
	case c == OldCopy:
		return ReusedOld
	case stands != Good:
		return stands
	case !t.NetworkLimit().Has(from):
		return ElsewhereUsed
	case c == GraceCopy:
		return InGrace
	}
	return Good
}

// Copy returns which copy of the token was presented, and until when a rotated one works. Whoever knows the line
// of a token was given a copy of it, though no digest of that one may be kept.
func (t Token) Copy(p tokens.Parsed, env Env) (c Copy, until int64) {
	if p.ID != t.ID || p.Kind != t.Kind {
		return NoCopy, 0
	}
	if p.Digest.Equal(t.Digest) {
		return PresentCopy, 0
	}
	if i := t.old(p); i >= 0 && env.unix() < t.Old[i].Until {
		return GraceCopy, t.Old[i].Until
	} else if i >= 0 {
		return OldCopy, 0
	}
	for _, line := range t.Lines {
		if subtle.ConstantTimeCompare(line, lineOf(p)) == 1 {
			return OldCopy, 0
		}
	}
	return NoCopy, 0
}

// old returns the index of a rotated generation, or -1.
func (t Token) old(p tokens.Parsed) int {
	return slices.IndexFunc(t.Old, func(old OldDigest) bool { return p.Digest.Equal(old.Digest) })
}

func lineOf(p tokens.Parsed) []byte { return p.Line[:lineSize] }

// ResourceLimit returns the restriction to resources. What cannot be read restricts to none.
func (t Token) ResourceLimit() tokens.Resources {
	if t.Resources == nil {
		return tokens.Resources{}
	}
	r, err := tokens.OnlyResources(*t.Resources...)
	if err != nil {
		r, _ = tokens.OnlyResources()
	}
	return r
}

// NetworkLimit returns the restriction to networks. What cannot be read restricts to none.
func (t Token) NetworkLimit() tokens.Networks {
	if t.Networks == nil {
		return tokens.Networks{}
	}
	n, err := tokens.OnlyNetworks(*t.Networks...)
	if err != nil {
		n, _ = tokens.OnlyNetworks()
	}
	return n
}

// Index returns what the store keeps beside the data.
func (t Token) Index() storage.TokenIndex {
	return storage.TokenIndex{Expires: Time(t.Expires), Revoked: t.Revoked != 0, Scopes: t.Scopes.String(), Epoch: t.Epoch}
}

// broken names what cannot be in a token, "" for nothing.
func (t Token) broken() string {
	switch {
	case t.Kind.Check() != nil || CheckName(t.Name) != nil:
		return "kind or name"
	case len(t.Digest) != sha256.Size || len(t.Old) > maxOld || t.Generation < 0:
		return "digests"
	case len(t.Lines) == 0 || len(t.Lines) > maxLines:
		return "lines"
	case t.How != Attested && t.How != SecondFactor:
		return "proof"
	case t.Ancestry.broken():
		return "ancestry"
	case t.Epoch == 0 || t.Created == 0 || t.Expires == 0 || t.Vouched == 0 || t.ProofAt == 0 || t.Lifetime <= 0 ||
		t.Lifetime > int64(tokens.MaxLifetime/time.Second):
		return "times"
	}
	if brokenScopes(t.Scopes) {
		return "scopes"
	}
	for _, old := range t.Old {
		if len(old.Digest) != sha256.Size || old.Until == 0 {
			return "old digests"
		}
	}
	for _, line := range t.Lines {
		if len(line) != lineSize {
			return "lines"
		}
	}
	if t.Resources != nil {
		if _, err := tokens.OnlyResources(*t.Resources...); err != nil {
			return "resources"
		}
	}
	if t.Networks != nil {
		if _, err := tokens.OnlyNetworks(*t.Networks...); err != nil {
			return "networks"
		}
	}
	return ""
}
