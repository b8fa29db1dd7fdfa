package main

import (
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/securitypage"
	"github.com/gatehouse-go/gatehouse/websession"
)

// form is what a page of a form shows again.
type form struct {
	Email, Wrong, Next string
	Passkeys           bool // it can be done without: by a passkey alone
}

// byPassword is the first factor of this service.
var byPassword = gatehouse.FirstFactor{Method: "pwd"}

func (a *app) signUpPage(w http.ResponseWriter, r *http.Request, u user) error {
	a.offerCookie(w)
	return a.render(w, r, u, http.StatusOK, "signup", form{})
}

// offerCookie has a form come back with a cookie, if the browser keeps any: only so can somebody be told why a sign-in leads
// nowhere.
func (a *app) offerCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{
		Name: "cookies", Value: "yes", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: a.sessions.Cookie.Secure,
	})
}

// noCookies is said to somebody whose browser has sent one of our forms and keeps no cookies.
const noCookies = "Your browser keeps no cookies. Allow them for this site, then try again."

func keepsNone(r *http.Request) bool {
	return len(r.Cookies()) == 0 && r.Header.Get("Sec-Fetch-Site") == "same-origin"
}

func (a *app) signUp(w http.ResponseWriter, r *http.Request, u user) error {
	if keepsNone(r) {
		a.offerCookie(w)
		return a.render(w, r, u, http.StatusForbidden, "signup", form{Email: r.PostFormValue("email"), Wrong: noCookies})
	}
	made, err := a.users.create(r.Context(), r.PostFormValue("email"), r.PostFormValue("password"))
	var what wrong
	switch {
	case errors.As(err, &what):
		return a.render(w, r, u, http.StatusUnprocessableEntity, "signup", form{Email: r.PostFormValue("email"), Wrong: what.Error()})
	case err != nil:
		return err
	}
	try, err := a.before(r, made)
	if err != nil {
		return err
	}
	return try.Begin(w, r, byPassword)
}

func (a *app) signInPage(w http.ResponseWriter, r *http.Request, u user) error {
	if u.id != "" { // in another tab, or by a form that was sent twice
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	a.offerCookie(w)
	return a.signInForm(w, r, u, http.StatusOK, form{Next: r.FormValue("next")})
}

// signInForm shows the form of the first step. Where there are passkeys, it has the Security page's script for them, which
// asks that page for what a browser needs.
func (a *app) signInForm(w http.ResponseWriter, r *http.Request, u user, status int, f form) error {
	if f.Passkeys = a.passkeys != nil; f.Passkeys {
		w.Header().Set("Content-Security-Policy", policy+"; script-src 'self'; connect-src 'self'")
	}
	return a.render(w, r, u, status, "signin", f)
}

// signIn is the first step. Every way in has to pass Before and Begin: one that does not, such as a link in a mail that
// signs somebody in, is a way around the second step.
func (a *app) signIn(w http.ResponseWriter, r *http.Request, u user) error {
	email := r.PostFormValue("email")
	again := func(status int, wrong string) error {
		return a.signInForm(w, r, u, status, form{Email: email, Wrong: wrong, Next: r.FormValue("next")})
	}
	if keepsNone(r) {
		a.offerCookie(w)
		return again(http.StatusForbidden, noCookies)
	}
	known, err := a.users.byEmail(r.Context(), email)
	if err != nil {
		return err
	}
	try, err := a.before(r, known)
	if err != nil {
		return err
	}
	checked, err := a.users.check(r.Context(), email, r.PostFormValue("password"))
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		return again(http.StatusUnprocessableEntity, a.refusal(err, "That e-mail address and password do not go together."))
	case err != nil:
		return err
	case checked.id != known.id:
		return errors.New("the account of this address has changed in between")
	}
	err = try.Begin(w, r, byPassword)
	var denied *gatehouse.DeniedError
	switch {
	case errors.As(err, &denied) && denied.Disabled:
		return again(http.StatusForbidden, "This account is suspended. Please ask support.")
	case errors.Is(err, gatehouse.ErrDenied):
		return again(http.StatusUnprocessableEntity, "Something about this account has just changed. Please sign in again.")
	}
	return err
}

// before begins a sign-in to an account, before its password is looked at: a password that is changed meanwhile then
// ends it. What this service knows by itself of a second factor goes with it, so that a database of accounts that is
// empty, or was restored from before a factor was added, opens nothing by the password alone.
func (a *app) before(r *http.Request, u user) (websession.SignIn, error) {
	if u.id == "" {
		u.id = "nobody" // so that time does not tell which addresses have an account
	}
	try, err := a.web.Before(r, u.id)
	if u.factor {
		try = try.ExpectSecondFactor()
	}
	return try, err
}

// refusal is what somebody is told whose password was not accepted: that it is wrong, or how long to wait.
func (a *app) refusal(err error, wrong string) string {
	var denied *gatehouse.DeniedError
	switch {
	case errors.As(err, &denied) && denied.Disabled:
		return "Too many passwords were wrong. Please ask support."
	case errors.As(err, &denied) && denied.RetryAt.After(a.now()):
		return "Too many passwords were wrong. Try again in " + denied.RetryAt.Sub(a.now()).Round(time.Second).String() + "."
	}
	return wrong
}

// pageOwner is securitypage.Config.Owner.
func (a *app) pageOwner(r *http.Request, account string) (securitypage.Owner, error) {
	u, err := a.users.byID(r.Context(), account)
	return securitypage.Owner{Label: u.email, ExpectSecondFactor: u.factor}, err
}

// pageResources is securitypage.Resources.List.
func (a *app) pageResources(r *http.Request, account string) ([]securitypage.Resource, error) {
	u, err := a.users.byID(r.Context(), account)
	return []securitypage.Resource{{ID: "project/" + u.project, Name: "Your project"}}, err
}

// pagePassword is securitypage.Config.Password.
func (a *app) pagePassword(r *http.Request, account, password string) (bool, error) {
	_, err := a.users.checkAgain(r.Context(), account, password)
	return err == nil, err
}

// signOut is a POST: with a link, other sites could sign people out.
func (a *app) signOut(w http.ResponseWriter, r *http.Request, _ user) error {
	if err := a.web.End(w, r); err != nil {
		return err
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
