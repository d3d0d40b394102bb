-- version: V1.7.0
-- description: audit optimisation

-- Names are copied into the row: it outlives what it names.
ALTER TABLE audit_logs ADD COLUMN tenant_name TEXT;
ALTER TABLE audit_logs ADD COLUMN username TEXT;
ALTER TABLE audit_logs ADD COLUMN session_id TEXT;
ALTER TABLE audit_logs ADD COLUMN summary TEXT;
ALTER TABLE audit_logs ADD COLUMN tags TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags));
CREATE INDEX idx_audit_logs_session_id ON audit_logs (session_id) WHERE session_id IS NOT NULL;
