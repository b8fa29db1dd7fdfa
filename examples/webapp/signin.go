package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
)

// form is what a page of a form shows again.
type form struct{ Email, Wrong string }

func (a *app) signUpPage(w http.ResponseWriter, r *http.Request) error {
	return a.render(w, r, http.StatusOK, "signup", form{})
}

func (a *app) signUp(w http.ResponseWriter, r *http.Request) error {
	u, err := a.users.create(r.Context(), r.PostFormValue("email"), r.PostFormValue("password"))
	var what wrong
	switch {
	case errors.As(err, &what):
		return a.render(w, r, http.StatusUnprocessableEntity, "signup", form{r.PostFormValue("email"), what.Error()})
	case err != nil:
		return err
	}
	try, err := a.before(r.Context(), u)
	if err != nil {
		return err
	}
	if err := a.start(r.Context(), try, u); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

func (a *app) signInPage(w http.ResponseWriter, r *http.Request) error {
	if v, err := a.signedIn(r.Context()); err != nil {
		return err
	} else if v.SignedIn { // in another tab, or by a form that was sent twice
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	}
	return a.render(w, r, http.StatusOK, "signin", form{})
}

// signIn is the first step. Every way in has to pass here: one that signs somebody in without asking for a
// challenge, such as a link in a mail, is a way around the second step.
func (a *app) signIn(w http.ResponseWriter, r *http.Request) error {
	email := r.PostFormValue("email")
	known, err := a.users.byEmail(r.Context(), email)
	if err != nil {
		return err
	}
	try, err := a.before(r.Context(), known)
	if err != nil {
		return err
	}
	u, err := a.users.check(r.Context(), email, r.PostFormValue("password"))
	if errors.Is(err, gatehouse.ErrDenied) {
		return a.render(w, r, http.StatusUnprocessableEntity, "signin", form{email, a.refusal(err, "That e-mail address and password do not go together.")})
	}
	if err != nil {
		return err
	}
	if u.id != known.id {
		return errors.New("the account of this address has changed in between")
	}
	challenge, err := try.Challenge(r.Context())
	var denied *gatehouse.DeniedError
	switch {
	case errors.As(err, &denied) && denied.Disabled:
		return a.render(w, r, http.StatusForbidden, "signin", form{email, "This account is suspended. Please ask support."})
	case denied != nil:
		return a.render(w, r, http.StatusUnprocessableEntity, "signin", form{email, "Something about this account has just changed. Please sign in again."})
	case err != nil:
		return err // nobody gets in, and least of all without the second step
	case challenge.Step == gatehouse.StepNotNeeded:
		if err := a.start(r.Context(), try, u); err != nil {
			return err
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return nil
	case challenge.Step == gatehouse.StepNeeded:
		v := a.newVisit(u)
		v.Challenge = challenge.Token.Reveal()
		if err := a.begin(r.Context(), v); err != nil {
			return err
		}
		http.Redirect(w, r, securityPath+"/sign-in", http.StatusSeeOther)
		return nil
	}
	return errors.New("a challenge that says nothing lets nobody in")
}

// before begins a sign-in to an account, before its password is looked at: a password that is changed meanwhile then
// ends it. What this service knows by itself of a second factor goes with it, so that a database of accounts that is
// empty, or was restored from before a factor was added, opens nothing by the password alone.
func (a *app) before(ctx context.Context, u user) (gatehouse.SignIn, error) {
	if u.id == "" {
		u.id = "nobody" // so that time does not tell which addresses have an account
	}
	try, err := a.svc.Before(ctx, u.id)
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

// firstFactor is securitypage.Config.FirstFactor.
func (a *app) firstFactor(r *http.Request, account, password string) (gatehouse.FirstFactor, error) {
	if _, err := a.users.checkAgain(r.Context(), account, password); err != nil {
		return gatehouse.FirstFactor{}, err
	}
	return gatehouse.FirstFactor{Method: "pwd", At: a.now()}, nil
}

// signOut is a POST: with a link, other sites could sign people out.
func (a *app) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := a.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
