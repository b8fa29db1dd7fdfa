package browsertest

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

// Site is a running service with the Security page at /settings/security/, for Run. Nobody has signed in yet, and its
// cookies are as PlainHTTP of package websession makes them.
type Site struct {
	URL     string
	Service *gatehouse.Service
	Now     func() time.Time    // by the clock of Service
	Wait    func(time.Duration) // moves that

	// SignIn does the first step, and comes by way of the password form or the like. It signs in to Account, whoever's
	// session the browser has.
	SignIn  func(*Tab)
	Account string

	// Home is the path where a sign-in leads, and Greeting is the text that it shows to those alone who are signed in.
	Home, Greeting string

	Elsewhere []string // other hosts that browsers are led to, as http://host:port
}

const security = "/settings/security/"

// person is somebody with a browser at a site.
type person struct {
	*Tab
	site *Site
}

func (s *Site) open(t testing.TB) person {
	t.Helper()
	return person{Open(t, s.URL, s.Elsewhere...), s}
}

// code waits for the next code of an authenticator, which nobody has used, and returns it.
func (s *Site) code(phone *gatehousetest.Authenticator) string {
	s.Wait(30 * time.Second)
	return phone.Code(s.Now())
}

// wrongCode returns a code that an authenticator does not show now, nor just before or after.
func (s *Site) wrongCode(phone *gatehousetest.Authenticator) string {
	right := map[string]bool{}
	for step := -3; step <= 3; step++ {
		right[phone.Code(s.Now().Add(time.Duration(step)*30*time.Second))] = true
	}
	for _, code := range []string{"000000", "111111", "222222", "333333", "444444", "555555", "666666", "777777"} {
		if !right[code] {
			return code
		}
	}
	panic("seven codes of eight")
}

// isIn fails unless the browser is signed in, and isOut unless it is not, as the host has it and as the page has it.
func (p person) isIn() {
	p.t.Helper()
	require.Equal(p.t, 200, p.Visit(p.site.Home))
	p.Has(p.site.Greeting)
	require.Equal(p.t, 200, p.Visit(security))
	require.Equal(p.t, security, p.Path())
}

func (p person) isOut() {
	p.t.Helper()
	p.Visit(p.site.Home)
	require.NotContains(p.t, p.Text(), p.site.Greeting)
	p.Visit(security + "authenticators")
	require.NotEqual(p.t, security+"authenticators", p.Path())
	require.NotContains(p.t, p.Text(), "Authenticator apps")
}

// signIn does the first step, after which a code is asked for.
func (p person) signIn() {
	p.t.Helper()
	p.site.SignIn(p.Tab)
	require.Equal(p.t, security+"sign-in", p.Path(), p.Text())
}

// signOut presses the button on the Security page.
func (p person) signOut() {
	p.t.Helper()
	p.Visit(security)
	p.Press("Sign out")
	require.NotContains(p.t, p.Text(), p.site.Greeting)
}

// confirm finishes the pairing whose QR picture is shown.
func (p person) confirm() (phone *gatehousetest.Authenticator, codes []string) {
	p.t.Helper()
	phone, _ = p.Scan()
	codes = p.Scanned()
	require.Len(p.t, codes, 10)
	require.Equal(p.t, 200, p.TurnOn(p.site.wrongCode(phone)))
	p.Has("That code isn’t right.")
	require.Equal(p.t, 200, p.TurnOn(p.site.code(phone)))
	p.Has("Two-factor sign-in is on")
	return phone, codes
}

// pair signs in without a second factor, and turns it on.
func (p person) pair() (phone *gatehousetest.Authenticator, codes []string) {
	p.t.Helper()
	p.site.SignIn(p.Tab)
	p.isIn()
	require.Equal(p.t, 200, p.Press("Turn on"))
	p.Fill("Name", "Phone")
	require.Equal(p.t, 200, p.Press("Show the QR code"))
	return p.confirm()
}

// without returns cookies but those that package websession has set.
func without(cookies []*network.Cookie) (own []*network.Cookie) {
	for _, c := range cookies {
		if !strings.HasPrefix(c.Name, "gatehouse") {
			own = append(own, c)
		}
	}
	return own
}
