ALTER TABLE {table}token_uses DROP COLUMN IF EXISTS addresses, DROP COLUMN IF EXISTS scopes;
DROP INDEX IF EXISTS {table}tokens_expires;
DROP INDEX IF EXISTS {table}tokens_live;
ALTER TABLE {table}tokens DROP COLUMN IF EXISTS scopes, DROP COLUMN IF EXISTS epoch;
