// Package sqlstore is a storage.Store in PostgreSQL, MySQL or MariaDB, or SQLite, over a
// database/sql handle of the program's own: [New] makes one, [Store.Migrate] brings its tables up to
// date, and [Store.Check] finds at the start of a program that they are not, or that a setting breaks
// what a store promises. It imports no driver.
//
//	db, err := sql.Open("pgx", dsn)
//	store, err := sqlstore.New(db, sqlstore.PostgreSQL, sqlstore.Options{})
//	err = store.Migrate(ctx)
//
// Less needed: [DDL] prints the tables for a migration tool of one's own, [Store.Validate] compares
// them and the server's settings with what the store relies on, [Store.Warnings] has settings that a
// log should have, [Store.Down] takes them away again.
//
// [Store.Within] is for package hosttx, which changes accounts in a transaction of the program's own. [Store.Stats],
// [Store.Server] and [Store.Clock] answer an operator's questions.
//
// Otherwise every change is one conditional statement outside of any transaction, so it holds under every
// isolation level and behind every pooler. It is tried once: what the database wants tried again
// is storage.ErrConflict, and everything else is an error that says neither that the statement was
// carried out nor that it was not. A Store starts no goroutine, and needs no closing: the handle
// is the program's to close, after the last call.
//
// # PostgreSQL
//
// Version 12 or newer, in a database whose encoding is UTF8. Statements are not prepared here, as
// pgx keeps prepared ones by itself. Behind PgBouncer in transaction mode give pgx the parameter
// default_query_exec_mode=exec (or cache_describe): that goes without statements that outlive a
// transaction; lib/pq takes binary_parameters=yes for that. Nothing else here does either: [Store.Migrate] locks within its transaction.
// Where there are replicas give pgx target_session_attrs=read-write: a standby is refused, from version 14 on by each load.
//
// # MySQL and MariaDB
//
// MySQL 8.0.19 or newer, MariaDB 10.6 or newer, under any sql_mode and default collation. Neither
// parseTime, loc nor clientFoundRows in the DSN makes a difference. Statements are prepared at their
// first use, and then once a connection. On a Galera cluster set wsrep_sync_wait=7 for the sessions
// of the program, which is refused otherwise: a load or a deletion may not see a save made through
// another node.
//
// # SQLite
//
// SQLite 3.41 or newer, in its own file or next to the program's tables:
//
//	file:app.db?_pragma=busy_timeout(10000)&_pragma=journal_mode(wal)&_pragma=synchronous(full)
//
// is the DSN for ncruces/go-sqlite3; docs/your-stack.md has those for other drivers. Never share a cache (cache=shared): a
// load then fails while another connection writes. Use WAL, or readers and the writer wait for each other.
// Use synchronous FULL: with NORMAL, which some drivers choose for WAL, a power cut takes back
// saves that were answered. One save runs at a time, and others wait for their turn in the order in
// which they came; SQLite's own way of waiting, between connections, starves some of them for
// seconds. So make one Store for a file in each process, over a pool of any size. Statements are
// prepared as for MySQL.
package sqlstore
