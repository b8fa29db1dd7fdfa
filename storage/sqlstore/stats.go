package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"
)

// Stats counts accounts, for operators.
type Stats struct {
	Accounts  int
	Bare      int // without an authenticator and without a passkey
	Passkeys  int // with a passkey
	Resistant int // of those: without an authenticator app, so that no code of theirs can be phished
	Single    int // of those: with one passkey and no recovery code, so that its loss leaves support alone
	Locked    int // by time, now, by the database's clock
	Disabled  int // a method is, until it is unlocked
	Suspended int
	Unsent    int            // something waits that their owners must be told
	Oldest    time.Time      // since when the longest of those has waited; zero: nothing waits
	Keys      map[string]int // by the name of a key: the accounts that it seals secrets of
}

// Stats reads every account's row, so the end of ctx alone bounds it.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	st, err := s.stats(ctx)
	if err != nil {
		return Stats{}, fmt.Errorf("sqlstore: stats: %w", err)
	}
	return st, nil
}

func (s *Store) stats(ctx context.Context) (Stats, error) {
	count := func(where string) string { return "COALESCE(SUM(CASE WHEN " + where + " THEN 1 ELSE 0 END), 0)" }
	st := Stats{Keys: map[string]int{}}
	err := s.db.QueryRowContext(ctx, s.dialect.text(s.names, "SELECT COUNT(*), "+count("authenticators = 0 AND passkeys = 0")+", "+
		count("passkeys > 0")+", "+count("authenticators = 0 AND passkeys > 0")+", "+
		count("authenticators = 0 AND passkeys = 1 AND codes_left = 0")+", "+count("locked_until > "+clocks[s.dialect.name])+", "+count("disabled")+", "+count("suspended")+
		", COUNT(unsent), MIN(unsent) FROM {table}accounts LIMIT 1")).
		Scan(&st.Accounts, &st.Bare, &st.Passkeys, &st.Resistant, &st.Single, &st.Locked, &st.Disabled, &st.Suspended, &st.Unsent, (*moment)(&st.Oldest))
	if err != nil {
		return st, err
	}
	// With a limit, as a setting of MySQL has one otherwise.
	type used struct {
		names string
		n     int
	}
	keys, err := collect(func() (*sql.Rows, error) {
		return s.db.QueryContext(ctx, s.dialect.text(s.names, "SELECT key_name, COUNT(*) FROM {table}accounts WHERE key_name > ''"+
			" GROUP BY key_name LIMIT 1000000"))
	}, func(u *used) []any { return []any{&u.names, &u.n} })
	for _, u := range keys {
		for name := range strings.SplitSeq(u.names, ",") {
			st.Keys[name] += u.n
		}
	}
	return st, err
}

// CountAccounts returns how many accounts have an ID greater than after, as Accounts lists them.
func (s *Store) CountAccounts(ctx context.Context, after string) (int64, error) {
	return s.count(ctx, "accounts", after)
}

// CountTokens returns how many tokens have an ID greater than after, as AllTokens lists them.
func (s *Store) CountTokens(ctx context.Context, after string) (int64, error) {
	return s.count(ctx, "tokens", after)
}

func (s *Store) count(ctx context.Context, table, after string) (n int64, err error) {
	text := s.dialect.text(s.names, "SELECT COUNT(*) FROM {table}"+table+" WHERE id > ? LIMIT 1")
	if err := s.db.QueryRowContext(ctx, text, after).Scan(&n); err != nil {
		return 0, fmt.Errorf("sqlstore: count %s: %w", table, err)
	}
	return n, nil
}
