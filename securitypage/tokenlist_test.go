package securitypage_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

var tokenLink = regexp.MustCompile(`<td role="cell" class="name"><a href="` + prefix + `/tokens/([0-9A-Za-z]{14})"><bdi>([^<]*)</bdi>`)

// names returns the tokens that a list shows, in order.
func names(a answer) (out []string) {
	for _, m := range tokenLink.FindAllStringSubmatch(a.body, -1) {
		out = append(out, m[2])
	}
	return out
}

func (b *browser) minted(r tokens.Request) tokens.Info {
	b.h.t.Helper()
	if r.Scopes == nil {
		r.Scopes = tokens.Scopes{"projects:read"}
	}
	minted, err := b.h.tok.Mint(b.h.t.Context(), b.in(), r)
	require.NoError(b.h.t, err)
	b.h.svc.Wait(time.Second)
	return minted.Info
}

// A list is searched, filtered, sorted and paged by its address alone; what an address cannot ask for counts as not there.
func TestTokenList(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	b.minted(tokens.Request{Name: "beta", Lifetime: 3 * day, Kind: tokens.Machine})
	b.minted(tokens.Request{Name: "Alpha", Lifetime: 90 * day, Scopes: tokens.Scopes{"projects:write"}})
	minted, err := h.tok.Mint(t.Context(), b.in(), tokens.Request{Name: "gamma", Scopes: tokens.Scopes{"projects:read"}})
	require.NoError(t, err)
	require.NoError(t, h.tok.Revoke(t.Context(), b.in(), b.minted(tokens.Request{Name: "old"}).ID))
	_, err = h.tok.Check(t.Context(), minted.Token.Reveal(), noAddress)
	require.NoError(t, err)
	require.NoError(t, h.svc.Close(t.Context()))

	for query, want := range map[string]string{
		"": "gamma Alpha beta", "?sort=name": "Alpha beta gamma", "?sort=-name": "gamma beta Alpha", "?sort=-used": "gamma Alpha beta",
		"?sort=used": "Alpha beta gamma", "?sort=expires": "beta gamma Alpha", "?q=LPH": "Alpha", "?q=projects:write": "Alpha",
		"?q=" + minted.Info.ID: "gamma", "?show=soon": "beta", "?show=unused": "Alpha beta", "?show=active": "gamma Alpha beta", "?show=ended": "old",
		"?kind=svc": "beta", "?scope=projects:write": "Alpha", "?scope=projects:write&kind=svc": "",
		"?sort=nonsense": "gamma Alpha beta", "?sort=--name": "gamma Alpha beta", "?show=%00": "gamma Alpha beta", "?kind=x": "gamma Alpha beta",
		"?scope=%3Cb%3E": "gamma Alpha beta", "?page=-1": "gamma Alpha beta", "?page=99999999999999999999": "gamma Alpha beta",
		"?page=x": "gamma Alpha beta", "?account=eve": "gamma Alpha beta", "?q=%ff": "gamma Alpha beta", "?q=" + strings.Repeat("x", 20<<10): "",
		"?q=" + url.QueryEscape(`"><script>alert(1)</script>`): "",
	} {
		a := b.get("/tokens" + query)
		require.Equal(t, http.StatusOK, a.status, query)
		require.Equal(t, want, strings.Join(names(a), " "), "%.80s", query)
		require.NotContains(t, a.body, "<script>", query)
		require.Less(t, len(a.body), 50<<10, "%.80s", query)
		require.NotContains(t, a.body, strings.Repeat("x", 41), "a search is short")
	}

	// What links lead to keeps the rest of the address.
	a := b.get("/tokens?q=a&show=active&sort=name&kind=pat")
	require.Contains(t, a.body, `aria-sort="ascending"><a href="`+prefix+`/tokens?kind=pat&amp;q=a&amp;show=active&amp;sort=-name"`)
	require.Contains(t, a.body, `<a href="`+prefix+`/tokens?kind=pat&amp;q=a&amp;sort=name">All <span>2</span>`)
	form, ok := a.form("/tokens")
	require.True(t, ok)
	require.Equal(t, url.Values{"q": {"a"}, "show": {"active"}, "sort": {"name"}, "kind": {"pat"}}, form)
}

