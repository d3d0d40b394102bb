-- version: V3.0.0
-- description: signet model

-- The same shapes as on PostgreSQL. Tables that gain a composite foreign key, a
-- NOT NULL column without a constant default or a computed default are rebuilt,
-- because ALTER TABLE cannot add those here. A rebuild drops the old table,
-- which with foreign keys on would delete what refers to it: the runner
-- switches them off before the transaction and runs foreign_key_check before
-- the commit. The next three statements refuse to go on otherwise.
CREATE TABLE migration_guard (
    foreign_keys_must_be_off INTEGER NOT NULL,
    CONSTRAINT foreign_keys_must_be_off CHECK (foreign_keys_must_be_off = 1)
) STRICT;
INSERT INTO migration_guard
SELECT 0 FROM pragma_foreign_keys WHERE foreign_keys = 1 AND EXISTS (SELECT 1 FROM tenants);
DROP TABLE migration_guard;

-- ---------------------------------------------------------------- platforms

CREATE TABLE platforms (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
) STRICT;
CREATE UNIQUE INDEX uq_platforms_name_key ON platforms (name_key);

INSERT INTO platforms (id, name, name_key)
VALUES ('00000000-0000-0000-0000-000000000001', 'Default Platform', 'default platform');

-- ------------------------------------------------------------------ tenants

CREATE TABLE tenants_rebuilt (
    id TEXT NOT NULL PRIMARY KEY DEFAULT (
        lower(hex(randomblob(4)) || '-' || hex(randomblob(2))
            || '-4' || substr(hex(randomblob(2)), 2)
            || '-' || substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2)
            || '-' || hex(randomblob(6)))
    ),
    name TEXT NOT NULL,
    code TEXT NOT NULL,
    domain TEXT,
    status TEXT NOT NULL DEFAULT 'ACTIVE',
    config TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(config)),
    billing_info TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(billing_info)),
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    deleted_at INTEGER,
    subscription_start_date INTEGER,
    subscription_end_date INTEGER,
    user_count INTEGER NOT NULL DEFAULT 0,
    storage_used INTEGER NOT NULL DEFAULT 0,
    api_calls_count INTEGER NOT NULL DEFAULT 0,
    platform_id TEXT NOT NULL DEFAULT '00000000-0000-0000-0000-000000000001',
    issuer TEXT,
    -- Twelve random digits; a collision fails on the unique index and is retried by the caller.
    account_number TEXT NOT NULL DEFAULT (printf('%012d', abs(random() % 1000000000000))),
    host_name TEXT,
    host_verified_at INTEGER,
    -- A deleted tenant keeps its rows until this instant at least.
    purge_at INTEGER,
    -- From then on there is no way back.
    purge_started_at INTEGER,
    -- A legal hold: while it stands, nothing of the tenant is purged.
    hold_reason TEXT,
    held_at INTEGER,
    version INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT ck_tenants_hold CHECK ((hold_reason IS NULL) = (held_at IS NULL)),
    CONSTRAINT ck_tenants_purge_at CHECK (purge_at IS NULL OR deleted_at IS NOT NULL),
    CONSTRAINT ck_tenants_id CHECK (
        length(id) BETWEEN 1 AND 64 AND id NOT GLOB '*[^A-Za-z0-9._:-]*'
    ),
    CONSTRAINT ck_tenants_status CHECK (status IN ('ACTIVE', 'INACTIVE', 'SUSPENDED')),
    -- `platform` is a scope of its own in policy_versions and never a tenant.
    CONSTRAINT ck_tenants_id_not_platform CHECK (id <> 'platform'),
    CONSTRAINT ck_tenants_account_number CHECK (
        length(account_number) = 12 AND account_number NOT GLOB '*[^0-9]*'
    ),
    CONSTRAINT fk_tenants_platform_id FOREIGN KEY (platform_id) REFERENCES platforms (id)
) STRICT;
INSERT INTO tenants_rebuilt (
    id, name, code, domain, status, config, billing_info, created_at, updated_at, deleted_at,
    subscription_start_date, subscription_end_date, user_count, storage_used, api_calls_count
)
SELECT
    id, name, code, domain, status, config, billing_info, created_at, updated_at, deleted_at,
    subscription_start_date, subscription_end_date, user_count, storage_used, api_calls_count
