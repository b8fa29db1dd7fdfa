ALTER TABLE {table}token_uses DROP COLUMN addresses, DROP COLUMN scopes;
ALTER TABLE {table}tokens DROP KEY expires, DROP COLUMN scopes;
