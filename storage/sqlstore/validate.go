package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// found has, for each dialect, the query that lists what the store relies on in the form of
// schema.txt: columns with what decides how they compare and what they hold, indexes with their
// columns, and the settings without which a save that was answered can be lost. Binary in MySQL, as
// the tables of its information_schema have collations of their own that do not mix.
var found = map[Dialect]string{
	PostgreSQL: `
SELECT substr(c.relname, length('{index}') + 1) || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
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
GROUP BY c.relname, i.indexrelid, i.indisunique
UNION ALL SELECT 'setting server_encoding ' || current_setting('server_encoding')
UNION ALL SELECT 'setting fsync ' || current_setting('fsync')
UNION ALL SELECT 'setting synchronous_commit ' || CASE current_setting('synchronous_commit') WHEN 'off' THEN 'off' ELSE 'on' END`,

	MySQL: `
SELECT CAST(CONCAT(SUBSTRING(table_name, LENGTH('{index}') + 1), '.', column_name, ' ', data_type,
	COALESCE(CONCAT('(', character_maximum_length, ')'), ''), COALESCE(CONCAT('(', datetime_precision, ')'), ''),
	IF(is_nullable = 'NO', ' not null', '')) AS BINARY)
FROM information_schema.columns
WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE())
	AND table_name IN ('{index}accounts', '{index}tokens', '{index}token_uses')
UNION ALL
SELECT CAST(CONCAT(SUBSTRING(table_name, LENGTH('{index}') + 1), IF(non_unique = 0, ' unique (', ' index ('),
	GROUP_CONCAT(column_name ORDER BY seq_in_index SEPARATOR ', '), ')') AS BINARY)
FROM information_schema.statistics
WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE())
	AND table_name IN ('{index}accounts', '{index}tokens', '{index}token_uses') AND sub_part IS NULL
GROUP BY table_name, index_name, non_unique
UNION ALL
SELECT CAST(CONCAT(SUBSTRING(table_name, LENGTH('{index}') + 1), ' ', engine) AS BINARY)
FROM information_schema.tables
WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE())
	AND table_name IN ('{index}accounts', '{index}tokens', '{index}token_uses')
UNION ALL SELECT CAST(CONCAT('setting innodb_flush_log_at_trx_commit ', @@innodb_flush_log_at_trx_commit) AS BINARY)`,

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
WHERE strict AND name IN ('{index}accounts', '{index}tokens', '{index}token_uses')
UNION ALL SELECT 'setting synchronous ' || iif(synchronous >= 2, 'full', 'less') FROM pragma_synchronous
UNION ALL SELECT 'setting journal ' || iif(journal_mode IN ('off', 'memory'), 'volatile', 'durable') FROM pragma_journal_mode`,
}

// Validate returns ErrSetup if the tables lack a column, a collation, a type or an index that the
// store relies on, whoever made them, or if the database is set to forget saves that it has
// answered when it loses its power. What is there besides is no error. SQLite's settings are those of
// one connection.
func (s *Store) Validate(ctx context.Context) error {
	if err := s.Check(ctx); err != nil {
		return err
	}
	rows, err := s.db.QueryContext(ctx, s.dialect.text(s.names, strings.TrimSpace(found[s.dialect.name])))
	if err != nil {
		return fmt.Errorf("sqlstore: validate: %w", err)
	}
	defer rows.Close()
	var there []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return fmt.Errorf("sqlstore: validate: %w", err)
		}
		there = append(there, line)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("sqlstore: validate: %w", err)
	}
	// The file is embedded: the call does not fail.
	text, _ := files.ReadFile(string(s.dialect.name) + "/schema.txt")
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); !slices.Contains(there, line) {
			return fmt.Errorf("%w: not as it must be: %s", ErrSetup, line)
		}
	}
	return nil
}
