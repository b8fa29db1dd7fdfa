package main

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/gatehouse-go/gatehouse/posture"
)

// project is the one there is.
const project = "anvil"

//go:embed templates/*.html static/*
var files embed.FS

func readPages() (map[string]*template.Template, error) {
	pages := map[string]*template.Template{}
	for _, name := range []string{"signup", "signin", "home", "email", "password", "project", "message"} {
		page := template.New(name).Funcs(template.FuncMap{"action": func(gate string) string { return texts["gate."+gate] }})
		var err error
		if pages[name], err = page.ParseFS(files, "templates/layout.html", "templates/"+name+".html"); err != nil {
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

// render writes a page. What it is made of is complete before anything is written.
func (a *app) render(w http.ResponseWriter, r *http.Request, status int, page string, data any) error {
	in, err := a.signedIn(r.Context())
	if err != nil {
		return err
	}
	v := view{Page: page, Email: in.Email, Security: securityPath, Data: data}
	if in.SignedIn {
		v.Done = a.sessions.PopString(r.Context(), "done")
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

// message is a page of a text.
type message struct{ Title, Text string }

// page is a handler for everybody.
func (a *app) page(next func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := next(w, r); err != nil {
			// What it is stays in the log. Errors of Gatehouse hold no secrets.
			a.log.ErrorContext(r.Context(), "a request has failed", "path", r.URL.Path, "error", err)
			http.Error(w, "Something went wrong.", http.StatusInternalServerError)
		}
	})
}

// member is a handler for who is completely signed in.
func (a *app) member(next func(http.ResponseWriter, *http.Request, visit) error) http.Handler {
	return a.page(func(w http.ResponseWriter, r *http.Request) error {
		v, err := a.signedIn(r.Context())
		switch {
		case err != nil:
			return err
		case v.Account == "":
			http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
			return nil
		}
		return next(w, r, v)
	})
}

func (a *app) missing(w http.ResponseWriter, r *http.Request) error {
	return a.render(w, r, http.StatusNotFound, "message", message{"There is no such page", "It may have moved."})
}

// help is where owners find support who have lost everything. What support does is gatehouse.Operator's Reset, from
// a program that only support can run; on the web it would be one more way around the second step.
func (a *app) help(w http.ResponseWriter, r *http.Request) error {
	return a.render(w, r, http.StatusOK, "message", message{"Help", "Call support. Whoever answers makes sure that it is you, " +
		"and gives you a code with which you can pair another authenticator."})
}

// overview is what the home page shows of the account's protection.
type overview struct {
	Level, Score int
	First        *posture.Step // what to do first; nil: nothing
}

func (a *app) home(w http.ResponseWriter, r *http.Request, v visit) error {
	review, err := a.svc.Review(r.Context(), v.Account)
	if err != nil {
		return err
	}
	data := overview{Level: review.Level, Score: review.Score}
	if len(review.Next) > 0 {
		data.First = &review.Next[0]
	}
	return a.render(w, r, http.StatusOK, "home", data)
}

func (a *app) project(w http.ResponseWriter, r *http.Request, _ visit) error {
	return a.render(w, r, http.StatusOK, "project", nil)
}

// newToken leads to the form for one, which asks its gate again.
func (a *app) newToken(w http.ResponseWriter, r *http.Request, _ visit) error {
	http.Redirect(w, r, securityPath+"/tokens/new", http.StatusSeeOther)
	return nil
}

func (a *app) invite(w http.ResponseWriter, r *http.Request, _ visit) error {
	email, err := address(r.PostFormValue("email"))
	if err != nil {
		return a.render(w, r, http.StatusUnprocessableEntity, "project", err.Error())
	}
	a.mail(email, "You are invited to Anvil.")
	return a.done(w, r, "/project", "An invitation is on its way to "+email+".")
}

func (a *app) deploy(w http.ResponseWriter, r *http.Request, _ visit) error {
	return a.done(w, r, "/project", "Anvil is on the internet.")
}

// done leads to a page that says what was done.
func (a *app) done(w http.ResponseWriter, r *http.Request, to, what string) error {
	a.sessions.Put(r.Context(), "done", what)
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

func (a *app) emailPage(w http.ResponseWriter, r *http.Request, v visit) error {
	return a.showEmail(w, r, http.StatusOK, v, "")
}

// mailbox is what the page of the e-mail address shows.
type mailbox struct {
	Verified, Sent bool
	Wrong          string
}

func (a *app) showEmail(w http.ResponseWriter, r *http.Request, status int, v visit, wrong string) error {
	u, err := a.users.byID(r.Context(), v.Account)
	if err != nil {
		return err
	}
	return a.render(w, r, status, "email", mailbox{u.verified, v.MailCode != "", wrong})
}

func (a *app) sendMail(w http.ResponseWriter, r *http.Request, v visit) error {
	v.MailCode = rand.Text() // long enough that nobody has to count guesses
	a.sessions.Put(r.Context(), "visit", v)
	a.mail(v.Email, "Your code is "+v.MailCode)
	return a.done(w, r, "/email", "A mail is on its way.")
}

func (a *app) confirmMail(w http.ResponseWriter, r *http.Request, v visit) error {
	typed := strings.ToUpper(strings.TrimSpace(r.PostFormValue("code")))
	if v.MailCode == "" || subtle.ConstantTimeCompare([]byte(typed), []byte(v.MailCode)) != 1 {
		return a.showEmail(w, r, http.StatusUnprocessableEntity, v, "That is not the code of the last mail.")
	}
	if err := a.users.setVerified(r.Context(), v.Account); err != nil {
		return err
	}
	v.MailCode = ""
	a.sessions.Put(r.Context(), "visit", v)
	return a.done(w, r, "/", "Your e-mail address is confirmed.")
}
