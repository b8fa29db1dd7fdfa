// Package migrate brings accounts that have two-factor in another system: a loop over a whole table, and what reads the
// records of systems that are often left. Copy what you need; docs/migrate.md goes through it.
package migrate

import (
	"context"
	"database/sql"
	"encoding/csv"
	"errors"
	"fmt"
	"time"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/storage"
)

// Run brings every account of the old table from after an ID, "" for the first. With dry it changes nothing and reports
// what would be done. The error is a fault, and names the account to go on after; running it from the start is as good.
func Run(ctx context.Context, old *sql.DB, query, after string, store storage.Store, config gatehouse.Config, dry bool,
	report *Report) error {
	if dry {
		store, config.Observer = unchanged{store}, nil
	}
	svc, err := gatehouse.New(store, config)
	if err != nil {
		return err
	}
	operator := svc.Operator("migration").Because("moved from the old system")
	for user, err := range users(ctx, old, query, after) {
		if err != nil {
			return fmt.Errorf("after %q: %w", after, err)
		}
		result, err := operator.Import(ctx, user.ID, user.Import())
		if err != nil && !errors.Is(err, gatehouse.ErrInvalid) && !errors.Is(err, gatehouse.ErrPrecondition) {
			return fmt.Errorf("after %q: %w", after, err)
		}
		if err := report.Add(user.ID, result, err); err != nil {
			return fmt.Errorf("after %q: %w", after, err)
		}
		after = user.ID
	}
	return nil
}

// unchanged is a store to which nothing is written.
type unchanged struct{ storage.Store }

func (unchanged) SaveAccount(context.Context, storage.Record, int64) error { return nil }

// Report says what became of each account. Lines holds no secret. Codes has the operator's code of each account that
// was closed: it opens the account together with the password, so keep it as you keep the keys.
type Report struct {
	Lines, Codes *csv.Writer
	Counts       map[string]int // accounts by outcome
}

// Add writes the lines of one account. Both are flushed, so that nothing is lost if the next account ends the run.
func (r *Report) Add(account string, result gatehouse.ImportResult, refused error) error {
	outcome, why := outcomeOf(result), ""
	if refused != nil {
		outcome, why = "refused", refused.Error()
	}
	r.Counts[outcome]++
	if !result.Code.IsZero() {
		if err := line(r.Codes, account, result.Code.Reveal(), result.CodeExpires.Format(time.RFC3339)); err != nil {
			return fmt.Errorf("%q is closed and its code is lost, reset it: %w", account, err)
		}
	}
	return line(r.Lines, account, outcome, fmt.Sprint(result.Authenticators), fmt.Sprint(result.RecoveryCodes), why)
}

func line(w *csv.Writer, fields ...string) error {
	if err := w.Write(fields); err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

// outcomeOf sums an account up: imported, partly (look at it), there (it was imported before) or closed.
func outcomeOf(result gatehouse.ImportResult) string {
	added, left := 0, 0
	for _, part := range append(result.Authenticators, result.RecoveryCodes...) {
		switch {
		case part.Brought():
			added++
		case part != "there" && part != "has_codes" && part != "duplicate":
			left++
		}
	}
	switch {
	case result.Closed:
		return "closed"
	case left > 0:
		return "partly"
	case added > 0:
		return "imported"
	}
	return "there"
}
