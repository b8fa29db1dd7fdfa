package securitypage_test

import (
	"html"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

var (
	dynamicKey = regexp.MustCompile(`printf "([a-z]+\.)%`)
)

// Each text that is used is in the catalog, and each of the catalog is used.
func TestCatalog(t *testing.T) {
	english := securitypage.Texts("en")
	has := func(key string) bool { return english[key] != "" || english[key+"#other"] != "" }
	templates, err := filepath.Glob("templates/*.html")
	require.NoError(t, err)
	sources, err := filepath.Glob("*.go")
	require.NoError(t, err)
	all := ""
	for _, name := range append(templates, sources...) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		all += string(data)
		for _, m := range regexp.MustCompile(`\.[TH] "([^"]+)"`).FindAllStringSubmatch(string(data), -1) {
			require.True(t, has(m[1]), "%s: %s", name, m[1])
		}
		for _, m := range regexp.MustCompile(`\.For "([^"]+)"`).FindAllStringSubmatch(string(data), -1) {
			require.True(t, has(m[1]) && has(m[1]+".passkey"), "%s: %s", name, m[1])
		}
		for _, m := range regexp.MustCompile(`c\.(?:text|rich|dated)\("([^"]+)"[,)]`).FindAllStringSubmatch(string(data), -1) {
			require.True(t, has(m[1]), "%s: %s", name, m[1])
		}
	}
	// Those that are put together of a word and something else.
	made := map[string]bool{"title.": true, "next.": true, "event.": true, "notice.": true, "control.": true, "gate.": true, "fix.": true, "kind.": true, "method.": true, "agent.": true, "system.": true, "wrong.": true, "reason.": true, "month.": true, "weekday.": true, "lang": true, "message.": true, "state.": true, "passkey.": true, "mail.": true /* of package notify */}
	for _, m := range dynamicKey.FindAllStringSubmatch(all, -1) {
		made[m[1]] = true
	}
	for key, text := range english {
		require.NotEmpty(t, text, key)
		key, _, _ := strings.Cut(key, "#")
		key = strings.TrimSuffix(key, ".passkey") // of a text of both kinds: see View.For
		before, _, _ := strings.Cut(key, ".")
		require.True(t, made[before+"."] || strings.Contains(all, `"`+key+`"`), "%s is not used", key)
	}

	// Every value that a text is made for has one.
	for _, k := range event.Kinds() {
		require.Contains(t, english, "event."+string(k))
	}
	for s := posture.StateUnknown; s <= posture.Delegated; s++ {
		require.Contains(t, english, "finding."+s.String())
	}
	for _, s := range []tokens.State{"", tokens.StateActive, tokens.StateNotYetValid, tokens.StateExpired, tokens.StateRevoked,
		tokens.StateNeedsSecondFactor, tokens.StateAccountSuspended, tokens.StateFirstFactorOnly} {
		require.Contains(t, english, "state."+string(s))
	}
	for _, m := range []event.Method{"", event.MethodTOTP, event.MethodRecoveryCode, event.MethodOperatorCode} {
		require.Contains(t, english, "method."+string(m))
	}
	for _, m := range []event.Method{event.MethodTOTP, event.MethodRecoveryCode, event.MethodOperatorCode} {
		require.True(t, has("way."+string(m)), m)
	}
	for _, a := range event.Agents() {
		if browser := a.Browser(); browser != "" {
			require.Contains(t, english, "agent."+browser)
		}
		if system := a.System(); system != "" {
			require.Contains(t, english, "system."+system)
		}
	}
	for _, r := range []tokens.Risk{tokens.Low, tokens.Medium, tokens.High} {
		require.Contains(t, english, "risk."+r.String())
	}
	for _, k := range []tokens.Kind{tokens.Personal, tokens.CommandLine, tokens.App, tokens.Machine} {
		require.Contains(t, english, "kind."+string(k))
	}
	for _, name := range templates {
		page := strings.TrimSuffix(filepath.Base(name), ".html")
		if page != "layout" && page != "frame" && page != "parts" && page != "message" {
			require.Contains(t, english, "title."+page)
		}
	}
	for _, m := range regexp.MustCompile(`c\.message\([^,]+, "([a-z]+)"\)`).FindAllStringSubmatch(all, -1) {
		require.Contains(t, english, "message."+m[1])
		require.Contains(t, english, "message."+m[1]+".title")
	}
	for _, m := range regexp.MustCompile(`c\.redirect\([^)]+, "([a-z]+)"\)`).FindAllStringSubmatch(all, -1) {
		require.Contains(t, english, "notice."+m[1])
	}
	english["skip"] = "changed"
	require.NotEqual(t, "changed", securitypage.Texts("en")["skip"])
}

