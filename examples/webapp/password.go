package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gatehouse-go/gatehouse"
)

func (a *app) passwordPage(w http.ResponseWriter, r *http.Request, _ visit) error {
	return a.render(w, r, http.StatusOK, "password", form{})
}

// changePassword is behind a step-up: a session that was stolen is not enough.
func (a *app) changePassword(w http.ResponseWriter, r *http.Request, v visit) error {
	var what wrong
	u, err := a.users.checkAgain(r.Context(), v.Account, r.PostFormValue("old"))
	// From here on it goes to its end, also if the browser hangs up: a password that is changed, with the account's
	// proofs left as they were, is what nobody would come back to mend.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 20*time.Second)
	defer cancel()
	if err == nil {
		err = a.users.setPassword(ctx, u, r.PostFormValue("new"))
	}
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		return a.render(w, r, http.StatusUnprocessableEntity, "password", form{Wrong: a.refusal(err, "That is not your present password.")})
	case errors.As(err, &what):
		return a.render(w, r, http.StatusUnprocessableEntity, "password", form{Wrong: what.Error()})
	case err != nil:
		return err
	}
	// Proofs and challenges end too. Sessions have ended already, with the version of the password: by this alone, a
	// fault just here would leave them, and a sign-in whose password was checked before and attested after would get
	// in. It does not touch the second factor: whoever has changed a password has not proven to have lost that. Where
	// the old one was forgotten or known to others it is gatehouse.RevokeTokens.
	if err := a.svc.Operator("system").PasswordChanged(ctx, v.Account, gatehouse.KeepTokens); err != nil {
		return err
	}
	if err := a.sessions.Destroy(r.Context()); err != nil {
		return err
	}
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
	return nil
}
