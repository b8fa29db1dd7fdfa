package securitypage

import (
	"cmp"
	"html"
	"html/template"
	"net/netip"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
)

// entry is one of the recent activity, as a line.
type entry struct {
	event.Event
	Text   template.HTML // a sentence, with the name of what it is about
	Detail string        // the service account or the control that it is about
	Icon   string
	Group  string // "signins", "changes", "tokens" or "" for neither
	Look   bool   // it is worth a look
	Mine   bool   // it would be the owner's own doing: "this wasn't me" makes sense
	Agent  string // the browser in words
	Place  string
	Ago    string
}

// Several reports whether an entry is a run whose text does not say of how many.
func (e entry) Several() bool {
	return e.Count > 1 && (e.Kind != event.CodeDenied || e.Method == event.MethodPasskey)
}

// dayOf is the entries of one day.
type dayOf struct {
	Name    string
	Entries []entry
}

// look is how a kind of event is shown.
type look struct {
	icon  string
	group string
	theft bool // what somebody else would have done
	warns bool
}

// looks has each kind that is not shown as the zero look is.
var looks = map[event.Kind]look{
	event.FirstFactorSignIn: {"sign-in", "signins", true, false},
	event.CodeAccepted:      {"sign-in", "signins", true, false},
	event.CodeDenied:        {"x", "signins", true, false},
	event.MethodLocked:      {"lock", "signins", true, true},
	event.MethodUnlocked:    {"unlock", "changes", true, false},
	event.ThrottledBurst:    {"lock", "signins", true, true},
	event.ManyFailures:      {"alert", "signins", true, true},
	event.PasskeySuspect:    {"alert", "signins", true, true},
	event.NewBrowser:        {"device", "signins", true, false},

	event.RecoveryCodeUsed:          {"lifebuoy", "signins", true, false},
	event.RecoveryCodesLow:          {"lifebuoy", "", false, false},
	event.RecoveryCodesRegenerated:  {"lifebuoy", "changes", true, false},
	event.RecoveryCodesAcknowledged: {"lifebuoy", "", false, false},
	event.OperatorCodeMade:          {"help", "changes", false, false},
	event.OperatorCodeUsed:          {"help", "changes", true, false},

	event.EnrollmentBegun:       {"phone", "changes", true, false},
	event.EnrollmentAbandoned:   {"phone", "changes", true, false},
	event.AuthenticatorAdded:    {"phone", "changes", true, false},
	event.AuthenticatorRenamed:  {"edit", "changes", true, false},
	event.AuthenticatorRemoved:  {"trash", "changes", true, false},
	event.AuthenticatorResynced: {"clock", "changes", true, false},

	event.TwoFactorOff:        {"shield-alert", "changes", true, true},
	event.PasswordChanged:     {"password", "changes", true, false},
	event.AccountReset:        {"shield-alert", "changes", false, true},
	event.AccountSuspended:    {"lock", "changes", false, true},
	event.AccountResumed:      {"unlock", "changes", false, false},
	event.SessionsEnded:       {"device", "changes", true, false},
	event.SessionEnded:        {"device", "changes", true, false},
	event.SecondFactorMissing: {"alert", "signins", false, true},
	event.ActivityReviewed:    {"check", "", false, false},

	event.TokenMinted:     {"key", "tokens", true, false},
	event.TokenRotated:    {"key", "tokens", true, false},
	event.TokenRenewed:    {"key", "tokens", true, false},
	event.TokenReused:     {"alert", "tokens", true, true},
	event.TokenContested:  {"alert", "tokens", true, true},
	event.TokenRevoked:    {"ban", "tokens", true, false},
	event.TokensRevoked:   {"ban", "tokens", true, false},
	event.TokenNewAddress: {"terminal", "tokens", true, false},

	event.ServiceAccountCreated: {"user-plus", "tokens", false, false},
	event.ServiceTokenMinted:    {"key", "tokens", false, false},
	event.ServiceTokenRotated:   {"key", "tokens", false, false},
	event.ServiceTokenRenewed:   {"key", "tokens", false, false},
}

// severalDenied is from how many wrong codes in a row on somebody should have a look.
const severalDenied = 3

// entries returns the latest of an account's activity, newest first.
func (c *call) entries(a gatehouse.Account, most int) []entry {
	latest := a.Activity[:min(most, len(a.Activity))]
	out := make([]entry, len(latest))
	for i, e := range latest {
		out[i] = c.entry(a, e)
	}
	return out
}

