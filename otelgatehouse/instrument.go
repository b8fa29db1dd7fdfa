package otelgatehouse

import (
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/internal/engine"
)

// scope is the name of the instrumentation.
const scope = "github.com/gatehouse-go/gatehouse/otelgatehouse"

// Config says where spans and metrics go.
type Config struct {
	// TracerProvider takes the spans. Defaults to the global one.
	TracerProvider trace.TracerProvider

	// MeterProvider takes the metrics. Defaults to the global one.
	MeterProvider metric.MeterProvider

	// Database is the system that the store is on, as db.system.name has it: "postgresql", "mysql", "mariadb", "sqlite".
	// Defaults to saying nothing of it.
	Database string
}

func (c Config) meter() metric.Meter {
	if c.MeterProvider == nil {
		c.MeterProvider = otel.GetMeterProvider()
	}
	return c.MeterProvider.Meter(scope, metric.WithSchemaURL(semconv.SchemaURL))
}

// Instrument has OpenTelemetry see all that a Service does, and the tokens, postures and passkeys on it. Call it once,
// right after gatehouse.New: ErrInvalid says that the Service was in use before, or is instrumented already. It lasts as
// long as the process.
func Instrument(svc *gatehouse.Service, c Config) error {
	e := engine.Of(svc)
	if e == nil {
		return fmt.Errorf("%w: no service", gatehouse.ErrInvalid)
	}
	if c.TracerProvider == nil {
		c.TracerProvider = otel.GetTracerProvider()
	}
	meter := c.meter()
	m, err := newMetrics(meter)
	if err != nil {
		return err
	}
	w := &watcher{
		metrics:  m,
		tracer:   c.TracerProvider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		database: c.Database,
	}
	if err := e.Watch(w); err != nil {
		return err
	}
	return observe(meter, svc)
}
