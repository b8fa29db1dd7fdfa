package integration_test

import (
	"bytes"
	"context"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

const (
	usual      = 20 * day // lifetimes
	longest    = 60 * day
	mostActive = 2
	unattended = 365 * day
)

// table is the model's table of tokens.
type table struct {
	policy tokens.Policy
	clamp  bool // a lifetime that is too long is cut

	tokens  map[string]*token     // what is stored, by ID
	minted  int                   // how many times that was tried
	calling string                // the token of a call during which another process makes one
	texts   []held[tokens.Parsed] // of every token and generation that anybody was shown

	rows     map[string]storage.TokenRecord // as they were last seen
	onlooker *onlooker
}

var scopes = func() *tokens.Registry {
	r, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read"}, tokens.ScopeInfo{Scope: "projects:write"}, tokens.ScopeInfo{Scope: "projects:*"},
		tokens.ScopeInfo{Scope: "logs:read"},
		tokens.ScopeInfo{Scope: "deploys:staging"}, tokens.ScopeInfo{Scope: "deploys:production", StepUp: true},
		tokens.ScopeInfo{Scope: "deploys:*"}, // and so production, though it does not say so
	)
	if err != nil {
		panic(err)
	}
	return r
}()

func newTable(keepReused, clamp bool) table {
	return table{
		policy: tokens.Policy{
			Brand: "acme", Scopes: scopes, Kinds: []tokens.Kind{"bot"}, Lifetime: usual * time.Second, MaxLifetime: longest * time.Second,
			MaxActive: mostActive, MaxGrace: 30 * day * time.Second, Separator: "/", KeepReused: keepReused, ClampLifetime: clamp,
		},
		clamp: clamp, tokens: map[string]*token{}, rows: map[string]storage.TokenRecord{},
	}
}

// onlooker is a service on what is stored that changes nothing. What it would have changed of tokens, it
// counts.
type onlooker struct {
	storage.Store
	*node
	at    int64
	saves int
}

func (o *onlooker) SaveToken(context.Context, storage.TokenRecord, int64) error {
	o.saves++
	return nil
}

func (o *onlooker) TouchTokens(context.Context, []storage.TokenUse) error { return nil }

func (m *machine) look(t *rapid.T) {
	o := &onlooker{Store: m.truth}
	svc, err := gatehouse.New(o, gatehouse.Config{
		Issuer: "A", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(),
		Now: func() time.Time { return time.Unix(o.at, 0) },
	})
	require.NoError(t, err)
	tok, err := tokens.New(svc, m.policy)
	require.NoError(t, err)
	o.node, m.onlooker = &node{svc, tok}, o
}

func (m *machine) storedTokens(t *rapid.T) map[string]storage.TokenRecord {
	all := map[string]storage.TokenRecord{}
	page, err := m.truth.AllTokens(context.Background(), "", 1000)
	require.NoError(t, err)
	for _, rec := range page.Records {
		all[rec.ID] = rec
	}
	return all
}

// inOrder returns the IDs of all tokens, the first that was minted first: what is drawn from them can be
// drawn again.
func (m *machine) inOrder() []string {
	return slices.SortedFunc(maps.Keys(m.tokens), func(a, b string) int { return m.tokens[a].number - m.tokens[b].number })
}

// stored is what is kept of a token, as package tokens has it.
type stored struct {
	ID, Account                                           string
	Kind                                                  tokens.Kind
	Name                                                  string
	Scopes                                                tokens.Scopes
	Resources, Networks                                   *[]string
	Digest                                                []byte
	Generation, Warned                                    int
	Created, NotBefore, Expires, Revoked, Lifetime, Epoch int64
	How                                                   core.Kind
	AMR                                                   string
	ProofAt, Vouched                                      int64
	NeedsFactor, RotatesItself                            bool
	Old                                                   []copied
}

// copied is a rotated copy of it.
type copied struct {
	Digest []byte
	Until  int64
	Told   bool
}

func storedToken(t require.TestingT, rec storage.TokenRecord) (s stored) {
	record, err := engine.DecodeToken(rec.ID, rec.AccountID, rec.Data)
	require.NoError(t, err)
	sameFields(reflect.ValueOf(&s).Elem(), reflect.ValueOf(record).Elem())
	return s
}

