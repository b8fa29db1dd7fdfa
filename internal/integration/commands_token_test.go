package integration_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// tokenCommands are what the machine with tokens draws from.
func (m *machine) tokenCommands() map[string]func(*rapid.T) {
	return map[string]func(*rapid.T){
		"answer": m.Answer, "step up": m.StepUp, "pair": m.Pair, "add a passkey": m.AddPasskey, "passkey": m.Passkey, "regenerate": m.Regenerate, "disable": m.Disable, "reset": m.Reset,
		"redeem": m.Redeem, "operator": m.Operator, "delete": m.Delete, "import": m.Import, "clock": m.Clock,
		"mint": m.Mint, "mint again": m.Mint, "mint more": m.Mint, "check": m.CheckToken, "check again": m.CheckToken,
		"rotate": m.Rotate, "rotate again": m.Rotate, "rotate itself": m.RotateItself, "rotate itself again": m.RotateItself,
		"renew": m.Renew, "renew again": m.Renew, "revoke": m.Revoke, "revoke all": m.RevokeAll, "revoke presented": m.RevokePresented,
		"operator revokes": m.OperatorRevokes, "purge": m.Purge, "warn": m.Warn, "token clock": m.TokenClock, "token clock again": m.TokenClock,
	}
}

var tokensMeanwhile = []string{
	"check", "delete", "disable", "import", "mint", "operator", "operator revokes", "purge", "regenerate", "renew", "reset",
	"revoke", "revoke all", "revoke presented", "rotate", "rotate itself", "warn",
}

// tokenCall is a call about one token. What its account says to it is saved before what becomes of the
// token.
type tokenCall struct {
	name    string
	account string
	id      string                             // of the token; "": one that is minted
	refused answer                             // what is refused without a look at either
	note    func(a *account, now int64) answer // the account's rule; nil: it is not asked
	// rule is the token's. It changes k, which is nil where there is none, or makes one.
	rule func(owner *account, k *token, now int64) (*token, answer)
	run  func(context.Context, *process) error
	told func(k *token, owner *account, now int64) // the client knows
}

// doToken makes a call, as do does. What is saved of it is the account's part, then the token's.
func (m *machine) doToken(t *rapid.T, p *process, c tokenCall) bool {
	way := m.way(t, p)
	if c.note != nil && (way.hangUp || way.meanwhile != nil) {
		way.second = rapid.Bool().Draw(t, "before the token is saved")
	}
	if len(way.faults) > 0 && c.note != nil { // there are more calls than of an account alone
		way.faults = append(make([]gatehousetest.Fault, rapid.IntRange(0, 3).Draw(t, "more good calls")), way.faults...)
	}
	now := m.at(p)
	before := m.snapshot(t)
	first := c.refused
	if first.err == nil {
		_, first = c.rule(m.model[c.account].clone(), m.tokens[c.id].clone(), now)
	}
	var said answer
	asked := false // whether the account's part is over
	ask := func() {
		if asked = true; c.note == nil {
			return
		}
		a := m.model[c.account].clone()
		if said = c.note(a, now); said.err == nil {
			said = first // of the token as it was when the call began
		}
		if said.err == nil {
			m.model[c.account] = a
		}
	}
	var owner *account // as the token's part has seen it; nil: as it is at the end
	if way.meanwhile != nil {
		meanwhile := way.meanwhile
		way.meanwhile = func() {
			tokenIsNext := c.note == nil || way.second
			if tokenIsNext {
				ask()
			}
			was, seen := m.model[c.account].clone(), m.tokens[c.id].clone()
			m.calling = c.id
			meanwhile()
			m.calling = ""
			before = m.snapshot(t)
			// A change of the account alone is no conflict for the token.
			if tokenIsNext && reflect.DeepEqual(seen, m.tokens[c.id]) {
				owner = was
			}
		}
	}
	err := way.run(p, func(ctx context.Context) error { return c.run(ctx, p) })
	t.Logf("%s: %s(%q of %q) at %d: %v", p.name, c.name, c.id, c.account, now, err)

	fault := isFault(err)
	if fault {
		require.True(t, way.explains(err), "a fault out of nowhere: %v", err)
	}
	if c.refused.err != nil {
		if !fault {
			m.judge(t, c.refused, err)
		}
		m.check(t, p, call{account: c.account}, before, false, c.refused)
		return false
	}
	noted := asked || !fault || m.snapshot(t)[c.account].Version != before[c.account].Version
	if !asked && noted {
		ask()
	}
	if fault && c.note != nil && noted {
		require.NoError(t, said.err, "the account was saved")
	}
	if owner == nil {
		owner = m.model[c.account]
	}
	want := said
	var next *token
	if noted && said.err == nil || c.note == nil {
		next, want = c.rule(owner.clone(), m.tokens[c.id].clone(), now)
	}
	if !fault {
		m.judge(t, want, err)
	}
	if next != nil {
		m.settle(t, c.id, next, !fault)
	}
	if !fault && want.err == nil && c.told != nil {
		c.told(next, owner, now)
	}
	m.check(t, p, call{account: c.account}, before, !fault && want.err == nil, want)
	return err == nil
}

