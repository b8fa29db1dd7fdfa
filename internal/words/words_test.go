package words_test

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/gatehouse-go/gatehouse/internal/words"
)

var formNames = map[plural.Form]string{
	plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
}

// formsOf returns the plurals that a language has for numbers as they occur here.
func formsOf(tag string) []string {
	forms := map[string]bool{}
	for n := range 1000 {
		forms[formNames[plural.Cardinal.MatchPlural(language.Make(tag), n, 0, 0, 0, 0)]] = true
	}
	return slices.Sorted(maps.Keys(forms))
}

var placeholder = regexp.MustCompile(`\{[a-z]+\}`)

func placeholders(text string) []string {
	names := placeholder.FindAllString(text, -1)
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.Trim(a, "{}"), strings.Trim(b, "{}")) })
	return slices.Compact(names)
}

// grouped returns texts by their keys without plurals, and then by plural: "" is none.
func grouped(texts map[string]string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for key, text := range texts {
		key, form, _ := strings.Cut(key, "#")
		if out[key] == nil {
			out[key] = map[string]string{}
		}
		out[key][form] = text
	}
	return out
}

// same are the texts that may be the English ones in another language: names, and words that are the same.
var same = regexp.MustCompile(`^(agent\.[a-z]+|system\.[a-z]+|dir|list\.and|codes\.file|date.*)$`)

// complaints returns what is wrong with the texts of a language.
func complaints(tag string, texts, english map[string]string) (out []string) {
	say := func(parts ...string) { out = append(out, strings.Join(parts, " ")) }
	want := grouped(english)
	for key, text := range texts {
		base, form, _ := strings.Cut(key, "#")
		inEnglish, ok := want[base]
		switch {
		case !ok:
			say(key, "is no key of the English texts")
			continue
		case strings.TrimSpace(text) != text && base != "list.and" && base != "colon" || text == "" || !utf8.ValidString(text):
			say(key, "is empty, begins or ends with a space, or is no UTF-8")
		case strings.ContainsAny(text, "<>&\"'%"):
			say(key, "has markup, a straight quotation mark or a percent sign")
		}
		model := inEnglish[""]
		if model == "" {
			model = inEnglish["other"]
		}
		must, has := placeholders(model), placeholders(text)
		if form == "zero" || form == "one" || form == "two" { // which may say the number in a word
			must = slices.DeleteFunc(must, func(p string) bool { return p == "{n}" })
			has = slices.DeleteFunc(has, func(p string) bool { return p == "{n}" })
		}
		if !slices.Equal(must, has) || strings.ContainsAny(placeholder.ReplaceAllString(text, ""), "{}") {
			say(key, "must have", strings.Join(must, " "), "and has", strings.Join(has, " "))
		}
	}
	got := grouped(texts)
	for key, inEnglish := range want {
		have := slices.Sorted(maps.Keys(got[key]))
		_, counts := inEnglish["other"]
		switch {
		case len(have) == 0:
			say(key, "is missing")
		case have[0] == "" && len(have) > 1:
			say(key, "is there with plurals and without")
		case have[0] != "" && !slices.Contains(placeholders(inEnglish[""]+inEnglish["other"]), "{n}"):
			say(key, "counts nothing")
		case have[0] != "" && !slices.Equal(have, formsOf(tag)):
			say(key, "must have the plurals", strings.Join(formsOf(tag), " "), "and has", strings.Join(have, " "))
		case have[0] == "" && counts && len(formsOf(tag)) > 1:
			say(key, "counts, and has no plurals")
		}
	}
	slices.Sort(out)
	return out
}

