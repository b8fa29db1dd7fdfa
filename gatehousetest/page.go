package gatehousetest

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Page is an answer as a browser shows it, once no redirect is left.
type Page struct {
	Status int
	Path   string // where the redirects have led, with the query
	Header http.Header
	Body   string

	url *url.URL
}

// Text returns what a person reads on the page: no tags, and one space between words.
func (p *Page) Text() string {
	return html.UnescapeString(strings.Join(strings.Fields(tag.ReplaceAllString(p.Body, " ")), " "))
}

// String is for messages of tests.
func (p *Page) String() string {
	if p == nil {
		return "no page: open one first"
	}
	return fmt.Sprintf("%s (%d): %s", p.Path, p.Status, p.Text())
}

// The tags of a page, and all of what is no part of it for a reader.
var (
	tag       = regexp.MustCompile(`(?is)<!--.*?-->|<script\b.*?</script\s*>|<style\b.*?</style\s*>|</?([a-z][a-z0-9]*)((?:"[^"]*"|'[^']*'|[^'">])*)>|<![^>]*>`)
	attribute = regexp.MustCompile(`([^\s"'=/>]+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?`)
)

// element is a tag with what is written up to the next one.
type element struct {
	name  string // with a slash where it ends one
	attrs map[string]string
	text  string
}

func (e element) has(attr string) bool { _, ok := e.attrs[attr]; return ok }

func (p *Page) elements() []element {
	var out []element
	found := tag.FindAllStringSubmatchIndex(p.Body, -1)
	for i, at := range found {
		if at[2] < 0 {
			continue
		}
		end := len(p.Body)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		e := element{name: strings.ToLower(p.Body[at[2]:at[3]]), attrs: map[string]string{}, text: html.UnescapeString(p.Body[at[1]:end])}
		if p.Body[at[0]+1] == '/' {
			e.name = "/" + e.name
		}
		for _, a := range attribute.FindAllStringSubmatch(p.Body[at[4]:at[5]], -1) {
			e.attrs[strings.ToLower(a[1])] = html.UnescapeString(a[2] + a[3] + a[4])
		}
		out = append(out, e)
	}
	return out
}

// textOf returns the text of the element with an ID, with that of the elements in it; "" for none.
func (p *Page) textOf(id string) string {
	var text strings.Builder
	name, depth := "", 0
	for _, e := range p.elements() {
		switch {
		case depth == 0 && e.attrs["id"] == id:
			name, depth = e.name, 1
		case depth > 0 && e.name == name:
			depth++
		case depth > 0 && e.name == "/"+name:
			if depth--; depth == 0 {
				return text.String()
			}
		}
		if depth > 0 {
			text.WriteString(e.text)
		}
	}
	return text.String()
}

// form is a form of a page.
type form struct {
	action *url.URL
	post   bool
	fields []field
}

// field is a field of a form, or one of the choices of one.
type field struct {
	name, value string
	kind        string // the type of an input, in lower case
	chosen      bool   // it is sent if nobody touches it
	choice      bool   // its value cannot be typed
}

// forms returns the forms of a page.
func (p *Page) forms() []form {
	var out []form
	list := "" // the name of the list that is open
	for _, e := range p.elements() {
		if e.name == "form" {
			if to, err := p.url.Parse(e.attrs["action"]); err == nil {
				out = append(out, form{action: to, post: strings.EqualFold(e.attrs["method"], "post")})
			}
			continue
		}
		if len(out) == 0 || e.has("disabled") {
			continue
		}
		f := &out[len(out)-1]
		switch e.name {
		case "input":
			f.input(e)
		case "textarea":
			f.fields = append(f.fields, field{name: e.attrs["name"], value: strings.TrimPrefix(e.text, "\n"), chosen: true})
		case "select":
			list = e.attrs["name"]
		case "option":
			f.option(list, e)
		}
	}
	return out
}

func (f *form) input(e element) {
	in := field{name: e.attrs["name"], value: e.attrs["value"], kind: strings.ToLower(e.attrs["type"]), chosen: true}
	switch in.kind {
	case "submit", "button", "reset", "image", "file":
		return
	case "checkbox", "radio":
		in.choice, in.chosen = true, e.has("checked")
		if !e.has("value") {
			in.value = "on"
		}
	}
	f.fields = append(f.fields, in)
}

// option adds a choice of a list. The first one is chosen where no other is.
func (f *form) option(list string, e element) {
	value, ok := e.attrs["value"]
	if !ok {
		value = strings.TrimSpace(e.text)
	}
	first := !f.has(list)
	if e.has("selected") {
		for i := range f.fields {
			f.fields[i].chosen = f.fields[i].chosen && f.fields[i].name != list
		}
	}
	f.fields = append(f.fields, field{name: list, value: value, choice: true, chosen: first || e.has("selected")})
}

func (f form) has(name string) bool {
	return slices.ContainsFunc(f.fields, func(in field) bool { return in.name == name })
}

// credentials returns the names of the field for a password and of the one to type in before it; empty for none.
func (f form) credentials() (account, password string) {
	for _, in := range f.fields {
		switch in.kind {
		case "password":
			return account, in.name
		case "", "text", "email", "tel":
			account = in.name
		}
	}
	return "", ""
}

// untouched returns what is sent if nobody fills anything in.
func (f form) untouched() url.Values {
	values := url.Values{}
	for _, in := range f.fields {
		if in.chosen && in.name != "" {
			values.Add(in.name, in.value)
		}
	}
	return values
}

// check says why a value cannot be given to a field, nil if it can.
func (f form) check(name, value string) error {
	if !f.has(name) {
		return fmt.Errorf("there is no field %q", name)
	}
	if !slices.ContainsFunc(f.fields, func(in field) bool { return in.name == name && (!in.choice || in.value == value) }) {
		return fmt.Errorf("%q is no choice of %q", value, name)
	}
	return nil
}