FROM tenants;
DROP TABLE tenants;
ALTER TABLE tenants_rebuilt RENAME TO tenants;
CREATE UNIQUE INDEX uq_tenants_name ON tenants (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_tenants_code ON tenants (code) WHERE deleted_at IS NULL;
CREATE INDEX idx_tenants_status ON tenants (status) WHERE deleted_at IS NULL;
CREATE INDEX idx_tenants_subscription_end_date ON tenants (subscription_end_date)
    WHERE subscription_end_date IS NOT NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX uq_tenants_issuer ON tenants (issuer);
CREATE UNIQUE INDEX uq_tenants_account_number ON tenants (account_number);
CREATE UNIQUE INDEX uq_tenants_host_name ON tenants (host_name);
CREATE INDEX idx_tenants_platform_id ON tenants (platform_id);
-- The code of a deleted tenant is not free either: addresses and issuers hold it.
CREATE UNIQUE INDEX uq_tenants_code_ever ON tenants (code);
CREATE INDEX idx_tenants_purge_at ON tenants (purge_at) WHERE purge_at IS NOT NULL;
-- Figures are not changes of a tenant: they leave updated_at alone.
CREATE TRIGGER trg_tenants_updated_at AFTER UPDATE ON tenants
WHEN NEW.updated_at = OLD.updated_at
    AND NEW.user_count = OLD.user_count
    AND NEW.storage_used = OLD.storage_used
    AND NEW.api_calls_count = OLD.api_calls_count
BEGIN
    UPDATE tenants
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

-- What remains of a purged tenant, so that its code, issuer and account number
-- are never given to another. No foreign key: there is no row left to refer to.
CREATE TABLE tenant_tombstones (
    tenant_id      TEXT NOT NULL PRIMARY KEY,
    code           TEXT NOT NULL,
    issuer         TEXT,
    account_number TEXT NOT NULL,
    purged_at      INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
) STRICT;
CREATE UNIQUE INDEX uq_tenant_tombstones_code ON tenant_tombstones (code);
CREATE UNIQUE INDEX uq_tenant_tombstones_issuer ON tenant_tombstones (issuer);
CREATE UNIQUE INDEX uq_tenant_tombstones_account_number ON tenant_tombstones (account_number);

-- -------------------------------------------------------------------- users

DROP TRIGGER trg_users_after_update;
ALTER TABLE users ADD COLUMN username_key TEXT NOT NULL DEFAULT '';
ALTER TABLE users ADD COLUMN email_key TEXT;
ALTER TABLE users ADD COLUMN must_change_password INTEGER NOT NULL DEFAULT 0
    CHECK (must_change_password IN (0, 1));
ALTER TABLE users ADD COLUMN password_set INTEGER NOT NULL DEFAULT 1
    CHECK (password_set IN (0, 1));
ALTER TABLE users ADD COLUMN password_changed_at INTEGER;
ALTER TABLE users ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

UPDATE users SET username_key = lower(username), email_key = lower(email);

DROP INDEX uq_users_tenant_id_username;
DROP INDEX uq_users_tenant_id_email;
CREATE UNIQUE INDEX uq_users_tenant_id_username_key ON users (tenant_id, username_key)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_email_key ON users (tenant_id, email_key)
    WHERE deleted_at IS NULL AND email_key IS NOT NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_id ON users (tenant_id, id);

-- The program writes both keys itself (NFKC, case-folded). These triggers serve
-- statements typed by hand. On update a key is computed only for ASCII names,
-- where lower() and case folding agree; a key of the program is never touched.
CREATE TRIGGER trg_users_fill_keys AFTER INSERT ON users
WHEN NEW.username_key = '' OR (NEW.email IS NOT NULL AND NEW.email_key IS NULL)
BEGIN
    UPDATE users
    SET username_key = CASE WHEN NEW.username_key = '' THEN lower(NEW.username)
            ELSE NEW.username_key END,
        email_key = coalesce(NEW.email_key, lower(NEW.email))
    WHERE id = NEW.id;
END;
CREATE TRIGGER trg_users_after_update AFTER UPDATE ON users
WHEN NEW.updated_at = OLD.updated_at
    OR NEW.status <> OLD.status
    OR NEW.username <> OLD.username
    OR NEW.username_key = ''
    OR NEW.email IS NOT OLD.email
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
            ELSE NEW.deleted_at END,
        username_key = CASE
            WHEN NEW.username_key = '' THEN lower(NEW.username)
            WHEN NEW.username <> OLD.username
                AND NEW.username_key = OLD.username_key
                AND NEW.username NOT GLOB '*[^ -~]*' THEN lower(NEW.username)
            ELSE NEW.username_key END,
        email_key = CASE
            WHEN NEW.email IS NULL THEN NULL
            WHEN NEW.email_key IS NULL THEN lower(NEW.email)
            WHEN NEW.email IS NOT OLD.email
                AND NEW.email_key IS OLD.email_key
                AND NEW.email NOT GLOB '*[^ -~]*' THEN lower(NEW.email)
            ELSE NEW.email_key END
    WHERE id = NEW.id;
END;

-- What people are searched by: the words of their fields, folded, each after
-- U+00AA twice. The program writes it (crates/store/src/search.rs); the first two
-- triggers serve statements typed by hand, with lower() instead of case folding.
ALTER TABLE users ADD COLUMN search_text TEXT NOT NULL DEFAULT '';

-- Numbers that stay: those of a table without an integer key may change with VACUUM.
CREATE TABLE user_search (
    number  INTEGER PRIMARY KEY,
    user_id TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX uq_user_search_user_id ON user_search (user_id);
CREATE VIEW user_search_content AS
SELECT s.number, u.search_text FROM user_search s JOIN users u ON u.id = s.user_id;
CREATE VIRTUAL TABLE user_search_index USING fts5 (
    search_text, content = 'user_search_content', content_rowid = 'number',
    tokenize = 'trigram case_sensitive 1'
);

CREATE TRIGGER trg_users_search_fill AFTER INSERT ON users
WHEN NEW.search_text = ''
BEGIN
    UPDATE users
    SET search_text = char(170, 170) || replace(lower(concat_ws(
        ' ', NEW.username, NEW.email, NEW.phone, NEW.display_name, NEW.first_name, NEW.last_name
    )), ' ', char(170, 170))
    WHERE id = NEW.id;
END;
CREATE TRIGGER trg_users_search_refill
AFTER UPDATE OF username, email, phone, display_name, first_name, last_name ON users
WHEN NEW.search_text = OLD.search_text AND (
    NEW.username IS NOT OLD.username OR NEW.email IS NOT OLD.email OR NEW.phone IS NOT OLD.phone
    OR NEW.display_name IS NOT OLD.display_name OR NEW.first_name IS NOT OLD.first_name
    OR NEW.last_name IS NOT OLD.last_name
)
BEGIN
    UPDATE users
    SET search_text = char(170, 170) || replace(lower(concat_ws(
        ' ', NEW.username, NEW.email, NEW.phone, NEW.display_name, NEW.first_name, NEW.last_name
    )), ' ', char(170, 170))
    WHERE id = NEW.id;
END;
CREATE TRIGGER trg_users_search_insert AFTER INSERT ON users
WHEN NEW.search_text <> ''
BEGIN
    INSERT INTO user_search (user_id) VALUES (NEW.id);
    INSERT INTO user_search_index (rowid, search_text)
    SELECT number, NEW.search_text FROM user_search WHERE user_id = NEW.id;
END;
CREATE TRIGGER trg_users_search_update AFTER UPDATE OF search_text ON users
WHEN NEW.search_text <> OLD.search_text
BEGIN
    INSERT INTO user_search_index (user_search_index, rowid, search_text)
    SELECT 'delete', number, OLD.search_text FROM user_search
    WHERE user_id = OLD.id AND OLD.search_text <> '';
    INSERT INTO user_search (user_id)
    SELECT NEW.id WHERE NOT EXISTS (SELECT 1 FROM user_search WHERE user_id = NEW.id);
    INSERT INTO user_search_index (rowid, search_text)
    SELECT number, NEW.search_text FROM user_search WHERE user_id = NEW.id;
END;
CREATE TRIGGER trg_users_search_delete BEFORE DELETE ON users
BEGIN
    INSERT INTO user_search_index (user_search_index, rowid, search_text)
    SELECT 'delete', number, OLD.search_text FROM user_search WHERE user_id = OLD.id;
    DELETE FROM user_search WHERE user_id = OLD.id;
END;
UPDATE users
SET search_text = char(170, 170) || replace(lower(concat_ws(
    ' ', username, email, phone, display_name, first_name, last_name
)), ' ', char(170, 170));

-- tenants.user_count is the number of users that are not deleted, whoever writes.
UPDATE tenants SET user_count =
    (SELECT count(*) FROM users u WHERE u.tenant_id = tenants.id AND u.deleted_at IS NULL);
CREATE TRIGGER trg_users_count_inserted AFTER INSERT ON users
WHEN NEW.deleted_at IS NULL
BEGIN
    UPDATE tenants SET user_count = user_count + 1 WHERE id = NEW.tenant_id;
END;
CREATE TRIGGER trg_users_count_removed AFTER DELETE ON users
WHEN OLD.deleted_at IS NULL
BEGIN
    UPDATE tenants SET user_count = user_count - 1 WHERE id = OLD.tenant_id;
END;
CREATE TRIGGER trg_users_count_changed AFTER UPDATE OF deleted_at ON users
WHEN (OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL)
BEGIN
    UPDATE tenants
    SET user_count = user_count + CASE WHEN NEW.deleted_at IS NULL THEN 1 ELSE -1 END
    WHERE id = NEW.tenant_id;
END;

-- --------------------------------------------------------------- principals

-- What the decision point knows of a user or client. No foreign key from or to
-- users: the directory writes both in one transaction.
CREATE TABLE principals (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    kind        TEXT NOT NULL,
    status      TEXT NOT NULL DEFAULT 'active',
    attributes  TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(attributes)),
    -- What a client is an enforcement point for: oauth2_clients.evaluation, written with it.
    evaluation  TEXT CHECK (json_valid(evaluation)),
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_principals_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_principals_kind CHECK (kind IN ('user', 'client')),
    CONSTRAINT ck_principals_status CHECK (status IN ('active', 'inactive'))
) STRICT;
CREATE UNIQUE INDEX uq_principals_tenant_id_id ON principals (tenant_id, id);
-- People who are there already, and clients that act for themselves.
INSERT INTO principals (id, tenant_id, kind, status)
SELECT id, tenant_id, 'user', CASE status WHEN 'ACTIVE' THEN 'active' ELSE 'inactive' END FROM users;
INSERT INTO principals (id, tenant_id, kind, status)
SELECT id, tenant_id, 'client', CASE status WHEN 'ACTIVE' THEN 'active' ELSE 'inactive' END
FROM oauth2_clients c
WHERE EXISTS (SELECT 1 FROM json_each(c.authorization_grant_types) g WHERE g.value = 'client_credentials')
    AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = c.id);

-- -------------------------------------------------------------------- roles

CREATE TABLE roles_rebuilt (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    code        TEXT NOT NULL,
    description TEXT,
    permissions TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(permissions)),
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    parent_id   TEXT,
    version     INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT fk_roles_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    -- Renaming the table renames this reference to itself.
    CONSTRAINT fk_roles_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES roles_rebuilt (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX uq_roles_tenant_id_id ON roles_rebuilt (tenant_id, id);
INSERT INTO roles_rebuilt (
    id, tenant_id, name, code, description, permissions, created_at, updated_at
)
SELECT id, tenant_id, name, code, description, permissions, created_at, updated_at FROM roles;
DROP TABLE roles;
ALTER TABLE roles_rebuilt RENAME TO roles;
CREATE UNIQUE INDEX uq_roles_tenant_id_code ON roles (tenant_id, code);
CREATE UNIQUE INDEX uq_roles_tenant_id_name ON roles (tenant_id, name);
CREATE INDEX idx_roles_tenant_id_parent_id ON roles (tenant_id, parent_id)
    WHERE parent_id IS NOT NULL;
CREATE TRIGGER trg_roles_updated_at AFTER UPDATE ON roles
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE roles
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

-- INVARIANT: the parents of a role end at a root, and no chain from root to
-- leaf holds more than 10 roles.
CREATE TRIGGER trg_roles_parent_insert AFTER INSERT ON roles
WHEN NEW.parent_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'role_cycle') WHERE NEW.parent_id = NEW.id;
    SELECT RAISE(ABORT, 'role_too_deep') WHERE 10 < (
        WITH RECURSIVE above (id, depth) AS (
            SELECT NEW.parent_id, 2
            UNION ALL
            SELECT r.parent_id, a.depth + 1 FROM roles r JOIN above a ON r.id = a.id
            WHERE r.parent_id IS NOT NULL AND a.depth <= 10
        )
        SELECT max(depth) FROM above
    );
