-- Back to V2.0.0. Fails as a whole where the older shape cannot hold the data:
-- there a client_id is unique over all tenants. As on the way up, foreign keys
-- must be off while tables are rebuilt.
CREATE TABLE migration_guard (
    foreign_keys_must_be_off INTEGER NOT NULL,
    CONSTRAINT foreign_keys_must_be_off CHECK (foreign_keys_must_be_off = 1)
) STRICT;
INSERT INTO migration_guard
SELECT 0 FROM pragma_foreign_keys WHERE foreign_keys = 1 AND EXISTS (SELECT 1 FROM tenants);
DROP TABLE migration_guard;

DROP VIEW v_user_permission_outcomes;
DROP VIEW v_user_permissions;
DROP VIEW v_user_permission_grants;
DROP VIEW v_user_policies;
DROP VIEW v_user_roles;
DROP VIEW v_permission_actions;

DROP TABLE idempotency_keys;

DROP INDEX idx_audit_logs_user_created;
CREATE INDEX idx_audit_logs_user_created ON audit_logs (user_id, created_at DESC)
    WHERE user_id IS NOT NULL;
DROP INDEX idx_audit_logs_tenant_created;
CREATE INDEX idx_audit_logs_tenant_created ON audit_logs (tenant_id, created_at DESC);
ALTER TABLE audit_logs DROP COLUMN leaf_hash;
ALTER TABLE audit_logs DROP COLUMN event_bytes;
ALTER TABLE audit_logs DROP COLUMN event_version;
ALTER TABLE audit_logs DROP COLUMN count;
ALTER TABLE audit_logs DROP COLUMN request_id;
ALTER TABLE audit_logs DROP COLUMN actor_id;
ALTER TABLE audit_logs DROP COLUMN actor_type;

DROP TABLE throttles;
DROP TABLE imported_passwords;

DROP INDEX idx_user_activities_created_at;
DROP INDEX idx_user_sessions_ended;
DROP INDEX idx_tokens_ended;

CREATE TABLE password_history_rebuilt (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    password   TEXT NOT NULL,
    changed_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_password_history_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_password_history_password CHECK (
        password GLOB '$2[aby]$*' OR password GLOB '$argon2*'
    )
) STRICT;
INSERT INTO password_history_rebuilt (id, user_id, password, changed_at)
SELECT id, user_id, password, changed_at FROM password_history;
DROP TABLE password_history;
ALTER TABLE password_history_rebuilt RENAME TO password_history;
CREATE INDEX idx_password_history_user_changed ON password_history (user_id, changed_at DESC);

CREATE TABLE backup_codes_rebuilt (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    -- A hash, never the code.
    code       TEXT NOT NULL,
    used_at    INTEGER,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_backup_codes_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE
) STRICT;
INSERT INTO backup_codes_rebuilt (id, user_id, code, used_at, created_at)
SELECT id, user_id, code, used_at, created_at FROM backup_codes;
DROP TABLE backup_codes;
ALTER TABLE backup_codes_rebuilt RENAME TO backup_codes;
CREATE UNIQUE INDEX uq_backup_codes_user_id_code ON backup_codes (user_id, code);

CREATE TABLE user_departments_rebuilt (
    id            TEXT NOT NULL PRIMARY KEY,
    user_id       TEXT NOT NULL,
    department_id TEXT NOT NULL,
    is_primary    INTEGER NOT NULL DEFAULT 0 CHECK (is_primary IN (0, 1)),
    position      TEXT,
    joined_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    left_at       INTEGER,
    CONSTRAINT fk_user_departments_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_departments_department_id FOREIGN KEY (department_id)
        REFERENCES departments (id) ON DELETE CASCADE
) STRICT;
INSERT INTO user_departments_rebuilt (id, user_id, department_id, is_primary, position, joined_at, left_at)
SELECT id, user_id, department_id, is_primary, position, joined_at, left_at FROM user_departments;
DROP TABLE user_departments;
ALTER TABLE user_departments_rebuilt RENAME TO user_departments;
CREATE UNIQUE INDEX uq_user_departments_user_id_department_id
    ON user_departments (user_id, department_id) WHERE left_at IS NULL;
CREATE INDEX idx_user_departments_department_id ON user_departments (department_id);

CREATE TABLE password_reset_tokens_rebuilt (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    -- A digest, never the token.
    token      TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_password_reset_tokens_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE
) STRICT;
INSERT INTO password_reset_tokens_rebuilt (
    id, user_id, token, expires_at, used_at, created_at
)
SELECT
    id, user_id, token, expires_at, used_at, created_at
