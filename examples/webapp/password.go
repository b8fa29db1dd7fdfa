package main

import (
	"errors"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
)

func (a *app) passwordPage(w http.ResponseWriter, r *http.Request, _ visit) error {
	return a.render(w, r, http.StatusOK, "password", form{})
}

// changePassword is behind a step-up: a session that was stolen is not enough.
func (a *app) changePassword(w http.ResponseWriter, r *http.Request, v visit) error {
	var what wrong
	u, err := a.users.check(r.Context(), v.Email, r.PostFormValue("old"))
	if err == nil {
		err = a.users.setPassword(r.Context(), u.id, r.PostFormValue("new"))
	}
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		return a.render(w, r, http.StatusUnprocessableEntity, "password", form{Wrong: a.refusal(err, "That is not your present password.")})
	case errors.As(err, &what):
		return a.render(w, r, http.StatusUnprocessableEntity, "password", form{Wrong: what.Error()})
	case err != nil:
		return err
	}
	// Without this, a sign-in that somebody has begun with the old password would go on. It does not touch the
	// second factor: whoever has changed a password has not proven to have lost that. Where the old one was
	// forgotten or known to others it is gatehouse.RevokeTokens.
	if err := a.svc.Operator("system").PasswordChanged(r.Context(), v.Account, gatehouse.KeepTokens); err != nil {
		return err
	}
	if err := a.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
