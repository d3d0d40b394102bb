-- version: V1.0.0
-- description: initial tables

-- The same tables and columns as on PostgreSQL, without partitions. An instant is
-- an INTEGER of microseconds since 1970 UTC; the defaults below have millisecond
-- resolution. JSON and string lists are TEXT, booleans 0 or 1. The triggers rely
-- on recursive_triggers being off, which is SQLite's default.

-- -------------------------------------------------------------------- tenants

CREATE TABLE tenants (
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
    CONSTRAINT ck_tenants_id CHECK (
        length(id) BETWEEN 1 AND 64 AND id NOT GLOB '*[^A-Za-z0-9._:-]*'
    ),
    CONSTRAINT ck_tenants_status CHECK (status IN ('ACTIVE', 'INACTIVE', 'SUSPENDED'))
) STRICT;
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

-- ---------------------------------------------------------------------- users

CREATE TABLE users (
    id             TEXT NOT NULL PRIMARY KEY DEFAULT (
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2))
            || '-4' || substr(hex(randomblob(2)), 2)
            || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2)
            || '-' || hex(randomblob(6)))
    ),
    tenant_id      TEXT NOT NULL,
    username       TEXT NOT NULL,
    email          TEXT,
    phone          TEXT,
    password       TEXT NOT NULL,
    status         TEXT NOT NULL DEFAULT 'ACTIVE',
    created_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    last_login_at  INTEGER,
    login_count    INTEGER NOT NULL DEFAULT 0,
    deleted_at     INTEGER,
    email_verified INTEGER NOT NULL DEFAULT 0 CHECK (email_verified IN (0, 1)),
    phone_verified INTEGER NOT NULL DEFAULT 0 CHECK (phone_verified IN (0, 1)),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_users_id CHECK (
        length(id) BETWEEN 1 AND 64 AND id NOT GLOB '*[^A-Za-z0-9._:-]*'
    ),
    CONSTRAINT ck_users_status CHECK (status IN ('ACTIVE', 'INACTIVE', 'LOCKED', 'DELETED')),
    -- There is no bcrypt here to turn a clear password into a hash: it is refused.
    CONSTRAINT ck_users_password CHECK (
        length(password) = 60 AND password GLOB '$2[aby]$[123][0-9]$*'
        AND substr(password, 5, 2) BETWEEN '10' AND '31'
    )
) STRICT;
CREATE UNIQUE INDEX uq_users_tenant_id_username ON users (tenant_id, username)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_email ON users (tenant_id, email)
    WHERE deleted_at IS NULL AND email IS NOT NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_phone ON users (tenant_id, phone)
    WHERE deleted_at IS NULL AND phone IS NOT NULL;
