package main

import (
	"context"
	"database/sql"
	"net/netip"
	"time"

	"github.com/gatehouse-go/gatehouse/event"
	"github.com/gatehouse-go/gatehouse/websession"
)

const browserTable = `
CREATE TABLE IF NOT EXISTS browser_sessions (
	account TEXT NOT NULL,
	id      TEXT NOT NULL, -- a digest, and no value of a cookie
	address TEXT NOT NULL,
	agent   TEXT NOT NULL,
	since   INTEGER NOT NULL,
	seen    INTEGER NOT NULL,
	PRIMARY KEY (account, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS browser_sessions_seen ON browser_sessions (seen);`

// browserLife is how long a session that is not used stays in the list: as long as one of scs lasts.
const browserLife = sessionLife

// sessionIndex is the websession.Index of this service.
type sessionIndex struct {
	db  *sql.DB
	now func() time.Time
}

func (s sessionIndex) Add(ctx context.Context, row websession.Row) error {
	if _, err := s.db.ExecContext(ctx, `DELETE FROM browser_sessions WHERE seen < ?`, s.now().Add(-browserLife-websession.SeenEvery).Unix()); err != nil {
		return err
	}
	_, err := s.db.ExecContext(ctx, `INSERT INTO browser_sessions (account, id, address, agent, since, seen) VALUES (?, ?, ?, ?, ?, ?)`,
		row.Account, row.ID, addressText(row.Address), row.Agent, row.Since.Unix(), row.Seen.Unix())
	return err
}

func (s sessionIndex) Rows(ctx context.Context, account, id string) ([]websession.Row, error) {
	found, err := s.db.QueryContext(ctx, `SELECT id, address, agent, since, seen FROM browser_sessions WHERE account = ?1 AND (?2 = '' OR id = ?2)`, account, id)
	if err != nil {
		return nil, err
	}
	defer found.Close()
	var rows []websession.Row
	for found.Next() {
		row := websession.Row{Account: account}
		var address, agent string
		var since, seen int64
		if err := found.Scan(&row.ID, &address, &agent, &since, &seen); err != nil {
			return nil, err
		}
		row.Address, _ = netip.ParseAddr(address) // "" is none
		row.Agent, row.Since, row.Seen = event.Agent(agent), time.Unix(since, 0), time.Unix(seen, 0)
		rows = append(rows, row)
	}
	return rows, found.Err()
}

// Touch inserts nothing: what was ended would come back.
func (s sessionIndex) Touch(ctx context.Context, row websession.Row) error {
	_, err := s.db.ExecContext(ctx, `UPDATE browser_sessions SET address = ?, agent = ?, seen = ? WHERE account = ? AND id = ?`,
		addressText(row.Address), row.Agent, row.Seen.Unix(), row.Account, row.ID)
	return err
}

func (s sessionIndex) Remove(ctx context.Context, account string, ids ...string) error {
	for _, id := range ids {
		if _, err := s.db.ExecContext(ctx, `DELETE FROM browser_sessions WHERE account = ? AND id = ?`, account, id); err != nil {
			return err
		}
	}
	return nil
}

func addressText(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
