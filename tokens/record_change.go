package tokens

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
)

// authority is what a change of a token rests on: the proof of its owner, or an operator's word for a service account.
type authority struct {
	core.Presented       // of core.OperatorsWord: the account and the moment
	word           *word // nil: a proof
}

// word is an operator's.
type word struct {
	by      core.By
	service core.Account // as it was loaded first
	birth   int64        // of its owner, once that is saved
}

// operator returns who gives their word, "" where an owner has a proof.
func (p authority) operator() string {
	if p.word == nil {
		return ""
	}
	return p.word.by.Operator
}

// birth returns that of the account that is told of a token of this one.
func (p authority) birth(a core.Account) int64 {
	if p.word == nil {
		return a.Birth()
	}
	return p.word.birth
}

// mint returns a new token of an account whose save the authority has passed.
func mint(a core.Account, p authority, r Request, secret Parsed, now env) (record, error) {
	t := record{
		ID: secret.ID, Account: a.ID, Kind: r.Kind, Name: r.Name, Scopes: r.Scopes, Digest: secret.Digest[:],
		Lines: [][]byte{lineOf(secret)}, Created: now.unix(), Epoch: a.TokenEpoch, RotatesItself: r.RotatesItself,
	}
	if birth := p.birth(a); birth != t.Epoch {
		t.Birth = birth
	}
	t.rest(p, now)
	t.live(r.Lifetime, now)
	if ids, restricted := r.Resources.Only(); restricted {
		t.Resources = ptr(ids)
	}
	if cidrs, restricted := r.Networks.Only(); restricted {
		t.Networks = ptr(cidrs)
	}
	if !r.NotBefore.IsZero() {
		t.NotBefore = r.NotBefore.Unix()
	}
	if t.NotBefore >= t.Expires || t.NotBefore < 0 {
		return record{}, fmt.Errorf("%w: a token that begins after its end", core.ErrInvalid)
	}
	return t, nil
}

// ptr returns a restriction as it is kept; an empty one is not nil.
func ptr(list []string) *[]string {
	if list == nil {
		list = []string{}
	}
	return &list
}

// canRotate returns nil if the token can have a successor: it works, or may later.
func (t record) canRotate(owner storage.AccountIndex, now env) error {
	switch t.stands(owner, now) {
	case good, notYet, lacksFactor, lacksProof:
		return nil
	case expired:
		return fmt.Errorf("%w: the token has expired; it can be renewed", core.ErrPrecondition)
	}
	return fmt.Errorf("%w: the token is revoked, or its account suspended", core.ErrPrecondition)
}

// successor is the next secret of a token.
type successor struct {
	Secret      Parsed
	Life, Grace time.Duration
	By          *authority    // nil: it rotates itself
	Unattended  time.Duration // how long it can do that before its owner is asked again
}

// rotate replaces the present secret by another one. The present one goes on working for a grace, but never longer than
// it would have, and no older one outlives it. A token that rotates itself has an end that only its owner moves.
func (t record) rotate(s successor, owner storage.AccountIndex, now env) (record, error) {
	if err := t.canRotate(owner, now); err != nil {
		return t, err
	}
	at := now.unix()
	until := min(at+int64(s.Grace/time.Second), t.Expires)
	old := []oldDigest{{Digest: t.Digest, Until: until}}
	for _, older := range t.Old {
		older.Until = min(older.Until, until)
		old = append(old, older)
	}
	old = slices.DeleteFunc(old, func(x oldDigest) bool { return x.Until <= at })
	if len(old) > maxOld { // dropping one would hide its reuse
		return t, fmt.Errorf("%w: %d rotated copies of the token still work; it can be rotated without a grace", core.ErrPrecondition, maxOld)
	}
	t.Old, t.Digest = old, s.Secret.Digest[:]
	if !bytes.Equal(t.Lines[0], lineOf(s.Secret)) {
		t.Lines = append([][]byte{lineOf(s.Secret)}, t.Lines[:min(len(t.Lines), maxLines-1)]...)
	}
	t.Generation++
	t.live(s.Life, now)
	if s.By != nil {
		t.rest(*s.By, now)
	} else if t.Expires = min(t.Expires, t.attended(s.Unattended)); t.Expires <= at {
		return t, fmt.Errorf("%w: the token has rotated itself for as long as it may; its owner can rotate it", core.ErrPrecondition)
	}
	if t.NotBefore >= t.Expires {
		return t, fmt.Errorf("%w: a token that begins after its end", core.ErrInvalid)
	}
	return t, nil
}

