DROP INDEX idx_audit_logs_session_id;
ALTER TABLE audit_logs DROP COLUMN tags;
ALTER TABLE audit_logs DROP COLUMN summary;
ALTER TABLE audit_logs DROP COLUMN session_id;
ALTER TABLE audit_logs DROP COLUMN username;
ALTER TABLE audit_logs DROP COLUMN tenant_name;
