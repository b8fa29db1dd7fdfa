//go:build linux

package benchmarks_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/notify"
	"github.com/gatehouse-go/gatehouse/posture"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/tokens"
	"github.com/gatehouse-go/gatehouse/totp"
)

// TestCost counts what each kind of operation takes of a database: statements, rows, bytes of its log and time on
// processors, ours and the server's. docs/scale.md has the figures, of GATEHOUSE_COST=1000 operations of each kind among
// GATEHOUSE_BENCH_ACCOUNTS=100000; without them there are a few, and what the design promises of statements and rows is
// required of them.
func TestCost(t *testing.T) {
	n, size := 20, chunk
	for name, to := range map[string]*int{"GATEHOUSE_COST": &n, "GATEHOUSE_BENCH_ACCOUNTS": &size} {
		if text := os.Getenv(name); text != "" {
			_, err := fmt.Sscan(text, to)
			require.NoError(t, err)
		}
	}
	require.LessOrEqual(t, 2*n, size)
	p := enroll(t, size)
	for _, d := range databases {
		t.Run(d.name, func(t *testing.T) {
			h := newCosts(t, d, p)
			t.Logf("%d of each kind, of which each has:\n%-28s %10s %5s %8s %10s %8s %8s", n, "", "statements", "read", "written", "log bytes", "our µs", "its µs")
			for _, op := range h.operations(n) {
				c := h.measure(t, n, op.images, op.run)
				t.Logf("%-28s %10.2f %5.2f %8.2f %10.0f %8.0f %8.0f", op.name, c.statements, c.read, c.written, c.log, c.ours, c.its)
				if op.name == "sign-in" && d.dialect == sqlstore.SQLite {
					require.Less(t, c.log, 2*4096.0, "the row's page and no index's")
				}
				if op.writes >= 0 && d.dialect == sqlstore.MySQL { // PostgreSQL counts what begins a session as well
					require.InDelta(t, op.reads+op.writes, c.statements, 0.01, op.name)
					require.InDelta(t, op.writes, c.written, 0.01, op.name)
				}
			}
			h.meter.sizes(t, h.db, p.size)
		})
	}
}

// costs are a service on a database, with owners who have signed in for some time.
type costs struct {
	population
	db    *sql.DB
	meter meter
	now   *atomic.Int64
	svc   *gatehouse.Service
	tok   *tokens.Service
	pos   *posture.Service
	told  *gatehouse.Service // with notices
	notes *notify.Service

	sessions []gatehouse.Session // of the owners, once they have signed in
	minted   []string            // tokens
}

func newCosts(t *testing.T, d database, p population) *costs {
	h := &costs{population: p, now: new(atomic.Int64)}
	db, store := d.new(t)
	db.SetMaxOpenConns(1)
	h.db, h.meter = db, newMeter(t, d, db)
	p.fill(t, db, d.dialect, store)
	h.now.Store(p.at.Unix())
	config := gatehouse.Config{
		Issuer: "Acme", Keys: p.keys, Now: func() time.Time { return time.Unix(h.now.Load(), 0) }, Recovery: gatehousetest.CheapRecovery(),
	}
	var err error
	h.svc, err = gatehouse.New(store, config)
	require.NoError(t, err)
	scopes, err := tokens.NewRegistry(tokens.ScopeInfo{Scope: "projects:read"})
	require.NoError(t, err)
	h.tok, err = tokens.New(h.svc, tokens.Policy{Brand: "acme", Scopes: scopes})
	require.NoError(t, err)
	model, err := posture.NewModel(posture.ModelConfig{})
	require.NoError(t, err)
	gates, err := posture.NewPolicy(model, posture.Gate{Action: "deploy.public", Controls: []string{posture.SecondFactor}})
	require.NoError(t, err)
	h.pos, err = posture.New(h.svc, posture.Config{Policy: gates, Tokens: h.tok})
	require.NoError(t, err)
	config.Notices = true
	h.told, err = gatehouse.New(store, config)
	require.NoError(t, err)
	h.notes, err = notify.New(h.told, notify.Config{Every: 100 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.svc.Close(context.Background()) })
	return h
}

// operation is one kind. reads and writes are how many statements of each the design has for it; a negative number is
// none that is fixed.
type operation struct {
	name          string
	reads, writes float64
	images        bool // right after a checkpoint, when PostgreSQL logs whole pages
	run           func(ctx context.Context, i int) error
}

