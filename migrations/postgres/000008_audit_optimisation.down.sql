ALTER TABLE audit_logs
    DROP COLUMN tags,
    DROP COLUMN summary,
    DROP COLUMN session_id,
    DROP COLUMN username,
    DROP COLUMN tenant_name;
