package storagetest

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/storage"
)

// race has some callers go on together.
func (s *drawer) race() {
	switch s.rng.IntN(9) {
	case 0, 1:
		s.contend("account " + pick(s, s.accountIDs))
	case 2, 3:
		s.contend("token " + s.owned())
	case 4:
		s.raceDelete()
	case 5:
		s.raceHandle()
	case 6:
		s.raceTouches()
	case 7:
		s.raceMoment()
	case 8:
		s.raceReads()
	}
	s.look()
}

// account returns an account that is stored, after a save if it was not.
func (s *drawer) account(id string) storage.Record {
	r, err := s.model.LoadAccount(s.ctx, id)
	if err != nil {
		r = storage.Record{ID: id, Version: s.version("account " + id)}
		s.save(saveAccount(r, 0))
	}
	return r
}

// owned returns the ID of a token that is stored, with its owner.
func (s *drawer) owned() string {
	id := pick(s, s.tokenIDs)
	t, ok := s.token(id)
	if !ok {
		t = storage.TokenRecord{ID: id, AccountID: pick(s, s.accountIDs), Version: s.version("token " + id)}
		s.save(saveToken(t, 0))
	}
	s.account(t.AccountID)
	return id
}

func (s *drawer) save(r request) {
	s.call(s.node(), r)
	s.seen(r)
}

// fresh returns a save over what is stored of a record, with another version.
func (s *drawer) fresh(record string, n int) request {
	kind, id := record[:7], record[8:]
	if kind == "account" {
		r, _ := s.model.LoadAccount(s.ctx, id)
		r.Index.TokenEpoch = s.rng.Int64()
		return saveAccount(storage.Record{ID: id, Version: s.version(record), Data: fmt.Append(nil, n), Index: r.Index}, r.Version)
	}
	t, _ := s.token(record[6:])
	prev := t.Version
	t.Version, t.Data = s.version(record), fmt.Append(nil, n)
	return saveToken(t, prev)
}

// together makes requests at once, each through a handle of its own, and returns what the store says.
func (s *drawer) together(requests []request) []answer {
	answers, first := make([]answer, len(requests)), s.node()
	// As a group, and not one after the other, for the machine's scheduler has habits.
	delays := make([]int, len(requests))
	for i := range delays {
		delays[i] = s.rng.IntN(8)
	}
	atOnce(len(requests), func(i int) {
		for range delays[i] {
			runtime.Gosched()
		}
		answers[i] = requests[i].do(s.ctx, s.stores[(first+i)%nodes])
	})
	for i, r := range requests {
		s.note((first+i)%nodes, r, answers[i].err)
		s.log[len(s.log)-1] += " (at once)"
	}
	return answers
}

// contend has saves, and deletes of a token, over one version: exactly one wins.
func (s *drawer) contend(record string) {
	var requests []request
	for i := range 2 + s.rng.IntN(2) {
		requests = append(requests, s.fresh(record, i))
	}
	if record[0] == 't' && s.flag() {
		for i := range requests[1:] {
			requests[i] = deleteToken(record[6:], requests[i].prev)
		}
	}
	s.oneWins(requests)
}

// oneWins makes requests at once of which one can be done, and tells the model which was.
func (s *drawer) oneWins(requests []request) {
	answers := s.together(requests)
	for try := 0; !s.settled(requests, answers); try++ {
		if try == maxTries {
			s.failf("%s, and %d more at once: all of them are refused, %d times", requests[0].what, len(requests)-1, try)
		}
		s.again.Add(1)
		answers = s.together(requests)
	}
}

// settled reports whether one was done. None may be, where the database asks all to try again.
func (s *drawer) settled(requests []request, answers []answer) bool {
	winner := -1
	for i, a := range answers {
		if a.err == nil && winner >= 0 {
			s.failf("%s\n  and %s\n  were made at once, and both succeeded: to compare the version and to write must be one atomic step",
				requests[winner].what, requests[i].what)
		}
		if a.err == nil {
			winner = i
		}
	}
	if winner < 0 && !slices.ContainsFunc(answers, func(a answer) bool { return errors.Is(a.err, storage.ErrConflict) }) {
		s.failf("%s, and %d more at once: none is done, and one answers %s", requests[0].what, len(requests)-1, errText(answers[0].err))
	}
	if winner < 0 {
		return false
	}
	for _, a := range answers {
		a.forget()
	}
	s.expect(s.ctx, requests[winner]) // which makes it in the model
	s.seen(requests[winner])
	for i, r := range requests {
		if i != winner {
			s.loses(r, answers[i].err)
		}
	}
	return true
}

