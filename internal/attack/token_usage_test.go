package attack_test

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// bubble is a house by the clock of a testing/synctest bubble, in which a minute passes at once.
func bubble(t *testing.T, store *counted, edits ...func(*settings)) *owner {
	t.Helper()
	h := houseOn(t, store, append([]func(*settings){func(c *settings) { c.Now = time.Now }}, edits...)...)
	h.now = time.Now()
	return h.enrollPlain("user-42")
}

// enrollPlain is an owner without a second factor, who needs no codes and so no clock of the test's own.
func (h *house) enrollPlain(id string) *owner { return &owner{h: h, id: id} }

func (o *owner) mintNow(t *testing.T, scopes string) (string, tokens.Info) {
	t.Helper()
	p, err := o.h.Attest(context.Background(), o.id, gatehouse.FirstFactor{Method: "pwd", At: time.Now()})
	require.NoError(t, err)
	m, err := o.h.Owner(p).Mint(context.Background(), tokens.Request{Name: "ci", Scopes: scopesOf(t, scopes)})
	require.NoError(t, err)
	return m.Token.Reveal(), m.Info
}

func TestUsage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounted()
		o := bubble(t, store, withTokens(t))
		text, info := o.mintNow(t, "projects:write logs:read")
		other, _ := o.mintNow(t, "logs:read")
		saves := store.saves.Load()
		for range 20_000 {
			g := o.h.good(text)
			require.True(t, g.Allows("projects:read", ""))
			require.False(t, g.Allows("projects:delete", ""))
		}
		require.True(t, o.h.tokenInfo(o.id, info.ID).LastUsed.IsZero(), "not stored yet")
		require.Zero(t, store.touches.Load())
		used := time.Now().Truncate(time.Minute).UTC()
		time.Sleep(time.Minute)
		synctest.Wait()
		require.EqualValues(t, 1, store.touches.Load(), "one batch for 20 000 checks")
		got := o.h.tokenInfo(o.id, info.ID)
		require.Equal(t, used, got.LastUsed, "to the minute")
		require.Equal(t, scopesOf(t, "logs:read"), got.Unused)
		require.Empty(t, got.Addresses, "not kept unless the policy says so")

		for range 10 {
			for range 50 {
				o.h.good(text)
				o.h.good(other)
			}
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		require.LessOrEqual(t, store.touches.Load(), int64(12))
		times := map[string]map[int64]int{}
		for _, use := range store.touched {
			if times[use.ID] == nil {
				times[use.ID] = map[int64]int{}
			}
			times[use.ID][use.LastUsed.Unix()/60]++
		}
		require.Len(t, times, 2)
		for _, minutes := range times {
			for _, n := range minutes {
				require.Equal(t, 1, n, "one write a token and minute")
			}
		}
		require.Equal(t, saves, store.saves.Load(), "records are not written")
		time.Sleep(time.Hour)
		synctest.Wait()
		idle := store.touches.Load()
		time.Sleep(time.Hour)
		require.Equal(t, idle, store.touches.Load(), "nothing to store, nothing stored")

		before := o.h.tokenInfo(o.id, info.ID).LastUsed
		g := o.h.good(text)
		g.Allows("logs:read", "")
		require.NoError(t, o.h.Close(t.Context()))
		got = o.h.tokenInfo(o.id, info.ID)
		require.True(t, got.LastUsed.After(before), "Close stores what waits")
		require.Empty(t, got.Unused)
		time.Sleep(time.Hour)
		o.h.good(text)
		require.NoError(t, o.h.Close(t.Context()))
		require.Equal(t, got.LastUsed, o.h.tokenInfo(o.id, info.ID).LastUsed, "after Close nothing is noted")
	})
}

