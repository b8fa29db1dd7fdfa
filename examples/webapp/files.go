package main

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/gatehouse-go/gatehouse/keyring"
)

// openFiles opens the database and reads the keys beside it, and makes both at the first start. Only their owner
// can read them. A real service keeps its keys apart from its database, as whoever has both has every secret.
func openFiles(file string) (*keyring.Ring, *sql.DB, error) {
	keys, err := readKeys(keysFile(file), file)
	if err != nil {
		return nil, nil, err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := f.Close(); err != nil {
		return nil, nil, err
	}
	// The journal has what the database has: modeof gives it the same mode. It does not reach the "-shm" file beside
	// it, which has no contents but where in the journal which page is. In a query SQLite does not take + for a space.
	// With _txlock nobody comes in between the statements of a transaction (see hosttx.Within).
	db, err := sql.Open("sqlite3", "file:"+url.PathEscape(file)+"?modeof="+strings.ReplaceAll(url.QueryEscape(file), "+", "%20")+
		"&_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)&_txlock=immediate")
	return keys, db, err
}

func keysFile(database string) string {
	return strings.TrimSuffix(database, filepath.Ext(database)) + ".keys"
}

// readKeys makes keys only where there is no database yet: with other keys, every authenticator that is in it
// would be lost, and nothing would say so.
func readKeys(file, database string) (*keyring.Ring, error) {
	keys, err := keyring.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if _, err := os.Stat(database); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is there, but %s with its keys is not", database, file)
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	keys = keyring.Generate()
	_, err = f.WriteString(keys.Reveal())
	return keys, errors.Join(err, f.Sync(), f.Close())
}
