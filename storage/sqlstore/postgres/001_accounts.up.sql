CREATE TABLE IF NOT EXISTS {table}migrations (
	version integer PRIMARY KEY,
	applied timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS {table}accounts (
	id             text COLLATE "C" PRIMARY KEY,
	version        bigint NOT NULL,
	data           bytea NOT NULL,
	authenticators integer NOT NULL,
	codes_left     integer NOT NULL,
	locked_until   bigint,
	disabled       boolean NOT NULL,
	suspended      boolean NOT NULL,
	key_name       text COLLATE "C" NOT NULL,
	token_epoch    bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS {index}accounts_authenticators ON {table}accounts (authenticators);
CREATE INDEX IF NOT EXISTS {index}accounts_codes_left ON {table}accounts (codes_left);
CREATE INDEX IF NOT EXISTS {index}accounts_locked_until ON {table}accounts (locked_until);
CREATE INDEX IF NOT EXISTS {index}accounts_disabled ON {table}accounts (disabled);
CREATE INDEX IF NOT EXISTS {index}accounts_key_name ON {table}accounts (key_name);
