package main

import (
	"testing"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
)

func TestMain(m *testing.M) { browsertest.Main(m) }

// tab is a tab of a browser at a service.
type tab struct {
	*browsertest.Tab
	t testing.TB
	w *world

	onlyPhone bool // there is no other device
}

// open returns a tab of a new profile.
func (w *world) open(t testing.TB) *tab {
	t.Helper()
	b := &tab{Tab: browsertest.Open(t, w.server.URL), t: t, w: w}
	t.Cleanup(b.checkLeaks)
	return b
}

// another returns another tab of the same profile.
func (b *tab) another() *tab {
	return &tab{Tab: b.Tab.Another(), t: b.t, w: b.w, onlyPhone: b.onlyPhone}
}

// TestSuite has people do here what they do at every service that uses Gatehouse.
func TestSuite(t *testing.T) {
	browsertest.Run(t, func(t testing.TB) *browsertest.Site {
		w := newWorld(t)
		w.open(t).signUp(ada)
		return &browsertest.Site{
			URL: w.server.URL, Service: w.app.svc, Now: w.clock, Wait: w.wait, Account: w.account(ada),
			Home: "/", Greeting: "Change your password",
			SignIn: func(b *browsertest.Tab) {
				b.Visit("/sign-in")
				b.Fill("E-mail address", ada)
				b.Fill("Password", password)
				b.Press("Sign in", "Sign in")
			},
		}
	})
}
