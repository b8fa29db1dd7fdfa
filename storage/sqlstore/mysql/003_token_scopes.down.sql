ALTER TABLE {table}token_uses DROP COLUMN addresses, DROP COLUMN scopes;
ALTER TABLE {table}tokens DROP KEY expires, DROP KEY live, DROP COLUMN scopes, DROP COLUMN epoch;