// settle puts what became of a token into the table, if it was saved, as it must be unless there was a
// fault. What nobody was told is read from the store: the ID of a new token, and the digest of a new
// secret.
func (m *machine) settle(t *rapid.T, id string, next *token, must bool) {
	if id == "" {
		for stored := range m.storedTokens(t) {
			if m.tokens[stored] == nil {
				id = stored
			}
		}
		if id == "" {
			require.False(t, must, "the new token is not stored")
			return
		}
		for i, e := range m.model[next.account].tokenLog {
			if e.token == next.id {
				m.model[next.account].tokenLog[i].token = id
			}
		}
		next.id = id
	}
	stored, ok := m.storedTokens(t)[id]
	require.True(t, ok, "the token is gone")
	row := m.row(t, stored)
	if g := next.present(); g.digest == (generation{}).digest {
		g.digest = row.present().digest
	}
	if must || reflect.DeepEqual(next.shape(), row.shape()) {
		m.tokens[id] = next
	}
}

// shown notes the text of a token that somebody was shown.
func (m *machine) shown(t *rapid.T, k *token, owner *account, got tokens.Minted, now int64) {
	text := got.Token.Reveal()
	p, err := tokens.Parse(m.policy.Brand, text)
	require.NoError(t, err)
	require.Equal(t, tokens.Parsed{Kind: k.kind, ID: k.id, Digest: k.present().digest, Line: p.Line}, p)
	for _, other := range m.texts {
		require.NotEqual(t, other.what.Digest, p.Digest)
	}
	requireInfo(t, k.info(owner, now), got.Info)
	m.texts = append(m.texts, held[tokens.Parsed]{text, p})
}

var (
	asked = []struct{ scopes, normal string }{
		{"projects:read", "projects:read"},
		{"projects:write logs:read projects:read", "logs:read projects:write"},
		{"projects:* projects:write", "projects:*"},
		{"deploys:staging logs:read", "deploys:staging logs:read"},
		{"projects:read logs:read", "logs:read projects:read"},
		{"projects:write", "projects:write"},
		{"deploys:production", "deploys:production"},
		{"deploys:*", "deploys:*"},
		{"logs:write", ""},        // not listed
		{"logs:*", ""},            // covers one that is
		{"projects:read:all", ""}, // no scope
	}
	lifetimes = []int64{0, 0, 0, 0, 0, hour, 10 * minute, 1, 2 * day, 8 * day, 15 * day, 15 * day, longest, longest, longest + 1, -1}
	graces    = []int64{0, 0, 0, 0, minute, hour, hour, day, 30 * day, 30 * day, 30*day + 1, -1}
)

