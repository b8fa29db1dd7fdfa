package core

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// TokenChange is what an account has to say to something done to one of its tokens.
type TokenChange struct {
	Kind   event.Kind // TokenMinted, TokenRotated, TokenRenewed or TokenRevoked
	Token  string
	Name   string
	StepUp bool // only a proof of the second factor is enough
	Daily  int  // of TokenMinted: how many tokens an account may mint in a day
}

// ChangeToken notes in the account what the owner does to a token, if the proof is enough. The token
// is saved after the account, so the proof was good in a save that came before the token's. What is
// to be told of it is told once the token is saved.
func (a Account) ChangeToken(p Presented, c TokenChange, env Env) (Account, Event, error) {
	act := mintToken
	if c.Kind == event.TokenRevoked {
		act = revokeToken
	}
	if err := a.authorize(p, act, env); err != nil {
		return a, Event{}, err
	}
	if c.StepUp && p.Kind != SecondFactor {
		return a, Event{}, fmt.Errorf("%w: a scope asks for the second factor", ErrStepUpRequired)
	}
	a = a.clone()
	if c.Kind == event.TokenMinted {
		// A day that is another than today counts for nothing, one in the future of a clock that ran ahead included.
		if today := env.unix() / day; a.Minted[0] != today {
			a.Minted = DayCount{today, 0}
		}
		if a.Minted[1] >= int64(c.Daily) {
			return a, Event{}, fmt.Errorf("%w: %d tokens were minted today, as many as may be in a day", ErrState, a.Minted[1])
		}
		a.Minted[1]++
	}
	e := Event{Kind: c.Kind, At: env.unix(), Token: c.Token, Name: c.Name}
	a.keep(e)
	return a, e, nil
}

// RevokeTokens ends all tokens of the account.
func (a Account) RevokeTokens(p Presented, env Env) (Account, error) {
	if err := a.authorize(p, revokeToken, env); err != nil {
		return a, err
	}
	return a.revokeTokens(Event{}, env), nil
}

// RevokeTokensBy is RevokeTokens by an operator. An account without a record has no tokens.
func (a Account) RevokeTokensBy(by By, env Env) Account {
	if a.Epoch == 0 {
		return a
	}
	return a.revokeTokens(by.event(event.TokensRevoked), env)
}

func (a Account) revokeTokens(e Event, env Env) Account {
	a = a.clone()
	a.TokenEpoch = env.Fresh
	e.Kind = event.TokensRevoked
	a.note(env, e)
	return a
}

// Mint returns a new token of an account whose save the proof has passed.
func (a Account) Mint(p Presented, r tokens.Request, secret tokens.Parsed, env Env) (Token, error) {
	t := Token{
		ID: secret.ID, Account: a.ID, Kind: r.Kind, Name: r.Name, Scopes: r.Scopes, Digest: secret.Digest[:],
		Lines: [][]byte{lineOf(secret)}, Created: env.unix(), Epoch: a.TokenEpoch, RotatesItself: r.RotatesItself,
	}
	t.rest(p, env)
	t.live(r.Lifetime, env)
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
		return Token{}, fmt.Errorf("%w: a token that begins after its end", ErrInvalid)
	}
	return t, nil
}

// ptr returns a restriction as it is kept; an empty one is [], not null.
func ptr(list []string) *[]string {
	if list == nil {
		list = []string{}
	}
	return &list
}

// CanRotate returns nil if the token can have a successor: it stands, or will.
func (t Token) CanRotate(owner storage.AccountIndex, env Env) error {
	switch t.Stands(owner, env) {
	case Good, NotYet, LacksFactor, LacksProof:
		return nil
	case HasExpired:
		return fmt.Errorf("%w: the token has expired; it can be renewed", ErrState)
	}
	return fmt.Errorf("%w: the token is revoked, or its account suspended", ErrState)
}

// Successor is what takes the place of a token's secret.
type Successor struct {
	Secret      tokens.Parsed
	Life, Grace time.Duration
	By          *Presented    // the owner's proof; nil: it rotates itself
	Unattended  time.Duration // how long it can do that before its owner is asked again
}

