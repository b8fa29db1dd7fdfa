package gatehouse

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// TokenState says whether a token works now, or what keeps it from that.
type TokenState uint8

const (
	_                TokenState = iota
	TokenActive                 // works
	TokenNotYetValid            // before its time
	TokenExpired                // RenewToken has it work again
	TokenEnded                  // revoked, by itself or with all tokens of its account
	TokenWaiting                // works again once its owner has a second factor
	TokenBlocked                // its account is suspended
	TokenUnproven               // made by a first factor alone, and its owner has a second one: the policy wants it rotated
)

// String returns the state in lower case: "active", "not yet valid", "expired", "revoked", "waiting for the
// second factor", "account suspended", "made without the second factor", or "unknown".
func (s TokenState) String() string {
	switch s {
	case TokenActive:
		return "active"
	case TokenNotYetValid:
		return "not yet valid"
	case TokenExpired:
		return "expired"
	case TokenEnded:
		return "revoked"
	case TokenWaiting:
		return "waiting for the second factor"
	case TokenBlocked:
		return "account suspended"
	case TokenUnproven:
		return "made without the second factor"
	}
	return "unknown"
}

var tokenStates = map[core.Standing]TokenState{
	core.Good: TokenActive, core.NotYet: TokenNotYetValid, core.HasExpired: TokenExpired, core.WasRevoked: TokenEnded,
	core.LacksFactor: TokenWaiting, core.LacksProof: TokenUnproven, core.OwnerBlocked: TokenBlocked,
}

// TokenInfo is what an owner's page shows of a token. It holds no secret.
type TokenInfo struct {
	ID        string
	AccountID string
	Kind      tokens.Kind
	Name      string
	Scopes    tokens.Scopes
	Resources tokens.Resources
	Networks  tokens.Networks
	State     TokenState
	Created   time.Time
	NotBefore time.Time // zero: at once
	Expires   time.Time
	Revoked   time.Time // zero: not by itself
	Rotations int       // how often its secret was replaced

	// LastUsed is to the minute, and up to two minutes behind; zero: never.
	LastUsed time.Time
	// Unused are the scopes that no check has asked for yet.
	Unused tokens.Scopes
	// Addresses are the last five that it came from, the latest first, if the policy keeps them.
	Addresses []string

	// SecondFactor says whether its secret was shown to a proof of the second factor, and not to the password alone.
	SecondFactor      bool
	NeedsSecondFactor bool // it works only while its owner has one
	RotatesItself     bool
	RotatesUntil      time.Time // until its owner rotates or renews it; zero: it does not rotate itself
}

func (s *Service) tokenInfo(t core.Token, use storage.TokenUsage, owner storage.AccountIndex, env core.Env) TokenInfo {
	return TokenInfo{
		ID: t.ID, AccountID: t.Account, Kind: t.Kind, Name: t.Name, Scopes: t.Scopes,
		Resources: t.ResourceLimit(), Networks: t.NetworkLimit(), State: tokenStates[t.Stands(owner, env)],
		Created: core.Time(t.Created), NotBefore: core.Time(t.NotBefore), Expires: core.Time(t.Expires),
		Revoked: core.Time(t.Revoked), Rotations: t.Generation,
		LastUsed: use.LastUsed, Unused: t.Scopes.Unused(use.Scopes), Addresses: strings.Fields(use.Addresses),
		SecondFactor: t.How == core.SecondFactor, NeedsSecondFactor: t.NeedsFactor, RotatesItself: t.RotatesItself,
		RotatesUntil: core.Time(t.RotatesUntil(s.policy.Unattended)),
	}
}

// Tokens returns the first limit (1 to 1000) of an account's tokens whose IDs are greater than after, "" for
// the first page, in the order of the IDs; fewer than limit end them. Expired and revoked ones are among
// them until they are purged. Show it to the account's owner.
func (s *Service) Tokens(ctx context.Context, account, after string, limit int) ([]TokenInfo, error) {
	if err := s.hasTokens(); err != nil {
		return nil, err
	}
	if limit < 1 || limit > 1000 || after != "" && storage.CheckID(after) != nil {
		return nil, fmt.Errorf("%w: a page has 1 to 1000 tokens, after an ID", ErrInvalid)
	}
	a, _, err := s.load(ctx, account)
	if err != nil {
		return nil, err
	}
	env, index, list := s.env(), a.Index(s.window), []TokenInfo{}
	for more := true; more && len(list) < limit; { // a page of a store may have fewer than it was asked for
		page, err := retry(ctx, func() (storage.Page[storage.TokenRecord], error) {
			return s.store.Tokens(ctx, account, after, limit-len(list))
		})
		if err != nil {
			return nil, fmt.Errorf("gatehouse: list tokens: %w", err)
		}
		for _, rec := range page.Records {
			t, err := core.DecodeToken(rec.ID, rec.AccountID, rec.Data)
			if err != nil {
				return nil, err
			}
			list = append(list, s.tokenInfo(t, rec.Usage, index, env))
			after = rec.ID
		}
		more = page.More
	}
	return list, nil
}

