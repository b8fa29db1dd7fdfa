package email

import (
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/words"
)

// text is what a mail says.
type text struct {
	Lang, Dir string
	Subject   string
	What      string
	Facts     []fact
	Was       string // what is to be done if it was the owner; "" where it never is
	Ask       string // what is to be done otherwise, before the link
	Do        string // what the link is called
	Link      string
	Foot      string
}

type fact struct{ Name, Value string }

// notMine are the kinds that are never an owner's own doing.
var notMine = map[event.Kind]bool{
	event.MethodLocked: true, event.ManyFailures: true, event.PasskeySuspect: true, event.RecoveryCodesLow: true, event.AccountReset: true,
	event.AccountSuspended: true, event.AccountResumed: true, event.AccountRestored: true, event.TokenReused: true, event.ServiceTokenMinted: true,
}

// textOf returns what is said of a notice. Names that owners and others have chosen are in no subject.
func textOf(w words.Words, n event.Notice, service, page string) text {
	dir, _ := w.Find("dir")
	lang, _ := w.Find("lang")
	t := text{
		Lang: lang, Dir: dir, Subject: oneLine(service + w.Say("colon") + sentence(w, n, "")), What: sentence(w, n, n.AuthenticatorName+n.TokenName),
		Ask: w.Say("mail.unexpected"), Do: w.Say("mail.look"), Link: page + "/activity/plan", Foot: w.Say("mail.foot"),
	}
	if n.Number > 0 {
		t.Link += "?entry=" + strconv.FormatInt(n.Number, 10)
	}
	if n.OperatorID == "" && !notMine[n.Kind] {
		t.Was, t.Ask, t.Do = w.Say("mail.was"), w.Say("mail.wasnot"), w.Say("activity.notme")
	}
	add := func(key, value string) {
		if value != "" {
			t.Facts = append(t.Facts, fact{w.Say(key), value})
		}
	}
	add("mail.when", moment(w, n.At))
	add("mail.from", strings.Join(slicesOf(n.Address, agent(w, n.Agent)), " · "))
	if n.Count > 1 && n.Kind != event.ManyFailures {
		add("mail.often", w.Say("activity.times", "n", n.Count))
	}
	if !n.First.IsZero() {
		add("mail.since", moment(w, n.First))
	}
	if n.OperatorID != "" {
		t.What += " " + w.Say("activity.by", "name", n.OperatorID)
	}
	if n.Reason != "" {
		t.What += "\n" + w.Say("activity.why", "why", n.Reason)
	}
	return t
}

// slicesOf returns the texts that are not empty.
func slicesOf(texts ...string) (out []string) {
	for _, s := range texts {
		if s != "" {
			out = append(out, s)
		}
	}
	return out
}

// sentence says what happened, as the activity on the page does.
func sentence(w words.Words, n event.Notice, name string) string {
	keys := []string{"event." + string(n.Kind)}
	if n.Method == event.MethodPasskey {
		keys = []string{keys[0] + ".passkey", keys[0]}
	}
	for _, key := range keys {
		if _, named := w.Find(key + ".named"); named && name != "" {
			return w.Say(key+".named", "name", name)
		}
		if s, ok := w.Find(key); ok {
			return s
		}
	}
	return string(n.Kind)
}

func moment(w words.Words, at time.Time) string {
	at = at.UTC()
	return w.Say("date.time", "day", at.Day(), "month", w.Say("month."+strconv.Itoa(int(at.Month()))), "year", at.Year(), "time", at.Format("15:04"))
}

// agent returns a browser in words, "" for one that nothing is known of.
func agent(w words.Words, a event.Agent) string {
	browser, system := a.Browser(), a.System()
	switch {
	case a == "":
		return ""
	case browser == "":
		return w.Say("agent.some", "system", w.Say("system."+system))
	case system == "":
		return w.Say("agent." + browser)
	}
	return w.Say("agent.on", "browser", w.Say("agent."+browser), "system", w.Say("system."+system))
}

// oneLine returns a text without what ends a line, or is not seen.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r == softHyphen || r == unicode.ReplacementChar {
			return -1
		}
		return r
	}, s)
}

// softHyphen is in long words of the page, and means nothing to a reader of plain text.
const softHyphen = '\u00ad'

// plain returns the mail as plain text.
func (t text) plain() string {
	var b strings.Builder
	say := func(lines ...string) {
		b.WriteString(strings.ReplaceAll(strings.Join(lines, "\n"), string(softHyphen), "") + "\n\n")
	}
	say(t.What)
	var facts []string
	for _, f := range t.Facts {
		facts = append(facts, f.Name+": "+f.Value)
	}
	say(facts...)
	if t.Was != "" {
		say(t.Was)
	}
	say(t.Ask, t.Link)
	say("-- ", t.Foot)
	return b.String()
}

var page = template.Must(template.New("mail").Parse(`<!DOCTYPE html>
<html lang="{{.Lang}}" dir="{{.Dir}}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{{.Subject}}</title></head>
<body style="font-family: sans-serif; max-width: 36em; margin: 0 auto; padding: 1em; overflow-wrap: anywhere">
<p style="font-size: 1.2em; white-space: pre-line"><strong>{{.What}}</strong></p>
<table role="presentation" cellpadding="4">
{{range .Facts}}<tr><td style="opacity: .7">{{.Name}}</td><td>{{.Value}}</td></tr>
{{end}}</table>
{{with .Was}}<p>{{.}}</p>
{{end}}<p>{{.Ask}}</p>
<p><a href="{{.Link}}" style="display: inline-block; padding: .6em 1em; border: 1px solid; border-radius: .4em">{{.Do}}</a></p>
<p style="font-size: .85em; opacity: .7">{{.Foot}}</p>
</body>
</html>
`))

// html returns the mail as HTML. It loads nothing from anywhere.
func (t text) html() (string, error) {
	var b strings.Builder
	err := page.Execute(&b, t)
	return b.String(), err
}