CREATE INDEX idx_users_login_query ON users (tenant_id, username) WHERE deleted_at IS NULL;
CREATE INDEX idx_users_email ON users (email)
    WHERE email IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX idx_users_tenant_created ON users (tenant_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
-- One trigger for updated_at and deleted_at: two would set each other off.
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

-- ---------------------------------------------------------------------- roles

CREATE TABLE roles (
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
CREATE UNIQUE INDEX uq_roles_tenant_id_code ON roles (tenant_id, code);
CREATE TRIGGER trg_roles_updated_at AFTER UPDATE ON roles
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE roles
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

CREATE TABLE user_roles (
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
CREATE UNIQUE INDEX uq_user_roles_user_id_role_id ON user_roles (user_id, role_id);
CREATE INDEX idx_user_roles_role_id ON user_roles (role_id);
CREATE INDEX idx_user_roles_expires_at ON user_roles (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE permissions (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    code        TEXT NOT NULL,
    name        TEXT NOT NULL,
    resource    TEXT NOT NULL DEFAULT '',
    action      TEXT NOT NULL DEFAULT '',
    description TEXT,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_permissions_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX uq_permissions_tenant_id_code ON permissions (tenant_id, code);
CREATE INDEX idx_permissions_resource_action ON permissions (tenant_id, resource, action);
CREATE TRIGGER trg_permissions_updated_at AFTER UPDATE ON permissions
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE permissions
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

-- ------------------------------------------------------------ OAuth 2 and tokens

CREATE TABLE oauth2_clients (
    id                            TEXT NOT NULL PRIMARY KEY,
    tenant_id                     TEXT NOT NULL
        DEFAULT '00000000-0000-0000-0000-000000000001',
    client_id                     TEXT NOT NULL,
    -- bcrypt; null for a public client.
    client_secret                 TEXT,
    client_name                   TEXT NOT NULL DEFAULT '',
    client_authentication_methods TEXT NOT NULL DEFAULT '[]'
        CHECK (json_valid(client_authentication_methods)),
    authorization_grant_types     TEXT NOT NULL DEFAULT '[]'
        CHECK (json_valid(authorization_grant_types)),
    redirect_uris                 TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(redirect_uris)),
    scopes                        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    require_proof_key             INTEGER NOT NULL DEFAULT 1 CHECK (require_proof_key IN (0, 1)),
    require_authorization_consent INTEGER NOT NULL DEFAULT 1
        CHECK (require_authorization_consent IN (0, 1)),
    status                        TEXT NOT NULL DEFAULT 'ACTIVE',
    created_at                    INTEGER NOT NULL
        DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at                    INTEGER NOT NULL
        DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_oauth2_clients_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_oauth2_clients_status CHECK (status IN ('ACTIVE', 'DISABLED')),
    CONSTRAINT ck_oauth2_clients_client_secret CHECK (
        client_secret IS NULL OR client_secret = ''
        OR (
            length(client_secret) = 60 AND client_secret GLOB '$2[aby]$[123][0-9]$*'
            AND substr(client_secret, 5, 2) BETWEEN '10' AND '31'
        )
    )
) STRICT;
CREATE UNIQUE INDEX uq_oauth2_clients_client_id ON oauth2_clients (client_id);
CREATE TRIGGER trg_oauth2_clients_updated_at AFTER UPDATE ON oauth2_clients
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE oauth2_clients
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

CREATE TABLE tokens (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL
        DEFAULT '00000000-0000-0000-0000-000000000001',
    -- A digest of fixed length, never the token.
    token_value TEXT NOT NULL,
    token_type  TEXT NOT NULL,
    user_id     TEXT,
    -- oauth2_clients.id, not the public client_id.
    client_id   TEXT,
    issued_at   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    expires_at  INTEGER NOT NULL,
    status      TEXT NOT NULL DEFAULT 'ACTIVE',
    CONSTRAINT fk_tokens_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_tokens_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_tokens_client_id FOREIGN KEY (client_id)
        REFERENCES oauth2_clients (id) ON DELETE CASCADE,
    CONSTRAINT ck_tokens_status CHECK (status IN ('ACTIVE', 'REVOKED', 'EXPIRED'))
) STRICT;
CREATE UNIQUE INDEX uq_tokens_token_value ON tokens (token_value);
CREATE INDEX idx_tokens_validation ON tokens (token_value, token_type) WHERE status = 'ACTIVE';
CREATE INDEX idx_tokens_expired ON tokens (expires_at) WHERE status = 'ACTIVE';
CREATE INDEX idx_tokens_user_id ON tokens (user_id, issued_at DESC) WHERE user_id IS NOT NULL;
CREATE INDEX idx_tokens_client_id ON tokens (client_id, issued_at DESC);
CREATE INDEX idx_tokens_tenant_id ON tokens (tenant_id);

-- ------------------------------------------------------------------ passwords

CREATE TABLE password_history (
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
CREATE INDEX idx_password_history_user_changed ON password_history (user_id, changed_at DESC);

CREATE TABLE password_reset_tokens (
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
CREATE UNIQUE INDEX uq_password_reset_tokens_token ON password_reset_tokens (token);
CREATE INDEX idx_password_reset_tokens_user_id ON password_reset_tokens (user_id);
CREATE INDEX idx_password_reset_tokens_expires_at ON password_reset_tokens (expires_at);

-- ---------------------------------------------------------------------- audit

-- No foreign keys: evidence outlives the tenant and the user that it names.
-- tenant_id is null for events of the platform.
CREATE TABLE audit_logs (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT,
    user_id     TEXT,
    action      TEXT NOT NULL,
    resource    TEXT,
    ip_address  TEXT,
    user_agent  TEXT,
    details     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(details)),
    result      TEXT NOT NULL DEFAULT 'SUCCESS',
    duration_ms INTEGER,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
) STRICT;
CREATE INDEX idx_audit_logs_created_at_brin ON audit_logs (created_at);
CREATE INDEX idx_audit_logs_tenant_created ON audit_logs (tenant_id, created_at DESC);
CREATE INDEX idx_audit_logs_user_created ON audit_logs (user_id, created_at DESC)
    WHERE user_id IS NOT NULL;
CREATE INDEX idx_audit_logs_action_created ON audit_logs (action, created_at DESC);
-- INVARIANT: nothing changes or removes an audit row. The third trigger is for
-- INSERT OR REPLACE, which removes a row without firing the second.
CREATE TRIGGER trg_audit_logs_no_update BEFORE UPDATE ON audit_logs
BEGIN
    SELECT RAISE(ABORT, 'audit_append_only');
END;
CREATE TRIGGER trg_audit_logs_no_delete BEFORE DELETE ON audit_logs
BEGIN
    SELECT RAISE(ABORT, 'audit_append_only');
END;
CREATE TRIGGER trg_audit_logs_no_replace BEFORE INSERT ON audit_logs
WHEN EXISTS (SELECT 1 FROM audit_logs WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'audit_append_only');
END;
