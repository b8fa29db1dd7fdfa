package posture_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/posture"
)

func TestNewModelRefuses(t *testing.T) {
	with := func(edit func(*posture.Control)) posture.ModelConfig {
		c := ownControl(answers(posture.Pass))
		edit(&c)
		return posture.ModelConfig{Controls: []posture.Control{c}}
	}
	id := func(s string) posture.ModelConfig { return with(func(c *posture.Control) { c.ID = s }) }
	for name, c := range map[string]posture.ModelConfig{
		"no ID":                     id(""),
		"an ID of 65 bytes":         id(strings.Repeat("a", 65)),
		"a digit first":             id("1st"),
		"a dash first":              id("-own"),
		"upper case":                id("Own"),
		"a letter of another kind":  id("öwn"),
		"a space":                   id("own control"),
		"a slash":                   id("own/control"),
		"a built-in ID":             id(posture.SecondFactor),
		"no title":                  with(func(c *posture.Control) { c.Title = "" }),
		"a title of 101 bytes":      with(func(c *posture.Control) { c.Title = strings.Repeat("x", 101) }),
		"a title with a line break": with(func(c *posture.Control) { c.Title = "a\nb" }),
		"a title turned round":      with(func(c *posture.Control) { c.Title = "a\u202eb" }),
		"a title that is no UTF-8":  with(func(c *posture.Control) { c.Title = "a\xff" }),
		"no question":               with(func(c *posture.Control) { c.Question = "" }),
		"a question of 201 bytes":   with(func(c *posture.Control) { c.Question = strings.Repeat("x", 201) }),
		"no fix":                    with(func(c *posture.Control) { c.Fix.Text = "" }),
		"a fix of 501 bytes":        with(func(c *posture.Control) { c.Fix.Text = strings.Repeat("x", 501) }),
		"an escape in a standard":   with(func(c *posture.Control) { c.Standards = []string{"NIST", "\x1b[2J"} }),
		"an empty standard":         with(func(c *posture.Control) { c.Standards = []string{""} }),
		"no such severity":          with(func(c *posture.Control) { c.Severity = posture.Critical + 1 }),
		"no such impact":            with(func(c *posture.Control) { c.Impact = posture.Much + 1 }),
		"no such effort":            with(func(c *posture.Control) { c.Effort = posture.Much + 1 }),
		"no check":                  with(func(c *posture.Control) { c.Check = nil }),
		"a bad link":                with(func(c *posture.Control) { c.Fix.Link = "javascript:alert(1)" }),
		"twice":                     {Controls: []posture.Control{ownControl(answers(posture.Pass)), ownControl(answers(posture.Pass))}},
		"an adjustment for nothing": {Adjust: map[string]func(string) posture.Adjustment{"nothing": func(string) posture.Adjustment { return posture.Adjustment{} }}},
		"no function":               {Adjust: map[string]func(string) posture.Adjustment{posture.EmailVerified: nil}},
		"no such evidence":          with(func(c *posture.Control) { c.Reads = posture.TokenEvidence << 1 }),
		"a link for nothing":        {Links: map[string]string{"nothing": "/settings"}},
		"a version of 33 bytes":     {Version: strings.Repeat("1", 33)},
		"a version with a tab":      {Version: "1\t2"},
	} {
		m, err := posture.NewModel(c)
		require.ErrorIs(t, err, posture.ErrInvalid, name)
		require.Nil(t, m, name)
	}
}

// What is just within the bounds is taken.
func TestNewModelTakes(t *testing.T) {
	c := ownControl(answers(posture.Pass))
	c.ID, c.Title = "a"+strings.Repeat("9", 62)+".", strings.Repeat("x", 100)
	c.Question, c.Fix.Text = strings.Repeat("x", 200), strings.Repeat("x", 500)
	c.Standards = []string{"NIST SP 800-63B-4 §2.2"}
	c.Severity, c.Impact, c.Effort = posture.Critical, posture.Much, posture.Much
	m, err := posture.NewModel(posture.ModelConfig{
		Controls: []posture.Control{c}, Version: strings.Repeat("1", 32),
		Links: map[string]string{c.ID: "/own", posture.SecondFactor: "https://acme.test/pair?from=review#top"},
	})
	require.NoError(t, err)
	require.Equal(t, "5/"+strings.Repeat("1", 32), m.Version())
	require.True(t, m.Has(c.ID))
	require.True(t, m.Has(posture.SecondFactor))
	require.False(t, m.Has("nothing"))
	r := m.Evaluate(good(), now)
	require.Equal(t, m.Version(), r.Model)
	for id, link := range map[string]string{c.ID: "/own", posture.SecondFactor: "https://acme.test/pair?from=review#top", posture.EmailVerified: ""} {
		f, _ := r.Find(id)
		require.Equal(t, link, f.Fix.Link)
	}
}

