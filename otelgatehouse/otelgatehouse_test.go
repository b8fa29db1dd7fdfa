package otelgatehouse_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
)

// calls returns the names of all calls that packages begin, which internal/floors holds to their methods.
func calls(t testing.TB, dirs ...string) (names []string) {
	t.Helper()
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		require.NoError(t, err)
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, m := range begun.FindAllSubmatch(source, -1) {
				names = append(names, string(m[1]))
			}
		}
	}
	slices.Sort(names)
	require.NotEmpty(t, names)
	return names
}

var begun = regexp.MustCompile(`(?:\.Begin\(&ctx|engine\.Each\(ctx, \w+(?:\.\w+)*), "([\w.]+)"`)

func TestPlaysAreComplete(t *testing.T) {
	require.Equal(t, calls(t, "..", "../tokens", "../posture"), slices.Sorted(maps.Keys(plays)))
}

// Each call is one span and one measurement: as it succeeds, as the store fails at each of its calls, and as its caller
// has hung up. What it asks of the store is below it, and nothing says of whom.
func TestEveryCall(t *testing.T) {
	for name, play := range plays {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t).fill()
			call := play(h, h.ctx())
			h.take()
			before := h.counted("gatehouse.call.duration", "gatehouse.call", name)
			require.NoError(t, call(h.ctx()))
			of := named(h.take(), name)
			require.Len(t, of, 1)
			require.Equal(t, codes.Unset, of[0].Status().Code)
			require.NotContains(t, attributes(of[0]), "error.type")
			require.Equal(t, before+1, h.counted("gatehouse.call.duration", "gatehouse.call", name, "error.type", ""))
			h.silent()

			h = newHouse(t).fill()
			call = play(h, h.ctx())
			h.take()
			h.Store.Inject(func(string) gatehousetest.Fault { return gatehousetest.Fail })
			err := call(h.ctx())
			h.Store.Inject(nil)
			spans := h.take()
			of = named(spans, name)
			require.Len(t, of, 1)
			if err != nil { // some do not need the store
				require.Equal(t, codes.Error, of[0].Status().Code)
				require.Empty(t, of[0].Status().Description)
				require.Equal(t, "_OTHER", attributes(of[0])["error.type"])
				require.EqualValues(t, 1, h.counted("gatehouse.call.duration", "gatehouse.call", name, "error.type", "_OTHER"))
				below := false
				for _, s := range spans {
					if strings.HasPrefix(s.Name(), "storage.Store.") && within(spans, s, of[0]) {
						below = true
						require.Equal(t, codes.Error, s.Status().Code)
						require.Equal(t, strings.TrimPrefix(s.Name(), "storage.Store."), attributes(s)["db.operation.name"])
						require.Equal(t, "postgresql", attributes(s)["db.system.name"])
						require.Equal(t, "_OTHER", attributes(s)["error.type"])
					}
				}
				require.True(t, below)
			}
			h.silent()

			h = newHouse(t).fill()
			call = play(h, h.ctx())
			h.take()
			gone, cancel := context.WithCancel(h.ctx())
			cancel()
			if err := call(gone); err != nil {
				of := named(h.take(), name)
				require.Len(t, of, 1)
				require.Equal(t, "canceled", attributes(of[0])["error.type"])
				require.Equal(t, codes.Unset, of[0].Status().Code, "a caller who has hung up is no fault")
			}
			h.silent()
		})
	}
}

// within reports whether a span is below another one.
func within(spans []sdktrace.ReadOnlySpan, s, above sdktrace.ReadOnlySpan) bool {
	for _, p := range spans {
		if p.SpanContext().SpanID() == s.Parent().SpanID() {
			return p.SpanContext().Equal(above.SpanContext()) || within(spans, p, above)
		}
	}
	return false
}

func TestInstrumentRefuses(t *testing.T) {
	require.ErrorIs(t, otelgatehouse.Instrument(nil, otelgatehouse.Config{}), gatehouse.ErrInvalid)
	svc := gatehousetest.New(t)
	require.NoError(t, otelgatehouse.Instrument(svc.Service, otelgatehouse.Config{}))
	require.ErrorIs(t, otelgatehouse.Instrument(svc.Service, otelgatehouse.Config{}), gatehouse.ErrInvalid)
	used := gatehousetest.New(t)
	used.Enroll(t, ada)
	require.ErrorIs(t, otelgatehouse.Instrument(used.Service, otelgatehouse.Config{}), gatehouse.ErrInvalid)
}
