package notify

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/internal/engine"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Sink takes notices to the owners of accounts.
type Sink interface {
	// Deliver tells the owner of n.AccountID. An error says that they were not told, and it is tried again, until it is
	// nil: also if ctx has ended, or it has panicked. It is called for several accounts at once, and must return when ctx
	// ends: an account of which a call has not returned is not tried again in this process.
	Deliver(ctx context.Context, n event.Notice) error
}

// SinkFunc is a function as a Sink.
type SinkFunc func(ctx context.Context, n event.Notice) error

// Deliver calls f.
func (f SinkFunc) Deliver(ctx context.Context, n event.Notice) error { return f(ctx, n) }

// Config says how notices are delivered.
type Config struct {
	// Every is how long Drain waits before it looks for notices again; 100 ms at least. Defaults to 5 seconds.
	Every time.Duration
	// Timeout is how long a Sink has for one notice, a second to ten minutes. Defaults to 30 seconds.
	Timeout time.Duration
	// Parallel is to how many accounts one Drain delivers at once, at most 64. Defaults to 8.
	Parallel int
	// Faults is told once for each time that an account could not be told, with the error of the Sink, or that the accounts
	// could not be listed. Defaults to slog.Default.
	Faults *slog.Logger
}

func (c *Config) settle() error {
	if c.Every == 0 {
		c.Every = 5 * time.Second
	}
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.Parallel == 0 {
		c.Parallel = 8
	}
	if c.Faults == nil {
		c.Faults = slog.Default()
	}
	if c.Every < 100*time.Millisecond || c.Timeout < time.Second || c.Timeout > 10*time.Minute || c.Parallel < 0 || c.Parallel > maxParallel {
		return fmt.Errorf("%w: notify.Config has something out of bounds", gatehouse.ErrInvalid)
	}
	return nil
}

const maxParallel = 64

// Service delivers the notices of the accounts of a gatehouse.Service. It is safe for concurrent use.
type Service struct {
	e *engine.Engine
	c Config
}

// New returns a Service. It is ErrInvalid if the Config has something out of bounds.
func New(svc *gatehouse.Service, c Config) (*Service, error) {
	e := engine.Of(svc)
	if e == nil {
		return nil, fmt.Errorf("%w: no service", gatehouse.ErrInvalid)
	}
	if err := c.settle(); err != nil {
		return nil, err
	}
	return &Service{e: e, c: c}, nil
}

// Lag is how far delivery is behind.
type Lag struct {
	Accounts int       `json:"accounts"` // that have something to be told
	Notices  int       `json:"notices"`
	Oldest   time.Time `json:"oldest"` // since when the oldest waits; zero: nothing waits
	Broken   int       `json:"broken"` // accounts that cannot be read, so that nobody is told
}

// Lag returns how far delivery is behind, for metrics and alerts. It reads each account that has something to be told.
func (s *Service) Lag(ctx context.Context) (_ Lag, err error) {
	defer s.e.Begin(&ctx, "notify.Service.Lag").End(&err)
	var lag Lag
	err = s.each(ctx, "", func(rec storage.Record) error {
		lag.Accounts++
		if since := rec.Index.Unsent; lag.Oldest.IsZero() || since.Before(lag.Oldest) {
			lag.Oldest = since
		}
		a, err := core.Decode(rec.ID, rec.Data)
		if err != nil {
			lag.Broken++
		}
		lag.Notices += len(a.Notices)
		return nil
	})
	return lag, err
}

const pageSize = 100

// each calls f with every account after a cursor that has something to be told, until it returns an error.
func (s *Service) each(ctx context.Context, cursor string, f func(storage.Record) error) error {
	for {
		page, err := engine.Retry(ctx, func() (storage.Page[storage.Record], error) { return s.e.Store.UnsentAccounts(ctx, cursor, pageSize) })
		if err != nil {
			return fmt.Errorf("gatehouse: list accounts with notices: %w", err)
		}
		for _, rec := range page.Records {
			if err := f(rec); err != nil {
				return err
			}
			cursor = rec.ID
		}
		if !page.More {
			return nil
		}
	}
}
