package securitypage

import (
	"net/http"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
)

// allEntries is more than an account keeps.
const allEntries = 100

// activityData is what the page of recent activity shows.
type activityData struct {
	Entries []entry
	// Ask says that the owner has yet to say whether a use of a recovery code was theirs.
	Ask    bool
	Status gatehouse.Status
}

func (c *call) activity() error {
	st, err := c.account()
	if err != nil {
		return err
	}
	d := activityData{Status: st}
	if d.Entries, err = c.entries(allEntries); err != nil {
		return err
	}
	review, err := c.review()
	if err != nil {
		return err
	}
	if review != nil {
		f, _ := review.Find(posture.RecoveryUseSeen)
		d.Ask = f.State == posture.Fail
	}
	return c.render(http.StatusOK, "activity", d)
}

func (c *call) reviewed() error {
	if err := c.owner().ReviewActivity(c.ctx()); err != nil {
		return err
	}
	c.redirect(c.p.c.Path+"/activity", "reviewed")
	return nil
}
