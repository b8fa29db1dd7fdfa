ALTER TABLE {table}tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
ALTER TABLE {table}tokens ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0;
CREATE INDEX {index}tokens_expires ON {table}tokens (expires);
CREATE INDEX {index}tokens_live ON {table}tokens (account_id, revoked, epoch, id, expires);
ALTER TABLE {table}token_uses ADD COLUMN scopes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {table}token_uses ADD COLUMN addresses TEXT NOT NULL DEFAULT '';
