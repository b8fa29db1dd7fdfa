package storagetest_test

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// hooks is a handle of a store that is broken where a hook is set.
type hooks struct {
	storage.Store
	*common
	loadAccount     func(ctx context.Context, id string) (storage.Record, error)
	accountByHandle func(ctx context.Context, handle storage.Handle) (storage.Record, error)
	saveAccount     func(ctx context.Context, r storage.Record, prev int64) error
	deleteAccount   func(ctx context.Context, id string) error
	accounts        func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error)
	unsentAccounts  func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error)
	loadToken       func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error)
	saveToken       func(ctx context.Context, t storage.TokenRecord, prev int64) error
	deleteToken     func(ctx context.Context, id string, prev int64) error
	tokens          func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error)
	liveTokens      func(ctx context.Context, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error)
	allTokens       func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error)
	touchTokens     func(ctx context.Context, uses []storage.TokenUse) error
}

func (h *hooks) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	if h.loadAccount != nil {
		return h.loadAccount(ctx, id)
	}
	return h.Store.LoadAccount(ctx, id)
}

func (h *hooks) AccountByHandle(ctx context.Context, handle storage.Handle) (storage.Record, error) {
	if h.accountByHandle != nil {
		return h.accountByHandle(ctx, handle)
	}
	return h.Store.AccountByHandle(ctx, handle)
}

func (h *hooks) UnsentAccounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	if h.unsentAccounts != nil {
		return h.unsentAccounts(ctx, after, limit)
	}
	return h.Store.UnsentAccounts(ctx, after, limit)
}

func (h *hooks) SaveAccount(ctx context.Context, r storage.Record, prev int64) error {
	if h.saveAccount != nil {
		return h.saveAccount(ctx, r, prev)
	}
	return h.Store.SaveAccount(ctx, r, prev)
}

func (h *hooks) DeleteAccount(ctx context.Context, id string) error {
	if h.deleteAccount != nil {
		return h.deleteAccount(ctx, id)
	}
	return h.Store.DeleteAccount(ctx, id)
}

func (h *hooks) Accounts(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
	if h.accounts != nil {
		return h.accounts(ctx, after, limit)
	}
	return h.Store.Accounts(ctx, after, limit)
}

func (h *hooks) LoadToken(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
	if h.loadToken != nil {
		return h.loadToken(ctx, id)
	}
	return h.Store.LoadToken(ctx, id)
}

func (h *hooks) SaveToken(ctx context.Context, t storage.TokenRecord, prev int64) error {
	if h.saveToken != nil {
		return h.saveToken(ctx, t, prev)
	}
	return h.Store.SaveToken(ctx, t, prev)
}

func (h *hooks) DeleteToken(ctx context.Context, id string, prev int64) error {
	if h.deleteToken != nil {
		return h.deleteToken(ctx, id, prev)
	}
	return h.Store.DeleteToken(ctx, id, prev)
}

func (h *hooks) Tokens(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if h.tokens != nil {
		return h.tokens(ctx, accountID, after, limit)
	}
	return h.Store.Tokens(ctx, accountID, after, limit)
}

func (h *hooks) LiveTokens(ctx context.Context, accountID string, live storage.Live, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if h.liveTokens != nil {
		return h.liveTokens(ctx, accountID, live, after, limit)
	}
	return h.Store.LiveTokens(ctx, accountID, live, after, limit)
}

func (h *hooks) AllTokens(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
	if h.allTokens != nil {
		return h.allTokens(ctx, after, limit)
	}
	return h.Store.AllTokens(ctx, after, limit)
}

func (h *hooks) TouchTokens(ctx context.Context, uses []storage.TokenUse) error {
	if h.touchTokens != nil {
		return h.touchTokens(ctx, uses)
	}
	return h.Store.TouchTokens(ctx, uses)
}

// common is what the handles of a broken store have in common, beside the good store underneath.
type common struct {
	mu             sync.Mutex
	notes          map[string]any
	at             atomic.Int64 // how many are at a meeting
	saves, deletes atomic.Int64 // how many have returned
}

