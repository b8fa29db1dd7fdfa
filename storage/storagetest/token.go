package storagetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

func testOwner(e *env) {
	owner, id := e.id("owner"), e.id("token")
	token := e.token(id, owner) // SaveToken does not ask for the owner
	unowned := func(when string) {
		e.Helper()
		_, _, err := e.loadToken(e.store, id)
		e.want(err, storage.ErrNotFound, "LoadToken of a token "+when)
		_, _, err = e.loadToken(e.other, id)
		e.want(err, storage.ErrNotFound, "LoadToken of a token "+when)
	}
	unowned("whose owner was never saved")
	listed := e.tokensOf(e.store, owner)
	if len(listed) != 1 {
		e.Fatalf("Tokens of an owner that was never saved: got %d, want the one that was saved", len(listed))
	}
	e.same(listed[0], token, "Tokens of an owner that was never saved")

	e.account(owner)
	got, _, err := e.loadToken(e.store, id)
	e.must(err, "LoadToken once the owner is saved")
	e.same(got, token, "LoadToken once the owner is saved")

	e.delete(owner)
	unowned("whose owner was deleted")
	e.token(id, owner) // was removed with the owner, or this would conflict
	unowned("whose owner was deleted before the token was made")
}

func testAnotherOwner(e *env) {
	owner, thief := e.id("owner"), e.id("thief")
	e.account(owner)
	e.account(thief)
	token := e.token(e.id("token"), owner)
	taken := token
	taken.AccountID, taken.Version = thief, version()
	for _, prev := range []int64{token.Version, 0, version()} {
		e.want(e.store.SaveToken(e.ctx, taken, prev), storage.ErrConflict,
			"SaveToken under another AccountID than the stored one")
		got, _, err := e.loadToken(e.store, token.ID)
		e.must(err, "LoadToken after a save under another AccountID")
		e.same(got, token, "LoadToken after a save under another AccountID: nothing is written")
	}
	if got := e.tokensOf(e.store, thief); len(got) != 0 {
		e.Fatalf("Tokens of the other account, after a save under its ID: got %d, want none", len(got))
	}
}

// testOneMoment changes the owner and then the token, again and again: at each moment the token is
// at the owner's number or at the one before.
func testOneMoment(e *env) {
	const changes = 100
	owner, id := e.id("owner"), e.id("token")
	account := storage.Record{ID: owner, Version: version()}
	token := storage.TokenRecord{ID: id, AccountID: owner, Version: version(), Data: []byte("0")}
	e.saveAccount(account, 0)
	e.saveToken(token, 0)

	var done atomic.Bool
	var errs [3]error
	atOnce(len(errs), func(i int) {
		if i == 0 {
			defer done.Store(true)
			for n := 1; n <= changes && errs[i] == nil; n++ {
				prev := account.Version
				account.Version, account.Index.TokenEpoch = version(), int64(n)
				errs[i] = e.try(func() error { return e.store.SaveAccount(e.ctx, account, prev) })
				prev = token.Version
				token.Version, token.Data = version(), strconv.AppendInt(nil, int64(n), 10)
				errs[i] = errors.Join(errs[i], e.try(func() error { return e.store.SaveToken(e.ctx, token, prev) }))
			}
			return
		}
		for !done.Load() && errs[i] == nil {
			t, index, err := e.loadToken(e.handle(i), id)
			if err != nil {
				errs[i] = err
				return
			}
			n, err := strconv.ParseInt(string(t.Data), 10, 64)
			if err != nil || n != index.TokenEpoch && n != index.TokenEpoch-1 {
				errs[i] = fmt.Errorf("the token's Data is %q and its owner's TokenEpoch %d, which was never so at one moment",
					t.Data, index.TokenEpoch)
			}
		}
	})
	e.must(errors.Join(errs[:]...), "LoadToken while the token and its owner change in turn")
}

// testUsage has saves that bring a Usage of their own.
func testUsage(e *env) {
	id := e.id("a")
	e.account(id)
	brought := storage.TokenUsage{LastUsed: second(5), Scopes: 4, Addresses: "brought"}
	token := e.saveToken(storage.TokenRecord{ID: id, AccountID: id, Version: version(), Usage: brought}, 0)
	e.usage(id, storage.TokenUsage{}, "after a first SaveToken that brought one: only TouchTokens writes it")

	used := storage.TokenUsage{LastUsed: second(1), Scopes: 1, Addresses: "used"}
	e.touch(storage.TokenUse{ID: id, TokenUsage: used})
	for _, at := range []time.Time{{}, second(0), second(9)} {
		prev := token.Version
		token.Version, token.Usage.LastUsed = version(), at
		e.saveToken(token, prev)
		e.usage(id, used, "after a SaveToken that brought another: only TouchTokens writes it")
	}
	prev := token.Version
	token.Version, token.Usage = version(), storage.TokenUsage{}
	e.saveToken(token, prev)
	e.usage(id, used, "after a SaveToken that brought none: only TouchTokens writes it")
	token.Version = version()
	e.want(e.store.SaveToken(e.ctx, token, version()), storage.ErrConflict, "SaveToken with a prev that was never stored")
	e.usage(id, used, "after a save that conflicted")
}
