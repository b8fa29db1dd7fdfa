package sqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"

	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// The import of a driver is missing here: for pgx it is _ "github.com/jackc/pgx/v5/stdlib".
func ExampleNew() {
	db, err := sql.Open("pgx", "postgres://app@localhost/app")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := store.Migrate(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// A program that may not change tables asks at its start whether they are right.
func ExampleStore_Check() {
	var store *sqlstore.Store
	start := func(ctx context.Context) error {
		err := store.Check(ctx)
		if errors.Is(err, sqlstore.ErrSetup) {
			return fmt.Errorf("run the migrations first: %w", err)
		}
		return err
	}
	_ = start
}

// What a deployment can run after its migrations.
func ExampleStore_Validate() {
	var store *sqlstore.Store
	deployed := func(ctx context.Context) {
		version, err := store.Version(ctx)
		if err != nil {
			log.Fatal(err)
		}
		if err := store.Validate(ctx); err != nil {
			log.Fatalf("version %d: %v", version, err)
		}
	}
	_ = deployed
}

// Between tests, for example.
func ExampleStore_Down() {
	var store *sqlstore.Store
	empty := func(ctx context.Context) error {
		return errors.Join(store.Down(ctx, 0), store.Migrate(ctx))
	}
	_ = empty
}

// A migration of a tool that has them in Go: its statements run one by one. It names the versions as numbers, since
// SchemaVersion is another one in the next release, and the migration that follows then begins at this one's end.
func ExampleDDL() {
	up := func(ctx context.Context, tx *sql.Tx) error {
		statements, err := sqlstore.DDL(sqlstore.PostgreSQL, sqlstore.Options{}, 0, 1)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}
	_ = up

	statements, err := sqlstore.DDL(sqlstore.MySQL, sqlstore.Options{Prefix: "auth_"}, 0, 1)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(statements[0] + ";")
	// Output:
	// CREATE TABLE IF NOT EXISTS auth_migrations (
	// 	version INT NOT NULL PRIMARY KEY,
	// 	applied DATETIME(6) NOT NULL
	// ) ENGINE = InnoDB;
}

// What a program's own monitoring can watch.
func ExampleStore_Stats() {
	var store *sqlstore.Store
	watch := func(ctx context.Context) {
		stats, err := store.Stats(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(stats.Accounts, "accounts,", stats.Locked, "of them locked")
	}
	_ = watch
}
