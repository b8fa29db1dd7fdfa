package tokens_test

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

// policy says which tokens the host has.
func policy() (tokens.Policy, error) {
	scopes, err := tokens.NewRegistry(
		tokens.ScopeInfo{Scope: "projects:read", Description: "See projects"},
		tokens.ScopeInfo{Scope: "projects:write", Description: "Change projects", Risk: tokens.Medium},
		tokens.ScopeInfo{Scope: "deploys:production", Description: "Deploy to production", Risk: tokens.High, StepUp: true},
	)
	return tokens.Policy{Brand: "acme", Scopes: scopes, Separator: "/"}, err
}

// withToken calls next for a request with a token that has a scope.
func withToken(tok *tokens.Service, scope tokens.Scope,
	next func(http.ResponseWriter, *http.Request, tokens.Grant)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		refuse := func(status int, params string) {
			w.Header().Set("WWW-Authenticate", `Bearer realm="acme"`+params)
			http.Error(w, http.StatusText(status), status)
		}
		if len(r.Header.Values("Authorization")) > 1 {
			refuse(http.StatusBadRequest, `, error="invalid_request"`)
			return
		}
		scheme, presented, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			refuse(http.StatusUnauthorized, "") // nothing was tried, so nothing was wrong
			return
		}
		peer, _ := netip.ParseAddrPort(r.RemoteAddr) // behind a proxy: the address that your own proxy reports
		grant, err := tok.Check(r.Context(), strings.TrimLeft(presented, " "), peer.Addr())
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
func write(w http.ResponseWriter, r *http.Request, grant tokens.Grant) {
	if !grant.Allows("projects:write", "project/"+r.PathValue("id")) {
		http.Error(w, "The token is not for this project.", http.StatusForbidden)
		return
	}
	fmt.Fprintln(w, "written for", grant.AccountID)
}

// withTokens returns a service, its tokens, and ada, who has two-factor sign-in. ada.Session is a session in which she
// has just given a code.
func withTokens() (*gatehousetest.Service, *tokens.Service, *gatehousetest.User) {
	p, err := policy()
	if err != nil {
		log.Fatal(err)
	}
	t := &testing.T{} // in a test, its own
	svc := gatehousetest.New(t)
	tok, err := tokens.New(svc.Service, p)
	if err != nil {
		log.Fatal(err)
	}
	return svc, tok, svc.Enroll(t, "user-42")
}

// again returns a session in which ada has given another code.
func again(ada *gatehousetest.User) gatehouse.Session { return ada.StepUp(&testing.T{}) }

// deployToken is one of ada's.
func deployToken(tok *tokens.Service, ada *gatehousetest.User, edits ...func(*tokens.Request)) tokens.Minted {
	r := tokens.Request{Name: "deploy", Scopes: tokens.Scopes{"projects:write"}}
	for _, edit := range edits {
		edit(&r)
	}
	minted, err := tok.Mint(context.Background(), ada.Session(), r)
	if err != nil {
		log.Fatal(err)
	}
	return minted
}

