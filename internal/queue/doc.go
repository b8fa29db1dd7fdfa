// Package queue has what callers of one process wait in: turns, of which each account has its own, and the gate
// that bounds the memory of Argon2id.
package queue

import "errors"

// ErrFull says that more are waiting than there is room for.
var ErrFull = errors.New("queue: full")
