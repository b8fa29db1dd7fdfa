package securitypage_test

import (
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// maxWeight is how many bytes a page may have with all that it loads, as they are and not compressed.
const maxWeight = 60_000

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
	require.Len(b.h.t, seen, 3, "sheet, script and icons")
	return len(a.body) + files, files
}

// No page is heavier than it may be: each that there is, and a whole page of tokens with long names.
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

	h := newHost(t)
	b, _ := h.enrolled("ada")
	for i := range 20 {
		b.minted(tokens.Request{Name: fmt.Sprintf("%02d-%s", i, strings.Repeat("w", 61)), Scopes: tokens.Scopes{"deploys:write", "projects:read", "projects:write"}})
	}
	for _, query := range []string{"", "?sort=name&q=w", "?page=2"} {
		a := b.get("/tokens" + query)
		require.Equal(t, http.StatusOK, a.status)
		check("/tokens"+query, b, a)
	}
	t.Log(what)
}
