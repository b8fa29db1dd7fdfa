package storagetest

import (
	"errors"
	"fmt"

	"github.com/gatehouse-go/gatehouse/storage"
)

func testDelete(e *env) {
	id, near := e.id("a"), e.id("a2")
	e.account(id)
	e.account(near)
	for i := range 5 {
		e.token(e.id(fmt.Sprintf("token %d", i)), id)
	}
	kept := e.token(e.id("kept"), near)
	e.touch(storage.TokenUse{ID: e.id("token 0"), TokenUsage: storage.TokenUsage{LastUsed: second(1), Scopes: 1, Addresses: "a"}})

	e.delete(id)
	e.gone(id, "after DeleteAccount")
	if got := e.tokensOf(e.store, id); len(got) != 0 {
		e.Fatalf("Tokens of a deleted account: got %d, want none", len(got))
	}
	got, _, err := e.loadToken(e.store, kept.ID)
	e.must(err, "LoadToken of a token of another account, after DeleteAccount")
	e.same(got, kept, "LoadToken of a token of another account, after DeleteAccount")
	if all := e.allTokens(e.store); len(all) != 1 || all[0].ID != kept.ID {
		e.Fatalf("AllTokens after DeleteAccount: got %d, want the one token of another account", len(all))
	}

	e.delete(id) // absent, and no error

	// What a crash between the account and its tokens leaves, or a token minted meanwhile.
	e.token(e.id("left"), id)
	e.delete(id)
	if got := e.tokensOf(e.store, id); len(got) != 0 {
		e.Fatalf("Tokens after DeleteAccount of an account that was absent, but had left a token: got %d, want none", len(got))
	}

	// Nothing of the old tokens comes back with new ones, their use neither.
	e.account(id)
	e.gone(e.id("nobody"), "which was never saved")
	again := e.token(e.id("token 0"), id)
	got, _, err = e.loadToken(e.store, again.ID)
	e.must(err, "LoadToken of a token that was deleted with its account and made again")
	e.same(got, again, "LoadToken of a token that was deleted with its account and made again")
}

// testDeleteCutShort ends the context the first, second, … time that DeleteAccount looks at it.
func testDeleteCutShort(e *env) {
	const tokens = 3
	for looks := range 20 {
		id := e.id(fmt.Sprint(looks))
		e.account(id)
		for i := range tokens {
			e.token(fmt.Sprintf("%s token %d", id, i), id)
		}
		deleted := e.store.DeleteAccount(endAfter(e.ctx, looks), id)

		// In this order: what is seen of the tokens is older than what is seen of the account.
		left := e.tokensOf(e.store, id)
		_, err := e.loadAccount(e.store, id)
		if err != nil && !errors.Is(err, storage.ErrNotFound) {
			e.must(err, "LoadAccount after a DeleteAccount whose context ended midway")
		}
		if err == nil && len(left) < tokens {
			e.Fatalf("DeleteAccount whose context ended at its look number %d: the account is there, and %d of its %d tokens; "+
				"the account goes first", looks+1, len(left), tokens)
		}
		if deleted == nil && (err == nil || len(left) > 0) {
			e.Fatalf("DeleteAccount whose context ended at its look number %d: got no error, though not all is deleted", looks+1)
		}
		e.delete(id)
		e.gone(id, "after DeleteAccount")
		if left := e.tokensOf(e.store, id); len(left) > 0 {
			e.Fatalf("DeleteAccount after one that was cut short: %d tokens are left", len(left))
		}
	}
}

// testTwoHandles asks whether one handle sees at once what the other did.
func testTwoHandles(e *env) {
	handles := []storage.Store{e.store, e.other}
	id, tokenID := e.id("a"), e.id("token")
	e.token(tokenID, id)
	var prev int64
	h := newHandle()
	for i := range 20 {
		// Each twice, so that the other has read before it is to read anew.
		writer, reader := handles[i/2%2], handles[(i/2+1)%2]
		r := storage.Record{ID: id, Version: version(), Index: storage.AccountIndex{TokenEpoch: int64(i), Handle: h}}
		e.must(e.try(func() error { return writer.SaveAccount(e.ctx, r, prev) }),
			"SaveAccount over what the other handle had saved")
		prev = r.Version
		got, err := e.loadAccount(reader, id)
		e.must(err, "LoadAccount of what the other handle has saved")
		e.same(got, r, "LoadAccount of what the other handle has saved just now")
		got, err = e.byHandle(reader, h)
		e.must(err, "AccountByHandle of what the other handle has saved")
		e.same(got, r, "AccountByHandle of what the other handle has saved just now")
		_, owner, err := e.loadToken(reader, tokenID)
		e.must(err, "LoadToken of a token whose owner the other handle has saved")
		e.same(owner, r.Index, "LoadToken: index of the owner that the other handle has saved just now")

		at := second(i)
		e.must(e.try(func() error { return writer.TouchTokens(e.ctx, []storage.TokenUse{usedAt(tokenID, at)}) }), "TouchTokens")
		t, _, err := e.loadToken(reader, tokenID)
		e.must(err, "LoadToken of what the other handle has touched")
		if !t.Usage.LastUsed.Equal(at) {
			e.Fatalf("LoadToken after TouchTokens through the other handle: got LastUsed %s, want %s", instant(t.Usage.LastUsed), instant(at))
		}
		t.Version, t.Index.Revoked = version(), !t.Index.Revoked
		stored, _, err := e.loadToken(writer, tokenID)
		e.must(err, "LoadToken")
		e.must(e.try(func() error { return writer.SaveToken(e.ctx, t, stored.Version) }), "SaveToken")
		got2, _, err := e.loadToken(reader, tokenID)
		e.must(err, "LoadToken of what the other handle has saved")
		e.same(got2, t, "LoadToken of what the other handle has saved just now")
		listed := e.allTokens(reader)
		if len(listed) != 1 {
			e.Fatalf("AllTokens: got %d of this test, which has one", len(listed))
		}
		e.same(listed[0], t, "AllTokens of what the other handle has saved just now")
	}
	last := e.token(e.id("token 2"), id)
	e.must(e.try(func() error { return e.other.DeleteToken(e.ctx, last.ID, last.Version) }), "DeleteToken of what the other handle has saved")
	_, _, err := e.loadToken(e.store, last.ID)
	e.want(err, storage.ErrNotFound, "LoadToken of a token that the other handle has deleted")
	e.delete(id)
	_, err = e.loadAccount(e.other, id)
	e.want(err, storage.ErrNotFound, "LoadAccount of what the other handle has deleted")
	_, _, err = e.loadToken(e.other, tokenID)
	e.want(err, storage.ErrNotFound, "LoadToken of what the other handle has deleted")
}