END;
CREATE TRIGGER trg_roles_parent_update AFTER UPDATE OF parent_id ON roles
WHEN NEW.parent_id IS NOT NULL AND NEW.parent_id IS NOT OLD.parent_id
BEGIN
    SELECT RAISE(ABORT, 'role_cycle') WHERE NEW.id IN (
        WITH RECURSIVE above (id, depth) AS (
            SELECT NEW.parent_id, 2
            UNION ALL
            SELECT r.parent_id, a.depth + 1 FROM roles r JOIN above a ON r.id = a.id
            WHERE r.parent_id IS NOT NULL AND a.depth <= 11 AND a.id <> NEW.id
        )
        SELECT id FROM above
    );
    SELECT RAISE(ABORT, 'role_too_deep') WHERE 10 < (
        WITH RECURSIVE above (id, depth) AS (
            SELECT NEW.parent_id, 1
            UNION ALL
            SELECT r.parent_id, a.depth + 1 FROM roles r JOIN above a ON r.id = a.id
            WHERE r.parent_id IS NOT NULL AND a.depth <= 10
        )
        SELECT max(depth) FROM above
    ) + (
        WITH RECURSIVE below (id, depth) AS (
            SELECT NEW.id, 1
            UNION ALL
            SELECT r.id, b.depth + 1 FROM roles r JOIN below b ON r.parent_id = b.id
            WHERE b.depth <= 10
        )
        SELECT max(depth) FROM below
    );
END;

-- --------------------------------------------------------------- user_roles

