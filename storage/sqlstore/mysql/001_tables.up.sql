CREATE TABLE IF NOT EXISTS {table}migrations (
	version INT NOT NULL PRIMARY KEY,
	applied DATETIME(6) NOT NULL
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS {table}accounts (
	id             VARBINARY(255) NOT NULL PRIMARY KEY,
	version        BIGINT NOT NULL,
	data           LONGBLOB NOT NULL,
	authenticators INT NOT NULL,
	passkeys       INT NOT NULL,
	codes_left     INT NOT NULL,
	locked_until   BIGINT NULL,
	disabled       BOOLEAN NOT NULL,
	suspended      BOOLEAN NOT NULL,
	key_name       VARBINARY(1024) NOT NULL,
	token_epoch    BIGINT NOT NULL,
	handle         VARBINARY(32) NULL,
	unsent         BIGINT NULL,
	unsent_id      VARBINARY(255) NULL,
	KEY authenticators (authenticators),
	KEY codes_left (codes_left),
	KEY locked_until (locked_until),
	KEY disabled (disabled),
	KEY key_name (key_name),
	UNIQUE KEY handle (handle),
	KEY unsent_id (unsent_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS {table}tokens (
	id         VARBINARY(255) NOT NULL PRIMARY KEY,
	account_id VARBINARY(255) NOT NULL,
	version    BIGINT NOT NULL,
	data       LONGBLOB NOT NULL,
	expires    BIGINT NULL,
	revoked    BOOLEAN NOT NULL,
	scopes     VARBINARY(4096) NOT NULL,
	epoch      BIGINT NOT NULL,
	KEY account_id (account_id, id),
	KEY expires (expires),
	KEY live (account_id, revoked, epoch, expires)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
CREATE TABLE IF NOT EXISTS {table}token_uses (
	account_id VARBINARY(255) NOT NULL,
	token_id   VARBINARY(255) NOT NULL,
	last_used  BIGINT NOT NULL,
	scopes     BIGINT NOT NULL,
	addresses  VARBINARY(1024) NOT NULL,
	PRIMARY KEY (account_id, token_id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
