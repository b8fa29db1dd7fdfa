package otelgatehouse_test

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/internal/queue"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/memory"
	"github.com/gatehouse-go/gatehouse/storage/storagetest"
)

// What waits for Argon2id is seen while it waits, and how long it has waited and run afterwards.
func TestArgon2id(t *testing.T) {
	h := newHouse(t).fill()
	other := h.Enroll(t, bob)
	full, begun := make(chan struct{}), make(chan struct{})
	go func() { // needs more than there is, and so it runs alone
		_ = queue.Argon2.Run(context.Background(), queue.Make, 1<<30, func() {
			close(begun)
			<-full
		})
	}()
	<-begun
	h.take()
	before := [...]int64{
		h.counted("gatehouse.argon2id.wait_time", "gatehouse.argon2id.kind", "try"),
		h.counted("gatehouse.argon2id.use_time", "gatehouse.argon2id.kind", "try"),
	}
	given, cancel := context.WithCancel(h.ctx())
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := h.StepUp(h.ctx(), gatehouse.Session{Account: ada}, h.user.RecoveryCodes[0].Reveal())
		require.NoError(t, err)
	})
	wg.Go(func() {
		_, err := h.StepUp(given, gatehouse.Session{Account: bob}, other.RecoveryCodes[0].Reveal())
		require.ErrorIs(t, err, context.Canceled)
	})
	for h.counted("gatehouse.argon2id.pending_runs") != 2 {
		runtime.Gosched()
	}
	require.EqualValues(t, 1, h.counted("gatehouse.argon2id.active_runs"))
	cancel()
	for h.counted("gatehouse.argon2id.pending_runs") != 1 {
		runtime.Gosched()
	}
	close(full)
	wg.Wait()
	require.Zero(t, h.counted("gatehouse.argon2id.pending_runs"))
	require.Equal(t, before[0]+2, h.counted("gatehouse.argon2id.wait_time", "gatehouse.argon2id.kind", "try"))
	require.EqualValues(t, 1, h.counted("gatehouse.argon2id.wait_time", "error.type", "canceled"))
	require.Equal(t, before[1]+1, h.counted("gatehouse.argon2id.use_time", "gatehouse.argon2id.kind", "try"))
	spans := h.take()
	require.Len(t, named(spans, "argon2id.wait"), 2)
	run := named(spans, "argon2id.run")
	require.Len(t, run, 1)
	require.True(t, slices.ContainsFunc(named(spans, "gatehouse.Service.StepUp"), func(s sdktrace.ReadOnlySpan) bool {
		return s.SpanContext().SpanID() == run[0].Parent().SpanID()
	}))
	h.silent()
}

// What is dropped, late or unknown is in the metrics as in Stats.
func TestStats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := make(chan struct{})
		var told atomic.Int64
		h := newHouse(t, func(c *gatehouse.Config) {
			c.Now = time.Now
			c.Observer = observer(func(context.Context, event.Event) {
				if told.Add(1) == 1 {
					<-hang
				}
			})
		})
		require.NoError(t, engine.Of(h.Service.Service).Change(t.Context(), ada, engine.Transition{
			Step: func(a core.Account, _ core.Env) (core.Account, error) {
				a.Events = make([]core.Event, 3000)
				for i := range a.Events {
					a.Events[i] = core.Event{Kind: event.KeyMoved, At: 1}
				}
				return a, nil
			},
		}))
		h.Wait(3 * time.Second) // past the deadline
		close(hang)
		synctest.Wait()
		_, err := h.judge.Review(t.Context(), bob)
		require.NoError(t, err)
		h.Enroll(t, bob)
		require.NoError(t, h.Close(t.Context()))
		stats := h.Stats()
		require.EqualValues(t, 3000-2048, stats.EventsDropped)
		require.EqualValues(t, 1, stats.EventsLate)
		require.NotZero(t, stats.HostUnknown)
		require.EqualValues(t, stats.EventsDropped, h.counted("gatehouse.observer.dropped_events"))
		require.EqualValues(t, stats.EventsLate, h.counted("gatehouse.observer.late_events"))
		require.EqualValues(t, stats.HostUnknown, h.counted("gatehouse.host.unknown_answers"))
		require.EqualValues(t, 3000, h.counted("gatehouse.events", "gatehouse.event.kind", "key.moved"), "metrics know of what was not told")
	})
	h := newHouse(t).fill()
	require.NoError(t, h.Close(t.Context()))
	_, err := h.tokens.Check(t.Context(), h.token.Token.Reveal(), netip.Addr{})
	require.NoError(t, err)
	require.NotZero(t, h.Stats().TokenUsesLost)
	require.EqualValues(t, h.Stats().TokenUsesLost, h.counted("gatehouse.token.lost_uses"))
}

type observer func(context.Context, event.Event)

func (o observer) Observe(ctx context.Context, e event.Event) { o(ctx, e) }