CREATE TABLE user_roles_rebuilt (
    id          TEXT NOT NULL PRIMARY KEY,
    user_id     TEXT NOT NULL,
    role_id     TEXT NOT NULL,
    assigned_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    assigned_by TEXT,
    expires_at  INTEGER,
    tenant_id   TEXT NOT NULL,
    valid_from  INTEGER,
    CONSTRAINT fk_user_roles_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_user_roles_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE
) STRICT;
INSERT INTO user_roles_rebuilt (
    id, user_id, role_id, assigned_at, assigned_by, expires_at, tenant_id
)
SELECT ur.id, ur.user_id, ur.role_id, ur.assigned_at, ur.assigned_by, ur.expires_at, u.tenant_id
FROM user_roles ur JOIN users u ON u.id = ur.user_id;
DROP TABLE user_roles;
ALTER TABLE user_roles_rebuilt RENAME TO user_roles;
CREATE UNIQUE INDEX uq_user_roles_user_id_role_id ON user_roles (user_id, role_id);
CREATE INDEX idx_user_roles_role_id ON user_roles (role_id);
CREATE INDEX idx_user_roles_expires_at ON user_roles (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX idx_user_roles_tenant_id_role_id ON user_roles (tenant_id, role_id, user_id);

-- ----------------------------------------------------------- oauth2_clients

DROP INDEX uq_oauth2_clients_client_id;
ALTER TABLE oauth2_clients ADD COLUMN post_logout_redirect_uris TEXT NOT NULL DEFAULT '[]'
    CHECK (json_valid(post_logout_redirect_uris));
ALTER TABLE oauth2_clients ADD COLUMN access_token_ttl_seconds INTEGER NOT NULL DEFAULT 900
    CONSTRAINT ck_oauth2_clients_access_token_ttl_seconds CHECK (access_token_ttl_seconds > 0);
ALTER TABLE oauth2_clients ADD COLUMN refresh_token_ttl_seconds INTEGER NOT NULL DEFAULT 604800
    CONSTRAINT ck_oauth2_clients_refresh_token_ttl_seconds CHECK (refresh_token_ttl_seconds > 0);
ALTER TABLE oauth2_clients ADD COLUMN id_token_signed_response_alg TEXT NOT NULL DEFAULT 'RS256'
    CONSTRAINT ck_oauth2_clients_id_token_signed_response_alg
    CHECK (id_token_signed_response_alg IN ('EdDSA', 'ES256', 'RS256'));
ALTER TABLE oauth2_clients ADD COLUMN access_token_alg TEXT NOT NULL DEFAULT 'EdDSA'
    CONSTRAINT ck_oauth2_clients_access_token_alg
    CHECK (access_token_alg IN ('EdDSA', 'ES256', 'RS256'));
ALTER TABLE oauth2_clients ADD COLUMN audience TEXT NOT NULL DEFAULT '[]'
    CHECK (json_valid(audience));
-- Action and resource patterns for which the client is an enforcement point.
ALTER TABLE oauth2_clients ADD COLUMN evaluation TEXT CHECK (json_valid(evaluation));
ALTER TABLE oauth2_clients ADD COLUMN description TEXT;
ALTER TABLE oauth2_clients ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
CREATE UNIQUE INDEX uq_oauth2_clients_tenant_id_client_id ON oauth2_clients (tenant_id, client_id);
CREATE UNIQUE INDEX uq_oauth2_clients_tenant_id_id ON oauth2_clients (tenant_id, id);

CREATE TABLE client_roles (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    client_id   TEXT NOT NULL,
    role_id     TEXT NOT NULL,
    assigned_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    assigned_by TEXT,
    valid_from  INTEGER,
    expires_at  INTEGER,
    CONSTRAINT fk_client_roles_tenant_id_client_id FOREIGN KEY (tenant_id, client_id)
        REFERENCES oauth2_clients (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_client_roles_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX uq_client_roles_client_id_role_id ON client_roles (client_id, role_id);
CREATE INDEX idx_client_roles_tenant_id_role_id ON client_roles (tenant_id, role_id);

-- ------------------------------------------------------------------- groups

CREATE TABLE groups (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    description TEXT,
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_groups_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX uq_groups_tenant_id_name_key ON groups (tenant_id, name_key);
CREATE UNIQUE INDEX uq_groups_tenant_id_id ON groups (tenant_id, id);
CREATE INDEX idx_groups_tenant_id_created_at ON groups (tenant_id, created_at, id);

CREATE TABLE group_members (
    group_id     TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    tenant_id    TEXT NOT NULL,
    valid_from   INTEGER,
    expires_at   INTEGER,
    added_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    added_by     TEXT,
    PRIMARY KEY (group_id, principal_id),
    CONSTRAINT fk_group_members_tenant_id_group_id FOREIGN KEY (tenant_id, group_id)
        REFERENCES groups (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_group_members_tenant_id_principal_id FOREIGN KEY (tenant_id, principal_id)
        REFERENCES principals (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_group_members_tenant_id_principal_id ON group_members (tenant_id, principal_id);

CREATE TABLE group_roles (
    group_id    TEXT NOT NULL,
    role_id     TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    valid_from  INTEGER,
    expires_at  INTEGER,
    assigned_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    assigned_by TEXT,
    PRIMARY KEY (group_id, role_id),
    CONSTRAINT fk_group_roles_tenant_id_group_id FOREIGN KEY (tenant_id, group_id)
        REFERENCES groups (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_group_roles_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_group_roles_tenant_id_role_id ON group_roles (tenant_id, role_id);

-- -------------------------------------------------------------- permissions

-- The catalogue of all actions; `permissions` keeps the rows of each tenant.
CREATE TABLE global_permissions (
    id          TEXT NOT NULL PRIMARY KEY,
    name        TEXT NOT NULL,
    description TEXT,
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
) STRICT;
CREATE UNIQUE INDEX uq_global_permissions_name ON global_permissions (name);

ALTER TABLE permissions ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE permissions ADD COLUMN global_permission_id TEXT
    CONSTRAINT fk_permissions_global_permission_id REFERENCES global_permissions (id);
CREATE UNIQUE INDEX uq_permissions_tenant_id_id ON permissions (tenant_id, id);
CREATE INDEX idx_permissions_global_permission_id ON permissions (global_permission_id)
    WHERE global_permission_id IS NOT NULL;

-- ----------------------------------------------------------------- policies

CREATE TABLE policies (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    name        TEXT NOT NULL,
    name_key    TEXT NOT NULL,
    description TEXT,
    priority    INTEGER NOT NULL DEFAULT 0,
    effect      TEXT NOT NULL DEFAULT 'allow',
    expression  TEXT,
    document    TEXT CHECK (json_valid(document)),
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_policies_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_policies_priority CHECK (priority BETWEEN 0 AND 1000),
    CONSTRAINT ck_policies_effect CHECK (effect IN ('allow', 'deny'))
) STRICT;
CREATE UNIQUE INDEX uq_policies_tenant_id_name_key ON policies (tenant_id, name_key);
CREATE UNIQUE INDEX uq_policies_tenant_id_id ON policies (tenant_id, id);

-- A policy as it was from one change to the next, the present one included.
CREATE TABLE policy_history (
    tenant_id   TEXT NOT NULL,
    policy_id   TEXT NOT NULL,
    version     INTEGER NOT NULL,
    name        TEXT NOT NULL,
    description TEXT,
    priority    INTEGER NOT NULL,
    effect      TEXT NOT NULL,
    expression  TEXT,
    document    TEXT CHECK (json_valid(document)),
    changed_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    changed_by  TEXT,
    PRIMARY KEY (tenant_id, policy_id, version),
    CONSTRAINT fk_policy_history_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_policy_history_priority CHECK (priority BETWEEN 0 AND 1000),
    CONSTRAINT ck_policy_history_effect CHECK (effect IN ('allow', 'deny'))
) STRICT;

CREATE TABLE role_policies (
    role_id     TEXT NOT NULL,
    policy_id   TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    attached_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    attached_by TEXT,
    PRIMARY KEY (role_id, policy_id),
    CONSTRAINT fk_role_policies_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_role_policies_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_role_policies_tenant_id_policy_id ON role_policies (tenant_id, policy_id);

-- What the tenant imposes on everybody in it. No removal of a policy takes it along:
-- what binds is detached first, by whoever may do that.
CREATE TABLE tenant_guardrails (
    tenant_id   TEXT NOT NULL,
    policy_id   TEXT NOT NULL,
    attached_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    attached_by TEXT,
    PRIMARY KEY (tenant_id, policy_id),
    CONSTRAINT fk_tenant_guardrails_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id)
) STRICT;

-- What a user or client may have at most, whatever its roles say.
CREATE TABLE principal_boundaries (
    principal_id TEXT NOT NULL PRIMARY KEY,
    tenant_id    TEXT NOT NULL,
    policy_id    TEXT NOT NULL,
    set_at       INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    set_by       TEXT,
    CONSTRAINT fk_principal_boundaries_tenant_id_principal_id FOREIGN KEY (tenant_id, principal_id)
        REFERENCES principals (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_principal_boundaries_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id)
) STRICT;
CREATE INDEX idx_principal_boundaries_tenant_id_principal_id
    ON principal_boundaries (tenant_id, principal_id);
CREATE INDEX idx_principal_boundaries_tenant_id_policy_id
    ON principal_boundaries (tenant_id, policy_id);

-- Policies that are attached to a user itself, where the tenant has switched that on.
CREATE TABLE user_policies (
    user_id     TEXT NOT NULL,
    policy_id   TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    valid_from  INTEGER,
    expires_at  INTEGER,
    attached_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    attached_by TEXT,
    PRIMARY KEY (user_id, policy_id),
    CONSTRAINT fk_user_policies_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_user_policies_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id)
) STRICT;
CREATE INDEX idx_user_policies_tenant_id_user_id ON user_policies (tenant_id, user_id);
CREATE INDEX idx_user_policies_tenant_id_policy_id ON user_policies (tenant_id, policy_id);

CREATE TABLE policy_permissions (
    policy_id     TEXT NOT NULL,
    permission_id TEXT NOT NULL,
    tenant_id     TEXT NOT NULL,
    -- Null means the effect of the policy.
    effect        TEXT,
    PRIMARY KEY (policy_id, permission_id),
    CONSTRAINT fk_policy_permissions_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_policy_permissions_tenant_id_permission_id FOREIGN KEY (tenant_id, permission_id)
        REFERENCES permissions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_policy_permissions_effect CHECK (effect IN ('allow', 'deny'))
) STRICT;
CREATE INDEX idx_policy_permissions_tenant_id_permission_id
    ON policy_permissions (tenant_id, permission_id);

CREATE TABLE policy_global_permissions (
    policy_id            TEXT NOT NULL,
    global_permission_id TEXT NOT NULL,
    tenant_id            TEXT NOT NULL,
    PRIMARY KEY (policy_id, global_permission_id),
    CONSTRAINT fk_policy_global_permissions_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_policy_global_permissions_global_permission_id FOREIGN KEY (global_permission_id)
        REFERENCES global_permissions (id)
) STRICT;
CREATE INDEX idx_policy_global_permissions_tenant_id_policy_id
    ON policy_global_permissions (tenant_id, policy_id);
CREATE INDEX idx_policy_global_permissions_global_permission_id
    ON policy_global_permissions (global_permission_id);

-- ---------------------------------------------------------------- resources

CREATE TABLE resources (
    id         TEXT NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    parent_id  TEXT,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL DEFAULT '',
    tags       TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(tags)),
    version    INTEGER NOT NULL DEFAULT 1,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_resources_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_resources_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES resources (tenant_id, id)
) STRICT;
CREATE UNIQUE INDEX uq_resources_tenant_id_name ON resources (tenant_id, name);
CREATE UNIQUE INDEX uq_resources_tenant_id_id ON resources (tenant_id, id);
CREATE INDEX idx_resources_tenant_id_created_at ON resources (tenant_id, created_at, id);
CREATE INDEX idx_resources_tenant_id_parent_id ON resources (tenant_id, parent_id)
    WHERE parent_id IS NOT NULL;

-- INVARIANT: as for roles, with resources.
CREATE TRIGGER trg_resources_parent_insert AFTER INSERT ON resources
WHEN NEW.parent_id IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'resource_cycle') WHERE NEW.parent_id = NEW.id;
    SELECT RAISE(ABORT, 'resource_too_deep') WHERE 10 < (
        WITH RECURSIVE above (id, depth) AS (
            SELECT NEW.parent_id, 2
            UNION ALL
            SELECT r.parent_id, a.depth + 1 FROM resources r JOIN above a ON r.id = a.id
            WHERE r.parent_id IS NOT NULL AND a.depth <= 10
        )
        SELECT max(depth) FROM above
    );
END;
CREATE TRIGGER trg_resources_parent_update AFTER UPDATE OF parent_id ON resources
WHEN NEW.parent_id IS NOT NULL AND NEW.parent_id IS NOT OLD.parent_id
BEGIN
    SELECT RAISE(ABORT, 'resource_cycle') WHERE NEW.id IN (
        WITH RECURSIVE above (id, depth) AS (
            SELECT NEW.parent_id, 2
            UNION ALL
            SELECT r.parent_id, a.depth + 1 FROM resources r JOIN above a ON r.id = a.id
            WHERE r.parent_id IS NOT NULL AND a.depth <= 11 AND a.id <> NEW.id
        )
        SELECT id FROM above
    );
    SELECT RAISE(ABORT, 'resource_too_deep') WHERE 10 < (
        WITH RECURSIVE above (id, depth) AS (
            SELECT NEW.parent_id, 1
            UNION ALL
            SELECT r.parent_id, a.depth + 1 FROM resources r JOIN above a ON r.id = a.id
            WHERE r.parent_id IS NOT NULL AND a.depth <= 10
        )
        SELECT max(depth) FROM above
    ) + (
        WITH RECURSIVE below (id, depth) AS (
            SELECT NEW.id, 1
            UNION ALL
            SELECT r.id, b.depth + 1 FROM resources r JOIN below b ON r.parent_id = b.id
            WHERE b.depth <= 10
        )
        SELECT max(depth) FROM below
    );
END;

CREATE TABLE policy_resources (
    policy_id   TEXT NOT NULL,
    resource_id TEXT NOT NULL,
    tenant_id   TEXT NOT NULL,
    PRIMARY KEY (policy_id, resource_id),
    CONSTRAINT fk_policy_resources_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_policy_resources_tenant_id_resource_id FOREIGN KEY (tenant_id, resource_id)
        REFERENCES resources (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_policy_resources_tenant_id_resource_id
    ON policy_resources (tenant_id, resource_id);

-- What a resource says itself. No removal of a resource takes it along.
CREATE TABLE resource_policies (
    resource_id TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    document    TEXT NOT NULL CHECK (json_valid(document)),
    version     INTEGER NOT NULL DEFAULT 1,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_resource_policies_tenant_id_resource_id FOREIGN KEY (tenant_id, resource_id)
        REFERENCES resources (tenant_id, id)
) STRICT;
CREATE INDEX idx_resource_policies_tenant_id_resource_id
    ON resource_policies (tenant_id, resource_id);

-- ------------------------------------------------- platform scope, versions

CREATE TABLE platform_roles (
    principal_id TEXT NOT NULL,
    role         TEXT NOT NULL,
    assigned_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    assigned_by  TEXT,
    expires_at   INTEGER,
    PRIMARY KEY (principal_id, role),
    CONSTRAINT fk_platform_roles_principal_id FOREIGN KEY (principal_id)
        REFERENCES principals (id) ON DELETE CASCADE
) STRICT;

-- What the platform imposes on every tenant, or on one.
CREATE TABLE platform_guardrails (
    id             TEXT NOT NULL PRIMARY KEY,
    name           TEXT NOT NULL,
    description    TEXT,
    document       TEXT NOT NULL CHECK (json_valid(document)),
    -- Null means every tenant.
    only_tenant_id TEXT,
    version        INTEGER NOT NULL DEFAULT 1,
    created_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_platform_guardrails_only_tenant_id FOREIGN KEY (only_tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_platform_guardrails_only_tenant_id ON platform_guardrails (only_tenant_id)
    WHERE only_tenant_id IS NOT NULL;

-- One row a tenant and one for `platform`. No foreign key: the version of a
-- deleted tenant must not start again at a number that a node has seen.
CREATE TABLE policy_versions (
    tenant_id  TEXT NOT NULL PRIMARY KEY,
    version    INTEGER NOT NULL DEFAULT 1,
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
) STRICT;

-- What each new version changed, so that a node need not read a tenant again as
-- a whole. No foreign key: what is said of a tenant outlives it by some minutes.
CREATE TABLE policy_changes (
    tenant_id  TEXT NOT NULL,
    version    INTEGER NOT NULL,
    place      INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    subject    TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    PRIMARY KEY (tenant_id, version, place)
) STRICT;
CREATE INDEX idx_policy_changes_created_at ON policy_changes (created_at);

-- ------------------------------------------------------------------- outbox

-- No foreign key: a job about a deleted tenant is still to be done.
CREATE TABLE outbox (
    id           TEXT NOT NULL PRIMARY KEY,
    tenant_id    TEXT,
    kind         TEXT NOT NULL,
    payload      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(payload)),
    created_at   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    not_before   INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    attempts     INTEGER NOT NULL DEFAULT 0,
    leased_until INTEGER,
    done_at      INTEGER,
    last_error   TEXT,
    CONSTRAINT ck_outbox_attempts CHECK (attempts >= 0)
) STRICT;
CREATE INDEX idx_outbox_pending ON outbox (not_before, id) WHERE done_at IS NULL;
CREATE INDEX idx_outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;

-- --------------------------------------------------------------------- keys

CREATE TABLE key_checks (
    name       TEXT NOT NULL PRIMARY KEY,
    value      BLOB NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
) STRICT;

CREATE TABLE signing_keys (
    -- The `kid` of the published key.
    id             TEXT NOT NULL PRIMARY KEY,
    tenant_id      TEXT NOT NULL,
    algorithm      TEXT NOT NULL,
    status         TEXT NOT NULL,
    public_jwk     TEXT NOT NULL CHECK (json_valid(public_jwk)),
    sealed_private BLOB NOT NULL,
    created_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    activated_at   INTEGER,
    retire_at      INTEGER,
    CONSTRAINT fk_signing_keys_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_signing_keys_algorithm CHECK (algorithm IN ('EdDSA', 'ES256', 'RS256')),
    CONSTRAINT ck_signing_keys_status CHECK (status IN ('active', 'next', 'retired'))
) STRICT;
CREATE UNIQUE INDEX uq_signing_keys_tenant_id_algorithm ON signing_keys (tenant_id, algorithm)
    WHERE status = 'active';
CREATE INDEX idx_signing_keys_tenant_id ON signing_keys (tenant_id);

-- A key ring: how the data keys of one name are made, replaced and ended. Its keys are
-- the kms_data_keys of the same tenant_id and name; tenant_id is null for a ring of the
-- platform.
CREATE TABLE kms_key_rings (
    id                        TEXT NOT NULL PRIMARY KEY,
    tenant_id                 TEXT,
    name                      TEXT NOT NULL,
    purpose                   TEXT NOT NULL DEFAULT '',
    algorithm                 TEXT NOT NULL,
    -- Null: keys are replaced by hand, or when their uses are spent.
    rotation_interval_seconds INTEGER,
    -- For how long an active key that is over still encrypts.
    grace_seconds             INTEGER NOT NULL,
    -- How many values one key may encrypt.
    uses_max                  INTEGER NOT NULL,
    min_decryption_version    INTEGER NOT NULL DEFAULT 1,
    -- The highest number that a key of the ring ever had.
    last_version              INTEGER NOT NULL DEFAULT 0,
    -- When the ring goes; nothing is done with it until then.
    destroy_at                INTEGER,
    version                   INTEGER NOT NULL DEFAULT 1,
    created_at                INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at                INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_kms_key_rings_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_kms_key_rings_algorithm
        CHECK (algorithm IN ('AES-256-GCM', 'AES-256-CBC', 'ChaCha20-Poly1305', 'SM4-GCM')),
    CONSTRAINT ck_kms_key_rings_rotation_interval_seconds CHECK (rotation_interval_seconds > 0),
    CONSTRAINT ck_kms_key_rings_grace_seconds CHECK (grace_seconds >= 0),
    CONSTRAINT ck_kms_key_rings_uses_max CHECK (uses_max BETWEEN 1 AND 4294967296),
    CONSTRAINT ck_kms_key_rings_min_decryption_version
        CHECK (min_decryption_version BETWEEN 1 AND 4294967295),
    CONSTRAINT ck_kms_key_rings_last_version CHECK (last_version BETWEEN 0 AND 4294967295)
) STRICT;
CREATE UNIQUE INDEX uq_kms_key_rings_tenant_id_name ON kms_key_rings (coalesce(tenant_id, ''), name);
CREATE INDEX idx_kms_key_rings_tenant_id ON kms_key_rings (tenant_id);
CREATE INDEX idx_kms_key_rings_destroy_at ON kms_key_rings (destroy_at) WHERE destroy_at IS NOT NULL;

-- What a data key went through, beside its row.
CREATE TABLE kms_key_details (
    key_id        TEXT NOT NULL PRIMARY KEY,
    tenant_id     TEXT,
    -- Uses that nodes have taken, in blocks: at least as many as there were.
    uses_reserved INTEGER NOT NULL DEFAULT 0,
    activated_at  INTEGER,
    revoked_at    INTEGER,
    revoke_reason TEXT,
    -- When the revoked key goes.
    destroy_at    INTEGER,
    CONSTRAINT fk_kms_key_details_key_id FOREIGN KEY (key_id)
        REFERENCES kms_data_keys (id) ON DELETE CASCADE,
    CONSTRAINT ck_kms_key_details_uses_reserved CHECK (uses_reserved >= 0)
) STRICT;
CREATE INDEX idx_kms_key_details_tenant_id ON kms_key_details (tenant_id);
CREATE INDEX idx_kms_key_details_destroy_at ON kms_key_details (destroy_at) WHERE destroy_at IS NOT NULL;

-- Who still holds values under a data key, as they say: it is not destroyed meanwhile.
CREATE TABLE kms_key_references (
    key_id     TEXT NOT NULL,
    holder     TEXT NOT NULL,
    tenant_id  TEXT,
    items      INTEGER NOT NULL,
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    PRIMARY KEY (key_id, holder),
    CONSTRAINT fk_kms_key_references_key_id FOREIGN KEY (key_id)
        REFERENCES kms_data_keys (id) ON DELETE CASCADE,
    CONSTRAINT ck_kms_key_references_items CHECK (items > 0)
) STRICT;
CREATE INDEX idx_kms_key_references_tenant_id ON kms_key_references (tenant_id);

-- Tenant keys, wrapped by the root key, where no key store outside this database is
-- configured. tenant_id is `platform` for the platform's: no foreign key.
CREATE TABLE kms_tenant_keys (
    tenant_id  TEXT NOT NULL PRIMARY KEY,
    wrapped    BLOB NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
) STRICT;

-- -------------------------------------------------- grants, tokens, consent

-- A token family: all tokens that descend from one authorization.
CREATE TABLE oauth_grants (
    id            TEXT NOT NULL PRIMARY KEY,
    tenant_id     TEXT NOT NULL,
    -- oauth2_clients.id, or the name of a client built into the program: no foreign key.
    client_id     TEXT NOT NULL,
    user_id       TEXT,
    session_id    TEXT,
    scopes        TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    -- When and how the person signed in: what a refreshed ID token repeats.
    auth_time     INTEGER,
    acr           TEXT,
    amr           TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(amr)),
    status        TEXT NOT NULL DEFAULT 'ACTIVE',
    created_at    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    expires_at    INTEGER NOT NULL,
    revoked_at    INTEGER,
    revoke_reason TEXT,
    CONSTRAINT fk_oauth_grants_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_oauth_grants_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_oauth_grants_status CHECK (status IN ('ACTIVE', 'REVOKED'))
) STRICT;
CREATE INDEX idx_oauth_grants_tenant_id_client_id ON oauth_grants (tenant_id, client_id);
CREATE INDEX idx_oauth_grants_tenant_id_user_id ON oauth_grants (tenant_id, user_id)
    WHERE user_id IS NOT NULL;
CREATE INDEX idx_oauth_grants_session_id ON oauth_grants (session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX idx_oauth_grants_expires_at ON oauth_grants (expires_at);

ALTER TABLE tokens ADD COLUMN grant_id TEXT
    CONSTRAINT fk_tokens_grant_id REFERENCES oauth_grants (id) ON DELETE CASCADE;
ALTER TABLE tokens ADD COLUMN scopes TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes));
ALTER TABLE tokens ADD COLUMN audience TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(audience));
ALTER TABLE tokens ADD COLUMN rotated_at INTEGER;
ALTER TABLE tokens ADD COLUMN successor_id TEXT;
CREATE INDEX idx_tokens_grant_id ON tokens (grant_id) WHERE grant_id IS NOT NULL;
-- With idx_tokens_expired: what maintenance removes.
CREATE INDEX idx_tokens_ended ON tokens (expires_at) WHERE status <> 'ACTIVE';

CREATE TABLE oauth_consents (
    id         TEXT NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    user_id    TEXT NOT NULL,
    client_id  TEXT NOT NULL,
    scopes     TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    granted_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    expires_at INTEGER,
    revoked_at INTEGER,
    CONSTRAINT fk_oauth_consents_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_oauth_consents_tenant_id_client_id FOREIGN KEY (tenant_id, client_id)
        REFERENCES oauth2_clients (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX uq_oauth_consents_user_id_client_id ON oauth_consents (user_id, client_id);
CREATE INDEX idx_oauth_consents_tenant_id_client_id ON oauth_consents (tenant_id, client_id);

CREATE TABLE authorization_codes (
    code_digest    TEXT NOT NULL PRIMARY KEY,
    tenant_id      TEXT NOT NULL,
    -- As in oauth_grants.
    client_id      TEXT NOT NULL,
    user_id        TEXT NOT NULL,
    session_id     TEXT NOT NULL,
    -- Set at exchange, so that a second use finds the family to revoke.
    grant_id       TEXT,
    redirect_uri   TEXT NOT NULL,
    scopes         TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(scopes)),
    nonce          TEXT,
    code_challenge TEXT NOT NULL,
    auth_time      INTEGER NOT NULL,
    acr            TEXT,
    amr            TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(amr)),
    created_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    expires_at     INTEGER NOT NULL,
    used_at        INTEGER,
    CONSTRAINT fk_authorization_codes_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT;
CREATE INDEX idx_authorization_codes_expires_at ON authorization_codes (expires_at);
CREATE INDEX idx_authorization_codes_tenant_id_client_id
    ON authorization_codes (tenant_id, client_id);
CREATE INDEX idx_authorization_codes_tenant_id_user_id
    ON authorization_codes (tenant_id, user_id);

-- ------------------------------------------------------- sessions, recovery

-- The constant default serves only the rows that exist: ALTER TABLE takes no
-- expression here, and the trigger gives later rows their creation time.
ALTER TABLE user_sessions ADD COLUMN auth_time INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user_sessions ADD COLUMN amr TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(amr));
ALTER TABLE user_sessions ADD COLUMN acr TEXT;
ALTER TABLE user_sessions ADD COLUMN remember INTEGER NOT NULL DEFAULT 0
    CHECK (remember IN (0, 1));
ALTER TABLE user_sessions ADD COLUMN ended_at INTEGER;
ALTER TABLE user_sessions ADD COLUMN end_reason TEXT;
UPDATE user_sessions SET auth_time = created_at;
CREATE INDEX idx_user_sessions_ended ON user_sessions (expires_at) WHERE status <> 'ACTIVE';
CREATE INDEX idx_user_activities_created_at ON user_activities (created_at);
CREATE TRIGGER trg_user_sessions_auth_time AFTER INSERT ON user_sessions
WHEN NEW.auth_time = 0
BEGIN
    UPDATE user_sessions SET auth_time = NEW.created_at WHERE id = NEW.id;
END;

CREATE TABLE password_reset_tokens_rebuilt (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    token      TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    tenant_id  TEXT NOT NULL,
    purpose    TEXT NOT NULL DEFAULT 'reset',
    CONSTRAINT fk_password_reset_tokens_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT;
INSERT INTO password_reset_tokens_rebuilt (
    id, user_id, token, expires_at, used_at, created_at, tenant_id
)
SELECT t.id, t.user_id, t.token, t.expires_at, t.used_at, t.created_at, u.tenant_id
FROM password_reset_tokens t JOIN users u ON u.id = t.user_id;
DROP TABLE password_reset_tokens;
ALTER TABLE password_reset_tokens_rebuilt RENAME TO password_reset_tokens;
CREATE UNIQUE INDEX uq_password_reset_tokens_token ON password_reset_tokens (token);
CREATE INDEX idx_password_reset_tokens_user_id ON password_reset_tokens (user_id);
CREATE INDEX idx_password_reset_tokens_expires_at ON password_reset_tokens (expires_at);

-- A hash that another system made: it serves until the first sign-in, which
-- replaces it by our own in users.password. Until then that column holds a hash
-- that nothing verifies.
CREATE TABLE imported_passwords (
    user_id    TEXT NOT NULL PRIMARY KEY,
    tenant_id  TEXT NOT NULL,
    scheme     TEXT NOT NULL,
    hash       TEXT NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_imported_passwords_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_imported_passwords_scheme
        CHECK (scheme IN ('bcrypt', 'pbkdf2-sha256', 'pbkdf2-sha512'))
) STRICT;
CREATE INDEX idx_imported_passwords_tenant_id_user_id ON imported_passwords (tenant_id, user_id);

-- Whose they are stands in the row, as on PostgreSQL, where row-level security compares it.
CREATE TABLE password_history_rebuilt (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    password   TEXT NOT NULL,
    changed_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    tenant_id  TEXT NOT NULL,
    CONSTRAINT fk_password_history_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_password_history_password CHECK (
        password GLOB '$2[aby]$*' OR password GLOB '$argon2*'
    )
) STRICT;
INSERT INTO password_history_rebuilt (id, user_id, password, changed_at, tenant_id)
SELECT t.id, t.user_id, t.password, t.changed_at, u.tenant_id
FROM password_history t JOIN users u ON u.id = t.user_id;
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
    tenant_id  TEXT NOT NULL,
    CONSTRAINT fk_backup_codes_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE
) STRICT;
INSERT INTO backup_codes_rebuilt (id, user_id, code, used_at, created_at, tenant_id)
SELECT t.id, t.user_id, t.code, t.used_at, t.created_at, u.tenant_id
FROM backup_codes t JOIN users u ON u.id = t.user_id;
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
    tenant_id     TEXT NOT NULL,
    CONSTRAINT fk_user_departments_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_user_departments_tenant_id_department_id FOREIGN KEY (tenant_id, department_id)
        REFERENCES departments (tenant_id, id) ON DELETE CASCADE
) STRICT;
INSERT INTO user_departments_rebuilt (id, user_id, department_id, is_primary, position, joined_at, left_at, tenant_id)
SELECT t.id, t.user_id, t.department_id, t.is_primary, t.position, t.joined_at, t.left_at, u.tenant_id
FROM user_departments t JOIN users u ON u.id = t.user_id;
DROP TABLE user_departments;
ALTER TABLE user_departments_rebuilt RENAME TO user_departments;
CREATE UNIQUE INDEX uq_user_departments_user_id_department_id
    ON user_departments (user_id, department_id) WHERE left_at IS NULL;
CREATE INDEX idx_user_departments_department_id ON user_departments (department_id);

CREATE TABLE throttles (
    key               TEXT NOT NULL PRIMARY KEY,
    tenant_id         TEXT,
    failures          INTEGER NOT NULL DEFAULT 0,
    window_started_at INTEGER NOT NULL
        DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    blocked_until     INTEGER,
    updated_at        INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT ck_throttles_failures CHECK (failures >= 0)
) STRICT;
CREATE INDEX idx_throttles_updated_at ON throttles (updated_at);

-- -------------------------------------------------------------------- audit

ALTER TABLE audit_logs ADD COLUMN actor_type TEXT;
ALTER TABLE audit_logs ADD COLUMN actor_id TEXT;
ALTER TABLE audit_logs ADD COLUMN request_id TEXT;
ALTER TABLE audit_logs ADD COLUMN count INTEGER NOT NULL DEFAULT 1
    CONSTRAINT ck_audit_logs_count CHECK (count >= 1);
ALTER TABLE audit_logs ADD COLUMN event_version INTEGER NOT NULL DEFAULT 1;
-- The canonical bytes of the event, and SHA-256(0x00 || bytes).
ALTER TABLE audit_logs ADD COLUMN event_bytes BLOB;
ALTER TABLE audit_logs ADD COLUMN leaf_hash BLOB
    CONSTRAINT ck_audit_logs_leaf_hash CHECK (length(leaf_hash) = 32);
-- With the id they are in the whole order of a page, which so ends after its rows.
DROP INDEX idx_audit_logs_tenant_created;
CREATE INDEX idx_audit_logs_tenant_created
    ON audit_logs (tenant_id, created_at DESC, id DESC);
-- With the tenant too: without statistics the plan follows the number of equal columns.
DROP INDEX idx_audit_logs_user_created;
CREATE INDEX idx_audit_logs_user_created
    ON audit_logs (tenant_id, user_id, created_at DESC, id DESC) WHERE user_id IS NOT NULL;

-- -------------------------------------------------------------- idempotency

-- tenant_id is `platform` for platform operations: no foreign key.
CREATE TABLE idempotency_keys (
    tenant_id      TEXT NOT NULL,
    principal_id   TEXT NOT NULL,
    route          TEXT NOT NULL,
    key            TEXT NOT NULL,
    request_digest TEXT NOT NULL,
    -- Null while the answer is not known: the change was made, or is being made.
    status         INTEGER,
    headers        TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(headers)),
    -- As it was sent, without what was secret in it.
    body           TEXT,
    secret_omitted INTEGER NOT NULL DEFAULT 0 CHECK (secret_omitted IN (0, 1)),
    created_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    expires_at     INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, principal_id, route, key)
) STRICT;
CREATE INDEX idx_idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- ---------------------------------------------------- effective permissions

-- What the 26 codes of a role's simple list mean: crates/authz/src/action.rs, from
-- which a test takes the same rows. `covers` is a kind of the tenant's own
-- resources, `self` the user's own account, `this` the tenant, `*` anything. A
-- code without an action does nothing inside a tenant.
CREATE VIEW v_permission_actions (code, action, covers) AS
VALUES
    ('user:create', 'user:create', 'user'),
    ('user:read', 'user:read', 'user'),
    ('user:update', 'user:update', 'user'),
    ('user:delete', 'user:delete', 'user'),
    ('user:reset_password', 'user:reset_password', 'user'),
    ('user:read_self', 'user:read_self', 'self'),
    ('user:update_self', 'user:update_self', 'self'),
    ('user:change_password', 'user:change_password', 'self'),
    ('role:create', 'role:create', 'role'),
    ('role:create', 'policy:create', 'policy'),
    ('role:create', 'permission:create', 'permission'),
    ('role:create', 'group:create', 'group'),
    ('role:read', 'role:read', 'role'),
    ('role:read', 'policy:read', 'policy'),
    ('role:read', 'permission:read', 'permission'),
    ('role:read', 'group:read', 'group'),
    ('role:update', 'role:update', 'role'),
    ('role:update', 'policy:update', 'policy'),
    ('role:update', 'policy:set_priority', 'policy'),
    ('role:update', 'policy:attach_guardrail', 'policy'),
    ('role:update', 'permission:update', 'permission'),
    ('role:update', 'resource:set_policy', 'resource'),
    ('role:update', 'policy:grant_any', '*'),
    ('role:update', 'policy:set_boundary', '*'),
    ('role:delete', 'role:delete', 'role'),
    ('role:delete', 'policy:delete', 'policy'),
    ('role:delete', 'permission:delete', 'permission'),
    ('role:delete', 'group:delete', 'group'),
    ('role:assign', 'role:assign', 'role'),
    ('role:assign', 'group:update', 'group'),
    ('role:assign', 'access:Evaluate', 'access'),
    ('role:assign', 'access:Search', 'access'),
    ('role:assign', 'access:Explain', 'access'),
    ('tenant:create', NULL, NULL),
    ('tenant:read', 'tenant:read', 'this'),
    ('tenant:read', 'resource:read', 'resource'),
    ('tenant:update', 'tenant:update', 'this'),
    ('tenant:update', 'resource:create', 'resource'),
    ('tenant:update', 'resource:update', 'resource'),
    ('tenant:update', 'resource:delete', 'resource'),
    ('tenant:delete', NULL, NULL),
    ('tenant:config', 'tenant:config', 'this'),
    ('tenant:config', 'kms:create_ring', 'key_ring'),
    ('tenant:config', 'kms:read_ring', 'key_ring'),
    ('tenant:config', 'kms:update_ring', 'key_ring'),
    ('tenant:config', 'kms:rotate', 'key_ring'),
    ('tenant:config', 'kms:rollback', 'key_ring'),
    ('tenant:config', 'kms:expire', 'key_ring'),
    ('tenant:config', 'kms:revoke', 'key_ring'),
    ('tenant:config', 'kms:destroy', 'key_ring'),
    ('tenant:config', 'kms:declare_references', 'key_ring'),
    ('tenant:config', 'kms:maintain', 'key_ring'),
    ('tenant:config', 'kms:encrypt', 'key_ring'),
    ('tenant:config', 'kms:decrypt', 'key_ring'),
    ('tenant:config', 'kms:reencrypt', 'key_ring'),
    ('tenant:config', 'kms:generate_data_key', 'key_ring'),
    ('tenant:config', 'kms:generate_wrapped_key', 'key_ring'),
    ('tenant:config', 'kms:compute_mac', 'key_ring'),
    ('tenant:config', 'kms:verify_mac', 'key_ring'),
    ('tenant:config', 'kms:hash', 'key_ring'),
    ('tenant:config', 'kms:generate_random', 'key_ring'),
    ('oauth2:create', 'oauth2:create', 'client'),
    ('oauth2:read', 'oauth2:read', 'client'),
    ('oauth2:update', 'oauth2:update', 'client'),
    ('oauth2:delete', 'oauth2:delete', 'client'),
    ('audit:read', 'audit:read', 'audit'),
    ('audit:export', 'audit:export', 'audit'),
    ('system:config', NULL, NULL),
    ('system:monitor', NULL, NULL);

-- Each way an active user comes to a role, at whatever time: directly or through a
-- group, the role itself or one that it inherits from.
CREATE VIEW v_user_roles AS
WITH RECURSIVE inherited (tenant_id, role_id, granting_role_id, depth) AS (
    SELECT r.tenant_id, r.id, r.id, 1 FROM roles r
    UNION ALL
    SELECT i.tenant_id, i.role_id, r.parent_id, i.depth + 1
    FROM inherited i JOIN roles r ON r.tenant_id = i.tenant_id AND r.id = i.granting_role_id
    WHERE r.parent_id IS NOT NULL AND i.depth < 10
)
SELECT h.tenant_id, h.user_id, h.group_id, h.role_id, i.granting_role_id, h.valid_from, h.expires_at
FROM (
    SELECT a.tenant_id, a.user_id, NULL AS group_id,
        a.role_id, a.valid_from, a.expires_at
    FROM user_roles a
    UNION ALL
    SELECT m.tenant_id, m.principal_id, m.group_id, g.role_id,
        CASE WHEN m.valid_from IS NULL OR g.valid_from > m.valid_from THEN g.valid_from ELSE m.valid_from END,
        CASE WHEN m.expires_at IS NULL OR g.expires_at < m.expires_at THEN g.expires_at ELSE m.expires_at END
    FROM group_members m JOIN group_roles g ON g.tenant_id = m.tenant_id AND g.group_id = m.group_id
) h
    JOIN principals p ON p.tenant_id = h.tenant_id AND p.id = h.user_id
        AND p.kind = 'user' AND p.status = 'active'
    JOIN tenants t ON t.id = h.tenant_id AND t.status = 'ACTIVE' AND t.deleted_at IS NULL
    JOIN inherited i ON i.tenant_id = h.tenant_id AND i.role_id = h.role_id;

-- Each way an active user comes to a policy, at whatever time. No role: it is
-- attached to the user.
CREATE VIEW v_user_policies AS
SELECT u.tenant_id, u.user_id, u.group_id, u.role_id, u.granting_role_id, a.policy_id,
    u.valid_from, u.expires_at
FROM v_user_roles u
    JOIN role_policies a ON a.tenant_id = u.tenant_id AND a.role_id = u.granting_role_id
UNION ALL
SELECT a.tenant_id, a.user_id,
    NULL, NULL,
    NULL, a.policy_id, a.valid_from, a.expires_at
FROM user_policies a
    JOIN principals p ON p.tenant_id = a.tenant_id AND p.id = a.user_id
        AND p.kind = 'user' AND p.status = 'active'
    JOIN tenants t ON t.id = a.tenant_id AND t.status = 'ACTIVE' AND t.deleted_at IS NULL;

-- Each way an active user comes to an action, at whatever time: by a permission that
-- a policy is linked to, on one of the policy's resources and all that lies in it, or
-- by a role's simple list. `resource_id` is null where `resource` is a pattern or one
-- of the tenant's own names.
CREATE VIEW v_user_permission_grants AS
WITH linked (tenant_id, policy_id, permission, action, effect, priority, conditional) AS NOT MATERIALIZED (
    SELECT l.tenant_id, l.policy_id, l.code, coalesce(a.action, l.code),
        coalesce(l.effect, p.effect), p.priority, p.expression IS NOT NULL
    FROM (
        SELECT l.tenant_id, l.policy_id, o.code, l.effect
        FROM policy_permissions l
            JOIN permissions o ON o.tenant_id = l.tenant_id AND o.id = l.permission_id
        UNION ALL
        SELECT l.tenant_id, l.policy_id, o.name, NULL
        FROM policy_global_permissions l JOIN global_permissions o ON o.id = l.global_permission_id
    ) l
        JOIN policies p ON p.tenant_id = l.tenant_id AND p.id = l.policy_id
        LEFT JOIN v_permission_actions a ON a.code = l.code
    WHERE a.code IS NULL OR a.action IS NOT NULL
)
SELECT u.tenant_id, u.user_id, u.group_id, u.role_id, u.granting_role_id, u.policy_id,
    l.permission, l.action, r.name AS resource, r.id AS resource_id,
    l.effect, l.priority, l.conditional, u.valid_from, u.expires_at
FROM v_user_policies u
    JOIN linked l ON l.tenant_id = u.tenant_id AND l.policy_id = u.policy_id
    JOIN policy_resources o ON o.tenant_id = l.tenant_id AND o.policy_id = l.policy_id
    JOIN resources r ON r.tenant_id = o.tenant_id AND r.id = o.resource_id
UNION ALL
-- Without resources an allow permits nothing, and a deny holds in the whole tenant.
SELECT u.tenant_id, u.user_id, u.group_id, u.role_id, u.granting_role_id, u.policy_id,
    l.permission, l.action, '*', NULL,
    l.effect, l.priority, l.conditional, u.valid_from, u.expires_at
FROM v_user_policies u
    JOIN linked l ON l.tenant_id = u.tenant_id AND l.policy_id = u.policy_id
WHERE l.effect = 'deny' AND NOT EXISTS (
    SELECT 1 FROM policy_resources o WHERE o.tenant_id = l.tenant_id AND o.policy_id = l.policy_id
)
UNION ALL
SELECT u.tenant_id, u.user_id, u.group_id, u.role_id, u.granting_role_id,
    NULL, a.code, a.action,
    CASE a.covers
        WHEN '*' THEN '*'
        WHEN 'self' THEN 'arn:signet:iam::' || u.tenant_id || ':self/user'
        WHEN 'this' THEN 'arn:signet:iam::' || u.tenant_id || ':tenant/' || u.tenant_id
        ELSE 'arn:signet:iam::' || u.tenant_id || ':' || a.covers || '/*'
    END, NULL,
    'allow', 0, 0, u.valid_from, u.expires_at
FROM v_user_roles u
    JOIN roles r ON r.tenant_id = u.tenant_id AND r.id = u.granting_role_id
    JOIN json_each(r.permissions) c
    JOIN v_permission_actions a ON a.code = c.value
WHERE a.action IS NOT NULL;

-- The same as of now, by the clock of the database.
CREATE VIEW v_user_permissions AS
SELECT tenant_id, user_id, group_id, role_id, granting_role_id, policy_id,
    permission, action, resource, resource_id, effect, priority, conditional, valid_from, expires_at
FROM v_user_permission_grants
WHERE (valid_from IS NULL OR valid_from <= (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000))
    AND (expires_at IS NULL OR (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000) < expires_at);

-- What the grants come to: for each action and resource that one of them names, what
-- the highest priority says at which anything applies, a deny before an allow. It is
-- `depends` where an expression, a policy's document, a guardrail, a boundary or the
-- resource's own policy may decide otherwise. A row of a pattern stands for all names
-- under it that have no row of their own.
CREATE VIEW v_user_permission_outcomes AS
    WITH RECURSIVE granted AS (
        SELECT w.tenant_id, w.user_id, lower(w.action) AS key, w.action, w.resource, w.resource_id,
            w.effect, w.priority, NOT w.conditional AS certain
        FROM v_user_permission_grants w
        WHERE (w.valid_from IS NULL OR w.valid_from <= (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000))
            AND (w.expires_at IS NULL OR (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000) < w.expires_at)
    ),
    -- The linked resources and all that lies in each.
    covered (tenant_id, linked_id, id) AS (
        SELECT g.tenant_id, g.resource_id, g.resource_id FROM granted g WHERE g.resource_id IS NOT NULL
        UNION
        SELECT c.tenant_id, c.linked_id, r.id
        FROM covered c JOIN resources r ON r.tenant_id = c.tenant_id AND r.parent_id = c.id
    ),
    ways AS (
        SELECT g.tenant_id, g.user_id, g.key, g.action, r.name AS resource, r.id AS resource_id,
            g.effect, g.priority, g.certain
        FROM granted g
            JOIN covered c ON c.tenant_id = g.tenant_id AND c.linked_id = g.resource_id
            JOIN resources r ON r.tenant_id = c.tenant_id AND r.id = c.id
        UNION ALL
        SELECT g.tenant_id, g.user_id, g.key, g.action, g.resource, g.resource_id,
            g.effect, g.priority, g.certain
        FROM granted g WHERE g.resource_id IS NULL
    ),
    -- What documents of the user's policies may say of an action, on some resources.
    documents AS (
        SELECT DISTINCT u.tenant_id, u.user_id, p.priority,
            lower(s.value ->> '$.Effect') AS effect,
            replace(replace(replace(replace(replace(
                lower(a.value), '!', '!!'), '%', '!%'), '_', '!_'), '*', '%'), '?', '_') AS pattern
        FROM v_user_policies u
            JOIN policies p ON p.tenant_id = u.tenant_id AND p.id = u.policy_id
            JOIN json_each(
                CASE json_type(p.document, '$.Statement')
                    WHEN 'array' THEN p.document -> '$.Statement'
                    ELSE '[' || (p.document -> '$.Statement') || ']'
                END
            ) s
            JOIN json_each(coalesce(s.value -> '$.Action', '["*"]')) a
        WHERE p.document IS NOT NULL
            AND (u.valid_from IS NULL OR u.valid_from <= (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000))
            AND (u.expires_at IS NULL OR (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000) < u.expires_at)
    ),
    targets AS (
        SELECT w.tenant_id, w.user_id, w.key, w.resource, w.resource_id, min(w.action) AS action
        FROM ways w GROUP BY w.tenant_id, w.user_id, w.key, w.resource, w.resource_id
    ),
    -- All that is said of a target: by its own name, by a pattern that covers it, and by
    -- documents.
    said AS (
        SELECT t.tenant_id, t.user_id, t.key, t.resource, t.resource_id, t.action,
            w.effect, w.priority, w.certain
        FROM targets t JOIN ways w ON w.tenant_id = t.tenant_id AND w.user_id = t.user_id AND w.key = t.key AND (
            w.resource = t.resource AND (
                (w.resource_id IS NULL) = (t.resource_id IS NULL) OR t.resource NOT LIKE '%*'
            )
            OR w.resource_id IS NULL AND w.resource LIKE '%*'
                AND substr(t.resource, 1, length(w.resource) - 1)
                    = substr(w.resource, 1, length(w.resource) - 1)
        )
        UNION ALL
        SELECT t.tenant_id, t.user_id, t.key, t.resource, t.resource_id, t.action, d.effect, d.priority, 0
        FROM targets t JOIN documents d ON d.tenant_id = t.tenant_id AND d.user_id = t.user_id AND t.key LIKE d.pattern ESCAPE '!'
    ),
    -- The highest priority at which something is said for certain.
    levelled AS (
        SELECT s.tenant_id, s.user_id, s.key, s.resource, s.resource_id, s.action,
            s.effect, s.priority, s.certain,
            max(CASE WHEN s.certain THEN s.priority END)
                OVER (
                    PARTITION BY s.tenant_id, s.user_id, s.key, s.resource, s.resource_id
                ) AS level
        FROM said s
    ),
    settled AS (
        SELECT l.tenant_id, l.user_id, l.action, l.resource, l.resource_id, l.level,
            max(CASE WHEN l.certain AND l.effect = 'deny' AND l.priority = l.level THEN 1 ELSE 0 END)
                AS denies,
            max(CASE WHEN NOT l.certain AND l.effect = 'deny' AND l.priority >= coalesce(l.level, 0)
                THEN 1 ELSE 0 END) AS may_deny,
            max(CASE WHEN NOT l.certain AND l.effect = 'allow' AND l.priority > coalesce(l.level, -1)
                THEN 1 ELSE 0 END) AS may_allow
        FROM levelled l
        GROUP BY l.tenant_id, l.user_id, l.key, l.action, l.resource, l.resource_id, l.level
    )
    SELECT t.tenant_id, t.user_id, t.action, t.resource, t.resource_id,
        CASE
            WHEN t.denies = 1 THEN CASE WHEN t.may_allow = 1 THEN 'depends' ELSE 'deny' END
            WHEN t.level IS NULL AND t.may_allow = 0 AND NOT EXISTS (
                SELECT 1 FROM resource_policies o
                    JOIN resources r ON r.tenant_id = o.tenant_id AND r.id = o.resource_id
                WHERE o.tenant_id = t.tenant_id AND (
                    r.name = t.resource
                    OR t.resource_id IS NULL AND t.resource LIKE '%*'
                        AND substr(r.name, 1, length(t.resource) - 1)
                            = substr(t.resource, 1, length(t.resource) - 1)
                )
            ) THEN 'deny'
            WHEN t.level IS NULL OR t.may_deny = 1 OR EXISTS (
                SELECT 1 FROM resource_policies o
                    JOIN resources r ON r.tenant_id = o.tenant_id AND r.id = o.resource_id
                WHERE o.tenant_id = t.tenant_id AND (
                    r.name = t.resource
                    OR t.resource_id IS NULL AND t.resource LIKE '%*'
                        AND substr(r.name, 1, length(t.resource) - 1)
                            = substr(t.resource, 1, length(t.resource) - 1)
                )
            ) OR (
                EXISTS (SELECT 1 FROM platform_guardrails o
                    WHERE o.only_tenant_id IS NULL OR o.only_tenant_id = t.tenant_id)
                OR EXISTS (SELECT 1 FROM tenant_guardrails o WHERE o.tenant_id = t.tenant_id)
                OR EXISTS (SELECT 1 FROM principal_boundaries o
                    WHERE o.tenant_id = t.tenant_id AND o.principal_id = t.user_id)
            ) THEN 'depends'
            ELSE 'allow'
        END AS outcome
    FROM settled t;