// With many tokens, those that have ended among them, a page stays small, and the usual one does not even read those.
func TestManyTokens(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	for _, x := range []struct {
		life time.Duration
		n    int
	}{{90 * day, 50}, {time.Hour, 1450}} { // in this order: those of an hour are as many as there may be, until they end
		life, n := x.life, x.n
		first := b.minted(tokens.Request{Name: strings.Repeat("n", 64), Lifetime: life, Scopes: tokens.Scopes{"deploys:write", "projects:write"}})
		rec, _, err := h.svc.Store.LoadToken(t.Context(), first.ID)
		require.NoError(t, err)
		for i := range n - 1 {
			rec.ID = fmt.Sprintf("%s%04d", first.ID[:10], i)
			require.NoError(t, h.svc.Store.SaveToken(t.Context(), rec, 0))
		}
	}
	h.svc.Wait(2 * time.Hour)
	for show, want := range map[string]int{"": 50, "ended": 1450} {
		seen := map[string]bool{}
		for next, pages := "/tokens?show="+show, 0; next != ""; pages++ {
			var a answer
			n := h.calls(func() { a = b.get(next) })
			require.Equal(t, http.StatusOK, a.status)
			require.Less(t, len(a.body), 50<<10)
			require.LessOrEqual(t, n["LoadAccount"], 2, n)
			if show == "" {
				require.Equal(t, 1, n["LiveTokens"], n)
				require.Zero(t, n["Tokens"], n)
			}
			for _, m := range tokenLink.FindAllStringSubmatch(a.body, -1) {
				seen[m[1]] = true
			}
			require.LessOrEqual(t, len(tokenLink.FindAllString(a.body, -1)), 20)
			next = ""
			if m := regexp.MustCompile(`<a href="([^"]+)" rel="next">`).FindStringSubmatch(a.body); m != nil {
				next = strings.ReplaceAll(m[1], "&amp;", "&")
			}
			require.Less(t, pages, 110)
		}
		require.Len(t, seen, want)
	}
	require.Contains(t, b.get("/tokens/revoke-all").text(), "50 tokens stop working.")
}

// What a list shows of the owner's service accounts is only of those, and of no use to change anything.
func TestServiceAccountsTokens(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	require.Equal(t, http.StatusNotFound, b.get("/tokens/service-accounts").status)
	require.NotContains(t, b.get("/tokens").body, "service-accounts")
	h.enrolled("eve")
	op := h.tok.Operator(h.svc.Operator("support@ops").Because("4711"))
	// A crash has left ada with one that then became eve's.
	saves := 0
	h.svc.Store.Inject(func(method string) gatehousetest.Fault {
		if method == "SaveAccount" {
			if saves++; saves > 1 {
				return gatehousetest.Fail
			}
		}
		return gatehousetest.None
	})
	require.Error(t, op.CreateServiceAccount(t.Context(), "bot:both", "ada"))
	h.svc.Store.Inject(nil)
	for bot, owner := range map[string]string{"bot:both": "eve", "bot:a": "ada", "bot:b": "ada", "bot:eve": "eve"} {
		require.NoError(t, op.CreateServiceAccount(t.Context(), bot, owner))
		_, err := op.Mint(t.Context(), bot, tokens.Request{Name: "of " + bot, Scopes: tokens.Scopes{"projects:read"}, Kind: tokens.Machine})
		require.NoError(t, err)
	}
	require.Contains(t, b.get("/tokens").body, prefix+"/tokens/service-accounts")
	for query, want := range map[string]string{"?account=bot%3Aa": "of bot:a", "?account=bot%3Ab": "of bot:b", "?account=bot%3Ab&show=ended": "of bot:b"} {
		a := b.get("/tokens/service-accounts" + query)
		require.Equal(t, http.StatusOK, a.status)
		require.Contains(t, a.text(), want)
		require.Contains(t, a.text(), "Made by support@ops")
		require.NotContains(t, a.text(), "of bot:eve")
		require.NotContains(t, a.body, `/revoke`)
	}
	a := b.get("/tokens/service-accounts?account=bot%3Aboth")
	require.Equal(t, http.StatusOK, a.status)
	require.NotContains(t, a.text(), "of bot:both")
	for _, other := range []string{"bot:eve", "eve", "ada", "nobody", "%00"} {
		require.Equal(t, http.StatusNotFound, b.get("/tokens/service-accounts?account="+other).status, other)
	}
	for _, bot := range []string{"bot:a", "bot:b"} {
		id := h.tokens(bot)[0].ID
		require.Equal(t, http.StatusNotFound, b.get("/tokens/"+id).status)
		require.Equal(t, http.StatusNotFound, b.get("/tokens/"+id+"/revoke").status)
	}
}

