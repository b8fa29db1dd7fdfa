package core

import (
	"fmt"

	"github.com/gatehouse-go/gatehouse/event"
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
	return a.changeToken(c, Event{Kind: c.Kind, At: env.unix(), Token: c.Token, Name: c.Name}, env)
}

// changeToken counts a token that is minted, and puts an event into the activity.
func (a Account) changeToken(c TokenChange, e Event, env Env) (Account, Event, error) {
	a = a.clone()
	if c.Kind == event.TokenMinted {
		// A day that is another than today counts for nothing, one in the future of a clock that ran ahead included.
		if today := env.unix() / day; a.Minted[0] != today {
			a.Minted = DayCount{today, 0}
		}
		if a.Minted[1] >= int64(c.Daily) {
			return a, Event{}, fmt.Errorf("%w: %d tokens were minted today, as many as may be in a day", ErrPrecondition, a.Minted[1])
		}
		a.Minted[1]++
	}
	kept := e
	if kept.Number = a.keep(e); c.Kind == event.TokenMinted {
		a.owe(env, kept)
	}
	return a, e, nil
}

// ownersKind is the event in the owner's account of what an operator does to a token of a service account.
var ownersKind = map[event.Kind]event.Kind{
	event.TokenMinted: event.ServiceTokenMinted, event.TokenRotated: event.ServiceTokenRotated, event.TokenRenewed: event.ServiceTokenRenewed,
}

// ChangeServiceToken notes in the owner's account what an operator does to a token of a service account. The owner is
// saved first, then the service account and then the token, so no token gets a secret that the owner's review does not
// show.
func (a Account) ChangeServiceToken(by By, service string, c TokenChange, env Env) (Account, error) {
	if err := a.CanVouchFor(service); err != nil {
		return a, err
	}
	a = a.clone()
	e := by.event(ownersKind[c.Kind])
	e.Service, e.Token, e.Name = service, c.Token, c.Name
	a.note(env, e)
	return a, nil
}

// ChangeTokenBy is ChangeToken for a service account, by an operator's word.
func (a Account) ChangeTokenBy(by By, owner string, c TokenChange, env Env) (Account, Event, error) {
	if a.ServiceOf == "" || a.ServiceOf != owner {
		return a, Event{}, fmt.Errorf("%w: it is no service account of this owner", ErrPrecondition)
	}
	if err := a.notSuspended(); err != nil {
		return a, Event{}, err
	}
	e := by.event(c.Kind)
	e.At, e.Token, e.Name = env.unix(), c.Token, c.Name
	return a.changeToken(c, e, env)
}

// RevokeTokens ends all tokens of the account.
func (a Account) RevokeTokens(p Presented, env Env) (Account, error) {
	if err := a.authorize(p, revokeToken, env); err != nil {
		return a, err
	}
	return a.revokeTokens(Event{}, env), nil
}

// RevokeTokensBy is RevokeTokens by an operator. An account that is absent has no tokens.
func (a Account) RevokeTokensBy(by By, env Env) Account {
	if a.Absent() {
		return a
	}
	return a.revokeTokens(by.event(event.TokensRevoked), env)
}

func (a Account) revokeTokens(e Event, env Env) Account {
	a = a.clone()
	a.endTokens(env)
	e.Kind = event.TokensRevoked
	a.note(env, e)
	return a
}
