package hosttx_test

import (
	"context"
	"database/sql"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse"
	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/gatehousetest"
	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/internal/core"
	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// TestTogether commits each change together with the host's row, or takes back both. Row A6: the pool has one
// connection, which the transaction has, so a read of anything through another one would wait; the service has tokens,
// and a posture that asks the host's database.
func TestTogether(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		h.db.SetMaxOpenConns(1)
		for _, id := range []string{"bob", "eve"} {
			h.enroll(id)
		}
		before := map[string]storage.Record{}
		for _, id := range []string{"ada", "bob", "eve", "joe"} {
			before[id] = h.record(id)
		}
		h.told()
		for _, commit := range []bool{false, true} {
			c := h.begin(nil)
			require.NoError(t, c.sets("ada", "new"))
			require.NoError(t, c.writes("bob", "none"))
			code, err := c.Reset(t.Context(), "bob")
			require.NoError(t, err)
			_, err = c.tx.Exec("DELETE FROM users WHERE id = 'eve'")
			require.NoError(t, err)
			require.NoError(t, deleted(c.DeleteAccount(t.Context(), "eve")))
			require.NoError(t, c.writes("joe", "brought"))
			result, err := c.Import(t.Context(), "joe", imports())
			require.NoError(t, err)
			require.True(t, result.Authenticators[0].Brought())
			_, err = c.Reset(t.Context(), "ada")
			require.ErrorIs(t, err, gatehouse.ErrPrecondition, "which ends nothing")
			require.NoError(t, c.PasswordChanged(t.Context(), "ada", gatehouse.RevokeTokens), "it sees what it has saved")
			require.Zero(t, h.db.Stats().WaitCount, "nothing has asked for another connection")
			if !commit {
				require.NoError(t, c.tx.Rollback())
				require.Empty(t, h.told())
				for id, record := range before {
					require.Equal(t, "old", h.password(id))
					require.Equal(t, record, h.record(id))
				}
				continue
			}
			require.NoError(t, c.tx.Commit())
			require.Empty(t, h.told(), "before Committed")
			require.Equal(t, []string{"new", "none", "", "brought"},
				[]string{h.password("ada"), h.password("bob"), h.password("eve"), h.password("joe")})
			require.Equal(t, []event.Kind{event.PasswordChanged, event.PasswordChanged}, h.activity("ada"))
			eve, err := core.Decode("eve", h.record("eve").Data)
			require.NoError(t, err)
			require.True(t, eve.Absent())
			c.Committed(t.Context())
			require.Equal(t, []event.Kind{event.PasswordChanged, event.AccountReset, event.OperatorCodeMade, event.PostureChanged,
				event.AccountDeleted, event.AccountImported, event.PostureChanged, event.PasswordChanged}, h.told())
			history, err := h.pos.History(t.Context(), "joe")
			require.NoError(t, err)
			require.Equal(t, event.AccountImported, history[len(history)-1].Cause)
			h.redeems("bob", code.Reveal())
		}
	})
}

// redeems answers a challenge with an operator's code.
func (h *host) redeems(id, code string) {
	h.Helper()
	try, err := h.svc.Before(h.Context(), id)
	require.NoError(h, err)
	ch, err := try.Challenge(h.Context())
	require.NoError(h, err)
	_, err = h.svc.RedeemOperatorCode(h.Context(), gatehouse.Session{Secret: "s"}, ch.Token.Reveal(), code)
	require.NoError(h, err)
}

