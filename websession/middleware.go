package websession

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/local"
)

// mark is what Middleware has found out about a request.
type mark struct {
	mu sync.Mutex
	in gatehouse.Session
}

// markKey is of one Sessions: a program may have several, of customers and of staff.
type markKey struct{ s *Sessions }

func (s *Sessions) marked(ctx context.Context) *mark {
	m, _ := ctx.Value(markKey{s}).(*mark)
	return m
}

func (m *mark) session() gatehouse.Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.in
}

func (m *mark) set(in gatehouse.Session) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in = in
}

// Middleware lets a request through if nobody is signed in, or if the session still counts: put it inside the host's
// session middleware and around everything of the host's. For each request of somebody who is signed in it reads the
// account once, and asks Config.Noter where there is one.
//
// A session that has ended does not reach a handler. Config.SignOut is called, and the answer is 303 to the same
// address for GET and HEAD, otherwise 401, with a page for somebody who has sent a form. A session of which nothing
// is known here is from before the host used Gatehouse, or its cookie was left out: if the account has a second
// factor, the browser is led to the second step; if it has none, the session counts, without a proof, only while
// nothing of the account has ever been ended. With a Config.Noter it never counts. A fault is 503, and signs nobody
// out.
func (s *Sessions) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.marked(r.Context()) != nil { // by another Middleware, further out
			next.ServeHTTP(w, r)
			return
		}
		if s.c.PlainHTTP && !loopback(r) {
			s.fault(w, r, errPlain)
			return
		}
		r = r.WithContext(s.ctx(r))
		in, pass, err := s.admit(w, r)
		if err != nil {
			s.fault(w, r, err)
			return
		}
		if pass {
			if in.Account != "" {
				in = s.inBrowser(r, in)
			}
			m := &mark{in: in}
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), markKey{s}, m)))
		}
	})
}

// admit returns the session of a request. Unless pass is true or there is an error, it has answered.
func (s *Sessions) admit(w http.ResponseWriter, r *http.Request) (in gatehouse.Session, pass bool, err error) {
	l, err := s.look(r)
	if err != nil {
		return gatehouse.Session{}, false, err
	}
	switch l.state {
	case core.SessionCounts:
		in, err = s.refresh(w, r, l)
		return in, err == nil, err
	case core.SessionSteps:
		if s.isPages(r) {
			return gatehouse.Session{}, true, nil // where it is answered; nobody is signed in there
		}
		return gatehouse.Session{}, false, s.askSecondStep(w, r, l.account)
	}
	if l.user == "" {
		return gatehouse.Session{}, true, nil
	}
	if err := s.end(w, r); err != nil {
		return gatehouse.Session{}, false, err
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		redirect(w, "?"+r.URL.RawQuery) // the same path, whatever prefix of it was cut off
		return gatehouse.Session{}, false, nil
	}
	s.refuse(w, r)
	return gatehouse.Session{}, false, nil
}

// refuse answers a request that must not be led anywhere: it would be taken for one that was carried out. To somebody
// who has sent a form, a page says so, with a link back to the one that had the form.
func (s *Sessions) refuse(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if !forPeople(r) {
		http.Error(w, "The session has ended: sign in again.", http.StatusUnauthorized)
		return
	}
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.WriteHeader(http.StatusUnauthorized)
	_, _ = fmt.Fprintf(w, signedOut, html.EscapeString(s.from(r)))
}

// signedOut is the page of somebody who has sent a form from a session that has ended. It has the place to go on.
const signedOut = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>You are signed out</title>
</head>
<body>
<main>
<h1>You are signed out</h1>
<p>What you have just sent was not carried out. Sign in, and send it again.</p>
<p><a href="%s">Sign in</a></p>
</main>
</body>
</html>
`

// from returns the page that a form was sent from, if it is one of this service.
func (s *Sessions) from(r *http.Request) string {
	from, err := url.Parse(r.Referer())
	if err != nil || from.Host == "" || !local.Is(from.RequestURI()) {
		return s.c.Home
	}
	if from.Host == r.Host || r.Header.Get("Sec-Fetch-Site") == "same-origin" {
		return from.RequestURI()
	}
	return s.c.Home
}

// refresh returns the session that counts. One of which nothing was known gets a cookie, so that it is one that can be
// ended; and a cookie under an older key is sealed again, so that the key can go.
func (s *Sessions) refresh(w http.ResponseWriter, r *http.Request, l look) (gatehouse.Session, error) {
	in := l.session.of(l.user)
	var err error
	switch {
	case !l.known && navigates(r):
		in, err = s.presence(r.Context(), l.account)
	case l.known && navigates(r) && !s.e.SealedNow(l.session.Proof):
		var proof string
		proof, err = s.e.SealAgain(r.Context(), l.session.Proof)
		in.Proof = gatehouse.ParseProof(proof)
	default:
		return in, nil
	}
	if err != nil {
		return gatehouse.Session{}, err
	}
	return in, s.saveSession(w, r, in)
}

// askSecondStep leads a browser to the second step whose session has passed the first factor alone.
func (s *Sessions) askSecondStep(w http.ResponseWriter, r *http.Request, a core.Account) error {
	if !navigates(r) {
		s.refuse(w, r)
		return nil
	}
	// One that is under way stays: support's code, which is used up, may be in it.
	step, err := s.Step(r)
	if err != nil {
		return err
	}
	if step.Session.Account == a.ID && (step.Challenge == "" || s.e.ChallengeStands(r.Context(), step.Challenge, a)) {
		redirect(w, s.c.Path+"/sign-in")
		return nil
	}
	challenge, err := s.e.SealChallenge(r.Context(), a)
	if err != nil {
		return err
	}
	next := s.next(local.Public(r, s.c.Prefix).RequestURI())
	return s.secondStep(w, r, signIn{Account: []byte(a.ID), Challenge: challenge, Next: []byte(next)})
}

// isPages reports whether a request is for the Security page or what is below it. A path that was escaped in another
// way than it has to be is not: routers go by the escapes.
func (s *Sessions) isPages(r *http.Request) bool {
	return r.URL.RawPath == "" && local.Below(r, s.c.Prefix, s.c.Path) != nil
}

// navigates reports whether a request is for a page that a person will look at.
func navigates(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && forPeople(r)
}

// forPeople reports whether a person will look at the answer: the browser asks for a page, or sends a form.
func forPeople(r *http.Request) bool {
	mode := r.Header.Get("Sec-Fetch-Mode")
	return mode == "navigate" || mode == "" && strings.Contains(r.Header.Get("Accept"), "text/html")
}

// fault is told to the host alone.
func (s *Sessions) fault(w http.ResponseWriter, r *http.Request, err error) {
	s.c.Faults.Log(r.Context(), level(r), "websession: it cannot be found out whether a session counts",
		"path", r.URL.Path, "error", err)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Retry-After", "5")
	http.Error(w, "It cannot be checked now who is signed in. Try again soon.", http.StatusServiceUnavailable)
}
