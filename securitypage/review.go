package securitypage

import (
	"net/http"
	"slices"

	"github.com/gatehouse-go/gatehouse/posture"
)

// reviewData is what the page of the whole review shows.
type reviewData struct {
	Review  *posture.Review
	Stand   stand
	Groups  []group
	History []posture.Snapshot // when each level began, the newest first
}

// Fixable reports whether a finding has a fix of its own that the owner can make now: not what a better step brings
// along, nor a second authenticator before the first one.
func (d reviewData) Fixable(f posture.Finding) bool {
	if f.State != posture.Fail && f.State != posture.Partial && f.State != posture.Accepted {
		return false
	}
	if slices.ContainsFunc(d.Review.Next, func(s posture.Step) bool { return slices.Contains(s.Mends, f.ID) }) {
		return false
	}
	second, _ := d.Review.Find(posture.SecondFactor)
	return f.ID != posture.SecondAuthenticator || second.State != posture.Fail
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
	{"todo", []posture.State{posture.Fail, posture.Partial, posture.StateUnknown}},
	{"accepted", []posture.State{posture.Accepted}},
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

// wholeReview shows every finding, the steps with all that comes along, the gates, and how the level came to be.
func (c *call) wholeReview() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	d := reviewData{}
	if d.Review, err = c.reviewOf(a); err != nil {
		return err
	}
	if d.History, err = c.p.c.Posture.History(c.ctx(), a.ID); err != nil {
		return err
	}
	d.History = slices.CompactFunc(d.History, func(a, b posture.Snapshot) bool { return a.Level == b.Level })
	slices.Reverse(d.History)
	d.Stand, d.Groups = standOf(a, d.Review), grouped(d.Review.Findings)
	return c.render(http.StatusOK, "review", d)
}

// Finding is that of a control in a review.
func (v *View) Finding(r *posture.Review, id string) posture.Finding {
	f, _ := r.Find(id)
	return f
}

// Tone is the color of a finding's state.
func (v *View) Tone(s posture.State) string {
	switch s {
	case posture.Pass, posture.Delegated:
		return "good"
	case posture.Fail:
		return "bad"
	case posture.Partial, posture.StateUnknown, posture.Accepted:
		return "warn"
	}
	return ""
}

// StateIcon is the icon of a finding's state.
func (v *View) StateIcon(s posture.State) string {
	switch v.Tone(s) {
	case "good":
		return "check"
	case "":
		return "minus"
	}
	return "alert"
}

// Cause is what has changed a level: the text of the event behind it, or that time or rules did.
func (v *View) Cause(s posture.Snapshot) string {
	if s.Cause == "" {
		return v.T("review.bytime")
	}
	return v.c.either("event."+string(s.Cause), string(s.Cause))
}
