package securitypage

import (
	"net/http"
	"slices"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
)

// authenticatorsData is what the page of authenticators shows.
type authenticatorsData struct {
	Status gatehouse.Status
	Full   bool
	State  string
	Typed  map[string]string // names that were refused, by ID
}

func (c *call) authenticators() error { return c.authenticatorsWith(http.StatusOK, nil, nil) }

func (c *call) authenticatorsWith(status int, typed, wrong map[string]string) error {
	st, err := c.account()
	if err != nil {
		return err
	}
	return c.renderWith(status, "authenticators", authenticatorsData{
		Status: st, Full: len(st.Authenticators) >= maxAuthenticators, State: factorState(st), Typed: typed,
	}, wrong)
}

func (c *call) rename() error {
	id, name := c.field("id"), c.field("name")
	if gatehouse.CheckName(name) != nil {
		return c.authenticatorsWith(http.StatusUnprocessableEntity, map[string]string{id: name}, map[string]string{"name-" + id: c.text("wrong.name")})
	}
	if err := c.owner().RenameAuthenticator(c.ctx(), id, name); err != nil {
		return err
	}
	c.redirect(c.p.c.Path+"/authenticators", "renamed")
	return nil
}

// changeData is what a page shows before a change that takes something away.
type changeData struct {
	Authenticator gatehouse.Authenticator
	Last          bool             // it is the only one: two-factor is turned off instead
	Preview       *posture.Preview // nil: the service judges no accounts
	Status        gatehouse.Status
	State         string
}

// change returns what a change would make of the account.
func (c *call) change(changes ...gatehouse.Change) (changeData, error) {
	st, err := c.account()
	if err != nil {
		return changeData{}, err
	}
	d := changeData{Status: st, State: factorState(st)}
	if review, err := c.review(); err != nil || review == nil {
		return d, err
	}
	p, err := c.svc().Preview(c.ctx(), c.s.Account, changes...)
	d.Preview = &p
	return d, err
}

// removal shows what the removal of an authenticator would do.
func (c *call) removal() error {
	st, err := c.account()
	if err != nil {
		return err
	}
	id := c.r.URL.Query().Get("id")
	i := slices.IndexFunc(st.Authenticators, func(a gatehouse.Authenticator) bool { return a.ID == id })
	if i < 0 {
		return errNotFound
	}
	if len(st.Authenticators) == 1 {
		return c.render(http.StatusOK, "remove", changeData{Authenticator: st.Authenticators[i], Last: true, Status: st})
	}
	if err := c.allowed(forFactors); err != nil {
		return err
	}
	d, err := c.change(gatehouse.RemovingAuthenticator(id))
	if err != nil {
		return err
	}
	d.Authenticator = st.Authenticators[i]
	return c.render(http.StatusOK, "remove", d)
}

func (c *call) remove() error {
	proof, err := c.owner().RemoveAuthenticator(c.ctx(), c.field("id"))
	if err != nil {
		return err
	}
	if err := c.keep(proof); err != nil {
		return err
	}
	c.redirect(c.p.c.Path+"/authenticators", "removed")
	return nil
}

func (c *call) unlock() error {
	method := map[string]gatehouse.Method{"totp": gatehouse.MethodTOTP, "recovery": gatehouse.MethodRecoveryCode}[c.field("method")]
	if method == "" {
		return errForm
	}
	if err := c.owner().Unlock(c.ctx(), method); err != nil {
		return err
	}
	c.redirect(c.p.c.Path+"/authenticators", "unlocked")
	return nil
}

// disabling shows what turning two-factor off would do.
func (c *call) disabling() error {
	st, err := c.account()
	if err != nil {
		return err
	}
	if len(st.Authenticators) == 0 {
		return errStale
	}
	if err := c.allowed(forFactors); err != nil {
		return err
	}
	d, err := c.change(gatehouse.DisablingTwoFactor())
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "disable", d)
}

func (c *call) disable() error {
	if c.field("sure") == "" {
		d, err := c.change(gatehouse.DisablingTwoFactor())
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
	c.redirect(c.p.c.Path+"/", "disabled")
	return nil
}
