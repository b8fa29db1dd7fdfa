// Package databases opens a store in each of the SQL databases. docs/operations.md shows the bodies of these examples, and
// says more of each.
package databases

import (
	"context"
	"database/sql"
	"log"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

var ctx = context.Background()

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func Example_postgres() {
	db, err := sql.Open("pgx", "postgres://app@localhost/app")
	check(err)
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
	check(err)
	check(store.Migrate(ctx))
}

func Example_mysql() {
	db, err := sql.Open("mysql", "app:password@tcp(localhost)/app")
	check(err)
	store, err := sqlstore.New(db, sqlstore.MySQL, sqlstore.Options{})
	check(err)
	check(store.Migrate(ctx))
}

func Example_sqlite() {
	db, err := sql.Open("sqlite3",
		"file:app.db?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	check(err)
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	check(err)
	check(store.Migrate(ctx))
}
