package storagetest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// ended makes a call whose context has ended. It is not done.
func (s *drawer) ended() {
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	if s.flag() {
		ctx, cancel = context.WithDeadline(s.ctx, time.Unix(1, 0))
		defer cancel()
	}
	id := s.owned()
	t, _ := s.token(id)
	uses := []storage.TokenUse{{ID: id, TokenUsage: storage.TokenUsage{LastUsed: second(59), Scopes: 1, Addresses: "late"}}}
	owner := "account " + t.AccountID
	all := []request{
		loadAccount(t.AccountID), accountByHandle(s.handles[0]), s.fresh(owner, 0), deleteAccount(t.AccountID), listAccounts("", 1), listUnsent("", 1), loadToken(id),
		s.fresh("token "+id, 0), deleteToken(id, t.Version), listTokens(t.AccountID, "", 1), listLive(t.AccountID, storage.Live{At: second(0)}, "", 1),
		listAll("", 1), touchTokens(uses),
	}
	r := pick(s, all)
	r.what += ", with a context that has ended"
	s.callIn(ctx, s.node(), r)
	s.call(s.node(), loadToken(id))
	s.call(s.node(), listTokens(t.AccountID, "", 5))
	s.call(s.node(), loadAccount(t.AccountID))
}

// midway makes a change whose context ends while it is made: it is done or not, and nothing between. Who hears that it was done
// or that there is a conflict, hears the truth.
func (s *drawer) midway() {
	id := s.owned()
	t, _ := s.token(id)
	record := "token " + id
	r := s.fresh(record, 0)
	switch s.rng.IntN(4) {
	case 0:
		record = "account " + t.AccountID
		r = s.fresh(record, 0)
	case 1:
		r = deleteToken(id, t.Version)
	case 2:
		s.deletedMidway(t.AccountID)
		return
	}
	looks := s.rng.IntN(4)
	r.what += fmt.Sprintf(", whose context ends when it is looked at for the time number %d", looks+1)
	err := r.do(endAfter(s.ctx, looks), s.stores[s.node()]).err
	s.note(0, r, err)
	now, there := s.nowIn(record)
	done := now != r.prev || !there
	switch {
	case there && now != r.prev && now != r.version:
		s.failf("%s: version %d is stored then, which nobody has saved", r.what, now)
	case err == nil && !done:
		s.failf("%s: answers no error, though nothing is written", r.what)
	case errors.Is(err, storage.ErrConflict) && done:
		s.failf("%s: answers %s, though it is done", r.what, errText(err))
	case err != nil && !errors.Is(err, storage.ErrConflict) && !errors.Is(err, context.Canceled):
		s.failf("%s: answers %s, want the context's error or none", r.what, errText(err))
	}
	if done {
		s.expect(s.ctx, r)
		s.seen(r)
	}
	s.settle(record, r, done)
}

// nowIn returns the version of a record that the store has now.
func (s *drawer) nowIn(record string) (version int64, there bool) {
	var r request
	if record[0] == 'a' {
		r = loadAccount(record[8:])
	} else {
		r = loadToken(record[6:])
	}
	got := s.ask(s.ctx, s.node(), r, expected{})
	switch v := got.value.(type) {
	case storage.Record:
		version = v.Version
	case loaded:
		version = v.Token.Version
	}
	if got.err != nil && !errors.Is(got.err, storage.ErrNotFound) {
		s.failf("%s after a change whose context ended midway: answers %s", r.what, errText(got.err))
	}
	return version, got.err == nil
}

// settle saves a record again, for a statement whose caller has gone may still run until its prev is stale.
func (s *drawer) settle(record string, cut request, done bool) {
	for range maxTries {
		r := s.over(record)
		got := r.do(s.ctx, s.stores[s.node()])
		if got.err == nil {
			s.note(0, r, nil)
			s.expect(s.ctx, r)
			s.seen(r)
			break
		}
		if !errors.Is(got.err, storage.ErrConflict) {
			s.failf("%s: answers %s", r.what, errText(got.err))
		}
		if now, there := s.nowIn(record); !done && (now != cut.prev || !there) {
			done = true
			s.expect(s.ctx, cut)
			s.seen(cut)
		}
	}
	if record[0] == 'a' {
		s.call(s.node(), loadAccount(record[8:]))
		return
	}
	s.call(s.node(), loadToken(record[6:]))
}

// over returns a save over what the model has of a record, if anything.
func (s *drawer) over(record string) request {
	if id, isToken := strings.CutPrefix(record, "token "); isToken {
		if _, ok := s.token(id); !ok {
			return saveToken(storage.TokenRecord{ID: id, AccountID: s.accountIDs[0], Version: s.version(record)}, 0)
		}
	}
	return s.fresh(record, 1)
}

// deletedMidway deletes an account whose tokens must not outlive the error that says so.
func (s *drawer) deletedMidway(id string) {
	r := deleteAccount(id)
	looks := s.rng.IntN(4)
	r.what += fmt.Sprintf(", whose context ends when it is looked at for the time number %d", looks+1)
	err := r.do(endAfter(s.ctx, looks), s.stores[s.node()]).err
	s.note(0, r, err)
	account := s.ask(s.ctx, s.node(), loadAccount(id), expected{})
	left := s.tokensLeft(id)
	was, _ := s.model.Tokens(s.ctx, id, "", math.MaxInt)
	if account.err == nil && left < len(was.Records) {
		s.failf("%s: the account is there, and tokens of it are gone: delete the account first", r.what)
	}
	if err == nil && (account.err == nil || left > 0) {
		s.failf("%s: answers no error, though not all is deleted", r.what)
	}
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, storage.ErrConflict) {
		s.failf("%s: answers %s, want the context's error or none", r.what, errText(err))
	}
	s.call(s.node(), deleteAccount(id))
	s.call(s.node(), listTokens(id, "", 5))
}

// tokensLeft counts the tokens that the store has of an account.
func (s *drawer) tokensLeft(id string) (n int) {
	for after, more := "", true; more; {
		r := listTokens(id, after, 100)
		got := s.ask(s.ctx, s.node(), r, expected{})
		page, _ := got.value.(rows)
		switch {
		case got.err != nil:
			s.failf("%s: answers %s", r.what, errText(got.err))
		case page.more && (len(page.all) == 0 || page.all[len(page.all)-1].id <= after):
			s.failf("%s: says that more follow, and nobody can go on from there", r.what)
		}
		n += len(page.all)
		if more = page.more; more {
			after = page.all[len(page.all)-1].id
		}
	}
	return n
}
