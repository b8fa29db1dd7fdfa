// Package words has the sentences that owners read, in eight languages: a JSON file each, by keys.
//
// A text has placeholders by name: "{n} of {of} codes left". One that counts has a form for each plural that its
// language has, under the key, "#" and the CLDR's name of it: "days#one", "days#other". {n} decides between them.
package words

import (
	"embed"
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"

	"github.com/gatehouse-go/gatehouse/posture"
)

//go:embed *.json
var files embed.FS

// English is the language that has every text.
const English = "en"

// tags are the languages: English first, which is taken where none is asked for.
var tags = func() []string {
	out := []string{English}
	entries, _ := files.ReadDir(".") // of what is embedded
	for _, e := range entries {
		if tag := strings.TrimSuffix(e.Name(), ".json"); tag != English {
			out = append(out, tag)
		}
	}
	return out
}()

var matcher = sync.OnceValue(func() language.Matcher {
	parsed := make([]language.Tag, len(tags))
	for i, tag := range tags {
		parsed[i] = language.MustParse(tag)
	}
	return language.NewMatcher(parsed)
})

// Tags returns the languages by their BCP 47 tags, English first.
func Tags() []string { return append([]string(nil), tags...) }

// maxAsked is how much of a list of languages is read: more than 20 of them.
const maxAsked = 512

// Match returns the language that is nearest to what a reader asks for, as in an Accept-Language field (RFC 9110 §12.5.4),
// or English.
func Match(asked string) string {
	if len(asked) > maxAsked {
		asked = asked[:maxAsked]
		asked = asked[:max(strings.LastIndexByte(asked, ','), 0)]
	}
	wanted, _, err := language.ParseAcceptLanguage(asked)
	if err != nil { // of one entry, which takes all others along
		wanted, _, _ = language.ParseAcceptLanguage(readable(asked))
	}
	_, i, confidence := matcher().Match(wanted...)
	if confidence == language.No {
		return English
	}
	return tags[i]
}

// readable leaves out of a list the entries that cannot be read, or are of a language that nobody knows.
func readable(asked string) string {
	entries := slices.DeleteFunc(strings.Split(asked, ","), func(entry string) bool {
		_, _, err := language.ParseAcceptLanguage(entry)
		return err != nil
	})
	return strings.Join(entries, ",")
}

// catalogs are the texts by language, each read when it is first asked for.
var catalogs = func() map[string]func() map[string]string {
	out := map[string]func() map[string]string{}
	for _, tag := range tags {
		out[tag] = sync.OnceValue(func() map[string]string { return read(tag) })
	}
	return out
}()

func read(tag string) map[string]string {
	texts := map[string]string{}
	data, err := files.ReadFile(tag + ".json")
	if err == nil {
		err = json.Unmarshal(data, &texts)
	}
	if err != nil { // of the program itself: a test reads all of them
		panic("words: " + tag + ": " + err.Error())
	}
	if tag == English {
		maps.Copy(texts, posture.Texts())
	}
	return texts
}

// Texts returns a copy of all texts of a language by their keys, none for a language that there is not.
func Texts(tag string) map[string]string {
	if of, ok := catalogs[tag]; ok {
		return maps.Clone(of())
	}
	return map[string]string{}
}

// Words are the texts for one reader.
type Words struct {
	layers []layer // the first that has a text counts
	rtl    bool
}

type layer struct {
	texts map[string]string
	tag   language.Tag
}

// New returns the words of a language. Those of own, which may be nil, take the place of ours; its text "lang" is its language, if
// that is another one.
func New(tag string, own map[string]string) Words {
	of, ok := catalogs[tag]
	if !ok {
		tag, of = English, catalogs[English]
	}
	var w Words
	if len(own) > 0 {
		lang := own["lang"]
		if lang == "" {
			lang = tag
		}
		w.layers = append(w.layers, layer{own, language.Make(lang)})
	}
	w.layers = append(w.layers, layer{of(), language.Make(tag)})
	if tag != English {
		w.layers = append(w.layers, layer{catalogs[English](), language.English})
	}
	dir, _ := w.Find("dir")
	w.rtl = dir == "rtl"
	return w
}

// Find returns a text that counts nothing, as it is.
func (w Words) Find(key string) (text string, ok bool) {
	for _, l := range w.layers {
		if text, ok = l.texts[key]; ok {
			return text, true
		}
	}
	return "", false
}

// Say returns the text of a key, or the key where there is none, with its placeholders filled in: pairs of a name and a
// value, which is a string or an int.
func (w Words) Say(key string, args ...any) string {
	if len(args) == 0 {
		if text, ok := w.Find(key); ok {
			return text
		}
		return key
	}
	return w.fill(w.Form(key, args...), args)
}

// Form returns the text of a key in the form that the number "n" of args needs, with its placeholders; the key where there
// is none.
func (w Words) Form(key string, args ...any) string {
	n, counts := value(args, "n").(int)
	for _, l := range w.layers {
		if counts {
			if text, ok := l.texts[key+"#"+form(l.tag, n)]; ok {
				return text
			}
			if text, ok := l.texts[key+"#other"]; ok {
				return text
			}
		}
		if text, ok := l.texts[key]; ok {
			return text
		}
	}
	return key
}

// forms are the CLDR's names of plurals.
var forms = map[plural.Form]string{
	plural.Other: "other", plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
}

func form(tag language.Tag, n int) string {
	if n < 0 { // the absolute value decides (CLDR), and anything else is a panic there
		n = -max(n, -math.MaxInt)
	}
	return forms[plural.Cardinal.MatchPlural(tag, n, 0, 0, 0, 0)]
}

func value(args []any, name string) any {
	for i := 0; i+1 < len(args); i += 2 {
		if args[i] == name {
			return args[i+1]
		}
	}
	return nil
}

func (w Words) fill(text string, args []any) string {
	return Fill(text, func(name string) (string, bool) {
		switch v := value(args, name).(type) {
		case int:
			return strconv.Itoa(v), true
		case string:
			return w.isolate(v), true
		}
		return "", false
	})
}

// Fill puts values in the place of the names in braces. One that has none stays as it is.
func Fill(text string, value func(name string) (string, bool)) string {
	var out strings.Builder
	for {
		before, rest, ok := strings.Cut(text, "{")
		out.WriteString(before)
		if !ok {
			return out.String()
		}
		name, after, ok := strings.Cut(rest, "}")
		if v, known := value(name); ok && known {
			out.WriteString(v)
			text = after
		} else {
			out.WriteByte('{')
			text = rest
		}
	}
}

// isolate keeps a value that may run the other way from turning the sentence around it (UAX #9 §2.4): first strong
// isolate, and its end.
func (w Words) isolate(s string) string {
	if !w.rtl && !strings.ContainsFunc(s, isRightToLeft) {
		return s
	}
	return "\u2068" + s + "\u2069"
}

func isRightToLeft(r rune) bool {
	return r >= 0x590 && unicode.In(r, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko)
}