// Rotate puts another secret in the place of the present one, which goes on working for a grace, yet
// never longer than it would have. No older one outlives it. One that rotates itself has an end that only its
// owner moves.
func (t Token) Rotate(s Successor, owner storage.AccountIndex, env Env) (Token, error) {
	if err := t.CanRotate(owner, env); err != nil {
		return t, err
	}
	now := env.unix()
	until := min(now+int64(s.Grace/time.Second), t.Expires)
	old := []OldDigest{{Digest: t.Digest, Until: until}}
	for _, older := range t.Old {
		older.Until = min(older.Until, until)
		old = append(old, older)
	}
	old = slices.DeleteFunc(old, func(x OldDigest) bool { return x.Until <= now })
	if len(old) > maxOld { // dropping one would hide its reuse
		return t, fmt.Errorf("%w: %d rotated copies of the token still work; it can be rotated without a grace", ErrState, maxOld)
	}
	t.Old, t.Digest = old, s.Secret.Digest[:]
	if !bytes.Equal(t.Lines[0], lineOf(s.Secret)) {
		t.Lines = append([][]byte{lineOf(s.Secret)}, t.Lines[:min(len(t.Lines), maxLines-1)]...)
	}
	t.Generation++
	t.live(s.Life, env)
	if s.By != nil {
		t.rest(*s.By, env)
	} else if t.Expires = min(t.Expires, t.attended(s.Unattended)); t.Expires <= now {
		return t, fmt.Errorf("%w: the token has rotated itself for as long as it may; its owner can rotate it", ErrState)
	}
	if t.NotBefore >= t.Expires {
		return t, fmt.Errorf("%w: a token that begins after its end", ErrInvalid)
	}
	return t, nil
}

// rest notes on which proof of its owner the present secret rests. One that was shown to the second factor needs
// that from then on.
func (t *Token) rest(p Presented, env Env) {
	t.How, t.AMR, t.ProofAt, t.Vouched = p.Kind, p.Method, p.At, env.unix()
	t.NeedsFactor = t.NeedsFactor || p.Kind == SecondFactor
}

// attended returns until when a token can rotate itself.
func (t Token) attended(unattended time.Duration) int64 {
	return t.Vouched + int64(unattended/time.Second)
}

// RotatesUntil returns until when a token can rotate itself, 0 if it cannot.
func (t Token) RotatesUntil(unattended time.Duration) int64 {
	if !t.RotatesItself {
		return 0
	}
	return t.attended(unattended)
}

// Contest notes that a copy in its grace was presented to be rotated, and reports whether that is news.
func (t Token) Contest(p tokens.Parsed) (next Token, news bool) {
	i := t.old(p)
	if i < 0 || t.Old[i].Told {
		return t, false
	}
	t.Old = slices.Clone(t.Old)
	t.Old[i].Told = true
	return t, true
}

func (t *Token) live(life time.Duration, env Env) {
	t.Lifetime = int64(life / time.Second)
	t.Expires, t.Warned = env.unix()+t.Lifetime, 0
}

// Renew has an expired token work again, with the secret that it had. Rotated ones stay ended. A stronger proof
// than that to which the secret was shown makes no better secret of it, and a weaker one a worse.
func (t Token) Renew(p Presented, life time.Duration, owner storage.AccountIndex, env Env) (Token, error) {
	switch t.Stands(owner, env) {
	case HasExpired:
	case WasRevoked, OwnerBlocked:
		return t, fmt.Errorf("%w: the token is revoked, or its account suspended", ErrState)
	default:
		return t, fmt.Errorf("%w: the token has not expired", ErrState)
	}
	t.Old = slices.Clone(t.Old)
	for i := range t.Old {
		t.Old[i].Until = min(t.Old[i].Until, env.unix()) // later ones are of a clock that ran ahead
	}
	t.live(life, env)
	if t.Vouched = env.unix(); p.Kind != SecondFactor {
		t.How, t.AMR, t.ProofAt = p.Kind, p.Method, p.At
	}
	return t, nil
}

// Revoke ends the token for good.
func (t Token) Revoke(env Env) Token {
	if t.Revoked == 0 {
		t.Revoked = env.unix()
	}
	return t
}

// Warn returns the token with the days for which it is to be told now that it ends, 0 for none: at 14,
// 7 and 1 days before its end, each once, and none that is as long as its life.
func (t Token) Warn(owner storage.AccountIndex, env Env) (next Token, days int) {
	if s := t.Stands(owner, env); s != Good && s != NotYet && s != LacksFactor && s != LacksProof {
		return t, 0
	}
	const day = 24 * 60 * 60
	for _, d := range []int{1, 7, 14} {
		if at := int64(d) * day; t.Expires-env.unix() <= at && t.Lifetime > at {
			if t.Warned != 0 && t.Warned <= d {
				return t, 0
			}
			t.Warned = d
			return t, d
		}
	}
	return t, 0
}

// MayWarn reports whether the token is so near its end that Warn may have to tell it.
func (t Token) MayWarn(env Env) bool {
	left := t.Expires - env.unix()
	return t.Revoked == 0 && left > 0 && left <= 14*24*60*60
}

// Done reports whether the token is of no more use since before a moment: revoked or expired.
func (t Token) Done(before int64) bool {
	return t.Revoked != 0 && t.Revoked < before || t.Expires < before
}
