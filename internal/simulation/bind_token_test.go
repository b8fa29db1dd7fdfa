package simulation

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// bindToken is bind for calls that have to do with tokens.
func (c *client) bindToken(k *known, in *input, face func(...proofKind) (gatehouse.Session, bool)) func(context.Context) error {
	tok := c.tokens
	if in.op == mint || in.op == revokeAll {
		session, any := face(vouched, secondFactor)
		switch {
		case !any:
			return nil
		case in.op == revokeAll:
			return func(ctx context.Context) error { return tok.RevokeAll(ctx, session) }
		}
		in.production, in.rotates = c.rng.IntN(3) == 0, c.node.release == makes && c.rng.IntN(2) == 0
		return func(ctx context.Context) error {
			made, err := tok.Mint(ctx, session, request(in.production, in.rotates))
			return c.keep(err, func() { k.minted(in.id, made) })
		}
	}
	if in.op == revokeAllBy {
		return func(ctx context.Context) error {
			return tok.Operator(c.svc.Operator("op-7")).RevokeAll(ctx, in.account)
		}
	}
	if in.op == purge {
		return func(ctx context.Context) error {
			_, err := tok.Operator(c.svc.Operator("op-7")).Purge(ctx, c.node.now(), "", nil)
			return err
		}
	}
	made, any := c.oneOf(slices.Sorted(maps.Keys(k.tokens)))
	if !any {
		return nil
	}
	in.token = made
	switch in.op {
	case revokeBy:
		if c.node.release != makes {
			return nil
		}
		return func(ctx context.Context) error {
			return tok.Operator(c.svc.Operator("op-7")).Revoke(ctx, k.tokens[in.token].ID)
		}
	case check, rotateSelf:
		in.secret, _ = c.oneOf(slices.Sorted(maps.Keys(k.secrets[made])))
		if c.rng.IntN(3) > 0 {
			in.secret = k.newest[made]
		}
	}
	if in.op == rotateSelf {
		in.production = k.tokens[made].Name == production
		return func(ctx context.Context) error {
			rotated, err := tok.RotateSelf(ctx, k.secrets[in.token][in.secret], netip.Addr{}, tokens.Rotation{})
			return c.keep(err, func() { k.rotated(in, rotated) })
		}
	}
	if in.op == check {
		return func(ctx context.Context) error {
			grant, err := tok.Check(ctx, k.secrets[in.token][in.secret], netip.Addr{})
			if err == nil && !grant.Allows(grant.Scopes[0], "") {
				return errors.New("a grant without its scope")
			}
			return err
		}
	}
	session, any := face(vouched, secondFactor)
	if !any {
		return nil
	}
	if in.op == revoke {
		return func(ctx context.Context) error { return tok.Revoke(ctx, session, k.tokens[in.token].ID) }
	}
	in.seen = k.newest[made]
	seen := k.tokens[made]
	in.production = seen.Name == production
	return func(ctx context.Context) error {
		rotated, err := tok.Rotate(ctx, session, seen.ID, tokens.Rotation{Seen: seen})
		return c.keep(err, func() { k.rotated(in, rotated) })
	}
}

// minted notes a token.
func (k *known) minted(id int, m tokens.Minted) {
	k.tokens[id], k.newest[id] = m.Info, id
	k.secrets[id] = map[int]string{id: m.Token.Reveal()}
}

// rotated notes the new secret of a token.
func (k *known) rotated(in *input, r tokens.Minted) {
	k.tokens[in.token] = r.Info
	k.secrets[in.token][in.id] = r.Token.Reveal()
	k.newest[in.token] = in.id
}

const production = "production" // the name of tokens with a scope of high risk

func request(risky, rotatesItself bool) tokens.Request {
	if risky {
		return tokens.Request{Kind: "pat", Name: production, Scopes: tokens.Scopes{"live:deploy"}, RotatesItself: rotatesItself}
	}
	return tokens.Request{Kind: "pat", Name: "reader", Scopes: tokens.Scopes{"logs:read"}, RotatesItself: rotatesItself}
}
