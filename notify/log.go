package notify

import (
	"context"
	"log/slog"

	"github.com/gatehouse-go/gatehouse/event"
)

// Log returns a Sink that logs each notice as a warning. It is for a start, and for services whose logs are delivered
// elsewhere: a log is read by nobody's owner.
func Log(l *slog.Logger) Sink {
	return SinkFunc(func(ctx context.Context, n event.Notice) error {
		l.LogAttrs(ctx, slog.LevelWarn, string(n.Kind), slog.Any("notice", n))
		return nil
	})
}
