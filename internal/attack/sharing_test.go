package attack_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// dump is all that can be reached from a value, as text.
func dump(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return "nil"
		}
		return "*" + dump(v.Elem())
	case reflect.Struct:
		if at, ok := asTime(v); ok {
			return at.String()
		}
		var b strings.Builder
		for i := range v.NumField() {
			fmt.Fprintf(&b, "%s:%s ", v.Type().Field(i).Name, dump(v.Field(i)))
		}
		return "{" + b.String() + "}"
	case reflect.Slice, reflect.Array:
		var b strings.Builder
		for i := range v.Len() {
			b.WriteString(dump(v.Index(i)) + " ")
		}
		return "[" + b.String() + "]"
	case reflect.Map:
		var entries []string
		for _, k := range v.MapKeys() {
			entries = append(entries, dump(k)+"="+dump(v.MapIndex(k)))
		}
		return fmt.Sprint(slices.Sorted(slices.Values(entries)))
	case reflect.Func:
		return "func"
	}
	return fmt.Sprint(v)
}

func asTime(v reflect.Value) (time.Time, bool) {
	if v.Type() != reflect.TypeFor[time.Time]() || !v.CanInterface() {
		return time.Time{}, false
	}
	return v.Interface().(time.Time), true
}

// scribble changes everything that a caller can change in a value: exported fields behind pointers, elements of slices
// up to their capacity, entries of maps. It reports whether there was anything that another could hold as well.
func scribble(v reflect.Value) (shareable bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && exported(v.Type().Elem()) {
			return scribble(v.Elem()) || true
		}
	case reflect.Struct:
		if _, ok := asTime(v); ok {
			if v.CanSet() {
				v.Set(reflect.ValueOf(time.Unix(666, 0)))
			}
			return false
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				shareable = scribble(v.Field(i)) || shareable
			}
		}
	case reflect.Slice:
		all := v.Slice3(0, v.Cap(), v.Cap())
		for i := range all.Len() {
			scribble(all.Index(i))
		}
		return v.Cap() > 0
	case reflect.Array:
		for i := range v.Len() {
			shareable = scribble(v.Index(i)) || shareable
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			entry := reflect.New(v.Type().Elem()).Elem()
			entry.Set(v.MapIndex(k))
			scribble(entry)
			v.SetMapIndex(k, entry)
		}
		return !v.IsNil()
	case reflect.String:
		v.SetString("scribbled")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(v.Uint() + 1)
	}
	return shareable
}

// exported reports whether a type has something that a caller can change. Others, such as a registry of scopes, are
// shared on purpose.
func exported(t reflect.Type) bool {
	if t.Kind() != reflect.Struct {
		return true
	}
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			return true
		}
	}
	return false
}

func boxed[T any](v T, err error) any {
	if err != nil {
		panic(err)
	}
	return &v
}

