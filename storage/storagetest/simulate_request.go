package storagetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"

	"github.com/gatehouse-go/gatehouse/storage"
)

// request is a call of one method, which can be made of any store.
type request struct {
	what    string // for people
	writes  string // the record that it saves or deletes, alone and in one step; "" where there is none
	prev    int64  // the version of that record that it is made over
	version int64  // the one that it saves, 0 for a delete
	handle  storage.Handle
	do      func(ctx context.Context, s storage.Store) answer
	list    *listing // of a method that returns a page
	reads   bool     // it changes nothing
}

var errSlice = errors.New("the store has changed the slice it was given; work on a copy")

func loadAccount(id string) request {
	return request{reads: true, what: "LoadAccount " + quote(id), do: func(ctx context.Context, s storage.Store) answer {
		r, err := s.LoadAccount(ctx, id)
		return answer{value: r, err: err}
	}}
}

func accountByHandle(h storage.Handle) request {
	return request{reads: true, what: fmt.Sprintf("AccountByHandle %x", h), do: func(ctx context.Context, s storage.Store) answer {
		r, err := s.AccountByHandle(ctx, h)
		return answer{value: r, err: err}
	}}
}

func saveAccount(r storage.Record, prev int64) request {
	return request{
		what:   fmt.Sprintf("SaveAccount %s, Version %d over %d, Data of %d bytes, Index %s", quote(r.ID), r.Version, prev, len(r.Data), fields(r.Index)),
		writes: "account " + r.ID, prev: prev, version: r.Version, handle: r.Index.Handle,
		do: func(ctx context.Context, s storage.Store) answer {
			given := r
			given.Data = bytes.Clone(r.Data)
			return answer{err: s.SaveAccount(ctx, given, prev), given: given.Data}
		},
	}
}

func deleteAccount(id string) request {
	return request{what: "DeleteAccount " + quote(id), do: func(ctx context.Context, s storage.Store) answer {
		return answer{err: s.DeleteAccount(ctx, id)}
	}}
}

func loadToken(id string) request {
	return request{reads: true, what: "LoadToken " + quote(id), do: func(ctx context.Context, s storage.Store) answer {
		t, owner, err := s.LoadToken(ctx, id)
		return answer{value: loaded{t, owner}, err: err}
	}}
}

func saveToken(t storage.TokenRecord, prev int64) request {
	return request{
		what: fmt.Sprintf("SaveToken %s of %s, Version %d over %d, Data of %d bytes, Index %s, Usage %s",
			quote(t.ID), quote(t.AccountID), t.Version, prev, len(t.Data), fields(t.Index), fields(t.Usage)),
		writes: "token " + t.ID, prev: prev, version: t.Version,
		do: func(ctx context.Context, s storage.Store) answer {
			given := t
			given.Data = bytes.Clone(t.Data)
			return answer{err: s.SaveToken(ctx, given, prev), given: given.Data}
		},
	}
}

func deleteToken(id string, prev int64) request {
	return request{
		what: fmt.Sprintf("DeleteToken %s over %d", quote(id), prev), writes: "token " + id, prev: prev,
		do: func(ctx context.Context, s storage.Store) answer { return answer{err: s.DeleteToken(ctx, id, prev)} },
	}
}

func touchTokens(uses []storage.TokenUse) request {
	var what []string
	for _, u := range uses[:min(len(uses), 6)] {
		what = append(what, quote(u.ID)+" "+fields(u.TokenUsage))
	}
	return request{
		what: fmt.Sprintf("TouchTokens with %d uses: %s", len(uses), strings.Join(what, ", ")),
		do: func(ctx context.Context, s storage.Store) answer {
			given := slices.Clone(uses)
			err := s.TouchTokens(ctx, given)
			if !slices.Equal(given, uses) {
				err = errSlice
			}
			return answer{err: err}
		},
	}
}

// fields writes those fields of a struct that are not zero.
func fields(of any) string {
	v, all := reflect.ValueOf(of), []string{}
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsZero() {
			text := fmt.Sprintf("%v", f.Interface())
			if f.Kind() == reflect.String {
				text = quote(f.String())
			}
			all = append(all, v.Type().Field(i).Name+" "+text)
		}
	}
	return "{" + strings.Join(all, ", ") + "}"
}

// tokenOf returns the ID of the token that a request saves.
func tokenOf(r request) (string, bool) {
	if r.version == 0 {
		return "", false
	}
	return strings.CutPrefix(r.writes, "token ")
}

// listing is a request for a page.
type listing struct {
	after string
	limit int
	mixed bool // others' rows may be in it
	get   func(ctx context.Context, s storage.Store, after string, limit int) (rows, error)
}

func (l listing) request(what string) request {
	return request{
		what: fmt.Sprintf("%s after %s, limit %d", what, quote(l.after), l.limit), list: &l, reads: true,
		do: func(ctx context.Context, s storage.Store) answer {
			page, err := l.get(ctx, s, l.after, l.limit)
			return answer{value: page, err: err}
		},
	}
}

// all returns what follows, however much.
func (l listing) all(ctx context.Context, s storage.Store) rows {
	all, _ := l.get(ctx, s, l.after, math.MaxInt)
	return all
}

func listAccounts(after string, limit int) request {
	return listing{after, limit, true, func(ctx context.Context, s storage.Store, after string, limit int) (rows, error) {
		return accountRows(s.Accounts(ctx, after, limit))
	}}.request("Accounts")
}

func listUnsent(after string, limit int) request {
	return listing{after, limit, true, func(ctx context.Context, s storage.Store, after string, limit int) (rows, error) {
		return accountRows(s.UnsentAccounts(ctx, after, limit))
	}}.request("UnsentAccounts")
}

func listTokens(account, after string, limit int) request {
	return listing{after, limit, false, func(ctx context.Context, s storage.Store, after string, limit int) (rows, error) {
		return tokenRows(s.Tokens(ctx, account, after, limit))
	}}.request("Tokens of " + quote(account))
}

func listLive(account string, live storage.Live, after string, limit int) request {
	return listing{after, limit, false, func(ctx context.Context, s storage.Store, after string, limit int) (rows, error) {
		return tokenRows(s.LiveTokens(ctx, account, live, after, limit))
	}}.request(fmt.Sprintf("LiveTokens of %s with %s", quote(account), fields(live)))
}

func listAll(after string, limit int) request {
	return listing{after, limit, true, func(ctx context.Context, s storage.Store, after string, limit int) (rows, error) {
		return tokenRows(s.AllTokens(ctx, after, limit))
	}}.request("AllTokens")
}