func TestComplete(t *testing.T) {
	english := words.Texts("en")
	require.Greater(t, len(english), 700)
	require.Equal(t, []string{"en", "ar", "de", "es", "fr", "ja", "pt-BR", "zh-Hans"}, words.Tags())
	for _, tag := range words.Tags() {
		texts := words.Texts(tag)
		require.Empty(t, complaints(tag, texts, english), tag)
		require.Equal(t, tag, texts["lang"])
		require.Contains(t, []string{"ltr", "rtl"}, texts["dir"])
		if tag == "en" {
			continue
		}
		var untranslated []string
		for key, text := range texts {
			if text == english[key] && !same.MatchString(key) && strings.ContainsFunc(text, isLetter) {
				untranslated = append(untranslated, key+": "+text)
			}
		}
		slices.Sort(untranslated)
		require.LessOrEqual(t, len(untranslated), 12, "%s: words that are the same in English: %s", tag, strings.Join(untranslated, "\n"))
	}
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// TestComplaints breaks a language in each way.
func TestComplaints(t *testing.T) {
	english := map[string]string{"a": "One thing", "b": "{name} and {n}", "c#one": "{n} thing", "c#other": "{n} things"}
	whole := map[string]string{"a": "Ein Ding", "b": "{n} und {name}", "c#one": "Ein Ding", "c#other": "{n} Dinge"}
	require.Empty(t, complaints("de", whole, english))
	for wrong, change := range map[string]func(map[string]string){
		"a is missing":                                      func(m map[string]string) { delete(m, "a") },
		"x is no key of the English texts":                  func(m map[string]string) { m["x"] = "y" },
		"b must have {n} {name} and has {n} {nome}":         func(m map[string]string) { m["b"] = "{n} und {nome}" },
		"b must have {n} {name} and has {n}":                func(m map[string]string) { m["b"] = "{n} und" },
		"b must have {n} {name} and has {n} {name}":         func(m map[string]string) { m["b"] = "{n} {name} {" },
		"c#other must have {n} and has ":                    func(m map[string]string) { m["c#other"] = "Dinge" },
		"c must have the plurals one other and has other":   func(m map[string]string) { delete(m, "c#one") },
		"c must have the plurals one other and has few one": func(m map[string]string) { delete(m, "c#other"); m["c#few"] = "{n}" },
		"c counts, and has no plurals": func(m map[string]string) {
			delete(m, "c#one")
			delete(m, "c#other")
			m["c"] = "{n} Dinge"
		},
		"c is there with plurals and without": func(m map[string]string) { m["c"] = "{n}" },
		"a counts nothing": func(m map[string]string) {
			delete(m, "a")
			m["a#one"], m["a#other"] = "Ein Ding", "Dinge"
		},
		"a is empty, begins or ends with a space, or is no UTF-8":   func(m map[string]string) { m["a"] = " Ding" },
		"a has markup, a straight quotation mark or a percent sign": func(m map[string]string) { m["a"] = "<b>Ding" },
	} {
		broken := maps.Clone(whole)
		change(broken)
		require.Equal(t, []string{wrong}, complaints("de", broken, english))
	}
}

func TestSay(t *testing.T) {
	w := words.New("en", map[string]string{"mine": "Mine: {name}", "mine.n#one": "just {n}", "mine.n#other": "all {n}"})
	require.Equal(t, "no.such.key", w.Say("no.such.key"))
	require.Equal(t, "no.such.key", w.Say("no.such.key", "n", 3))
	require.Equal(t, "Mine: {n} <b>", w.Say("mine", "name", "{n} <b>", "n", 1), "a value is no text")
	require.Equal(t, "Mine: {name}", w.Say("mine", "nome", "x"))
	require.Equal(t, "just 1", w.Say("mine.n", "n", 1))
	require.Equal(t, "all 0", w.Say("mine.n", "n", 0))
	require.Equal(t, "in 1 day", w.Say("in.days", "n", 1))
	require.Equal(t, "in 2 days", w.Say("in.days", "n", 2))
	require.Equal(t, "in -1 day", w.Say("in.days", "n", -1), "a host's control may say any number")
	require.Equal(t, "in -9223372036854775808 days", w.Say("in.days", "n", math.MinInt))
	require.Equal(t, "Mine: \u2068טלפון\u2069", w.Say("mine", "name", "טלפון"), "a name that runs the other way turns nothing round")

	// A language of the host's own counts by its own plurals.
	polish := words.New("en", map[string]string{"lang": "pl", "in.days#one": "za {n} dzień", "in.days#few": "za {n} dni", "in.days#many": "za {n} dni!", "in.days#other": "za {n} dnia"})
	require.Equal(t, "za 3 dni", polish.Say("in.days", "n", 3))
	require.Equal(t, "za 5 dni!", polish.Say("in.days", "n", 5))
	require.Equal(t, "in 1 hour", polish.Say("in.hours", "n", 1), "the rest is English, with its plurals")

	rtl := words.New("en", map[string]string{"dir": "rtl", "mine": "{name}!"})
	require.Equal(t, "\u2068Phone\u2069!", rtl.Say("mine", "name", "Phone"))
	require.Equal(t, "A phone", words.New("tlh", map[string]string{"x": "A phone"}).Say("x"))
}

// One entry that nobody can read, or of a language that nobody knows, does not take the others along.
func TestMatchWhatCanBeRead(t *testing.T) {
	for asked, want := range map[string]string{
		"de-DE, xq;q=0.1":                        "de",
		"not_a_tag!, de":                         "de",
		"de;q=0.5, en;q=much, ja;q=0.9":          "ja",
		"en-Nonsense1234, fr;q=0.2":              "fr",
		"xq, qq-nonsense12":                      "en",
		"xq;q=1, *;q=0.5":                        "en",
		", ,de,,":                                "de",
		"de;q=0, xq, es;q=0.3, fr;q=0.0, ;q=0.9": "es",
	} {
		require.Equal(t, want, words.Match(asked), asked)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("de-AT,de;q=0.9,en;q=0.8")
	f.Add(strings.Repeat("-", 2000))
	f.Add(strings.Repeat("x,", 600))
	f.Fuzz(func(t *testing.T, asked string) {
		require.Contains(t, words.Tags(), words.Match(asked))
	})
}
