package securitypage

import (
	"errors"
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/posture"
)

// recent is how many entries of the activity the overview shows.
const recent = 3

// overview is what the first page shows.
type overview struct {
	Status   gatehouse.Status
	Review   *posture.Review // nil: the service judges no accounts
	Findings []group
	Tokens   int // that work
	Recent   []entry
	// ByRecoveryCode says that the session is one of a recovery code: the authenticator may be lost.
	ByRecoveryCode bool
	State          string
}

// group is the findings that are shown under one heading, whose text is "group." and Name.
type group struct {
	Name     string
	Findings []posture.Finding
}

// groups are the states of findings in the order in which they are shown.
var groups = []struct {
	name   string
	states []posture.State
}{
	{"todo", []posture.State{posture.Fail, posture.Partial, posture.StateUnknown, posture.Accepted}},
	{"good", []posture.State{posture.Pass, posture.Delegated}},
	{"other", []posture.State{posture.Locked, posture.NotApplicable}},
}

func grouped(findings []posture.Finding) (out []group) {
	for _, g := range groups {
		in := group{Name: g.name}
		for _, state := range g.states {
			for _, f := range findings {
				if f.State == state {
					in.Findings = append(in.Findings, f)
				}
			}
		}
		if len(in.Findings) > 0 {
			out = append(out, in)
		}
	}
	return out
}

func (c *call) overview() error {
	st, err := c.account()
	if err != nil {
		return err
	}
	d := overview{Status: st, State: factorState(st)}
	if d.Review, err = c.review(); err != nil {
		return err
	}
	if d.Review != nil {
		d.Findings = grouped(d.Review.Findings)
	}
	if _, ok := c.svc().TokenPolicy(); ok {
		list, err := c.allTokens()
		if err != nil {
			return err
		}
		for _, t := range list {
			if t.State == gatehouse.TokenActive {
				d.Tokens++
			}
		}
	}
	if d.Recent, err = c.entries(recent); err != nil {
		return err
	}
	if d.ByRecoveryCode, err = c.byRecoveryCode(); err != nil {
		return err
	}
	return c.render(http.StatusOK, "overview", d)
}

// review returns nil where the service judges no accounts.
func (c *call) review() (*posture.Review, error) {
	r, err := c.svc().Review(c.ctx(), c.s.Account)
	if errors.Is(err, gatehouse.ErrState) {
		return nil, nil
	}
	return &r, err
}

// byRecoveryCode reports whether the session's proof was made with a recovery code, a short while ago.
func (c *call) byRecoveryCode() (bool, error) {
	may, err := c.owner().Allowed(c.ctx())
	return may.Replace && !may.Factors, err
}

// entry is one of the recent activity.
type entry struct {
	event.Event
	Text   string
	Detail string
}

// entries returns the latest of the account's activity, newest first.
func (c *call) entries(most int) ([]entry, error) {
	events, err := c.svc().Activity(c.ctx(), c.s.Account)
	if err != nil {
		return nil, err
	}
	var out []entry
	for _, e := range events[:min(most, len(events))] {
		detail := e.AuthenticatorName + e.TokenName
		if e.Kind == event.CodeAccepted || e.Kind == event.CodeDenied {
			detail = c.text("method." + string(e.Method))
		}
		if e.Control != "" {
			detail = c.either("control."+e.Control, e.Control)
		}
		out = append(out, entry{Event: e, Text: c.either("event."+string(e.Kind), string(e.Kind)), Detail: detail})
	}
	return out, nil
}