// Mint asks for a token, as a rule one that it may have.
func (m *machine) Mint(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	want := rapid.SampledFrom(asked).Draw(t, "scopes")
	row := &token{
		kind:      rapid.SampledFrom([]tokens.Kind{"pat", "svc", "bot"}).Draw(t, "kind"),
		resources: rapid.SampledFrom([]limit{{}, {}, {true, nil}, {true, []string{"p/1"}}, {true, []string{"p/*", "q"}}}).Draw(t, "resources"),
		networks:  rapid.SampledFrom([]limit{{}, {}, {}, {}, {true, nil}, {true, []string{"192.0.2.0/24"}}, {true, []string{"198.51.100.0/24"}}}).Draw(t, "networks"),
		rotates:   !oneIn(t, 4, "only by its owner"),
	}
	if oneIn(t, 8, "later") {
		row.begins = m.at(p) + rapid.SampledFrom([]int64{minute, day, longest}).Draw(t, "begins")
	}
	m.mint(t, p, id, want.normal, want.scopes, row, rapid.SampledFrom(lifetimes).Draw(t, "lifetime"))
}

// mint asks for a row and a lifetime. The normal form of what is no set of scopes is empty.
func (m *machine) mint(t *rapid.T, p *process, id, normal, scopes string, row *token, lifetime int64) {
	h, in := m.tokenProof(t, p, id)
	m.minted++
	row.number, row.id, row.name, row.scopes = m.minted, fmt.Sprint("?", m.minted), "ci", normal
	r := tokens.Request{
		Name: row.name, Kind: row.kind, Resources: row.resources.asResources(), Networks: row.networks.asNetworks(),
		Lifetime: time.Duration(lifetime) * time.Second, RotatesItself: row.rotates, NotBefore: moment(row.begins),
	}
	for scope := range strings.FieldsSeq(scopes) {
		r.Scopes = append(r.Scopes, tokens.Scope(scope))
	}
	life, ok := m.lifetime(lifetime, usual)
	refused := answer{}
	switch {
	case !ok || normal == "":
		refused = invalid
	case h.what.account == "":
		refused = stepUp
	}
	var got tokens.Minted
	m.doToken(t, p, tokenCall{
		name: "Mint", account: whose(h.what.account, id), refused: refused,
		note: func(a *account, now int64) answer {
			return a.change(h.what, in, mintToken, entry{kind: "token.minted", token: row.id, name: row.name}, normal, m.room, now)
		},
		rule: func(owner *account, _ *token, now int64) (*token, answer) {
			k := row.clone()
			k.account, k.created, k.epoch = owner.id, now, owner.tokenEpoch
			k.passkey = h.what.passkey
			k.proof, k.proven, k.vouched, k.needsFactor = h.what.kind, h.what.at, now, h.what.kind == secondFactor
			k.generations, k.usedScopes = []generation{{}}, map[string]bool{}
			if k.lives(life, now); k.begins >= k.expires {
				return nil, invalid
			}
			return k, answer{}
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = s.tok.Mint(ctx, sessionOf(h, in), r)
			return nothing(got, err)
		},
		told: func(k *token, owner *account, now int64) { m.shown(t, k, owner, got, now) },
	})
}

// token draws one that a command has something to do with, as a rule. Where there is none, it mints one.
func (m *machine) token(t *rapid.T, p *process, fits func(*token, *account) bool) string {
	var fit, all []string
	for _, id := range m.inOrder() {
		if k := m.tokens[id]; fits(k, m.model[k.account]) {
			fit = append(fit, id)
		}
		all = append(all, id)
	}
	if m.calling != "" && !oneIn(t, 3, "another than the one in the call") {
		return m.calling
	}
	if oneIn(t, 12, "any token") {
		return rapid.SampledFrom(append(all, "unknown", "", "\x00")).Draw(t, "any token")
	}
	if len(fit) == 0 && m.busy == nil {
		m.mint(t, p, m.account(t), asked[0].normal, asked[0].scopes, &token{kind: "pat", rotates: true}, 0)
		fit = all
	}
	if len(fit) == 0 {
		return "unknown"
	}
	return rapid.SampledFrom(fit).Draw(t, "token")
}

