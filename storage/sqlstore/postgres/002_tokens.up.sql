CREATE TABLE IF NOT EXISTS {table}tokens (
	id         text COLLATE "C" PRIMARY KEY,
	account_id text COLLATE "C" NOT NULL,
	version    bigint NOT NULL,
	data       bytea NOT NULL,
	expires    bigint,
	revoked    boolean NOT NULL
);
CREATE INDEX IF NOT EXISTS {index}tokens_account_id ON {table}tokens (account_id, id);
CREATE TABLE IF NOT EXISTS {table}token_uses (
	account_id text COLLATE "C" NOT NULL,
	token_id   text COLLATE "C" NOT NULL,
	last_used  bigint NOT NULL,
	PRIMARY KEY (account_id, token_id)
) WITH (fillfactor = 70);
