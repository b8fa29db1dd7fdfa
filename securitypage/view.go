package securitypage

import (
	"fmt"
	"html"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-go/gatehouse/internal/local"
	"github.com/gatehouse-go/gatehouse/posture"
)

// View is what templates are given. Data is that of the page.
type View struct {
	c     *call
	Page  string
	Data  any
	Wrong map[string]string // what is wrong with a field of a form, by its name

	// Framed says that the page is shown in the layout of Config, which has the service's name.
	Framed bool
}

// Title is the page's.
func (v *View) Title() string {
	key := "title." + v.Page
	if of, ok := v.Data.(string); ok && v.Page == "message" {
		key = "message." + of + ".title"
	}
	title := v.c.text(key)
	if len(v.Wrong) > 0 { // which is the first that a screen reader says of a page
		return v.c.text("title.wrong", "title", title)
	}
	return title
}

// Name is the service's.
func (v *View) Name() string { return v.c.p.c.Name }

// Label is the owner's.
func (v *View) Label() string { return v.c.s.owner.Label }

// Links are the host's.
func (v *View) Links() Links { return v.c.p.c.Links }

// URL returns the address of a path below the page's own.
func (v *View) URL(path string) string { return v.c.keepWanted(v.c.p.path + path) }

// Asset returns the address of a style sheet or script, which changes with its contents.
func (v *View) Asset(name string) string {
	return v.c.p.path + "/" + name + "?v=" + v.c.p.files.versions[name]
}

// Sheets are the addresses of the style sheets, in their order.
func (v *View) Sheets() (addresses []string) {
	for _, name := range sheets {
		if v.c.p.files.versions[name] != "" {
			addresses = append(addresses, v.Asset(name))
		}
	}
	return addresses
}

// Script is the address of the script of passkeys, "" for a page that needs none.
func (v *View) Script() string {
	if !v.c.scripted {
		return ""
	}
	return v.Asset(passkeyScript)
}

// Signal is what the script tells the browser's password manager, "" for nothing.
func (v *View) Signal() string { return v.c.signal }

// Passkeys reports whether passkeys can be added.
func (v *View) Passkeys() bool { return v.c.p.c.Passkeys != nil }

// For returns a text about an authenticator app, or the one of the same key about a passkey.
func (v *View) For(key string, passkey bool, args ...any) string {
	return v.T(key+v.c.suffix(passkey), args...)
}

// Theme is that of Config.
func (v *View) Theme() Theme { return v.c.p.c.Theme }

// Icon is one of the icons of icons.svg, which says nothing to a screen reader: of 20 px, or with the class "s" of 16.
// With "flip" it points the other way where texts go from right to left.
func (v *View) Icon(name string, classes ...string) template.HTML {
	class := "icon"
	for _, more := range classes {
		class += " " + more
	}
	return template.HTML(`<svg class="` + html.EscapeString(class) + `" aria-hidden="true"><use href="` +
		html.EscapeString(v.Asset("icons.svg")+"#"+name) + `"/></svg>`)
}

// Tabs reports whether a page is one of those that the navigation leads to, or belongs below one.
func (v *View) Tabs() bool { return v.SignedIn() && section[v.Page] != "" && !wizards[v.Page] }

// wizards lead from one step to the next, without the navigation at their top.
var wizards = map[string]bool{
	"pair": true, "pairing": true, "pairingcodes": true, "pairingcode": true, "passkey": true, "pairingpasskey": true, "paired": true, "codes": true, "newcodes": true, "remove": true, "disable": true,
}

// Bare reports whether a page is a card in the middle of the screen, under the service's name: those of the sign-in.
func (v *View) Bare() bool { return v.Page == "secondstep" || v.Page == "clock" }

// SignedIn reports whether there is somebody to show links to.
func (v *View) SignedIn() bool { return v.c.who() == signedIn }

// HasTokens reports whether the page has access tokens.
func (v *View) HasTokens() bool { return v.c.tok() != nil }

// HasSessions reports whether the page lists where the owner is signed in.
func (v *View) HasSessions() bool { return v.c.p.c.Sessions != nil }

// Section returns "page" for the entry of the navigation that a page belongs to.
func (v *View) Section(page string) string {
	if section[v.Page] == page {
		return "page"
	}
	return ""
}

var section = map[string]string{
	"overview": "overview", "review": "overview", "sessions": "overview", "disable": "authenticators",
	"pair": "authenticators", "pairing": "authenticators", "pairingcodes": "authenticators", "pairingcode": "authenticators", "passkey": "authenticators", "pairingpasskey": "authenticators", "paired": "authenticators", "authenticators": "authenticators", "remove": "authenticators",
	"codes": "authenticators", "newcodes": "authenticators",
	"tokens": "tokens", "mint": "tokens", "minted": "tokens", "token": "tokens",
	"revoke": "tokens", "revokeall": "tokens", "serviceaccounts": "tokens",
	"activity": "activity", "plan": "activity", "browsers": "activity",
}

