package securitypage_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/securitypage"
)

// The page sits in the host's shell, and all that the layout is not given is not there twice.
func TestLayout(t *testing.T) {
	h := newHost(t, func(c *securitypage.Config) {
		c.Layout = func(w io.Writer, r *http.Request, c securitypage.Content) error {
			_, err := fmt.Fprintf(w, "<!doctype html><html lang=%q dir=%q><head><title>%s – Shell</title>%s</head><body><nav>%s %v</nav>%s</body></html>",
				c.Lang, c.Dir, c.Title, c.Head, r.URL.Path, c.SignedIn, c.Body)
			return err
		}
	})
	b, _ := h.enrolled("ada")
	for path, title := range map[string]string{"/": "Security", "/authenticators": "Methods", "/missing": "There is no such page"} {
		a := b.get(path)
		require.Contains(t, a.body, `<html lang="en" dir="ltr"><head><title>`+title+` – Shell</title><meta name="robots"`)
		require.Contains(t, a.body, "<nav>"+prefix+path+" true</nav><main id=\"main\"")
		require.Equal(t, 1, strings.Count(a.body, "<main"))
		require.Equal(t, 1, strings.Count(a.body, "<title>"))
		require.NotContains(t, a.body, `class="top"`)
	}
	signIn := h.signIn("ada").get("/sign-in").body
	require.Contains(t, signIn, "/sign-in false</nav>")
	require.NotContains(t, signIn, `class="brand"`, "the shell has the name")
	require.Empty(t, h.logs.String())
}

// A layout that fails is a fault for the log, and the page is whole all the same.
func TestLayoutFails(t *testing.T) {
	for name, layout := range map[string]func(io.Writer, *http.Request, securitypage.Content) error{
		"an error": func(w io.Writer, _ *http.Request, c securitypage.Content) error {
			_, _ = io.WriteString(w, "half"+string(c.Head))
			return errors.New("the shell is down")
		},
		"a panic": func(w io.Writer, _ *http.Request, c securitypage.Content) error {
			_, _ = io.WriteString(w, "half"+string(c.Head+c.Body))
			panic("the shell is down")
		},
		"nothing": func(io.Writer, *http.Request, securitypage.Content) error { return nil },
		"without the body": func(w io.Writer, _ *http.Request, c securitypage.Content) error {
			_, err := io.WriteString(w, "half"+string(c.Head))
			return err
		},
		"without the head": func(w io.Writer, _ *http.Request, c securitypage.Content) error {
			_, err := io.WriteString(w, "half"+string(c.Body))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, func(c *securitypage.Config) { c.Layout = layout })
			a := h.signIn("ada").get("/")
			require.Equal(t, http.StatusOK, a.status)
			require.True(t, strings.HasPrefix(a.body, "<!doctype html>"), a.body)
			require.True(t, strings.HasSuffix(a.body, "</html>\n"), a.body)
			require.Contains(t, a.body, `class="top"`)
			require.NotContains(t, a.body, "half")
			h.enrolled("eve")
			require.Contains(t, h.signIn("eve").get("/sign-in").body, `class="brand"`)
			require.Contains(t, h.logs.String(), "the layout of Config has failed")
		})
	}
}

// Only the sign-in keeps the window that has opened it.
func TestPopup(t *testing.T) {
	for _, popup := range []bool{false, true} {
		h := newHost(t, func(c *securitypage.Config) { c.Popup = popup })
		b, _ := h.enrolled("ada")
		stepping := h.signIn("ada")
		opener := func(b *browser, path string) string { return b.get(path).header.Get("Cross-Origin-Opener-Policy") }
		for _, path := range []string{"/", "/sign-in-else", "/pair", "/page.css"} {
			require.Equal(t, "same-origin", opener(b, path), path)
		}
		require.Equal(t, popup, opener(stepping, "/sign-in") == "")
		require.Equal(t, popup, opener(stepping, "/sign-in/clock") == "")
		require.Contains(t, stepping.get("/sign-in").header.Get("Content-Security-Policy"), "frame-ancestors 'none'")
	}
}