// inLanguage gets a page as a browser does that asks for languages.
func (b *browser) inLanguage(path, asked string) answer {
	r, err := http.NewRequestWithContext(b.h.t.Context(), http.MethodGet, b.absolute(path), nil)
	require.NoError(b.h.t, err)
	r.Header.Set("Accept-Language", asked)
	return b.do(r)
}

// The language is what the host says, or otherwise what the browser asks for.
func TestLanguage(t *testing.T) {
	chosen := ""
	h := newHost(t, func(c *securitypage.Config) {
		c.Language = func(*http.Request) string { return chosen }
	})
	b, _ := h.enrolled("ada")
	for asked, want := range map[string]string{
		"": "en", "de-AT,de;q=0.9,en;q=0.8": "de", "nl, fr;q=0.5": "fr", "xx": "en", "en-GB": "en", "pt-PT": "pt-BR", "zh-CN": "zh-Hans", "ar-EG": "ar", "*": "en",
		"en;q=0.1, ja;q=0.9": "ja", "de-DE, xq;q=0.1": "de", ";;q=": "en", strings.Repeat("tlh, ", 200) + "de": "en",
		"da, nb, fi, is, nl, sv, et, lv, lt, pl, cs, sk, hu, ro, bg, el, tr, he, ko, es": "es", // twenty at once
	} {
		a := b.inLanguage("/", asked)
		require.Equal(t, http.StatusOK, a.status)
		dir := "ltr"
		if want == "ar" {
			dir = "rtl"
		}
		require.Contains(t, a.body, `<html lang="`+want+`" dir="`+dir+`">`, asked)
		require.Contains(t, a.body, `lang="`+want+`" dir="`+dir+`">`, asked)
	}
	chosen = "es-MX"
	require.Contains(t, b.inLanguage("/", "de").body, `<html lang="es"`)
	chosen = "not a tag!"
	require.Contains(t, b.inLanguage("/", "de").body, `<html lang="en"`)
}

// The host's own words come before ours, in the language of the reader, and may be another language.
func TestTexts(t *testing.T) {
	var asked []string
	h := newHost(t, func(c *securitypage.Config) {
		c.Texts = func(r *http.Request, language string) map[string]string {
			asked = append(asked, language)
			switch language {
			case "de":
				return map[string]string{
					"control.second-factor": "Zwei Faktoren", "control.second-factor.pass": "Ist an.", "control.second-authenticator.fix": "Noch einen <koppeln>.",
					"gate.deploy.public": "Veröffentlichen",
				}
			case "fr": // a host that has no French, and has Polish
				return map[string]string{"lang": "pl", "codes.left#many": "Zostało kodów: {n} z {of}", "codes.left#few": "Zostały {n} kody z {of}"}
			}
			return nil
		}
	})
	b, _ := h.enrolled("ada")
	a := b.inLanguage("/review", "de-AT")
	for _, text := range []string{"Zwei Faktoren", "Ist an.", "Noch einen <koppeln>.", "Veröffentlichen"} {
		require.Contains(t, a.text(), text)
	}
	require.NotContains(t, a.body, "<koppeln>")
	require.Contains(t, asked, "de")
	a = b.inLanguage("/", "fr")
	require.Contains(t, a.body, `<html lang="pl"`)
	require.Contains(t, a.text(), "Zostało kodów: 10 z 10", "by the plurals of Polish")
}