// Form is the hidden field without which a form of a path is refused.
func (v *View) Form(path, state string) string { return v.c.sign("form", v.c.p.path+path, state) }

// Notice is what was just done, which the redirect has said.
func (v *View) Notice() string { return v.c.either("notice."+v.c.notice(), "") }

// notice returns what the redirect that led here has said: the key of a notice, as a rule.
func (c *call) notice() string {
	if c.r.Method == http.MethodPost {
		return ""
	}
	notice := c.r.URL.Query().Get("notice")
	// Without a session there is no secret to sign with.
	if len(c.s.in.Secret) == 0 || len(notice) <= signed || !c.verify(notice[:signed], "notice", notice[signed:]) {
		return ""
	}
	return notice[signed:]
}

// Countdown has the script count a sentence that says how long to wait down to the time when that is over.
func (v *View) Countdown(until time.Time) template.HTMLAttr {
	left := until.Sub(v.c.p.now())
	if left <= 0 {
		return ""
	}
	return template.HTMLAttr(fmt.Sprintf(` data-countdown="%d" data-text="%s" data-over="%s"`, int((left+time.Second-1)/time.Second),
		html.EscapeString(v.T("locked.clock")), html.EscapeString(v.T("locked.over"))))
}

// MessageIcon is the icon of a page that has nothing but a text.
func (v *View) MessageIcon(of any) string {
	switch of {
	case "missing":
		return "search"
	case "expired", "stale", "busy":
		return "clock"
	case "suspended":
		return "lock"
	}
	return "alert"
}

// CodesFile is the name of the file of recovery codes, which says of which service they are.
func (v *View) CodesFile() string {
	name := strings.Trim(strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return '-'
	}, v.Name()), "-")
	return strings.TrimLeft(name+"-"+v.T("codes.file"), "-")
}

// Past reports whether a time has come.
func (v *View) Past(at time.Time) bool { return !at.After(v.c.p.now()) }

// Gate is the name of a gate's action.
func (v *View) Gate(action string) string { return v.c.either("gate."+action, action) }

// Fix is how to fix a control, with the page for it.
func (v *View) Fix(id string, fix posture.Remediation) Fix {
	out := Fix{Title: v.c.either("control."+id+".todo", fix.Title), Text: v.c.either("control."+id+".fix", fix.Text), Link: v.c.keepWanted(fix.Link)}
	if own, ok := fixes[id]; ok && out.Link == "" {
		if own == "/passkey" && !v.Passkeys() {
			return out
		}
		if own == "/tokens" && !v.HasTokens() {
			return out
		}
		out.Link = v.URL(own)
	}
	if out.Link != "" {
		out.Button = v.c.either("fix."+id, v.c.text("fix"))
	}
	return out
}

// Fix is how to fix a control.
type Fix struct{ Title, Text, Link, Button string }

// fixes are the pages that fix the controls which are built in.
var fixes = map[string]string{
	posture.SecondFactor:         "/pair",
	posture.RecoveryCodesExist:   "/recovery-codes",
	posture.RecoveryCodesSaved:   "/recovery-codes",
	posture.RecoveryCodesLeft:    "/recovery-codes",
	posture.SecondAuthenticator:  "/pair",
	posture.PhishingResistant:    "/passkey",
	posture.PasskeysAlone:        "/authenticators",
	posture.MethodsOpen:          "/authenticators",
	posture.AuthenticatorsStrong: "/authenticators",
	posture.RecoveryUseSeen:      "/activity",
	posture.ServiceTokensSeen:    "/activity",
	posture.TokensExpire:         "/tokens",
	posture.TokensUsed:           "/tokens",
	posture.TokensNarrow:         "/tokens",
	posture.TokensNotExpiring:    "/tokens",
	posture.TokensSecondFactor:   "/tokens",
}

func escape(s string) string { return url.QueryEscape(s) }

// back is where a browser is sent back to after a step-up: where it was, or, as a form cannot be sent again,
// the page that had it.
func (c *call) back() string {
	if c.r.Method == http.MethodGet {
		return local.Public(c.r, c.p.c.Web.Prefix()).RequestURI()
	}
	if from := c.from(); from != "" {
		return from
	}
	if home := c.p.c.Links.Home; local.Is(home) {
		return home
	}
	return c.p.c.Web.Prefix() + "/"
}

// from returns the page that has led here, if it is one of this service.
func (c *call) from() string {
	from, err := url.Parse(c.r.Referer())
	// A proxy may have changed the Host. The browser says of itself that the page was one of this origin, which a script
	// of another site cannot say.
	ours := err == nil && from.Host != "" && (from.Host == c.r.Host || c.r.Header.Get("Sec-Fetch-Site") == "same-origin")
	if ours && local.Is(from.RequestURI()) {
		return from.RequestURI()
	}
	return ""
}

// With is a View with what a part of a page is about.
type With struct {
	View *View
	Of   any
}

// With returns what a part of a page is given.
func (v *View) With(of any) With { return With{v, of} }
