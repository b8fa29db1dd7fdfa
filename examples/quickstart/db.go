package main

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/gatehouse-go/gatehouse/keyring"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// open opens a SQLite file and the keys beside it, and makes what is not there yet.
func open(ctx context.Context, file string) (*sql.DB, *sqlstore.Store, *keyring.Ring, error) {
	keys, err := readKeys(file + ".keys")
	if err != nil {
		return nil, nil, nil, err
	}
	db, err := sql.Open("sqlite3", "file:"+url.PathEscape(file)+
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)")
	if err != nil {
		return nil, nil, nil, err
	}
	store, err := sqlstore.New(db, sqlstore.SQLite, sqlstore.Options{})
	if err == nil {
		err = store.Migrate(ctx)
	}
	if err != nil {
		return nil, nil, nil, errors.Join(err, db.Close())
	}
	return db, store, keys, nil
}

// readKeys makes a file of keys that only its owner can read. A real service keeps its keys apart
// from its database, as whoever has both has every secret.
func readKeys(file string) (*keyring.Ring, error) {
	keys, err := keyring.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	keys = keyring.Generate()
	return keys, os.WriteFile(file, []byte(keys.Reveal()), 0o600)
}
