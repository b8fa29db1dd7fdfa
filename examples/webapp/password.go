package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/hosttx"
)

func (a *app) passwordPage(w http.ResponseWriter, r *http.Request, u user) error {
	return a.render(w, r, u, http.StatusOK, "password", form{Next: r.FormValue("next")})
}

// changePassword is behind a step-up: a session that was stolen is not enough. Every session has ended then, this one too:
// the owner signs in with the new password, and sees that it is the one that was meant.
func (a *app) changePassword(w http.ResponseWriter, r *http.Request, u user) error {
	in, err := a.web.Current(r)
	if err != nil {
		return err
	}
	err = a.setPassword(r.Context(), u.id, r.PostFormValue("old"), r.PostFormValue("new"))
	next := r.PostFormValue("next")
	var what wrong
	switch {
	case errors.Is(err, gatehouse.ErrDenied):
		return a.render(w, r, u, http.StatusUnprocessableEntity, "password", form{Next: next, Wrong: a.refusal(err, "That is not your present password.")})
	case errors.As(err, &what):
		return a.render(w, r, u, http.StatusUnprocessableEntity, "password", form{Next: next, Wrong: what.Error()})
	case err != nil:
		return err
	}
	// They have ended with the old password; this has the list of them say so too.
	if err := a.browsers.EndOthers(r, in); err != nil {
		a.log.ErrorContext(r.Context(), "sessions of an old password", "account", u.id, "error", err)
	}
	if err := a.web.End(w, r); err != nil {
		return err
	}
	to := "/sign-in"
	if next != "" {
		to += "?next=" + url.QueryEscape(next) // Begin goes to pages of this service alone
	}
	return a.done(w, r, to, "password")
}

// setPassword changes the password of an account, once the old one was right.
func (a *app) setPassword(ctx context.Context, id, old, next string) error {
	checked, err := a.users.checkAgain(ctx, id, old)
	if err != nil {
		return err
	}
	hash, err := a.users.hash(ctx, next)
	if err != nil {
		return err
	}
	tx, err := a.users.db.BeginTx(ctx, nil) // BEGIN IMMEDIATE: see openFiles
	if err != nil {
		return err
	}
	defer tx.Rollback() // no more than a no-op after Commit
	if err := storePassword(ctx, tx, checked, hash); err != nil {
		return err
	}
	// This is the line that a copy gets wrong. What the old password has led to, sessions in other browsers for one, ends
	// in the very transaction that stores the new one: otherwise a fault in between leaves it, and nobody comes back to fix
	// that. Where the accounts are in another database, call PasswordChanged after the commit, and again until it has
	// succeeded: by a job that is in that commit. Before it is too early, as the old password would still sign in.
	//
	// It does not touch the second factor: whoever has changed a password has not proven to have lost that. Where the old
	// password was forgotten or known to others it is gatehouse.RevokeTokens.
	within := hosttx.Within(a.svc.Operator("system"), a.store.Within(tx))
	if err := within.PasswordChanged(ctx, id, gatehouse.KeepTokens); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	within.Committed(ctx)
	return nil
}
