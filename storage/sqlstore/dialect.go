package sqlstore

import (
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gatehouse-go/gatehouse/storage"
)

// Dialect names a kind of database.
type Dialect string

// The dialects there are.
const (
	PostgreSQL Dialect = "postgres"
	MySQL      Dialect = "mysql" // and MariaDB
	SQLite     Dialect = "sqlite"
)

// dialect is what differs between databases besides the texts of migrations and of touchTokens.
type dialect struct {
	name     Dialect
	prepare  bool   // whether to keep prepared statements
	numbered bool   // $1, $2 for ?
	ignore   string // ends an INSERT that passes over a key that is taken
	lock     string // ends a SELECT that keeps others from changing what it reads
	byID     string // the order of live tokens; MySQL takes the index of all tokens for the order of the column itself
	conflict func(error) bool
	taken    func(error) bool // whether an error may be that of a key that is taken

	// What statements say in {read} and {write}, and of a new record's first value in {new}, so that none is carried out
	// under the one setting that each connection of the pool may have differently, or get later: it costs no round trip.
	read, write, new string
	guard            func(error) string // what an error that comes from that means; "" for every other one
}

var dialects = map[Dialect]dialect{
	// A cast of what is no boolean fails. Loads are the same under any synchronous_commit, and on a standby writes fail by
	// themselves. PostgreSQL evaluates a stable condition once for a statement, also where there is no row to find.
	PostgreSQL: {
		numbered: true, ignore: " ON CONFLICT (id) DO NOTHING", byID: "t.id", conflict: stateConflict, taken: stateTaken,
		lock: " FOR UPDATE", read: " AND " + pgPrimary,
		write: " AND " + pgDurable, new: "CASE WHEN " + pgDurable + " THEN CAST(? AS bigint) END",
		guard: func(err error) string {
			switch text := err.Error(); {
			case strings.Contains(text, pgNotDurable):
				return "setting synchronous_commit is off on a connection: a crash takes back saves that were answered; set it on"
			case strings.Contains(text, pgStandby):
				return "a standby answers on a connection: it does not have the last saves;" +
					" connect to the primary (target_session_attrs=read-write)"
			}
			return ""
		},
	},
	// Without ignore: INSERT IGNORE passes over other errors too, and after ON DUPLICATE KEY UPDATE
	// the count of rows depends on clientFoundRows. With autocommit off a load sees what was there
	// when its connection began to read, so loads ask too. What goes beyond the largest integer fails.
	MySQL: {
		prepare: true, byID: "CONCAT(t.id)", conflict: mysqlConflict, taken: mysqlTaken,
		lock: " FOR UPDATE", read: " AND " + myCommitted, write: " AND " + myCommitted, new: "IF(" + myCommitted + ", ?, 0)",
		guard: func(err error) string {
			if n, ok := number(err); !ok || n != 1690 {
				return ""
			}
			return "setting autocommit is OFF on a connection: saves are never committed; set autocommit=1"
		},
	},
	SQLite: {
		prepare: true, ignore: " ON CONFLICT (id) DO NOTHING", byID: "t.id", conflict: sqliteConflict,
		taken: sqliteTaken,
		new:   "?", guard: func(error) string { return "" },
	},
}

const (
	pgNotDurable = "synchronous_commit is off"
	pgDurable    = "CAST(CASE current_setting('synchronous_commit') WHEN 'off' THEN 'synchronous_commit is ' ||" +
		" current_setting('synchronous_commit') ELSE 'true' END AS boolean)"
	pgStandby = "in_hot_standby is on"
	pgPrimary = "CAST(CASE current_setting('in_hot_standby', true) WHEN 'on' THEN 'in_hot_standby is ' ||" + // from version 14 on
		" current_setting('in_hot_standby', true) ELSE 'true' END AS boolean)"
	myCommitted = "18446744073709551615 + (1 - @@autocommit)"
)

// names replaces {table}, {index} and {schema} in the texts of statements.
type names struct {
	schema, prefix string
	replace        *strings.Replacer
}

// settle checks what New and DDL are given.
func settle(d Dialect, o Options) (dialect, names, error) {
	dialect, ok := dialects[d]
	if !ok {
		return dialect, names{}, errors.New("sqlstore: no such Dialect")
	}
	dialect.name = d
	if o.Prefix == "" {
		o.Prefix = "gatehouse_"
	}
	if !identifier(o.Prefix) || o.Schema != "" && !identifier(o.Schema) {
		return dialect, names{}, errors.New("sqlstore: Schema and Prefix are up to 24 of a to z, 0 to 9 and _, and begin with a letter")
	}
	if d == SQLite && o.Schema != "" {
		return dialect, names{}, errors.New("sqlstore: SQLite has no schemas: use Prefix")
	}
	// A schema may have the name of a key word; with the prefix, no table has.
	quoted := map[Dialect]string{PostgreSQL: `"` + o.Schema + `".`, MySQL: "`" + o.Schema + "`."}[d]
	if o.Schema == "" {
		quoted = ""
	}
	replace := strings.NewReplacer("{table}", quoted+o.Prefix, "{index}", o.Prefix, "{schema}", o.Schema)
	return dialect, names{o.Schema, o.Prefix, replace}, nil
}

// identifier says whether s needs no quotes beyond those for key words. Databases disagree on the
// case of names, and cut off long ones, those of indexes included.
func identifier(s string) bool {
	for i, c := range []byte(s) {
		if !(c >= 'a' && c <= 'z' || i > 0 && (c == '_' || c >= '0' && c <= '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 24
}

// text makes a statement of a template.
func (d dialect) text(n names, template string) string {
	s := n.replace.Replace(template)
	if !d.numbered {
		return s
	}
	var b strings.Builder
	for i := 1; ; i++ {
		before, after, found := strings.Cut(s, "?")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("$" + strconv.Itoa(i))
		s = after
	}
}

// micros is how moments are stored: microseconds since 1970, or NULL for the zero time. A column of time would come and
// go as text, in forms and zones that settings of server, session and driver choose.
func micros(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixMicro()
}

// handle reads one of 32 bytes, or NULL for none.
type handle storage.Handle

// Scan implements sql.Scanner.
func (h *handle) Scan(value any) error {
	*h = handle{}
	switch b, ok := value.([]byte); {
	case value == nil:
		return nil
	case !ok || len(b) != len(h):
		return errors.New("a handle that is not 32 bytes")
	default:
		copy(h[:], b)
		return nil
	}
}

// moment reads what micros has made.
type moment time.Time

// Scan implements sql.Scanner.
func (m *moment) Scan(value any) error {
	var n sql.NullInt64
	if err := n.Scan(value); err != nil {
		return err
	}
	*m = moment{}
	if n.Valid {
		*m = moment(time.UnixMicro(n.Int64).UTC())
	}
	return nil
}
