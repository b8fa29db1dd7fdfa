package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/securitypage"
)

//go:embed templates/*.html static/* brand/*
var files embed.FS

func readPages() (map[string]*template.Template, error) {
	pages := map[string]*template.Template{}
	for _, name := range []string{"signup", "signin", "home", "email", "password", "project", "message", "security"} {
		page := template.New(name).Funcs(template.FuncMap{"action": func(gate string) string { return texts["gate."+gate] }})
		var err error
		if pages[name], err = page.ParseFS(files, "templates/layout.html", "templates/header.html", "templates/"+name+".html"); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

func asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=300")
		http.ServeFileFS(w, r, files, "static/"+name)
	}
}

// view is what templates are given.
type view struct {
	Page     string
	Email    string // of who is signed in
	Security string // where the Security page is
	Done     string // what was just done
	Data     any
}

// render writes a page for somebody. What it is made of is complete before anything is written.
func (a *app) render(w http.ResponseWriter, r *http.Request, u user, status int, page string, data any) error {
	v := view{Page: page, Email: u.email, Security: securityPath, Data: data}
	if said, err := r.Cookie("done"); err == nil {
		v.Done = doneTexts[said.Value]
		a.say(w, "", -1)
	}
	var body bytes.Buffer
	if err := a.pages[page].ExecuteTemplate(&body, "layout.html", v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
	return nil
}

// shell is securitypage.Config.Layout: the Security page sits under the header of every other page.
func (a *app) shell(w io.Writer, r *http.Request, c securitypage.Content) error {
	v := view{Page: "security", Security: securityPath, Data: c}
	if c.SignedIn {
		u, err := a.user(r)
		if err != nil {
			return err
		}
		v.Email = u.email
	}
	return a.pages["security"].ExecuteTemplate(w, "security.html", v)
}

// message is a page of a text.
type message struct{ Title, Text string }

// page is a handler for everybody. It is given who is signed in; nobody has no ID.
func (a *app) page(next func(http.ResponseWriter, *http.Request, user) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u, err := a.user(r)
		if err == nil {
			err = next(w, r, u)
		}
		if err != nil {
			a.failed(r, err)
			if errors.Is(err, gatehouse.ErrBusy) {
				w.Header().Set("Retry-After", "5")
				http.Error(w, "Too many people are signing in just now. Please try again in a few seconds.", http.StatusServiceUnavailable)
				return
			}
			http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		}
	})
}

// failed logs why a request has failed, which nobody else is told. Errors of Gatehouse hold no secrets.
func (a *app) failed(r *http.Request, err error) {
	level := slog.LevelError
	switch {
	case r.Context().Err() != nil:
		level = slog.LevelInfo // the client has hung up
	case errors.Is(err, gatehouse.ErrBusy):
		level = slog.LevelWarn
	}
	a.log.Log(r.Context(), level, "a request has failed", "path", r.URL.Path, "error", err)
}

