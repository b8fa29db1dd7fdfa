CREATE TABLE IF NOT EXISTS {table}migrations (
	version INTEGER PRIMARY KEY,
	applied TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS {table}accounts (
	id             TEXT NOT NULL PRIMARY KEY,
	version        INTEGER NOT NULL,
	data           BLOB NOT NULL,
	authenticators INTEGER NOT NULL,
	passkeys       INTEGER NOT NULL,
	codes_left     INTEGER NOT NULL,
	locked_until   INTEGER,
	disabled       INTEGER NOT NULL,
	suspended      INTEGER NOT NULL,
	key_name       TEXT NOT NULL,
	token_epoch    INTEGER NOT NULL,
	handle         BLOB,
	unsent         INTEGER,
	unsent_id      TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS {index}accounts_authenticators ON {table}accounts (authenticators);
CREATE INDEX IF NOT EXISTS {index}accounts_codes_left ON {table}accounts (codes_left);
CREATE INDEX IF NOT EXISTS {index}accounts_locked_until ON {table}accounts (locked_until);
CREATE INDEX IF NOT EXISTS {index}accounts_disabled ON {table}accounts (disabled);
CREATE INDEX IF NOT EXISTS {index}accounts_key_name ON {table}accounts (key_name);
CREATE UNIQUE INDEX IF NOT EXISTS {index}accounts_handle ON {table}accounts (handle);
CREATE INDEX IF NOT EXISTS {index}accounts_unsent_id ON {table}accounts (unsent_id);
CREATE TABLE IF NOT EXISTS {table}tokens (
	id         TEXT NOT NULL PRIMARY KEY,
	account_id TEXT NOT NULL,
	version    INTEGER NOT NULL,
	data       BLOB NOT NULL,
	expires    INTEGER,
	revoked    INTEGER NOT NULL,
	scopes     TEXT NOT NULL,
	epoch      INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS {index}tokens_account_id ON {table}tokens (account_id, id);
CREATE INDEX IF NOT EXISTS {index}tokens_expires ON {table}tokens (expires);
CREATE INDEX IF NOT EXISTS {index}tokens_live ON {table}tokens (account_id, revoked, epoch, id, expires);
CREATE TABLE IF NOT EXISTS {table}token_uses (
	account_id TEXT NOT NULL,
	token_id   TEXT NOT NULL,
	last_used  INTEGER NOT NULL,
	scopes     INTEGER NOT NULL,
	addresses  TEXT NOT NULL,
	PRIMARY KEY (account_id, token_id)
) STRICT, WITHOUT ROWID;
