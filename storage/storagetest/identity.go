package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// lookalikes stand at the end of IDs that differ in nothing else. Collations, normalization,
// trimming, patterns and quoting each take some of them for the same.
var lookalikes = []string{
	"", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "\u200d", "\u00ad", "\ufeff", "\x01", "\x7f",
	"a", "A", "a ", "a\t", "\u00e1", "a\u0301", "\u00c1", "\u00e4", "\u00e5", "a\u030a", "\u212b", "\u00c5", "A\u030a", "\uff41", "\u00aa",
	"\u00df", "ss", "SS", "\u1e9e", "\ufb01", "fi", "\u00e6", "ae", "\u0153", "oe", "\u00f8", "o", "\u00f6", "u", "\u00fc",
	"i", "I", "\u0131", "\u0130", "i\u0307", "k", "K", "\u212a", "\u03c3", "\u03c2", "\u03a3", "e", "\u0435", "\u00e9", "e\u0301",
	"\u304c", "\u304b\u3099", "\u304b", "\u30ab", "\uff76", "\ud55c", "\u1112\u1161\u11ab",
	"0", "00", "-0", "1", "1.0", "\uff11", "\u0661", "\u00b9", "1e3", "1000",
	"\U0001f363", "\U0001f37a", "\U0001f44d", "\U0001f44d\U0001f3fd", "\U0010ffff", "\ufffd", "\uffff", "?",
	"%", "_", "a%", "a_", "*", "[a]", "\\", "\\\\", "\\%", "\\'", "'", "''", "\"", "`", ";", "--", "#", "/*", "NULL",
	"' OR '1'='1", "'; DROP TABLE accounts; --", "$1", "?1", ":id", "@id", "%s", "{{.}}", "/", "//", "../a", ",",
}

// ids returns IDs of the subtest's own that must all be told apart.
func (e *env) ids() []string {
	var ids []string
	for _, s := range lookalikes {
		ids = append(ids, e.id(s))
	}
	for _, s := range []string{" ", "\t", "\n", "\u00a0", "\ufeff", "%", "_", "\\", "'", "-", "\U0001f363"} {
		ids = append(ids, s+e.prefix)
	}
	// Longest ones, which differ in the last byte, the last character or only in length.
	longest := e.prefix + strings.Repeat("x", storage.MaxID-len(e.prefix))
	ids = append(ids, longest, longest[:storage.MaxID-1], longest[:storage.MaxID-1]+"y", longest[:storage.MaxID-1]+"X",
		longest[:storage.MaxID-4]+"\U0001f363", longest[:storage.MaxID-4]+"\U0001f37a", longest[:191], longest[:128])
	// A column without a type for text would take these for one number.
	number := strconv.FormatInt(1<<60+rand.Int64N(1<<60), 10)
	return append(ids, number, "0"+number, "+"+number, number+".0", number+" ")
}

func testAccountIDs(e *env) {
	ids := e.ids()
	records := make(map[string]storage.Record)
	for i, id := range ids {
		r := storage.Record{ID: id, Version: version(), Data: []byte(id), Index: storage.AccountIndex{TokenEpoch: int64(i + 1)}}
		e.must(e.try(func() error { return e.store.SaveAccount(e.ctx, r, 0) }),
			"SaveAccount of "+quote(id)+", which is new, though IDs that look like it are stored: IDs are compared byte for byte")
		records[id] = r
	}
	owned := make(map[string]string) // a token of each
	for i, id := range ids {
		owned[id] = e.id(fmt.Sprintf("token %d", i))
		e.token(owned[id], id)
	}
	check := func(id string) {
		r, err := e.loadAccount(e.store, id)
		e.must(err, "LoadAccount of "+quote(id))
		e.same(r, records[id], "LoadAccount of "+quote(id)+", beside IDs that look like it")
		t, owner, err := e.loadToken(e.store, owned[id])
		e.must(err, "LoadToken of a token of "+quote(id))
		if t.AccountID != id {
			e.Fatalf("LoadToken of a token of %s: got the AccountID %s", quote(id), quote(t.AccountID))
		}
		e.same(owner, records[id].Index, "LoadToken of a token of "+quote(id)+": index of the owner, beside IDs that look like it")
		tokens := e.tokensOf(e.store, id)
		if len(tokens) != 1 || tokens[0].ID != owned[id] {
			e.Fatalf("Tokens of %s: got %d, want its own and not those of IDs that look like it", quote(id), len(tokens))
		}
	}
	for _, id := range ids {
		check(id)
	}
	for _, id := range ids {
		check(id) // has not gone with one that was deleted before
		e.delete(id)
		e.gone(id, "after it was deleted")
	}
}

