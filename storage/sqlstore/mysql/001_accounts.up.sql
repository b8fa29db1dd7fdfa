CREATE TABLE IF NOT EXISTS {table}migrations (
	version INT NOT NULL PRIMARY KEY,
	applied DATETIME(6) NOT NULL
) ENGINE = InnoDB;
CREATE TABLE IF NOT EXISTS {table}accounts (
	id             VARBINARY(255) NOT NULL PRIMARY KEY,
	version        BIGINT NOT NULL,
	data           LONGBLOB NOT NULL,
	authenticators INT NOT NULL,
	codes_left     INT NOT NULL,
	locked_until   BIGINT NULL,
	disabled       BOOLEAN NOT NULL,
	suspended      BOOLEAN NOT NULL,
	key_name       VARBINARY(1024) NOT NULL,
	token_epoch    BIGINT NOT NULL,
	KEY authenticators (authenticators),
	KEY codes_left (codes_left),
	KEY locked_until (locked_until),
	KEY disabled (disabled),
	KEY key_name (key_name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;
