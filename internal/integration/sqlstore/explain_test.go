package sqlstore_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gatehouse-go/gatehouse/storage"
	"github.com/gatehouse-go/gatehouse/storage/sqlstore"
)

// many fills the tables with ten thousand accounts that have nothing to show to an operator, and as
// many tokens, half of which belong to one account.
func many(t testing.TB, d database, db *sql.DB) {
	t.Helper()
	hundred := "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
	no, bytes := d.pick("false", "0", "0"), d.pick("'x'::bytea", "'x'", "x'78'")
	id := func(prefix string) string {
		return fmt.Sprintf(d.pick("'%s' || (a.i * 1000 + b.i)", "CONCAT('%s', a.i * 1000 + b.i)", "'%s' || (a.i * 1000 + b.i)"), prefix)
	}
	insert := func(into, values string) {
		t.Helper()
		statement := hundred + "INSERT INTO " + into + " SELECT " + values + " FROM n a CROSS JOIN n b"
		if d.dialect == sqlstore.MySQL {
			statement = "INSERT INTO " + into + " " + hundred + "SELECT " + values + " FROM n a CROSS JOIN n b"
		}
		_, err := db.Exec(statement)
		require.NoError(t, err)
	}
	insert("gatehouse_accounts (id, version, data, authenticators, passkeys, codes_left, disabled, suspended, key_name, token_epoch)",
		id("a")+", 1, "+bytes+", 1, 0, 10, "+no+", "+no+", '2026-10', 0")
	insert("gatehouse_tokens (id, account_id, version, data, revoked, scopes, epoch)",
		id("t")+", CASE WHEN a.i <= 50 THEN 'a1001' ELSE "+id("a")+" END, 1, "+bytes+", "+no+", '', 0")
	insert("gatehouse_token_uses (account_id, token_id, last_used, scopes, addresses)",
		"CASE WHEN a.i <= 50 THEN 'a1001' ELSE "+id("a")+" END, "+id("t")+", 1767225600000000, 0, ''")
	for _, table := range []string{"gatehouse_accounts", "gatehouse_tokens", "gatehouse_token_uses"} {
		_, err := db.Exec(d.pick("VACUUM ANALYZE ", "ANALYZE TABLE ", "ANALYZE ") + table)
		require.NoError(t, err)
	}
}

// explain returns the plan for a statement, and whether a table is read from end to end.
func explain(t testing.TB, d database, db *sql.DB, statement string, args ...any) (plan string, whole bool) {
	t.Helper()
	rows, err := db.Query(d.pick("EXPLAIN ", "EXPLAIN ", "EXPLAIN QUERY PLAN ")+statement, args...)
	require.NoError(t, err, statement)
	defer rows.Close()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var lines []string
	for rows.Next() {
		fields, dest := make([]sql.NullString, len(columns)), make([]any, len(columns))
		for i := range fields {
			dest[i] = &fields[i]
		}
		require.NoError(t, rows.Scan(dest...))
		line := make([]string, len(columns))
		for i := range fields {
			line[i] = columns[i] + "=" + fields[i].String
		}
		lines = append(lines, strings.Join(line, " "))
	}
	require.NoError(t, rows.Err())
	require.NotEmpty(t, lines)
	// In MySQL a join of the type ALL or index. There and in SQLite e is the JSON of a batch, no table.
	reads := regexp.MustCompile(d.pick(`Seq Scan`, ` select_type=[^I]\S* table=[^e]\S* (.* )?type=(ALL|index) `, `SCAN [^e]`))
	return strings.Join(lines, "\n"), slices.ContainsFunc(lines, reads.MatchString)
}

// taped is a connector that tapes all statements.
type taped struct {
	driver.Connector
	mu         sync.Mutex
	statements []statement
}

type statement struct {
	text string
	args []any
}

func (c *taped) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &tapedConn{conn, c}, nil
}

// tapedConn has nothing but Prepare, which database/sql makes do with.
type tapedConn struct {
	driver.Conn
	tape *taped
}

func (c *tapedConn) Prepare(text string) (driver.Stmt, error) {
	stmt, err := c.Conn.Prepare(text)
	return &tapedStmt{stmt, text, c.tape}, err
}

type tapedStmt struct {
	driver.Stmt
	text string
	tape *taped
}

func (s *tapedStmt) note(args []driver.NamedValue) {
	s.tape.mu.Lock()
	defer s.tape.mu.Unlock()
	var values []any
	for _, arg := range args {
		values = append(values, arg.Value)
	}
	s.tape.statements = append(s.tape.statements, statement{s.text, values})
}

