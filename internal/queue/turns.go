package queue

import (
	"context"
	"sync"
)

// maxTurns bounds how many hold or wait for the turn of one key.
const maxTurns = 1024

// Turns lets those who come with the same key follow one another, in the order in which they came. Different keys
// share nothing. The zero Turns is ready to use.
type Turns struct {
	mu   sync.Mutex
	held map[string]*turn // of the keys that somebody holds or waits for, and of no other
}

type turn struct {
	place chan struct{} // full while the turn is held
	users int           // who holds it and who waits
}

// Take waits for the turn of a key and returns what gives it back, to be called once. alone says that nobody held
// it, so there was nothing to wait for. The error is the context's, or ErrFull where 1024 are there already.
func (t *Turns) Take(ctx context.Context, key string) (done func(), alone bool, err error) {
	if err := ctx.Err(); err != nil {
		return nil, false, err
	}
	one, alone := t.enter(key)
	if one == nil {
		return nil, false, ErrFull
	}
	select {
	case one.place <- struct{}{}:
		return func() {
			<-one.place
			t.leave(key, one)
		}, alone, nil
	case <-ctx.Done():
		t.leave(key, one)
		return nil, false, ctx.Err()
	}
}

// enter returns nil where the key has no room.
func (t *Turns) enter(key string) (one *turn, alone bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	one = t.held[key]
	if one == nil {
		if t.held == nil {
			t.held = map[string]*turn{}
		}
		one = &turn{place: make(chan struct{}, 1)}
		t.held[key] = one
	}
	if one.users >= maxTurns {
		return nil, false
	}
	one.users++
	return one, one.users == 1
}

func (t *Turns) leave(key string, one *turn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if one.users--; one.users == 0 {
		delete(t.held, key)
	}
}

// Free reports whether nobody holds the turn of a key.
func (t *Turns) Free(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.held[key] == nil
}

// Len returns how many keys are held.
func (t *Turns) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.held)
}
