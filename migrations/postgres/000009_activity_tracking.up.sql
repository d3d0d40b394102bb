-- version: V1.8.0
-- description: activity tracking

ALTER TABLE users ADD COLUMN last_activity_at timestamptz;

CREATE TABLE user_activities (
    id            varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    user_id       varchar(64) COLLATE "C" NOT NULL,
    tenant_id     varchar(64) COLLATE "C" NOT NULL,
    activity_type varchar(64) NOT NULL,
    activity_name varchar(128) NOT NULL DEFAULT '',
    metadata      jsonb NOT NULL DEFAULT '{}',
    ip_address    varchar(64),
    device_type   varchar(32),
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT user_activities_pkey PRIMARY KEY (id),
    CONSTRAINT fk_user_activities_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_activities_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
);
CREATE INDEX idx_user_activities_user_created ON user_activities (user_id, created_at DESC);
CREATE INDEX idx_user_activities_tenant_created ON user_activities (tenant_id, created_at DESC);
