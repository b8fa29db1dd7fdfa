package otelgatehouse

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/notify"
)

// lagTimeout is how long a collection of metrics waits for the store.
const lagTimeout = 10 * time.Second

// ObserveLag has each collection of metrics say how far the delivery of notices is behind, of all processes together: have
// one of them do it. It reads the accounts that have something to be told. Where that fails, or takes over 10 seconds,
// nothing is said of it.
func ObserveLag(n *notify.Service, c Config) error {
	if n == nil {
		return fmt.Errorf("%w: no notices", gatehouse.ErrInvalid)
	}
	meter := c.meter()
	var all error
	gauge := func(name, unit, description string) metric.Int64ObservableGauge {
		g, err := meter.Int64ObservableGauge(name, metric.WithUnit(unit), metric.WithDescription(description))
		all = errors.Join(all, err)
		return g
	}
	pending := gauge("gatehouse.notices.pending", "{notice}", "Notices that owners have not been told.")
	accounts := gauge("gatehouse.notices.pending_accounts", "{account}", "Accounts that have notices waiting.")
	broken := gauge("gatehouse.notices.broken_accounts", "{account}", "Accounts of which the notices cannot be read.")
	age, err := meter.Float64ObservableGauge("gatehouse.notices.oldest_age", metric.WithUnit("s"),
		metric.WithDescription("How long the oldest notice has waited."))
	if err := errors.Join(all, err); err != nil {
		return err
	}
	_, err = meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		ctx, cancel := context.WithTimeout(ctx, lagTimeout)
		defer cancel()
		lag, err := n.Lag(ctx)
		if err != nil {
			return nil // its span and its measurement say so; an error here would have a text
		}
		o.ObserveInt64(pending, int64(lag.Notices))
		o.ObserveInt64(accounts, int64(lag.Accounts))
		o.ObserveInt64(broken, int64(lag.Broken))
		waited := 0.0
		if !lag.Oldest.IsZero() {
			waited = max(time.Since(lag.Oldest).Seconds(), 0)
		}
		o.ObserveFloat64(age, waited)
		return nil
	}, pending, accounts, broken, age)
	return err
}
