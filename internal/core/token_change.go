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

// RevokeTokensBy is RevokeTokens by an operator. An account that is absent has no tokens.
func (a Account) RevokeTokensBy(by By, env Env) Account {
	if a.Absent() {
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