// TestUsageWhileTheStoreFails loses nothing as long as the process lives, keeps checks going, and moves
// nothing back.
func TestUsageWhileTheStoreFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounted()
		o := bubble(t, store, withTokens(t))
		text, info := o.mintNow(t, "projects:write logs:read")
		other, theirs := o.mintNow(t, "logs:read")
		var mu sync.Mutex
		var f fault
		store.wrong = func(call string) fault {
			mu.Lock()
			defer mu.Unlock()
			if call == "touch" {
				return f
			}
			return fault{}
		}
		fail := func(now fault) {
			mu.Lock()
			defer mu.Unlock()
			f = now
		}
		fail(fault{before: errStore})
		o.h.good(other)
		first := time.Now().Truncate(time.Minute).UTC()
		for range 5 {
			g := o.h.good(text)
			g.Allows("projects:write", "")
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		require.True(t, o.h.tokenInfo(o.id, info.ID).LastUsed.IsZero())
		require.Error(t, func() error { // Close tells, and what it could not store is lost
			twin := o.h.twin()
			twin.good(text)
			return twin.Close(t.Context())
		}())
		fail(fault{after: errStore}) // stored, and said not to be
		time.Sleep(time.Minute)
		synctest.Wait()
		fail(fault{})
		last := o.h.tokenInfo(o.id, info.ID).LastUsed
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.Equal(t, last, o.h.tokenInfo(o.id, info.ID).LastUsed)
		require.Equal(t, first.Add(4*time.Minute), last)
		require.Equal(t, scopesOf(t, "logs:read"), o.h.tokenInfo(o.id, info.ID).Unused)
		require.Equal(t, first, o.h.tokenInfo(o.id, theirs.ID).LastUsed)
		touches := store.touches.Load()
		time.Sleep(time.Hour)
		require.Equal(t, touches, store.touches.Load())
	})
}

// TestChecksDoNotWaitForTheStore has the store stand still while uses are stored.
func TestChecksDoNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounted()
		o := bubble(t, store, withTokens(t))
		text, _ := o.mintNow(t, "logs:read")
		stand := make(chan struct{})
		store.wrong = func(call string) fault {
			if call == "touch" {
				return fault{meanwhile: func() { <-stand }}
			}
			return fault{}
		}
		o.h.good(text)
		time.Sleep(time.Minute)
		synctest.Wait()
		for range 100 {
			begun := time.Now()
			g := o.h.good(text)
			g.Allows("logs:read", "")
			require.Equal(t, begun, time.Now())
			time.Sleep(time.Second)
		}
		close(stand)
		require.NoError(t, o.h.Close(t.Context()))
	})
}

// TestUsageIsBounded: while the store stands still, more tokens than memory is kept for are checked, and the rest not
// noted.
func TestUsageIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounted()
		h := houseOn(t, store, withTokens(t))
		_, info := h.enrollPlain("user-42").mint("logs:read")
		stand := make(chan struct{})
		store.wrong = func(call string) (f fault) {
			if call == "touch" {
				f.meanwhile = func() { <-stand }
			}
			return f
		}
		for i, text := range copies(t, store, info.ID, 25_000) {
			if i == 8192 {
				synctest.Wait() // these are being stored
			}
			h.good(text)
		}
		close(stand)
		require.NoError(t, h.Close(t.Context()))
		require.Len(t, store.touched, 8192+16_384)
		require.EqualValues(t, 17+33, store.touches.Load(), "in batches of 500")
	})
}

// Row K6: who uses many tokens in a minute does not fill the places in which the uses of others wait.
func TestUsesOfManyTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newCounted()
		h := houseOn(t, store, withTokens(t))
		_, info := h.enrollPlain("user-42").mint("logs:read")
		begun := time.Now()
		for i, text := range copies(t, store, info.ID, 25_000) {
			if i%8192 == 0 {
				synctest.Wait() // the store keeps up
			}
			h.good(text)
		}
		require.Equal(t, begun, time.Now())
		require.Zero(t, h.Stats())
		require.NoError(t, h.Close(t.Context()))
		require.Len(t, store.touched, 25_000)
	})
}

// copies stores a token under other IDs, with secrets of their own.
func copies(t testing.TB, store storage.Store, id string, n int) (texts []string) {
	t.Helper()
	ctx := context.Background()
	rec, _, err := store.LoadToken(ctx, id)
	require.NoError(t, err)
	token, err := decodeToken(rec)
	require.NoError(t, err)
	for range n {
		text := tokens.Generate("acme", *field[tokens.Kind](token, "Kind")).Reveal()
		p, err := tokens.Parse("acme", text)
		require.NoError(t, err)
		*field[string](token, "ID"), *field[[]byte](token, "Digest") = p.ID, p.Digest[:]
		data, err := token.encode()
		require.NoError(t, err)
		require.NoError(t, store.SaveToken(ctx, storage.TokenRecord{ID: p.ID, AccountID: rec.AccountID, Version: 1, Data: data, Index: rec.Index}, 0))
		texts = append(texts, text)
	}
	return texts
}

