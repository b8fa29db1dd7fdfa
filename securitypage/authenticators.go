package securitypage

import (
	"errors"
	"net/http"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/text"
	"github.com/gatehouse-go/gatehouse/posture"
)

// authenticatorsData is what the page of authenticators shows.
type authenticatorsData struct {
	Account        gatehouse.Account
	Passkeys, Apps []gatehouse.Authenticator
	FullPasskeys   bool // there are as many as there can be
	Full           bool // of the apps
	Offered        bool // passkeys can be added
	State          string
	Typed          map[string]string // names that were refused, by ID
}

func (c *call) authenticators() error { return c.authenticatorsWith(http.StatusOK, nil, nil) }

func (c *call) authenticatorsWith(status int, typed, wrong map[string]string) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	a.TOTP = c.codeState(a)
	return c.renderWith(status, "authenticators", authenticatorsData{
		Account: a, Passkeys: ofKind(a.Authenticators, true), Apps: ofKind(a.Authenticators, false), Offered: c.p.c.Passkeys != nil,
		FullPasskeys: full(a, true), Full: full(a, false), State: factorState(a), Typed: typed,
	}, wrong)
}

func (c *call) rename() error {
	id, name := c.field("id"), c.field("name")
	if !text.IsName(name) {
		return c.authenticatorsWith(http.StatusUnprocessableEntity, map[string]string{id: name}, map[string]string{"name-" + id: c.wrongName(name)})
	}
	if err := c.owner().RenameAuthenticator(c.ctx(), id, name); err != nil {
		return err
	}
	c.redirect(c.p.path+"/authenticators", "renamed")
	return nil
}

// Provider is who has made the authenticator of a passkey, "" for not known, and for what the name says already.
func (v *View) Provider(a gatehouse.Authenticator) string {
	if v.c.p.c.Passkeys == nil {
		return ""
	}
	if provider := v.c.p.c.Passkeys.Provider(a); provider != a.Name {
		return provider
	}
	return ""
}

// Which returns the passkeys of a list, or the authenticator apps.
func (v *View) Which(list []gatehouse.Authenticator, passkeys bool) []gatehouse.Authenticator {
	return ofKind(list, passkeys)
}

// IsPasskey reports whether an authenticator is a passkey, and not an app.
func (v *View) IsPasskey(a gatehouse.Authenticator) bool { return isPasskey(a) }

// PairURL is the address of the page that sets up an authenticator of the same kind.
func (v *View) PairURL(a gatehouse.Authenticator) string { return v.URL(pairPath(isPasskey(a))) }

// changeData is what a page shows before a change that takes something away.
type changeData struct {
	Authenticator gatehouse.Authenticator
	Last          bool             // it is the only one: two-factor is turned off instead
	Preview       *posture.Preview // nil: accounts are not judged
	Account       gatehouse.Account
	State         string
}

// change returns what a change would make of the account.
func (c *call) change(try func(*posture.Trial) error) (changeData, error) {
	a, err := c.account()
	if err != nil {
		return changeData{}, err
	}
	d := changeData{Account: a, State: factorState(a)}
	if c.p.c.Posture == nil {
		return d, nil
	}
	live, err := c.live(a)
	if err != nil {
		return changeData{}, err
	}
	p, err := c.p.c.Posture.PreviewOf(c.ctx(), a, live, try)
	d.Preview = &p
	return d, err
}

// removal shows what the removal of an authenticator would do.
func (c *call) removal() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	id := c.r.URL.Query().Get("id")
	i := slices.IndexFunc(a.Authenticators, func(a gatehouse.Authenticator) bool { return a.ID == id })
	if i < 0 {
		return errNotFound
	}
	if len(a.Authenticators) == 1 {
		return c.render(http.StatusOK, "remove", changeData{Authenticator: a.Authenticators[i], Last: true, Account: a})
	}
	enough := forFactors
	if c.recovery = isPasskey(a.Authenticators[i]); c.recovery {
		enough = forLost
	}
	if err := c.allowed(enough); err != nil {
		return err
	}
	d, err := c.change(func(t *posture.Trial) error { return t.RemoveAuthenticator(id) })
	if err != nil {
		return err
	}
	d.Authenticator = a.Authenticators[i]
	return c.render(http.StatusOK, "remove", d)
}

func (c *call) remove() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	id, notice := c.field("id"), "removed"
	if slices.ContainsFunc(a.Authenticators, func(a gatehouse.Authenticator) bool { return a.ID == id && isPasskey(a) }) {
		notice = "passkeyremoved"
	} else {
		c.recovery = false
	}
	proof, err := c.owner().RemoveAuthenticator(c.ctx(), id)
	if err != nil {
		return err
	}
	if err := c.keep(proof); err != nil {
		return err
	}
	c.othersEnded()
	c.redirect(c.p.path+"/authenticators", notice)
	return nil
}

func (c *call) unlock() error {
	method := map[string]event.Method{"totp": event.MethodTOTP, "recovery": event.MethodRecoveryCode}[c.field("method")]
	if method == "" {
		return errForm
	}
	err := c.owner().Unlock(c.ctx(), method)
	if errors.Is(err, gatehouse.ErrStepUpRequired) && c.stepped { // by what unlocks nothing, and would not be taken where it is locked
		err = c.isOpen(method, err)
	}
	if err != nil {
		return err
	}
	c.redirect(c.p.path+"/authenticators", "unlocked")
	return nil
}

// isOpen returns the error of a method that is locked, nil where the wait is over already.
func (c *call) isOpen(method event.Method, locked error) error {
	a, err := c.account()
	if err != nil {
		return err
	}
	state := c.codeState(a)
	if method == event.MethodRecoveryCode {
		state = a.RecoveryCode
	}
	if !state.Available {
		return locked
	}
	return nil
}

// codeState is the state of codes of apps, locked where it is so in some browser: in those that the account does not know, or in
// this one.
func (c *call) codeState(a gatehouse.Account) gatehouse.MethodState {
	if !a.TOTP.Available {
		return a.TOTP
	}
	return c.p.c.Web.InBrowser(a, c.s.in).TOTP
}

// disabling shows what turning two-factor off would do.
func (c *call) disabling() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	if len(a.Authenticators) == 0 {
		return errStale
	}
	if err := c.allowed(forFactors); err != nil {
		return err
	}
	d, err := c.change((*posture.Trial).DisableTwoFactor)
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "disable", d)
}

func (c *call) disable() error {
	if c.field("sure") == "" {
		d, err := c.change((*posture.Trial).DisableTwoFactor)
		if err != nil {
			return err
		}
		return c.renderWith(http.StatusUnprocessableEntity, "disable", d, map[string]string{"sure": c.text("wrong.sure")})
	}
	proof, err := c.owner().DisableTwoFactor(c.ctx())
	if err != nil {
		return err
	}
	if err := c.keep(proof); err != nil {
		return err
	}
	c.othersEnded()
	c.redirect(c.p.path+"/", "disabled")
	return nil
}
