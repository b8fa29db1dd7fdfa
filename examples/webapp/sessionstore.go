package main

import (
	"database/sql"
	"errors"
	"time"
)

const sessionTable = `
CREATE TABLE IF NOT EXISTS sessions (
	token  TEXT PRIMARY KEY, -- the hash of it
	data   BLOB,             -- NULL once it has ended
	expiry INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS sessions_expiry ON sessions (expiry);`

// sessionStore is a scs.Store. It goes by the clock of the machine, as scs does.
type sessionStore struct{ db *sql.DB }

func (s sessionStore) Find(token string) (data []byte, found bool, err error) {
	err = s.db.QueryRow(`SELECT data FROM sessions WHERE token = ? AND expiry > ? AND data IS NOT NULL`, token, time.Now().Unix()).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil, err
}

func (s sessionStore) Commit(token string, data []byte, expiry time.Time) error {
	if _, err := s.db.Exec(`DELETE FROM sessions WHERE expiry <= ?`, time.Now().Unix()); err != nil {
		return err
	}
	_, err := s.db.Exec(`INSERT INTO sessions (token, data, expiry) VALUES (?, ?, ?)
		ON CONFLICT (token) DO UPDATE SET data = excluded.data, expiry = excluded.expiry WHERE data IS NOT NULL`, token, data, expiry.Unix())
	return err
}

// Delete leaves a row behind: another request of the session, which had begun before, would bring it back else.
func (s sessionStore) Delete(token string) error {
	_, err := s.db.Exec(`UPDATE sessions SET data = NULL WHERE token = ?`, token)
	return err
}
