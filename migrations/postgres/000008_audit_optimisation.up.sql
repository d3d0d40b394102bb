-- version: V1.7.0
-- description: audit optimisation

-- Names are copied into the row: it outlives what it names.
ALTER TABLE audit_logs
    ADD COLUMN tenant_name varchar(128),
    ADD COLUMN username varchar(255),
    ADD COLUMN session_id varchar(64) COLLATE "C",
    ADD COLUMN summary text,
    ADD COLUMN tags jsonb NOT NULL DEFAULT '[]';
CREATE INDEX idx_audit_logs_tags ON audit_logs USING gin (tags);
CREATE INDEX idx_audit_logs_session_id ON audit_logs (session_id) WHERE session_id IS NOT NULL;