// TestFirstUseAndAddresses tells what is new about a use.
func TestFirstUseAndAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := &gatehousetest.Recorder{}
		store := newCounted()
		o := bubble(t, store, withTokens(t, func(p *tokens.Policy) { p.Addresses = true }), observed(events))
		text, info := o.mintNow(t, "logs:read")
		events.Take()
		use := func(a string) (told []string) {
			t.Helper()
			for range 3 {
				o.h.good(text, netip.MustParseAddr(a))
			}
			synctest.Wait()
			for _, e := range events.Take() {
				require.Equal(t, info.ID, e.TokenID)
				told = append(told, string(e.Kind)+" "+e.Address)
			}
			return told
		}
		require.Equal(t, []string{"token.first_used 192.0.2.1"}, use("192.0.2.1"))
		require.Empty(t, use("::ffff:192.0.2.1"))
		require.Equal(t, []string{"token.new_address 192.0.2.2"}, use("192.0.2.2"))
		time.Sleep(time.Minute)
		synctest.Wait()
		require.Equal(t, []string{"192.0.2.2", "192.0.2.1"}, o.h.tokenInfo(o.id, info.ID).Addresses)
		require.Empty(t, use("192.0.2.1"))
		for i := 3; i < 8; i++ {
			require.Len(t, use(fmt.Sprint("192.0.2.", i)), 1)
		}
		require.NoError(t, o.h.Close(t.Context()))
		require.Equal(t, []string{"192.0.2.7", "192.0.2.6", "192.0.2.5", "192.0.2.4", "192.0.2.3"}, o.h.tokenInfo(o.id, info.ID).Addresses)

		two := o.h.twin()
		two.good(text, netip.MustParseAddr("192.0.2.5"))
		synctest.Wait()
		require.Empty(t, events.Take(), "another process knows what is stored")
		two.good(text)
		synctest.Wait()
		require.Empty(t, events.Take(), "an unknown address is no new one")
	})
}

// TestSweeps purges what has ended, and warns of what will.
func TestSweeps(t *testing.T) {
	ctx := context.Background()
	events := &gatehousetest.Recorder{}
	h := newHouse(t, withTokens(t), observed(events))
	o := h.enrollPlain("user-42")
	life := func(d time.Duration) func(*tokens.Request) {
		return func(r *tokens.Request) { r.Lifetime, r.Name = d, d.String() }
	}
	_, short := o.mint("logs:read", life(10*day))
	longText, long := o.mint("logs:read", life(40*day))
	_, hour := o.mint("logs:read", life(time.Hour))
	_, revoked := o.mint("logs:read", life(40*day))
	start := h.clock()
	require.NoError(t, h.Operator("op").Revoke(ctx, revoked.ID))
	events.Take()
	warned := func() (told []string) {
		t.Helper()
		w, err := h.Operator("cron").WarnExpiring(ctx, "", nil)
		require.NoError(t, err)
		for _, e := range events.Take() {
			require.Equal(t, event.TokenExpiring, e.Kind)
			require.Equal(t, "cron", e.OperatorID)
			told = append(told, e.TokenName+" "+e.Expires.Sub(start).String())
		}
		require.Len(t, told, w.Done)
		return told
	}
	require.Empty(t, warned(), "10 days of 10 are left, and an hour of an hour")
	for _, c := range []struct {
		at   time.Duration
		want []string
	}{
		{2*day + time.Hour, nil},
		{3 * day, []string{"240h0m0s 240h0m0s"}}, {4 * day, nil}, {9 * day, []string{"240h0m0s 240h0m0s"}}, {10*day - 1, nil}, {11 * day, nil},
		{26 * day, []string{"960h0m0s 960h0m0s"}}, {30 * day, nil}, {39*day + time.Hour, []string{"960h0m0s 960h0m0s"}}, {40*day - time.Second, nil}, {41 * day, nil},
	} {
		h.set(start.Add(c.at))
		require.Equal(t, c.want, warned(), "at %v, once a threshold, and not two at once", c.at)
	}

	h.set(start.Add(20 * day))
	purge := func(before time.Time) (ids []string) {
		t.Helper()
		seen := 0
		w, err := h.Operator("cron").Purge(ctx, before, "", func(w gatehouse.Progress) { seen++; require.Equal(t, seen, w.Seen) })
		require.NoError(t, err)
		for _, e := range events.Take() {
			require.Equal(t, event.TokenPurged, e.Kind)
			ids = append(ids, e.TokenID)
		}
		require.Len(t, ids, w.Done)
		return ids
	}
	require.Empty(t, purge(start))
	ahead := o.copy(t)
	_, err := ahead.h.Operator("cron").Purge(ctx, h.clock().Add(1000*day), "", nil)
	require.NoError(t, err)
	left := must(ahead.h.Tokens(ctx, o.id))
	require.Len(t, left, 1, "a moment in the future takes no live token")
	require.Equal(t, long.ID, left[0].ID)
	events.Take()
	require.ElementsMatch(t, []string{hour.ID, revoked.ID}, purge(start.Add(2*time.Hour)))
	require.Empty(t, purge(start.Add(2*time.Hour)))
	require.Equal(t, tokens.StateExpired, h.tokenInfo(o.id, short.ID).State, "listed until it is purged")
	require.Equal(t, []string{short.ID}, purge(h.clock()))
	h.good(longText)
	require.Len(t, must(h.Tokens(ctx, o.id)), 1)
	require.Equal(t, long.ID, must(h.Tokens(ctx, o.id))[0].ID)
}

