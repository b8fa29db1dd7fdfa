package tokens_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

var infos = []tokens.ScopeInfo{
	{Scope: "projects:read", Description: "See projects"},
	{Scope: "projects:write", Description: "Change projects", Risk: tokens.Medium},
	{Scope: "billing:read", Risk: tokens.Medium, StepUp: true},
	{Scope: "deploys:*", Risk: tokens.Low},
	{Scope: "deploys:production", Risk: tokens.High, StepUp: true},
}

func registry(t testing.TB) *tokens.Registry {
	t.Helper()
	r, err := tokens.NewRegistry(infos...)
	require.NoError(t, err)
	return r
}

func TestRegistry(t *testing.T) {
	r := registry(t)
	require.Equal(t, infos, r.All())
	require.NoError(t, r.Check(scopes(t, "projects:read deploys:*")))
	for _, unknown := range []string{"projects:*", "projects:delete", "deploys:read", "other:read"} {
		require.ErrorIs(t, r.Check(scopes(t, unknown)), tokens.ErrUnknownScope)
	}
	for text, want := range map[string]struct {
		risk   tokens.Risk
		stepUp bool
	}{
		"projects:read":              {tokens.Low, false},
		"projects:write":             {tokens.Medium, false},
		"projects:read billing:read": {tokens.Medium, true},
		"deploys:*":                  {tokens.High, true}, // with all that it stands for
	} {
		require.Equal(t, want.risk, r.Risk(scopes(t, text)), text)
		require.Equal(t, want.stepUp, r.StepUp(scopes(t, text)), text)
	}
	for _, bad := range [][]tokens.ScopeInfo{
		{}, {{Scope: "projects"}}, {{Scope: "a:b"}, {Scope: "a:b"}}, {{Scope: "a:b", Risk: 3}}, {{Scope: "a:b", Description: "x\x00"}},
		{{Scope: "a:b", Description: strings.Repeat("x", 201)}},
	} {
		_, err := tokens.NewRegistry(bad...)
		require.ErrorIs(t, err, tokens.ErrInvalid)
	}
	list := r.All()
	list[0].Scope = "x:y"
	require.Equal(t, infos, r.All(), "a copy")
}

func TestResources(t *testing.T) {
	var free tokens.Resources
	for _, id := range []string{"", "project/7"} {
		require.True(t, free.Has(id))
	}
	_, restricted := free.Only()
	require.False(t, restricted)

	none, err := tokens.OnlyResources()
	require.NoError(t, err)
	for _, id := range []string{"", "project/7"} {
		require.False(t, none.Has(id), "a restriction to nothing is not the same as none")
	}
	entries, restricted := none.Only()
	require.True(t, restricted)
	require.Empty(t, entries)

	some, err := tokens.OnlyResources("project/7", "team/a/*", "project/7")
	require.NoError(t, err)
	entries, _ = some.Only()
	require.Equal(t, []string{"project/7", "team/a/*"}, entries)
	for id, want := range map[string]bool{
		"project/7": true, "project/70": false, "project/": false, "Project/7": false, "project/7 ": false, "": false,
		"team/a/x": true, "team/a/x/y": true, "team/a/": false, "team/a": false, "team/ab": false, "team/a/*": true,
	} {
		require.Equal(t, want, some.Has(id), id)
	}
	for _, bad := range [][]string{{""}, {"*"}, {"a*b"}, {"a**"}, {"a\x00"}, {"\xff"}, {" a"}, {strings.Repeat("a", 256)}, make([]string, 101)} {
		_, err := tokens.OnlyResources(bad...)
		require.ErrorIs(t, err, tokens.ErrInvalid, "%.80q", bad)
	}
}

