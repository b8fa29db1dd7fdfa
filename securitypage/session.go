package securitypage

import (
	"crypto/rand"
	"fmt"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
)

// session is whose request it is.
type session struct {
	in        gatehouse.Session
	owner     Owner
	signing   bool   // nobody is signed in: the second step of a sign-in is outstanding
	challenge string // of that; empty once an operator's code was redeemed
}

// call returns the request with its session. It is of use also with an error.
func (p *Page) call(w http.ResponseWriter, r *http.Request, rt route) (*call, error) {
	c := &call{p: p, w: w, r: r}
	c.words = p.wordsOf(r)
	var err error
	if c.s.in, err = p.c.Web.Current(r); err != nil {
		return c, err
	}
	if err := c.step(rt); err != nil || c.s.in.Account == "" {
		return c, err
	}
	if c.s.in.Secret == "" { // it has no cookie yet, so no form of it can come back
		c.s.in.Secret = rand.Text()
	}
	c.readWanted()
	if p.c.Owner != nil {
		if c.s.owner, err = p.c.Owner(r, c.s.in.Account); err != nil { // a fault, whatever it wraps: no answer of Gatehouse's
			return c, fmt.Errorf("securitypage: Config.Owner: %v", err)
		}
	}
	if c.s.owner.Label == "" {
		c.s.owner.Label = c.s.in.Account
	}
	return c, nil
}

// step has the request be that of a sign-in that waits for its second step, if there is one. Where somebody is signed in
// at the same time, it is only for the pages that are for signing in, and for pairing once support's code was redeemed.
func (c *call) step(rt route) error {
	if c.s.in.Account != "" && rt.who&signingIn == 0 {
		return nil
	}
	step, err := c.p.c.Web.Step(c.r)
	if err != nil || step.Session.Account == "" {
		return err
	}
	if c.s.in.Account == "" || rt.who == signingIn || step.Challenge == "" {
		c.s = session{in: step.Session, signing: true, challenge: step.Challenge}
	}
	return nil
}

func (c *call) who() who {
	switch {
	case c.s.in.Account == "":
		return 0
	case c.s.signing:
		return signingIn
	}
	return signedIn
}

// endElsewhere ends every other session of the account if the form asks for it.
func (c *call) endElsewhere() error {
	if c.field("elsewhere") == "" {
		return nil
	}
	return c.endOthers()
}

// keep has this request and its session go by another proof.
func (c *call) keep(p gatehouse.Proof) error {
	c.s.in.Proof = p
	c.p.twins.note(c.twin(), p, c.p.now())
	return c.p.c.Web.Keep(c.w, c.r, p)
}
