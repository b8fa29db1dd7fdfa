package securitypage_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever is sent, nothing breaks, nothing is in a page as it was typed, nobody else's account changes, and
// without the session's form nothing changes at all.
func FuzzHandler(f *testing.F) {
	for _, p := range paths("AUTH", "TOKEN") {
		f.Add(uint8(0), p.page, "")
		f.Add(uint8(1), p.to, "form=FORM&"+url.Values{"name": {"<xss>"}, "code": {"123456"}, "scope": {"projects:read"}, "days": {"30"}}.Encode())
	}
	f.Add(uint8(1), "/tokens/new", "form=FORM&name=x&scope=projects%3Aread&days=9999999999&resources=a%0Ab&networks=%3Cxss")
	f.Add(uint8(1), "/tokens/TOKEN/rotate", "form=FORM&grace=99999")
	f.Add(uint8(1), "/step-up", "form=FORM&step_up=%3Cxss&next=/x")
	f.Add(uint8(0), "/step-up?next=//evil.test", "")
	f.Add(uint8(0), "/?notice=%3Cxss%3E", "")
	f.Add(uint8(0), "/sign-in?with=%3Cxss%3E", "")
	f.Add(uint8(0), "/pair?replace=%3Cxss%3E", "")
	f.Add(uint8(3), "/tokens?page=-1", "")

	f.Fuzz(func(t *testing.T, how uint8, to, body string) {
		if len(to) > 200 || len(body) > 2000 {
			t.Skip()
		}
		h := newHost(t)
		b, o, token := h.ready("ada")
		h.svc.Enroll(t, "bystander")
		bystander := h.account("bystander")
		in := h.signIn("ada")
		by := b
		if how&2 != 0 {
			by = in
		}
		to = strings.NewReplacer("AUTH", o.AuthenticatorID, "TOKEN", token).Replace(to)
		target, err := url.Parse(prefix + to)
		if err != nil || target.Host != "" || !strings.HasPrefix(target.Path, "/") {
			t.Skip()
		}
		method := []string{"GET", "POST", "HEAD", "PUT"}[(how>>2+how&1)%4]
		valid := false
		if method == "POST" {
			for _, p := range paths(o.AuthenticatorID, token) {
				if p.page == "" {
					continue
				}
				if form, ok := by.get(p.page).form(target.Path); ok && strings.Contains(body, "FORM") {
					body, valid = strings.Replace(body, "FORM", form.Get("form"), 1), true
					break
				}
			}
		}
		before := h.account("ada")

		r := httptest.NewRequest(method, "http://acme.test/", strings.NewReader(body))
		r.URL = target
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		r.AddCookie(&http.Cookie{Name: "session", Value: by.id})
		w := httptest.NewRecorder()
		h.page.ServeHTTP(w, r)

		require.Less(t, w.Code, 500, "%s %s %q: %s", method, to, body, h.logs)
		require.NotEmpty(t, w.Header().Get("Content-Security-Policy"))
		require.NotContains(t, w.Body.String(), "<xss")
		require.False(t, strings.HasPrefix(w.Header().Get("Location"), "//"), w.Header())
		require.NotContains(t, w.Header().Get("Location"), "evil.test")
		require.Equal(t, bystander, h.account("bystander"))
		if !valid {
			require.Equal(t, before, h.account("ada"))
		}
	})
}