func TestNetworks(t *testing.T) {
	var free tokens.Networks
	require.True(t, free.Has(netip.Addr{}))
	none, err := tokens.OnlyNetworks()
	require.NoError(t, err)
	require.False(t, none.Has(netip.MustParseAddr("10.0.0.1")))
	some, err := tokens.OnlyNetworks("203.0.113.0/24", "2001:db8::/32", "198.51.100.7")
	require.NoError(t, err)
	cidrs, restricted := some.Only()
	require.True(t, restricted)
	require.Equal(t, []string{"198.51.100.7/32", "203.0.113.0/24", "2001:db8::/32"}, cidrs)
	for text, want := range map[string]bool{
		"203.0.113.1": true, "203.0.114.1": false, "198.51.100.7": true, "198.51.100.8": false, "2001:db8:1::1": true,
		"2001:db9::1": false, "::ffff:203.0.113.1": true, "::ffff:203.0.114.1": false, "fe80::1%eth0": false,
	} {
		require.Equal(t, want, some.Has(netip.MustParseAddr(text)), text)
	}
	require.False(t, some.Has(netip.Addr{}), "an unknown address")
	for _, bad := range []string{
		"", "x", "10.0.0.0/33", "10.0.0.1/8", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/08", "::/129", "fe80::1%eth0", "::ffff:10.0.0.0/104",
		"10.0.0.0/8 ", "010.0.0.0/8", strings.Repeat("1", 1<<20),
	} {
		_, err := tokens.OnlyNetworks(bad)
		require.ErrorIs(t, err, tokens.ErrInvalid, "%.50q", bad)
	}
	_, err = tokens.OnlyNetworks(make([]string, 33)...)
	require.ErrorIs(t, err, tokens.ErrInvalid)
}

func TestPolicy(t *testing.T) {
	p, err := tokens.Policy{Brand: "acme", Scopes: registry(t), Kinds: []tokens.Kind{"bot"}}.Settle()
	require.NoError(t, err)
	require.Equal(t, []any{30 * day, 365 * day, 100}, []any{p.Lifetime, p.MaxLifetime, p.MaxActive})
	for _, bad := range []tokens.Policy{
		{}, {Brand: "acme"}, {Scopes: p.Scopes}, {Brand: "A", Scopes: p.Scopes}, {Brand: "acme", Scopes: p.Scopes, Kinds: []tokens.Kind{"x"}},
		{Brand: "acme", Scopes: p.Scopes, MaxLifetime: 366 * day}, {Brand: "acme", Scopes: p.Scopes, MaxLifetime: -1},
		{Brand: "acme", Scopes: p.Scopes, MaxLifetime: day, Lifetime: 2 * day}, {Brand: "acme", Scopes: p.Scopes, Lifetime: 1},
		{Brand: "acme", Scopes: p.Scopes, MaxActive: -1}, {Brand: "acme", Scopes: p.Scopes, Separator: "*"},
	} {
		_, err := bad.Settle()
		require.ErrorIs(t, err, tokens.ErrInvalid, "%+v", bad)
	}
	short, err := tokens.Policy{Brand: "acme", Scopes: p.Scopes, MaxLifetime: day}.Settle()
	require.NoError(t, err)
	require.Equal(t, day, short.Lifetime)

	ok := tokens.Request{Name: "deploy", Scopes: scopes(t, "projects:write")}
	r, err := p.Request(ok)
	require.NoError(t, err)
	require.Equal(t, tokens.Personal, r.Kind)
	require.Equal(t, 30*day, r.Lifetime)
	with := func(change func(*tokens.Request)) tokens.Request {
		r := ok
		change(&r)
		return r
	}
	prefix, err := tokens.OnlyResources("project/*")
	require.NoError(t, err)
	for what, bad := range map[string]tokens.Request{
		"no name":                         with(func(r *tokens.Request) { r.Name = "" }),
		"control":                         with(func(r *tokens.Request) { r.Name = "a\nb" }),
		"bidi":                            with(func(r *tokens.Request) { r.Name = "a\u202eb" }),
		"long name":                       with(func(r *tokens.Request) { r.Name = strings.Repeat("a", 65) }),
		"no scopes":                       with(func(r *tokens.Request) { r.Scopes = nil }),
		"bad scope":                       with(func(r *tokens.Request) { r.Scopes = tokens.Scopes{"projects"} }),
		"many scopes":                     with(func(r *tokens.Request) { r.Scopes = make(tokens.Scopes, 10_000) }),
		"unknown kind":                    with(func(r *tokens.Request) { r.Kind = "xyz" }),
		"negative":                        with(func(r *tokens.Request) { r.Lifetime = -day }),
		"nanosecond":                      with(func(r *tokens.Request) { r.Lifetime = 1 }),
		"too long":                        with(func(r *tokens.Request) { r.Lifetime = 366 * day }),
		"a prefix where none is declared": with(func(r *tokens.Request) { r.Resources = prefix }),
	} {
		_, err := p.Request(bad)
		require.ErrorIs(t, err, tokens.ErrInvalid, what)
	}
	_, err = p.Request(with(func(r *tokens.Request) { r.Scopes = tokens.Scopes{"projects:delete"} }))
	require.ErrorIs(t, err, tokens.ErrUnknownScope)

	p.ClampLifetime, p.Separator = true, "/"
	r, err = p.Request(with(func(r *tokens.Request) { r.Lifetime, r.Resources, r.Kind = 1000*day, prefix, "bot" }))
	require.NoError(t, err)
	require.Equal(t, 365*day, r.Lifetime)
	p.Separator = ":"
	_, err = p.Request(with(func(r *tokens.Request) { r.Resources = prefix }))
	require.ErrorIs(t, err, tokens.ErrInvalid, "project/1* would reach project/12")
}

