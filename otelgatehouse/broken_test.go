package otelgatehouse_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
)

// provider has one tracer.
type provider struct {
	noop.TracerProvider
	t tracer
}

func (p provider) Tracer(string, ...trace.TracerOption) trace.Tracer { return p.t }

// tracer panics at the start of each span, or at its end.
type tracer struct {
	noop.Tracer
	ends   bool
	panics *atomic.Int64
}

func (p tracer) Start(ctx context.Context, name string, o ...trace.SpanStartOption) (context.Context, trace.Span) {
	if !p.ends {
		p.panics.Add(1)
		panic(name)
	}
	ctx, s := p.Tracer.Start(ctx, name, o...)
	return ctx, span{s, p}
}

type span struct {
	trace.Span
	p tracer
}

func (s span) End(...trace.SpanEndOption) {
	s.p.panics.Add(1)
	panic("the span")
}

// A tracer that panics fails no sign-in, and nobody goes untold.
func TestBrokenTracer(t *testing.T) {
	for _, ends := range []bool{false, true} {
		p := tracer{ends: ends, panics: new(atomic.Int64)}
		svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Notices = true })
		require.NoError(t, otelgatehouse.Instrument(svc.Service, otelgatehouse.Config{TracerProvider: provider{t: p}}))
		n, err := notify.New(svc.Service, notify.Config{Every: 100 * time.Millisecond})
		require.NoError(t, err)
		user := svc.Enroll(t, ada)
		for _, code := range user.RecoveryCodes[:2] {
			_, err = svc.Answer(t.Context(), gatehouse.Session{}, svc.Challenge(t, ada).Token.Reveal(), code.Reveal())
			require.NoError(t, err)
		}
		_, err = svc.Answer(t.Context(), gatehouse.Session{}, svc.Challenge(t, ada).Token.Reveal(), user.RecoveryCodes[0].Reveal())
		require.ErrorIs(t, err, gatehouse.ErrDenied)
		ctx, stop := context.WithCancel(t.Context())
		told := 0
		require.ErrorIs(t, n.Drain(ctx, notify.SinkFunc(func(context.Context, event.Notice) error {
			if told++; told == 3 {
				stop()
			}
			return nil
		})), context.Canceled)
		require.Equal(t, 3, told)
		require.Greater(t, p.panics.Load(), int64(20))
	}
}
