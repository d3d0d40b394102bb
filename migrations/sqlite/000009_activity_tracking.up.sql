-- version: V1.8.0
-- description: activity tracking

ALTER TABLE users ADD COLUMN last_activity_at INTEGER;

CREATE TABLE user_activities (
    id            TEXT NOT NULL PRIMARY KEY,
    user_id       TEXT NOT NULL,
    tenant_id     TEXT NOT NULL,
    activity_type TEXT NOT NULL,
    activity_name TEXT NOT NULL DEFAULT '',
    metadata      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    ip_address    TEXT,
    device_type   TEXT,
    created_at    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_user_activities_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_activities_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_user_activities_user_created ON user_activities (user_id, created_at DESC);
CREATE INDEX idx_user_activities_tenant_created ON user_activities (tenant_id, created_at DESC);