// sameFields fills in a struct from the fields of another that have the same names.
func sameFields(to, from reflect.Value) {
	for i := range to.NumField() {
		value, field := from.FieldByName(to.Type().Field(i).Name), to.Field(i)
		if field.Type() == value.Type() {
			field.Set(value)
			continue
		}
		field.Set(reflect.MakeSlice(field.Type(), value.Len(), value.Len()))
		for i := range value.Len() {
			sameFields(field.Index(i), value.Index(i))
		}
	}
}

// listed returns all tokens of an account.
func listed(t require.TestingT, tok *tokens.Service, account string) (list []tokens.Info) {
	for info, err := range tok.List(context.Background(), account) {
		require.NoError(t, err)
		list = append(list, info)
	}
	return list
}

// row returns what is stored of a token, in the terms of the model.
func (m *machine) row(t *rapid.T, rec storage.TokenRecord) *token {
	s := storedToken(t, rec)
	require.Equal(t, storage.TokenIndex{Expires: moment(s.Expires), Revoked: s.Revoked != 0, Scopes: s.Scopes.String(), Epoch: s.Epoch}, rec.Index)
	k := &token{
		id: s.ID, account: s.Account, name: s.Name, kind: s.Kind, scopes: s.Scopes.String(), rotates: s.RotatesItself,
		created: s.Created, begins: s.NotBefore, expires: s.Expires, revoked: s.Revoked, life: s.Lifetime,
		epoch: m.ended.number(s.Account, s.Epoch), proven: s.ProofAt, vouched: s.Vouched, needsFactor: s.NeedsFactor, warned: s.Warned, rotations: s.Generation,
		proof: map[core.Kind]kind{core.Vouched: vouched, core.SecondFactor: secondFactor}[s.How],
	}
	if core.Resists(s.How, s.AMR) {
		k.passkey = s.AMR
	}
	if s.Resources != nil {
		k.resources = limit{true, *s.Resources}
	}
	if s.Networks != nil {
		k.networks = limit{true, *s.Networks}
	}
	for _, o := range slices.Backward(s.Old) {
		k.generations = append(k.generations, generation{digest: tokens.Digest(o.Digest), until: o.Until, told: o.Told})
	}
	k.generations = append(k.generations, generation{digest: tokens.Digest(s.Digest)})
	return k
}

// shape is what of a row can be seen in the record.
func (k *token) shape() *token {
	s := k.clone()
	s.number, s.used, s.usedScopes = 0, 0, nil
	s.gone, s.line = nil, 0 // of which the record has the lines
	for i := range s.generations {
		s.generations[i].line = 0
	}
	for _, l := range []*limit{&s.resources, &s.networks} {
		if len(l.list) == 0 {
			l.list = nil
		}
	}
	return s
}

func (k *token) equal(other *token) bool { return reflect.DeepEqual(k.shape(), other.shape()) }

// checkTokens holds the store against the table, and the page that an owner is shown; and asks for every
// text that anybody was ever shown, for those of a token that has changed also at the edges of its time.
// Invariant 12.
func (m *machine) checkTokens(t *rapid.T, p *process, account string) {
	stored := m.storedTokens(t)
	require.Equal(t, slices.Sorted(maps.Keys(m.tokens)), slices.Sorted(maps.Keys(stored)))
	for id, rec := range stored {
		require.Equal(t, m.tokens[id].shape(), m.row(t, rec).shape())
		if was := m.rows[id]; was.Version != 0 {
			require.Equal(t, was.Version == rec.Version, bytes.Equal(was.Data, rec.Data), "a change that changes nothing is not saved")
		}
	}
	changed := func(id string) bool { return m.rows[id].Version != stored[id].Version }
	edges := slices.DeleteFunc(slices.Clone(m.texts), func(h held[tokens.Parsed]) bool { return !changed(h.what.ID) })
	m.rows = stored

	now, owner := m.at(p), m.model[account]
	for _, h := range m.texts {
		m.checkText(t, h, home, now)
		k := m.tokens[h.what.ID]
		if k == nil || k.account != account {
			continue
		}
		for _, from := range []netip.Addr{elsewhere, {}} {
			m.checkText(t, h, from, now)
		}
	}
	for _, h := range edges {
		k := m.tokens[h.what.ID]
		if k == nil {
			continue
		}
		for _, edge := range append([]int64{k.begins, k.expires, now - day}, k.ends()...) {
			if edge == 0 { // there is none
				continue
			}
			m.checkText(t, h, home, edge-1)
			m.checkText(t, h, home, edge)
		}
	}

	var want []tokens.Info
	for _, id := range slices.Sorted(maps.Keys(m.tokens)) {
		if k := m.tokens[id]; k.account == account && owner.stored { // one that was saved after a deletion is dead, and not listed
			want = append(want, k.info(owner, now))
		}
	}
	got := listed(t, p.tok, account)
	require.Equal(t, len(want), len(got))
	for i := range want {
		requireInfo(t, want[i], got[i])
	}
}