// net/http middleware that takes tokens, and its answers.
func Example_tokenMiddleware() {
	svc, tok, ada := withTokens()
	only, err := tokens.OnlyResources("project/7")
	if err != nil {
		log.Fatal(err)
	}
	writer := deployToken(tok, ada, func(r *tokens.Request) { r.Resources = only }).Token.Reveal()
	reader := deployToken(tok, ada, func(r *tokens.Request) { r.Scopes = tokens.Scopes{"projects:read"} }).Token.Reveal()

	mux := http.NewServeMux()
	mux.Handle("PUT /projects/{id}", withToken(tok, "projects:write", write))
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

// Make the tokens right after the service, before anything else is done with it.
func ExampleNew() {
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	if err != nil {
		log.Fatal(err)
	}
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read", Description: "See projects"})
	if err != nil {
		log.Fatal(err)
	}
	tok, err := tokens.New(svc, tokens.Policy{Brand: "acme", Scopes: scopes, MaxLifetime: 90 * 24 * time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tok.Policy().Lifetime, tok.Policy().MaxActive) // its defaults are filled in
	// Output: 720h0m0s 100
}

func ExampleService_Mint() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	session := ada.Session()

	only, err := tokens.OnlyResources("project/7", "team/a/*")
	if err != nil {
		log.Fatal(err)
	}
	minted, err := tok.Mint(ctx, session, tokens.Request{
		Name: "deploy", Kind: tokens.Machine, Scopes: tokens.Scopes{"projects:write"},
		Resources: only, Lifetime: 90 * 24 * time.Hour,
	})
	if err != nil {
		log.Fatal(err)
	}
	text := minted.Token.Reveal() // for the page that shows it once
	fmt.Println(text[:9], len(text), minted.Token)
	info := minted.Info
	fmt.Println(info.Name, info.Scopes, info.Expires.Sub(info.Created), info.NeedsSecondFactor)

	_, err = tok.Mint(ctx, session, tokens.Request{Name: "deploy", Scopes: tokens.Scopes{"projects:delete"}})
	fmt.Println(errors.Is(err, tokens.ErrUnknownScope))
	svc.Wait(time.Hour) // the code that ada gave is too old
	_, err = tok.Mint(ctx, session, tokens.Request{Name: "deploy", Scopes: tokens.Scopes{"projects:write"}})
	fmt.Println(errors.Is(err, gatehouse.ErrStepUpRequired))
	// Output:
	// acme_svc_ 72 [redacted]
	// deploy projects:write 2160h0m0s true
	// true
	// true
}

func ExampleService_Check() {
	ctx := context.Background()
	_, tok, ada := withTokens()
	text := deployToken(tok, ada).Token.Reveal()

	grant, err := tok.Check(ctx, text, netip.MustParseAddr("203.0.113.9"))
	fmt.Println(grant.AccountID, grant.Name, grant.SecondFactor, err)
	_, err = tok.Check(ctx, text+"x", netip.Addr{})  // from an unknown address
	fmt.Println(errors.Is(err, gatehouse.ErrDenied)) // also if it is unknown, expired or revoked
	// Output:
	// user-42 deploy true <nil>
	// true
}

// A token that is restricted to networks is denied from anywhere else, and where the address is not known.
func ExampleService_Check_networks() {
	ctx := context.Background()
	_, tok, ada := withTokens()
	office, err := tokens.OnlyNetworks("203.0.113.0/24", "2001:db8::/48")
	if err != nil {
		log.Fatal(err)
	}
	text := deployToken(tok, ada, func(r *tokens.Request) { r.Networks = office }).Token.Reveal()

	_, err = tok.Check(ctx, text, netip.MustParseAddr("203.0.113.9"))
	fmt.Println(err)
	_, err = tok.Check(ctx, text, netip.Addr{})
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

func ExampleGrant_Allows() {
	ctx := context.Background()
	_, tok, ada := withTokens()
	only, err := tokens.OnlyResources("project/7")
	if err != nil {
		log.Fatal(err)
	}
	text := deployToken(tok, ada, func(r *tokens.Request) { r.Resources = only }).Token.Reveal()

	grant, err := tok.Check(ctx, text, netip.Addr{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(grant.Allows("projects:read", "project/7")) // projects:write implies it
	fmt.Println(grant.Allows("projects:write", "project/8"))
	fmt.Println(grant.Allows("projects:write", "")) // something that belongs to no resource
	fmt.Println(tokens.Grant{}.Allows("projects:read", "project/7"))
	// Output:
	// true
	// false
	// false
	// false
}

func ExampleService_List() {
	ctx := context.Background()
	_, tok, ada := withTokens()
	deployToken(tok, ada)
	old := deployToken(tok, ada, func(r *tokens.Request) { r.Name = "old" })
	if err := tok.Revoke(ctx, ada.Session(), old.Info.ID); err != nil {
		log.Fatal(err)
	}

	for info, err := range tok.List(ctx, "user-42") {
		if err != nil {
			log.Fatal(err) // the list is not complete
		}
		fmt.Println(info.Name, info.Scopes, info.State, "never used:", info.LastUsed.IsZero())
	}
	// Unordered output:
	// deploy projects:write active never used: true
	// old projects:write revoked never used: true
}

// A page that has loaded the account shows the tokens that work or may work again.
func ExampleService_Live() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	deployToken(tok, ada)
	account, err := svc.Account(ctx, "user-42")
	if err != nil {
		log.Fatal(err)
	}
	live, err := tok.Live(ctx, account)
	if err != nil {
		log.Fatal(err)
	}
	for _, info := range live {
		fmt.Println(info.Name, info.State)
	}
	// Output: deploy active
}

func ExampleService_Get() {
	ctx := context.Background()
	_, tok, ada := withTokens()
	id := deployToken(tok, ada).Info.ID

	info, err := tok.Get(ctx, "user-42", id)
	fmt.Println(info.Name, err)
	_, err = tok.Get(ctx, "user-7", id)
	fmt.Println(errors.Is(err, gatehouse.ErrNotFound)) // the token of another account
	// Output:
	// deploy <nil>
	// true
}

// With a grace the old secret works beside the new one for a while. Without a grace, as after a leak, it ends at once.
func ExampleService_Rotate() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	old := deployToken(tok, ada)

	next, err := tok.Rotate(ctx, ada.Session(), old.Info.ID, tokens.Rotation{Grace: time.Hour})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(next.Info.ID == old.Info.ID, next.Info.Rotations)
	grant, err := tok.Check(ctx, old.Token.Reveal(), netip.Addr{})
	fmt.Println(grant.Rotated.Sub(svc.Now()), err) // tell its holder
	svc.Wait(time.Hour)

	// Somebody still uses the old secret and may be a thief: that ends the new one too.
	_, err = tok.Check(ctx, old.Token.Reveal(), netip.Addr{})
	fmt.Println(err)
	_, err = tok.Check(ctx, next.Token.Reveal(), netip.Addr{})
	fmt.Println(err)
	// Output:
	// true 1
	// 1h0m0s <nil>
	// gatehouse: denied
	// gatehouse: denied
}

// A machine that nobody looks after rotates its own token before it ends.
func ExampleService_RotateSelf() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	old := deployToken(tok, ada, func(r *tokens.Request) { r.RotatesItself = true })

	next, err := tok.RotateSelf(ctx, old.Token.Reveal(), netip.Addr{}, tokens.Rotation{Grace: time.Hour})
	fmt.Println(next.Info.Expires.Sub(svc.Now()), err)
	_, err = tok.RotateSelf(ctx, old.Token.Reveal(), netip.Addr{}, tokens.Rotation{Grace: time.Hour})
	fmt.Println(errors.Is(err, gatehouse.ErrDenied)) // it was rotated already
	// Output:
	// 720h0m0s <nil>
	// true
}

// An expired token works again with the secret that its scripts already have.
func ExampleService_Renew() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	minted := deployToken(tok, ada)
	svc.Wait(31 * 24 * time.Hour)
	_, err := tok.Check(ctx, minted.Token.Reveal(), netip.Addr{})
	fmt.Println(err)

	info, err := tok.Renew(ctx, again(ada), minted.Info.ID, 7*24*time.Hour)
	fmt.Println(info.State, info.Expires.Sub(svc.Now()), err)
	_, err = tok.Check(ctx, minted.Token.Reveal(), netip.Addr{})
	fmt.Println(err)
	// Output:
	// gatehouse: denied
	// active 168h0m0s <nil>
	// <nil>
}

