package benchmarks_test

import (
	"database/sql"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
	"github.com/gatehouse-go/gatehouse/totp"
)

// population is the accounts of a table. All have records of the size that one has after some
// sign-ins; some have an owner, evenly spread over the table.
type population struct {
	size   int
	owners []owner // in no order
	keys   *keyring.Ring
	at     time.Time // by when all have signed in
}

// owner has an account, and a spare one for the bare statements.
type owner struct {
	id, spare string
	app       *gatehousetest.Authenticator
	recovery  string // an unused recovery code
	record    storage.Record
}

// mostOwners have so many rows, with the spare ones, that the caches the servers have by default
// do not hold them all. Each has to be enrolled, which takes about a millisecond.
const mostOwners = 10_000

// apart is the time between two sign-ins of an owner, more than a window: steps in one window have the
// same code once in a million times, and then the later one is refused.
const apart = 4 * totp.Period

func enroll(tb testing.TB, size int) population {
	tb.Helper()
	require.Zero(tb, size%chunk)
	p := population{size: size, keys: keyring.Generate(), owners: make([]owner, min(size/2, mostOwners))}
	s := gatehousetest.New(tb, func(c *gatehouse.Config) { c.Keys, c.Observer = p.keys, nil })
	for i := range p.owners {
		room := size / len(p.owners)
		o := s.Enroll(tb, accountID(i*room))
		p.owners[i] = owner{id: o.AccountID, spare: accountID(i*room + room/2), app: o.Authenticator, recovery: o.RecoveryCodes[0].Reveal()}
	}
	for range 20 { // entries of recent activity
		s.Wait(apart)
		for _, o := range p.owners {
			_, err := s.StepUp(tb.Context(), gatehouse.Session{Account: o.id}, o.app.Code(s.Now()))
			require.NoError(tb, err)
		}
	}
	p.at = s.Now()
	for i, o := range p.owners {
		var err error
		p.owners[i].record, err = s.Store.LoadAccount(tb.Context(), o.id)
		require.NoError(tb, err)
	}
	rand.Shuffle(len(p.owners), func(i, j int) { p.owners[i], p.owners[j] = p.owners[j], p.owners[i] })
	return p
}

// chunk is how many rows are made by one statement.
const chunk = 1000

func accountID(i int) string { return fmt.Sprintf("account-%04d-%d", i/chunk, chunk+i%chunk) }

// fill makes the rows of the table: copies of one record, which nobody could sign in with as
// secrets are sealed for their account, and then the owners' own.
func (p population) fill(tb testing.TB, db *sql.DB, d sqlstore.Dialect, store storage.Store) {
	tb.Helper()
	ctx := tb.Context()
	model := p.owners[0].record
	model.ID = "model"
	require.NoError(tb, store.SaveAccount(ctx, model, 0))
	const columns = "version, data, authenticators, passkeys, codes_left, locked_until, disabled, suspended, key_name, token_epoch"
	for i := 0; i < p.size; i += chunk {
		id := fmt.Sprintf("'account-%04d-' || i", i/chunk)
		if d == sqlstore.MySQL {
			id = fmt.Sprintf("CONCAT('account-%04d-', i)", i/chunk)
		}
		_, err := db.ExecContext(ctx, fmt.Sprintf("INSERT INTO gatehouse_accounts (id, %[1]s)"+
			" WITH RECURSIVE n(i) AS (SELECT %[2]d UNION ALL SELECT i + 1 FROM n WHERE i < %[3]d)"+
			" SELECT %[4]s, %[1]s FROM n CROSS JOIN gatehouse_accounts WHERE id = 'model'", columns, chunk, 2*chunk-1, id))
		require.NoError(tb, err)
	}
	for _, o := range p.owners {
		o.record.Version = model.Version + 1
		require.NoError(tb, store.SaveAccount(ctx, o.record, model.Version))
	}
	_, err := db.ExecContext(ctx, map[sqlstore.Dialect]string{
		sqlstore.PostgreSQL: "VACUUM ANALYZE gatehouse_accounts",
		sqlstore.MySQL:      "ANALYZE TABLE gatehouse_accounts",
		sqlstore.SQLite:     "ANALYZE gatehouse_accounts",
	}[d])
	require.NoError(tb, err)
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
