DROP TABLE IF EXISTS {table}token_uses;
DROP TABLE IF EXISTS {table}tokens;
DROP TABLE IF EXISTS {table}accounts;
DROP TABLE IF EXISTS {table}migrations;