// loses asserts what somebody hears who came too late, at once or after a database's wish to try again.
func (s *drawer) loses(r request, err error) {
	want := s.expect(s.ctx, r)
	if errors.Is(err, storage.ErrConflict) && !errors.Is(want.err, storage.ErrConflict) {
		err = s.ask(s.ctx, s.node(), r, want).err
	}
	if d := s.compare(r, answer{err: err}, want); d != "" {
		s.failf("%s, at once with another that was done: %s", r.what, d)
	}
}

// raceDelete has a save over a version while the account is deleted, or the token's account: nothing is left.
func (s *drawer) raceDelete() {
	id := s.owned()
	t, _ := s.token(id)
	save := s.fresh("token "+id, 0)
	if s.flag() {
		save = s.fresh("account "+t.AccountID, 0)
	}
	requests := []request{save, deleteAccount(t.AccountID)}
	answers := s.together(requests)
	if !errors.Is(answers[0].err, storage.ErrConflict) && answers[0].err != nil {
		s.failf("%s, while its account was deleted: answers %s", save.what, errText(answers[0].err))
	}
	s.expect(s.ctx, requests[1])
	if errors.Is(answers[1].err, storage.ErrConflict) {
		answers[1] = s.ask(s.ctx, s.node(), requests[1], expected{})
	}
	if answers[1].err != nil {
		s.failf("%s: answers %s", requests[1].what, errText(answers[1].err))
	}
	s.call(s.node(), loadAccount(t.AccountID))
	s.call(s.node(), listTokens(t.AccountID, "", 5))
}

// raceHandle has accounts take a handle at once that nobody has.
func (s *drawer) raceHandle() {
	h := pick(s, s.handles)
	if has, err := s.model.AccountByHandle(s.ctx, h); err == nil {
		free := s.fresh("account "+has.ID, 0)
		has.Index.Handle = storage.Handle{}
		s.save(saveAccount(storage.Record{ID: has.ID, Version: s.version("account " + has.ID), Index: has.Index}, free.prev))
	}
	var requests []request
	for _, i := range s.rng.Perm(len(s.accountIDs))[:3] {
		id := s.accountIDs[i]
		requests = append(requests, saveAccount(storage.Record{
			ID: id, Version: s.version("account " + id), Index: storage.AccountIndex{Handle: h},
		}, s.stored("account "+id)))
	}
	s.oneWins(requests)
	s.call(s.node(), accountByHandle(h))
}

// raceTouches has uses of the same tokens at once, and perhaps a save of one of them: none undoes another.
func (s *drawer) raceTouches() {
	ids := []string{s.owned(), s.owned()}
	var requests []request
	from := s.rng.IntN(50)
	for i := range 2 + s.rng.IntN(2) {
		usage := storage.TokenUsage{LastUsed: second(from + i), Scopes: 1 << s.rng.IntN(63), Addresses: fmt.Sprint(from + i)}
		batch := []storage.TokenUse{{ID: ids[i%2], TokenUsage: usage}}
		if ids[0] != ids[1] {
			batch = append(batch, storage.TokenUse{ID: ids[1-i%2], TokenUsage: usage})
		}
		requests = append(requests, touchTokens(batch))
	}
	if s.flag() {
		requests = append(requests[1:], s.fresh("token "+ids[0], 0))
	}
	for i, a := range s.together(requests) {
		want := s.expect(s.ctx, requests[i])
		if errors.Is(a.err, storage.ErrConflict) {
			a = s.ask(s.ctx, s.node(), requests[i], want)
		}
		if d := s.compare(requests[i], a, want); d != "" {
			s.failf("%s, at once with uses of the token: %s", requests[i].what, d)
		}
		s.seen(requests[i])
	}
	for _, id := range ids {
		s.call(s.node(), loadToken(id))
	}
}

