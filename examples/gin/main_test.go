package main

import (
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/examples/internal/browsertest"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	browsertest.Main(m)
}

func open(t testing.TB) *browsertest.Site {
	svc := gatehousetest.New(t)
	handler, err := newApp(svc.Service)
	require.NoError(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &browsertest.Site{
		URL: server.URL, Service: svc.Service, Now: svc.Now, Wait: svc.Wait,
		Account: "ada", Home: "/", Greeting: "You are signed in as ada.",
		SignIn: func(b *browsertest.Tab) {
			b.Visit("/")
			b.Fill("User", "ada")
			b.Fill("Password", "correct horse")
			b.Press("Sign in")
		},
	}
}

func TestBrowser(t *testing.T) { browsertest.Run(t, open) }

// The page for members and the action behind a gate are closed, and lead to what opens them.
func TestGuards(t *testing.T) {
	s := open(t)
	b := browsertest.Open(t, s.URL)
	b.Visit("/members")
	require.Equal(t, "/", b.Path())
	s.SignIn(b)
	require.Equal(t, 200, b.Press("Members"))
	b.Has("such as ada")

	b.Visit("/")
	require.Equal(t, 403, b.Press("Deploy"))
	b.Has("Protect your account first", "Two-factor sign-in")
	b.Press("Turn on")
	b.Press("Show the QR code")
	phone, _ := b.Scan()
	b.Scanned()
	require.Equal(t, 200, b.TurnOn(phone.Code(s.Now())))
	b.Visit("/")
	require.Equal(t, 200, b.Press("Deploy"))
	b.Has("It is on the internet.")
}
