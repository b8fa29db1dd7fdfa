package websession_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/websession"
)

// unlisted is a Directory that lists nothing, or cannot.
type unlisted struct {
	websession.Directory
	err error
}

func (u unlisted) List(*http.Request, gatehouse.Session) ([]websession.SessionInfo, error) {
	return nil, u.err
}

// A Directory that is down does not keep the others signed in: they end by the account, and the fault is told. Where it
// does not know the session that asks, nothing ends.
func TestEndOthersWithoutTheList(t *testing.T) {
	h, _, dir := newListed(t, signed{[]byte("k")})
	mine, other := h.signIn("ada"), h.signIn("ada")
	require.ErrorIs(t, h.web.EndOthers(mine.ask(), unlisted{dir, nil}), gatehouse.ErrStepUpRequired, "it has ended itself")
	require.True(t, other.gets("ada"))
	down := fmt.Errorf("%w: %w", errRows, gatehouse.ErrStepUpRequired)
	err := h.web.EndOthers(mine.ask(), unlisted{dir, down})
	require.ErrorContains(t, err, errRows.Error())
	require.NotErrorIs(t, err, gatehouse.ErrStepUpRequired, "it is no answer of Gatehouse's, whatever it wraps")
	require.False(t, other.gets("ada"))
	require.True(t, mine.gets("ada"))
	require.Equal(t, event.SessionsEnded, kindsNoted(t, h, "ada")[0])
}

// A session lasts for the whole time that the host gives it, from its last request on: that may have been some
// minutes after it was noted.
func TestLifeOfASession(t *testing.T) {
	h, _, _ := newListed(t, signed{[]byte("k")})
	b := h.signIn("ada")
	h.svc.Wait(websession.SeenEvery - time.Second)
	require.True(t, b.gets("ada"))
	h.svc.Wait(life - time.Second)
	require.True(t, b.gets("ada"))
	h.svc.Wait(life + websession.SeenEvery)
	require.False(t, b.gets("ada"))
}

// Where only the note of a request fails, its session goes on, and the host's log has it.
func TestUnnoted(t *testing.T) {
	h, index, _ := newListed(t, signed{[]byte("k")})
	b := h.signIn("ada")
	h.svc.Wait(websession.SeenEvery)
	index.fail = "Touch"
	require.True(t, b.gets("ada"))
	require.Positive(t, index.calls["Touch"])
	require.Contains(t, h.logs.String(), errRows.Error())
	require.NoError(t, h.web.Lasts(b.ask()))
}

// A sign-out signs the browser out, also where the Noter fails: the host's log says that a copy of its cookies does
// not know.
func TestSignOutThatIsNotNoted(t *testing.T) {
	h, index, dir := newListed(t, signed{[]byte("k")})
	mine, other := h.signIn("ada"), h.signIn("ada")
	id := websession.SessionID(other.in())
	index.fail = "Remove"
	require.Equal(t, http.StatusSeeOther, other.post("/logout").StatusCode)
	require.NotContains(t, other.cookies, sessionCookie)
	require.NotContains(t, other.cookies, hostCookie)
	require.Contains(t, h.logs.String(), errRows.Error())
	index.fail = ""
	require.Contains(t, mine.list(dir), id, "its owner can end it there")
}

// folding is an Index in a table whose collation ignores case.
type folding struct{ websession.MemoryIndex }

var folded = []string{"ada", "ADA"}

func (i *folding) Rows(ctx context.Context, _, id string) (all []websession.Row, err error) {
	for _, account := range folded {
		rows, err := i.MemoryIndex.Rows(ctx, account, "")
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			if id == "" || strings.EqualFold(id, row.ID) {
				all = append(all, row)
			}
		}
	}
	return all, nil
}

func (i *folding) Remove(ctx context.Context, _ string, ids ...string) error {
	return errors.Join(i.MemoryIndex.Remove(ctx, folded[0], ids...), i.MemoryIndex.Remove(ctx, folded[1], ids...))
}

// Whatever rows an Index returns, nobody ends a session of another account.
func TestIndexThatIgnoresCase(t *testing.T) {
	h := newHost(t, signed{[]byte("k")})
	dir, err := websession.NewDirectory(h.svc.Service, &folding{}, life)
	require.NoError(t, err)
	h.open(func(c *websession.Config) { c.Noter = dir })
	lower, upper, another := h.signIn("ada"), h.signIn("ADA"), h.signIn("ADA")
	id := websession.SessionID(lower.in())
	require.ErrorIs(t, dir.End(upper.ask(), upper.in(), id), gatehouse.ErrNotFound)
	require.True(t, lower.gets("ada"))
	require.NoError(t, dir.EndOthers(upper.ask(), upper.in()))
	require.True(t, lower.gets("ada"))
	require.Len(t, upper.list(dir), 1)
	require.False(t, another.gets("ADA"))
	require.ErrorIs(t, dir.End(lower.ask(), lower.in(), strings.ToLower(id)), gatehouse.ErrNotFound)
	require.True(t, lower.gets("ada"))
}
