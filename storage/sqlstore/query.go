package sqlstore

import (
	"context"
	"database/sql"
	"strings"
	"sync/atomic"
)

// query is one statement of the store. Texts are complete when a Store is made, so that the values
// of no call get into them.
type query struct {
	name    string // for errors
	text    string
	prepare bool
	kept    atomic.Pointer[sql.Stmt]
}

// queries has all statements of a Store. A load says LIMIT 1, as otherwise MySQL takes the limit from a setting.
type queries struct {
	loadAccount, lockAccount, accountByHandle, insertAccount, updateAccount query
	updateRecord                                                            query
	accounts, unsentAccounts                                                query
	loadToken, insertToken, updateToken                                     query
	tokenOwner, deleteToken, deleteTokenUse, leftTokenUse                   query
	tokens, liveTokens, allTokens, touchTokens                              query
	deleteAccount                                                           [3]query // in this order
}

func newQueries(d dialect, n names) *queries {
	const index = "a.authenticators, a.passkeys, a.codes_left, a.locked_until, a.disabled, a.suspended, a.key_name," +
		" a.token_epoch, a.handle, a.unsent"
	const account = "SELECT a.id, a.version, a.data, " + index + " FROM {table}accounts a"
	const token = "SELECT t.id, t.account_id, t.version, t.data, t.expires, t.revoked, t.scopes, t.epoch," +
		" u.last_used, COALESCE(u.scopes, 0), COALESCE(u.addresses, '')"
	const uses = " LEFT JOIN {table}token_uses u ON u.account_id = t.account_id AND u.token_id = t.id"

	guards := strings.NewReplacer("{read}", d.read, "{write}", d.write, "{new}", d.new)
	q := new(queries)
	for _, s := range []struct {
		of         *query
		name, text string
	}{
		{&q.loadAccount, "load account", account + " WHERE a.id = ?{read} LIMIT 1"},
		{&q.lockAccount, "lock account", account + " WHERE a.id = ?{read} LIMIT 1" + d.lock},
		{&q.accountByHandle, "load account by handle", account + " WHERE a.handle = ?{read} LIMIT 1"},
		{&q.accounts, "list accounts", account + " WHERE a.id > ?{read} ORDER BY a.id LIMIT ?"},
		// The IDs of these are in a separate column and index, so that no planner reads the others.
		{&q.unsentAccounts, "list unsent accounts", account + " WHERE a.unsent_id > ?{read} ORDER BY a.unsent_id LIMIT ?"},
		{&q.insertAccount, "save account", "INSERT INTO {table}accounts (version, data, authenticators, passkeys, codes_left," +
			" locked_until, disabled, suspended, key_name, token_epoch, handle, unsent, unsent_id, id)" +
			" VALUES ({new}, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" + d.ignore},
		// MySQL counts the rows that changed, or those that matched: the version differs from prev, so
		// they are the same.
		{&q.updateAccount, "save account", "UPDATE {table}accounts SET version = ?, data = ?, authenticators = ?," +
			" passkeys = ?, codes_left = ?, locked_until = ?, disabled = ?, suspended = ?, key_name = ?, token_epoch = ?," +
			" handle = ?, unsent = ?, unsent_id = ? WHERE id = ? AND version = ?{write}"},
		// It names no column of an index, as SQLite writes the entries of all that an UPDATE names, each on a page of its own,
		// whether they change or not.
		{&q.updateRecord, "save account", "UPDATE {table}accounts SET version = ?, data = ?, passkeys = ?, suspended = ?," +
			" token_epoch = ?, unsent = ? WHERE id = ? AND version = ? AND authenticators = ? AND codes_left = ?" +
			" AND locked_until IS ? AND disabled = ? AND key_name = ? AND handle IS ? AND unsent_id IS ?"},
		{&q.loadToken, "load token", token + ", " + index +
			" FROM {table}tokens t JOIN {table}accounts a ON a.id = t.account_id" + uses + " WHERE t.id = ?{read} LIMIT 1"},
		{&q.tokens, "list tokens", token + " FROM {table}tokens t" + uses +
			" WHERE t.account_id = ? AND t.id > ?{read} ORDER BY t.id LIMIT ?"},
		{&q.liveTokens, "list live tokens", token + " FROM {table}tokens t" + uses +
			" WHERE t.account_id = ? AND t.revoked = FALSE AND t.epoch = ? AND t.expires > ? AND t.id > ?{read}" +
			" ORDER BY " + d.byID + " LIMIT ?"},
		{&q.allTokens, "list all tokens", token + " FROM {table}tokens t" + uses + " WHERE t.id > ?{read} ORDER BY t.id LIMIT ?"},
		{&q.insertToken, "save token", "INSERT INTO {table}tokens (version, data, expires, revoked, scopes, epoch, id, account_id)" +
			" VALUES ({new}, ?, ?, ?, ?, ?, ?, ?)" + d.ignore},
		{&q.updateToken, "save token", "UPDATE {table}tokens SET version = ?, data = ?, expires = ?, revoked = ?, scopes = ?, epoch = ?" +
			" WHERE id = ? AND account_id = ? AND version = ?{write}"},
		{&q.tokenOwner, "delete token", "SELECT account_id FROM {table}tokens WHERE id = ? AND version = ?{read} LIMIT 1"},
		{&q.deleteToken, "delete token", "DELETE FROM {table}tokens WHERE id = ? AND version = ?{write}"},
		{&q.deleteTokenUse, "delete token use", "DELETE FROM {table}token_uses WHERE account_id = ? AND token_id = ?{write}"},
		{&q.leftTokenUse, "clear token use", "DELETE FROM {table}token_uses WHERE account_id = ? AND token_id = ?" +
			" AND NOT EXISTS (SELECT 1 FROM {table}tokens WHERE id = ?){write}"},
		{&q.touchTokens, "touch tokens", touch[d.name]},
		{&q.deleteAccount[0], "delete account", "DELETE FROM {table}accounts WHERE id = ?{write}"},
		{&q.deleteAccount[1], "delete tokens", "DELETE FROM {table}tokens WHERE account_id = ?{write}"},
		{&q.deleteAccount[2], "delete token uses", "DELETE FROM {table}token_uses WHERE account_id = ?{write}"},
	} {
		s.of.name, s.of.text, s.of.prepare = s.name, d.text(n, guards.Replace(s.text)), d.prepare
	}
	return q
}

