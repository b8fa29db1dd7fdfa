package routers_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// router starts a service with a router, and returns its address. It has these routes, whose handlers answer
// with site.did and, where it is said, with a status:
//
//	GET  /api/projects/{id}      scope     "project"
//	POST /deploy                 gate      "deploy", 201
//	GET  /deploy                 gate      "deploy"
//	GET  /email                  proof     "email"
//	POST /projects/{id}/deploys  either    "deploys", 201
//
// and the Security page at /settings/security. Where wrong is set, the line that sets path values is missing, or a guard is
// around the whole router, where there are none yet.
type router func(t *testing.T, s *site, wrong bool) (address string)

// trait is in what a router differs from the others.
type trait struct {
	start     router
	always    bool // there are path values wherever a guard can be
	mergesTwo bool // two headers of one name are the last one by the time that a guard is asked
}

var all = map[string]trait{
	"net/http": {start: netHTTP},
	"chi":      {start: chiRouter},
	"gorilla":  {start: gorillaRouter},
	"echo":     {start: echoRouter},
	"gin":      {start: ginRouter, always: true},
	"fiber":    {start: fiberRouter, mergesTwo: true},
}

func each(t *testing.T, try func(*testing.T, trait, *site, string)) {
	for name, r := range all {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			try(t, r, s, r.start(t, s, false))
		})
	}
}

func TestScope(t *testing.T) {
	each(t, func(t *testing.T, r trait, s *site, at string) {
		narrow, wide, write := s.token(t, "narrow", "projects:read", "project/7"), s.token(t, "wide", "projects:read"), s.token(t, "w", "projects:write", "project/8")
		c := s.program(t, at)
		for _, try := range []struct {
			token, path string
			status      int
			ran         string
		}{
			{narrow, "/api/projects/7", 200, "project 7 by ada with narrow"},
			{narrow, "/api/projects/8", 403, ""},
			{wide, "/api/projects/8", 200, "project 8 by ada with wide"},
			{wide, "/api/projects/a%20b", 200, "project a b by ada with wide"},
			{write, "/api/projects/8", 200, "project 8 by ada with w"},
			{write, "/api/projects/7", 403, ""},
			{wide + "x", "/api/projects/7", 401, ""},
		} {
			a := c.get(try.path, "Authorization", "Bearer "+try.token)
			require.Equal(t, try.status, a.status, "%s: %s", try.path, a.body)
			if try.ran == "" {
				require.Empty(t, s.took(), try.path)
				require.Equal(t, "application/problem+json", a.header.Get("Content-Type"))
				require.Contains(t, a.header.Get("WWW-Authenticate"), "Bearer")
				continue
			}
			require.Equal(t, []string{try.ran}, s.took())
			require.Equal(t, try.ran, a.body)
			require.Empty(t, a.header.Get("WWW-Authenticate"))
		}
		require.Equal(t, 401, c.get("/api/projects/7").status)
		require.Empty(t, s.took())
		a := c.get("/api/projects/7", "Authorization", "Bearer "+wide, "Authorization", "Bearer "+narrow)
		if r.mergesTwo {
			require.Equal(t, []string{"project 7 by ada with narrow"}, s.took())
		} else {
			require.Equal(t, 400, a.status)
			require.Empty(t, s.took())
		}
	})
}

// Guard and handler have the same path value, however it was escaped: a token for one project reaches no other.
func TestEscapedPath(t *testing.T) {
	each(t, func(t *testing.T, _ trait, s *site, at string) {
		c, narrow, wide := s.program(t, at), s.token(t, "narrow", "projects:read", "project/7"), s.token(t, "wide", "projects:read")
		for _, id := range []string{"%37", "7%2F", "%2F7", "7%2F..%2F8", "..%2F7", "8%2F..%2F7", "%2e%2e%2f7", "7;8", "7%3B8", "7%00", "7%20", "%207", "7%2A", "7%25", "7%252F8", "7%5C8", "%37%0A"} {
			c.get("/api/projects/"+id, "Authorization", "Bearer "+narrow)
			for _, ran := range s.took() {
				require.Equal(t, "project 7 by ada with narrow", ran, id)
			}
			c.get("/api/projects/"+id, "Authorization", "Bearer "+wide)
			for _, ran := range s.took() {
				require.NotContains(t, ran, "/", id)
			}
		}
	})
}

