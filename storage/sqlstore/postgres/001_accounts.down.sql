DROP TABLE IF EXISTS {table}accounts;
DROP TABLE IF EXISTS {table}migrations;