// touch has the statement of TouchTokens, whose parameter encodeUsage makes. OFFSET 0, STRAIGHT_JOIN
// and CROSS JOIN, each in its database, have the tokens looked up one by one in the order of the
// batch, however small the table seems to be. MySQL assigns from left to right, so last_used, which
// the addresses depend on, comes last.
var touch = map[Dialect]string{
	PostgreSQL: strings.TrimSpace(`
INSERT INTO {table}token_uses AS u (account_id, token_id, last_used, scopes, addresses)
SELECT t.account_id, t.id, CAST(e->>1 AS bigint), CAST(e->>2 AS bigint),
	convert_from(decode(e->>3, 'hex'), 'UTF8')
FROM json_array_elements(CAST(CAST(? AS text) AS json)) e
CROSS JOIN LATERAL (SELECT * FROM {table}tokens WHERE id = convert_from(decode(e->>0, 'hex'), 'UTF8') OFFSET 0) t
WHERE true{write}
ON CONFLICT (account_id, token_id) DO UPDATE SET
	last_used = GREATEST(u.last_used, excluded.last_used),
	scopes = u.scopes | excluded.scopes,
	addresses = CASE WHEN excluded.last_used < u.last_used THEN u.addresses ELSE excluded.addresses END
WHERE excluded.last_used >= u.last_used OR u.scopes | excluded.scopes <> u.scopes`),
	MySQL: strings.TrimSpace(`
INSERT INTO {table}token_uses (account_id, token_id, last_used, scopes, addresses)
SELECT t.account_id, t.id, e.used, e.scopes, UNHEX(e.addresses)
FROM JSON_TABLE(?, '$[*]' COLUMNS (id VARCHAR(510) PATH '$[0]', used BIGINT PATH '$[1]',
	scopes BIGINT PATH '$[2]', addresses VARCHAR(2048) PATH '$[3]')) e
STRAIGHT_JOIN {table}tokens t ON t.id = UNHEX(e.id){write}
ON DUPLICATE KEY UPDATE
	addresses = IF(VALUES(last_used) < last_used, {table}token_uses.addresses, VALUES(addresses)),
	scopes = {table}token_uses.scopes | VALUES(scopes),
	last_used = GREATEST(last_used, VALUES(last_used))`),
	SQLite: strings.TrimSpace(`
INSERT INTO {table}token_uses AS u (account_id, token_id, last_used, scopes, addresses)
SELECT t.account_id, t.id, json_extract(e.value, '$[1]'), json_extract(e.value, '$[2]'),
	CAST(unhex(json_extract(e.value, '$[3]')) AS TEXT)
FROM json_each(?) e
CROSS JOIN {table}tokens t ON t.id = CAST(unhex(json_extract(e.value, '$[0]')) AS TEXT)
WHERE true
ON CONFLICT (account_id, token_id) DO UPDATE SET
	last_used = max(u.last_used, excluded.last_used),
	scopes = u.scopes | excluded.scopes,
	addresses = CASE WHEN excluded.last_used < u.last_used THEN u.addresses ELSE excluded.addresses END
WHERE excluded.last_used >= u.last_used OR u.scopes | excluded.scopes <> u.scopes`),
}

// runner runs a query, prepared or not.
type runner struct {
	stmt *sql.Stmt // nil where it is not prepared; otherwise:
	on   session
	text string
}

// on prepares the query at its first use, where that is done.
func (q *query) on(ctx context.Context, db *sql.DB) (runner, error) {
	if !q.prepare {
		return runner{on: db, text: q.text}, nil
	}
	if stmt := q.kept.Load(); stmt != nil {
		return runner{stmt: stmt}, nil
	}
	stmt, err := db.PrepareContext(ctx, q.text)
	if err != nil {
		return runner{}, err
	}
	if !q.kept.CompareAndSwap(nil, stmt) {
		stmt.Close() // another call was faster
		stmt = q.kept.Load()
	}
	return runner{stmt: stmt}, nil
}

func (r runner) rows(ctx context.Context, args []any) (*sql.Rows, error) {
	if r.stmt != nil {
		return r.stmt.QueryContext(ctx, args...)
	}
	return r.on.QueryContext(ctx, r.text, args...)
}

func (r runner) exec(ctx context.Context, args []any) (sql.Result, error) {
	if r.stmt != nil {
		return r.stmt.ExecContext(ctx, args...)
	}
	return r.on.ExecContext(ctx, r.text, args...)
}

// preparer is a *sql.Conn or a *sql.Tx.
type preparer interface {
	session
	PrepareContext(ctx context.Context, text string) (*sql.Stmt, error)
}

// prepared calls use with a statement on a connection, which it prepares for this one use where the store's are.
func prepared(ctx context.Context, c preparer, prepare bool, text string, use func(runner) error) error {
	if !prepare {
		return use(runner{on: c, text: text})
	}
	stmt, err := c.PrepareContext(ctx, text)
	if err != nil {
		return err
	}
	defer stmt.Close()
	return use(runner{stmt: stmt})
}