// Token returns one of an account's tokens, with one read. ErrState says that the account has none of this ID.
func (s *Service) Token(ctx context.Context, account, id string) (TokenInfo, error) {
	if err := s.hasTokens(); err != nil {
		return TokenInfo{}, err
	}
	if err := checkID(account); err != nil {
		return TokenInfo{}, err
	}
	if storage.CheckID(id) != nil {
		return TokenInfo{}, errNoToken
	}
	h, err := s.loadToken(ctx, id)
	if errors.Is(err, storage.ErrNotFound) || err == nil && h.Account != account {
		return TokenInfo{}, errNoToken
	}
	if err != nil {
		return TokenInfo{}, err
	}
	return s.tokenInfo(h.Token, h.rec.Usage, h.owner, s.env()), nil
}

// TokenPolicy returns the rules under which the Service mints tokens, with their defaults filled in, and
// whether it has any: for pages that ask owners for scopes and lifetimes.
func (s *Service) TokenPolicy() (tokens.Policy, bool) {
	if s.policy == nil {
		return tokens.Policy{}, false
	}
	p := *s.policy
	p.Kinds = slices.Clone(p.Kinds)
	return p, true
}

func (s *Service) hasTokens() error {
	if s.policy == nil {
		return fmt.Errorf("%w: Config.Tokens is not set", ErrState)
	}
	return nil
}

// held is a token as it is stored, with its owner.
type held struct {
	core.Token
	rec   storage.TokenRecord
	owner storage.AccountIndex
}

// loadToken returns storage.ErrNotFound, bare, where there is no such token or no owner.
func (s *Service) loadToken(ctx context.Context, id string) (held, error) {
	h, err := retry(ctx, func() (h held, err error) {
		h.rec, h.owner, err = s.store.LoadToken(ctx, id)
		return h, err
	})
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return held{}, storage.ErrNotFound
	case err != nil:
		return held{}, fmt.Errorf("gatehouse: load token: %w", err)
	case h.rec.ID != id: // a store that folds case
		return held{}, storage.ErrNotFound
	}
	h.Token, err = core.DecodeToken(id, h.rec.AccountID, h.rec.Data)
	return h, err
}

var errNoToken = fmt.Errorf("%w: no such token", ErrState)

// applyToken changes a token as apply does an account: load, decide, save if nothing has changed in
// between, else again. A token has no turns, as nothing of it can be guessed at.
func (s *Service) applyToken(ctx context.Context, id string, step func(h held, env core.Env) (core.Token, error)) error {
	detached, unsure := false, false
	for try := range maxTries {
		h, err := s.loadToken(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			return errNoToken
		}
		if err != nil {
			return err
		}
		next, err := step(h, s.env())
		if err != nil {
			return knownOnly(err, unsure)
		}
		data, err := next.Encode()
		if err != nil {
			return err
		}
		if bytes.Equal(data, h.rec.Data) {
			return nil
		}
		if !detached {
			detached = true
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
			defer cancel()
		}
		next.Ancestry = h.Ancestry.Then(h.rec.Version)
		if data, err = next.Encode(); err != nil {
			return err
		}
		version := fresh()
		err = s.store.SaveToken(ctx, tokenRecord(next, data, version), h.rec.Version)
		if err == nil {
			return nil
		}
		if !errors.Is(err, storage.ErrConflict) {
			return fmt.Errorf("gatehouse: save token: %w", err)
		}
		now, err := s.loadToken(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			return errNoToken
		}
		if err != nil {
			return err
		}
		switch now.Ancestry.Fate(now.rec.Version, version, h.rec.Version) {
		case core.Saved:
			return nil
		case core.Unsure:
			unsure = true
		}
		if err := backoff(ctx, try); err != nil {
			return err
		}
	}
	return knownOnly(errors.New("gatehouse: the token changes too often, nothing was changed"), unsure)
}

// insertToken saves a token that is new.
func (s *Service) insertToken(ctx context.Context, t core.Token) error {
	data, err := t.Encode()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	rec := tokenRecord(t, data, fresh())
	for try := range maxTries {
		err = s.store.SaveToken(ctx, rec, 0)
		if !errors.Is(err, storage.ErrConflict) {
			break
		}
		// The ID is new and random, so what is there is this one, of which the reply was lost, whatever was done
		// to it since.
		if _, failed := s.loadToken(ctx, t.ID); failed == nil {
			return nil
		}
		if err := backoff(ctx, try); err != nil {
			return err
		}
	}
	if err != nil {
		return fmt.Errorf("gatehouse: save token: %w", err)
	}
	return nil
}

func tokenRecord(t core.Token, data []byte, version int64) storage.TokenRecord {
	return storage.TokenRecord{ID: t.ID, AccountID: t.Account, Version: version, Data: data, Index: t.Index()}
}

// tellToken tells events of a token, which was saved.
func (s *Service) tellToken(ctx context.Context, account string, events ...core.Event) {
	s.observers.add(ctx, account, events)()
	s.follow(ctx, account, events)
}

func tokenEvent(k event.Kind, t core.Token, env core.Env) core.Event {
	return core.Event{Kind: k, At: env.Now.Unix(), Token: t.ID, Name: t.Name}
}
