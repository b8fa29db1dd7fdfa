package securitypage_test

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/posture"
)

// cameFrom returns where a step-up leads back to that was asked for a form: by the page that says that one can go on.
func cameFrom(t *testing.T, location, at string) string {
	t.Helper()
	query, ok := strings.CutPrefix(location, at+"/step-up?")
	require.True(t, ok, location)
	values, err := url.ParseQuery(query)
	require.NoError(t, err)
	query, ok = strings.CutPrefix(values.Get("next"), at+"/ready?")
	require.True(t, ok, location)
	values, err = url.ParseQuery(query)
	require.NoError(t, err)
	_, path, ok := strings.Cut(values.Get("next"), ":")
	require.True(t, ok, location)
	return path
}

// hostDo asks for a page of the host's, as somebody who reads pages.
func (b *browser) hostDo(t *testing.T, method, path string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, b.h.web.URL+path, nil)
	require.NoError(t, err)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Referer", b.h.web.URL+"/project")
	return b.do(r)
}

// What was wanted when a gate was closed is still wanted when it opens, all the way through the pairing.
func TestWantedSurvivesPairing(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	closed := b.hostDo(t, http.MethodPost, "/deploy")
	require.Equal(t, http.StatusForbidden, closed.status)
	link := html.UnescapeString(regexp.MustCompile(`href="([^"]*/pair\?next=[^"]*)"`).FindStringSubmatch(closed.body)[1])
	query := strings.TrimPrefix(link, prefix+"/pair")
	ready := b.get("/ready" + query)
	require.Contains(t, ready.text(), "this needs something else as well")
	require.Contains(t, ready.body, `href="/project"`)

	form := regexp.MustCompile(`action="([^"]*/pair\?next=[^"]*)"`).FindStringSubmatch(b.get("/pair" + query).body)
	require.NotNil(t, form, "the form brings it along")
	require.Equal(t, link, html.UnescapeString(form[1]))
	for _, forged := range []string{query[:len(query)-1], strings.Replace(query, "deploy.public", "deploy.publik", 1), "?next=%2Fproject", "?next=" + strings.Repeat("x", 24) + "deploy.public%3A%2Fproject", ""} {
		require.NotEqual(t, query, forged)
		require.Equal(t, http.StatusNotFound, b.get("/ready"+forged).status, forged)
		require.NotContains(t, b.get("/pair"+forged).body, "/pair?next=", forged)
	}
	other := h.signIn("bob")
	require.Equal(t, http.StatusNotFound, other.get("/ready"+query).status, "it is of one session")

	b, _ = h.enrolled("eve")
	h.svc.Wait(6 * time.Minute)
	asked := b.hostDo(t, http.MethodPost, "/deploy")
	require.Equal(t, "/project", cameFrom(t, asked.header.Get("Location"), prefix))
	again, err := url.ParseQuery(strings.TrimPrefix(asked.header.Get("Location"), prefix+"/step-up?"))
	require.NoError(t, err)
	ready = b.get(strings.TrimPrefix(again.Get("next"), prefix))
	require.Equal(t, http.StatusOK, ready.status)
	require.Contains(t, ready.text(), "You can go on now")
	require.Contains(t, ready.body, `href="/project"`)
}

// linkOf returns where the link with a text leads.
func linkOf(t *testing.T, a answer, text string) string {
	t.Helper()
	m := regexp.MustCompile(`<a[^>]* href="([^"]*)"[^>]*>(?:<svg.*?</svg>)?` + regexp.QuoteMeta(text) + `<`).FindStringSubmatch(a.body)
	require.NotNil(t, m, "%s\n%s", text, a.body)
	return html.UnescapeString(m[1])
}