func isAny(*token, *account) bool { return true }
func isLive(k *token, owner *account) bool {
	return k.revoked == 0 && owner.stored && k.epoch == owner.tokenEpoch
}

// tokenProof draws a proof, more often a good one than proof does.
func (m *machine) tokenProof(t *rapid.T, p *process, id string) (h held[proof], in string) {
	if oneIn(t, 4, "another proof") {
		return m.proof(t, p, id)
	}
	m.prove(t, p, id)
	h, _ = last(m.ownProofs(id))
	return h, h.what.session
}

// ownerOf returns the account of a token, and any where there is no such token.
func (m *machine) ownerOf(id string) string {
	if k := m.tokens[id]; k != nil {
		return k.account
	}
	return ids[0]
}

// onToken is what an owner does to a token that there is.
func (m *machine) onToken(t *rapid.T, p *process, of string, c tokenCall, act action, kind string, h held[proof], in string,
	room func(*account, int64) bool) bool {
	c.account = whose(h.what.account, of)
	k := m.tokens[c.id]
	switch {
	case c.refused.err != nil:
	case h.what.account == "":
		c.refused = stepUp
	case k == nil || k.account != c.account || !m.model[c.account].stored:
		c.refused = missing
	default:
		e := entry{kind: kind, token: k.id, name: k.name}
		c.note = func(a *account, now int64) answer { return a.change(h.what, in, act, e, k.scopes, room, now) }
	}
	rule := c.rule
	c.rule = func(owner *account, k *token, now int64) (*token, answer) {
		if k == nil || !owner.stored {
			return nil, missing
		}
		return rule(owner, k, now)
	}
	return m.doToken(t, p, c)
}

func (m *machine) Rotate(t *rapid.T) {
	p := m.process(t)
	on := m.token(t, p, isLive)
	id := m.ownerOf(on)
	h, in := m.tokenProof(t, p, id)
	lifetime, grace := rapid.SampledFrom(lifetimes).Draw(t, "lifetime"), rapid.SampledFrom(graces).Draw(t, "grace")
	times := rapid.SampledFrom([]int{1, 1, 1, 1, 1, 10}).Draw(t, "times")
	for range times {
		var got tokens.Minted
		first := 0
		if k := m.tokens[on]; k != nil {
			first = k.rotations
		}
		m.onToken(t, p, id, tokenCall{
			name: "Rotate", id: on, refused: refusedRotation(lifetime, grace, 30*day),
			rule: func(owner *account, k *token, now int64) (*token, answer) {
				if k.rotations != first {
					return k, state
				}
				return tried(k, func(k *token) answer { return m.rotate(k, owner, lifetime, grace, now, &h.what) })
			},
			run: func(ctx context.Context, s *process) (err error) {
				got, err = s.tok.Rotate(ctx, sessionOf(h, in), on, rotation(lifetime, grace))
				return nothing(got, err)
			},
			told: func(k *token, owner *account, now int64) { m.shown(t, k, owner, got, now) },
		}, mintToken, "token.rotated", h, in, nil)
	}
}

func refusedRotation(lifetime, grace, longest int64) answer {
	if lifetime < 0 || grace < 0 || grace > longest {
		return invalid
	}
	return answer{}
}

func rotation(lifetime, grace int64) tokens.Rotation {
	return tokens.Rotation{Lifetime: time.Duration(lifetime) * time.Second, Grace: time.Duration(grace) * time.Second}
}

