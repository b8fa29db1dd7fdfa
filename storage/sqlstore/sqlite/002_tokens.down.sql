DROP TABLE IF EXISTS {table}token_uses;
DROP TABLE IF EXISTS {table}tokens;
