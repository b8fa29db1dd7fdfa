CREATE TABLE IF NOT EXISTS {table}migrations (
	version INTEGER PRIMARY KEY,
	applied TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS {table}accounts (
	id             TEXT NOT NULL PRIMARY KEY,
	version        INTEGER NOT NULL,
	data           BLOB NOT NULL,
	authenticators INTEGER NOT NULL,
	codes_left     INTEGER NOT NULL,
	locked_until   INTEGER,
	disabled       INTEGER NOT NULL,
	suspended      INTEGER NOT NULL,
	key_name       TEXT NOT NULL,
	token_epoch    INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS {index}accounts_authenticators ON {table}accounts (authenticators);
CREATE INDEX IF NOT EXISTS {index}accounts_codes_left ON {table}accounts (codes_left);
CREATE INDEX IF NOT EXISTS {index}accounts_locked_until ON {table}accounts (locked_until);
CREATE INDEX IF NOT EXISTS {index}accounts_disabled ON {table}accounts (disabled);
CREATE INDEX IF NOT EXISTS {index}accounts_key_name ON {table}accounts (key_name);
