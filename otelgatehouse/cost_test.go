package otelgatehouse_test

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// discard is an exporter.
type discard struct{}

func (discard) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { return nil }
func (discard) Shutdown(context.Context) error                             { return nil }

// lanes are the ways to run a service that are compared: without telemetry, with no provider for it, with metrics alone, and
// with metrics and every span.
var lanes = []struct {
	name   string
	config func() *otelgatehouse.Config
}{
	{"off", func() *otelgatehouse.Config { return nil }},
	{"none", func() *otelgatehouse.Config {
		return &otelgatehouse.Config{TracerProvider: tracenoop.NewTracerProvider(), MeterProvider: metricnoop.NewMeterProvider()}
	}},
	{"metrics", func() *otelgatehouse.Config {
		return &otelgatehouse.Config{
			TracerProvider: tracenoop.NewTracerProvider(),
			MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		}
	}},
	{"all", func() *otelgatehouse.Config {
		return &otelgatehouse.Config{
			TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithBatcher(discard{})),
			MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())),
		}
	}},
}

// work returns what makes a call, on a store in memory, where telemetry weighs most.
var work = map[string]func(b *testing.B, svc *gatehousetest.Service, tok *tokens.Service) (call func()){
	"Check": func(b *testing.B, svc *gatehousetest.Service, tok *tokens.Service) func() {
		m, err := tok.Mint(b.Context(), svc.Enroll(b, ada).Session(), request)
		require.NoError(b, err)
		text := m.Token.Reveal()
		return func() {
			if _, err := tok.Check(context.Background(), text, netip.Addr{}); err != nil {
				b.Fatal(err)
			}
		}
	},
	"StepUp": func(b *testing.B, svc *gatehousetest.Service, _ *tokens.Service) func() {
		user := svc.Enroll(b, ada)
		return func() {
			if _, err := svc.StepUp(context.Background(), gatehouse.Session{Account: ada}, user.Code()); err != nil {
				b.Fatal(err)
			}
		}
	},
}

// BenchmarkRatio has the lanes take turns, and reports how many times as long as without telemetry each takes.
func BenchmarkRatio(b *testing.B) {
	for name, prepare := range work {
		b.Run(name, func(b *testing.B) {
			calls := make([]func(), len(lanes))
			took := make([]time.Duration, len(lanes))
			for i, lane := range lanes {
				svc := gatehousetest.New(b)
				if c := lane.config(); c != nil {
					require.NoError(b, otelgatehouse.Instrument(svc.Service, *c))
				}
				scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "notes:read", Description: "Read"})
				require.NoError(b, err)
				tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: scopes})
				require.NoError(b, err)
				calls[i] = prepare(b, svc, tok)
			}
			n := 0
			for b.Loop() {
				for i := range lanes {
					began := time.Now()
					for range 100 {
						calls[i]()
					}
					took[i] += time.Since(began)
				}
				n += 100
			}
			for i, lane := range lanes {
				b.ReportMetric(float64(took[i].Nanoseconds())/float64(n), lane.name+"-ns")
				b.ReportMetric(float64(took[i])/float64(took[0]), lane.name+"-ratio")
			}
		})
	}
}
