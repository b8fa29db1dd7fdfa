package main

import (
	"context"
	"runtime"

	"github.com/gatehouse-go/gatehouse"
)

// waiting bounds how many passwords wait to be hashed: some seconds of work.
const waiting = 100

// queue bounds how many hashes are computed at once and how many wait for it. Each takes 19 MiB and tens of
// milliseconds, so without it the forms for signing in and up are a way to use up memory and processors. It does not
// keep one client from taking all places: a limit by client address is for the host to set, which knows its proxies.
type queue struct{ entered, running chan struct{} }

func newQueue() queue {
	running := runtime.NumCPU()
	return queue{entered: make(chan struct{}, running+waiting), running: make(chan struct{}, running)}
}

// run calls f once it is its turn. It returns gatehouse.ErrBusy where too many are waiting.
func (q queue) run(ctx context.Context, f func() error) error {
	select {
	case q.entered <- struct{}{}:
		defer func() { <-q.entered }()
	default:
		return gatehouse.ErrBusy
	}
	select {
	case q.running <- struct{}{}:
		defer func() { <-q.running }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}
