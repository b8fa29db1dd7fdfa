package main

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"

	"github.com/gatehouse-go/gatehouse/examples/customstorage"
	"github.com/gatehouse-go/gatehouse/keyring"
)

// open opens a file and the keys beside it, and makes what is not there yet. The file is of bbolt, which compiles in a
// second or two; docs/operations.md has SQL databases.
func open(file string) (*bbolt.DB, *customstorage.Store, *keyring.Ring, error) {
	keys, err := readKeys(file + ".keys")
	if err != nil {
		return nil, nil, nil, err
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{Timeout: 10 * time.Second})
	if err != nil {
		return nil, nil, nil, err
	}
	store, err := customstorage.New(db)
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
