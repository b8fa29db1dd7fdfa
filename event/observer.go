package event

import (
	"context"
	"log/slog"
)

// Observer is told what happens: to notify owners (NIST SP 800-63B-4 §4.6 asks for it), to alert, to
// audit. It is called after the change is saved and, as a rule, before the answer is given; one event
// at a time for each account, in the order of the changes that this process made. It cannot change an
// answer, nor hold one up for more than 2 seconds: its panics are caught, and one that has not returned by then, when
// ctx ends, is left behind. It may call the Service.
//
// An event is told at most once. A process that dies between the save and the call has not told it, and nor has one in
// which over two thousand events wait (one thousand, for what anybody can cause, such as denials) or in which 64 calls
// that were left behind have not returned yet: gatehouse.Stats counts those. The account's activity has what was saved.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// ObserverFunc is a function as an Observer.
type ObserverFunc func(ctx context.Context, e Event)

// Observe calls f.
func (f ObserverFunc) Observe(ctx context.Context, e Event) { f(ctx, e) }

// Log returns an Observer that logs each event under its kind: an event that an owner should look at as a warning, the
// rest as information.
func Log(l *slog.Logger) Observer {
	return ObserverFunc(func(ctx context.Context, e Event) {
		level := slog.LevelInfo
		if e.Kind.warns() {
			level = slog.LevelWarn
		}
		l.LogAttrs(ctx, level, string(e.Kind), slog.Any("event", e))
	})
}
