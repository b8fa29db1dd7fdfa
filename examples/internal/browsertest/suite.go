package browsertest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Run has people with browsers do at a site what they do at every service that uses Gatehouse. open starts a site on
// which nothing has happened yet, and ends it with the test.
func Run(t *testing.T, open func(testing.TB) *Site) {
	for name, f := range map[string]func(*testing.T, *Site){
		"life": life, "an end elsewhere": endElsewhere, "reset": reset, "suspension": suspension,
	} {
		t.Run(name, func(t *testing.T) { f(t, open(t)) })
	}
}

// life pairs an authenticator and signs in with it, in every way that there is.
func life(t *testing.T, s *Site) {
	p := s.open(t)
	p.isOut()
	phone, codes := p.pair()
	p.isIn()
	p.Has("Phone", "10 of 10 codes left")
	p.Back()
	p.isIn()
	p.signOut()
	p.isOut()
	p.Back()
	require.NotContains(t, p.Text(), "10 of 10 codes left")

	p.signIn()
	p.isStepping()
	require.Equal(t, 422, p.Answer("Code from the app", s.wrongCode(phone)))
	p.isStepping()
	p.signIn()
	code := s.code(phone)
	require.Equal(t, 200, p.Answer("Code from the app", code))
	require.Equal(t, s.Home, p.Path())
	p.isIn()
	p.signOut()

	p.signIn()
	require.Equal(t, 422, p.Answer("Code from the app", code), "a replay")
	p.Has("used already")
	p.Press("Use a recovery code")
	require.Equal(t, 200, p.Answer("Recovery code", codes[3]))
	p.isIn()
	p.Has("9 of 10 codes left")
	p.signOut()

	p.signIn()
	p.Press("Use a recovery code")
	require.Equal(t, 422, p.Answer("Recovery code", codes[3]), "each works once")
	require.Equal(t, 200, p.Answer("Recovery code", codes[4]))
	p.isIn()
}

// isStepping fails unless the browser is led to the second step, and is nobody's until then.
func (p person) isStepping() {
	p.t.Helper()
	p.isOut()
	p.Visit(security)
	require.Equal(p.t, security+"sign-in", p.Path())
}

// endElsewhere turns two-factor sign-in on, which ends every other session at once: whether the browser sends all of its
// cookies, or leaves those of Gatehouse out, also later, and also where they come back.
func endElsewhere(t *testing.T, s *Site) {
	p, other, third := s.open(t), s.open(t), s.open(t)
	for _, o := range []person{other, third} {
		s.SignIn(o.Tab)
		o.isIn()
	}
	cookies := other.Cookies()
	require.NotEqual(t, len(cookies), len(without(cookies)))
	phone, _ := p.pair()
	p.isIn()

	other.SetCookies(without(cookies))
	other.isOut()
	other.SetCookies(cookies)
	other.isOut()
	other.SetCookies(without(cookies))
	other.isOut()

	third.isOut()
	third.signIn()
	require.Equal(t, 200, third.Answer("Code from the app", s.code(phone)))
	third.isIn()
	p.isIn()
}

// reset has support reset an account, whose owner then pairs another authenticator by the code that support gives out.
func reset(t *testing.T, s *Site) {
	p, other := s.open(t), s.open(t)
	phone, codes := p.pair()
	other.signIn()
	require.Equal(t, 200, other.Answer("Code from the app", s.code(phone)))
	other.isIn()
	cookies := other.Cookies()

	code, err := s.Service.Operator("support").Because("the phone is lost").Reset(t.Context(), s.Account)
	require.NoError(t, err)
	p.isOut()
	other.SetCookies(without(cookies))
	other.isOut()
	other.SetCookies(cookies)
	other.isOut()

	p.signIn()
	require.Equal(t, 422, p.Answer("Code from support", codes[0]))
	require.Equal(t, 200, p.Answer("Code from support", code.Reveal()))
	require.Equal(t, security+"pair", p.Path())
	p.isOutOfHome()
	p.Visit(security + "pair")
	require.Equal(t, 200, p.Press("Show the QR code"))
	next, _ := p.confirm()
	p.isOutOfHome()

	p.signIn()
	require.Equal(t, 422, p.Answer("Code from the app", phone.Code(s.Now())), "the old phone")
	require.Equal(t, 200, p.Answer("Code from the app", s.code(next)))
	p.isIn()
	other.isOut()
}

// isOutOfHome is isOut where the page is about a sign-in that is under way.
func (p person) isOutOfHome() {
	p.t.Helper()
	p.Visit(p.site.Home)
	require.NotContains(p.t, p.Text(), p.site.Greeting)
}

// suspension has support suspend an account, and lift that.
func suspension(t *testing.T, s *Site) {
	p := s.open(t)
	phone, _ := p.pair()
	operator := s.Service.Operator("support").Because("it was asked for")
	require.NoError(t, operator.Suspend(t.Context(), s.Account))
	p.isOut()
	s.SignIn(p.Tab)
	p.isOut()
	require.NoError(t, operator.Resume(t.Context(), s.Account))
	p.isOut()
	p.signIn()
	require.Equal(t, 200, p.Answer("Code from the app", s.code(phone)))
	p.isIn()
}
