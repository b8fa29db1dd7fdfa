package securitypage

import (
	"html"
	"html/template"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/words"
	"github.com/gatehouse-go/gatehouse/posture"
)

// Languages returns the languages of the page by their BCP 47 tags, English ("en") first.
func Languages() []string { return words.Tags() }

// Texts returns all texts of a language by their keys, none for a language that the page does not have. They are a copy: a
// start for another language, or for words of your own.
//
// A text has names in braces, such as {name}, which are replaced. One that counts has a form for each plural of the language
// (CLDR), by {n}: "days#one", "days#other".
func Texts(language string) map[string]string { return words.Texts(language) }

// wordsOf returns the words for a request. A function of the host's that panics is one that says nothing: it must not keep
// anybody out.
func (p *Page) wordsOf(r *http.Request) words.Words {
	asked := ""
	if p.c.Language != nil {
		p.guarded(r, "Language", func() { asked = p.c.Language(r) })
	}
	if asked == "" {
		asked = strings.Join(r.Header.Values("Accept-Language"), ",")
	}
	language := words.Match(asked)
	var own map[string]string
	if p.c.Texts != nil {
		p.guarded(r, "Texts", func() { own = p.c.Texts(r, language) })
	}
	return words.New(language, own)
}

// guarded calls a function of Config that may panic, which is a fault for the log.
func (p *Page) guarded(r *http.Request, name string, call func()) {
	defer func() {
		if v := recover(); v != nil {
			p.c.Faults.Log(r.Context(), slog.LevelError, "securitypage: a function of Config panics", "function", name, "panic", v)
		}
	}()
	call()
}

// text returns a text with its arguments filled in: pairs of a name and a value.
func (c *call) text(key string, args ...any) string { return c.words.Say(key, args...) }

// either returns the text of a key, or what there is instead.
func (c *call) either(key, instead string) string {
	if text, ok := c.words.Find(key); ok {
		return text
	}
	return instead
}

// rich is text where values are set apart from the sentence: times as such, and names, which may be of any language.
func (c *call) rich(key string, args ...any) template.HTML {
	values := map[string]string{}
	for i := 0; i+1 < len(args); i += 2 {
		name, _ := args[i].(string)
		switch v := args[i+1].(type) {
		case *Moment:
			values[name] = v.html()
		case int:
			values[name] = strconv.Itoa(v)
		case string:
			values[name] = "<bdi>" + html.EscapeString(v) + "</bdi>"
		}
	}
	return template.HTML(words.Fill(html.EscapeString(c.words.Form(key, args...)), func(name string) (string, bool) {
		v, ok := values[name]
		return v, ok
	}))
}

// T returns a text of the catalog, with pairs of a name and a value for what is in braces: a string or an int.
func (v *View) T(key string, args ...any) string { return v.c.text(key, args...) }

// H is T where values are set apart from the sentence: a *Moment is a time element, and a string is isolated.
func (v *View) H(key string, args ...any) template.HTML { return v.c.rich(key, args...) }

// in says how long it is until a time: "in 5 minutes".
func (c *call) in(at time.Time) string {
	switch d := at.Sub(c.p.now()); {
	case d <= time.Minute:
		return c.text("in.seconds", "n", max(int((d+time.Second-1)/time.Second), 1))
	case d < 2*time.Hour:
		return c.text("in.minutes", "n", minutes(d))
	case d < 48*time.Hour:
		return c.text("in.hours", "n", int(d/time.Hour))
	default:
		return c.text("in.days", "n", int(d/(24*time.Hour)))
	}
}

func minutes(d time.Duration) int { return int((d + time.Minute - 1) / time.Minute) }

// In says how long it is until a time: "in 5 minutes".
func (v *View) In(at time.Time) string { return v.c.in(at) }

// Minutes is how many minutes are left until a time, at least one.
func (v *View) Minutes(at time.Time) int { return max(minutes(at.Sub(v.c.p.now())), 1) }

// ago says how long ago a moment was.
func (c *call) ago(at time.Time) string {
	switch d := c.p.now().Sub(at); {
	case d < time.Minute:
		return c.text("ago.now")
	case d < time.Hour:
		return c.text("ago.minutes", "n", int(d/time.Minute))
	case d < 48*time.Hour:
		return c.text("ago.hours", "n", int(d/time.Hour))
	default:
		return c.text("ago.days", "n", int(d/(24*time.Hour)))
	}
}

// dated returns a text with parts of a time, in UTC.
func (c *call) dated(key string, t time.Time) string {
	t = t.UTC()
	return c.text(key, "day", t.Day(), "month", c.text("month."+strconv.Itoa(int(t.Month()))), "year", t.Year(),
		"weekday", c.text("weekday."+strconv.Itoa(int(t.Weekday()))), "time", t.Format("15:04"))
}

// Moment is a time as it is shown.
type Moment struct {
	ISO, Text string

	// As says what Text is, for the script: "day" for the date alone, "ago" for how long ago it was, "" for date and time.
	As string
}

// html is the element of a time, nothing for none.
func (m *Moment) html() string {
	if m == nil {
		return ""
	}
	as := ""
	if m.As != "" {
		as = ` data-as="` + m.As + `"`
	}
	return `<time datetime="` + m.ISO + `"` + as + `>` + html.EscapeString(m.Text) + `</time>`
}

// At returns a time as it is shown, or nothing for none.
func (v *View) At(t time.Time) *Moment { return v.moment("date.time", t, "") }

// Day is the date of a time, or nothing for none.
func (v *View) Day(t time.Time) *Moment { return v.moment("date", t, "day") }

func (v *View) moment(key string, t time.Time, as string) *Moment {
	if t.IsZero() {
		return nil
	}
	return &Moment{ISO: t.UTC().Format(time.RFC3339), Text: v.c.dated(key, t), As: as}
}

// Control is the title of a finding: that of its control where it passes, where it fails, or the question.
func (v *View) Control(f posture.Finding) string {
	end := ""
	switch f.State {
	case posture.Fail, posture.Partial, posture.Accepted:
		end = ".failing"
	case posture.StateUnknown, posture.Locked:
		end = ".question"
	}
	return v.c.either("control."+f.ID+end, f.Title)
}

// Reason is what a finding says: in the host's words for the state of its control, where it has some.
func (v *View) Reason(f posture.Finding) string {
	for _, key := range []string{"control." + f.ID + "." + f.State.String(), "reason." + f.Code} {
		if text := v.c.text(key, "n", f.N, "of", f.Of, "plan", f.Plan); text != key {
			return text
		}
	}
	return f.Reason
}