func (s *tapedStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	s.note(args)
	return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (s *tapedStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	s.note(args)
	return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

// TestStatements: each method is one statement, a delete one for each table and one that asks for the
// owner of a token, and an index serves each.
func TestStatements(t *testing.T) {
	each(t, func(t *testing.T, d database) {
		db := d.open(t)
		d.store(t, db, sqlstore.Options{})
		many(t, d, db)
		// Of the 5,000 tokens of one account all but one have ended.
		for _, statement := range []string{
			"UPDATE gatehouse_tokens SET revoked = " + d.pick("true", "1", "1") + " WHERE account_id = 'a1001' AND id <> 't2001'",
			"UPDATE gatehouse_tokens SET expires = 1893456000000000 WHERE account_id = 'a1001'",
			d.pick("VACUUM ANALYZE ", "ANALYZE TABLE ", "ANALYZE ") + "gatehouse_tokens",
		} {
			_, err := db.Exec(statement)
			require.NoError(t, err)
		}

		tape := &taped{Connector: &beginning{driver: db.Driver(), dsn: d.dsn}}
		watched := sql.OpenDB(tape)
		defer watched.Close()
		s := newStore(t, watched, d)
		ctx := t.Context()
		require.NoError(t, s.Check(ctx)) // or the first of them would look at the settings
		uses := make([]storage.TokenUse, 50)
		for i := range uses {
			uses[i] = usedAt(fmt.Sprint("t", 1001+i), moment(i))
		}
		kept, err := s.LoadAccount(ctx, "a1001")
		require.NoError(t, err)
		kept.Version = 2
		moved := kept
		moved.Version, moved.Index.CodesLeft = 3, kept.Index.CodesLeft+1
		for _, c := range []struct {
			name       string
			statements int
			do         func() error
		}{
			{"LoadAccount", 1, func() error { _, err := s.LoadAccount(ctx, "a1001"); return err }},
			{"SaveAccount", 1, func() error { return s.SaveAccount(ctx, kept, 1) }},
			{"SaveAccount that changes an index", map[bool]int{true: 2, false: 1}[d.dialect == sqlstore.SQLite],
				func() error { return s.SaveAccount(ctx, moved, 2) }},
			{"SaveAccount of a new one", 1, func() error {
				return s.SaveAccount(ctx, storage.Record{ID: "new", Version: 2}, 0)
			}},
			{"Accounts", 1, func() error { _, err := s.Accounts(ctx, "a5", 100); return err }},
			{"AccountByHandle", 1, func() error {
				_, err := s.AccountByHandle(ctx, storage.Handle{1})
				require.ErrorIs(t, err, storage.ErrNotFound)
				return nil
			}},
			{"UnsentAccounts", 1, func() error { _, err := s.UnsentAccounts(ctx, "", 100); return err }},
			{"LoadToken", 1, func() error { _, _, err := s.LoadToken(ctx, "t1001"); return err }},
			{"SaveToken", 1, func() error {
				return s.SaveToken(ctx, storage.TokenRecord{ID: "t1001", AccountID: "a1001", Version: 2}, 1)
			}},
			{"SaveToken of a new one", 2, func() error {
				return s.SaveToken(ctx, storage.TokenRecord{ID: "new", AccountID: "a1001", Version: 2}, 0)
			}},
			{"DeleteToken", 3, func() error { return s.DeleteToken(ctx, "t90002", 1) }},
			{"Tokens", 1, func() error { _, err := s.Tokens(ctx, "a1001", "t2", 100); return err }},
			{"LiveTokens", 1, func() error {
				page, err := s.LiveTokens(ctx, "a1001", storage.Live{At: moment(0)}, "", 100)
				require.Len(t, page.Records, 1)
				return err
			}},
			{"AllTokens", 1, func() error { _, err := s.AllTokens(ctx, "t5", 100); return err }},
			{"TouchTokens", 1, func() error { return s.TouchTokens(ctx, uses) }},
			{"DeleteAccount", 3, func() error { return s.DeleteAccount(ctx, "a90001") }},
		} {
			tape.statements = nil
			require.NoError(t, c.do(), c.name)
			require.Len(t, tape.statements, c.statements, c.name)
			for _, statement := range tape.statements {
				if !strings.Contains(statement.text, "VALUES (?") && !strings.Contains(statement.text, "VALUES ($1") {
					plan, whole := explain(t, d, db, statement.text, statement.args...)
					require.False(t, whole, "%s\n%s", statement.text, plan)
					// What has nothing to be told is not even looked at.
					if c.name == "UnsentAccounts" {
						require.Contains(t, plan, d.pick("gatehouse_accounts_unsent_id", "key=unsent_id", "gatehouse_accounts_unsent_id"), statement.text)
					}
					// Row K7: what has ended is not even looked at.
					if c.name == "LiveTokens" {
						require.Contains(t, plan, d.pick("gatehouse_tokens_live", "key=live", "gatehouse_tokens_live"), statement.text)
					}
				}
			}
		}
	})
}