// tried makes a change of a token that is nothing if it is refused.
func tried(k *token, change func(*token) answer) (*token, answer) {
	next := k.clone()
	if no := change(next); no.err != nil {
		return k, no
	}
	return next, answer{}
}

func (m *machine) Renew(t *rapid.T) {
	p := m.process(t)
	on := m.token(t, p, isLive)
	if k := m.tokens[on]; k != nil && m.busy == nil && !oneIn(t, 4, "whether it has expired or not") {
		m.now = max(m.now, k.expires-p.skew)
	}
	id := m.ownerOf(on)
	h, in := m.tokenProof(t, p, id)
	lifetime := rapid.SampledFrom(lifetimes).Draw(t, "lifetime")
	var got tokens.Info
	m.onToken(t, p, id, tokenCall{
		name: "Renew", id: on, refused: refusedRotation(lifetime, 0, 0),
		rule: func(owner *account, k *token, now int64) (*token, answer) {
			return tried(k, func(k *token) answer { return m.renew(k, owner, lifetime, now, h.what) })
		},
		run: func(ctx context.Context, s *process) (err error) {
			got, err = s.tok.Renew(ctx, sessionOf(h, in), on, time.Duration(lifetime)*time.Second)
			return nothing(got, err)
		},
		told: func(k *token, owner *account, now int64) { requireInfo(t, k.info(owner, now), got) },
	}, mintToken, "token.renewed", h, in, m.room)
}

func (m *machine) Revoke(t *rapid.T) {
	p := m.process(t)
	on := m.token(t, p, isLive)
	if oneIn(t, 4, "any of them") {
		on = m.token(t, p, isAny)
	}
	id := m.ownerOf(on)
	h, in := m.tokenProof(t, p, id)
	entered := "token.revoked"
	if k := m.tokens[on]; k != nil && k.revoked != 0 {
		entered = "" // it was revoked before
	}
	m.onToken(t, p, id, tokenCall{
		name: "Revoke", id: on,
		rule: func(_ *account, k *token, now int64) (*token, answer) {
			return tried(k, func(k *token) answer { return k.revoke(now) })
		},
		run: func(ctx context.Context, s *process) error { return s.tok.Revoke(ctx, sessionOf(h, in), on) },
	}, revokeToken, entered, h, in, nil)
}

// RevokeAll is the owner's, or an operator's.
func (m *machine) RevokeAll(t *rapid.T) {
	p, id := m.process(t), m.account(t)
	if !oneIn(t, 3, "really") { // or no token would grow old
		return
	}
	if oneIn(t, 3, "operator") {
		m.do(t, p, call{
			name: "Operator.RevokeAll", account: id,
			rule: func(a *account, now int64) answer { return a.revokeTokens(now) },
			run:  func(ctx context.Context, s *process) error { return s.tok.Operator(operator(s)).RevokeAll(ctx, id) },
		})
		return
	}
	h, in := m.tokenProof(t, p, id)
	m.changing(t, p, id, "RevokeAll", h, false, func(a *account, now int64) answer {
		return a.revokeOwnTokens(h.what, in, now)
	}, func(ctx context.Context, s *process) error { return s.tok.RevokeAll(ctx, sessionOf(h, in)) })
}

func (m *machine) OperatorRevokes(t *rapid.T) {
	p := m.process(t)
	on := m.token(t, p, isLive)
	c := tokenCall{
		name: "Operator.Revoke", account: m.ownerOf(on), id: on, rule: revokeWhatIsThere,
		run: func(ctx context.Context, s *process) error { return s.tok.Operator(operator(s)).Revoke(ctx, on) },
	}
	if m.tokens[on] == nil || !m.model[c.account].stored {
		c.refused = missing
	}
	m.doToken(t, p, c)
}

func revokeWhatIsThere(owner *account, k *token, now int64) (*token, answer) {
	if k == nil || !owner.stored {
		return k, answer{}
	}
	return tried(k, func(k *token) answer { return k.revoke(now) })
}