// note remembers v under a key, and returns what was there before.
func (c *common) note(key string, v any) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.notes[key]
	c.notes[key] = v
	return old
}

func (c *common) noted(key string) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notes[key]
}

// meet returns once two callers are here, or after a while.
func (c *common) meet() {
	c.at.Add(1)
	defer c.at.Add(-1)
	wait(func() bool { return c.at.Load() > 1 })
}

// wait returns once done reports true, or after a while.
func wait(done func() bool) {
	for range 2000 {
		if done() {
			return
		}
		runtime.Gosched()
	}
}

// broken is one way to be wrong.
type broken struct {
	name  string
	fails string // the subtest that must find it
	wreck func(h *hooks)
}

// allBroken has those that Simulate finds too.
func allBroken() []broken {
	return slices.Concat(brokenSaves(), brokenIdentity(), brokenRows(), brokenPages(), brokenTokens(), brokenTokenDeletes(), brokenTouches(), brokenLive(), brokenHandles(), brokenUnsent())
}

// forTheSuite has those whose races and listings are beyond Simulate, which has few records and calls at once.
func forTheSuite() []broken { return slices.Concat(brokenRaces(), brokenMany()) }

const runBroken = "STORAGETEST_RUN_BROKEN"

// TestSuiteFailsBrokenStores runs itself in a process of its own, where each broken store must make
// the subtest fail that is there to find it, and reads there which did.
func TestSuiteFailsBrokenStores(t *testing.T) {
	all := append(allBroken(), forTheSuite()...)
	if os.Getenv(runBroken) != "" {
		for _, b := range all {
			t.Run(b.name, func(t *testing.T) { storagetest.RunOne(t, b.fails, sharing(b.wreck)) })
		}
		return
	}

	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), program, "-test.run=^TestSuiteFailsBrokenStores$")
	cmd.Env = append(os.Environ(), runBroken+"=1")
	b, err := cmd.CombinedOutput()
	out := string(b)
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "the suite passed all broken stores")
	if i := strings.Index(out, "panic: "); i >= 0 {
		t.Fatalf("a broken store made the suite panic:\n%s", out[i:])
	}
	// A broken store must be found wrong without -race too.
	require.NotContains(t, out, "DATA RACE")

	failed := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^\s*--- FAIL: TestSuiteFailsBrokenStores/(\S+) \(`).FindAllStringSubmatch(out, -1) {
		failed[m[1]] = true
	}
	names, needed := make(map[string]bool), make(map[string]bool)
	for _, b := range all {
		needed[b.fails] = true
		name := strings.ReplaceAll(b.name, " ", "_")
		require.False(t, names[name], "two broken stores with the name %q", b.name)
		names[name] = true
		if subtest := name + "/storagetest/" + strings.ReplaceAll(b.fails, " ", "_"); !failed[subtest] {
			t.Errorf("a store that %s passed %q", b.name, b.fails)
		}
	}
	for _, name := range storagetest.Names() {
		if !needed[name] {
			t.Errorf("no broken store needs %q", name)
		}
	}
}

// sharing returns an open whose handles have one data in common for each subtest of the suite.
func sharing(wreck func(h *hooks)) func(t *testing.T) storage.Store {
	data, shared := memory.New(), &common{notes: make(map[string]any)}
	return func(*testing.T) storage.Store {
		h := &hooks{Store: data, common: shared}
		wreck(h)
		return h
	}
}

func TestSuitePassesGoodStore(t *testing.T) {
	t.Run("alone", func(t *testing.T) {
		storagetest.Run(t, func(*testing.T) storage.Store { return memory.New() })
	})
	t.Run("through the hooks", func(t *testing.T) {
		storagetest.RunShared(t, sharing(func(*hooks) {}))
	})
	t.Run("that asks to try again", func(t *testing.T) {
		storagetest.RunShared(t, sharing(asksToTryAgain))
	})
	t.Run("with short pages", func(t *testing.T) {
		storagetest.RunShared(t, sharing(shortPages))
	})
}

// asksToTryAgain refuses every third call that it could have carried out.
func asksToTryAgain(h *hooks) {
	var calls atomic.Int64
	again := func(ctx context.Context, ids ...string) bool {
		for _, id := range ids {
			if storage.CheckID(id) != nil {
				return false
			}
		}
		return ctx.Err() == nil && calls.Add(1)%3 == 0
	}
	h.loadAccount = func(ctx context.Context, id string) (storage.Record, error) {
		if again(ctx, id) {
			return storage.Record{}, storage.ErrConflict
		}
		return h.Store.LoadAccount(ctx, id)
	}
	h.accountByHandle = func(ctx context.Context, handle storage.Handle) (storage.Record, error) {
		if again(ctx) {
			return storage.Record{}, storage.ErrConflict
		}
		return h.Store.AccountByHandle(ctx, handle)
	}
	h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
		if limit > 0 && again(ctx, "-"+after) {
			return storage.Page[storage.Record]{}, storage.ErrConflict
		}
		return h.Store.UnsentAccounts(ctx, after, limit)
	}
	h.saveAccount = func(ctx context.Context, r storage.Record, prev int64) error {
		if r.Version != 0 && again(ctx, r.ID) {
			return storage.ErrConflict
		}
		return h.Store.SaveAccount(ctx, r, prev)
	}
	h.deleteAccount = func(ctx context.Context, id string) error {
		if again(ctx, id) {
			return storage.ErrConflict
		}
		return h.Store.DeleteAccount(ctx, id)
	}
	h.accounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
		if limit > 0 && again(ctx, "-"+after) {
			return storage.Page[storage.Record]{}, storage.ErrConflict
		}
		return h.Store.Accounts(ctx, after, limit)
	}
	h.loadToken = func(ctx context.Context, id string) (storage.TokenRecord, storage.AccountIndex, error) {
		if again(ctx, id) {
			return storage.TokenRecord{}, storage.AccountIndex{}, storage.ErrConflict
		}
		return h.Store.LoadToken(ctx, id)
	}
	h.saveToken = func(ctx context.Context, t storage.TokenRecord, prev int64) error {
		if t.Version != 0 && again(ctx, t.ID, t.AccountID) {
			return storage.ErrConflict
		}
		return h.Store.SaveToken(ctx, t, prev)
	}
	h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
		if limit > 0 && again(ctx, accountID, "-"+after) {
			return storage.Page[storage.TokenRecord]{}, storage.ErrConflict
		}
		return h.Store.Tokens(ctx, accountID, after, limit)
	}
	h.deleteToken = func(ctx context.Context, id string, prev int64) error {
		if prev != 0 && again(ctx, id) {
			return storage.ErrConflict
		}
		return h.Store.DeleteToken(ctx, id, prev)
	}
	h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
		if limit > 0 && again(ctx, "-"+after) {
			return storage.Page[storage.TokenRecord]{}, storage.ErrConflict
		}
		return h.Store.AllTokens(ctx, after, limit)
	}
	h.touchTokens = func(ctx context.Context, uses []storage.TokenUse) error {
		var ids []string
		for _, use := range uses {
			ids = append(ids, use.ID)
		}
		if again(ctx, ids...) {
			return storage.ErrConflict
		}
		return h.Store.TouchTokens(ctx, uses)
	}
}

// shortPages has two records on a page at most, which a store may.
func shortPages(h *hooks) {
	h.accounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
		return h.Store.Accounts(ctx, after, min(limit, 2))
	}
	h.unsentAccounts = func(ctx context.Context, after string, limit int) (storage.Page[storage.Record], error) {
		return h.Store.UnsentAccounts(ctx, after, min(limit, 2))
	}
	h.tokens = func(ctx context.Context, accountID, after string, limit int) (storage.Page[storage.TokenRecord], error) {
		return h.Store.Tokens(ctx, accountID, after, min(limit, 2))
	}
	h.allTokens = func(ctx context.Context, after string, limit int) (storage.Page[storage.TokenRecord], error) {
		return h.Store.AllTokens(ctx, after, min(limit, 2))
	}
}