// A link is followed by whoever reads the report, so it must not be a script or lead to another's host.
func TestLinks(t *testing.T) {
	model := func(link string) error {
		_, err := posture.NewModel(posture.ModelConfig{Links: map[string]string{posture.SecondFactor: link}})
		return err
	}
	for _, link := range []string{
		"javascript:alert(1)", "JavaScript:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "\x01javascript:alert(1)",
		"data:text/html,x", "vbscript:x", "file:///etc/passwd", "mailto:ada@acme.test", "ftp://acme.test/",
		"//evil.test", "//evil.test/settings", "///evil.test", `\\evil.test`, `/\evil.test`, `\/evil.test`, "/\t/evil.test", "/\n/evil.test",
		"http:", "http:evil.test", "http://acme.test/", "https:", "https:evil.test", "https://", "https:///settings", `https:\\evil.test`,
		"settings", "./settings", "../settings", "?a=b", "#top", "acme.test/settings", "acme:settings",
		"/a b", "/a\u00a0b", "/a\x00b", "/a\x7fb", "/a\u0085b", "/a\u009bb", "/%zz", "https://acme.test:port/", "https://[::1/", " ", "/ ",
	} {
		require.ErrorIs(t, model(link), posture.ErrInvalid, "%q", link)
	}
	for _, link := range []string{"", "/", "/settings/security", "/a?next=//evil.test", "/a:b", "https://acme.test", "HTTPS://acme.test/a", "https://acme.test:8443/a#b"} {
		require.NoError(t, model(link), "%q", link)
	}
}

func TestNewPolicyRefuses(t *testing.T) {
	m, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	good := posture.Gate{Action: "act", Controls: []string{posture.SecondFactor}}
	for name, gates := range map[string][]posture.Gate{
		"no action":            {{Controls: good.Controls}},
		"an action of 65":      {{Action: strings.Repeat("a", 65), Level: 1}},
		"a bad action":         {{Action: "Deploy!", Level: 1}},
		"empty":                {{Action: "act"}},
		"empty but for grace":  {{Action: "act", Grace: posture.Grace{Before: now, Until: now}}},
		"empty, report only":   {{Action: "act", ReportOnly: true}},
		"no such control":      {{Action: "act", Controls: []string{posture.SecondFactor, "second_factor"}}},
		"the empty control":    {{Action: "act", Controls: []string{""}}},
		"level 4":              {{Action: "act", Level: 4}},
		"a level under 0":      {{Action: "act", Controls: good.Controls, Level: -1}},
		"an age under 0":       {{Action: "act", Controls: good.Controls, MaxAge: -1}},
		"a grace without end":  {{Action: "act", Level: 1, Grace: posture.Grace{Before: now}}},
		"a grace without whom": {{Action: "act", Level: 1, Grace: posture.Grace{Until: now}}},
		"two for one action":   {good, {Action: "act", Level: 1}},
	} {
		p, err := posture.NewPolicy(m, gates...)
		require.ErrorIs(t, err, posture.ErrInvalid, name)
		require.Nil(t, p, name)
	}
	p, err := posture.NewPolicy(nil, good)
	require.ErrorIs(t, err, posture.ErrInvalid)
	require.Nil(t, p)

	for name, g := range map[string]posture.Gate{
		"controls": good, "level": {Action: "act", Level: 3}, "age": {Action: "act", MaxAge: 1}, "factor": {Action: "act", SecondFactor: true},
	} {
		_, err := posture.NewPolicy(m, g)
		require.NoError(t, err, name)
	}
}

// What a policy hands out or was given is not what it decides by.
func TestPolicyKeepsItsOwn(t *testing.T) {
	controls := []string{posture.SecondFactor}
	p := policyOf(t, posture.ModelConfig{}, posture.Gate{Action: "one", Controls: controls}, posture.Gate{Action: "two", Level: 1})
	require.Equal(t, []string{"one", "two"}, p.Actions())
	controls[0] = posture.EmailVerified
	p.Actions()[0] = "three"
	require.Equal(t, []string{"one", "two"}, p.Actions())
	require.False(t, p.Review(bare(), now).Gates[0].Open)
}

// A check or an Adjust that goes wrong is no evidence: unknown, in the sum, and closing gates.
func TestChecksGoWrong(t *testing.T) {
	fine := func(string) posture.Adjustment { return posture.Adjustment{} }
	broken := func(string) posture.Adjustment { panic("adjust") }
	for name, c := range map[string]struct {
		check  func(posture.Facts, time.Time) posture.Result
		adjust func(string) posture.Adjustment
	}{
		"a panic":                   {func(posture.Facts, time.Time) posture.Result { panic("check") }, fine},
		"a panic of the runtime":    {func(f posture.Facts, _ time.Time) posture.Result { f.Host.Answers["x"] = posture.Yes; panic(nil) }, fine},
		"no such state":             {answers(posture.Delegated + 1), fine},
		"the last of all states":    {answers(posture.State(255)), fine},
		"accepted, of its own":      {answers(posture.Accepted), fine},
		"locked, of its own":        {answers(posture.Locked), fine},
		"Adjust panics":             {answers(posture.Pass), broken},
		"Adjust panics, check also": {func(posture.Facts, time.Time) posture.Result { panic("check") }, broken},
	} {
		own := ownControl(c.check)
		own.Severity = posture.Critical
		p := policyOf(t, posture.ModelConfig{
			Controls: []posture.Control{own}, Adjust: map[string]func(string) posture.Adjustment{"own": c.adjust},
		}, posture.Gate{Action: "act", Controls: []string{"own"}})
		r := p.Review(good(), now)
		f, shown := r.Find("own")
		require.True(t, shown, name)
		require.Equal(t, posture.StateUnknown, f.State, name)
		require.Equal(t, "We could not check this.", f.Reason, name)
		require.Equal(t, 39, r.Score, name)
		require.Equal(t, []string{"own"}, r.CappedBy, name)
		require.False(t, r.Gates[0].Open, name)
		require.Equal(t, f, r.Gates[0].Unmet[0], name)
		other, _ := r.Find(posture.SecondFactor)
		require.Equal(t, posture.Pass, other.State, "the others are asked all the same")
	}
}