func testTokenIDs(e *env) {
	owner := e.account("of-" + e.prefix).ID
	ids := e.ids()
	for _, id := range ids {
		t := storage.TokenRecord{ID: id, AccountID: owner, Version: version(), Data: []byte(id)}
		e.must(e.try(func() error { return e.store.SaveToken(e.ctx, t, 0) }),
			"SaveToken of "+quote(id)+", which is new, though IDs that look like it are stored: IDs are compared byte for byte")
	}
	for _, id := range ids {
		t, _, err := e.loadToken(e.store, id)
		e.must(err, "LoadToken of "+quote(id))
		if t.ID != id || string(t.Data) != id {
			e.Fatalf("LoadToken of %s: got %s with the data %s, want its own", quote(id), quote(t.ID), quote(string(t.Data)))
		}
	}
	for i, id := range ids {
		e.touch(usedAt(id, second(i)))
	}
	for i, id := range ids {
		e.lastUsed(id, second(i), "after a use of it and of IDs that look like it")
	}
	for _, id := range ids {
		t, _, err := e.loadToken(e.store, id)
		e.must(err, "LoadToken of "+quote(id)+", after IDs that look like it were deleted")
		e.deleteToken(id, t.Version)
	}
	e.delete(owner)
}

// invalidIDs has what CheckID refuses.
func invalidIDs() []string {
	return []string{
		"", "\x00", "a\x00", "\x00a", "a\x00b", "\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xaf", "\xf4\x90\x80\x80", "\x80",
		strings.Repeat("a", storage.MaxID+1),
		strings.Repeat("\u00e9", storage.MaxID/2+1), // fewer characters than MaxID
		strings.Repeat(" ", storage.MaxID+1),
		strings.Repeat("a", 1<<20),
	}
}

// call is a call of one method with an ID in one place.
type call struct {
	name string
	do   func(ctx context.Context, s storage.Store, id string) error
}

// calls has each method with an ID in each place that takes one.
func (e *env) calls() []call {
	return []call{
		{"LoadAccount", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.LoadAccount(ctx, id)
			return err
		}},
		{"SaveAccount", func(ctx context.Context, s storage.Store, id string) error {
			return s.SaveAccount(ctx, storage.Record{ID: id, Version: version()}, 0)
		}},
		{"DeleteAccount", func(ctx context.Context, s storage.Store, id string) error {
			return s.DeleteAccount(ctx, id)
		}},
		{"Accounts (after)", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.Accounts(ctx, id, 1)
			return err
		}},
		{"UnsentAccounts (after)", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.UnsentAccounts(ctx, id, 1)
			return err
		}},
		{"LoadToken", func(ctx context.Context, s storage.Store, id string) error {
			_, _, err := s.LoadToken(ctx, id)
			return err
		}},
		{"SaveToken", func(ctx context.Context, s storage.Store, id string) error {
			return s.SaveToken(ctx, storage.TokenRecord{ID: id, AccountID: e.id("a"), Version: version()}, 0)
		}},
		{"SaveToken (AccountID)", func(ctx context.Context, s storage.Store, id string) error {
			return s.SaveToken(ctx, storage.TokenRecord{ID: e.id("new"), AccountID: id, Version: version()}, 0)
		}},
		{"DeleteToken", func(ctx context.Context, s storage.Store, id string) error {
			return s.DeleteToken(ctx, id, version())
		}},
		{"Tokens", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.Tokens(ctx, id, "", 1)
			return err
		}},
		{"Tokens (after)", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.Tokens(ctx, e.id("a"), id, 1)
			return err
		}},
		{"LiveTokens", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.LiveTokens(ctx, id, storage.Live{At: second(0)}, "", 1)
			return err
		}},
		{"LiveTokens (after)", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.LiveTokens(ctx, e.id("a"), storage.Live{At: second(0)}, id, 1)
			return err
		}},
		{"AllTokens (after)", func(ctx context.Context, s storage.Store, id string) error {
			_, err := s.AllTokens(ctx, id, 1)
			return err
		}},
		{"TouchTokens", func(ctx context.Context, s storage.Store, id string) error {
			return s.TouchTokens(ctx, []storage.TokenUse{usedAt(id, second(1))})
		}},
	}
}

