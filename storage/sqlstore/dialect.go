package sqlstore

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
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
	read     string // reads a column of time, %s being its name
	moment   func(t time.Time) any
	conflict func(error) bool
}

var dialects = map[Dialect]dialect{
	PostgreSQL: {
		numbered: true, ignore: " ON CONFLICT (id) DO NOTHING", read: "%s",
		moment: func(t time.Time) any { return nullIfZero(t, cut(t)) }, conflict: stateConflict,
	},
	// Without ignore: INSERT IGNORE passes over other errors too, and after ON DUPLICATE KEY UPDATE
	// the count of rows depends on clientFoundRows. Times go and come as text, which no setting of
	// the DSN shifts.
	MySQL: {
		prepare: true, read: "DATE_FORMAT(%s, '%%Y-%%m-%%d %%H:%%i:%%s.%%f')",
		moment: func(t time.Time) any { return nullIfZero(t, formatMoment(t)) }, conflict: mysqlConflict,
	},
	SQLite: {
		prepare: true, ignore: " ON CONFLICT (id) DO NOTHING", read: "%s",
		moment: func(t time.Time) any { return nullIfZero(t, formatMoment(t)) }, conflict: sqliteConflict,
	},
}

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

// cut is needed as some databases round.
func cut(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func nullIfZero(t time.Time, value any) any {
	if t.IsZero() {
		return nil
	}
	return value
}

const momentLayout = "2006-01-02 15:04:05.000000"

// formatMoment cuts too, as Format does.
func formatMoment(t time.Time) string { return t.UTC().Format(momentLayout) }

// moment reads a time as any of the drivers gives it; NULL is the zero time.
type moment time.Time

// Scan implements sql.Scanner.
func (m *moment) Scan(value any) error {
	var text string
	switch v := value.(type) {
	case nil:
		*m = moment{}
		return nil
	case time.Time:
		*m = moment(v.UTC())
		return nil
	case []byte:
		text = string(v)
	case string:
		text = v
	default:
		return fmt.Errorf("sqlstore: a time of the type %T", value)
	}
	t, err := time.Parse(momentLayout, text)
	if err != nil {
		return errors.New("sqlstore: a time that is none")
	}
	*m = moment(t)
	return nil
}