func (c *call) entry(a gatehouse.Account, e event.Event) entry {
	l := looks[e.Kind]
	out := entry{
		Event: e, Text: c.sentence(a, e), Icon: l.icon, Group: l.group, Mine: l.theft && e.OperatorID == "",
		Look:  l.warns || e.Kind == event.CodeDenied && e.Count >= severalDenied || e.Kind == event.RecoveryCodeUsed && unseen(a, e),
		Agent: c.agent(e.Agent), Ago: c.ago(e.At),
	}
	switch {
	case out.Icon == "":
		out.Icon = "info"
	case e.Kind == event.CodeAccepted && !e.SignIn:
		out.Icon = "shield-check"
	case out.Icon == "phone" && e.Method == event.MethodPasskey:
		out.Icon = "passkey"
	case out.Look && e.Kind != event.TwoFactorOff && e.Kind != event.RecoveryCodeUsed:
		out.Icon = "alert"
	}
	out.Detail = e.ServiceAccountID
	if e.Control != "" {
		out.Detail = c.either("control."+e.Control, e.Control)
	}
	return out
}

// unseen reports whether an entry is a use of a recovery code that the owner has yet to look at.
func unseen(a gatehouse.Account, e event.Event) bool {
	return !a.CodeUseUnseen.IsZero() && !e.At.After(a.CodeUseUnseen)
}

// sentence says what happened. What a name is put into is its own language's, so it is isolated.
func (c *call) sentence(a gatehouse.Account, e event.Event) template.HTML {
	key := "event." + string(e.Kind)
	name := e.AuthenticatorName + e.TokenName
	switch e.Kind {
	case event.FirstFactorSignIn:
		key += "." + string(e.Method)
	case event.CodeAccepted:
		if e.SignIn {
			key += ".signin"
		}
		name = cmp.Or(nameOf(a, e.AuthenticatorID), name)
	case event.PasskeySuspect:
		name = cmp.Or(nameOf(a, e.AuthenticatorID), name)
	case event.CodeDenied:
		if e.Count > 1 && e.Method != event.MethodPasskey {
			return template.HTML(html.EscapeString(c.text("event.code.denied.several", "n", e.Count)))
		}
	}
	keys := []string{key}
	if e.Method == event.MethodPasskey {
		keys = []string{key + ".passkey", key}
	}
	for _, key := range keys {
		if _, named := c.words.Find(key + ".named"); named && name != "" {
			return c.rich(key+".named", "name", name)
		}
	}
	for _, key := range keys {
		if text, ok := c.words.Find(key); ok {
			return template.HTML(html.EscapeString(text))
		}
	}
	return template.HTML(html.EscapeString(string(e.Kind)))
}

// nameOf returns the name of an authenticator, "" where it is gone.
func nameOf(a gatehouse.Account, id string) string {
	for _, auth := range a.Authenticators {
		if auth.ID == id {
			return auth.Name
		}
	}
	return ""
}

// agent returns a browser in words, "" for one that nothing is known of.
func (c *call) agent(a event.Agent) string {
	browser, system := a.Browser(), a.System()
	switch {
	case a == "":
		return ""
	case browser == "":
		return c.text("agent.some", "system", c.text("system."+system))
	case system == "":
		return c.text("agent." + browser)
	}
	return c.text("agent.on", "browser", c.text("agent."+browser), "system", c.text("system."+system))
}

// days returns entries by days.
func (c *call) days(all []entry) (out []dayOf) {
	now := c.p.now().UTC()
	last := ""
	for _, e := range all {
		at := e.At.UTC()
		if date := at.Format(time.DateOnly); date != last {
			last = date
			name := c.dated("date.weekday", at)
			switch date {
			case now.Format(time.DateOnly):
				name = c.text("day.today")
			case now.AddDate(0, 0, -1).Format(time.DateOnly):
				name = c.text("day.yesterday")
			}
			out = append(out, dayOf{Name: name})
		}
		d := &out[len(out)-1]
		d.Entries = append(d.Entries, e)
	}
	return out
}

// placed gives entries the places of their addresses.
func (c *call) placed(all []entry) {
	var addresses []netip.Addr
	for _, e := range all {
		if a, err := netip.ParseAddr(e.Address); err == nil {
			addresses = append(addresses, a)
		}
	}
	names := c.p.places.of(addresses)
	for i := range all {
		all[i].Place = names[all[i].Address]
	}
}

// byNumber returns the entry of a number, nil where there is none.
func byNumber(all []entry, number string) *entry {
	n, err := strconv.ParseInt(number, 10, 64)
	for i := range all {
		if err == nil && all[i].Number == n {
			return &all[i]
		}
	}
	return nil
}