// Names that others have chosen must not move the cursor of whoever reads a report.
func TestReasonsArePlain(t *testing.T) {
	c := ownControl(func(posture.Facts, time.Time) posture.Result {
		return posture.Result{State: posture.Fail, Reason: "Token \x1b[2J\r\n\u202eevil\xff is ünsafe"}
	})
	m, err := posture.NewModel(posture.ModelConfig{
		Controls: []posture.Control{c},
		Adjust: map[string]func(string) posture.Adjustment{
			posture.SecondFactor: func(plan string) posture.Adjustment { return posture.Adjustment{LockedBy: "Pro\x1b[2J" + plan} },
		},
	})
	require.NoError(t, err)
	facts := good()
	facts.Host.Plan = "\x07"
	r := m.Evaluate(facts, now)
	f, _ := r.Find("own")
	require.Equal(t, "Token  [2J   evil  is ünsafe", f.Reason)
	f, _ = r.Find(posture.SecondFactor)
	require.Equal(t, "Available with: Pro [2J .", f.Reason)
}

// Values beyond the last one have a name too, and it is the careful one.
func TestNames(t *testing.T) {
	require.Equal(t, "unknown", posture.State(200).String())
	require.Equal(t, "unknown", (posture.Delegated + 1).String())
	require.Equal(t, "critical", posture.Severity(200).String())
	require.Equal(t, "much", posture.Grade(200).String())
	var got []string
	for s := range posture.Delegated + 1 {
		text, err := s.MarshalText()
		require.NoError(t, err)
		got = append(got, string(text))
	}
	require.Equal(t, []string{"unknown", "pass", "partial", "fail", "not_applicable", "locked", "accepted", "delegated"}, got)
}

// Host's answers reach its controls, until they are stale. Its plan and its provider stay.
func TestHostFacts(t *testing.T) {
	var seen posture.Host
	c := ownControl(func(f posture.Facts, _ time.Time) posture.Result {
		seen = f.Host
		if f.Host.Answers["own"] == posture.Yes {
			return posture.Result{State: posture.Pass, Reason: "It is."}
		}
		return posture.Result{Reason: "That is not known."}
	})
	m, err := posture.NewModel(posture.ModelConfig{Controls: []posture.Control{c}})
	require.NoError(t, err)
	facts := good()
	facts.Host.Answers = map[string]posture.Answer{"own": posture.Yes}
	facts.Host.Plan, facts.Host.Delegated = "pro", &posture.Delegation{Provider: "idp", AMR: []string{"mfa"}}
	f, _ := m.Evaluate(facts, now).Find("own")
	require.Equal(t, posture.Pass, f.State)
	require.Equal(t, facts.Host, seen)
	f, _ = m.Evaluate(facts, now.Add(day+time.Second)).Find("own")
	require.Equal(t, posture.StateUnknown, f.State)
	require.Equal(t, posture.Host{At: now, Plan: "pro", Delegated: &posture.Delegation{Provider: "idp"}}, seen)
	require.Equal(t, []string{"mfa"}, facts.Host.Delegated.AMR, "the caller's own are as they were")
}

// Row T3: at each place of a control's ID and a gate's action exactly the symbols that it may have there.
func TestSymbolsOfIDs(t *testing.T) {
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	try := func(id string, good bool) {
		t.Helper()
		c := ownControl(answers(posture.Pass))
		c.ID = id
		m, err := posture.NewModel(posture.ModelConfig{Controls: []posture.Control{c}})
		require.Equal(t, good, err == nil, "%.70q", id)
		require.Equal(t, good, m != nil)
		p, err := posture.NewPolicy(model, posture.Gate{Action: id, Controls: []string{posture.SecondFactor}})
		require.Equal(t, good, err == nil, "%.70q", id)
		require.Equal(t, good, p != nil)
	}
	for _, place := range []string{"*", "*b", "a*", "a*b"} {
		for c := range 256 {
			good := c >= 'a' && c <= 'z' || place[0] != '*' && (c == '-' || c == '.' || c >= '0' && c <= '9')
			try(strings.Replace(place, "*", string([]byte{byte(c)}), 1), good)
		}
	}
	for n := range 70 {
		try(strings.Repeat("a", n), n >= 1 && n <= 64)
	}
}
