package tokens_test

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/tokens"
)

func ExampleParse() {
	token := tokens.Generate("acme", tokens.CommandLine)
	p, err := tokens.Parse("acme", token.Reveal())
	fmt.Println(token, p.Kind, len(p.ID), err)
	_, err = tokens.Parse("acme", "acme_cli_something")
	fmt.Println(err)
	// Output:
	// [redacted] cli 14 <nil>
	// tokens: not a token
}

func ExamplePattern() {
	fmt.Println(tokens.Pattern("acme"))
	// Output: acme_[a-z][a-z0-9]{2}_[0-9A-Za-z]{63}
}

// A report has a token behind an escape; the host revokes it.
func ExampleFind() {
	leaked := tokens.Generate("acme", tokens.Personal)
	report := strings.NewReader(`{"snippet":"export TOKEN=\n` + leaked.Reveal() + `\n"}`)
	for token, err := range tokens.Find("acme", report) {
		if err != nil {
			fmt.Println(err) // the report could not be read to its end
			return
		}
		fmt.Println(token, token.Reveal() == leaked.Reveal()) // tok.RevokePresented(ctx, token.Reveal())
	}
	// Output: [redacted] true
}

func ExampleScopes() {
	s, err := tokens.ParseScopes("projects:write billing:read projects:read")
	if err != nil {
		fmt.Println(err)
	}
	fmt.Println(s)
	fmt.Println(s.Has("projects:read"), s.Has("projects:delete"))
	// Output:
	// billing:read projects:write
	// true false
}

// A registry has what the host says of its scopes, for pages and for the policy.
func ExampleNewRegistry() {
	r, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read", Description: "See projects"},
		tokens.ScopeInfo{Scope: "projects:write", Description: "Change projects", Risk: tokens.Medium},
		tokens.ScopeInfo{Scope: "deploys:production", Description: "Deploy to production", Risk: tokens.High, StepUp: true},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Risk(tokens.Scopes{"projects:write"}), r.StepUp(tokens.Scopes{"deploys:production"}))
	fmt.Println(r.Check(tokens.Scopes{"projects:delete"}))
	// Output:
	// medium true
	// tokens: unknown scope: "projects:delete"
}

func ExampleOnlyResources() {
	one, err := tokens.OnlyResources("project/7")
	fmt.Println(one.Has("project/7"), one.Has("project/8"), err)
	none, err := tokens.OnlyResources()
	fmt.Println(none.Has("project/7"), err)
	fmt.Println(tokens.Resources{}.Has("project/8"))
	// Output:
	// true false <nil>
	// false <nil>
	// true
}
