package otelgatehouse

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/queue"
)

// Attributes of our own. The others are of the semantic conventions.
const (
	callKey    = attribute.Key("gatehouse.call")
	kindKey    = attribute.Key("gatehouse.event.kind")
	methodKey  = attribute.Key("gatehouse.method")
	outcomeKey = attribute.Key("gatehouse.outcome")
	purposeKey = attribute.Key("gatehouse.purpose")
	runKey     = attribute.Key("gatehouse.argon2id.kind")
)

// metrics has what is recorded as it happens.
type metrics struct {
	calls, store, waits, runs metric.Float64Histogram
	attempts, checks, events  metric.Int64Counter
}

// seconds has the bounds of the buckets: from a read of a database nearby to what Argon2id may have to wait.
var seconds = metric.WithExplicitBucketBoundaries(.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10)

func newMetrics(meter metric.Meter) (*metrics, error) {
	var all error
	histogram := func(name, description string) metric.Float64Histogram {
		h, err := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), seconds)
		all = errors.Join(all, err)
		return h
	}
	counter := func(name, unit, description string) metric.Int64Counter {
		c, err := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		all = errors.Join(all, err)
		return c
	}
	return &metrics{
		calls:    histogram("gatehouse.call.duration", "How long calls of the service took."),
		store:    histogram("gatehouse.store.operation.duration", "How long the store took for what it was asked."),
		waits:    histogram("gatehouse.argon2id.wait_time", "How long runs of Argon2id waited for room."),
		runs:     histogram("gatehouse.argon2id.use_time", "How long runs of Argon2id took."),
		attempts: counter("gatehouse.attempts", "{attempt}", "Attempts to prove the owner of an account."),
		checks:   counter("gatehouse.token.checks", "{check}", "Access tokens that were checked."),
		events:   counter("gatehouse.events", "{event}", "What happened to accounts."),
	}, all
}

// observe registers what is asked for when metrics are collected.
func observe(meter metric.Meter, svc *gatehouse.Service) error {
	var all error
	gauge := func(name, description string) metric.Int64ObservableGauge {
		// No sum: of several Services in a process each would add the same runs.
		g, err := meter.Int64ObservableGauge(name, metric.WithUnit("{run}"), metric.WithDescription(description))
		all = errors.Join(all, err)
		return g
	}
	counter := func(name, unit, description string) metric.Int64ObservableCounter {
		c, err := meter.Int64ObservableCounter(name, metric.WithUnit(unit), metric.WithDescription(description))
		all = errors.Join(all, err)
		return c
	}
	active := gauge("gatehouse.argon2id.active_runs", "Runs of Argon2id that have begun in this process.")
	pending := gauge("gatehouse.argon2id.pending_runs", "Runs of Argon2id that wait for room in this process.")
	dropped := counter("gatehouse.observer.dropped_events", "{event}", "Events that the Observer was not told.")
	late := counter("gatehouse.observer.late_events", "{event}", "Events of which the Observer had not returned in time.")
	unknown := counter("gatehouse.host.unknown_answers", "{answer}", "Answers that the host's part of the posture did not give.")
	lost := counter("gatehouse.token.lost_uses", "{use}", "Uses of tokens that were not noted.")
	if all != nil {
		return all
	}
	_, err := meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		running, waiting := queue.Argon2.Waiting()
		o.ObserveInt64(active, int64(running))
		o.ObserveInt64(pending, int64(waiting))
		s := svc.Stats()
		o.ObserveInt64(dropped, int64(s.EventsDropped))
		o.ObserveInt64(late, int64(s.EventsLate))
		o.ObserveInt64(unknown, int64(s.HostUnknown))
		o.ObserveInt64(lost, int64(s.TokenUsesLost))
		return nil
	}, active, pending, dropped, late, unknown, lost)
	return err
}

// labels are attributes whose values come from short lists. What is made of them is kept: to make it anew would cost more
// than the measurement.
type labels struct {
	keys [3]attribute.Key
	kept sync.Map // of values to *label
}

// label is some attributes, each in the form in which it is asked for.
type label struct {
	set    []attribute.KeyValue
	record []metric.RecordOption
	add    []metric.AddOption
}

// The attributes of measurements and of spans.
var (
	callLabels    = &labels{keys: [3]attribute.Key{callKey, semconv.ErrorTypeKey}}
	storeLabels   = &labels{keys: [3]attribute.Key{semconv.DBOperationNameKey, semconv.DBSystemNameKey, semconv.ErrorTypeKey}}
	runLabels     = &labels{keys: [3]attribute.Key{runKey, semconv.ErrorTypeKey}}
	attemptLabels = &labels{keys: [3]attribute.Key{purposeKey, methodKey, outcomeKey}}
	checkLabels   = &labels{keys: [3]attribute.Key{outcomeKey}}
	eventLabels   = &labels{keys: [3]attribute.Key{kindKey, methodKey}}
	errorLabels   = &labels{keys: [3]attribute.Key{semconv.ErrorTypeKey}}
)

// of returns the attributes with these values, of which those that are empty are left out.
func (l *labels) of(values ...string) *label {
	var key [3]string
	copy(key[:], values)
	if kept, ok := l.kept.Load(key); ok {
		return kept.(*label)
	}
	made := &label{}
	for i, value := range values {
		if value != "" {
			made.set = append(made.set, l.keys[i].String(value))
		}
	}
	with := metric.WithAttributeSet(attribute.NewSet(slices.Clone(made.set)...))
	made.record, made.add = []metric.RecordOption{with}, []metric.AddOption{with}
	kept, _ := l.kept.LoadOrStore(key, made)
	return kept.(*label)
}

// took records how long something took that began at a time.
func took(ctx context.Context, h metric.Float64Histogram, began time.Time, l *labels, values ...string) {
	if h.Enabled(ctx) {
		h.Record(ctx, time.Since(began).Seconds(), l.of(values...).record...)
	}
}

// count counts one.
func count(ctx context.Context, c metric.Int64Counter, l *labels, values ...string) {
	if c.Enabled(ctx) {
		c.Add(ctx, 1, l.of(values...).add...)
	}
}

// say says something in a span.
func say(span trace.Span, l *labels, values ...string) {
	if span.IsRecording() {
		span.SetAttributes(l.of(values...).set...)
	}
}
