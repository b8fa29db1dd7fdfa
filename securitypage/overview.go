package securitypage

import (
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// recent is how many entries of the activity the overview shows.
const recent = 3

// overview is what the first page shows.
type overview struct {
	Account  gatehouse.Account
	Review   *posture.Review // nil: accounts are not judged
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
	d, err := c.overviewData()
	if err != nil {
		return err
	}
	return c.render(http.StatusOK, "overview", d)
}

func (c *call) overviewData() (overview, error) {
	a, err := c.account()
	if err != nil {
		return overview{}, err
	}
	live, err := c.live(a)
	if err != nil {
		return overview{}, err
	}
	d := overview{Account: a, State: factorState(a), Recent: c.entries(a, recent)}
	for _, t := range live {
		if t.State == tokens.StateActive {
			d.Tokens++
		}
	}
	if d.Review, err = c.review(a, live); err != nil {
		return overview{}, err
	}
	if d.Review != nil {
		d.Findings = grouped(d.Review.Findings)
	}
	d.ByRecoveryCode, err = c.byRecoveryCode()
	return d, err
}

// review returns the review of an account with the tokens of live, nil where accounts are not judged.
func (c *call) review(a gatehouse.Account, live []tokens.Info) (*posture.Review, error) {
	pos := c.p.c.Posture
	if pos == nil {
		return nil, nil
	}
	r, err := pos.ReviewOf(c.ctx(), a, live)
	return &r, err
}

// byRecoveryCode reports whether the session's proof was made with a recovery code, a short while ago.
func (c *call) byRecoveryCode() (bool, error) {
	may, err := c.permissions()
	return may.Replace && !may.Factors, err
}
