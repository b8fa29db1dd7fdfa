package securitypage_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// maxWeight is how many bytes a page may have with all that it loads, as they are and not compressed.
const maxWeight = 60 << 10

var loads = regexp.MustCompile(`<(?:link|script|use)\b[^>]* (?:href|src)="([^"#]+)`)

// weight is how many bytes a page has with everything that it loads.
func (b *browser) weight(a answer) (all, files int) {
	b.h.t.Helper()
	seen := map[string]bool{}
	for _, m := range loads.FindAllStringSubmatch(a.body, -1) {
		if path := strings.TrimPrefix(m[1], prefix); !seen[path] {
			seen[path] = true
			file := b.get(path)
			require.Equal(b.h.t, http.StatusOK, file.status, path)
			files += len(file.body)
		}
	}
	want := 3 // sheet, script and icons
	if strings.Contains(a.body, "passkey.js") {
		want = 4
	}
	require.Len(b.h.t, seen, want)
	return len(a.body) + files, files
}

// No page is heavier than it may be: each that there is, and a whole page of tokens with long names in each language.
func TestWeight(t *testing.T) {
	heaviest, what := 0, ""
	check := func(name string, b *browser, a answer) {
		t.Helper()
		all, files := b.weight(a)
		require.LessOrEqual(t, all, maxWeight, "%s: %d bytes, of which %d in files", name, len(a.body), files)
		if all > heaviest {
			heaviest, what = all, fmt.Sprintf("%s has %d bytes, and %d more in files", name, len(a.body), files)
		}
	}
	for _, s := range stops(t) {
		v, send := s.come(t)
		if a := send(); len(a.body) > 0 {
			check(s.name(), v.b, a)
		}
	}

	language := ""
	h := newHost(t, func(c *securitypage.Config) { c.Language = func(*http.Request) string { return language } })
	b, _ := h.enrolled("ada")
	for i := range 20 {
		b.minted(tokens.Request{Name: fmt.Sprintf("%02d-%s", i, strings.Repeat("w", 61)), Scopes: tokens.Scopes{"deploys:write", "projects:read", "projects:write"}})
	}
	for _, language = range securitypage.Languages() {
		a := b.get("/tokens?sort=name&q=w")
		require.Equal(t, http.StatusOK, a.status)
		require.Len(t, names(a), 14)
		check("a page of tokens, "+language, b, a)
	}
	t.Log(what)
}
