package benchmarks_test

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/internal/integration/dbtest"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func TestMain(m *testing.M) { os.Exit(dbtest.Main(m)) }

// An answer to a challenge and a step-up cost the same calls of the store. That each of these is one
// statement is a test of internal/integration/sqlstore.
func TestOneReadAndOneWrite(t *testing.T) {
	s := gatehousetest.New(t)
	o := s.Enroll(t, "u")
	in := gatehouse.Session{Account: "u"}
	try, err := s.Before(t.Context(), "u")
	require.NoError(t, err)
	ch, err := try.Challenge(t.Context())
	require.NoError(t, err)
	var calls []string
	s.Store.Inject(func(method string) gatehousetest.Fault {
		calls = append(calls, method)
		return gatehousetest.None
	})
	for name, verify := range map[string]func(code string) (gatehouse.Verification, error){
		"Answer": func(code string) (gatehouse.Verification, error) {
			return s.Answer(t.Context(), in, ch.Token.Reveal(), code)
		},
		"StepUp": func(code string) (gatehouse.Verification, error) { return s.StepUp(t.Context(), in, code) },
	} {
		calls = nil
		_, err := verify(o.Code())
		require.NoError(t, err, name)
		require.Equal(t, []string{"LoadAccount", "SaveAccount"}, calls, name)
	}
}

// BenchmarkStore is a TOTP code that StepUp checks and saves, beside the bare statements that a
// program cannot do without if it is to save anything. GATEHOUSE_BENCH_ACCOUNTS, a multiple of 1000,
// adds a table of so many accounts.
func BenchmarkStore(b *testing.B) {
	sizes := []int{1000}
	if text := os.Getenv("GATEHOUSE_BENCH_ACCOUNTS"); text != "" {
		n, err := strconv.Atoi(text)
		require.NoError(b, err)
		sizes = append(sizes, n)
	}
	for _, size := range sizes {
		b.Run(fmt.Sprintf("accounts=%d", size), func(b *testing.B) {
			p := enroll(b, size)
			for _, d := range databases {
				b.Run(d.name, func(b *testing.B) {
					db, store := d.new(b)
					r := newRivals(b, db, d.dialect, store, p)
					for _, n := range goroutines {
						b.Run(fmt.Sprintf("goroutines=%d", n), func(b *testing.B) { r.compare(b, n) })
					}
				})
			}
		})
	}
}

var goroutines = []int{1, 16}

// databases are those there are tables for.
var databases = []database{
	{"postgres", sqlstore.PostgreSQL, func(tb testing.TB) (string, string) {
		s := dbtest.Postgres(tb)
		return s.Driver(), s.Database(tb)
	}},
	{"mariadb", sqlstore.MySQL, func(tb testing.TB) (string, string) {
		s := dbtest.MySQL(tb)
		return s.Driver(), s.Database(tb)
	}},
	{"sqlite", sqlstore.SQLite, func(tb testing.TB) (string, string) { return "sqlite3", dbtest.SQLite(tb) }},
}

type database struct {
	name    string
	dialect sqlstore.Dialect
	source  func(testing.TB) (driver, dsn string)
}

// new makes a database with a store's empty tables, and keeps as many connections as are used at once.
func (d database) new(tb testing.TB) (*sql.DB, *sqlstore.Store) {
	tb.Helper()
	db, err := sql.Open(d.source(tb))
	require.NoError(tb, err)
	tb.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(slices.Max(goroutines))
	db.SetMaxIdleConns(slices.Max(goroutines))
	store, err := sqlstore.New(db, d.dialect, sqlstore.Options{})
	require.NoError(tb, err)
	require.NoError(tb, store.Migrate(tb.Context()))
	return db, store
}

// rivals is a service and bare statements on the same table and the same connections.
type rivals struct {
	population
	svc  *gatehouse.Service
	bare *statements
	now  *atomic.Int64 // seconds since 1970
	turn int           // which owner comes next
}

func newRivals(tb testing.TB, db *sql.DB, d sqlstore.Dialect, store *sqlstore.Store, p population) *rivals {
	tb.Helper()
	p.fill(tb, db, d, store)

	r := &rivals{population: p, bare: newStatements(tb, db, d), now: new(atomic.Int64)}
	r.now.Store(p.at.Unix())
	var err error
	r.svc, err = gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: p.keys, Now: func() time.Time { return time.Unix(r.now.Load(), 0) },
	})
	require.NoError(tb, err)
	var warm side // statements are prepared on each connection
	r.round(tb, &warm, &warm, block, slices.Max(goroutines))
	return r
}

// block is how many calls of one kind come before as many of the other: so few that both meet the
// same machine, so many that 16 goroutines are busy most of the time.
const block = 256

// compare measures b.N calls of each kind and reports their latencies.
func (r *rivals) compare(b *testing.B, goroutines int) {
	var bare, ours side
	for left := b.N; left > 0; left -= block {
		r.round(b, &bare, &ours, min(block, left), goroutines)
	}
	report(b, &bare, &ours)
}

// round has n owners give a code each, and as many accounts go through the bare statements. An owner
// comes at most once a round, as time stands still in it.
func (r *rivals) round(tb testing.TB, bare, ours *side, n, goroutines int) {
	ctx := tb.Context()
	r.now.Add(int64(apart / time.Second))
	owners, codes, spares := make([]owner, n), make([]string, n), make([]string, n)
	for i := range owners {
		owners[i] = r.owners[(r.turn+i)%len(r.owners)]
		codes[i] = owners[i].app.Code(time.Unix(r.now.Load(), 0))
		// Not that of this owner: its page would be in the cache when the owner's turn comes.
		spares[i] = r.owners[(r.turn+i+len(r.owners)/2)%len(r.owners)].spare
	}
	r.turn += n
	bare.run(tb, n, goroutines, func(i int) error { return r.bare.change(ctx, spares[i]) })
	ours.run(tb, n, goroutines, func(i int) error {
		_, err := r.svc.StepUp(ctx, gatehouse.Session{Account: owners[i].id}, codes[i])
		return err
	})
}

// side is what calls of one kind took.
type side struct {
	took []time.Duration // each
	busy time.Duration   // all of them, side by side as they were
}

func (s *side) run(tb testing.TB, n, goroutines int, call func(i int) error) {
	took := make([]time.Duration, n)
	var next atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range goroutines {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				begin := time.Now()
				if err := call(i); err != nil {
					tb.Error(err)
				}
				took[i] = time.Since(begin)
			}
		})
	}
	wg.Wait()
	s.busy += time.Since(begin)
	s.took = append(s.took, took...)
}

// at returns the latency that a share of the calls, in percent, did not exceed.
func (s *side) at(percent int) time.Duration {
	slices.Sort(s.took)
	return s.took[(len(s.took)-1)*percent/100]
}

func (s *side) median() time.Duration { return s.at(50) }

// report has the latencies of both sides, and how many times those of the bare statements ours are.
func report(b *testing.B, bare, ours *side) {
	b.ReportMetric(0, "ns/op") // of both together, which is no use to anybody
	bare.report(b, "bare-")
	ours.report(b, "")
	b.ReportMetric(float64(ours.median())/float64(bare.median()), "x-median")
	b.ReportMetric(float64(ours.busy)/float64(bare.busy), "x-time")
}

func (s *side) report(b *testing.B, prefix string) {
	b.ReportMetric(float64(s.median()), prefix+"median-ns")
	b.ReportMetric(float64(s.at(99)), prefix+"p99-ns")
	b.ReportMetric(float64(s.at(100)), prefix+"worst-ns")
}