FROM password_reset_tokens;
DROP TABLE password_reset_tokens;
ALTER TABLE password_reset_tokens_rebuilt RENAME TO password_reset_tokens;
CREATE UNIQUE INDEX uq_password_reset_tokens_token ON password_reset_tokens (token);
CREATE INDEX idx_password_reset_tokens_user_id ON password_reset_tokens (user_id);
CREATE INDEX idx_password_reset_tokens_expires_at ON password_reset_tokens (expires_at);

DROP TRIGGER trg_user_sessions_auth_time;
ALTER TABLE user_sessions DROP COLUMN end_reason;
ALTER TABLE user_sessions DROP COLUMN ended_at;
ALTER TABLE user_sessions DROP COLUMN remember;
ALTER TABLE user_sessions DROP COLUMN acr;
ALTER TABLE user_sessions DROP COLUMN amr;
ALTER TABLE user_sessions DROP COLUMN auth_time;

DROP TABLE authorization_codes;
DROP TABLE oauth_consents;
DROP INDEX idx_tokens_grant_id;
ALTER TABLE tokens DROP COLUMN successor_id;
ALTER TABLE tokens DROP COLUMN rotated_at;
ALTER TABLE tokens DROP COLUMN audience;
ALTER TABLE tokens DROP COLUMN scopes;
ALTER TABLE tokens DROP COLUMN grant_id;
DROP TABLE oauth_grants;

DROP TABLE kms_tenant_keys;
DROP TABLE kms_key_references;
DROP TABLE kms_key_details;
DROP TABLE kms_key_rings;
DROP TABLE signing_keys;
DROP TABLE key_checks;
DROP TABLE outbox;
DROP TABLE policy_changes;
DROP TABLE policy_versions;
DROP TABLE platform_guardrails;
DROP TABLE platform_roles;

DROP TABLE resource_policies;
DROP TABLE policy_resources;
DROP TABLE resources;

DROP TABLE policy_global_permissions;
DROP TABLE policy_permissions;
DROP TABLE user_policies;
DROP TABLE principal_boundaries;
DROP TABLE tenant_guardrails;
DROP TABLE role_policies;
DROP TABLE policy_history;
DROP TABLE policies;

DROP INDEX idx_permissions_global_permission_id;
DROP INDEX uq_permissions_tenant_id_id;
ALTER TABLE permissions DROP COLUMN global_permission_id;
ALTER TABLE permissions DROP COLUMN version;
DROP TABLE global_permissions;

DROP TABLE group_roles;
DROP TABLE group_members;
DROP TABLE groups;
DROP TABLE client_roles;

DROP INDEX uq_oauth2_clients_tenant_id_id;
DROP INDEX uq_oauth2_clients_tenant_id_client_id;
ALTER TABLE oauth2_clients DROP COLUMN version;
ALTER TABLE oauth2_clients DROP COLUMN description;
ALTER TABLE oauth2_clients DROP COLUMN evaluation;
ALTER TABLE oauth2_clients DROP COLUMN audience;
ALTER TABLE oauth2_clients DROP COLUMN access_token_alg;
ALTER TABLE oauth2_clients DROP COLUMN id_token_signed_response_alg;
ALTER TABLE oauth2_clients DROP COLUMN refresh_token_ttl_seconds;
ALTER TABLE oauth2_clients DROP COLUMN access_token_ttl_seconds;
ALTER TABLE oauth2_clients DROP COLUMN post_logout_redirect_uris;
CREATE UNIQUE INDEX uq_oauth2_clients_client_id ON oauth2_clients (client_id);

CREATE TABLE user_roles_rebuilt (
    id          TEXT NOT NULL PRIMARY KEY,
    user_id     TEXT NOT NULL,
    role_id     TEXT NOT NULL,
    assigned_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    assigned_by TEXT,
    expires_at  INTEGER,
    CONSTRAINT fk_user_roles_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_roles_role_id FOREIGN KEY (role_id)
        REFERENCES roles (id) ON DELETE CASCADE
) STRICT;
INSERT INTO user_roles_rebuilt (
    id, user_id, role_id, assigned_at, assigned_by, expires_at
)
SELECT
    id, user_id, role_id, assigned_at, assigned_by, expires_at
FROM user_roles;
DROP TABLE user_roles;
ALTER TABLE user_roles_rebuilt RENAME TO user_roles;
CREATE UNIQUE INDEX uq_user_roles_user_id_role_id ON user_roles (user_id, role_id);
CREATE INDEX idx_user_roles_role_id ON user_roles (role_id);
CREATE INDEX idx_user_roles_expires_at ON user_roles (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE roles_rebuilt (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    code        TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(permissions)),
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_roles_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
) STRICT;
INSERT INTO roles_rebuilt (
    id, tenant_id, name, code, description, permissions, created_at, updated_at
)
SELECT
    id, tenant_id, name, code, description, permissions, created_at, updated_at