func ExampleService_Revoke() {
	ctx := context.Background()
	_, tok, ada := withTokens()
	minted := deployToken(tok, ada)
	fmt.Println(tok.Revoke(ctx, ada.Session(), minted.Info.ID))
	_, err := tok.Check(ctx, minted.Token.Reveal(), netip.Addr{})
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

// A recovery code is enough to revoke tokens.
func ExampleService_RevokeAll() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	minted := deployToken(tok, ada)
	session := gatehouse.Session{Account: "user-42"}
	v, err := svc.StepUp(ctx, session, ada.RecoveryCodes[0].Reveal())
	if err != nil {
		log.Fatal(err)
	}
	session.Proof = v.Session.Proof
	fmt.Println(tok.RevokeAll(ctx, session))
	_, err = tok.Check(ctx, minted.Token.Reveal(), netip.Addr{})
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

// A scanner has found a token somewhere, or a program gives its own back.
func ExampleService_RevokePresented() {
	ctx := context.Background()
	_, tok, ada := withTokens()
	text := deployToken(tok, ada).Token.Reveal()
	fmt.Println(tok.RevokePresented(ctx, text))
	fmt.Println(tok.RevokePresented(ctx, "anything")) // the same answer
	_, err := tok.Check(ctx, text, netip.Addr{})
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
	// gatehouse: denied
}

func ExampleOperator_Revoke() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	minted := deployToken(tok, ada)
	svc.Events.Take()
	support := tok.Operator(svc.Operator("support-7").Because("report 4711"))
	fmt.Println(support.Revoke(ctx, minted.Info.ID))
	for _, e := range svc.Events.Take() {
		fmt.Println(e.Kind, e.TokenName, e.OperatorID, e.Reason)
	}
	// Output:
	// <nil>
	// token.revoked deploy support-7 report 4711
}

