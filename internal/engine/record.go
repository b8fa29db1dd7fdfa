package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse/internal/core"
)

const (
	maxTries     = 12              // conflicts in a row before a change is given up
	saveTimeout  = 5 * time.Second // for a save and the tries after it, whatever the caller's context does
	trailTimeout = 3 * time.Second // before it, to find out what there is to know of the posture: the host alone may take 2
	maxBackoff   = 32 * time.Millisecond
)

// Record is what the engine changes: an account or a token.
type Record[R any] interface {
	Encode() ([]byte, error)
	Lineage() core.Ancestry
	After(version int64) R // as it is saved after a version
}

// Kept is a record as it is stored.
type Kept[R any] struct {
	Record  R
	Version int64 // 0: there is none
	Data    []byte
}

// Kind is how one kind of records is loaded and saved.
type Kind[R Record[R]] struct {
	Name string
	Load func(ctx context.Context, id string) (Kept[R], error)
	Save func(ctx context.Context, next R, data []byte, version, prev int64) error

	// Restate has a record saved although nothing in it changes. A call that ends somebody's access and finds that done
	// must not rely on what it has read: a server whose replicas did not answer shows a change that it has told as a
	// fault, and that is lost with it. The save waits for that change too.
	Restate bool
}

// ErrUnsure says that a change may have been saved.
var ErrUnsure = errors.New("gatehouse: it is not known whether a change was saved; a code may be used up: try the next one")

// Apply changes a record: load, decide, save if nothing has changed in between, otherwise again. step is pure and may
// be called several times. Its error is the answer, and then nothing is saved.
func Apply[R Record[R]](ctx context.Context, kind Kind[R], id string, step func(R) (R, error)) error {
	l := loop[R]{kind: kind, id: id, ctx: ctx}
	return l.apply(step)
}

func (l *loop[R]) apply(step func(R) (R, error)) error {
	defer l.end()
	for l.try = 0; l.try < maxTries; l.try++ {
		kept, err := l.kind.Load(l.ctx, l.id)
		if err != nil {
			return err
		}
		next, answer := step(kept.Record)
		if answer != nil {
			return l.knownOnly(answer)
		}
		if changed, err := l.changes(kept, next); err != nil || !changed && !l.restates(kept) {
			return err
		}
		if again, err := l.save(kept, next, true); !again {
			return err
		}
	}
	return l.gaveUp()
}

// loop is one change of a record on its way.
type loop[R Record[R]] struct {
	kind   Kind[R]
	id     string
	ctx    context.Context // the caller's, until something was looked at or saved that counts
	cancel context.CancelFunc
	try    int
	unsure bool // a save that would have been a success may have been made

	attached bool // ctx is the caller's to the end
}

// Detach returns a context for what counts from here on, also if the caller hangs up now.
func Detach(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
}

// detach makes the rest of the change independent of its caller.
func (l *loop[R]) detach() {
	if l.cancel == nil && !l.attached {
		l.ctx, l.cancel = Detach(l.ctx)
	}
}

// end ends the time that there was.
func (l *loop[R]) end() {
	if l.cancel != nil {
		l.cancel()
		l.cancel = nil
	}
}

// changes reports whether a decision has changed the record.
func (l *loop[R]) changes(kept Kept[R], next R) (bool, error) {
	before, err := kept.Data, error(nil)
	if kept.Version == 0 {
		if before, err = kept.Record.Encode(); err != nil {
			return false, err
		}
	}
	data, err := next.Encode()
	return !bytes.Equal(data, before), err
}

// restates reports whether a record is saved as it is.
func (l *loop[R]) restates(kept Kept[R]) bool { return l.kind.Restate && kept.Version != 0 }

// save saves a record that was decided on. again says that somebody else has changed it meanwhile, and that this save
// was not made, as far as can be known. success says that the answer after it is one.
func (l *loop[R]) save(kept Kept[R], next R, success bool) (again bool, err error) {
	l.detach()
	next = next.After(kept.Version)
	data, err := next.Encode()
	if err != nil {
		return false, err
	}
	version := Fresh()
	err = l.kind.Save(l.ctx, next, data, version, kept.Version)
	if isConflict(err) {
		return l.conflict(version, kept.Version, success)
	}
	if err != nil {
		return false, fmt.Errorf("gatehouse: save %s: %w", l.kind.Name, err)
	}
	return false, nil
}

// conflict finds out what became of a save that has met a conflict. An error of the load is returned as it is, so that
// a record which was removed meanwhile is told as one that was never there.
func (l *loop[R]) conflict(attempted, over int64, success bool) (again bool, err error) {
	fate, err := l.fate(attempted, over)
	if err != nil || fate == core.Saved {
		return false, err
	}
	l.unsure = l.unsure || fate == core.Unsure && success
	err = backoff(l.ctx, l.try)
	return err == nil, err
}

// fate returns what became of a save that the store says has met a conflict: it may have been made and its reply
// lost. It is asked at once, as the record tells only of its last versions.
func (l *loop[R]) fate(attempted, over int64) (core.Fate, error) {
	now, err := l.kind.Load(l.ctx, l.id)
	if err != nil {
		return core.Unsure, err
	}
	return now.Record.Lineage().Fate(now.Version, attempted, over), nil
}

// knownOnly returns err, but ErrUnsure where err may only say what this very call has done before.
func (l *loop[R]) knownOnly(err error) error {
	if l.unsure {
		return ErrUnsure
	}
	return err
}

func (l *loop[R]) gaveUp() error {
	return l.knownOnly(fmt.Errorf("gatehouse: the %s changes too often, nothing was changed", l.kind.Name))
}