// requireInfo takes no list and an empty one for the same.
func requireInfo(t *rapid.T, want, got tokens.Info) {
	entries, restricted := want.Resources.Only()
	stored, kept := got.Resources.Only()
	require.Equal(t, restricted, kept)
	require.True(t, slices.Equal(entries, stored))
	got.Resources = want.Resources
	require.Equal(t, want, exported(got))
}

func (k *token) ends() (ends []int64) {
	for _, g := range k.generations {
		ends = append(ends, g.until)
	}
	return ends
}

// checkText asks the onlooker for a token.
func (m *machine) checkText(t *rapid.T, h held[tokens.Parsed], from netip.Addr, at int64) {
	k := m.tokens[h.what.ID]
	var g generation
	want := no
	if k != nil {
		g, want = k.presented(h.what, m.model[k.account], from, at)
	}
	m.onlooker.at, m.onlooker.saves = at, 0
	got, err := m.onlooker.tok.Check(context.Background(), h.text, from)
	saves := 0
	if want == reused && !m.policy.KeepReused {
		saves = 1 // its revocation
	}
	require.Equal(t, saves, m.onlooker.saves)
	if want != yes && want != old {
		require.Equal(t, error(&gatehouse.DeniedError{}), err, "%s at %d, by the table %+v", want, at, k)
		for _, right := range rights {
			require.False(t, got.Allows(right, ""))
		}
		return
	}
	require.NoError(t, err, "%s at %d, by the table %+v", want, at, k)
	requireGrant(t, k, g, got)
	for _, right := range rights {
		for _, resource := range resources {
			require.Equal(t, k.allows(string(right), resource), got.Allows(right, resource), "%s of %q, by the table %+v", right, resource, k)
		}
	}
}

// checkActivity holds what an account's activity keeps of its tokens against the log: as nobody has looked at it,
// nothing is missing, but for what a run counts.
func (m *machine) checkActivity(t *rapid.T, a core.Account) {
	log := m.model[a.ID].tokenLog
	logged, kept := map[string]int{}, map[string]int{}
	for _, e := range log {
		logged[e.kind]++
	}
	for _, e := range a.Activity {
		if !strings.HasPrefix(string(e.Kind), "token") {
			continue
		}
		kept[string(e.Kind)] += max(e.Count, 1)
		got := entry{string(e.Kind), e.At, e.Token, e.Name}
		for len(log) > 0 && !log[0].is(got) { // part of a run
			log = log[1:]
		}
		require.NotEmpty(t, log, "%+v is not in the log, or not in this order", got)
		log = log[1:]
	}
	require.Equal(t, logged, kept)
}

// is reports whether an entry of the log is one that was kept. A token that nobody was told of has a name of the log's.
func (e entry) is(kept entry) bool {
	if strings.HasPrefix(e.token, "?") {
		kept.token = e.token
	}
	return e == kept
}

// close ends the processes, which stores how tokens were used.
func (m *machine) close(t *rapid.T) {
	ctx := context.Background()
	for _, p := range m.procs {
		require.NoError(t, p.Close(ctx))
	}
	require.NoError(t, m.onlooker.node.Close(ctx))
	for _, id := range ids {
		for _, got := range listed(t, m.procs[0].tok, id) {
			k := m.tokens[got.ID]
			require.Equal(t, moment(k.used), got.LastUsed)
			var unused tokens.Scopes
			for _, scope := range got.Scopes {
				if !k.usedScopes[string(scope)] {
					unused = append(unused, scope)
				}
			}
			require.Equal(t, unused, got.Unused)
		}
	}
}