func (h *costs) operations(n int) []operation {
	h.sessions, h.minted = make([]gatehouse.Session, n), make([]string, n)
	ids := make([]string, n)
	return []operation{
		{"sign-in, after a checkpoint", 3, 1, true, h.signIn},
		{"sign-in", 3, 1, false, h.signIn},
		{"a wrong code", 1, 1, false, func(ctx context.Context, i int) error {
			_, err := h.svc.StepUp(ctx, gatehouse.Session{Account: h.owners[i].id}, "000000")
			return denied(err)
		}},
		{"sign-in by recovery code", 5, 1, false, func(ctx context.Context, i int) error {
			_, err := h.answer(ctx, h.owners[i].id, h.owners[i].recovery)
			return err
		}},
		{"check of a session", 1, 0, false, func(ctx context.Context, i int) error {
			_, err := h.svc.CheckProof(ctx, h.sessions[i], time.Hour)
			return err
		}},
		{"token made", -1, -1, false, func(ctx context.Context, i int) error {
			m, err := h.tok.Mint(ctx, h.sessions[i], tokens.Request{Name: "ci", Scopes: tokens.Scopes{"projects:read"}})
			h.minted[i], ids[i] = m.Token.Reveal(), m.Info.ID
			return err
		}},
		{"token check", 1, 0, false, func(ctx context.Context, i int) error {
			_, err := h.tok.Check(ctx, h.minted[i], netip.Addr{})
			return err
		}},
		{"token revoked", -1, -1, false, func(ctx context.Context, i int) error { return h.tok.Revoke(ctx, h.sessions[i], ids[i]) }},
		{"review", 2, 0, false, func(ctx context.Context, i int) error {
			_, err := h.pos.Review(ctx, h.owners[i].id)
			return err
		}},
		{"new password", 1, 1, false, func(ctx context.Context, i int) error {
			return h.svc.Operator("support").PasswordChanged(ctx, h.owners[i].id, gatehouse.KeepTokens)
		}},
		{"suspended, with a notice", 1, 1, false, func(ctx context.Context, i int) error {
			return h.told.Operator("support").Suspend(ctx, h.owners[i].id)
		}},
		{"notice delivered", -1, -1, false, h.deliver(n)},
		{"enrollment", -1, -1, false, h.enrollment},
		{"account deleted", -1, -1, false, func(ctx context.Context, i int) error {
			return deleted(h.svc.Operator("support").DeleteAccount(ctx, fmt.Sprint("new-", i)))
		}},
	}
}

func denied(err error) error {
	if errors.Is(err, gatehouse.ErrDenied) {
		return nil
	}
	return fmt.Errorf("not denied: %w", err)
}

func (h *costs) signIn(ctx context.Context, i int) (err error) {
	h.sessions[i], err = h.answer(ctx, h.owners[i].id, h.owners[i].app.Code(time.Unix(h.now.Load(), 0)))
	return err
}

// answer is a sign-in without the host's part of it.
func (h *costs) answer(ctx context.Context, account, code string) (gatehouse.Session, error) {
	try, err := h.svc.Before(ctx, account)
	if err != nil {
		return gatehouse.Session{}, err
	}
	ch, err := try.Challenge(ctx)
	if err != nil {
		return gatehouse.Session{}, err
	}
	v, err := h.svc.Answer(ctx, gatehouse.Session{Account: account, Secret: "the secret of " + account}, ch.Token.Reveal(), code)
	return v.Session, err
}

// deliver has all notices delivered by the last call, as a drain delivers what there is.
func (h *costs) deliver(n int) func(context.Context, int) error {
	return func(ctx context.Context, i int) error {
		if i < n-1 {
			return nil
		}
		ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
		defer stop()
		var done atomic.Int64
		err := h.notes.Drain(ctx, notify.SinkFunc(func(context.Context, event.Notice) error {
			if done.Add(1) == int64(n) {
				time.AfterFunc(time.Second, stop) // what was delivered is noted yet
			}
			return nil
		}))
		if told := done.Load(); told < int64(n) {
			return fmt.Errorf("%d told: %w", told, err)
		}
		return nil
	}
}

// enrollment is from the password to an app with recovery codes that are acknowledged.
func (h *costs) enrollment(ctx context.Context, i int) error {
	in := gatehouse.Session{Account: fmt.Sprint("new-", i), Secret: fmt.Sprint("the secret of new-", i)}
	try, err := h.svc.Before(ctx, in.Account)
	if err != nil {
		return err
	}
	if in.Proof, err = try.Vouch(ctx, in, gatehouse.FirstFactor{Method: "pwd", At: time.Unix(h.now.Load(), 0)}); err != nil {
		return err
	}
	enr, err := h.svc.Owner(in).BeginEnrollment(ctx, gatehouse.EnrollmentRequest{Label: in.Account})
	if err != nil {
		return err
	}
	app, err := gatehousetest.Scan(enr.URI())
	if err != nil {
		return err
	}
	if in.Proof, err = h.svc.Owner(in).ConfirmEnrollment(ctx, enr.ID, app.Code(time.Unix(h.now.Load(), 0))); err != nil {
		return err
	}
	return h.svc.Owner(in).AcknowledgeRecoveryCodes(ctx, enr.RecoverySetID)
}

// cost is what one operation takes.
type cost struct{ statements, read, written, log, ours, its float64 }

func (h *costs) measure(t *testing.T, n int, images bool, run func(context.Context, int) error) cost {
	h.now.Add(int64(4 * totp.Period / time.Second)) // what was used up or throttled is over
	h.meter.begin(t, images)
	before := h.meter.read(t)
	for i := range n {
		require.NoError(t, run(t.Context(), i))
	}
	after := h.meter.read(t)
	each := func(f func(reading) float64) float64 { return (f(after) - f(before)) / float64(n) }
	return cost{
		statements: each(func(r reading) float64 { return r.statements }),
		read:       each(func(r reading) float64 { return r.rowsRead }),
		written:    each(func(r reading) float64 { return r.rowsWritten }),
		log:        each(func(r reading) float64 { return r.log }),
		ours:       each(func(r reading) float64 { return float64(r.ours.Microseconds()) }),
		its:        each(func(r reading) float64 { return float64(r.its.Microseconds()) }),
	}
}