// A change in a transaction of the host's has its spans as well, and is counted once it is committed.
func TestWithin(t *testing.T) {
	h := newHouse(t).fill()
	h.take()
	w := hosttx.Within(h.op(), transaction{h.Store})
	require.NoError(t, w.PasswordChanged(h.ctx(), ada, gatehouse.KeepTokens))
	spans := h.take()
	require.Len(t, named(spans, "gatehouse.Operator.PasswordChanged"), 1)
	require.Len(t, named(spans, "storage.Store.LoadAccount"), 1)
	require.Len(t, named(spans, "storage.Store.SaveAccount"), 1)
	require.Zero(t, h.counted("gatehouse.events", "gatehouse.event.kind", "password.changed"))
	w.Committed(h.ctx())
	require.EqualValues(t, 1, h.counted("gatehouse.events", "gatehouse.event.kind", "password.changed"))
	require.ErrorContains(t, w.PasswordChanged(h.ctx(), ada, gatehouse.KeepTokens), "committed")
	h.silent()
}

// transaction has no transaction.
type transaction struct{ *gatehousetest.Store }

func (tx transaction) LockAccount(ctx context.Context, id string) (storage.Record, error) {
	return tx.LoadAccount(ctx, id)
}

// A panic of the host's own goes on, and is seen as a fault.
func TestPanic(t *testing.T) {
	sealer := &panics{Sealer: keyring.Generate()}
	h := newHouse(t, func(c *gatehouse.Config) { c.Sealer = sealer }).fill()
	h.take()
	sealer.armed = true
	require.PanicsWithValue(t, canary, func() { _ = second(h.StepUp(h.ctx(), gatehouse.Session{Account: ada}, h.code())) })
	of := named(h.take(), "gatehouse.Service.StepUp")
	require.Len(t, of, 1)
	require.Equal(t, "panic", attributes(of[0])["error.type"])
	require.Equal(t, codes.Error, of[0].Status().Code)
	require.EqualValues(t, 1, h.counted("gatehouse.attempts", "gatehouse.outcome", "panic"))
	h.silent()
}

type panics struct {
	keyring.Sealer
	armed bool
}

func (p *panics) Open(ctx context.Context, sealed []byte, b keyring.Binding) ([]byte, error) {
	if p.armed {
		panic(canary)
	}
	return p.Sealer.Open(ctx, sealed, b)
}

// No measurement is lost where many are made at a time.
func TestRace(t *testing.T) {
	h := newHouse(t).fill()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				_, _ = h.tokens.Check(h.ctx(), h.token.Token.Reveal(), netip.MustParseAddr(address))
			}
		})
		wg.Go(func() { _, _ = h.StepUp(h.ctx(), gatehouse.Session{Account: ada}, "123456") })
		wg.Go(func() { h.points() })
	}
	wg.Wait()
	require.EqualValues(t, 400, h.counted("gatehouse.token.checks", "gatehouse.outcome", "active"))
	require.EqualValues(t, 400, h.counted("gatehouse.call.duration", "gatehouse.call", "tokens.Service.Check"))
	require.Len(t, named(h.take(), "tokens.Service.Check"), 400)
	require.EqualValues(t, 8, h.counted("gatehouse.attempts", "gatehouse.purpose", "step_up")-1, "and that of fill")
	h.silent()
}

// What a driver does is inside of our span of its operation.
func TestDriverIsBelow(t *testing.T) {
	h := &house{t: t}
	h.exporters()
	spy := &spy{Store: memory.New()}
	svc, err := gatehouse.New(spy, gatehouse.Config{Issuer: "Acme", Keys: keyring.Generate()})
	require.NoError(t, err)
	require.NoError(t, otelgatehouse.Instrument(svc, otelgatehouse.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(h.spans)),
	}))
	_, err = svc.Account(t.Context(), ada)
	require.NoError(t, err)
	of := named(h.take(), "storage.Store.LoadAccount")
	require.Len(t, of, 1)
	require.True(t, spy.in.IsValid())
	require.Equal(t, of[0].SpanContext(), spy.in)
}

// spy keeps the span that an account was loaded in.
type spy struct {
	storage.Store
	in trace.SpanContext
}

func (s *spy) LoadAccount(ctx context.Context, id string) (storage.Record, error) {
	s.in = trace.SpanContextFromContext(ctx)
	return s.Store.LoadAccount(ctx, id)
}

// A watched store is as good as the one below.
func TestStore(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Store {
		return engine.Of(newHouse(t).Service.Service).Store
	})
}

// Without a Config all goes where the program has it go, also if it says so later.
func TestGlobal(t *testing.T) {
	svc := gatehousetest.New(t)
	require.NoError(t, otelgatehouse.Instrument(svc.Service, otelgatehouse.Config{}))
	h := &house{t: t, Service: svc}
	h.exporters()
	otel.SetTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(h.spans)))
	otel.SetMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader)))
	svc.Enroll(t, ada)
	require.NotEmpty(t, named(h.take(), "gatehouse.Owner.ConfirmEnrollment"))
	require.EqualValues(t, 1, h.counted("gatehouse.events", "gatehouse.event.kind", "authenticator.added"))
	require.NotContains(t, attributes(named(h.seen, "storage.Store.SaveAccount")[0]), "db.system.name")
}