// TestWaits: what a transaction has changed, others change after its end, and nothing is lost.
func TestWaits(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		for _, commit := range []bool{false, true} {
			h := newHost(t, d)
			h.enroll("ada")
			c := h.begin(nil)
			require.NoError(t, c.sets("ada", "new"))
			done := make(chan error, 1)
			go func() { done <- h.svc.Operator("other").Suspend(t.Context(), "ada") }()
			if d.dialect != sqlstore.SQLite { // which does not say who waits; it holds all the same
				h.waits()
			}
			end := c.tx.Rollback
			want := []event.Kind{event.AccountImported, event.AccountSuspended}
			if commit {
				end, want = c.tx.Commit, []event.Kind{event.AccountImported, event.PasswordChanged, event.AccountSuspended}
			}
			require.NoError(t, end())
			require.NoError(t, <-done)
			require.ElementsMatch(t, want, h.activity("ada"))
			require.NoError(t, h.store.Down(t.Context(), 0))
			h.exec("DROP TABLE users")
		}
	})
}

// TestOvertaken: somebody changes the account after the host's transaction has begun and read. The host's change is
// made on what is stored now, or the transaction has to be repeated.
func TestOvertaken(t *testing.T) {
	retries := func(t *testing.T, h *host, o *sql.TxOptions, setup ...string) {
		c := h.begin(o, setup...)
		var n int
		require.NoError(t, c.tx.QueryRow("SELECT COUNT(*) FROM gatehouse_accounts").Scan(&n), "which takes the snapshot")
		require.NoError(t, h.svc.Operator("other").Suspend(t.Context(), "ada"))
		h.told()
		h.overtaken(c, "ada")
		require.Equal(t, []event.Kind{event.AccountImported, event.AccountSuspended}, h.activity("ada"))

		c = h.begin(o, setup...)
		require.NoError(t, c.sets("ada", "new"))
		require.NoError(t, c.tx.Commit())
		c.Committed(t.Context())
		require.Equal(t, []event.Kind{event.PasswordChanged}, h.told())
		require.Equal(t, []event.Kind{event.AccountImported, event.AccountSuspended, event.PasswordChanged}, h.activity("ada"))
		require.NoError(t, h.svc.Operator("other").Resume(t.Context(), "ada"))
		require.NoError(t, deleted(h.svc.Operator("other").DeleteAccount(t.Context(), "ada")))
		h.enroll("ada")
	}
	sees := func(t *testing.T, h *host, o *sql.TxOptions, setup ...string) {
		c := h.begin(o, setup...)
		before := h.record("ada").Version
		var version int64
		look := func() int64 {
			require.NoError(t, c.tx.QueryRow("SELECT version FROM gatehouse_accounts WHERE id = 'ada'").Scan(&version))
			return version
		}
		require.Equal(t, before, look())
		require.NoError(t, h.svc.Operator("other").Suspend(t.Context(), "ada"))
		old := look() == before
		require.Equal(t, h.d.dialect == sqlstore.MySQL, old, "a plain read shows MySQL's old row")
		require.NoError(t, c.sets("ada", "new"))
		require.NoError(t, c.tx.Commit())
		require.Equal(t, []event.Kind{event.AccountImported, event.AccountSuspended, event.PasswordChanged}, h.activity("ada"))
		require.NoError(t, deleted(h.svc.Operator("other").DeleteAccount(t.Context(), "ada")))
		h.enroll("ada")
	}
	t.Run("postgres", func(t *testing.T) {
		onPostgres(t, func(t *testing.T, d database) {
			h := newHost(t, d)
			h.enroll("ada")
			sees(t, h, nil)
			retries(t, h, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
			retries(t, h, &sql.TxOptions{Isolation: sql.LevelSerializable}) // 40001
		})
	})
	t.Run("mysql", func(t *testing.T) {
		onMySQL(t, func(t *testing.T, d database) {
			h := newHost(t, d)
			h.enroll("ada")
			sees(t, h, nil, "SET SESSION innodb_snapshot_isolation = OFF")
			retries(t, h, nil, "SET SESSION innodb_snapshot_isolation = ON")
		})
	})
	t.Run("sqlite", func(t *testing.T) {
		onSQLite(t, func(t *testing.T, d database) {
			h := newHost(t, d)
			deferred := database{d.dialect, d.driver, strings.Replace(d.dsn, "_txlock=immediate", "_txlock=deferred", 1)}
			h.d = deferred
			h.open()
			h.enroll("ada")
			retries(t, h, nil)

			// Where somebody else is writing, a deferred transaction cannot begin to.
			writer := h.begin(nil)
			require.NoError(t, writer.writes("joe", "new"))
			c := h.begin(nil)
			var n int
			require.NoError(t, c.tx.QueryRow("SELECT COUNT(*) FROM users").Scan(&n))
			_, err := c.tx.Exec("PRAGMA busy_timeout = 10")
			require.NoError(t, err)
			require.ErrorIs(t, c.PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens), hosttx.ErrRetryTransaction)
		})
	})
}

