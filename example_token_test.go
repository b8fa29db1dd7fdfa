package gatehouse_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// policy says what tokens the host has.
func policy() (*tokens.Policy, error) {
	scopes, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read", Description: "See projects"},
		tokens.ScopeInfo{Scope: "projects:write", Description: "Change projects", Risk: tokens.Medium},
		tokens.ScopeInfo{Scope: "deploys:production", Description: "Deploy to production", Risk: tokens.High, StepUp: true},
	)
	return &tokens.Policy{Brand: "acme", Scopes: scopes, Separator: "/"}, err
}

// withToken wants a token that has a scope.
func withToken(svc *gatehouse.Service, scope tokens.Scope,
	next func(http.ResponseWriter, *http.Request, gatehouse.Grant)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, params string) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="acme"`+params)
			http.Error(w, http.StatusText(status), status)
		}
		headers := r.Header.Values("Authorization")
		if len(headers) > 1 {
			refuse(http.StatusBadRequest, `, error="invalid_request"`)
			return
		}
		scheme, presented, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			refuse(http.StatusUnauthorized, "") // nothing was tried, so nothing was wrong
			return
		}
		peer, _ := netip.ParseAddrPort(r.RemoteAddr) // behind a proxy: what that one says, and no other
		grant, err := svc.AuthenticateToken(r.Context(), strings.TrimLeft(presented, " "), gatehouse.From(peer.Addr()))
		switch {
		case errors.Is(err, gatehouse.ErrDenied):
			refuse(http.StatusUnauthorized, `, error="invalid_token"`)
		case err != nil: // a fault: nobody gets in, and no token is to blame
			log.Print(err)
			http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		case !grant.Scopes.Has(scope):
			refuse(http.StatusForbidden, `, error="insufficient_scope", scope="`+string(scope)+`"`)
		default:
			next(w, r, grant)
		}
	})
}

// write is a handler behind it.
func write(w http.ResponseWriter, r *http.Request, grant gatehouse.Grant) {
	if !grant.Allows("projects:write", "project/"+r.PathValue("id")) {
		http.Error(w, "The token is not for this project.", http.StatusForbidden)
		return
	}
	fmt.Fprintln(w, "written for", grant.AccountID)
}

// tokenHost is a service that has tokens, and an account with a second factor.
func tokenHost() (*gatehousetest.Service, *gatehousetest.Owner) {
	rules, err := policy()
	if err != nil {
		log.Fatal(err)
	}
	t := &testing.T{} // in a test, its own
	svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Tokens = rules })
	return svc, svc.Enroll(t, "user-42")
}

// deployToken is one of ada's.
func deployToken(svc *gatehousetest.Service, ada *gatehousetest.Owner, edits ...func(*tokens.Request)) gatehouse.MintedToken {
	r := tokens.Request{Name: "deploy", Scopes: tokens.Scopes{"projects:write"}}
	for _, edit := range edits {
		edit(&r)
	}
	minted, err := svc.Owner(proofOf(svc, ada.Code())).MintToken(context.Background(), r)
	if err != nil {
		log.Fatal(err)
	}
	return minted
}

// A net/http middleware that takes tokens, and what it answers.
func Example_tokenMiddleware() {
	svc, ada := tokenHost()
	only, err := tokens.OnlyResources("project/7")
	if err != nil {
		log.Fatal(err)
	}
	writer := deployToken(svc, ada, func(r *tokens.Request) { r.Resources = only }).Token.Reveal()
	reader := deployToken(svc, ada, func(r *tokens.Request) { r.Scopes = tokens.Scopes{"projects:read"} }).Token.Reveal()

	mux := http.NewServeMux()
	mux.Handle("PUT /projects/{id}", withToken(svc.Service, "projects:write", write))
	ask := func(path string, authorization ...string) {
		r := httptest.NewRequest("PUT", path, nil)
		r.Header["Authorization"] = authorization
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("WWW-Authenticate")+strings.TrimSpace(w.Body.String()))
	}
	ask("/projects/7", "Bearer "+writer)
	ask("/projects/8", "Bearer "+writer)
	ask("/projects/7", "Bearer "+reader)
	ask("/projects/7", "Bearer "+writer[:70])
	ask("/projects/7?access_token=" + writer)
	ask("/projects/7", "Bearer "+writer, "Bearer "+reader)
	svc.Store.Inject(gatehousetest.On("LoadToken", gatehousetest.Fail))
	log.SetOutput(new(strings.Builder))
	defer log.SetOutput(os.Stderr)
	ask("/projects/7", "Bearer "+writer)
	// Output:
	// 200 written for user-42
	// 403 The token is not for this project.
	// 403 Bearer realm="acme", error="insufficient_scope", scope="projects:write"Forbidden
	// 401 Bearer realm="acme", error="invalid_token"Unauthorized
	// 401 Bearer realm="acme"Unauthorized
	// 400 Bearer realm="acme", error="invalid_request"Bad Request
	// 500 Something went wrong.
}

func ExampleOwner_MintToken() {
	ctx := context.Background()
	svc, ada := tokenHost()

	only, err := tokens.OnlyResources("project/7", "team/a/*")
	if err != nil {
		log.Fatal(err)
	}
	minted, err := svc.Owner(proofOf(svc, ada.Code())).MintToken(ctx, tokens.Request{
		Name: "deploy", Kind: tokens.Machine, Scopes: tokens.Scopes{"projects:write"}, Resources: only, Lifetime: 90 * 24 * time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	text := minted.Token.Reveal() // for the page that shows it once
	fmt.Println(text[:9], len(text), minted.Token)
	fmt.Println(minted.Info.Name, minted.Info.Scopes, minted.Info.Expires.Sub(minted.Info.Created), minted.Info.NeedsSecondFactor)

	// The password alone does not mint for an account that has a second factor.
	proof, err := svc.Attest(ctx, "user-42", gatehouse.FirstFactor{Method: "pwd", At: svc.Now()})
	if err != nil {
		log.Fatal(err)
	}
	_, err = svc.Owner(proof).MintToken(ctx, tokens.Request{Name: "deploy", Scopes: tokens.Scopes{"projects:write"}})
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	_, err = svc.Owner(proofOf(svc, ada.Code())).MintToken(ctx, tokens.Request{Name: "deploy", Scopes: tokens.Scopes{"projects:delete"}})
	fmt.Println(errors.Is(err, tokens.ErrUnknownScope), err)
	// Output:
	// acme_svc_ 72 [redacted]
	// deploy projects:write 2160h0m0s true
	// true
	// true gatehouse: invalid argument: tokens: unknown scope: "projects:delete"
}

func ExampleService_AuthenticateToken() {
	ctx := context.Background()
	svc, ada := tokenHost()
	text := deployToken(svc, ada).Token.Reveal()

	grant, err := svc.AuthenticateToken(ctx, text)
	fmt.Println(grant.AccountID, grant.Name, grant.SecondFactor, err)
	_, err = svc.AuthenticateToken(ctx, text+"x")
	fmt.Println(errors.Is(err, gatehouse.ErrDenied)) // also if it is unknown, expired or revoked
	// Output:
	// user-42 deploy true <nil>
	// true
}

func ExampleGrant_Allows() {
	ctx := context.Background()
	svc, ada := tokenHost()
	only, err := tokens.OnlyResources("project/7")
	if err != nil {
		log.Fatal(err)
	}
	text := deployToken(svc, ada, func(r *tokens.Request) { r.Resources = only }).Token.Reveal()

	grant, err := svc.AuthenticateToken(ctx, text)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(grant.Allows("projects:read", "project/7")) // who may write may read
	fmt.Println(grant.Allows("projects:write", "project/8"))
	fmt.Println(grant.Allows("projects:write", "")) // what belongs to no resource
	fmt.Println(gatehouse.Grant{}.Allows("projects:read", "project/7"))
	// Output:
	// true
	// false
	// false
	// false
}

func ExampleFrom() {
	ctx := context.Background()
	svc, ada := tokenHost()
	office, err := tokens.OnlyNetworks("203.0.113.0/24", "2001:db8::/48")
	if err != nil {
		log.Fatal(err)
	}
	text := deployToken(svc, ada, func(r *tokens.Request) { r.Networks = office }).Token.Reveal()

	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "203.0.113.9:49152"
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		log.Fatal(err)
	}
	_, err = svc.AuthenticateToken(ctx, text, gatehouse.From(peer.Addr()))
	fmt.Println(err)
	_, err = svc.AuthenticateToken(ctx, text) // from nobody knows where
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

func ExampleService_Tokens() {
	ctx := context.Background()
	svc, ada := tokenHost()
	deployToken(svc, ada)
	info := deployToken(svc, ada, func(r *tokens.Request) { r.Name = "old" }).Info
	if err := svc.Owner(proofOf(svc, ada.Code())).RevokeToken(ctx, info.ID); err != nil {
		log.Fatal(err)
	}

	for after := ""; ; {
		page, err := svc.Tokens(ctx, "user-42", after, 100)
		if err != nil {
			log.Fatal(err)
		}
		for _, info := range page {
			fmt.Println(info.Name, info.Scopes, info.State, "never used:", info.LastUsed.IsZero())
			after = info.ID
		}
		if len(page) < 100 {
			break
		}
	}
	// Unordered output:
	// deploy projects:write active never used: true
	// old projects:write revoked never used: true
}

// With a grace the old secret works beside the new one for a while. Without, as after a leak, it ends at
// once.
func ExampleOwner_RotateToken() {
	ctx := context.Background()
	svc, ada := tokenHost()
	old := deployToken(svc, ada)

	next, err := svc.Owner(proofOf(svc, ada.Code())).RotateToken(ctx, old.Info.ID, gatehouse.Rotation{Grace: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(next.Info.ID == old.Info.ID, next.Info.Rotations)
	grant, err := svc.AuthenticateToken(ctx, old.Token.Reveal())
	fmt.Println(grant.Rotated.Sub(svc.Now()), err) // tell its bearer
	svc.Wait(time.Hour)

	// Somebody still has the old one, who may be a thief: with it the new one ends.
	_, err = svc.AuthenticateToken(ctx, old.Token.Reveal())
	fmt.Println(err)
	_, err = svc.AuthenticateToken(ctx, next.Token.Reveal())
	fmt.Println(err)
	// Output:
	// true 1
	// 1h0m0s <nil>
	// gatehouse: denied
	// gatehouse: denied
}

// A machine that nobody looks after rotates its own token, before it ends.
func ExampleService_RotateToken() {
	ctx := context.Background()
	svc, ada := tokenHost()
	old := deployToken(svc, ada, func(r *tokens.Request) { r.RotatesItself = true })

	next, err := svc.RotateToken(ctx, old.Token.Reveal(), gatehouse.Rotation{Grace: time.Hour})
	fmt.Println(next.Info.Expires.Sub(svc.Now()), err)
	_, err = svc.RotateToken(ctx, old.Token.Reveal(), gatehouse.Rotation{Grace: time.Hour})
	fmt.Println(errors.Is(err, gatehouse.ErrDenied)) // it has had its turn
	// Output:
	// 720h0m0s <nil>
	// true
}

// An expired token works again with the secret that its scripts already have.
func ExampleOwner_RenewToken() {
	ctx := context.Background()
	svc, ada := tokenHost()
	minted := deployToken(svc, ada)
	svc.Wait(31 * 24 * time.Hour)
	_, err := svc.AuthenticateToken(ctx, minted.Token.Reveal())
	fmt.Println(err)

	info, err := svc.Owner(proofOf(svc, ada.Code())).RenewToken(ctx, minted.Info.ID, 7*24*time.Hour)
	fmt.Println(info.State, info.Expires.Sub(svc.Now()), err)
	_, err = svc.AuthenticateToken(ctx, minted.Token.Reveal())
	fmt.Println(err)
	// Output:
	// gatehouse: denied
	// active 168h0m0s <nil>
	// <nil>
}

func ExampleOwner_RevokeToken() {
	ctx := context.Background()
	svc, ada := tokenHost()
	minted := deployToken(svc, ada)
	fmt.Println(svc.Owner(proofOf(svc, ada.Code())).RevokeToken(ctx, minted.Info.ID))
	_, err := svc.AuthenticateToken(ctx, minted.Token.Reveal())
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

// A recovery code is enough to take rights away.
func ExampleOwner_RevokeAllTokens() {
	ctx := context.Background()
	svc, ada := tokenHost()
	minted := deployToken(svc, ada)
	fmt.Println(svc.Owner(proofOf(svc, ada.RecoveryCodes[0].Reveal())).RevokeAllTokens(ctx))
	_, err := svc.AuthenticateToken(ctx, minted.Token.Reveal())
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

// A scanner has found a token somewhere, or a program gives its own back.
func ExampleService_RevokePresented() {
	ctx := context.Background()
	svc, ada := tokenHost()
	text := deployToken(svc, ada).Token.Reveal()
	fmt.Println(svc.RevokePresented(ctx, text))
	fmt.Println(svc.RevokePresented(ctx, "anything")) // the same answer
	_, err := svc.AuthenticateToken(ctx, text)
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// gatehouse: denied
}

func ExampleOperator_RevokeToken() {
	ctx := context.Background()
	svc, ada := tokenHost()
	minted := deployToken(svc, ada)
	svc.Events.Take()
	fmt.Println(svc.Operator("support-7").Because("report 4711").RevokeToken(ctx, minted.Info.ID))
	for _, e := range svc.Events.Take() {
		fmt.Println(e.Kind, e.TokenName, e.OperatorID, e.Reason)
	}
	// Output:
	// <nil>
	// token.revoked deploy support-7 report 4711
}

func ExampleOperator_RevokeAllTokens() {
	ctx := context.Background()
	svc, ada := tokenHost()
	minted := deployToken(svc, ada)
	fmt.Println(svc.Operator("support-7").Because("laptop stolen").RevokeAllTokens(ctx, "user-42"))
	_, err := svc.AuthenticateToken(ctx, minted.Token.Reveal())
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

// A daily job.
func ExampleOperator_WarnExpiringTokens() {
	ctx := context.Background()
	svc, ada := tokenHost()
	deployToken(svc, ada)
	svc.Wait(16 * 24 * time.Hour)
	svc.Events.Take()

	sweep, err := svc.Operator("cron").WarnExpiringTokens(ctx, "", nil)
	fmt.Println(sweep.Seen, sweep.Done, err)
	for _, e := range svc.Events.Take() { // what the Observer writes to the owner
		fmt.Println(e.AccountID, e.Kind, e.TokenName, e.RetryAt.Format(time.DateOnly))
	}
	sweep, err = svc.Operator("cron").WarnExpiringTokens(ctx, "", nil)
	fmt.Println(sweep.Seen, sweep.Done, err) // it has been told
	// Output:
	// 1 1 <nil>
	// user-42 token.expiring deploy 2030-01-31
	// 1 0 <nil>
}

// What ended 90 days ago, nobody asks for any more.
func ExampleOperator_PurgeTokens() {
	ctx := context.Background()
	svc, ada := tokenHost()
	deployToken(svc, ada)
	svc.Wait(121 * 24 * time.Hour)

	sweep, err := svc.Operator("cron").PurgeTokens(ctx, svc.Now().Add(-90*24*time.Hour), "", nil)
	if err != nil { // go on later
		log.Print(err, "; the next begins at ", sweep.Cursor)
	}
	fmt.Println(sweep.Seen, sweep.Done)
	// Output: 1 1
}

// The uses of the last minute are stored before the process ends.
func ExampleService_Close() {
	ctx := context.Background()
	rules, err := policy()
	if err != nil {
		log.Fatal(err)
	}
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate(), Tokens: rules})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{Handler: withToken(svc, "projects:write", write)}
	// … serve, until a signal comes …
	fmt.Println(server.Shutdown(ctx)) // first the requests
	fmt.Println(svc.Close(ctx))
	// Output:
	// <nil>
	// <nil>
}

// What docs/tokens.md shows is in this file, but for what it marks as being elsewhere.
func TestTokenGuideShowsThisFile(t *testing.T) {
	source, err := os.ReadFile("example_token_test.go")
	require.NoError(t, err)
	doc, err := os.ReadFile("docs/tokens.md")
	require.NoError(t, err)
	shown := 0
	for _, block := range regexp.MustCompile("(?s)\n```go\n(.*?)\n```\n").FindAllSubmatch(doc, -1) {
		if !strings.Contains(string(block[1]), "// elsewhere") {
			require.Contains(t, "\n"+string(source), "\n"+string(block[1])+"\n")
			shown++
		}
	}
	require.Equal(t, 3, shown)
	require.Contains(t, string(doc), tokens.Pattern("acme"))
}
