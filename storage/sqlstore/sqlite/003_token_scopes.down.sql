ALTER TABLE {table}token_uses DROP COLUMN addresses;
ALTER TABLE {table}token_uses DROP COLUMN scopes;
DROP INDEX {index}tokens_expires;
DROP INDEX {index}tokens_live;
ALTER TABLE {table}tokens DROP COLUMN epoch;
ALTER TABLE {table}tokens DROP COLUMN scopes;
