-- version: V1.2.0
-- description: sessions

CREATE TABLE user_sessions (
    id               TEXT NOT NULL PRIMARY KEY,
    user_id          TEXT NOT NULL,
    tenant_id        TEXT NOT NULL,
    -- A digest, never the token.
    session_token    TEXT NOT NULL,
    ip_address       TEXT,
    user_agent       TEXT,
    device_type      TEXT,
    device_id        TEXT,
    location         TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(location)),
    created_at       INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    last_activity_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    expires_at       INTEGER NOT NULL,
    status           TEXT NOT NULL DEFAULT 'ACTIVE',
    CONSTRAINT fk_user_sessions_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_sessions_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_user_sessions_status CHECK (status IN ('ACTIVE', 'REVOKED', 'EXPIRED'))
) STRICT;
CREATE UNIQUE INDEX uq_user_sessions_session_token ON user_sessions (session_token);
CREATE INDEX idx_user_sessions_user_id ON user_sessions (user_id, status);
CREATE INDEX idx_user_sessions_tenant_id ON user_sessions (tenant_id);
CREATE INDEX idx_user_sessions_expires_at ON user_sessions (expires_at) WHERE status = 'ACTIVE';
