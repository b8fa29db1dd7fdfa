package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/queue"
)

// Watch sets the engine's Watcher. It is called once, before the engine's first use.
func (e *Engine) Watch(w Watcher) error {
	return e.Register(func(h *Hooks) error {
		if h.watch != nil {
			return fmt.Errorf("%w: the service is watched already", core.ErrInvalid)
		}
		h.watch, e.observers.watch = w, w
		e.Store = w.Store(e.Store)
		return nil
	})
}

// Call is a call of a service on its way. The zero Call is one that nobody watches.
type Call struct {
	ended func(Ended)
	why   string
}

// Begin begins a call of a service. Its first line is, with the name of the method that it is in:
//
//	defer s.e.Begin(&ctx, "tokens.Service.Mint").End(&err)
func (e *Engine) Begin(ctx *context.Context, name string) *Call {
	if e.Hooks.watch == nil {
		return &unwatched
	}
	c := new(Call)
	c.begin(ctx, e.Hooks.watch, name)
	return c
}

func (c *Call) begin(ctx *context.Context, w Watcher, name string) {
	defer quiet()
	*ctx, c.ended = w.Call(*ctx, name)
}

// unwatched is every Call that nobody watches. It is never written to.
var unwatched Call

// ErrPanic says that a call has panicked.
var ErrPanic = errors.New("gatehouse: panic")

// Because notes why the call ends as it does.
func (c *Call) Because(why string) {
	if c.ended != nil {
		c.why = why
	}
}

// End ends the call with an error, which is nil for none. It has to be deferred itself, to see a panic.
func (c *Call) End(err *error) {
	if c.ended == nil {
		return
	}
	if p := recover(); p != nil {
		c.tell(ErrPanic)
		panic(p)
	}
	c.tell(*err)
}

func (c *Call) tell(err error) {
	defer quiet()
	c.ended(Ended{Err: err, Why: c.why})
}

// Each watches a listing as a call, from its first value to its last.
func Each[T any](ctx context.Context, e *Engine, name string, list func(context.Context) iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		ctx, err := ctx, error(nil) // of this iteration: there may be others
		defer e.Begin(&ctx, name).End(&err)
		var v T
		for v, err = range list(ctx) {
			if !yield(v, err) {
				return
			}
		}
	}
}

// Argon2 runs f, which takes so many bytes of memory, within the bounds of the process.
func (e *Engine) Argon2(ctx context.Context, kind queue.Kind, bytes int, f func()) (err error) {
	w := e.Hooks.watch
	if w == nil {
		return busy(queue.Argon2.Run(ctx, kind, bytes, f))
	}
	begun, ended := waits(ctx, w, kind)
	defer func() { ended(err) }()
	return busy(queue.Argon2.Run(ctx, kind, bytes, func() {
		begun()
		f()
	}))
}

// waits is Argon2id of a Watcher, without its panics.
func waits(ctx context.Context, w Watcher, kind queue.Kind) (begun func(), ended func(error)) {
	began, end := func() {}, func(error) {}
	func() {
		defer quiet()
		began, end = w.Argon2id(ctx, kind)
	}()
	return func() { defer quiet(); began() }, func(err error) { defer quiet(); end(err) }
}
