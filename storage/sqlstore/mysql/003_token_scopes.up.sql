SET @gatehouse = IF(EXISTS (
	SELECT 1 FROM information_schema.columns
	WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE()) AND table_name = '{index}tokens' AND column_name = 'scopes'
), 'DO 0', 'ALTER TABLE {table}tokens
	ADD COLUMN scopes VARBINARY(4096) NOT NULL DEFAULT '''',
	ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0,
	ADD KEY expires (expires),
	ADD KEY live (account_id, revoked, epoch, expires)');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
SET @gatehouse = IF(EXISTS (
	SELECT 1 FROM information_schema.columns
	WHERE table_schema = COALESCE(NULLIF('{schema}', ''), DATABASE()) AND table_name = '{index}token_uses' AND column_name = 'scopes'
), 'DO 0', 'ALTER TABLE {table}token_uses
	ADD COLUMN scopes BIGINT NOT NULL DEFAULT 0,
	ADD COLUMN addresses VARBINARY(1024) NOT NULL DEFAULT ''''');
PREPARE gatehouse FROM @gatehouse;
EXECUTE gatehouse;
DEALLOCATE PREPARE gatehouse;