// member is a handler for who is signed in.
func (a *app) member(next func(http.ResponseWriter, *http.Request, user) error) http.Handler {
	return a.page(func(w http.ResponseWriter, r *http.Request, u user) error {
		if u.id != "" {
			return next(w, r, u)
		}
		to := "/sign-in"
		if r.Method == http.MethodGet {
			to += "?next=" + url.QueryEscape(r.URL.RequestURI())
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
		return nil
	})
}

func (a *app) missing(w http.ResponseWriter, r *http.Request, u user) error {
	return a.render(w, r, u, http.StatusNotFound, "message", message{"There is no such page", "It may have moved."})
}

// help is where owners find support who have lost everything. What support does is gatehouse.Operator's Reset, from
// a program that only support can run; on the web it would be one more way around the second step.
func (a *app) help(w http.ResponseWriter, r *http.Request, u user) error {
	return a.render(w, r, u, http.StatusOK, "message", message{"Help", "Call support, and say the e-mail address that you sign in with. " +
		"Whoever answers makes sure that it is you, and gives you a code with which you can pair another authenticator. (In this " +
		"example you are support, too: the code is what “gatehouse reset” prints, the command in cmd/gatehouse. It takes the ID " +
		"that the table of users has for the address.)"})
}

// overview is what the home page shows of the account's protection.
type overview struct {
	Account      string
	Level, Score int
	First        *posture.Step // what to do first; nil: nothing
}

func (a *app) home(w http.ResponseWriter, r *http.Request, u user) error {
	review, err := a.posture.Review(r.Context(), u.id)
	if err != nil {
		return err
	}
	data := overview{Account: u.id, Level: review.Level, Score: review.Score}
	if len(review.Next) > 0 {
		data.First = &review.Next[0]
	}
	return a.render(w, r, u, http.StatusOK, "home", data)
}

// team is what the page of the project shows.
type team struct{ Project, Wrong string }

func (a *app) project(w http.ResponseWriter, r *http.Request, u user) error {
	return a.showProjectPage(w, r, http.StatusOK, u, "")
}

func (a *app) showProjectPage(w http.ResponseWriter, r *http.Request, status int, u user, wrong string) error {
	return a.render(w, r, u, status, "project", team{u.project, wrong})
}

// newToken leads to the form for one, which asks its gate again.
func (a *app) newToken(w http.ResponseWriter, r *http.Request, _ user) error {
	http.Redirect(w, r, securityPath+"/tokens/new", http.StatusSeeOther)
	return nil
}

func (a *app) invite(w http.ResponseWriter, r *http.Request, u user) error {
	email, err := address(r.PostFormValue("email"))
	if err != nil {
		return a.showProjectPage(w, r, http.StatusUnprocessableEntity, u, err.Error())
	}
	a.mail(email, "You are invited to Anvil.")
	return a.done(w, r, "/project", "invited")
}

func (a *app) deploy(w http.ResponseWriter, r *http.Request, _ user) error {
	return a.done(w, r, "/project", "deployed")
}

var doneTexts = map[string]string{
	"invited":  "An invitation is on its way.",
	"deployed": "Anvil is on the internet.",
	"mailed":   "A mail is on its way.",
	"verified": "Your e-mail address is confirmed.",
	"password": "Your password is changed. Sign in with the new one.",
}

// done leads to a page that says once what was done.
func (a *app) done(w http.ResponseWriter, r *http.Request, to, what string) error {
	a.say(w, what, 60)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// say has the browser keep a key of doneTexts for some seconds. It is not kept in the session, so that showing a page
// never writes one: whoever stores a whole session takes back what another request has stored meanwhile.
func (a *app) say(w http.ResponseWriter, what string, seconds int) {
	http.SetCookie(w, &http.Cookie{
		Name: "done", Value: what, Path: "/", MaxAge: seconds, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: a.sessions.Cookie.Secure,
	})
}

func (a *app) emailPage(w http.ResponseWriter, r *http.Request, u user) error {
	return a.showEmail(w, r, http.StatusOK, u, "")
}

// mailbox is what the page of the e-mail address shows.
type mailbox struct {
	Verified, Sent bool
	Wrong          string
}

func (a *app) showEmail(w http.ResponseWriter, r *http.Request, status int, u user, wrong string) error {
	return a.render(w, r, u, status, "email", mailbox{u.verified, u.mailed, wrong})
}

func (a *app) sendMail(w http.ResponseWriter, r *http.Request, u user) error {
	code, err := a.users.mailCode(r.Context(), u.id)
	if err != nil {
		return err
	}
	a.mail(u.email, "Your code is "+code)
	return a.done(w, r, "/email", "mailed")
}

func (a *app) confirmMail(w http.ResponseWriter, r *http.Request, u user) error {
	right, err := a.users.verify(r.Context(), u.id, strings.ToUpper(strings.TrimSpace(r.PostFormValue("code"))))
	switch {
	case err != nil:
		return err
	case !right:
		return a.showEmail(w, r, http.StatusUnprocessableEntity, u, "That is not the code of the last mail.")
	}
	return a.done(w, r, "/", "verified")
}
