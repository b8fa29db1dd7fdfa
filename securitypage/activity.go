package securitypage

import (
	"errors"
	"net/http"
	"slices"
	"strconv"

	"github.com/gatehouse-go/gatehouse"
)

// activityData is what the page of recent activity shows.
type activityData struct {
	Days    []dayOf
	Shows   string // the group that is shown, "" for everything
	Filters []filter
	// Ask says that the owner has not said yet whether a use of a recovery code was theirs.
	Ask bool
	// AskService says the same of a service account, or a token of one, that an operator has made.
	AskService bool
	Seen       int64 // the Number of the newest entry
	Knows      bool  // there is a page of the browsers that the account knows
}

// filter is a choice of entries. Its text is "show." and Name.
type filter struct {
	Name  string
	Count int // of entries to look at; 0 for the others
}

func (c *call) activity() error {
	a, err := c.account()
	if err != nil {
		return err
	}
	all := c.entries(a, len(a.Activity))
	d := activityData{Ask: !a.CodeUseUnseen.IsZero(), AskService: !a.ServiceUnseen.IsZero(), Seen: newest(a), Knows: a.Protected}
	looks := 0
	for _, e := range all {
		if e.Look {
			looks++
		}
	}
	d.Filters = []filter{{Name: "all"}, {Name: "signins"}, {Name: "changes"}}
	if c.tok() != nil {
		d.Filters = append(d.Filters, filter{Name: "tokens"})
	}
	d.Filters = append(d.Filters, filter{Name: "look", Count: looks})
	d.Shows = "all"
	if show := c.r.URL.Query().Get("show"); slices.ContainsFunc(d.Filters, func(f filter) bool { return f.Name == show }) {
		d.Shows = show
	}
	all = slices.DeleteFunc(all, func(e entry) bool {
		return d.Shows != "all" && d.Shows != e.Group && (d.Shows != "look" || !e.Look)
	})
	c.placed(all)
	d.Days = c.days(all)
	return c.render(http.StatusOK, "activity", d)
}

// newest returns the number of the newest entry.
func newest(a gatehouse.Account) int64 {
	if len(a.Activity) == 0 {
		return 0
	}
	return a.Activity[0].Number
}

// endSessions ends every other session of the account.
func (c *call) endSessions() error {
	if err := c.endElsewhere(); err != nil {
		return err
	}
	c.redirect(c.p.path+"/activity", "elsewhere")
	return nil
}

// reviewed notes that the owner has looked at the activity: all was theirs, or they have dealt with it.
func (c *call) reviewed() error {
	seen, err := strconv.ParseInt(c.field("seen"), 10, 64)
	if err != nil {
		return errors.Join(errForm, err)
	}
	if err := c.owner().ReviewActivity(c.ctx(), seen); err != nil {
		return err
	}
	notice := "reviewed"
	if c.field("dealt") != "" {
		notice = "dealt"
	}
	c.redirect(c.p.path+"/activity", notice)
	return nil
}
