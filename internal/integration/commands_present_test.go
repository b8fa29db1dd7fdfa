package integration_test

import (
	"cmp"
	"context"
	"hash/crc32"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// What is done with the text of a token, and to all tokens.

var (
	home      = netip.MustParseAddr("192.0.2.7")
	elsewhere = netip.MustParseAddr("198.51.100.9")
	addresses = []netip.Addr{home, home, home, home, elsewhere, {}}
	rights    = []tokens.Scope{"projects:read", "projects:write", "projects:delete", "deploys:production", "deploys:staging", "logs:read", "logs:write"}
	resources = []string{"", "p/1", "p/2", "p/", "q", "q/1"}
)

// text draws what is presented: as a rule a token that works, or one of before a rotation; or what is
// no token. Its ID is empty where there never was one of just this text.
func (m *machine) text(t *rapid.T, q *process) (text string, p tokens.Parsed) {
	which := rapid.IntRange(0, 11).Draw(t, "which token")
	if which == 11 {
		return m.forged(t), tokens.Parsed{}
	}
	id := m.token(t, q, isLive)
	list := slices.DeleteFunc(slices.Clone(m.texts), func(h held[tokens.Parsed]) bool {
		k := m.tokens[h.what.ID]
		return which < 9 && (h.what.ID != id || k == nil || which < 6 && k.present().digest != h.what.Digest)
	})
	h, ok := recent(t, list, "text")
	if !ok {
		return m.forged(t), tokens.Parsed{}
	}
	return h.text, h.what
}

// forged draws what only looks like a token.
func (m *machine) forged(t *rapid.T) string {
	h, ok := recent(t, m.texts, "to forge")
	if !ok {
		return rapid.SampledFrom(garbage).Draw(t, "garbage")
	}
	other, _ := recent(t, m.texts, "to forge from")
	prefix, id, secret := h.text[:9], h.text[9:23], h.text[23:66]
	list := []string{
		h.what.Successor(m.policy.Brand).Reveal(), // a well-formed secret that nobody was given
		withChecksum("acme_cli_" + id + secret),
		withChecksum("acmf" + prefix[4:] + id + secret),
		withChecksum(prefix + id[:13] + "~" + secret),
		h.text[:68] + strings.Repeat("0", 4),
		h.text + " ", h.text + "\n", h.text[:71], strings.ToUpper(h.text), "Bearer " + h.text,
	}
	if other.what.ID != h.what.ID {
		list = append(list, withChecksum(prefix+id+other.text[23:66]))
	}
	for _, p := range m.proofs {
		list = append(list, p.text)
		break
	}
	text := rapid.SampledFrom(list).Draw(t, "forged")
	if text == h.text { // a checksum that ends in zeros
		return ""
	}
	return text
}

// withChecksum ends a token in its checksum: the CRC-32 of all before it, in six symbols.
func withChecksum(text string) string {
	const symbols = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	sum, check := crc32.ChecksumIEEE([]byte(text)), make([]byte, 6)
	for i := range check {
		check[5-i] = symbols[sum%62]
		sum /= 62
	}
	return text + string(check)
}

// presented returns the verdict on a text that was presented.
func (k *token) presented(p tokens.Parsed, owner *account, from netip.Addr, now int64) (g generation, v verdict) {
	if g, ok := k.generation(p, owner); ok {
		return g, k.check(g, owner, from, now)
	}
	return generation{}, no
}

// generation returns which copy was presented, if it is known.
func (k *token) generation(p tokens.Parsed, owner *account) (g generation, ok bool) {
	if k == nil || !owner.stored {
		return generation{}, false
	}
	for _, g := range slices.Concat(k.generations, k.gone) {
		if g.digest == p.Digest {
			return g, k.line-g.line < knownLines
		}
	}
	return generation{}, false
}

// inGrace reports whether a copy that has been rotated, and works, was presented.
func (k *token) inGrace(p tokens.Parsed, owner *account, now int64) bool {
	g, ok := k.generation(p, owner)
	return ok && now < g.until
}

// contest notes that a copy in its grace was presented to be rotated.
func (k *token) contest(p tokens.Parsed) *token {
	next := k.clone()
	for i := range next.generations {
		if next.generations[i].digest == p.Digest {
			next.generations[i].told = true
		}
	}
	return next
}

// reuse is what a check does to a token of which an old copy was presented after its grace.
func (m *machine) reuse(k *token, now int64) *token {
	if m.policy.KeepReused {
		return k
	}
	next := k.clone()
	next.revoke(now)
	return next
}

func (m *machine) CheckToken(t *rapid.T) {
	p := m.process(t)
	text, parsed := m.text(t, p)
	from := rapid.SampledFrom(addresses).Draw(t, "from")
	right, resource := rapid.SampledFrom(rights).Draw(t, "right"), rapid.SampledFrom(resources).Draw(t, "resource")
	var got tokens.Grant
	m.doToken(t, p, tokenCall{
		name: "Check", account: m.ownerOf(parsed.ID), id: parsed.ID,
		rule: func(owner *account, k *token, now int64) (*token, answer) {
			switch _, v := k.presented(parsed, owner, from, now); v {
			case yes, old:
				return k, answer{}
			case reused:
				return m.reuse(k, now), denied
			}
			return k, denied
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = s.tok.Check(ctx, text, from)
			return err
		},
		told: func(k *token, owner *account, now int64) {
			g, _ := k.presented(parsed, owner, from, now)
			requireGrant(t, k, g, got)
			k.used = max(k.used, now-now%minute)
			if allowed := got.Allows(right, resource); allowed {
				k.use(string(right))
			}
		},
	})
	if got.TokenID == "" {
		require.False(t, got.Allows(right, ""), "a denial allows nothing")
	}
}

// requireGrant holds a grant against what was minted, whatever has become of the token since.
func requireGrant(t *rapid.T, k *token, g generation, got tokens.Grant) {
	require.Equal(t, []any{
		k.id, k.account, k.kind, k.name, k.scopes, moment(k.expires), moment(g.until),
		cmp.Or(k.passkey, map[kind]string{vouched: "pwd", secondFactor: "otp"}[k.proof]), moment(k.proven), k.proof == secondFactor,
	}, []any{
		got.TokenID, got.AccountID, got.Kind, got.Name, got.Scopes.String(), got.Expires, got.Rotated,
		got.AuthMethod, got.AuthTime, got.SecondFactor,
	})
}

func (m *machine) RotateItself(t *rapid.T) {
	p := m.process(t)
	text, parsed := m.text(t, p)
	from := rapid.SampledFrom(addresses).Draw(t, "from")
	lifetime, grace := rapid.SampledFrom(lifetimes).Draw(t, "lifetime"), rapid.SampledFrom(graces).Draw(t, "grace")
	first, wasInGrace := verdict(no), false
	if k := m.tokens[parsed.ID]; k != nil {
		_, first = k.presented(parsed, m.model[k.account], from, m.at(p))
		wasInGrace = k.inGrace(parsed, m.model[k.account], m.at(p))
	}
	var got tokens.Minted
	m.doToken(t, p, tokenCall{
		name: "RotateSelf", account: m.ownerOf(parsed.ID), id: parsed.ID, refused: refusedRotation(lifetime, grace, day),
		rule: func(owner *account, k *token, now int64) (*token, answer) {
			_, v := k.presented(parsed, owner, from, now)
			switch {
			case v == reused && first == reused: // not one that another has rotated in this moment
				return m.reuse(k, now), denied
			case wasInGrace && k.inGrace(parsed, owner, now) && k.rotates && k.standing(owner, now) != tokens.StateRevoked:
				return k.contest(parsed), denied
			case v != yes || !k.rotates || first != yes:
				return k, denied
			}
			return tried(k, func(k *token) answer { return m.rotate(k, owner, min(lifetime, k.life), grace, now, nil) })
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = s.tok.RotateSelf(ctx, text, from, rotation(lifetime, grace))
			return nothing(got, err)
		},
		told: func(k *token, owner *account, now int64) { m.shown(t, k, owner, got, now) },
	})
}

func (m *machine) RevokePresented(t *rapid.T) {
	p := m.process(t)
	text, parsed := m.text(t, p)
	known := m.tokens[parsed.ID]
	m.doToken(t, p, tokenCall{
		name: "RevokePresented", account: m.ownerOf(parsed.ID), id: parsed.ID,
		rule: func(owner *account, k *token, now int64) (*token, answer) {
			if _, ok := known.generation(parsed, owner); !ok {
				return k, answer{}
			}
			return revokeWhatIsThere(owner, k, now)
		},
		run: func(ctx context.Context, s *process) error { return s.tok.RevokePresented(ctx, text) },
	})
}

// TokenClock moves the clock on to where something becomes of a token, or to a moment beside it.
func (m *machine) TokenClock(t *rapid.T) {
	p := m.process(t)
	id, ok := recent(t, m.inOrder(), "token")
	if !ok {
		return
	}
	k := m.tokens[id]
	edges := []int64{k.expires, k.expires, k.begins, k.expires - day, k.expires - 7*day, k.expires - 14*day}
	for _, g := range k.generations {
		edges = append(edges, g.until, g.until)
	}
	edges = slices.DeleteFunc(edges, func(at int64) bool { return at <= m.at(p) })
	if len(edges) > 0 {
		m.now = rapid.SampledFrom(edges).Draw(t, "edge") + rapid.SampledFrom([]int64{0, -1, 1}).Draw(t, "beside") - p.skew
	}
}

// sweep makes a walk over all tokens, of each of which becomes what the rule says: nil for nothing that
// is left of it. It must, unless there was a fault or another process has come between.
func (m *machine) sweep(t *rapid.T, p *process, name string, rule func(k *token, owner *account, now int64) *token,
	run func(context.Context, tokens.Operator) (gatehouse.Progress, error)) {
	way := m.way(t, p)
	before := m.snapshot(t)
	owners := map[string][]*account{} // as they may have been seen
	see := func() {
		for id, a := range m.model {
			owners[id] = append(owners[id], a.clone())
		}
	}
	must := true
	if way.meanwhile != nil {
		meanwhile := way.meanwhile
		way.meanwhile = func() {
			see()
			meanwhile()
			before = m.snapshot(t)
			must = false
		}
	}
	var w gatehouse.Progress
	err := way.run(p, func(ctx context.Context) (err error) {
		w, err = run(ctx, p.tok.Operator(operator(p)))
		return err
	})
	t.Logf("%s: %s at %d: %+v, %v", p.name, name, m.at(p), w, err)
	require.Zero(t, w.Failed)
	if err != nil {
		require.True(t, way.explains(err), "a fault out of nowhere: %v", err)
	}
	must = must && way.met == 0 && !way.canceled
	see()
	done := 0
	stored := m.storedTokens(t)
	for _, id := range slices.Sorted(maps.Keys(m.tokens)) {
		k := m.tokens[id]
		now, found := stored[id]
		is := func(next *token) bool {
			return next == nil && !found || next != nil && found && next.equal(m.row(t, now))
		}
		for _, owner := range owners[k.account] {
			next := rule(k.clone(), owner, m.at(p))
			if changed := next == nil || !next.equal(k); changed && (must || is(next)) {
				done++
				if m.tokens[id] = next; next == nil {
					delete(m.tokens, id)
				}
				break
			}
		}
	}
	if must {
		require.Equal(t, done, w.Done)
	}
	m.check(t, p, call{account: ids[0]}, before, false, answer{})
}

func (m *machine) Purge(t *rapid.T) {
	p := m.process(t)
	before := m.at(p) - rapid.SampledFrom([]int64{0, 0, 1, -1, day, -400 * day}).Draw(t, "before")
	m.sweep(t, p, "Purge", func(k *token, _ *account, now int64) *token {
		if k.done(min(before, now)) {
			return nil
		}
		return k
	}, func(ctx context.Context, o tokens.Operator) (gatehouse.Progress, error) {
		return o.Purge(ctx, time.Unix(before, 0), "", nil)
	})
}

// Warn lets two processes warn one after the other, whose clocks differ.
func (m *machine) Warn(t *rapid.T) {
	p := m.process(t)
	if k := m.tokens[m.token(t, p, isLive)]; k != nil && m.busy == nil && rapid.Bool().Draw(t, "at a day of warning") {
		m.now = max(m.now, k.expires-rapid.SampledFrom([]int64{1, 7, 14}).Draw(t, "days")*day+rapid.Int64Range(-1, 1).Draw(t, "beside")-p.skew)
	}
	m.warn(t, p)
	if m.busy == nil {
		m.warn(t, m.process(t))
	}
}

func (m *machine) warn(t *rapid.T, p *process) {
	m.sweep(t, p, "WarnExpiring", func(k *token, owner *account, now int64) *token {
		k.warn(owner, now)
		return k
	}, func(ctx context.Context, o tokens.Operator) (gatehouse.Progress, error) {
		return o.WarnExpiring(ctx, "", nil)
	})
}

// deleteTokens is what becomes of the tokens of an account that was deleted. One without a record
// may have left some, and then a fault leaves them where they are.
func (m *machine) deleteTokens(t *rapid.T, account string) {
	stored := m.storedTokens(t)
	for id, k := range m.tokens {
		if _, found := stored[id]; k.account == account && !found {
			delete(m.tokens, id)
		}
	}
}