func ExampleOperator_RevokeAll() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	minted := deployToken(tok, ada)
	support := tok.Operator(svc.Operator("support-7").Because("laptop stolen"))
	fmt.Println(support.RevokeAll(ctx, "user-42"))
	_, err := tok.Check(ctx, minted.Token.Reveal(), netip.Addr{})
	fmt.Println(err)
	// Output:
	// <nil>
	// gatehouse: denied
}

// A daily job.
func ExampleOperator_WarnExpiring() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	deployToken(tok, ada)
	svc.Wait(16 * 24 * time.Hour)
	svc.Events.Take()

	cron := tok.Operator(svc.Operator("cron"))
	done, err := cron.WarnExpiring(ctx, "", nil)
	fmt.Println(done.Seen, done.Done, err)
	for _, e := range svc.Events.Take() { // the Observer writes to the owner
		fmt.Println(e.AccountID, e.Kind, e.TokenName, e.Expires.Format(time.DateOnly))
	}
	done, err = cron.WarnExpiring(ctx, "", nil)
	fmt.Println(done.Seen, done.Done, err) // each warning comes once
	// Output:
	// 1 1 <nil>
	// user-42 token.expiring deploy 2030-01-31
	// 1 0 <nil>
}

// Nobody asks any more for a token that ended 90 days ago.
func ExampleOperator_Purge() {
	ctx := context.Background()
	svc, tok, ada := withTokens()
	deployToken(tok, ada)
	svc.Wait(121 * 24 * time.Hour)

	done, err := tok.Operator(svc.Operator("cron")).Purge(ctx, svc.Now().Add(-90*24*time.Hour), "", nil)
	if err != nil { // go on later
		log.Print(err, "; the next begins at ", done.Cursor)
	}
	fmt.Println(done.Seen, done.Done)
	// Output: 1 1
}

// docs/tokens.md shows this file, but for the blocks that it marks as being elsewhere.
func TestTokenGuideShowsThisFile(t *testing.T) {
	source, err := os.ReadFile("example_service_test.go")
	require.NoError(t, err)
	doc, err := os.ReadFile("../docs/tokens.md")
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

// A robot has nobody who signs in: an operator vouches for its tokens, and the account that owns it has to look at them.
func ExampleOperator_CreateServiceAccount() {
	ctx := context.Background()
	svc, tok, _ := withTokens()
	svc.Events.Take()

	ops := tok.Operator(svc.Operator("ops-3").Because("ticket 4711"))
	if err := ops.CreateServiceAccount(ctx, "bot:deploys", "user-42"); err != nil {
		log.Fatal(err)
	}
	minted, err := ops.Mint(ctx, "bot:deploys", tokens.Request{Name: "nightly", Scopes: tokens.Scopes{"deploys:production"}})
	if err != nil {
		log.Fatal(err)
	}
	grant, err := tok.Check(ctx, minted.Token.Reveal(), netip.Addr{})
	fmt.Println(grant.AccountID, grant.Operator, err)
	rotated, err := ops.Rotate(ctx, minted.Info.ID, tokens.Rotation{Grace: time.Hour})
	fmt.Println(rotated.Info.Rotations, err)
	for _, e := range svc.Events.Take() {
		if e.ServiceAccountID != "" && e.TokenID != "" { // the Observer writes to the owner
			fmt.Println(e.AccountID, e.Kind, e.ServiceAccountID, e.TokenName)
		}
	}
	// Output:
	// bot:deploys ops-3 <nil>
	// 1 <nil>
	// user-42 service_token.minted bot:deploys nightly
	// user-42 service_token.rotated bot:deploys nightly
}
