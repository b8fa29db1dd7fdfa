package storagetest

import (
	"fmt"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// tokensOf returns all tokens of an account.
func (e *env) tokensOf(s storage.Store, accountID string) []storage.TokenRecord {
	e.Helper()
	return e.tokensFrom("", "Tokens of "+quote(accountID), func(after string) (storage.Page[storage.TokenRecord], error) {
		return s.Tokens(e.ctx, accountID, after, 200)
	})
}

// allTokens returns those of all tokens that are the subtest's.
func (e *env) allTokens(s storage.Store) []storage.TokenRecord {
	e.Helper()
	return e.tokensFrom(e.prefix, "AllTokens", func(after string) (storage.Page[storage.TokenRecord], error) {
		page, err := s.AllTokens(e.ctx, after, 200)
		for i, t := range page.Records {
			if !e.mine(t.ID) { // nothing of the subtest's follows
				return storage.Page[storage.TokenRecord]{Records: page.Records[:i]}, err
			}
		}
		return page, err
	})
}

// tokensFrom returns all tokens of a listing after one of them.
func (e *env) tokensFrom(after, what string, list func(after string) (storage.Page[storage.TokenRecord], error)) []storage.TokenRecord {
	e.Helper()
	var all []storage.TokenRecord
	for {
		var page storage.Page[storage.TokenRecord]
		e.must(e.try(func() (err error) { page, err = list(after); return }), what)
		all = append(all, page.Records...)
		if !page.More {
			return all
		}
		n := len(page.Records)
		if n == 0 || page.Records[n-1].ID <= after {
			e.Fatalf("%s after %s: the page says that more follow, and does not end with a greater ID", what, quote(after))
		}
		after = page.Records[n-1].ID
	}
}

func (e *env) mine(id string) bool { return strings.HasPrefix(id, e.prefix) }

// own returns the subtest's records with an ID greater than prefix+after. Others' are there too.
func (k *kindEnv) own(after string) []record {
	k.Helper()
	return k.walk(k.id(after), 100)
}

// walk lists the subtest's records by pages.
func (k *kindEnv) walk(after string, limit int) []record {
	k.Helper()
	var all []record
	for {
		page := k.page(after, limit)
		for _, r := range page.Records {
			if !k.mine(r.id) {
				return all
			}
			all = append(all, r)
		}
		if !page.More {
			return all
		}
		after = page.Records[len(page.Records)-1].id
	}
}

// page lists one page, and asserts what holds for any page.
func (k *kindEnv) page(after string, limit int) storage.Page[record] {
	k.Helper()
	var page storage.Page[record]
	what := fmt.Sprintf("%s after %s, limit %d", k.list, quote(after), limit)
	k.must(k.try(func() (err error) { page, err = k.listFrom(k.ctx, k.store, k.owner, after, limit); return }), what)
	if len(page.Records) > limit {
		k.Fatalf("%s: got %d records", what, len(page.Records))
	}
	if page.More && len(page.Records) == 0 {
		k.Fatalf("%s: got an empty page that says that more follow: nobody can go on from it", what)
	}
	for _, r := range page.Records {
		if r.id <= after {
			k.Fatalf("%s: got %s after %s, want greater and greater IDs in the order of their bytes", what, quote(r.id), quote(after))
		}
		after = r.id
	}
	return page
}

func (k *kindEnv) sameList(got, want []record, what string) {
	k.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			k.Fatalf("%s: got %s too, want the %d IDs before it alone", what, quote(got[i].id), len(want))
		case i >= len(got):
			k.Fatalf("%s: ends before %s, after %d of %d", what, quote(want[i].id), i, len(want))
		}
		k.same(got[i], want[i], fmt.Sprintf("%s: number %d", what, i+1))
	}
}

// remove deletes a record that is stored.
func (k *kindEnv) remove(r record) {
	k.Helper()
	if k.isAccount {
		k.delete(r.id)
	} else {
		k.deleteToken(r.id, r.version)
	}
}