// Rows K14 and T3: each bound of a policy, at it and beside it.
func TestPolicyBounds(t *testing.T) {
	settle := func(edit func(*tokens.Policy)) (tokens.Policy, error) {
		p := tokens.Policy{Brand: "acme", Scopes: registry(t)}
		edit(&p)
		return p.Settle()
	}
	p, err := settle(func(*tokens.Policy) {})
	require.NoError(t, err)
	require.Equal(t, []any{7 * day, 365 * day}, []any{p.MaxGrace, p.Unattended})
	for name, c := range map[string]struct {
		set         func(p *tokens.Policy, d time.Duration)
		least, most time.Duration
	}{
		"MaxGrace":   {func(p *tokens.Policy, d time.Duration) { p.MaxGrace = d }, time.Second, 30 * day},
		"Unattended": {func(p *tokens.Policy, d time.Duration) { p.Unattended = d }, time.Second, 365 * day},
		"Longest":    {func(p *tokens.Policy, d time.Duration) { p.MaxLifetime = d }, time.Second, 365 * day},
		"Lifetime":   {func(p *tokens.Policy, d time.Duration) { p.Lifetime = d }, time.Second, 365 * day},
		"MaxActive":  {func(p *tokens.Policy, d time.Duration) { p.MaxActive = int(d) }, 1, 100_000},
		"Separator":  {func(p *tokens.Policy, d time.Duration) { p.Separator = strings.Repeat("/", max(int(d), 0)) }, 1, 8},
	} {
		for _, d := range []time.Duration{c.least, c.most} {
			_, err := settle(func(p *tokens.Policy) { c.set(p, d) })
			require.NoError(t, err, "%s %d", name, d)
		}
		bad := []time.Duration{c.most + 1, -1}
		if c.least > 1 {
			bad = append(bad, c.least-1)
		}
		if name == "Separator" { // none is none
			bad = bad[:1]
		}
		for _, d := range bad {
			_, err := settle(func(p *tokens.Policy) { c.set(p, d) })
			require.ErrorIs(t, err, tokens.ErrInvalid, "%s %d", name, d)
		}
	}

	p, err = settle(func(p *tokens.Policy) { p.MaxLifetime, p.Unattended = 60*day, 10*day })
	require.NoError(t, err)
	ask := func(itself bool, life time.Duration) time.Duration {
		r, err := p.Request(tokens.Request{Name: "x", Scopes: scopes(t, "projects:read"), RotatesItself: itself, Lifetime: life})
		if err != nil {
			require.ErrorIs(t, err, tokens.ErrInvalid)
		}
		return r.Lifetime
	}
	require.Equal(t, []time.Duration{30 * day, 60 * day, 0, time.Second}, []time.Duration{ask(false, 0), ask(false, 60*day), ask(false, 60*day+1), ask(false, time.Second)})
	require.Equal(t, []time.Duration{10 * day, 10 * day, 0}, []time.Duration{ask(true, 0), ask(true, 10*day), ask(true, 10*day+1)})
	p.ClampLifetime = true
	require.Equal(t, []time.Duration{60 * day, 10 * day}, []time.Duration{ask(false, 61*day), ask(true, 11*day)})
}