// overtaken asserts that a change is refused, and every other one of the same value after it, and rolls back.
func (h *host) overtaken(c change, id string) {
	h.Helper()
	require.ErrorIs(h, c.PasswordChanged(h.Context(), id, gatehouse.KeepTokens), hosttx.ErrRetryTransaction)
	h.over(c)
}

func (h *host) over(c change) {
	h.Helper()
	_, importErr := c.Import(h.Context(), "joe", imports())
	_, resetErr := c.Reset(h.Context(), "joe")
	for _, err := range []error{
		c.PasswordChanged(h.Context(), "joe", gatehouse.KeepTokens), deleted(c.DeleteAccount(h.Context(), "joe")), importErr, resetErr,
	} {
		require.ErrorIs(h, err, hosttx.ErrRetryTransaction)
	}
	_ = c.tx.Rollback()
	c.Committed(h.Context())
	require.Empty(h, h.told())
	require.Zero(h, h.record("joe").Version)
}

// TestDeadlock: two transactions change two accounts, in either order. The one that the database undoes (1213 in MySQL,
// 40P01 in PostgreSQL) changes nothing any more, though it goes on; its host repeats all of it, and nothing is lost.
func TestDeadlock(t *testing.T) {
	test := func(t *testing.T, d database) {
		h := newHost(t, d)
		h.enroll("ada")
		h.enroll("bob")
		h.told()
		order := [2][2]string{{"ada", "bob"}, {"bob", "ada"}}
		var c [2]change
		for i := range c {
			c[i] = h.begin(nil)
			require.NoError(t, c[i].PasswordChanged(t.Context(), order[i][0], gatehouse.KeepTokens))
		}
		type end struct {
			i   int
			err error
		}
		ends := make(chan end, 2)
		second := func(i int) {
			err := c[i].PasswordChanged(t.Context(), order[i][1], gatehouse.KeepTokens)
			ends <- end{i, err}
		}
		go second(0)
		h.waits()
		go second(1)
		lost := <-ends // the other one waits for what it has locked
		if lost.err == nil {
			require.NoError(t, c[lost.i].tx.Commit())
			c[lost.i].Committed(t.Context())
			h.told()
			lost = <-ends
		}
		require.ErrorIs(t, lost.err, hosttx.ErrRetryTransaction)
		h.over(c[lost.i])
		if won := 1 - lost.i; h.count("ada", event.PasswordChanged) == 0 {
			e := <-ends
			require.Equal(t, won, e.i)
			require.NoError(t, e.err)
			require.NoError(t, c[won].writes(order[won][0], "first"))
			require.NoError(t, c[won].tx.Commit())
			c[won].Committed(t.Context())
		}
		require.Equal(t, 1, h.count("ada", event.PasswordChanged))
		require.Equal(t, 1, h.count("bob", event.PasswordChanged))

		again := h.begin(nil)
		for _, id := range order[lost.i] {
			require.NoError(t, again.sets(id, "second"))
		}
		require.NoError(t, again.tx.Commit())
		require.Equal(t, 2, h.count("ada", event.PasswordChanged))
		require.Equal(t, 2, h.count("bob", event.PasswordChanged))
		require.Equal(t, "second", h.password("ada"))
	}
	t.Run("postgres", func(t *testing.T) { onPostgres(t, test) })
	t.Run("mysql", func(t *testing.T) { onMySQL(t, test) })
}