// rest notes on which proof of its owner, or whose word, the present secret rests. One that was shown to the second
// factor needs that from then on.
func (t *record) rest(p authority, now env) {
	t.How, t.AMR, t.ProofAt, t.Vouched, t.Operator = p.Kind, p.Method, p.At, now.unix(), p.operator()
	t.NeedsFactor = t.NeedsFactor || p.Kind == core.SecondFactor
}

// attended returns until when a token can rotate itself.
func (t record) attended(unattended time.Duration) int64 {
	return t.Vouched + int64(unattended/time.Second)
}

// rotatesUntil returns until when a token can rotate itself, 0 if it cannot.
func (t record) rotatesUntil(unattended time.Duration) int64 {
	if !t.RotatesItself {
		return 0
	}
	return t.attended(unattended)
}

// contest notes that a copy in its grace was presented to be rotated, and reports whether that is news.
func (t record) contest(p Parsed) (next record, news bool) {
	i := t.old(p)
	if i < 0 || t.Old[i].Told {
		return t, false
	}
	t.Old = slices.Clone(t.Old)
	t.Old[i].Told = true
	return t, true
}

func (t *record) live(life time.Duration, now env) {
	t.Lifetime = int64(life / time.Second)
	t.Expires, t.Warned = now.unix()+t.Lifetime, 0
}

// renew has an expired token work again, with the secret that it had. Rotated ones stay ended. A proof that is stronger
// than the one to which the secret was shown makes the secret no better, and a weaker one makes it worse.
func (t record) renew(p authority, life time.Duration, owner storage.AccountIndex, now env) (record, error) {
	switch t.stands(owner, now) {
	case expired:
	case revoked, ownerSuspended:
		return t, fmt.Errorf("%w: the token is revoked, or its account suspended", core.ErrPrecondition)
	default:
		return t, fmt.Errorf("%w: the token has not expired", core.ErrPrecondition)
	}
	t.Old = slices.Clone(t.Old)
	for i := range t.Old {
		t.Old[i].Until = min(t.Old[i].Until, now.unix()) // later ones are of a clock that ran ahead
	}
	t.live(life, now)
	if t.Vouched = now.unix(); p.Kind != core.SecondFactor {
		t.How, t.AMR, t.ProofAt, t.Operator = p.Kind, p.Method, p.At, p.operator()
	}
	return t, nil
}

// revoke ends the token for good.
func (t record) revoke(now env) record {
	if t.Revoked == 0 {
		t.Revoked = now.unix()
	}
	return t
}

// warn returns the token with the days before its end of which its owner must be told now, 0 for none: 14, 7 and 1
// days, each once, and none that is as long as its life.
func (t record) warn(owner storage.AccountIndex, now env) (next record, days int) {
	if s := t.stands(owner, now); s != good && s != notYet && s != lacksFactor && s != lacksProof {
		return t, 0
	}
	const day = 24 * 60 * 60
	for _, d := range []int{1, 7, 14} {
		if at := int64(d) * day; t.Expires-now.unix() <= at && t.Lifetime > at {
			if t.Warned != 0 && t.Warned <= d {
				return t, 0
			}
			t.Warned = d
			return t, d
		}
	}
	return t, 0
}

// mayWarn reports whether the token is so near its end that warn may have to tell it.
func (t record) mayWarn(now env) bool {
	left := t.Expires - now.unix()
	return t.Revoked == 0 && left > 0 && left <= 14*24*60*60
}

// done reports whether the token is of no more use since before a moment: revoked or expired.
func (t record) done(before int64) bool {
	return t.Revoked != 0 && t.Revoked < before || t.Expires < before
}
