package sqlstore

import (
	"context"
	"fmt"
	"time"
)

// Server is what a database says of itself, for operators.
type Server struct {
	Version string // with its name
	// Encrypted says whether the connection is, and ReadOnly whether the server takes no writes: it is a replica, or set
	// so. nil: that cannot be found out, or there is no server, as with SQLite.
	Encrypted, ReadOnly *bool
	// Revoke is a statement that takes from every user of the database the right to write to the accounts, and so to
	// turn second factors off. "": not every user has it, or that cannot be found out.
	Revoke string
}

// Server asks the database what it is. Where it does not even tell its version, that is an error.
func (s *Store) Server(ctx context.Context) (Server, error) {
	var is Server
	err := s.db.QueryRowContext(ctx, map[Dialect]string{
		PostgreSQL: "SELECT 'PostgreSQL ' || current_setting('server_version')",
		MySQL:      "SELECT CONCAT('MySQL or MariaDB ', VERSION()) LIMIT 1",
		SQLite:     "SELECT 'SQLite ' || sqlite_version()",
	}[s.dialect.name]).Scan(&is.Version)
	if err != nil {
		return Server{}, fmt.Errorf("sqlstore: server: %w", err)
	}
	switch s.dialect.name {
	case PostgreSQL:
		is.Encrypted = s.answer(ctx, "SELECT COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)")
		is.ReadOnly = s.answer(ctx, "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only') = 'on'")
		open := s.answer(ctx, "SELECT EXISTS (SELECT 1 FROM information_schema.table_privileges WHERE grantee = 'PUBLIC'"+
			" AND privilege_type <> 'SELECT'"+
			" AND to_regclass('{table}accounts') = to_regclass(quote_ident(table_schema) || '.' || quote_ident(table_name)))")
		if open != nil && *open {
			is.Revoke = s.dialect.text(s.names, "REVOKE ALL ON {table}accounts FROM PUBLIC")
		}
	case MySQL:
		var name, cipher string
		if s.db.QueryRowContext(ctx, "SHOW SESSION STATUS LIKE 'Ssl_cipher'").Scan(&name, &cipher) == nil {
			encrypted := cipher != ""
			is.Encrypted = &encrypted
		}
		is.ReadOnly = s.answer(ctx, "SELECT @@read_only <> 0 LIMIT 1")
	}
	return is, nil
}

// answer asks for one yes or no; nil: there was none.
func (s *Store) answer(ctx context.Context, query string) *bool {
	var yes bool
	if s.db.QueryRowContext(ctx, s.dialect.text(s.names, query)).Scan(&yes) != nil {
		return nil
	}
	return &yes
}

// clocks has, for each dialect, the database's own time in microseconds since 1970.
var clocks = map[Dialect]string{
	PostgreSQL: "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)",
	MySQL:      "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))",
	SQLite:     "CAST((julianday('now') - 2440587.5) * 86400000000.0 AS INTEGER)",
}

// Clock returns the time by the database's clock.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	var now moment
	if err := s.db.QueryRowContext(ctx, "SELECT "+clocks[s.dialect.name]+" LIMIT 1").Scan(&now); err != nil {
		return time.Time{}, fmt.Errorf("sqlstore: clock: %w", err)
	}
	return time.Time(now), nil
}