// count returns how often an event is in an account's activity.
func (h *host) count(id string, kind event.Kind) (n int) {
	for _, k := range h.activity(id) {
		if k == kind {
			n++
		}
	}
	return n
}

// TestUndone: a statement of the host's own has ended the transaction, and the host goes on. What it would change is not
// committed by itself.
func TestUndone(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		h.enroll("ada")
		before := h.record("ada")
		ends := map[string]func(change){"a failed write": func(c change) {
			_, err := c.tx.Exec("INSERT INTO users (id, password) VALUES ('ada', 'x')")
			require.Error(t, err, "after which PostgreSQL refuses everything")
		}}
		switch d.dialect {
		case sqlstore.SQLite:
			ends = map[string]func(change){"a write that rolls back": func(c change) {
				_, err := c.tx.Exec("INSERT OR ROLLBACK INTO users (id, password) VALUES ('ada', 'x')")
				require.Error(t, err)
			}}
		case sqlstore.MySQL:
			ends = map[string]func(change){"a deadlock": h.deadlock, "a table": func(c change) {
				_, err := c.tx.Exec("CREATE TABLE more (n INT)")
				require.NoError(t, err)
				h.exec("DROP TABLE more")
			}}
		}
		for name, end := range ends {
			for _, call := range []func(change) error{
				func(c change) error { return c.PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens) },
				func(c change) error { return deleted(c.DeleteAccount(t.Context(), "ada")) },
				func(c change) error { _, err := c.Import(t.Context(), "joe", imports()); return err },
				func(c change) error { _, err := c.Reset(t.Context(), "ada"); return err },
			} {
				c := h.begin(nil)
				end(c)
				err := call(c)
				require.Error(t, err, name)
				if d.dialect != sqlstore.PostgreSQL {
					require.ErrorContains(t, err, "not open any more", name)
				}
				_ = c.tx.Rollback()
				require.Equal(t, before, h.record("ada"))
				require.Zero(t, h.record("joe").Version)
			}
		}
	})
}

// deadlock has a statement of the host's own meet a deadlock with another transaction, which has more to lose.
func (h *host) deadlock(c change) {
	other := h.begin(nil)
	require.NoError(h, c.writes("bob", "x"))
	_, err := other.tx.Exec("UPDATE users SET password = 'y' WHERE id IN ('eve', 'joe')")
	require.NoError(h, err)
	wrote := make(chan error, 1)
	go func() { wrote <- other.writes("bob", "y") }()
	h.waits()
	var deadlock *mysql.MySQLError
	require.ErrorAs(h, c.writes("eve", "x"), &deadlock)
	require.EqualValues(h, 1213, deadlock.Number)
	require.NoError(h, <-wrote)
	require.NoError(h, other.tx.Rollback())
}

// TestSerializable: PostgreSQL may undo a serializable transaction as late as at its commit. The host learns it from
// the commit, and nobody is told.
func TestSerializable(t *testing.T) {
	onPostgres(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		h.enroll("ada")
		h.enroll("bob")
		h.told()
		var c [2]change
		var n int
		for i := range c {
			c[i] = h.begin(&sql.TxOptions{Isolation: sql.LevelSerializable})
			require.NoError(t, c[i].tx.QueryRow("SELECT COUNT(*) FROM users WHERE password = 'new'").Scan(&n))
			require.Zero(t, n, "each is the only one, as it sees it")
		}
		require.NoError(t, c[0].sets("ada", "new"))
		require.NoError(t, c[1].sets("bob", "new"))
		require.NoError(t, c[0].tx.Commit())
		c[0].Committed(t.Context())
		require.Equal(t, []event.Kind{event.PasswordChanged}, h.told())
		var state interface{ SQLState() string }
		require.ErrorAs(t, c[1].tx.Commit(), &state)
		require.Equal(t, "40001", state.SQLState())
		require.Empty(t, h.told())
		require.Equal(t, "old", h.password("bob"))
		require.Equal(t, []event.Kind{event.AccountImported}, h.activity("bob"))
	})
}

