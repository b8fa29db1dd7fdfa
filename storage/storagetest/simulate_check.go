package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
)

const nodes = 3 // handles on the data

// checker makes requests of a store, and holds its answers against a model's.
type checker struct {
	ctx    context.Context
	stores [nodes]storage.Store
	model  *memory.Store
	prefix string // of all IDs, or in them

	own  map[string]bool    // IDs that were ever written
	once map[string][]int64 // versions that a record has had

	again atomic.Int64 // how often the store asked to try again
	at    int          // the step
	log   []string
}

// wrong is what a store is found to do.
type wrong string

// failf ends a run.
func (c *checker) failf(format string, of ...any) { panic(wrong(c.plain(fmt.Sprintf(format, of...)))) }

// call makes a request of the store and of the model, and returns the model's answer, which the store's must be.
func (c *checker) call(node int, r request) answer { return c.callIn(c.ctx, node, r) }

func (c *checker) callIn(ctx context.Context, node int, r request) answer {
	before := c.expect(ctx, r)
	got := c.ask(ctx, node, r, before)
	c.note(node, r, got.err)
	c.judge(r, got, before)
	return before.answer
}

// expected is what the model says to a request.
type expected struct {
	answer
	or   error // another error that is right too
	rows rows  // of a listing, all that there is
}

// expect makes a request of the model.
func (c *checker) expect(ctx context.Context, r request) expected {
	e := expected{or: c.taken(r)}
	e.answer = r.do(ctx, c.model)
	if r.list != nil && e.err == nil {
		e.rows = r.list.all(ctx, c.model)
	}
	return e
}

// taken: a save over a stale version, with the handle of another account, is a conflict or invalid, as a database looks first
// at the one or the other.
func (c *checker) taken(r request) error {
	other, err := c.model.AccountByHandle(c.ctx, r.handle) // invalid, where there is none
	if err != nil || "account "+other.ID == r.writes {
		return nil
	}
	return storage.ErrInvalid
}

// ask makes a request of the store, again for as long as it asks for that.
func (c *checker) ask(ctx context.Context, node int, r request, want expected) answer {
	var got answer
	for range maxTries {
		got = r.do(ctx, c.stores[node])
		if !errors.Is(got.err, storage.ErrConflict) || errors.Is(want.err, storage.ErrConflict) {
			break
		}
		c.again.Add(1)
		runtime.Gosched()
	}
	return got
}

// judge compares an answer with the model's, and changes what the store has returned, as a caller may.
func (c *checker) judge(r request, got answer, want expected) {
	if d := c.compare(r, got, want); d != "" {
		c.failf("%s: %s", r.what, d)
	}
	if d := got.forget(); d != "" {
		c.failf("%s: %s", r.what, d)
	}
}

func (c *checker) compare(r request, got answer, want expected) string {
	switch {
	case want.err != nil && want.or != nil && errors.Is(got.err, want.or):
		return ""
	case r.list != nil && want.err == nil && got.err == nil:
		return r.list.compare(got.value.(rows), want.rows, c.mine, c.follows)
	}
	return differs(got, want.answer)
}

// note writes a call down.
func (c *checker) note(node int, r request, err error) {
	end := ""
	if err != nil {
		end = ": " + err.Error()
	}
	c.log = append(c.log, c.plain(fmt.Sprintf("step %d, handle %d: %s%s", c.at, node, r.what, end)))
}

// plain writes … for what all IDs have in common.
func (c *checker) plain(text string) string { return strings.ReplaceAll(text, c.prefix, "…") }

// mine reports whether a row of a listing is no other's.
func (c *checker) mine(id string) bool { return c.own[id] || strings.Contains(id, c.prefix) }

// follows reports whether something follows an ID in a listing: rows of others.
func (c *checker) follows(l *listing, after string) bool {
	next, err := l.get(c.ctx, c.stores[0], after, 1)
	return err == nil && len(next.all) > 0
}

// seen notes what a save writes.
func (c *checker) seen(r request) {
	kind, id, _ := strings.Cut(r.writes, " ")
	if kind == "" {
		return
	}
	c.own[id] = true
	if v := c.stored(r.writes); v != 0 && !slices.Contains(c.once[r.writes], v) {
		c.once[r.writes] = append(c.once[r.writes], v)
	}
}

// stored returns the version of a record, 0 for none.
func (c *checker) stored(record string) int64 {
	kind, id, _ := strings.Cut(record, " ")
	if kind == "account" {
		r, _ := c.model.LoadAccount(c.ctx, id)
		return r.Version
	}
	t, _ := c.token(id)
	return t.Version
}

// token returns a token of the model, whether or not its owner exists.
func (c *checker) token(id string) (storage.TokenRecord, bool) {
	if storage.CheckID(id) != nil {
		return storage.TokenRecord{}, false
	}
	page, _ := c.model.AllTokens(c.ctx, "", math.MaxInt)
	i := slices.IndexFunc(page.Records, func(t storage.TokenRecord) bool { return t.ID == id })
	if i < 0 {
		return storage.TokenRecord{}, false
	}
	return page.Records[i], true
}
