package securitypage

import (
	"errors"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/recovery"
)

// codesData is a set of recovery codes as it is shown, once.
type codesData struct {
	List []string
	Text string // to download or print
}

func (c *call) codesData(codes recovery.Codes) codesData {
	d := codesData{}
	if len(codes) == 0 {
		return d
	}
	for _, code := range codes {
		d.List = append(d.List, code.Reveal())
	}
	d.Text = codes.Text(c.p.c.Name, c.s.owner.Label, c.p.now())
	return d
}

// recoveryData is what the page of recovery codes shows.
type recoveryData struct {
	Set     gatehouse.RecoverySet
	Account gatehouse.Account
	State   string
	Codes   codesData // only in the answer to the form that has made them
	Pending bool
	// Elsewhere says that the other browsers could not be signed out.
	Elsewhere bool
}

func (c *call) codes() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "codes", recoveryData{Set: a.RecoveryCodes, Account: a, State: factorState(a)})
}

func (c *call) newCodes() error {
	made, err := c.owner().RegenerateRecoveryCodes(c.ctx())
	if err != nil {
		return err
	}
	// The old codes are gone, so the new ones are shown whatever fails from here on: without a proof or a state the
	// next form asks for a code, or to be loaded again.
	a, err := c.account()
	if err := errors.Join(err, c.keep(made.Proof)); err != nil {
		c.log(err)
	}
	still := c.endElsewhere()
	if still != nil {
		c.log(still)
	}
	return c.render(http.StatusOK, "newcodes", recoveryData{
		Set: gatehouse.RecoverySet{ID: made.SetID}, Account: a, State: factorState(a), Codes: c.codesData(made.Codes), Elsewhere: still != nil,
	})
}

func (c *call) savedCodes() error {
	if err := c.owner().AcknowledgeRecoveryCodes(c.ctx(), c.field("set")); err != nil {
		return err
	}
	if err := c.endElsewhere(); err != nil { // the form asks for it where it could not be done before
		return err
	}
	switch w := c.wanted; {
	case w == nil:
		c.redirect(c.p.path+"/recovery-codes", "saved")
	case w.action == "": // no gate: a sign-in with one of the old codes, or the plan after one that was not the owner's
		c.redirect(w.path)
	default:
		c.redirect(c.p.path+"/ready", "saved")
	}
	return nil
}