// TestFirst: two transactions make the record of the same account.
func TestFirst(t *testing.T) {
	test := func(t *testing.T, d database) {
		h := newHost(t, d)
		c := [2]change{h.begin(nil), h.begin(nil)}
		ends := make(chan int, 2)
		var errs [2]error
		for i := range c {
			go func() {
				if errs[i] = c[i].sets([]string{"bob", "eve"}[i], "new"); errs[i] == nil {
					errs[i] = c[i].PasswordChanged(t.Context(), "ada", gatehouse.KeepTokens)
				}
				if errs[i] != nil {
					_ = c[i].tx.Rollback()
				} else if errs[i] = c[i].tx.Commit(); errs[i] == nil {
					c[i].Committed(context.WithoutCancel(t.Context()))
				}
				ends <- i
			}()
		}
		<-ends
		<-ends
		won := 0
		for i, err := range errs {
			if err == nil {
				won++
				continue
			}
			require.ErrorIs(t, err, hosttx.ErrRetryTransaction)
			require.Equal(t, "old", h.password([]string{"bob", "eve"}[i]))
		}
		require.Equal(t, won, h.count("ada", event.PasswordChanged))
		require.GreaterOrEqual(t, won, 1)
		require.Len(t, h.told(), 2*won)
	}
	t.Run("postgres", func(t *testing.T) { onPostgres(t, test) })
	t.Run("mysql", func(t *testing.T) { onMySQL(t, test) })
}

// TestDeath kills a process between its change and its commit, and between its commit and what it would have told.
func TestDeath(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		h := newHost(t, d)
		h.enroll("ada")
		before := h.record("ada")
		h.died("before the commit")
		require.Equal(t, before, h.record("ada"))
		require.Equal(t, "old", h.password("ada"))

		h.died("after the commit")
		require.Equal(t, "new", h.password("ada"))
		require.Equal(t, []event.Kind{event.AccountImported, event.PasswordChanged}, h.activity("ada"), "told or not")

		c := h.begin(nil)
		require.NoError(t, c.sets("ada", "newer"), "what the dead had locked is free")
		require.NoError(t, c.tx.Commit())
	})
}

// died runs a process that dies somewhere.
func (h *host) died(where string) {
	h.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+where, "HOSTTX_DIALECT="+string(h.d.dialect), "HOSTTX_DRIVER="+h.d.driver,
		"HOSTTX_DSN="+h.d.dsn)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(h, err, &exit, "%s", out)
	require.False(h, exit.Exited(), "killed: %s", out)
}

// die changes a password, as a process that is killed on its way.
func die(where string) error {
	ctx := context.Background()
	db, err := sql.Open(os.Getenv("HOSTTX_DRIVER"), os.Getenv("HOSTTX_DSN"))
	if err != nil {
		return err
	}
	store, err := sqlstore.New(db, sqlstore.Dialect(os.Getenv("HOSTTX_DIALECT")), sqlstore.Options{})
	if err != nil {
		return err
	}
	svc, err := gatehouse.New(store, gatehouse.Config{
		Issuer: "Acme", Keys: keyring.Generate(), Recovery: gatehousetest.CheapRecovery(),
	})
	if err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.Exec("UPDATE users SET password = 'new' WHERE id = 'ada'"); err != nil {
		return err
	}
	if err := hosttx.Within(svc.Operator("system"), store.Within(tx)).PasswordChanged(ctx, "ada", gatehouse.KeepTokens); err != nil {
		return err
	}
	if where == "after the commit" {
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err == nil {
		select {} // until it arrives
	}
	return err
}

// deleted is what a deletion comes to, without what its owner had yet to be told.
func deleted(_ []event.Notice, err error) error { return err }
