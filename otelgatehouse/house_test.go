package otelgatehouse_test

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// canary is in everything that a host names: accounts, apps, tokens, operators, reasons, sessions, and its own errors.
const canary = "canary"

const (
	ada, bob, bot = canary + "-ada", canary + "-bob", canary + "-bot"
	address       = "203.0.113.77"
	agent         = event.Agent("firefox/linux")
)

// house is an instrumented service, with one account that has everything and one that has nothing.
type house struct {
	*gatehousetest.Service
	t      testing.TB
	tokens *tokens.Service
	judge  *posture.Service
	config otelgatehouse.Config
	spans  *tracetest.InMemoryExporter
	reader *sdkmetric.ManualReader

	user      *gatehousetest.User
	account   gatehouse.Account
	set       string // ID of the recovery codes
	challenge string
	before    gatehouse.SignIn // of bob
	token     tokens.Minted
	ended     tokens.Minted
	robot     tokens.Minted
	hidden    []string // what must not go out
	seen      []sdktrace.ReadOnlySpan
}

// exporters begins to keep what is exported.
func (h *house) exporters() {
	h.spans, h.reader = tracetest.NewInMemoryExporter(), sdkmetric.NewManualReader()
}

func newHouse(t testing.TB, edit ...func(*gatehouse.Config)) *house {
	h := &house{t: t}
	h.exporters()
	h.Service = gatehousetest.New(t, edit...)
	h.config = otelgatehouse.Config{
		TracerProvider: sdktrace.NewTracerProvider(sdktrace.WithSyncer(h.spans)),
		MeterProvider:  sdkmetric.NewMeterProvider(sdkmetric.WithReader(h.reader)),
		Database:       "postgresql",
	}
	require.NoError(t, otelgatehouse.Instrument(h.Service.Service, h.config))
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "notes:read", Description: "Read"})
	require.NoError(t, err)
	h.tokens, err = tokens.New(h.Service.Service, tokens.Policy{Brand: "acme", Scopes: scopes, Addresses: true})
	require.NoError(t, err)
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	policy, err := posture.NewPolicy(model, posture.Gate{Action: "deploy", SecondFactor: true})
	require.NoError(t, err)
	h.judge, err = posture.New(h.Service.Service, posture.Config{
		Policy: policy, Tokens: h.tokens,
		Host: func(_ context.Context, account string) (posture.Host, error) {
			return posture.Host{}, fmt.Errorf("%s: the host knows nothing of %s", canary, account)
		},
	})
	require.NoError(t, err)
	return h
}

// ctx is of a request.
func (h *house) ctx() context.Context {
	return event.WithClient(context.Background(), event.Client{Address: netip.MustParseAddr(address), Agent: agent})
}

// fill makes the accounts.
func (h *house) fill() *house {
	ctx := h.ctx()
	h.user = h.Enroll(h.t, ada)
	a, err := h.Account(ctx, ada)
	require.NoError(h.t, err)
	h.account, h.set = a, a.RecoveryCodes.ID
	mint := func(life time.Duration) tokens.Minted {
		m, err := h.tokens.Mint(ctx, h.user.Session(), tokens.Request{
			Name: canary + " token", Scopes: tokens.Scopes{"notes:read"}, Lifetime: life, RotatesItself: life > time.Hour,
		})
		require.NoError(h.t, err)
		h.hide(m.Token.Reveal(), m.Info.ID)
		return m
	}
	h.ended, h.token = mint(time.Minute), mint(24*time.Hour)
	h.Wait(2 * time.Minute)
	require.NoError(h.t, h.tokens.Operator(h.op()).CreateServiceAccount(ctx, bot, ada))
	h.robot, err = h.tokens.Operator(h.op()).Mint(ctx, bot, tokens.Request{Name: canary + " robot", Scopes: tokens.Scopes{"notes:read"}, Lifetime: time.Minute})
	require.NoError(h.t, err)
	h.Wait(2 * time.Minute)
	h.user.Proof = h.user.StepUp(h.t).Proof
	h.challenge = h.Challenge(h.t, ada).Token.Reveal()
	h.before, err = h.Before(ctx, bob)
	require.NoError(h.t, err)
	for _, c := range h.user.RecoveryCodes {
		h.hide(c.Reveal())
	}
	h.hide(h.user.AuthenticatorID, h.set, h.challenge, h.user.Proof.Reveal(), h.robot.Token.Reveal(), h.robot.Info.ID)
	return h
}