// A page that ends something leads on to what it was done for: the last page of a pairing, also where the host's model
// names the page of a control, and new recovery codes. Nothing else of the host's is told.
func TestWantedInTheEnd(t *testing.T) {
	model, err := posture.NewModel(posture.ModelConfig{Links: map[string]string{
		posture.SecondFactor: prefix + "/pair?from=host", posture.RecoveryCodesSaved: prefix + "/recovery-codes", posture.EmailVerified: "/pair",
	}})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{
		posture.SecondFactor, posture.RecoveryCodesSaved, posture.EmailVerified,
	}})
	require.NoError(t, err)
	h := newHostWith(t, func(of *parts) { of.gates = gates })
	b := h.signIn("ada")
	closed := b.hostDo(t, http.MethodPost, "/deploy")
	require.Contains(t, closed.body, `href="/pair"`, "the host's own page is no page that keeps anything")
	to := linkOf(t, closed, "Turn on")
	require.True(t, strings.HasPrefix(to, prefix+"/pair?from=host&next="), to)

	// By way of the wizard.
	query := to[strings.Index(to, "next="):]
	a := b.follow(b.send(b.get("/pair?"+query), prefix+"/pair?"+query))
	app := secretOf(t, a)
	codes := b.get(strings.TrimPrefix(linkOf(t, a, "I’ve added it, continue"), prefix))
	a = b.follow(b.send(codes, prefix+"/pair/codes?"+query, "saved", "yes"))
	a = b.follow(b.send(a, prefix+"/pair/confirm?"+query, "code", app.Code(h.svc.Now())))
	require.Contains(t, a.text(), "Two-factor sign-in is on")
	require.Contains(t, a.text(), "deploy.public: this needs something else as well.")
	require.Equal(t, "/project", linkOf(t, a, "Continue"))

	// By way of new codes.
	a = b.send(b.get("/recovery-codes?"+query), prefix+"/recovery-codes?"+query)
	require.Len(t, codesOf(a), 10)
	done := b.send(a, prefix+"/recovery-codes/saved?"+query)
	require.True(t, strings.HasPrefix(done.header.Get("Location"), prefix+"/ready?next="), done.header.Get("Location"))
	a = b.follow(done)
	require.Contains(t, a.text(), "Noted: your recovery codes are saved.")
	require.Equal(t, "/project", linkOf(t, a, "Continue"))
	a = b.send(b.get("/recovery-codes"), "/recovery-codes")
	require.Contains(t, b.send(a, "/recovery-codes/saved").header.Get("Location"), prefix+"/recovery-codes?notice=", "nothing else was wanted")

	// By way of a sign-in with a recovery code, which was going somewhere.
	in := h.signIn("ada")
	a = in.follow(in.submit("/sign-in?with=recovery", "/sign-in", "code", codesOf(a)[0]))
	to = linkOf(t, a, "Replace the authenticator app")
	query = strings.TrimPrefix(to, prefix+"/pair?")
	require.NotEqual(t, to, query)
	a = in.send(in.get("/recovery-codes?"+query), prefix+"/recovery-codes?"+query)
	require.Equal(t, "/home", in.send(a, prefix+"/recovery-codes/saved?"+query).header.Get("Location"))

	// By way of the plan after something that was not the owner's doing.
	at := "/activity/plan?known=apps"
	to = linkOf(t, in.get(at), "Go to the codes")
	query = strings.TrimPrefix(to, prefix+"/recovery-codes?")
	require.NotEqual(t, to, query)
	h.svc.Wait(time.Hour)
	a = in.send(in.get("/recovery-codes?"+query), prefix+"/recovery-codes?"+query)
	require.Equal(t, http.StatusForbidden, a.status)
	a = in.send(a, prefix+"/recovery-codes?"+query, "step_up", app.Code(h.svc.Now()))
	require.Len(t, codesOf(a), 10)
	require.Equal(t, prefix+at, in.send(a, prefix+"/recovery-codes/saved?"+query).header.Get("Location"))
}

// Who sends a form when nobody is signed in any more comes back to the page that had it. Another site's is none.
func TestFormOfNobody(t *testing.T) {
	h := newHost(t)
	nobody := h.browser(nil)
	require.Equal(t, "/login?next=%2Fproject", nobody.hostDo(t, http.MethodPost, "/deploy").header.Get("Location"))
	for referer, to := range map[string]string{
		h.web.URL + prefix + "/authenticators?x=1": "/login?next=" + url.QueryEscape(prefix+"/authenticators?x=1"),
		"https://evil.test/x":                      "/login", h.web.URL + "//evil.test": "/login", "": "/login", "%": "/login",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.web.URL+prefix+"/authenticators/rename", nil)
		require.NoError(t, err)
		r.Header.Set("Referer", referer)
		if referer == "" { // as where a host forbids them
			r.Header.Set("Sec-Fetch-Site", "same-origin")
		}
		require.Equal(t, to, nobody.do(r).header.Get("Location"), referer)
	}
}

// A link of somebody else's to the page after a sign-in with a recovery code says nothing of where to go on later.
func TestNothingWantedByALink(t *testing.T) {
	h := newHost(t)
	b, _ := h.enrolled("ada")
	a := b.get("/recovered?next=%2Felsewhere")
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, prefix+"/pair", linkOf(t, a, "Replace the authenticator app"))
}

// A gate that is gone by then, as after a deployment, keeps nobody from going on.
func TestWantedByAGateThatIsGone(t *testing.T) {
	h := newHost(t)
	b := h.signIn("ada")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/project", nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: b.id})
	r.Header.Set("Accept", "text/html")
	w := httptest.NewRecorder()
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	finding, ok := model.Evaluate(posture.Facts{}, h.svc.Now()).Find(posture.SecondFactor)
	require.True(t, ok)
	h.page.Refuse(w, r, httpguard.Problem{Status: http.StatusForbidden, Code: "gate_closed", Gate: &posture.Decision{Action: "gone", Unmet: []posture.Finding{finding}}})
	query := strings.TrimPrefix(linkOf(t, answer{body: w.Body.String()}, "Turn on"), prefix+"/pair")
	require.Contains(t, query, "gone")
	a := b.get("/ready" + query)
	require.Equal(t, http.StatusOK, a.status)
	require.Equal(t, "/project", linkOf(t, a, "Continue"))
}
