package main_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/event"
)

// What the command changes is told to owners where the service keeps notices, and nothing is kept where it does not.
// doctor says how long they wait, and a deletion what its owner had yet to be told.
func TestNotices(t *testing.T) {
	each(t, func(t *testing.T, p *place) {
		waiting := func() (ids []string) {
			page, err := p.store.UnsentAccounts(t.Context(), "", 10)
			require.NoError(t, err)
			for _, r := range page.Records {
				ids = append(ids, r.ID)
			}
			return ids
		}
		p.ok("suspend", "user-1")
		require.Empty(t, waiting())
		p.ok("suspend", "user-2", "-notices")
		require.Equal(t, []string{"user-2"}, waiting())
		require.Regexp(t, `(?m)^ok +notices +on; 1 account waits to be told$`, p.ok("doctor", "-notices"))

		rec, err := p.store.LoadAccount(t.Context(), "user-2")
		require.NoError(t, err)
		was := rec.Version
		rec.Version, rec.Index.Unsent = was+1, time.Now().Add(-2*time.Hour)
		require.NoError(t, p.store.SaveAccount(t.Context(), rec, was))
		require.Regexp(t, `(?m)^WARN +notices +1 account waits to be told since .*: is notify.Service.Drain running`, p.ok("doctor", "-notices"))

		type answer struct {
			Account string         `json:"account"`
			Changed bool           `json:"changed"`
			Untold  []event.Notice `json:"untold"`
		}
		untold := document[answer](p, "delete", "user-2", "-yes", "-notices").Untold
		require.Len(t, untold, 1)
		require.Equal(t, event.AccountSuspended, untold[0].Kind)
		require.Empty(t, waiting())
		p.ok("suspend", "user-3", "-notices")
		require.Contains(t, p.ok("delete", "user-3", "-yes", "-notices"), "its owner had yet to be told: account.suspended")
		require.NotContains(t, p.ok("delete", "user-1", "-yes", "-notices"), "told")
	})
}