func (h *house) hide(values ...string) { h.hidden = append(h.hidden, values...) }

func (h *house) op() gatehouse.Operator {
	return h.Operator(canary + " support").Because(canary + " reason")
}

func (h *house) owner() gatehouse.Owner { return h.Service.Owner(h.user.Session()) }

// code is the app's next one.
func (h *house) code() string {
	code := h.user.Code()
	h.hide(code)
	return code
}

// wrong is a code that the app does not show.
func (h *house) wrong() string {
	shown := []string{h.user.Code()}
	for i := range 5 {
		shown = append(shown, h.user.Authenticator.Code(h.Now().Add(time.Duration(i-2)*totp.Period)))
	}
	for i := 0; ; i++ {
		if code := fmt.Sprintf("%06d", 765432+i); !slices.Contains(shown, code) {
			h.hide(code)
			return code
		}
	}
}

// take returns the spans so far, and forgets them.
func (h *house) take() []sdktrace.ReadOnlySpan {
	spans := h.spans.GetSpans().Snapshots()
	h.spans.Reset()
	h.seen = append(h.seen, spans...)
	return spans
}

// named returns those of some spans that have a name.
func named(spans []sdktrace.ReadOnlySpan, name string) (of []sdktrace.ReadOnlySpan) {
	for _, s := range spans {
		if s.Name() == name {
			of = append(of, s)
		}
	}
	return of
}

func attributes(s sdktrace.ReadOnlySpan) map[string]string {
	as := map[string]string{}
	for _, kv := range s.Attributes() {
		as[string(kv.Key)] = kv.Value.AsString()
	}
	return as
}

// point is one value of a metric.
type point struct {
	metric string
	labels map[string]string
	value  int64 // how many, of a histogram
}

// points collects all metrics.
func (h *house) points() (all []point) {
	var rm metricdata.ResourceMetrics
	require.NoError(h.t, h.reader.Collect(context.Background(), &rm))
	for _, scope := range rm.ScopeMetrics {
		require.Equal(h.t, "github.com/gatehouse-go/gatehouse/otelgatehouse", scope.Scope.Name)
		for _, m := range scope.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					all = append(all, point{m.Name, labelsOf(p.Attributes.ToSlice()), p.Value})
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					all = append(all, point{m.Name, labelsOf(p.Attributes.ToSlice()), p.Value})
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					all = append(all, point{m.Name, labelsOf(p.Attributes.ToSlice()), int64(p.Value)})
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					all = append(all, point{m.Name, labelsOf(p.Attributes.ToSlice()), int64(p.Count)})
				}
			default:
				h.t.Fatalf("%s is a %T", m.Name, m.Data)
			}
		}
	}
	return all
}

// counted returns the sum of a metric's values with some labels, which are given as pairs.
func (h *house) counted(metric string, labels ...string) (sum int64) {
	for _, p := range h.points() {
		if p.metric != metric {
			continue
		}
		has := true
		for i := 0; i < len(labels); i += 2 {
			has = has && p.labels[labels[i]] == labels[i+1]
		}
		if has {
			sum += p.value
		}
	}
	return sum
}

// leaks returns what of the hidden is in a text.
func (h *house) leaks(text string) (found []string) {
	text = strings.ToLower(text)
	for _, value := range append([]string{canary, address, string(agent), gatehousetest.ErrFault.Error()}, h.hidden...) {
		if value != "" && strings.Contains(text, strings.ToLower(value)) {
			found = append(found, value)
		}
	}
	return found
}
