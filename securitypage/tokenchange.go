package securitypage

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gatehouse-go/gatehouse/tokens"
)

// graces returns what a form offers, in hours.
func graces(p tokens.Policy) []int {
	return slices.DeleteFunc([]int{0, 1, 24, 7 * 24}, func(hours int) bool {
		return time.Duration(hours)*time.Hour > p.MaxGrace
	})
}

func (c *call) rotate() error {
	hours, err := strconv.Atoi(c.field("grace"))
	if err != nil || !slices.Contains(graces(c.tok().Policy()), hours) {
		return errForm
	}
	life := time.Duration(hours) * time.Hour
	minted, err := c.tok().Rotate(c.ctx(), c.changing(), c.seen.ID, tokens.Rotation{Grace: life, Seen: c.seen})
	if err != nil {
		return err
	}
	d := mintedData{tokenData: c.tokenDataOf(minted.Info), Token: minted.Token.Reveal(), Rotated: true}
	if hours > 0 {
		if d.Grace = c.p.now().Add(life); c.seen.Expires.Before(d.Grace) {
			d.Grace = c.seen.Expires
		}
	}
	return c.minted(d)
}

func (c *call) renew() error {
	if _, err := c.tok().Renew(c.ctx(), c.changing(), c.r.PathValue("id"), 0); err != nil {
		return err
	}
	c.redirect(c.p.path+"/tokens/"+c.r.PathValue("id"), "renewed")
	return nil
}

// revoking asks before a token is revoked, and says what stops working.
func (c *call) revoking() error {
	info, err := c.findToken(c.r.PathValue("id"))
	if err != nil {
		return err
	}
	if info.State == tokens.StateRevoked {
		return errStale
	}
	d := c.tokenDataOf(info)
	d.State = revocationOf(info)
	return c.render(http.StatusOK, "revoke", d)
}

func (c *call) revoke() error {
	if err := c.tok().Revoke(c.ctx(), c.changing(), c.r.PathValue("id")); err != nil {
		return err
	}
	c.redirect(c.p.path+"/tokens", "revoked")
	return nil
}

// revokeAllData is what the question before all tokens are revoked shows.
type revokeAllData struct {
	Used  []tokens.Info // the ones that were used last
	Count int
	State string
}

// maxAsked is how many tokens the question before all are revoked names.
const maxAsked = 10

func (c *call) revokingAll() error {
	live, err := c.liveTokens()
	if err != nil {
		return err
	}
	d := revokeAllData{Count: len(live), State: liveListState(live)}
	slices.SortStableFunc(live, func(a, b tokens.Info) int { return b.LastUsed.Compare(a.LastUsed) })
	d.Used = live[:min(len(live), maxAsked)]
	return c.render(http.StatusOK, "revokeall", d)
}

func (c *call) revokeAll() error {
	if err := c.tok().RevokeAll(c.ctx(), c.changing()); err != nil {
		return err
	}
	c.redirect(c.p.path+"/tokens", "allrevoked")
	return nil
}
