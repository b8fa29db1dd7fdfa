package storagetest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"

	"github.com/gatehouse-go/gatehouse/storage"
)

// move is one of a handle, from the account that has it to another one, which takes it as soon as it can.
type move struct {
	*env
	handle   storage.Handle
	from, to storage.Record // as they have the handle
	gone     storage.Record // what stays of from; without a version: it is deleted
	prev     int64          // the version of to before; 0: it is not stored
	givenUp  atomic.Bool    // the call that gives the handle up has returned
	taken    atomic.Bool
}

// testMovingHandle moves a handle to and fro between two accounts while others look for it.
func testMovingHandle(e *env) {
	h := newHandle()
	having := func(id string) storage.Record {
		v := version()
		return storage.Record{ID: id, Version: v, Data: fmt.Append(nil, v), Index: storage.AccountIndex{Handle: h, TokenEpoch: v}}
	}
	has := e.saveAccount(having(e.id("a")), 0)
	to, prev := e.id("b"), int64(0)
	for round := range 24 {
		m := &move{env: e, handle: h, from: has, to: having(to), prev: prev}
		switch m.gone = (storage.Record{ID: has.ID, Version: version()}); round % 3 {
		case 1:
			m.gone.Index.Handle = newHandle()
		case 2:
			m.gone.Version = 0
		}
		var errs [4]error
		atOnce(len(errs), func(i int) {
			s := e.handle(round/2 + i)
			switch i {
			case 0:
				errs[i] = m.giveUp(s)
			case 1:
				errs[i] = m.take(s)
			default:
				errs[i] = m.look(s)
			}
		})
		e.must(errors.Join(errs[:]...), "a handle that moves to another account")
		e.handled(h, m.to, "after one account gave it up and another one took it at once")
		if m.gone.Index.Handle != (storage.Handle{}) {
			e.handled(m.gone.Index.Handle, m.gone, "after its account took it for another one")
		}
		has, to, prev = m.to, m.gone.ID, m.gone.Version
	}
}

func (m *move) giveUp(s storage.Store) error {
	defer m.givenUp.Store(true)
	return m.try(func() error {
		if m.gone.Version == 0 {
			return s.DeleteAccount(m.ctx, m.from.ID)
		}
		return s.SaveAccount(m.ctx, m.gone, m.from.Version)
	})
}

// take takes the handle, which is refused until it is given up.
func (m *move) take(s storage.Store) error {
	defer m.taken.Store(true)
	for {
		free := m.givenUp.Load()
		err := m.try(func() error { return s.SaveAccount(m.ctx, m.to, m.prev) })
		switch {
		case err == nil || !errors.Is(err, storage.ErrInvalid):
			return err
		case free:
			return fmt.Errorf("SaveAccount with a handle that was given up before: %w", err)
		}
	}
}

// look looks for the handle, at least once, until it is taken.
func (m *move) look(s storage.Store) error {
	for last := false; !last; {
		last = m.taken.Load()
		free := m.givenUp.Load()
		got, err := m.byHandle(s, m.handle)
		if errors.Is(err, storage.ErrNotFound) {
			if last {
				return errors.New("AccountByHandle does not find an account that has taken the handle")
			}
			continue
		}
		if err != nil {
			return err
		}
		want := m.to
		if got.ID == m.from.ID {
			want = m.from
		}
		if d := different(reflect.ValueOf(got), reflect.ValueOf(want)); len(d) > 0 {
			return fmt.Errorf("AccountByHandle of a handle that moves: want an account as it has the handle; %s", strings.Join(d, "; "))
		}
		if free && got.ID == m.from.ID {
			return errors.New("AccountByHandle finds the account that had given the handle up before the call began")
		}
	}
	return nil
}
