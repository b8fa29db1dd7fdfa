package securitypage

import (
	"errors"
	"net/http"
	"strconv"

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
	Seen   int64 // the Number of the newest entry
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
	if len(d.Entries) > 0 {
		d.Seen = d.Entries[0].Number
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
	seen, err := strconv.ParseInt(c.field("seen"), 10, 64)
	if err != nil {
		return errors.Join(errForm, err)
	}
	if err := c.owner().ReviewActivity(c.ctx(), seen); err != nil {
		return err
	}
	c.redirect(c.p.c.Path+"/activity", "reviewed")
	return nil
}