// TestSweepResumes goes on at a cursor after a fault, and passes over what it cannot read.
func TestSweepResumes(t *testing.T) {
	ctx := context.Background()
	store := newCounted()
	h := houseOn(t, store, withTokens(t))
	o := h.enrollPlain("user-42")
	for range 20 {
		o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = day })
	}
	list := must(h.Tokens(ctx, o.id))
	rec, _, err := store.LoadToken(ctx, list[5].ID)
	require.NoError(t, err)
	broken := rec
	broken.Version, broken.Data = rec.Version+1, []byte("{}")
	require.NoError(t, store.Store.SaveToken(ctx, broken, rec.Version))
	h.wait(2 * day)
	deletes := 0
	store.wrong = func(call string) (f fault) {
		if call == "delete token" {
			if deletes++; deletes%4 == 0 {
				f.before = errStore
			}
		}
		return f
	}
	cursor, done, failed, runs := "", 0, 0, 0
	for ; ; runs++ {
		w, err := h.Operator("cron").Purge(ctx, h.clock(), cursor, nil)
		cursor, done, failed = w.Cursor, done+w.Done, failed+w.Failed
		if err == nil {
			break
		}
		require.ErrorIs(t, err, errStore)
	}
	require.Equal(t, []int{19, 1}, []int{done, failed})
	require.Greater(t, runs, 3)
	for _, bad := range []string{"\x00", "\xff", string(make([]byte, 300))} {
		_, err := h.Operator("cron").Purge(ctx, h.clock(), bad, nil)
		require.ErrorIs(t, err, gatehouse.ErrInvalid)
	}
}

// TestPurgeAgainstRenew: a token that is renewed in this moment is not purged.
func TestPurgeAgainstRenew(t *testing.T) {
	ctx := context.Background()
	store := newCounted()
	h := houseOn(t, store, withTokens(t))
	o := h.enrollPlain("user-42")
	text, info := o.mint("logs:read", func(r *tokens.Request) { r.Lifetime = day })
	h.wait(2 * day)
	store.wrong = func(call string) (f fault) {
		if call == "delete token" {
			store.wrong = nil
			f.meanwhile = func() { must(h.Owner(o.fresh()).Renew(ctx, info.ID, 0)) }
		}
		return f
	}
	w, err := h.Operator("cron").Purge(ctx, h.clock(), "", nil)
	require.NoError(t, err)
	require.Equal(t, gatehouse.Progress{Seen: 1, Cursor: info.ID}, w)
	h.good(text)
}
