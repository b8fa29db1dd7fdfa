package sqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// listed has, for each dialect, the query that lists what the store relies on in the form of
// schema.txt: columns with what decides how they compare and what they hold, and indexes with their
// columns. Binary in MySQL, as the tables of its information_schema have their own collations that
// do not mix; without GROUP_CONCAT, which a setting cuts short, and CONCAT of NULL, which sql_mode changes; and with a
// limit, as otherwise a setting has one. PostgreSQL quotes names of types under quote_all_identifiers.
var listed = map[Dialect]string{
	PostgreSQL: `
SELECT substr(c.relname, length('{index}') + 1) || '.' || a.attname || ' ' || replace(format_type(a.atttypid, a.atttypmod), '"', '')
	|| coalesce(' ' || co.collname, '') || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_collation co ON co.oid = a.attcollation
WHERE c.oid IN (to_regclass('{table}accounts'), to_regclass('{table}tokens'), to_regclass('{table}token_uses'))
UNION ALL
SELECT substr(c.relname, length('{index}') + 1) || CASE WHEN i.indisunique THEN ' unique (' ELSE ' index (' END
	|| string_agg(a.attname, ', ' ORDER BY array_position(i.indkey::int2[], a.attnum)) || ')'
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
WHERE i.indisvalid AND i.indpred IS NULL
	AND c.oid IN (to_regclass('{table}accounts'), to_regclass('{table}tokens'), to_regclass('{table}token_uses'))
GROUP BY c.relname, i.indexrelid, i.indisunique`,

	MySQL: `
SELECT CAST(CONCAT(SUBSTRING(table_name, LENGTH('{index}') + 1), '.', column_name, ' ', data_type,
	CASE WHEN character_maximum_length IS NULL THEN '' ELSE CONCAT('(', character_maximum_length, ')') END,
	IF(is_nullable = 'NO', ' not null', '')) AS BINARY)
FROM information_schema.columns
WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE())
	AND table_name IN ('{index}accounts', '{index}tokens', '{index}token_uses')
UNION ALL
SELECT CAST(CONCAT(SUBSTRING(table_name, LENGTH('{index}') + 1), IF(non_unique = 0, ' unique (', ' index ('),
	CONCAT_WS(', ', MAX(CASE seq_in_index WHEN 1 THEN column_name END), MAX(CASE seq_in_index WHEN 2 THEN column_name END),
		MAX(CASE seq_in_index WHEN 3 THEN column_name END), MAX(CASE seq_in_index WHEN 4 THEN column_name END),
		MAX(CASE seq_in_index WHEN 5 THEN column_name END)), ')') AS BINARY)
FROM information_schema.statistics
WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE())
	AND table_name IN ('{index}accounts', '{index}tokens', '{index}token_uses') AND sub_part IS NULL
GROUP BY table_name, index_name, non_unique
UNION ALL
SELECT CAST(CONCAT(SUBSTRING(table_name, LENGTH('{index}') + 1), ' ', engine) AS BINARY)
FROM information_schema.tables
WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE())
	AND table_name IN ('{index}accounts', '{index}tokens', '{index}token_uses')
LIMIT 1000`,

	SQLite: `
SELECT substr(m.name, length('{index}') + 1) || '.' || c.name || ' ' || c.type || iif(c."notnull", ' not null', '')
FROM sqlite_master m JOIN pragma_table_info(m.name) c
WHERE m.name IN ('{index}accounts', '{index}tokens', '{index}token_uses')
UNION ALL
SELECT substr(tbl, length('{index}') + 1) || iif("unique", ' unique (', ' index (') || group_concat(name || ' ' || coll, ', ') || ')'
FROM (
	SELECT m.name AS tbl, i.name AS idx, i."unique", c.name, c.coll
	FROM sqlite_master m JOIN pragma_index_list(m.name) i JOIN pragma_index_xinfo(i.name) c
	WHERE m.name IN ('{index}accounts', '{index}tokens', '{index}token_uses') AND NOT i.partial AND c.key
	ORDER BY m.name, i.name, c.seqno
)
GROUP BY tbl, idx
UNION ALL
SELECT substr(name, length('{index}') + 1) || ' strict'
FROM pragma_table_list
WHERE strict AND name IN ('{index}accounts', '{index}tokens', '{index}token_uses')`,
}

// Validate returns ErrSetup where Check does, if the tables lack a column, a collation, a type or an index that the
// store relies on, whatever made them, or if the database is set to forget saves that it has answered when its power
// fails. What is there besides is no error. SQLite's settings are those of one connection.
func (s *Store) Validate(ctx context.Context) error {
	found, err := s.standing(ctx)
	if err != nil {
		return err
	}
	there, err := collect(func() (*sql.Rows, error) {
		return s.db.QueryContext(ctx, s.dialect.text(s.names, strings.TrimSpace(listed[s.dialect.name])))
	}, func(line *string) []any { return []any{line} })
	if err != nil {
		return fmt.Errorf("sqlstore: validate: %w", err)
	}
	// The file is embedded: the call does not fail.
	text, _ := files.ReadFile(string(s.dialect.name) + "/schema.txt")
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !slices.Contains(there, line) {
			return &SetupError{Kind: TablesDifferent, Version: SchemaVersion, Problem: "not as it must be: " + line}
		}
	}
	for _, f := range found {
		if f.grave == power {
			return wrongSetting(f.text)
		}
	}
	if _, err = s.selfTest(ctx, nil); err != nil {
		return during("validate", err)
	}
	return nil
}