// Row K17: what is handed out shares nothing with what is handed out next.
func TestNothingIsShared(t *testing.T) {
	ctx := t.Context()
	f := &hostFacts{}
	p := policyOf(t, posture.ModelConfig{Controls: []posture.Control{{
		ID: "own", Title: "Own", Failing: "Not own", Question: "Is it so?", Standards: []string{"NIST"},
		Fix: posture.Remediation{Title: "Make it so", Text: "Make it so."},
		Check: func(f posture.Facts, _ time.Time) posture.Result {
			if f.Host.Delegated != nil { // a check that is not as pure as it should be
				f.Host.Answers["own"], f.Host.Delegated.Provider, f.Host.Delegated.AMR[0] = posture.No, "scribbled", "mfa "
			}
			return posture.Result{State: posture.Fail, Reason: "No."}
		},
	}}}, append(slices.Clone(gates), posture.Gate{Action: "never", Controls: []string{"own", posture.SecondFactor}, MaxAge: time.Minute})...)
	shared := posture.Host{
		EmailVerified: posture.Yes, Delegated: &posture.Delegation{Provider: "idp", AMR: []string{"mfa"}}, Answers: map[string]posture.Answer{"own": posture.Yes},
	}
	h := newHouse(t, withTokens(t, func(p *tokens.Policy) { p.Kinds, p.Addresses = []tokens.Kind{"own"}, true }), judged(t, p, f))
	f.do = func() { f.host = shared; f.host.At = h.clock() } // a host that answers with the same again and again
	o := h.enroll("user-42")
	op := h.Operator("op").Because("a test")
	require.NoError(t, op.AcceptRisk(ctx, o.id, posture.RecoveryCodesSaved, time.Time{}))
	text, info := o.mint("logs:read projects:write", func(r *tokens.Request) {
		r.Resources, _ = tokens.OnlyResources("project/7")
	})
	proof := o.fresh()
	policy := h.tok.Policy()
	facts := posture.Facts{
		Account: gatehouse.Account{AcceptedRisks: []gatehouse.AcceptedRisk{{Control: posture.SecondFactor}}},
		Tokens:  []tokens.Info{{ID: "T", State: tokens.StateActive, Unused: tokens.Scopes{"a:b"}}}, TokensKnown: true,
	}

	for name, get := range map[string]func() any{
		"Review":      func() any { return boxed(h.Review(ctx, o.id)) },
		"Preview":     func() any { return boxed(h.Preview(ctx, o.id, (*posture.Trial).DisableTwoFactor)) },
		"History":     func() any { return boxed(h.History(ctx, o.id)) },
		"Account":     func() any { a, err := h.Account(ctx, o.id); return boxed(shown(a), err) },
		"Activity":    func() any { return boxed(h.Activity(ctx, o.id)) },
		"Challenge":   func() any { all := must(h.Challenge(ctx, o.id)).Authenticators; return &all },
		"Tokens":      func() any { return boxed(h.Tokens(ctx, o.id)) },
		"Token":       func() any { return boxed(h.Token(ctx, o.id, info.ID)) },
		"TokenPolicy": func() any { p := h.tok.Policy(); return &p },
		"Scopes":      func() any { all := policy.Scopes.All(); return &all },
		"Grant":       func() any { return boxed(h.Check(ctx, text)) },
		"Only":        func() any { only, _ := info.Resources.Only(); return &only },
		"Fleet":       func() any { return boxed(op.Fleet(ctx, posture.Summary{}, nil)) },
		"ShutOut":     func() any { return boxed(op.ShutOut(ctx, "never", "", 10)) },
		"Actions":     func() any { all := p.Actions(); return &all },
		"GateError": func() any {
			var e *posture.GateError
			require.ErrorAs(t, h.Require(ctx, proof, "never"), &e)
			return e
		},
		"Compare":       func() any { v := p.Compare(facts, posture.Facts{}, begin); return &v },
		"posture.Model": func() any { r := p.Model().Evaluate(facts, begin); return &r },
		"progress": func() any {
			var seen []posture.Summary
			_, err := op.Fleet(ctx, posture.Summary{}, func(f posture.Summary) { seen = append(seen, f) })
			return boxed(seen, err)
		},
		"Reviews": func() any {
			var seen []posture.Review
			return boxed(seen, op.Reviews(ctx, "", func(_ string, r posture.Review, _ error) bool { seen = append(seen, r); return true }))
		},
	} {
		first, second := get(), get()
		want := dump(reflect.ValueOf(second))
		require.Equal(t, want, dump(reflect.ValueOf(first)), name)
		shareable := scribble(reflect.ValueOf(first))
		require.True(t, shareable || name == "Reviews", name)
		require.NotEqual(t, want, dump(reflect.ValueOf(first)), name)
		require.Equal(t, want, dump(reflect.ValueOf(second)), "%s: another's is changed", name)
		require.Equal(t, want, dump(reflect.ValueOf(get())), "%s: everybody's is changed", name)
	}
	require.Equal(t, posture.Host{
		EmailVerified: posture.Yes, Delegated: &posture.Delegation{Provider: "idp", AMR: []string{"mfa"}}, Answers: map[string]posture.Answer{"own": posture.Yes},
	}, shared, "what the host holds is the host's")
	require.Equal(t, tokens.Scope("a:b"), facts.Tokens[0].Unused[0])
	require.True(t, h.good(text).Allows("logs:read", "project/7"))
}

