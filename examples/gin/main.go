// Gin is a service on gin with sessions on its server, to which Gatehouse adds two-factor sign-in, the Security page, a
// page for members and an action that needs a second factor.
package main

import (
	"crypto/rand"
	"errors"
	"html/template"
	"log"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/crypto/bcrypt"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/httpguard"
	"github.com/gatehouse-go/gatehouse/httpguard/ginguard"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/websession"
)

const (
	address = "127.0.0.1:8080"
	https   = false                                                          // must be true as soon as browsers are on other machines
	cookie  = "session"                                                      // "__Host-session" with HTTPS: then no sibling domain can set it
	ada     = "$2a$10$tBr3pDKdo1DKbGLRYsFcSe8klBlnsne6IMIaDw8QuyaivXaVpv8u2" // bcrypt of "correct horse"
)

// sessions are those of the service: who is signed in, by the ID of the session.
type sessions struct{ accounts sync.Map }

func (s *sessions) user(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil {
		return ""
	}
	account, _ := s.accounts.Load(c.Value)
	text, _ := account.(string)
	return text
}

// begin begins a session under a new ID.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, account string) error {
	c := http.Cookie{Name: cookie, Value: rand.Text(), Path: "/", Secure: https, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	s.accounts.Store(c.Value, account)
	http.SetCookie(w, &c)
	return s.end(w, r) // the one before
}

func (s *sessions) end(_ http.ResponseWriter, r *http.Request) error {
	if c, err := r.Cookie(cookie); err == nil {
		s.accounts.Delete(c.Value)
	}
	return nil
}

// checkPassword takes equally long for an account that does not exist. A real one also limits how often it is asked.
func checkPassword(_ *http.Request, account, password string) (bool, error) {
	return bcrypt.CompareHashAndPassword([]byte(ada), []byte(password)) == nil && account == "ada", nil
}

type app struct {
	sessions
	web *websession.Sessions
}

func newApp(svc *gatehouse.Service) (http.Handler, error) {
	a := &app{}
	var err error
	a.web, err = websession.New(websession.Config{
		Service: svc, User: a.user, SignIn: a.begin, SignOut: a.end, PlainHTTP: !https,
	})
	if err != nil {
		return nil, err
	}
	pos, err := newPosture(svc)
	if err != nil {
		return nil, err
	}
	page, err := securitypage.New(securitypage.Config{
		Web: a.web, Posture: pos, Name: "Acme", Password: checkPassword, Links: securitypage.Links{SignOut: "/sign-out"},
		Texts: func(*http.Request, string) map[string]string { return map[string]string{"gate.deploy": "Deploy"} },
	})
	if err != nil {
		return nil, err
	}
	guard, err := httpguard.New(httpguard.Config{Service: svc, Posture: pos, Session: a.web.Current, Refuse: page.Refuse})
	if err != nil {
		return nil, err
	}

	router := gin.New()
	router.Use(gin.Recovery())
	router.SetHTMLTemplate(pages)
	router.GET("/", a.home)
	router.POST("/sign-in", a.signIn)
	router.POST("/sign-out", a.signOut)
	router.Any("/settings/security/*path", gin.WrapH(page))
	router.GET("/members", ginguard.Wrap(guard.RequireSignedIn()), a.members)
	router.POST("/deploy", ginguard.Wrap(guard.RequireGate("deploy")), a.deploy)
	return a.web.Middleware(router), nil // around all of gin: a session that has ended gets no answer of any route
}

// newPosture returns the gates: who deploys has given a second factor within the last 5 minutes.
func newPosture(svc *gatehouse.Service) (*posture.Service, error) {
	model, err := posture.NewModel(posture.ModelConfig{})
	if err != nil {
		return nil, err
	}
	gates, err := posture.NewPolicy(model, posture.Gate{
		Action: "deploy", Controls: []string{posture.SecondFactor}, SecondFactor: true, MaxAge: 5 * time.Minute,
	})
	if err != nil {
		return nil, err
	}
	return posture.New(svc, posture.Config{Policy: gates})
}

func (a *app) home(c *gin.Context) { c.HTML(http.StatusOK, "home", a.user(c.Request)) }

func (a *app) signIn(c *gin.Context) {
	account := c.PostForm("user") // where people type another name than this ID, look the ID up
	try, err := a.web.Before(c.Request, account)
	ok, wrong := checkPassword(c.Request, account, c.PostForm("password"))
	switch {
	case wrong != nil:
		err = wrong
	case !ok:
		err = gatehouse.ErrDenied
	case err == nil:
		err = try.Begin(c.Writer, c.Request, gatehouse.FirstFactor{Method: "pwd"})
	}
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		c.String(http.StatusUnauthorized, "You are not signed in: go back, and type it once more.")
	case err != nil:
		_ = c.Error(err)
		c.String(http.StatusInternalServerError, "Something has failed. Try again soon.")
	}
}

func (a *app) signOut(c *gin.Context) {
	if err := a.web.End(c.Writer, c.Request); err != nil {
		_ = c.Error(err)
	}
	c.Redirect(http.StatusSeeOther, "/")
}

// members is behind a guard, which knows who it is.
func (a *app) members(c *gin.Context) {
	c.String(http.StatusOK, "Only members see this, such as %s.", httpguard.Account(c.Request.Context()))
}

func (a *app) deploy(c *gin.Context) { c.String(http.StatusOK, "It is on the internet.") }

var pages = template.Must(template.New("home").Parse(`<!doctype html><html lang="en"><meta charset="utf-8"><title>Acme</title>
<h1>Acme</h1>{{if .}}<p>You are signed in as {{.}}. <a href="/settings/security/">Security</a> <a href="/members">Members</a></p>
<form method="post" action="/deploy"><button>Deploy</button></form>
<form method="post" action="/sign-out"><button>Sign out</button></form>{{else}}<form method="post" action="/sign-in">
<label>User <input name="user" autocomplete="username"></label> <label>Password <input name="password" type="password"
autocomplete="current-password"></label> <button>Sign in</button></form>{{end}}`))

func main() {
	svc, err := gatehouse.New(memory.New(), gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newApp(svc)
	if err != nil {
		log.Fatal(err)
	}
	log.Printf(`Sign in at http://%s as "ada" with "correct horse". Everything is forgotten at the end.`, address)
	log.Fatal(http.ListenAndServe(address, handler))
}
