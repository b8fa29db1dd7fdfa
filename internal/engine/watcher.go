package engine

import (
	"context"

	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Watcher sees what an engine does, for traces and metrics. It decides nothing, and it must not wait: some of its methods
// are called while an account's turn is held. A panic of its methods ends there; its Store has to see to that itself.
type Watcher interface {
	// Store returns s with its calls watched.
	Store(s storage.Store) storage.Store

	// Call is told that a call of a service begins, by the Go name of its method from the package on. It returns the
	// context of all that the call does, and a function that is told how the call has ended.
	Call(ctx context.Context, name string) (context.Context, func(Ended))

	// Told is told every event of an account, once it is saved. ctx is of the call that has caused it.
	Told(ctx context.Context, e core.Event)

	// Argon2id is told that a run of Argon2id waits. begun is called when it begins and ended at its end, or, with an
	// error and without begun, when it does not begin.
	Argon2id(ctx context.Context, kind queue.Kind) (begun func(), ended func(error))
}

// Ended is how a call has ended.
type Ended struct {
	Err error
	Why string // what the service knows in addition, as a code; nobody outside may hear of it
}

// quiet ends a panic of the Watcher: a trace that cannot be written fails no sign-in, and leaves nothing held. It is
// deferred itself.
func quiet() { _ = recover() }
