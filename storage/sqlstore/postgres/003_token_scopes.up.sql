ALTER TABLE {table}tokens ADD COLUMN IF NOT EXISTS scopes text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE {table}tokens ADD COLUMN IF NOT EXISTS epoch bigint NOT NULL DEFAULT 0;
CREATE INDEX IF NOT EXISTS {index}tokens_expires ON {table}tokens (expires);
CREATE INDEX IF NOT EXISTS {index}tokens_live ON {table}tokens (account_id, revoked, epoch, id, expires);
ALTER TABLE {table}token_uses ADD COLUMN IF NOT EXISTS scopes bigint NOT NULL DEFAULT 0;
ALTER TABLE {table}token_uses ADD COLUMN IF NOT EXISTS addresses text COLLATE "C" NOT NULL DEFAULT '';
