ALTER TABLE {table}tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '';
CREATE INDEX {index}tokens_expires ON {table}tokens (expires);
ALTER TABLE {table}token_uses ADD COLUMN scopes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE {table}token_uses ADD COLUMN addresses TEXT NOT NULL DEFAULT '';