// A resource that the host does not know is refused at its field, and nothing that it says takes long or is shown raw.
func TestResources(t *testing.T) {
	asked := 0
	var fault error
	list := func(_ *http.Request, account string) ([]securitypage.Resource, error) {
		return []securitypage.Resource{{ID: "project/7", Name: "<b>Seven</b>"}, {ID: "team/a/1"}, {ID: account}}, fault
	}
	check := func(_ *http.Request, _, id string) (bool, error) {
		asked++
		return strings.HasPrefix(id, "project/"), fault
	}
	for name, of := range map[string]securitypage.Resources{"list": {List: list}, "check": {Check: check}, "both": {List: list, Check: check}} {
		t.Run(name, func(t *testing.T) {
			fault = nil
			h := newHost(t, func(c *securitypage.Config) { c.Resources = of })
			b, _ := h.enrolled("ada")
			mint := func(field, value string) answer {
				return b.submit("/tokens/new", "/tokens/new", "name", "x", "scope", "projects:read", "days", "30", field, value)
			}
			for _, wrong := range []string{"nonsense that is nothing", "project/7\nnowhere", "team/b/*", "project*", "*", strings.Repeat("z", 300), "<i>"} {
				a := mint("resources", wrong)
				require.Equal(t, http.StatusUnprocessableEntity, a.status, wrong)
				require.Contains(t, a.body, `id="resources-wrong"`, wrong)
				require.NotContains(t, a.body, "<i>")
			}
			require.Empty(t, h.tokens("ada"))
			asked = 0
			require.Equal(t, http.StatusUnprocessableEntity, mint("resources", strings.Repeat("project/1\n", 101)).status)
			require.Zero(t, asked, "more than a token can have")

			require.Equal(t, http.StatusOK, mint("resources", "project/7").status)
			require.Equal(t, http.StatusOK, mint("resources", "project/*").status)
			if of.List != nil {
				a := b.get("/tokens/new")
				require.NotContains(t, a.body, "<b>")
				require.Contains(t, a.body, `name="resource" value="project/7"`)
				require.Equal(t, http.StatusOK, mint("resource", "project/7").status)
				require.Equal(t, http.StatusUnprocessableEntity, mint("resource", "project*").status)
			}
			n := len(h.tokens("ada"))
			fault = errors.Join(errors.New("down"), gatehouse.ErrStepUpRequired)
			shown := b.get("/tokens/new")
			if of.List != nil {
				require.Equal(t, http.StatusInternalServerError, shown.status)
				fault = nil
				shown = b.get("/tokens/new")
				fault = gatehouse.ErrInvalid
			}
			form, ok := shown.form("/tokens/new")
			require.True(t, ok)
			form.Set("name", "x")
			form.Set("scope", "projects:read")
			form.Set("days", "30")
			form.Set("resources", "project/7")
			require.Equal(t, http.StatusInternalServerError, b.post("/tokens/new", form).status)
			require.Len(t, h.tokens("ada"), n)
		})
	}
}