// A control of the host's says any number, and any code. It has no text for that: the page has its reason.
func TestReasonOfTheHost(t *testing.T) {
	for name, c := range map[string]struct {
		result posture.Result
		texts  map[string]string
		want   string
	}{
		"no code":       {posture.Result{State: posture.Fail, Reason: "Too <far>.", N: -3}, nil, "Too <far>."},
		"an own code":   {posture.Result{State: posture.Fail, Reason: "Too far.", Code: "far", N: -1}, map[string]string{"reason.far#one": "Off by {n} <of> {of}"}, "Off by -1 <of> 0"},
		"its own words": {posture.Result{State: posture.Fail, Reason: "Too far.", Code: "far", N: 2, Of: 5}, map[string]string{"control.far.fail#one": "{n} step of {of}", "control.far.fail#other": "{n} steps of {of}", "reason.far": "x"}, "2 steps of 5"},
		"a state's":     {posture.Result{State: posture.Fail, Reason: "Too far.", N: 2}, map[string]string{"control.far.fail": "Off by {n}, {name}"}, "Off by 2, {name}"},
		"a code of all": {posture.Result{State: posture.Fail, Reason: "Too far.", Code: "#other", N: 2}, nil, "Too far."},
	} {
		model, err := posture.NewModel(posture.ModelConfig{Controls: []posture.Control{{
			ID: "far", Title: "Near", Failing: "Far", Question: "Near?", Severity: posture.Medium,
			Fix: posture.Remediation{Title: "Come", Text: "Come near."}, Check: func(posture.Facts, time.Time) posture.Result { return c.result },
		}}})
		require.NoError(t, err)
		gates, err := posture.NewPolicy(model)
		require.NoError(t, err)
		h := newHostWith(t, func(of *parts) { of.gates = gates })
		h.texts = c.texts
		b, _ := h.enrolled("ada")
		a := b.get("/review")
		require.Equal(t, http.StatusOK, a.status, name)
		require.Contains(t, a.text(), c.want, name)
	}
}

// Words that the host cannot say keep nobody out.
func TestTextsFail(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) {
		c.Texts = func(_ *http.Request, language string) map[string]string {
			if language == "de" {
				panic("no German")
			}
			return map[string]string{"area": "Mine"}
		}
		c.Language = func(r *http.Request) string {
			if r.URL.Query().Has("panic") {
				panic("no settings")
			}
			return ""
		}
	})
	b, _ := h.enrolled("ada")
	require.Contains(t, b.inLanguage("/", "en").text(), "Mine")
	require.Empty(t, h.logs.String())
	a := b.inLanguage("/", "de")
	require.Equal(t, http.StatusOK, a.status)
	require.Contains(t, a.body, `<html lang="de"`)
	require.Equal(t, 1, strings.Count(h.logs.String(), "no German"))
	require.Contains(t, b.inLanguage("/?panic", "fr").body, `<html lang="fr"`)
	require.Contains(t, h.logs.String(), "no settings")
}

var (
	nameInText = regexp.MustCompile(`\{[a-z]+\}`)
	spoken     = regexp.MustCompile(`(?:title|alt|placeholder|aria-label|data-text|data-over|data-copied|data-label)="([^"]*)"`)
	letters    = regexp.MustCompile(`\pL{2,}`)
)