FROM roles;
DROP TABLE roles;
ALTER TABLE roles_rebuilt RENAME TO roles;
CREATE UNIQUE INDEX uq_roles_tenant_id_code ON roles (tenant_id, code);
CREATE TRIGGER trg_roles_updated_at AFTER UPDATE ON roles
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE roles
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

DROP TABLE principals;

DROP TRIGGER trg_users_search_delete;
DROP TRIGGER trg_users_search_update;
DROP TRIGGER trg_users_search_insert;
DROP TRIGGER trg_users_search_refill;
DROP TRIGGER trg_users_search_fill;
DROP TABLE user_search_index;
DROP VIEW user_search_content;
DROP TABLE user_search;
DROP TRIGGER trg_users_count_changed;
DROP TRIGGER trg_users_count_removed;
DROP TRIGGER trg_users_count_inserted;
DROP TRIGGER trg_users_fill_keys;
DROP TRIGGER trg_users_after_update;
DROP INDEX uq_users_tenant_id_id;
DROP INDEX uq_users_tenant_id_email_key;
DROP INDEX uq_users_tenant_id_username_key;
ALTER TABLE users DROP COLUMN search_text;
ALTER TABLE users DROP COLUMN version;
ALTER TABLE users DROP COLUMN password_changed_at;
ALTER TABLE users DROP COLUMN password_set;
ALTER TABLE users DROP COLUMN must_change_password;
ALTER TABLE users DROP COLUMN email_key;
ALTER TABLE users DROP COLUMN username_key;
CREATE UNIQUE INDEX uq_users_tenant_id_username ON users (tenant_id, username)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_email ON users (tenant_id, email)
    WHERE deleted_at IS NULL AND email IS NOT NULL;
CREATE TRIGGER trg_users_after_update AFTER UPDATE ON users
WHEN NEW.updated_at = OLD.updated_at OR NEW.status <> OLD.status
BEGIN
    UPDATE users
    SET updated_at = CASE
            WHEN NEW.updated_at = OLD.updated_at THEN
                max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
            ELSE NEW.updated_at END,
        deleted_at = CASE
            WHEN NEW.status = 'DELETED' AND OLD.status <> 'DELETED' THEN
                coalesce(NEW.deleted_at, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
            WHEN NEW.status <> 'DELETED' AND OLD.status = 'DELETED' THEN NULL
            ELSE NEW.deleted_at END
    WHERE id = NEW.id;
END;

DROP TABLE tenant_tombstones;
CREATE TABLE tenants_rebuilt (
    id           TEXT NOT NULL PRIMARY KEY DEFAULT (
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2))
            || '-4' || substr(hex(randomblob(2)), 2)
            || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2)
            || '-' || hex(randomblob(6)))
    ),
    name         TEXT NOT NULL,
    code         TEXT NOT NULL,
    domain       TEXT,
    status       TEXT NOT NULL DEFAULT 'ACTIVE',
    config       TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(config)),
    billing_info TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(billing_info)),
    created_at   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    deleted_at   INTEGER,
    subscription_start_date INTEGER,
    subscription_end_date INTEGER,
    user_count INTEGER NOT NULL DEFAULT 0,
    storage_used INTEGER NOT NULL DEFAULT 0,
    api_calls_count INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT ck_tenants_id CHECK (
        length(id) BETWEEN 1 AND 64 AND id NOT GLOB '*[^A-Za-z0-9._:-]*'
    ),
    CONSTRAINT ck_tenants_status CHECK (status IN ('ACTIVE', 'INACTIVE', 'SUSPENDED'))
) STRICT;
INSERT INTO tenants_rebuilt (
    id, name, code, domain, status, config, billing_info, created_at, updated_at,
    deleted_at, subscription_start_date, subscription_end_date, user_count, storage_used,
    api_calls_count
)
SELECT
    id, name, code, domain, status, config, billing_info, created_at, updated_at,
    deleted_at, subscription_start_date, subscription_end_date, user_count, storage_used,
    api_calls_count
FROM tenants;
DROP TABLE tenants;
ALTER TABLE tenants_rebuilt RENAME TO tenants;
CREATE UNIQUE INDEX uq_tenants_name ON tenants (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_tenants_code ON tenants (code) WHERE deleted_at IS NULL;
CREATE INDEX idx_tenants_status ON tenants (status) WHERE deleted_at IS NULL;
CREATE TRIGGER trg_tenants_updated_at AFTER UPDATE ON tenants
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE tenants
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;
CREATE INDEX idx_tenants_subscription_end_date ON tenants (subscription_end_date)
    WHERE subscription_end_date IS NOT NULL AND deleted_at IS NULL;

DROP TABLE platforms;