// Row A10: where path values are not set, nobody gets through, and the log says why.
func TestPathValuesAreNotSet(t *testing.T) {
	for name, r := range all {
		if r.always {
			continue
		}
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			at := r.start(t, s, true)
			for _, token := range []string{s.token(t, "narrow", "projects:read", "project/7"), s.token(t, "wide", "projects:read")} {
				require.Equal(t, 500, s.program(t, at).get("/api/projects/7", "Authorization", "Bearer "+token).status)
			}
			require.Empty(t, s.took())
			require.Contains(t, s.faults.String(), `the route has no path value \"id\"`)
		})
	}
}

// A browser that is refused is sent to what is missing and comes back, to a page and to the page that had a form.
func TestRefuse(t *testing.T) {
	each(t, func(t *testing.T, _ trait, s *site, at string) {
		for _, path := range []string{"/email", "/deploy"} {
			require.Equal(t, "/login?next="+url.QueryEscape(path), s.browser(t, at, "").get(path).header.Get("Location"))
			b := s.browser(t, at, "ada")
			a := b.get(path + "?of=a%2Fb")
			require.Equal(t, http.StatusSeeOther, a.status, a.body)
			require.Equal(t, "/settings/security/step-up?next="+url.QueryEscape(path+"?of=a%2Fb"), a.header.Get("Location"))
			require.Empty(t, s.took())
			s.svc.Wait(30 * time.Second)
			a = b.send(b.get(a.header.Get("Location")), "/settings/security/step-up", "step_up", s.owner.Code())
			require.Equal(t, path+"?of=a%2Fb", a.header.Get("Location"), a.body)
			require.Equal(t, 200, b.get(a.header.Get("Location")).status)
			require.Equal(t, []string{path[1:] + "  by ada"}, s.took())
		}
		b := s.browser(t, at, "ada")
		a := b.do("POST", "/deploy", url.Values{}, "Referer", at+"/project?id=7")
		to, err := url.QueryUnescape(a.header.Get("Location"))
		require.NoError(t, err)
		require.Contains(t, to, "/settings/security/step-up?next=/settings/security/ready?next=")
		require.True(t, strings.HasSuffix(to, url.QueryEscape(":/project?id=7")), to)
		require.Empty(t, s.took())
		s.svc.Wait(30 * time.Second)
		b.send(b.get(a.header.Get("Location")), "/settings/security/step-up", "step_up", s.owner.Code())
		a = b.do("POST", "/deploy", url.Values{})
		require.Equal(t, 201, a.status, "the handler's own status: %s", a.body)
		require.Equal(t, []string{"deploy  by ada"}, s.took())
		a = b.do("POST", "/deploy", url.Values{}, "Sec-Fetch-Site", "same-site", "Origin", "https://blog.acme.test")
		require.Equal(t, 403, a.status)
		require.Contains(t, a.body, "another site")

		// A program gets the problem document, and a fault is one.
		a = s.program(t, at).get("/email")
		require.Equal(t, 401, a.status)
		require.Contains(t, a.body, "insufficient_user_authentication")
		for _, path := range []string{"/email", "/deploy"} {
			a = s.program(t, at).get(path, "Cookie", "session=broken")
			require.Equal(t, 500, a.status, a.body)
			require.Contains(t, s.faults.String(), "the store of sessions is down")
		}
		require.Empty(t, s.took())
	})
}

