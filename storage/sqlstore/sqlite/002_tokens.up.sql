CREATE TABLE IF NOT EXISTS {table}tokens (
	id         TEXT NOT NULL PRIMARY KEY,
	account_id TEXT NOT NULL,
	version    INTEGER NOT NULL,
	data       BLOB NOT NULL,
	expires    INTEGER,
	revoked    INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS {index}tokens_account_id ON {table}tokens (account_id, id);
CREATE TABLE IF NOT EXISTS {table}token_uses (
	account_id TEXT NOT NULL,
	token_id   TEXT NOT NULL,
	last_used  INTEGER NOT NULL,
	PRIMARY KEY (account_id, token_id)
) STRICT, WITHOUT ROWID;
