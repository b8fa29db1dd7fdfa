CREATE TABLE IF NOT EXISTS {table}tokens (
	id         VARBINARY(255) NOT NULL PRIMARY KEY,
	account_id VARBINARY(255) NOT NULL,
	version    BIGINT NOT NULL,
	data       LONGBLOB NOT NULL,
	expires    BIGINT NULL,
	revoked    BOOLEAN NOT NULL,
	KEY account_id (account_id, id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS {table}token_uses (
	account_id VARBINARY(255) NOT NULL,
	token_id   VARBINARY(255) NOT NULL,
	last_used  BIGINT NOT NULL,
	PRIMARY KEY (account_id, token_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
