package dashboard_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	prom "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/otelgatehouse"
	"github.com/gatehouse-go/gatehouse/tokens"
)

// scraped lets a service live, and scrapes it twice with a minute between.
func scraped(t *testing.T) *database {
	t.Helper()
	registry := prom.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(registry))
	require.NoError(t, err)
	svc := gatehousetest.New(t, func(c *gatehouse.Config) { c.Notices = true })
	config := otelgatehouse.Config{MeterProvider: sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))}
	require.NoError(t, otelgatehouse.Instrument(svc.Service, config))
	notices, err := notify.New(svc.Service, notify.Config{})
	require.NoError(t, err)
	require.NoError(t, otelgatehouse.ObserveLag(notices, config))
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "notes:read", Description: "Read"})
	require.NoError(t, err)
	tok, err := tokens.New(svc.Service, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(t, err)

	db := &database{series: map[string]*series{}, labels: map[string][]string{}}
	for i, at := range []time.Time{gatehousetest.Start, gatehousetest.Start.Add(time.Minute)} {
		live(t, svc, tok, fmt.Sprint("user-", i))
		deliver(t, notices)
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			db.add(f, at)
		}
		db.at = at
	}
	return db
}

// live has in it what the dashboard shows.
func live(t *testing.T, svc *gatehousetest.Service, tok *tokens.Service, account string) {
	t.Helper()
	ctx := context.Background()
	user := svc.Enroll(t, account)
	for range 3 {
		_, err := svc.Answer(ctx, gatehouse.Session{}, svc.Challenge(t, account).Token.Reveal(), user.Code())
		require.NoError(t, err)
	}
	_, err := svc.StepUp(ctx, gatehouse.Session{Account: account}, user.RecoveryCodes[0].Reveal())
	require.NoError(t, err)
	m, err := tok.Mint(ctx, user.StepUp(t), tokens.Request{Name: "ci", Scopes: tokens.Scopes{"notes:read"}})
	require.NoError(t, err)
	for _, text := range []string{m.Token.Reveal(), "none"} {
		_, _ = tok.Check(ctx, text, netip.Addr{})
	}
	svc.Store.Inject(gatehousetest.On("LoadAccount", gatehousetest.Fail))
	_, err = svc.Account(ctx, account)
	require.ErrorIs(t, err, gatehousetest.ErrFault)
	svc.Store.Inject(nil)
	var wg sync.WaitGroup
	for range 8 {
		challenge := svc.Challenge(t, account).Token.Reveal()
		wg.Go(func() { _, _ = svc.Answer(ctx, gatehouse.Session{}, challenge, "000000") })
	}
	wg.Wait()
}

// deliver tries to deliver one notice, and fails.
func deliver(t *testing.T, notices *notify.Service) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	err := notices.Drain(ctx, notify.SinkFunc(func(context.Context, event.Notice) error {
		cancel()
		return errors.New("no mail")
	}))
	require.ErrorIs(t, err, context.Canceled)
}

// database has what was scraped, as Prometheus keeps it.
type database struct {
	at     time.Time
	series map[string]*series
	labels map[string][]string // the names of labels, by that of the series
}

type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// add keeps the metrics of a family. A histogram is three kinds of series, as in the text that is scraped.
func (db *database) add(f *dto.MetricFamily, at time.Time) {
	for _, m := range f.Metric {
		own := labels.NewScratchBuilder(0)
		own.Add("job", "app")
		own.Add("instance", "app:9090")
		for _, l := range m.Label {
			own.Add(l.GetName(), l.GetValue())
		}
		own.Sort()
		switch set := own.Labels(); {
		case m.Counter != nil:
			db.sample(f.GetName(), set, at, m.Counter.GetValue())
		case m.Gauge != nil:
			db.sample(f.GetName(), set, at, m.Gauge.GetValue())
		case m.Histogram != nil:
			db.sample(f.GetName()+"_count", set, at, float64(m.Histogram.GetSampleCount()))
			db.sample(f.GetName()+"_sum", set, at, m.Histogram.GetSampleSum())
			for _, b := range m.Histogram.Bucket {
				db.sample(f.GetName()+"_bucket", with(set, "le", fmt.Sprint(b.GetUpperBound())), at, float64(b.GetCumulativeCount()))
			}
			db.sample(f.GetName()+"_bucket", with(set, "le", "+Inf"), at, float64(m.Histogram.GetSampleCount()))
		}
	}
}

func with(set labels.Labels, name, value string) labels.Labels {
	return labels.NewBuilder(set).Set(name, value).Labels()
}

func (db *database) sample(name string, set labels.Labels, at time.Time, value float64) {
	if name == "target_info" {
		return // of the exporter
	}
	set = with(set, model.MetricNameLabel, name)
	s := db.series[set.String()]
	if s == nil {
		s = &series{labels: set}
		db.series[set.String()] = s
	}
	s.samples = append(s.samples, sample{at.UnixMilli(), value})
	set.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && !slices.Contains(db.labels[name], l.Name) {
			db.labels[name] = append(db.labels[name], l.Name)
		}
	})
}

// sample implements chunks.Sample.
type sample struct {
	t int64
	v float64
}

func (s sample) ST() int64                     { return 0 }
func (s sample) T() int64                      { return s.t }
func (s sample) F() float64                    { return s.v }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// Querier implements storage.Queryable.
func (db *database) Querier(int64, int64) (storage.Querier, error) { return querier{db: db}, nil }

type querier struct {
	storage.LabelQuerier
	db *database
}

func (q querier) Close() error { return nil }

func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	found := &set{}
	for _, s := range q.db.series {
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(s.labels.Get(m.Name)) }) {
			found.series = append(found.series, s)
		}
	}
	return found
}

// set implements storage.SeriesSet.
type set struct {
	series []*series
	at     int
}

func (s *set) Next() bool {
	s.at++
	return s.at <= len(s.series)
}

func (s *set) At() storage.Series {
	of := s.series[s.at-1]
	return storage.NewListSeries(of.labels, of.samples)
}

func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }
