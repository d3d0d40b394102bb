-- version: V1.2.0
-- description: sessions

CREATE TABLE user_sessions (
    id               varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    user_id          varchar(64) COLLATE "C" NOT NULL,
    tenant_id        varchar(64) COLLATE "C" NOT NULL,
    -- A digest, never the token.
    session_token    varchar(255) COLLATE "C" NOT NULL,
    ip_address       varchar(64),
    user_agent       text,
    device_type      varchar(32),
    device_id        varchar(128),
    location         jsonb NOT NULL DEFAULT '{}',
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_activity_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at       timestamptz NOT NULL,
    status           varchar(16) NOT NULL DEFAULT 'ACTIVE',
    CONSTRAINT user_sessions_pkey PRIMARY KEY (id),
    CONSTRAINT fk_user_sessions_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_sessions_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_user_sessions_status CHECK (status IN ('ACTIVE', 'REVOKED', 'EXPIRED'))
);
CREATE UNIQUE INDEX uq_user_sessions_session_token ON user_sessions (session_token);
CREATE INDEX idx_user_sessions_user_id ON user_sessions (user_id, status);
CREATE INDEX idx_user_sessions_tenant_id ON user_sessions (tenant_id);
CREATE INDEX idx_user_sessions_expires_at ON user_sessions (expires_at) WHERE status = 'ACTIVE';
