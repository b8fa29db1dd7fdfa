CREATE TABLE IF NOT EXISTS {table}migrations (
	version integer PRIMARY KEY,
	applied timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS {table}accounts (
	id             text COLLATE "C" PRIMARY KEY,
	version        bigint NOT NULL,
	data           bytea NOT NULL,
	authenticators integer NOT NULL,
	passkeys       integer NOT NULL,
	codes_left     integer NOT NULL,
	locked_until   bigint,
	disabled       boolean NOT NULL,
	suspended      boolean NOT NULL,
	key_name       text COLLATE "C" NOT NULL,
	token_epoch    bigint NOT NULL,
	handle         bytea,
	unsent         bigint,
	unsent_id      text COLLATE "C"
) WITH (fillfactor = 70);
CREATE INDEX IF NOT EXISTS {index}accounts_authenticators ON {table}accounts (authenticators);
CREATE INDEX IF NOT EXISTS {index}accounts_codes_left ON {table}accounts (codes_left);
CREATE INDEX IF NOT EXISTS {index}accounts_locked_until ON {table}accounts (locked_until);
CREATE INDEX IF NOT EXISTS {index}accounts_disabled ON {table}accounts (disabled);
CREATE INDEX IF NOT EXISTS {index}accounts_key_name ON {table}accounts (key_name);
CREATE UNIQUE INDEX IF NOT EXISTS {index}accounts_handle ON {table}accounts (handle);
CREATE INDEX IF NOT EXISTS {index}accounts_unsent_id ON {table}accounts (unsent_id);
CREATE TABLE IF NOT EXISTS {table}tokens (
	id         text COLLATE "C" PRIMARY KEY,
	account_id text COLLATE "C" NOT NULL,
	version    bigint NOT NULL,
	data       bytea NOT NULL,
	expires    bigint,
	revoked    boolean NOT NULL,
	scopes     text COLLATE "C" NOT NULL,
	epoch      bigint NOT NULL
);
CREATE INDEX IF NOT EXISTS {index}tokens_account_id ON {table}tokens (account_id, id);
CREATE INDEX IF NOT EXISTS {index}tokens_expires ON {table}tokens (expires);
CREATE INDEX IF NOT EXISTS {index}tokens_live ON {table}tokens (account_id, revoked, epoch, id, expires);
CREATE TABLE IF NOT EXISTS {table}token_uses (
	account_id text COLLATE "C" NOT NULL,
	token_id   text COLLATE "C" NOT NULL,
	last_used  bigint NOT NULL,
	scopes     bigint NOT NULL,
	addresses  text COLLATE "C" NOT NULL,
	PRIMARY KEY (account_id, token_id)
) WITH (fillfactor = 70);
