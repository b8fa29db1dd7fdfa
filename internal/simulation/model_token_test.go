package simulation

import (
	"maps"
	"slices"
)

// holder is an account as far as its tokens go. What an owner does to a token is saved in the account and then in the
// token, each in one step: so accounts and tokens are held against rules of their own.
type holder struct {
	On, Suspended bool
	TokenEpoch    int
	Tokens        map[int]token
}

type token struct {
	Epoch, Secret int
	Old           []int
	Revoked       bool
	Needs         bool
	Rotates       bool // itself
}

func (h holder) clone() holder {
	h.Tokens = maps.Clone(h.Tokens)
	return h
}

type nextHolder = way[holder]

func (h holder) step(in input) []nextHolder {
	b := h.clone()
	same := func(told ...outcome) (ways []nextHolder) {
		for _, t := range told {
			ways = append(ways, nextHolder{t, h})
		}
		return ways
	}
	t, known := h.Tokens[in.token]
	switch in.op {
	case removed:
		return []nextHolder{{ok, holder{TokenEpoch: in.id, Tokens: map[int]token{}}}}
	case confirm, finish:
		b.On = true
		return append(same(needsStep, state, denied), nextHolder{ok, b})
	case imports:
		b.On = true
		return append(same(state, nothing), nextHolder{ok, b})
	case disable:
		b.On = false
		return append(same(needsStep, state), nextHolder{ok, b})
	case reset:
		b.On, b.TokenEpoch = false, in.id
		return append(same(state), nextHolder{ok, b})
	case password:
		if in.revoke {
			b.TokenEpoch = in.id
		}
		return []nextHolder{{ok, b}}
	case suspend, resume:
		b.Suspended = in.op == suspend
		return []nextHolder{{ok, b}}
	case revokeAllBy:
		b.TokenEpoch = in.id
		return []nextHolder{{ok, b}}
	case revokeAll:
		b.TokenEpoch = in.id
		return append(same(needsStep, state), nextHolder{ok, b})
	case mint:
		b.Tokens[in.id] = token{Epoch: h.TokenEpoch, Secret: in.id, Needs: in.strong, Rotates: in.rotates}
		return append(same(needsStep, state, closed), nextHolder{ok, b})
	case rotate:
		if known && !t.Revoked && t.Epoch == h.TokenEpoch && t.Secret == in.seen {
			t.Old, t.Secret, t.Needs = append(slices.Clone(t.Old), t.Secret), in.id, t.Needs || in.strong
			b.Tokens[in.token] = t
			return append(same(needsStep, state, closed), nextHolder{ok, b})
		}
		return same(needsStep, state, closed)
	case revoke, revokeBy:
		if !known || t.Revoked { // or purged
			return same(needsStep, ok, state)
		}
		t.Revoked = true
		b.Tokens[in.token] = t
		return append(same(needsStep), nextHolder{ok, b})
	case check, rotateSelf:
		alive := known && !t.Revoked && t.Epoch == h.TokenEpoch
		works := alive && !h.Suspended && (!t.Needs || h.On)
		switch {
		case works && in.secret == t.Secret && in.op == check:
			return same(ok)
		case works && in.secret == t.Secret && t.Rotates:
			t.Old, t.Secret = append(slices.Clone(t.Old), t.Secret), in.id
			b.Tokens[in.token] = t
			return append(same(closed), nextHolder{ok, b})
		case alive && slices.Contains(t.Old, in.secret):
			t.Revoked = true
			b.Tokens[in.token] = t
			if in.op == check {
				return []nextHolder{{denied, b}}
			}
			return append(same(denied), nextHolder{denied, b}) // it was the present one when it was looked at first
		}
		return same(denied)
	}
	return same(ok) // purge: what is revoked already
}

// tokenOps are the calls that tokens are held against.
var tokenOps = []op{removed, revokeAllBy, confirm, finish, imports, disable, reset, password, suspend, resume, revokeAll, mint, rotate, revoke, check, rotateSelf, revokeBy, purge}

// tokensAlone are those of them that ask for nothing of the account.
var tokensAlone = []op{check, revokeBy}

// settle drops tokens that work in no state that can come, or that nobody presents.
func (h *holder) settle(wanted func(id int) bool) {
	maps.DeleteFunc(h.Tokens, func(id int, t token) bool { return t.Revoked || t.Epoch != h.TokenEpoch || !wanted(id) })
}