// Where every text is replaced, no word stays but those of the host, of its owner, and of the program's codes.
func TestEveryWordIsAText(t *testing.T) {
	nothing := map[string]string{}
	for key, text := range securitypage.Texts("en") {
		nothing[key] = strings.Join(append(nameInText.FindAllString(text, -1), "!"), " ")
	}
	nothing["lang"], nothing["dir"], nothing["codes.file"] = "en", "ltr", "!.txt"
	nothing["pair.name.example"] = "Phone" // which would be the name of an app
	known := regexp.MustCompile(`Acme|ada@acme\.test|Second|Tablet|Laptop|Phone|Authenticator|deploy\.public|acme_\w+…?|projects|deploys|read|write` +
		`|See projects\.|Change projects\.|Deploy to production\.|\b[0-9A-Za-z]{14}\b|\b[A-Z2-7]{4}\b|\b[0-9a-z]{5}-[0-9a-z]{5}\b|[0-9-]+T[0-9:]+Z|UTC|bot|ops|ci|new\b`)
	pages := 0
	for _, s := range stops(t) {
		v, send := s.come(t)
		v.h.texts = nothing
		a := send()
		if a.status == http.StatusSeeOther {
			continue
		}
		pages++
		said := textTag.ReplaceAllString(regexp.MustCompile(`(?s)<code.*?</code>|<pre.*?</pre>|<[a-z]+[^>]* translate="no".*?</[a-z]+>`).ReplaceAllString(a.body, " "), " ")
		for _, m := range spoken.FindAllStringSubmatch(a.body, -1) {
			said += " " + m[1]
		}
		said = known.ReplaceAllString(html.UnescapeString(said), " ")
		require.Empty(t, letters.FindAllString(said, -1), "%s: %s", s.name(), strings.Join(strings.Fields(said), " "))
	}
	require.Greater(t, pages, 20)
}

// Files of the host take the place of those in the package, but for the style sheet, which comes after ours.
func TestFiles(t *testing.T) {
	own := fstest.MapFS{
		"paired.html": {Data: []byte(`{{define "main"}}<h1>Well done, {{.Label}}</h1>{{end}}`)},
		"page.css":    {Data: []byte(`body { color: red }`)},
	}
	h := newHost(t, func(c *securitypage.Config) { c.Files = own })
	b, _ := h.enrolled("ada")
	require.Contains(t, b.get("/pair/done").body, html.EscapeString("Well done, ada@acme.test"))
	require.Equal(t, "body { color: red }", b.get("/host.css").body)
	require.Contains(t, b.get("/page.js").body, "clipboard")
	require.Contains(t, b.get("/").text(), "Two-factor sign-in")

	for text, wrong := range map[string]string{
		`{{define "main"}}{{.}`:               "paired.html",      // cannot be parsed
		`{{define "main"}}<a title="x{{end}}`: "non-text context", // cannot be escaped
	} {
		own["paired.html"].Data = []byte(text)
		_, err := securitypage.New(securitypage.Config{
			Web: h.sess, Name: "x", Files: own,
		})
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
		require.ErrorContains(t, err, wrong)
	}

	// A template of the host's sets numbers and times into texts, and times that are none.
	more := fstest.MapFS{"authenticators.html": {Data: []byte(`{{define "main"}}<p>{{.T "in.days" "n" 1}}, {{.H "in.days" "n" 3}}, {{.H "codes.left" "n" 1 "of" 2}}, {{.H "used.on" "time" (.At .Data.Account.Suspended)}}.</p>{{end}}`)}}
	h = newHost(t, func(c *securitypage.Config) { c.Files = more })
	b, _ = h.enrolled("ada")
	require.Contains(t, b.get("/authenticators").body, "<p>in 1 day, in 3 days, 1 of 2 codes left, last used .</p>")

	// A template that fails while it is shown shows nothing of itself.
	own["paired.html"].Data = []byte(`{{define "main"}}half a page {{.Nothing}}{{end}}`)
	h = newHost(t, func(c *securitypage.Config) { c.Files = own })
	b, _ = h.enrolled("ada")
	a := b.get("/pair/done")
	require.Equal(t, http.StatusInternalServerError, a.status)
	require.NotContains(t, a.body, "half a page")
}