func TestSessionOrToken(t *testing.T) {
	each(t, func(t *testing.T, _ trait, s *site, at string) {
		narrow, read := s.token(t, "narrow", "projects:write", "project/7"), s.token(t, "read", "projects:read")
		post := func(c *client, project string, headers ...string) int {
			return c.do("POST", "/projects/"+project+"/deploys", url.Values{}, headers...).status
		}
		program, b := s.program(t, at), s.browser(t, at, "ada")
		require.Equal(t, 401, post(program, "7"))
		require.Equal(t, 303, post(b, "7"), "to the step-up")
		require.Equal(t, 403, post(program, "8", "Authorization", "Bearer "+narrow))
		require.Equal(t, 403, post(program, "7", "Authorization", "Bearer "+read))
		require.Empty(t, s.took())
		require.Equal(t, 201, post(program, "7", "Authorization", "Bearer "+narrow))
		require.Equal(t, []string{"deploys 7 by ada with narrow"}, s.took())

		s.svc.Wait(30 * time.Second)
		b.send(b.get("/settings/security/step-up?next=%2Fhome"), "/settings/security/step-up", "step_up", s.owner.Code())
		require.Equal(t, 201, post(b, "8"))
		require.Equal(t, []string{"deploys 8 by ada"}, s.took())
		require.Equal(t, 403, post(b, "8", "Authorization", "Bearer "+narrow), "a good session does not help a token")
		require.Equal(t, 401, post(b, "8", "Authorization", "Bearer "+narrow+"x"))
		require.Equal(t, 403, post(b, "8", "Sec-Fetch-Site", "same-site", "Origin", "https://blog.acme.test"))
		require.Empty(t, s.took())
		require.Equal(t, 201, post(s.browser(t, at, "eve"), "7", "Authorization", "Bearer "+narrow))
		require.Equal(t, []string{"deploys 7 by ada with narrow"}, s.took(), "the token's account, and not the cookie's")
	})
}

var link = regexp.MustCompile(` href="(/settings/security[^"]*)"`)

// The Security page answers below its path, by every method that it has, and with all of its headers.
func TestPage(t *testing.T) {
	each(t, func(t *testing.T, _ trait, s *site, at string) {
		b := s.browser(t, at, "ada")
		s.svc.Wait(30 * time.Second)
		a := b.send(b.get("/settings/security/step-up"), "/settings/security/step-up", "step_up", s.owner.Code())
		require.Equal(t, "/settings/security/", a.header.Get("Location"), a.body)
		seen := map[string]bool{}
		for todo := []string{"/settings/security/"}; len(todo) > 0; todo = todo[1:] {
			a := b.get(todo[0])
			require.Equal(t, 200, a.status, todo[0])
			require.Contains(t, a.header.Get("Content-Security-Policy"), "default-src 'none'")
			if strings.Contains(todo[0], "?v=") { // a style sheet or a picture, whose address changes with it
				require.NotContains(t, a.header.Get("Content-Type"), "text/html")
				require.Contains(t, a.header.Get("Cache-Control"), "immutable")
				continue
			}
			require.Equal(t, "no-store", a.header.Get("Cache-Control"))
			for _, m := range link.FindAllStringSubmatch(a.body, -1) {
				if !seen[m[1]] {
					seen[m[1]] = true
					todo = append(todo, strings.ReplaceAll(m[1], "&amp;", "&"))
				}
			}
		}
		require.Greater(t, len(seen), 8)
		for path, status := range map[string]int{"/settings/security/nowhere": 404, "/settings/security/tokens/nowhere": 404} {
			a = b.get(path)
			require.Equal(t, status, a.status, path)
			require.Contains(t, a.body, "Acme", "the page's own answer")
		}
		a = b.get("/settings/security")
		require.Contains(t, []int{301, 302, 303, 307, 308}, a.status)
		to, err := url.Parse(a.header.Get("Location"))
		require.NoError(t, err)
		require.Equal(t, "/settings/security/", to.Path)

		a = b.send(b.get("/settings/security/tokens/new"), "/settings/security/tokens/new", "name", "ci", "scope", "projects:read")
		require.Equal(t, 200, a.status)
		token := regexp.MustCompile(`acme_pat_[0-9A-Za-z]+`).FindString(a.body)
		require.Equal(t, 200, s.program(t, at).get("/api/projects/7", "Authorization", "Bearer "+token).status)
		id := token[len("acme_pat_"):][:14]
		a = b.send(b.get("/settings/security/tokens/"+id+"/revoke"), "/settings/security/tokens/"+id+"/revoke")
		require.Equal(t, http.StatusSeeOther, a.status, a.body)
		require.Equal(t, 401, s.program(t, at).get("/api/projects/7", "Authorization", "Bearer "+token).status)
		require.Equal(t, 200, b.do("HEAD", "/settings/security/", nil).status)
		a = b.do("DELETE", "/settings/security/tokens", nil)
		require.Equal(t, http.StatusMethodNotAllowed, a.status)
		require.Equal(t, "GET, HEAD", a.header.Get("Allow"))
		require.Equal(t, 503, b.get("/settings/security/", "Cookie", "session=broken").status)
	})
}
