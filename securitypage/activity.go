package securitypage

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/gatehouse-go/gatehouse"
)

// activityData is what the page of recent activity shows.
type activityData struct {
	Entries []entry
	// Ask says that the owner has not said yet whether a use of a recovery code was theirs.
	Ask bool
	// AskService says the same of a service account, or a token of one, that an operator has made.
	AskService bool
	Seen       int64 // the Number of the newest entry
	Account    gatehouse.Account
}

func (c *call) activity() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	d := activityData{Account: a, Entries: c.entries(a, len(a.Activity)), Ask: !a.CodeUseUnseen.IsZero(), AskService: !a.ServiceUnseen.IsZero()}
	if len(d.Entries) > 0 {
		d.Seen = d.Entries[0].Number
	}
	return c.render(http.StatusOK, "activity", d)
}

// endSessions ends every other session of the account.
func (c *call) endSessions() error {
	if err := c.endElsewhere(); err != nil {
		return err
	}
	c.redirect(c.p.path+"/activity", "elsewhere")
	return nil
}

func (c *call) reviewed() error {
	seen, err := strconv.ParseInt(c.field("seen"), 10, 64)
	if err != nil {
		return errors.Join(errForm, err)
	}
	if err := c.owner().ReviewActivity(c.ctx(), seen); err != nil {
		return err
	}
	c.redirect(c.p.path+"/activity", "reviewed")
	return nil
}