func testInvalidIDs(e *env) {
	for _, c := range e.calls() {
		for _, id := range invalidIDs() {
			if id == "" && strings.HasSuffix(c.name, "(after)") {
				continue // the empty ID is before the first
			}
			e.want(c.do(e.ctx, e.store, id), storage.ErrInvalid, c.name+" of "+quote(id)+", which storage.CheckID refuses")
		}
	}
	// Shortest ones: others may have them, so they are only looked at.
	for _, id := range []string{"a", " ", "%", "\x01", "\U0001f363"} {
		if _, err := e.loadAccount(e.store, id); !errors.Is(err, storage.ErrNotFound) {
			e.must(err, "LoadAccount of "+quote(id))
		}
	}
}

func testEndedContext(e *env) {
	id := e.id("a")
	account, token := e.account(id), e.token(id, id)
	canceled, cancel := context.WithCancel(e.ctx)
	cancel()
	late, cancel := context.WithDeadline(e.ctx, time.Unix(1, 0))
	defer cancel()
	for _, ctx := range []context.Context{canceled, late} {
		for _, c := range append(e.calls(), []call{
			{"SaveAccount over a version", func(ctx context.Context, s storage.Store, _ string) error {
				return s.SaveAccount(ctx, storage.Record{ID: id, Version: version()}, account.Version)
			}},
			{"SaveToken over a version", func(ctx context.Context, s storage.Store, _ string) error {
				return s.SaveToken(ctx, storage.TokenRecord{ID: id, AccountID: id, Version: version()}, token.Version)
			}},
			{"DeleteToken of a version", func(ctx context.Context, s storage.Store, _ string) error {
				return s.DeleteToken(ctx, id, token.Version)
			}},
			{"AccountByHandle", func(ctx context.Context, s storage.Store, _ string) error {
				_, err := s.AccountByHandle(ctx, newHandle())
				return err
			}},
			{"LoadAccount of what is not there", func(ctx context.Context, s storage.Store, _ string) error {
				_, err := s.LoadAccount(ctx, e.id("b"))
				return err
			}},
		}...) {
			e.want(c.do(ctx, e.store, id), ctx.Err(), c.name+" with a context that has ended")
		}
	}
	for _, c := range e.calls() {
		if c.name == "SaveAccount" || c.name == "SaveToken" {
			e.want(c.do(canceled, e.store, e.id("b")), context.Canceled, c.name+" of a new record with a context that has ended")
		}
	}

	now, err := e.loadAccount(e.store, id)
	e.must(err, "LoadAccount after calls whose context had ended")
	e.same(now, account, "LoadAccount after calls whose context had ended: nothing is written")
	nowToken, _, err := e.loadToken(e.store, id)
	e.must(err, "LoadToken after calls whose context had ended")
	e.same(nowToken, token, "LoadToken after calls whose context had ended: nothing is written")
	e.gone(e.id("b"), "which was saved with a context that had ended")
	if got := e.tokensOf(e.store, id); len(got) != 1 {
		e.Fatalf("Tokens after calls whose context had ended: got %d, want 1", len(got))
	}
}