// Row K17: what a caller gave, and goes on changing, is not what is decided by.
func TestWhatIsGivenIsCopied(t *testing.T) {
	ctx := t.Context()
	config := posture.ModelConfig{
		Controls: []posture.Control{{
			ID: "own", Title: "Own", Failing: "Not own", Question: "Is it so?", Standards: []string{"NIST"},
			Fix: posture.Remediation{Title: "Make it so", Text: "Make it so."},
			Check: func(posture.Facts, time.Time) posture.Result {
				return posture.Result{State: posture.Fail, Reason: "No."}
			},
		}},
		Links:  map[string]string{"own": "/own"},
		Adjust: map[string]func(string) posture.Adjustment{posture.EmailVerified: func(string) posture.Adjustment { return posture.Adjustment{LockedBy: "Pro"} }},
	}
	gates := []posture.Gate{{Action: "act", Controls: []string{"own"}}}
	model, err := posture.NewModel(config)
	require.NoError(t, err)
	policy, err := posture.NewPolicy(model, gates...)
	require.NoError(t, err)
	infos := []tokens.ScopeInfo{{Scope: "logs:read"}, {Scope: "logs:write"}}
	registry, err := tokens.NewRegistry(infos...)
	require.NoError(t, err)
	kinds := tokens.Policy{Brand: "acme", Scopes: registry, Kinds: []tokens.Kind{"own"}}
	answers, amr := map[string]posture.Answer{"own": posture.Yes}, []string{"mfa"}
	h := newHouse(t, func(c *settings) {
		c.Posture, c.Tokens = policy, &kinds
		c.HostFacts = func(context.Context, string) (posture.Host, error) {
			return posture.Host{At: begin, Answers: answers, Delegated: &posture.Delegation{AMR: amr}}, nil
		}
	})
	o := h.enroll("user-42")
	request := tokens.Request{Name: "ci", Kind: "own", Scopes: tokens.Scopes{"logs:read"}}
	minted, err := h.Owner(o.fresh()).Mint(ctx, request)
	require.NoError(t, err)
	from := must(h.Operator("op").Fleet(ctx, posture.Summary{}, nil))
	before, kept := dump(reflect.ValueOf(h.review(o.id))), dump(reflect.ValueOf(from))

	config.Controls[0].Standards[0], config.Controls[0].Check, config.Links["own"] = "scribbled", nil, "/scribbled"
	clear(config.Adjust)
	gates[0].Controls[0] = posture.MethodsOpen
	infos[0].Scope, kinds.Kinds[0] = "scribbled:x", "scribbled"
	request.Scopes[0] = "logs:write"
	answers["own"], amr[0] = posture.No, "pwd"
	require.Equal(t, before, dump(reflect.ValueOf(h.review(o.id))))
	require.Equal(t, tokens.Scopes{"logs:read"}, minted.Info.Scopes)
	require.True(t, h.good(minted.Token.Reveal()).Scopes.Has("logs:read"))
	request.Scopes[0] = "logs:read"
	_, err = h.Owner(o.fresh()).Mint(ctx, request)
	require.NoError(t, err)

	again := from
	again.Cursor = ""
	_, err = h.Operator("op").Fleet(ctx, again, nil)
	require.NoError(t, err)
	require.Equal(t, kept, dump(reflect.ValueOf(from)), "where it went on from")

	h.vouch("user-43")
	var seen []posture.Summary
	_, err = h.Operator("op").Fleet(ctx, posture.Summary{}, func(f posture.Summary) { seen = append(seen, f) })
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, []int{seen[0].Controls["own"][posture.Fail], seen[1].Controls["own"][posture.Fail]})
	require.Equal(t, []int{1, 2}, []int{seen[0].ShutOut["act"], seen[1].ShutOut["act"]})
}
