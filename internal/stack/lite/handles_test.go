package lite_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"testing"

	"entgo.io/ent/dialect"
	entsql "entgo.io/ent/dialect/sql"
	"github.com/jmoiron/sqlx"
	"github.com/stretchr/testify/require"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"

	"github.com/gatehouse-go/gatehouse/hosttx"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

func onMattn(t *testing.T) *host {
	t.Helper()
	return newHost(t, "sqlite3", "file:"+filepath.Join(t.TempDir(), "app.db")+drivers["sqlite3"])
}

type user struct {
	ID       string
	Password string
}

// gormTx returns the *sql.Tx of a transaction of gorm's.
func gormTx(tx *gorm.DB) *sql.Tx {
	if prepared, ok := tx.Statement.ConnPool.(*gorm.PreparedStmtTX); ok {
		return prepared.Tx.(*sql.Tx)
	}
	return tx.Statement.ConnPool.(*sql.Tx)
}

func TestGorm(t *testing.T) {
	for name, prepare := range map[string]bool{"plain": false, "PrepareStmt": true} {
		t.Run(name, func(t *testing.T) {
			h := onMattn(t)
			handle, err := gorm.Open(sqlite.New(sqlite.Config{Conn: h.db}), &gorm.Config{PrepareStmt: prepare})
			require.NoError(t, err)
			db, err := handle.DB()
			require.NoError(t, err)
			_, err = sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
			require.NoError(t, err)
			require.Same(t, h.db, db)
			h.together(func(password string, fail error) error {
				var within *hosttx.Tx
				err := handle.Transaction(func(tx *gorm.DB) error {
					require.NoError(t, tx.Model(&user{}).Where("id = ?", "ada").Update("password", password).Error)
					within = h.change(gormTx(tx))
					return fail
				})
				if err == nil {
					within.Committed(t.Context())
				}
				return err
			})
		})
	}
}

func TestSqlx(t *testing.T) {
	h := onMattn(t)
	handle := sqlx.NewDb(h.db, "sqlite3")
	require.Same(t, h.db, handle.DB)
	h.together(func(password string, fail error) error {
		tx, err := handle.BeginTxx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback()
		_, err = tx.NamedExec("UPDATE users SET password = :password", user{Password: password})
		require.NoError(t, err)
		within := h.change(tx.Tx)
		if fail != nil {
			return fail
		}
		err = tx.Commit()
		within.Committed(t.Context())
		return err
	})
}

func TestBun(t *testing.T) {
	h := onMattn(t)
	handle := bun.NewDB(h.db, sqlitedialect.New())
	require.Same(t, h.db, handle.DB)
	h.together(func(password string, fail error) error {
		var within *hosttx.Tx
		err := handle.RunInTx(t.Context(), nil, func(ctx context.Context, tx bun.Tx) error {
			_, err := tx.NewUpdate().Model((*user)(nil)).Set("password = ?", password).Where("id = ?", "ada").Exec(ctx)
			require.NoError(t, err)
			within = h.change(tx.Tx)
			return fail
		})
		if err == nil {
			within.Committed(t.Context())
		}
		return err
	})
}

// TestEnt has the driver that clients of ent are made with, and no generated client: that is
// ent.NewClient(ent.Driver(driver)).
func TestEnt(t *testing.T) {
	h := onMattn(t)
	require.Same(t, h.db, entsql.OpenDB(dialect.SQLite, h.db).DB())
	h.together(func(password string, fail error) error {
		tx, err := h.db.BeginTx(t.Context(), nil)
		require.NoError(t, err)
		defer tx.Rollback()
		driver := entsql.NewDriver(dialect.SQLite, entsql.Conn{ExecQuerier: tx})
		query, args := entsql.Dialect(dialect.SQLite).Update("users").Set("password", password).Query()
		require.NoError(t, driver.Exec(t.Context(), query, args, nil))
		within := h.change(tx)
		if fail != nil {
			return fail
		}
		err = tx.Commit()
		within.Committed(t.Context())
		return err
	})
}
