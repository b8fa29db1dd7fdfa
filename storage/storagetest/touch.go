package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

func testTouchForward(e *env) {
	id := e.id("a")
	e.account(id)
	token := e.token(id, id)
	for _, step := range []struct {
		uses []int
		want int
		when string
	}{
		{[]int{5}, 5, "after its first use"},
		{[]int{3}, 5, "after an earlier use: LastUsed never goes back"},
		{[]int{5}, 5, "after the same use again"},
		{[]int{7, 6}, 7, "after two uses in one batch, the later one first"},
		{[]int{8, 9}, 9, "after two uses in one batch, the earlier one first"},
		{[]int{2, 1}, 9, "after two earlier uses in one batch"},
		{[]int{4, 12, 8, 11}, 12, "after four uses in one batch"},
		{nil, 12, "after no uses at all"},
	} {
		var uses []storage.TokenUse
		for _, i := range step.uses {
			uses = append(uses, usedAt(id, second(i)))
		}
		e.touch(uses...)
		e.lastUsed(id, second(step.want), step.when)
	}
	token.Usage.LastUsed = second(12)
	e.sameToken(token, "after its uses: TouchTokens changes neither the record nor its Version")
}

func testTouchTimes(e *env) {
	id := e.id("a")
	e.account(id)
	token := e.token(id, id)
	e.touch(storage.TokenUse{ID: id, TokenUsage: storage.TokenUsage{Scopes: 1, Addresses: "a"}})
	e.sameToken(token, "after a use at the zero time, which is passed over")

	sorted := times()
	slices.SortFunc(sorted, time.Time.Compare)
	for _, at := range sorted {
		e.touch(usedAt(id, at), storage.TokenUse{ID: id})
		token.Usage.LastUsed = cut(at)
		e.sameToken(token, "after a use at "+instant(at))
		e.touch(usedAt(id, token.Usage.LastUsed.Add(-time.Microsecond)))
		e.sameToken(token, "after a use 1 µs before the last")
	}
}

func testTouchUnknown(e *env) {
	id, unknown, unowned := e.id("a"), e.id("unknown"), e.id("unowned")
	e.account(id)
	token := e.token(id, id)
	e.token(unowned, e.id("nobody"))
	e.touch(usedAt(unknown, second(1)))
	e.touch(
		usedAt(unknown, second(2)),
		usedAt(id, second(2)),
		usedAt(unowned, second(2)),
	)
	token.Usage.LastUsed = second(2)
	e.sameToken(token, "after its use in one batch with a token that does not exist")

	if got := e.tokensOf(e.store, e.id("nobody")); len(got) != 1 || !got[0].Usage.LastUsed.Equal(second(2)) {
		e.Fatalf("Tokens of an owner that does not exist, after a use: want LastUsed %s; got %+v", instant(second(2)), got)
	}
	e.account(e.id("b"))
	late := e.token(unknown, e.id("b"))
	e.sameToken(late, "of a token that was made after a use of its ID: a use of no token leaves nothing")
}

func testTouchBatch(e *env) {
	const n = 100
	owner := e.id("owner")
	e.account(owner)
	want := make(map[string]storage.TokenRecord)
	var uses []storage.TokenUse
	for i := range n {
		t := e.saveToken(storage.TokenRecord{
			ID: e.id(fmt.Sprint(i)), AccountID: owner, Version: version(), Data: fmt.Append(nil, i),
		}, 0)
		for j, at := range []int{i, i + 1, i + n, i + 2} {
			use := usedAt(t.ID, second(at))
			use.Scopes, use.Addresses = 1<<(j+i%60), fmt.Sprint(at)
			uses = append(uses, use)
		}
		uses = append(uses, usedAt(e.id(fmt.Sprintf("unknown %d", i)), second(i)))
		t.Usage = storage.TokenUsage{LastUsed: second(i + n), Scopes: 15 << (i % 60), Addresses: fmt.Sprint(i + n)}
		want[t.ID] = t
	}
	rand.Shuffle(len(uses), func(i, j int) { uses[i], uses[j] = uses[j], uses[i] })
	e.touch(uses...)
	got := e.tokensOf(e.store, owner)
	for _, t := range got {
		e.same(t, want[t.ID], fmt.Sprintf("Tokens after a batch of %d uses", len(uses)))
	}
	if len(got) != n {
		e.Fatalf("Tokens after a batch of %d uses: got %d, want %d", len(uses), len(got), n)
	}
}

func testTouchInvalid(e *env) {
	id := e.id("a")
	e.account(id)
	token := e.token(id, id)
	for _, invalid := range invalidIDs() {
		for _, uses := range [][]storage.TokenUse{
			{usedAt(id, second(1)), usedAt(invalid, second(1))},
			{usedAt(invalid, second(1)), usedAt(id, second(1))},
		} {
			e.want(e.store.TouchTokens(e.ctx, uses), storage.ErrInvalid, "TouchTokens with "+quote(invalid)+" in the batch")
		}
	}
	e.sameToken(token, "after batches that were refused: nothing is written")

	canceled, cancel := context.WithCancel(e.ctx)
	cancel()
	e.want(e.store.TouchTokens(canceled, []storage.TokenUse{usedAt(id, second(1))}), context.Canceled,
		"TouchTokens with a context that has ended")
	e.sameToken(token, "after TouchTokens with a context that had ended: nothing is written")
}

// testTouchAtOnce has uses of the same tokens in different orders, which must neither undo one
// another nor stand in one another's way.
func testTouchAtOnce(e *env) {
	const touchers, rounds = 6, 20
	owner := e.id("owner")
	e.account(owner)
	ids := make([]string, 4)
	for i := range ids {
		ids[i] = e.id(fmt.Sprint(i))
		e.token(ids[i], owner)
	}
	var want storage.TokenUsage
	for round := range rounds {
		usage := func(i int) storage.TokenUsage {
			n := round*touchers + i
			return storage.TokenUsage{LastUsed: second(n), Scopes: 1 << (n % 63), Addresses: fmt.Sprint(n)}
		}
		var errs [touchers]error
		atOnce(touchers, func(i int) {
			var uses []storage.TokenUse
			for _, j := range rand.Perm(len(ids)) {
				uses = append(uses, storage.TokenUse{ID: ids[j], TokenUsage: usage(i)})
			}
			s := e.handle(i)
			errs[i] = e.try(func() error { return s.TouchTokens(e.ctx, uses) })
		})
		e.must(errors.Join(errs[:]...), fmt.Sprintf("%d callers of TouchTokens at once", touchers))
		for i := range touchers {
			scopes := want.Scopes
			want = usage(i)
			want.Scopes |= scopes
		}
		for _, id := range ids {
			e.usage(id, want, "after uses at once: the last of them, and the scopes of all")
		}
	}
}
