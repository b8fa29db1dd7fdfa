package sqlstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func TestStats(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{Prefix: "own_"})
		now, err := s.Clock(t.Context())
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), now, time.Minute, "the same machine")

		st, err := s.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, sqlstore.Stats{Keys: map[string]int{}}, st, "nobody is there")

		for i, index := range []storage.AccountIndex{
			{},
			{Authenticators: 1, KeyName: "new"},
			{Authenticators: 2, KeyName: "new", LockedUntil: now.Add(time.Hour)},
			{Passkeys: 1, Handle: storage.Handle{1}, LockedUntil: now.Add(-time.Hour), Unsent: moment(9)},
			{Authenticators: 1, KeyName: "new,old", Disabled: true, Unsent: moment(8)},
			{Suspended: true, Disabled: true},
			{Suspended: true, LockedUntil: now.Add(time.Hour)},
			{Suspended: true, Unsent: moment(10)},
			{Authenticators: 1, Passkeys: 2, KeyName: "new"},
			{Passkeys: 1, CodesLeft: 1},
			{Passkeys: 2},
		} {
			save(t, s, storage.Record{ID: fmt.Sprint(i), Version: 1, Index: index}, 0)
			require.NoError(t, s.SaveToken(t.Context(), storage.TokenRecord{ID: fmt.Sprint("t", i), AccountID: "0", Version: 1}, 0))
		}
		st, err = s.Stats(t.Context())
		require.NoError(t, err)
		require.Equal(t, sqlstore.Stats{
			Accounts: 11, Bare: 4, Passkeys: 4, Resistant: 3, Single: 1,
			Locked: 2, Disabled: 2, Suspended: 3, Unsent: 3, Oldest: moment(8),
			Keys: map[string]int{"new": 4, "old": 1},
		}, st)

		for after, want := range map[string]int64{"": 11, "3": 6, "9": 0} {
			n, err := s.CountAccounts(t.Context(), after)
			require.NoError(t, err)
			require.Equal(t, want, n, after)
		}
		n, err := s.CountTokens(t.Context(), "t5")
		require.NoError(t, err)
		require.EqualValues(t, 4, n)

		require.NoError(t, s.Down(t.Context(), 0))
		for _, err := range []error{second(s.Stats(t.Context())), second(s.CountAccounts(t.Context(), "")), second(s.CountTokens(t.Context(), ""))} {
			require.Error(t, err, "without tables nothing is known")
		}
	})
}

func TestServer(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		is, err := s.Server(t.Context())
		require.NoError(t, err)
		require.Contains(t, is.Version, d.pick("PostgreSQL ", "MariaDB", "SQLite "))
		require.Empty(t, is.Revoke)
		if d.dialect == sqlstore.SQLite {
			require.Equal(t, sqlstore.Server{Version: is.Version}, is)
			return
		}
		require.NotNil(t, is.Encrypted)
		require.False(t, *is.Encrypted)
		require.NotNil(t, is.ReadOnly)
		require.False(t, *is.ReadOnly)

		if d.dialect == sqlstore.PostgreSQL {
			_, err = db.Exec("GRANT SELECT ON gatehouse_accounts TO PUBLIC")
			require.NoError(t, err)
			is, err = s.Server(t.Context())
			require.NoError(t, err)
			require.Empty(t, is.Revoke, "to read them is not to turn factors off")
			_, err = db.Exec("GRANT UPDATE ON gatehouse_accounts TO PUBLIC")
			require.NoError(t, err)
			is, err = s.Server(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, is.Revoke)
			_, err = db.Exec(is.Revoke)
			require.NoError(t, err)
			is, err = newStore(t, d.open(t, "SET default_transaction_read_only = on"), d).Server(t.Context())
			require.NoError(t, err)
			require.Empty(t, is.Revoke, "it is taken back")
			require.True(t, *is.ReadOnly)
		}
	})
}

// A handle that somebody has cut short in the table is a fault, and no account without a handle.
func TestDamagedHandle(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		s := d.store(t, db, sqlstore.Options{})
		save(t, s, storage.Record{ID: "a", Version: 1, Index: storage.AccountIndex{Handle: storage.Handle{1}}}, 0)
		for _, handle := range []string{d.pick("''", "''", "x''"), d.pick(`'\x41'`, "'A'", "x'41'")} {
			_, err := db.Exec("UPDATE gatehouse_accounts SET handle = " + handle)
			require.NoError(t, err)
			for _, err := range []error{second(s.LoadAccount(t.Context(), "a")), second(s.Accounts(t.Context(), "", 1))} {
				require.ErrorContains(t, err, "not 32 bytes")
				require.NotErrorIs(t, err, storage.ErrNotFound)
			}
		}
	})
}