// The form says when a token ends, what is wrong with a network, and offers what the host has an endpoint for.
func TestMintForm(t *testing.T) {
	for _, rotates := range []bool{false, true} {
		h := newHost(t, func(c *securitypage.Config) {
			c.RotatesItself, c.API = rotates, "https://api.acme.test/v1/me?a=1&b=2"
		})
		b, _ := h.enrolled("ada")
		a := b.get("/tokens/new")
		require.Contains(t, a.text(), h.svc.Now().Add(30*day).UTC().Format("2 Jan 2006")+" (30 days)")
		require.Equal(t, rotates, strings.Contains(a.body, `name="rotates"`))
		for typed, want := range map[string]string{
			"10.0.0.1/8": "“10.0.0.1/8” is no network. Did you mean 10.0.0.0/8?", "192.0.2.0/24\nhere": "“here” is neither",
			strings.Repeat("192.0.2.1\n", 33): "at most 32", "::ffff:10.0.0.0/104": "neither an address", strings.Repeat("<", 99): strings.Repeat("<", 64) + "…”",
		} {
			a := b.submit("/tokens/new", "/tokens/new", "name", "x", "scope", "projects:read", "days", "30", "networks", typed)
			require.Equal(t, http.StatusUnprocessableEntity, a.status, typed)
			require.Contains(t, a.text(), want)
			require.Contains(t, a.body, `aria-describedby="networks-wrong networks-about" aria-invalid="true" autofocus`)
		}
		a = b.submit("/tokens/new", "/tokens/new", "name", "x", "scope", "projects:read", "days", "30", "rotates", "yes", "networks", "192.0.2.0/24")
		require.Equal(t, http.StatusOK, a.status, a.text())
		require.Equal(t, rotates, h.tokens("ada")[0].RotatesItself)
		secret := regexp.MustCompile(`acme_pat_[0-9A-Za-z]{63}`)
		require.Len(t, secret.FindAllString(a.body, -1), 1, "the line for curl does not have it")
		require.Contains(t, a.text(), `read -rs TOKEN && printf 'Authorization: Bearer %s\n' "$TOKEN" | curl -H @- 'https://api.acme.test/v1/me?a=1&b=2'`)
		require.Contains(t, a.text(), "192.0.2.0/24")
		require.Contains(t, a.text(), h.svc.Now().Add(30*day).UTC().Format("2 Jan 2006, 15:04 UTC"))
	}
	h := newHost(t)
	for api, ok := range map[string]bool{
		"": true, "https://a.test/x": true, "http://localhost:8080/x": true, "http://a.test/": false, "https://a.test/'; rm -rf ~ #": false,
		"https://a.test/\n": false, "javascript:alert(1)": false, "https:///x": false, "/x": false, `https://a.test/\`: false,
	} {
		_, err := securitypage.New(securitypage.Config{Web: h.sess, Name: "Acme", API: api})
		require.Equal(t, ok, err == nil, api)
	}
}

// A thief who rotates a token again and again does not keep its owner from ending it.
func TestRevokeWhileItRotates(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) { c.RotatesItself = true })
	b, _ := h.enrolled("ada")
	for i, page := range []string{"/tokens/%s/revoke", "/tokens/revoke-all"} {
		minted, err := h.tok.Mint(t.Context(), b.in(), tokens.Request{Name: fmt.Sprint(i), Scopes: tokens.Scopes{"projects:read"}, RotatesItself: true})
		require.NoError(t, err)
		if strings.Contains(page, "%s") {
			page = fmt.Sprintf(page, minted.Info.ID)
		}
		asked := b.get(page)
		require.Equal(t, http.StatusOK, asked.status)
		next, err := h.tok.RotateSelf(t.Context(), minted.Token.Reveal(), noAddress, tokens.Rotation{})
		require.NoError(t, err)
		require.Equal(t, http.StatusSeeOther, b.send(asked, page).status)
		_, err = h.tok.Check(t.Context(), next.Token.Reveal(), noAddress)
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		require.Equal(t, http.StatusConflict, b.send(asked, page).status)
	}
}

// The page of a token has its uses, its limits and its history.
func TestTokenPage(t *testing.T) {
	h := newHostWith(t, func(of *parts) { of.tokens.Addresses = true })
	b, _ := h.enrolled("ada")
	only, err := tokens.OnlyResources("<i>7</i>")
	require.NoError(t, err)
	minted, err := h.tok.Mint(t.Context(), b.in(), tokens.Request{
		Name: "<b>x</b>", Scopes: tokens.Scopes{"projects:read", "deploys:write"}, Resources: only,
	})
	require.NoError(t, err)
	_, err = h.tok.Check(t.Context(), minted.Token.Reveal(), someAddress)
	require.NoError(t, err)
	require.NoError(t, h.svc.Close(t.Context()))
	for _, end := range []string{"", "/revoke"} {
		a := b.get("/tokens/" + minted.Info.ID + end)
		require.Equal(t, http.StatusOK, a.status)
		for _, want := range []string{"<b>x</b>", "<i>7</i>", "192.0.2.7", "(not used yet)", "acme_pat_" + minted.Info.ID[:6] + "…"} {
			require.Contains(t, a.text(), want)
		}
		require.NotContains(t, a.body, "<b>")
		require.NotContains(t, a.body, "<i>")
		require.NotContains(t, a.body, minted.Token.Reveal())
	}
	a := b.get("/tokens/" + minted.Info.ID)
	require.Contains(t, a.text(), "History")
	require.Contains(t, a.text(), "You created the token")
	require.Contains(t, a.text(), "One week, until "+h.svc.Now().Add(7*day).UTC().Format("2 Jan 2006, 15:04 UTC"))
}

const day = 24 * time.Hour

var noAddress, someAddress = netip.Addr{}, netip.MustParseAddr("192.0.2.7")
