package otelgatehouse_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/storage"
)

// allowed has every value that an attribute may have, by its key. A value that is in none of the lists may be anything,
// so an account as well.
func allowed(t testing.TB) map[string][]string {
	store := reflect.TypeFor[storage.Store]()
	var operations, kinds []string
	for i := range store.NumMethod() {
		operations = append(operations, store.Method(i).Name)
	}
	for _, kind := range event.Kinds() {
		kinds = append(kinds, string(kind))
	}
	errors := []string{
		"panic", "denied", "gate_closed", "step_up_required", "second_factor_missing", "unsure", "retry_transaction", "busy",
		"record_unreadable", "precondition", "not_found", "conflict", "canceled", "timeout", "invalid", "_OTHER",
	}
	return map[string][]string{
		"gatehouse.call":          calls(t, "..", "../tokens", "../posture", "../passkey", "../notify"),
		"gatehouse.event.kind":    kinds,
		"gatehouse.method":        {"totp", "recovery_code", "operator_code", "passkey", "password", "provider"},
		"gatehouse.purpose":       {"sign_in", "step_up", "resync", "reset"},
		"gatehouse.argon2id.kind": {"try", "make"},
		"gatehouse.outcome": append([]string{
			"accepted", "unprotected", "stale_challenge", "locked", "suspended", "malformed", "wrong", "replayed", "used",
			"active", "in_grace", "unknown", "revoked", "expired", "not_yet_valid", "reused", "elsewhere",
			"needs_second_factor", "first_factor_only", "account_suspended",
		}, errors...),
		"error.type":        errors,
		"db.operation.name": operations,
		"db.system.name":    {"postgresql"},
	}
}

func labelsOf(set []attribute.KeyValue) map[string]string {
	as := map[string]string{}
	for _, kv := range set {
		as[string(kv.Key)] = kv.Value.AsString()
	}
	return as
}

// silent looks through all that was exported.
func (h *house) silent() {
	h.t.Helper()
	h.take()
	may := allowed(h.t)
	check := func(where string, set []attribute.KeyValue) {
		for _, kv := range set {
			require.Contains(h.t, may, string(kv.Key), where)
			require.Equal(h.t, attribute.STRING, kv.Value.Type(), where)
			if !slices.Contains(may[string(kv.Key)], kv.Value.AsString()) {
				h.t.Fatalf("%s: %s is %q", where, kv.Key, kv.Value.AsString())
			}
		}
	}
	names := slices.Concat(may["gatehouse.call"], []string{"argon2id.wait", "argon2id.run"})
	for _, op := range may["db.operation.name"] {
		names = append(names, "storage.Store."+op)
	}
	require.NotEmpty(h.t, h.seen)
	for _, s := range h.seen {
		require.Contains(h.t, names, s.Name())
		check(s.Name(), s.Attributes())
		require.Empty(h.t, s.Events())
		require.Empty(h.t, s.Links())
		require.Empty(h.t, s.Status().Description)
		require.Equal(h.t, trace.SpanKindInternal, s.SpanKind())
		require.Equal(h.t, "github.com/gatehouse-go/gatehouse/otelgatehouse", s.InstrumentationScope().Name)
		require.Empty(h.t, h.leaks(fmt.Sprintf("%+v", tracetest.SpanStubFromReadOnlySpan(s))), s.Name())
	}
	var rm metricdata.ResourceMetrics
	require.NoError(h.t, h.reader.Collect(context.Background(), &rm))
	for _, p := range h.points() {
		for key, value := range p.labels {
			check(p.metric, []attribute.KeyValue{attribute.String(key, value)})
		}
	}
	require.Empty(h.t, h.leaks(fmt.Sprintf("%+v", rm)))
}

// The canary is found where it is: otherwise the other tests show nothing.
func TestCanaryIsFound(t *testing.T) {
	h := newHouse(t).fill()
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("x")
	for _, value := range append([]string{ada, address, canary + " token"}, h.hidden...) {
		spans.Reset()
		_, span := tracer.Start(t.Context(), "x", trace.WithAttributes(attribute.String("x", "of "+value)))
		span.End()
		require.NotEmpty(t, h.leaks(fmt.Sprintf("%+v", spans.GetSpans()[0])), value)
	}
	require.Greater(t, len(h.hidden), 15)
}

// The documentation lists every metric, and every value that an attribute may have but for those that it names a list of.
func TestDocs(t *testing.T) {
	page, err := os.ReadFile("../docs/telemetry.md")
	require.NoError(t, err)
	text := string(page)
	h := newHouse(t).fill()
	h.observeLag()
	_ = second(h.tokens.Check(h.ctx(), canary, netip.Addr{}))
	metrics := map[string]bool{}
	for _, p := range h.points() {
		metrics[p.metric] = true
	}
	require.Len(t, metrics, 17)
	for metric := range metrics {
		require.True(t, strings.Contains(text, "| `"+metric+"` |"), metric)
	}
	for key, values := range allowed(t) {
		require.True(t, strings.Contains(text, "| `"+key+"`"), key)
		switch key {
		case "gatehouse.call", "gatehouse.event.kind", "db.operation.name":
			continue
		}
		for _, value := range values {
			require.True(t, strings.Contains(text, "`"+value+"`"), "%s: %s", key, value)
		}
	}
	_, listed, _ := strings.Cut(text, "\n## Attributes\n")
	listed, _, _ = strings.Cut(listed, "\nNames are")
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)`[^|]*\\|(.*)\\|$").FindAllStringSubmatch(listed, -1) {
		for _, value := range regexp.MustCompile("`([a-z_A-Z]+)`").FindAllStringSubmatch(row[2], -1) {
			if !strings.Contains("Answer RedeemOperatorCode", value[1]) {
				require.Contains(t, allowed(t)[row[1]], value[1])
			}
		}
	}
}