// raceMoment changes a token's account and the token in turn, while others load it: they see it as it was at one moment, and
// never as it was before that.
func (s *drawer) raceMoment() {
	const changes, readers = 6, 2
	id := s.owned()
	t, _ := s.token(id)
	load := loadToken(id)
	states := []answer{load.do(s.ctx, s.model)}
	var writes []request
	for n := range changes {
		w := s.fresh([]string{"account " + t.AccountID, "token " + id}[n%2], n)
		writes = append(writes, w)
		s.expect(s.ctx, w)
		s.seen(w)
		states = append(states, load.do(s.ctx, s.model))
	}
	var (
		over  atomic.Bool
		wrote []answer
		read  [readers][]answer
	)
	atOnce(1+readers, func(i int) {
		if i == 0 {
			wrote = s.inTurn(writes)
			over.Store(true)
			return
		}
		for last := false; !last; {
			last = over.Load()
			read[i-1] = append(read[i-1], s.ask(s.ctx, i%nodes, load, expected{}))
		}
	})
	for i, a := range wrote {
		s.note(i%nodes, writes[i], a.err)
		s.log[len(s.log)-1] += " (while others load the token)"
		if a.err != nil {
			s.failf("%s, while others load the token: answers %s", writes[i].what, errText(a.err))
		}
	}
	for _, all := range read {
		s.moments(load, all, states)
	}
}

// inTurn makes requests until one is refused.
func (s *drawer) inTurn(requests []request) (answers []answer) {
	for i, r := range requests {
		answers = append(answers, s.ask(s.ctx, i%nodes, r, expected{}))
		if answers[i].err != nil {
			break
		}
	}
	return answers
}

// moments asserts that what was read in turn is what was stored in turn.
func (s *drawer) moments(load request, read, stored []answer) {
	for _, got := range read {
		i := slices.IndexFunc(stored, func(want answer) bool { return differs(got, want) == "" })
		if i < 0 {
			s.failf("%s, while its account and the token were saved in turn: %s of an owner %s (%s) was never so at one moment, or only before what was seen earlier",
				load.what, fields(got.value.(loaded).Token), fields(got.value.(loaded).Owner), errText(got.err))
		}
		stored = stored[i:]
	}
}

// raceReads reads while a record is written: each sees what was before or after.
func (s *drawer) raceReads() {
	write := s.fresh("token "+s.owned(), 0)
	if s.flag() {
		write = s.fresh("account "+s.account(pick(s, s.accountIDs)).ID, 0)
	}
	requests := []request{write, s.read(), s.read()}
	s.alongside(requests)
}

// alongside makes requests at once of which the first alone writes, and returns what the model says.
func (s *drawer) alongside(requests []request) []answer {
	before, after := make([]expected, len(requests)), make([]expected, len(requests))
	for i, r := range requests[1:] {
		before[i+1] = s.expect(s.ctx, r)
	}
	before[0] = s.expect(s.ctx, requests[0])
	for i, r := range requests[1:] {
		after[i+1] = s.expect(s.ctx, r)
	}
	got := s.together(requests)
	told := make([]answer, len(requests))
	for i, r := range requests {
		if errors.Is(got[i].err, storage.ErrConflict) && !errors.Is(before[i].err, storage.ErrConflict) {
			after[i] = s.expectAgain(r, i, after[i])
			got[i] = s.ask(s.ctx, s.node(), r, before[i])
		}
		told[i] = before[i].answer
		d := s.compare(r, got[i], before[i])
		if d != "" && i > 0 {
			told[i] = after[i].answer
			d = s.compare(r, got[i], after[i])
		}
		if d != "" {
			s.failf("%s, at once with %s: %s", r.what, requests[0].what, d)
		}
	}
	s.seen(requests[0])
	for _, a := range got {
		a.forget()
	}
	return told
}

// expectAgain is what a read is told that is made again: what the model has now.
func (s *drawer) expectAgain(r request, i int, was expected) expected {
	if i == 0 {
		return was
	}
	return s.expect(s.ctx, r)
}
