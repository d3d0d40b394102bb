-- version: V3.0.0
-- description: signet model

-- Everything that the product needs beyond the eleven versions of the
-- acceptance document. Links between rows of one tenant are composite foreign
-- keys, so that the database itself refuses a link into another tenant.

-- ---------------------------------------------------------------- platforms

CREATE TABLE platforms (
    id          varchar(64) COLLATE "C" NOT NULL,
    name        varchar(128) NOT NULL,
    name_key    varchar(512) COLLATE "C" NOT NULL,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT platforms_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX uq_platforms_name_key ON platforms (name_key);

INSERT INTO platforms (id, name, name_key)
VALUES ('00000000-0000-0000-0000-000000000001', 'Default Platform', 'default platform');

-- ------------------------------------------------------------------ tenants

-- Lists are ordered by names, byte by byte as on SQLite.
ALTER TABLE tenants ALTER COLUMN name TYPE varchar(128) COLLATE "C";
ALTER TABLE tenants
    ADD COLUMN platform_id varchar(64) COLLATE "C" NOT NULL
        DEFAULT '00000000-0000-0000-0000-000000000001',
    ADD COLUMN issuer varchar(512) COLLATE "C",
    -- Twelve random digits; a collision fails on the unique index and is retried by the caller.
    ADD COLUMN account_number varchar(12) COLLATE "C" NOT NULL
        DEFAULT lpad(floor(random() * 1000000000000)::bigint::text, 12, '0'),
    ADD COLUMN host_name varchar(255) COLLATE "C",
    ADD COLUMN host_verified_at timestamptz,
    -- A deleted tenant keeps its rows until this instant at least.
    ADD COLUMN purge_at timestamptz,
    -- From then on there is no way back.
    ADD COLUMN purge_started_at timestamptz,
    -- A legal hold: while it stands, nothing of the tenant is purged.
    ADD COLUMN hold_reason varchar(512),
    ADD COLUMN held_at timestamptz,
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD CONSTRAINT ck_tenants_hold CHECK ((hold_reason IS NULL) = (held_at IS NULL)),
    ADD CONSTRAINT ck_tenants_purge_at CHECK (purge_at IS NULL OR deleted_at IS NOT NULL),
    -- `platform` is a scope of its own in policy_versions and never a tenant.
    ADD CONSTRAINT ck_tenants_id_not_platform CHECK (id <> 'platform'),
    ADD CONSTRAINT ck_tenants_account_number CHECK (account_number ~ '^[0-9]{12}$'),
    ADD CONSTRAINT fk_tenants_platform_id FOREIGN KEY (platform_id) REFERENCES platforms (id);
CREATE UNIQUE INDEX uq_tenants_issuer ON tenants (issuer);
CREATE UNIQUE INDEX uq_tenants_account_number ON tenants (account_number);
CREATE UNIQUE INDEX uq_tenants_host_name ON tenants (host_name);
CREATE INDEX idx_tenants_platform_id ON tenants (platform_id);
-- The code of a deleted tenant is not free either: addresses and issuers hold it.
CREATE UNIQUE INDEX uq_tenants_code_ever ON tenants (code);
CREATE INDEX idx_tenants_purge_at ON tenants (purge_at) WHERE purge_at IS NOT NULL;

-- Figures are not changes of a tenant: they leave updated_at alone.
DROP TRIGGER trg_tenants_updated_at ON tenants;
CREATE TRIGGER trg_tenants_updated_at BEFORE UPDATE ON tenants
    FOR EACH ROW WHEN (
        NEW.user_count = OLD.user_count
        AND NEW.storage_used = OLD.storage_used
        AND NEW.api_calls_count = OLD.api_calls_count
    ) EXECUTE FUNCTION update_updated_at_column();

-- What remains of a purged tenant, so that its code, issuer and account number
-- are never given to another. No foreign key: there is no row left to refer to.
CREATE TABLE tenant_tombstones (
    tenant_id      varchar(64) COLLATE "C" NOT NULL,
    code           varchar(64) COLLATE "C" NOT NULL,
    issuer         varchar(512) COLLATE "C",
    account_number varchar(12) COLLATE "C" NOT NULL,
    purged_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT tenant_tombstones_pkey PRIMARY KEY (tenant_id)
);
CREATE UNIQUE INDEX uq_tenant_tombstones_code ON tenant_tombstones (code);
CREATE UNIQUE INDEX uq_tenant_tombstones_issuer ON tenant_tombstones (issuer);
CREATE UNIQUE INDEX uq_tenant_tombstones_account_number ON tenant_tombstones (account_number);

-- -------------------------------------------------------------------- users

ALTER TABLE users
    ADD COLUMN username_key varchar(255) COLLATE "C" NOT NULL DEFAULT '',
    ADD COLUMN email_key varchar(320) COLLATE "C",
    ADD COLUMN must_change_password boolean NOT NULL DEFAULT false,
    ADD COLUMN password_set boolean NOT NULL DEFAULT true,
    ADD COLUMN password_changed_at timestamptz,
    ADD COLUMN version bigint NOT NULL DEFAULT 1;
-- A sign-in writes its time into the row: with room on the page it touches no index.
ALTER TABLE users SET (fillfactor = 90);
-- What lists are filtered and sorted by is compared byte by byte, as on SQLite.
ALTER TABLE users
    ALTER COLUMN phone TYPE varchar(32) COLLATE "C",
    ALTER COLUMN display_name TYPE varchar(128) COLLATE "C",
    ALTER COLUMN first_name TYPE varchar(64) COLLATE "C",
    ALTER COLUMN last_name TYPE varchar(64) COLLATE "C",
    ALTER COLUMN locale TYPE varchar(16) COLLATE "C",
    ALTER COLUMN timezone TYPE varchar(64) COLLATE "C",
    ALTER COLUMN position TYPE varchar(128) COLLATE "C";

ALTER TABLE users DISABLE TRIGGER trg_users_updated_at;
UPDATE users SET username_key = lower(username), email_key = lower(email);
ALTER TABLE users ENABLE TRIGGER trg_users_updated_at;

-- The program writes both keys itself (NFKC, case-folded). This trigger serves
-- statements typed by hand. On update it computes a key only for ASCII names,
-- where lower() and case folding agree; a key of the program is never touched.
CREATE FUNCTION fill_user_keys() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.username_key IS NULL OR NEW.username_key = '' THEN
        NEW.username_key := lower(NEW.username);
    ELSIF TG_OP = 'UPDATE'
        AND NEW.username <> OLD.username
        AND NEW.username_key = OLD.username_key
        AND NEW.username !~ '[^ -~]' THEN
        NEW.username_key := lower(NEW.username);
    END IF;

    IF NEW.email IS NULL THEN
        NEW.email_key := NULL;
    ELSIF NEW.email_key IS NULL THEN
        NEW.email_key := lower(NEW.email);
    ELSIF TG_OP = 'UPDATE'
        AND NEW.email IS DISTINCT FROM OLD.email
        AND NEW.email_key IS NOT DISTINCT FROM OLD.email_key
        AND NEW.email !~ '[^ -~]' THEN
        NEW.email_key := lower(NEW.email);
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trg_users_fill_keys
    BEFORE INSERT OR UPDATE OF username, username_key, email, email_key ON users
    FOR EACH ROW EXECUTE FUNCTION fill_user_keys();

DROP INDEX uq_users_tenant_id_username;
DROP INDEX uq_users_tenant_id_email;
CREATE UNIQUE INDEX uq_users_tenant_id_username_key ON users (tenant_id, username_key)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_email_key ON users (tenant_id, email_key)
    WHERE deleted_at IS NULL AND email_key IS NOT NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_id ON users (tenant_id, id);

-- What people are searched by: the words of their fields, folded, each after
-- U+00AA twice. The program writes it (crates/store/src/search.rs); this trigger
-- serves statements typed by hand, with lower() instead of case folding.
ALTER TABLE users ADD COLUMN search_text text COLLATE "C" NOT NULL DEFAULT '';

CREATE FUNCTION fill_user_search_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.search_text = '' OR (
        TG_OP = 'UPDATE' AND NEW.search_text = OLD.search_text
        AND (NEW.username, NEW.email, NEW.phone, NEW.display_name, NEW.first_name, NEW.last_name)
            IS DISTINCT FROM
            (OLD.username, OLD.email, OLD.phone, OLD.display_name, OLD.first_name, OLD.last_name)
    ) THEN
        NEW.search_text := regexp_replace(
            lower(E'\n' || concat_ws(E'\n', NEW.username, NEW.email, NEW.phone, NEW.display_name,
                NEW.first_name, NEW.last_name)),
            '\s+', E'\u00aa\u00aa', 'g');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trg_users_search_text
    BEFORE INSERT OR UPDATE OF username, email, phone, display_name, first_name, last_name, search_text
    ON users FOR EACH ROW EXECUTE FUNCTION fill_user_search_text();
ALTER TABLE users DISABLE TRIGGER trg_users_updated_at;
UPDATE users SET search_text = '';
ALTER TABLE users ENABLE TRIGGER trg_users_updated_at;

-- Words of a text index cannot answer parts of words or Chinese names; trigrams
-- answer all three. Deleted people are found too, so the index is not partial.
-- The list of pending entries, in kB, is short: every search reads it from end to end.
CREATE EXTENSION IF NOT EXISTS pg_trgm;
DROP INDEX idx_users_fulltext;
CREATE INDEX idx_users_fulltext ON users USING gin (search_text gin_trgm_ops)
    WITH (gin_pending_list_limit = 256);

-- tenants.user_count is the number of users that are not deleted, whoever writes.
-- Insertions and removals are counted once a statement, so that a bulk load
-- touches the tenant's row once; a soft deletion or restoration touches it itself.
UPDATE tenants t SET user_count =
    (SELECT count(*) FROM users u WHERE u.tenant_id = t.id AND u.deleted_at IS NULL);
CREATE FUNCTION count_inserted_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants t SET user_count = t.user_count + n.users
    FROM (SELECT tenant_id, count(*) AS users FROM inserted_users
          WHERE deleted_at IS NULL GROUP BY tenant_id) n
    WHERE t.id = n.tenant_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER trg_users_count_inserted AFTER INSERT ON users
    REFERENCING NEW TABLE AS inserted_users
    FOR EACH STATEMENT EXECUTE FUNCTION count_inserted_users();
CREATE FUNCTION count_removed_users() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants t SET user_count = t.user_count - n.users
    FROM (SELECT tenant_id, count(*) AS users FROM removed_users
          WHERE deleted_at IS NULL GROUP BY tenant_id) n
    WHERE t.id = n.tenant_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER trg_users_count_removed AFTER DELETE ON users
    REFERENCING OLD TABLE AS removed_users
    FOR EACH STATEMENT EXECUTE FUNCTION count_removed_users();
CREATE FUNCTION count_changed_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE tenants SET user_count = user_count + CASE WHEN NEW.deleted_at IS NULL THEN 1 ELSE -1 END
    WHERE id = NEW.tenant_id;
    RETURN NULL;
END
$$;
CREATE TRIGGER trg_users_count_changed AFTER UPDATE OF status, deleted_at ON users
    FOR EACH ROW WHEN ((OLD.deleted_at IS NULL) <> (NEW.deleted_at IS NULL))
    EXECUTE FUNCTION count_changed_user();

-- Made again so that it is the newest index of the table: with a handful of rows
-- all of them cost the same, and the planner then takes the newest. A migration
-- that adds an index to users ends with these two statements too.
DROP INDEX idx_users_login_query;
CREATE INDEX idx_users_login_query ON users (tenant_id, username)
    INCLUDE (id, email, password, status) WHERE deleted_at IS NULL;

-- --------------------------------------------------------------- principals

-- What the decision point knows of a user or client. No foreign key from or to
-- users: the directory writes both in one transaction.
CREATE TABLE principals (
    id          varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    kind        varchar(16) NOT NULL,
    status      varchar(16) NOT NULL DEFAULT 'active',
    attributes  jsonb NOT NULL DEFAULT '{}',
    -- What a client is an enforcement point for: oauth2_clients.evaluation, written with it.
    evaluation  jsonb,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT principals_pkey PRIMARY KEY (id),
    CONSTRAINT fk_principals_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_principals_kind CHECK (kind IN ('user', 'client')),
    CONSTRAINT ck_principals_status CHECK (status IN ('active', 'inactive'))
);
CREATE UNIQUE INDEX uq_principals_tenant_id_id ON principals (tenant_id, id);
-- People who are there already, and clients that act for themselves.
INSERT INTO principals (id, tenant_id, kind, status)
SELECT id, tenant_id, 'user', CASE status WHEN 'ACTIVE' THEN 'active' ELSE 'inactive' END FROM users;
INSERT INTO principals (id, tenant_id, kind, status)
SELECT id, tenant_id, 'client', CASE status WHEN 'ACTIVE' THEN 'active' ELSE 'inactive' END
FROM oauth2_clients c
WHERE authorization_grant_types @> '["client_credentials"]'
    AND NOT EXISTS (SELECT 1 FROM users u WHERE u.id = c.id);

-- -------------------------------------------------------------------- roles

-- Lists are filtered and ordered by these, byte by byte as on SQLite.
ALTER TABLE roles
    ALTER COLUMN name TYPE varchar(128) COLLATE "C",
    ALTER COLUMN description TYPE text COLLATE "C";
CREATE UNIQUE INDEX uq_roles_tenant_id_id ON roles (tenant_id, id);
CREATE UNIQUE INDEX uq_roles_tenant_id_name ON roles (tenant_id, name);

ALTER TABLE roles
    ADD COLUMN parent_id varchar(64) COLLATE "C",
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD CONSTRAINT fk_roles_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES roles (tenant_id, id);
CREATE INDEX idx_roles_tenant_id_parent_id ON roles (tenant_id, parent_id)
    WHERE parent_id IS NOT NULL;

-- INVARIANT: the parents of a role end at a root, and no chain from root to
-- leaf holds more than 10 roles. The lock makes two moves in one tenant wait
-- for each other: each alone might be fine and both together a cycle.
CREATE FUNCTION check_role_parent() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    v_above bigint;
    v_below bigint;
    v_cycle boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('roles.parent_id:' || NEW.tenant_id, 0));

    WITH RECURSIVE above (id, parent_id, depth) AS (
        SELECT r.id, r.parent_id, 1::bigint FROM roles r
        WHERE r.id = NEW.parent_id AND r.tenant_id = NEW.tenant_id
        UNION ALL
        SELECT r.id, r.parent_id, a.depth + 1 FROM roles r JOIN above a ON r.id = a.parent_id
        WHERE a.depth <= 10 AND a.id <> NEW.id
    )
    SELECT coalesce(max(depth), 0), coalesce(bool_or(id = NEW.id), false)
    INTO v_above, v_cycle FROM above;

    IF v_cycle OR NEW.parent_id = NEW.id THEN
        RAISE EXCEPTION 'role_cycle'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'role_cycle',
                  DETAIL = 'role ' || NEW.id || ' would be its own ancestor';
    END IF;

    WITH RECURSIVE below (id, depth) AS (
        SELECT NEW.id::text COLLATE "C", 1::bigint
        UNION ALL
        SELECT r.id::text, b.depth + 1 FROM roles r JOIN below b ON r.parent_id = b.id
        WHERE b.depth <= 10
    )
    SELECT max(depth) INTO v_below FROM below;

    IF v_above + v_below > 10 THEN
        RAISE EXCEPTION 'role_too_deep'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'role_too_deep',
                  DETAIL = 'a chain of roles holds at most 10';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trg_roles_parent_insert BEFORE INSERT ON roles
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION check_role_parent();
CREATE TRIGGER trg_roles_parent_update BEFORE UPDATE OF parent_id ON roles
    FOR EACH ROW WHEN (NEW.parent_id IS DISTINCT FROM OLD.parent_id AND NEW.parent_id IS NOT NULL)
    EXECUTE FUNCTION check_role_parent();

-- --------------------------------------------------------------- user_roles

ALTER TABLE user_roles
    ADD COLUMN tenant_id varchar(64) COLLATE "C",
    ADD COLUMN valid_from timestamptz;
UPDATE user_roles ur SET tenant_id = u.tenant_id FROM users u WHERE u.id = ur.user_id;
ALTER TABLE user_roles
    ALTER COLUMN tenant_id SET NOT NULL,
    ADD CONSTRAINT fk_user_roles_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_user_roles_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE;
CREATE INDEX idx_user_roles_tenant_id_role_id ON user_roles (tenant_id, role_id, user_id);

-- ----------------------------------------------------------- oauth2_clients

DROP INDEX uq_oauth2_clients_client_id;
ALTER TABLE oauth2_clients
    ADD COLUMN post_logout_redirect_uris jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN access_token_ttl_seconds bigint NOT NULL DEFAULT 900,
    ADD COLUMN refresh_token_ttl_seconds bigint NOT NULL DEFAULT 604800,
    ADD COLUMN id_token_signed_response_alg varchar(16) NOT NULL DEFAULT 'RS256',
    ADD COLUMN access_token_alg varchar(16) NOT NULL DEFAULT 'EdDSA',
    ADD COLUMN audience jsonb NOT NULL DEFAULT '[]',
    -- What this client is an enforcement point for; null where it is none.
    ADD COLUMN evaluation jsonb,
    ADD COLUMN description text COLLATE "C",
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    -- Lists are filtered and sorted by it, byte by byte as on SQLite.
    ALTER COLUMN client_name TYPE varchar(255) COLLATE "C",
    ADD CONSTRAINT ck_oauth2_clients_access_token_ttl_seconds
        CHECK (access_token_ttl_seconds > 0),
    ADD CONSTRAINT ck_oauth2_clients_refresh_token_ttl_seconds
        CHECK (refresh_token_ttl_seconds > 0),
    ADD CONSTRAINT ck_oauth2_clients_id_token_signed_response_alg
        CHECK (id_token_signed_response_alg IN ('EdDSA', 'ES256', 'RS256')),
    ADD CONSTRAINT ck_oauth2_clients_access_token_alg
        CHECK (access_token_alg IN ('EdDSA', 'ES256', 'RS256'));
CREATE UNIQUE INDEX uq_oauth2_clients_tenant_id_client_id ON oauth2_clients (tenant_id, client_id);
CREATE UNIQUE INDEX uq_oauth2_clients_tenant_id_id ON oauth2_clients (tenant_id, id);

CREATE TABLE client_roles (
    id          varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    client_id   varchar(64) COLLATE "C" NOT NULL,
    role_id     varchar(64) COLLATE "C" NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    assigned_by varchar(64) COLLATE "C",
    valid_from  timestamptz,
    expires_at  timestamptz,
    CONSTRAINT client_roles_pkey PRIMARY KEY (id),
    CONSTRAINT fk_client_roles_tenant_id_client_id FOREIGN KEY (tenant_id, client_id)
        REFERENCES oauth2_clients (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_client_roles_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_client_roles_client_id_role_id ON client_roles (client_id, role_id);
CREATE INDEX idx_client_roles_tenant_id_role_id ON client_roles (tenant_id, role_id);

-- ------------------------------------------------------------------- groups

CREATE TABLE groups (
    id          varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    name        varchar(255) NOT NULL,
    name_key    varchar(255) COLLATE "C" NOT NULL,
    description text COLLATE "C",
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT groups_pkey PRIMARY KEY (id),
    CONSTRAINT fk_groups_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_groups_tenant_id_name_key ON groups (tenant_id, name_key);
CREATE UNIQUE INDEX uq_groups_tenant_id_id ON groups (tenant_id, id);
CREATE INDEX idx_groups_tenant_id_created_at ON groups (tenant_id, created_at, id);

CREATE TABLE group_members (
    group_id     varchar(64) COLLATE "C" NOT NULL,
    principal_id varchar(64) COLLATE "C" NOT NULL,
    tenant_id    varchar(64) COLLATE "C" NOT NULL,
    valid_from   timestamptz,
    expires_at   timestamptz,
    added_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    added_by     varchar(64) COLLATE "C",
    CONSTRAINT group_members_pkey PRIMARY KEY (group_id, principal_id),
    CONSTRAINT fk_group_members_tenant_id_group_id FOREIGN KEY (tenant_id, group_id)
        REFERENCES groups (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_group_members_tenant_id_principal_id FOREIGN KEY (tenant_id, principal_id)
        REFERENCES principals (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_group_members_tenant_id_principal_id ON group_members (tenant_id, principal_id);

CREATE TABLE group_roles (
    group_id    varchar(64) COLLATE "C" NOT NULL,
    role_id     varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    valid_from  timestamptz,
    expires_at  timestamptz,
    assigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    assigned_by varchar(64) COLLATE "C",
    CONSTRAINT group_roles_pkey PRIMARY KEY (group_id, role_id),
    CONSTRAINT fk_group_roles_tenant_id_group_id FOREIGN KEY (tenant_id, group_id)
        REFERENCES groups (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_group_roles_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_group_roles_tenant_id_role_id ON group_roles (tenant_id, role_id);

-- -------------------------------------------------------------- permissions

-- The catalogue of all actions; `permissions` keeps the rows of each tenant.
CREATE TABLE global_permissions (
    id          varchar(64) COLLATE "C" NOT NULL,
    name        varchar(128) COLLATE "C" NOT NULL,
    description text COLLATE "C",
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT global_permissions_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX uq_global_permissions_name ON global_permissions (name);

ALTER TABLE permissions
    ALTER COLUMN name TYPE varchar(128) COLLATE "C",
    ALTER COLUMN description TYPE text COLLATE "C";
ALTER TABLE permissions
    ADD COLUMN version bigint NOT NULL DEFAULT 1,
    ADD COLUMN global_permission_id varchar(64) COLLATE "C",
    ADD CONSTRAINT fk_permissions_global_permission_id FOREIGN KEY (global_permission_id)
        REFERENCES global_permissions (id);
CREATE UNIQUE INDEX uq_permissions_tenant_id_id ON permissions (tenant_id, id);
CREATE INDEX idx_permissions_global_permission_id ON permissions (global_permission_id)
    WHERE global_permission_id IS NOT NULL;

-- ----------------------------------------------------------------- policies

CREATE TABLE policies (
    id          varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    name        varchar(255) NOT NULL,
    name_key    varchar(255) COLLATE "C" NOT NULL,
    description text COLLATE "C",
    priority    bigint NOT NULL DEFAULT 0,
    effect      varchar(8) NOT NULL DEFAULT 'allow',
    expression  text,
    document    jsonb,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT policies_pkey PRIMARY KEY (id),
    CONSTRAINT fk_policies_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_policies_priority CHECK (priority BETWEEN 0 AND 1000),
    CONSTRAINT ck_policies_effect CHECK (effect IN ('allow', 'deny'))
);
CREATE UNIQUE INDEX uq_policies_tenant_id_name_key ON policies (tenant_id, name_key);
CREATE UNIQUE INDEX uq_policies_tenant_id_id ON policies (tenant_id, id);

-- A policy as it was from one change to the next, the present one included.
CREATE TABLE policy_history (
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    policy_id   varchar(64) COLLATE "C" NOT NULL,
    version     bigint NOT NULL,
    name        varchar(255) NOT NULL,
    description text COLLATE "C",
    priority    bigint NOT NULL,
    effect      varchar(8) NOT NULL,
    expression  text,
    document    jsonb,
    changed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    changed_by  varchar(64) COLLATE "C",
    CONSTRAINT policy_history_pkey PRIMARY KEY (tenant_id, policy_id, version),
    CONSTRAINT fk_policy_history_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_policy_history_priority CHECK (priority BETWEEN 0 AND 1000),
    CONSTRAINT ck_policy_history_effect CHECK (effect IN ('allow', 'deny'))
);

CREATE TABLE role_policies (
    role_id     varchar(64) COLLATE "C" NOT NULL,
    policy_id   varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    attached_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attached_by varchar(64) COLLATE "C",
    CONSTRAINT role_policies_pkey PRIMARY KEY (role_id, policy_id),
    CONSTRAINT fk_role_policies_tenant_id_role_id FOREIGN KEY (tenant_id, role_id)
        REFERENCES roles (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_role_policies_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_role_policies_tenant_id_policy_id ON role_policies (tenant_id, policy_id);

-- What the tenant imposes on everybody in it. No removal of a policy takes it along:
-- what binds is detached first, by whoever may do that.
CREATE TABLE tenant_guardrails (
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    policy_id   varchar(64) COLLATE "C" NOT NULL,
    attached_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attached_by varchar(64) COLLATE "C",
    CONSTRAINT tenant_guardrails_pkey PRIMARY KEY (tenant_id, policy_id),
    CONSTRAINT fk_tenant_guardrails_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id)
);

-- What a user or client may have at most, whatever its roles say.
CREATE TABLE principal_boundaries (
    principal_id varchar(64) COLLATE "C" NOT NULL,
    tenant_id    varchar(64) COLLATE "C" NOT NULL,
    policy_id    varchar(64) COLLATE "C" NOT NULL,
    set_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    set_by       varchar(64) COLLATE "C",
    CONSTRAINT principal_boundaries_pkey PRIMARY KEY (principal_id),
    CONSTRAINT fk_principal_boundaries_tenant_id_principal_id FOREIGN KEY (tenant_id, principal_id)
        REFERENCES principals (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_principal_boundaries_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id)
);
CREATE INDEX idx_principal_boundaries_tenant_id_principal_id
    ON principal_boundaries (tenant_id, principal_id);
CREATE INDEX idx_principal_boundaries_tenant_id_policy_id
    ON principal_boundaries (tenant_id, policy_id);

-- Policies that are attached to a user itself, where the tenant has switched that on.
CREATE TABLE user_policies (
    user_id     varchar(64) COLLATE "C" NOT NULL,
    policy_id   varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    valid_from  timestamptz,
    expires_at  timestamptz,
    attached_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    attached_by varchar(64) COLLATE "C",
    CONSTRAINT user_policies_pkey PRIMARY KEY (user_id, policy_id),
    CONSTRAINT fk_user_policies_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_user_policies_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id)
);
CREATE INDEX idx_user_policies_tenant_id_user_id ON user_policies (tenant_id, user_id);
CREATE INDEX idx_user_policies_tenant_id_policy_id ON user_policies (tenant_id, policy_id);

CREATE TABLE policy_permissions (
    policy_id     varchar(64) COLLATE "C" NOT NULL,
    permission_id varchar(64) COLLATE "C" NOT NULL,
    tenant_id     varchar(64) COLLATE "C" NOT NULL,
    -- Null means the effect of the policy.
    effect        varchar(8),
    CONSTRAINT policy_permissions_pkey PRIMARY KEY (policy_id, permission_id),
    CONSTRAINT fk_policy_permissions_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_policy_permissions_tenant_id_permission_id FOREIGN KEY (tenant_id, permission_id)
        REFERENCES permissions (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_policy_permissions_effect CHECK (effect IN ('allow', 'deny'))
);
CREATE INDEX idx_policy_permissions_tenant_id_permission_id
    ON policy_permissions (tenant_id, permission_id);

CREATE TABLE policy_global_permissions (
    policy_id            varchar(64) COLLATE "C" NOT NULL,
    global_permission_id varchar(64) COLLATE "C" NOT NULL,
    tenant_id            varchar(64) COLLATE "C" NOT NULL,
    CONSTRAINT policy_global_permissions_pkey PRIMARY KEY (policy_id, global_permission_id),
    CONSTRAINT fk_policy_global_permissions_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_policy_global_permissions_global_permission_id FOREIGN KEY (global_permission_id)
        REFERENCES global_permissions (id)
);
CREATE INDEX idx_policy_global_permissions_tenant_id_policy_id
    ON policy_global_permissions (tenant_id, policy_id);
CREATE INDEX idx_policy_global_permissions_global_permission_id
    ON policy_global_permissions (global_permission_id);

-- ---------------------------------------------------------------- resources

CREATE TABLE resources (
    id         varchar(64) COLLATE "C" NOT NULL,
    tenant_id  varchar(64) COLLATE "C" NOT NULL,
    parent_id  varchar(64) COLLATE "C",
    name       varchar(1024) COLLATE "C" NOT NULL,
    kind       varchar(64) COLLATE "C" NOT NULL DEFAULT '',
    tags       jsonb NOT NULL DEFAULT '{}',
    version    bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT resources_pkey PRIMARY KEY (id),
    CONSTRAINT fk_resources_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_resources_tenant_id_name ON resources (tenant_id, name);
CREATE UNIQUE INDEX uq_resources_tenant_id_id ON resources (tenant_id, id);
CREATE INDEX idx_resources_tenant_id_created_at ON resources (tenant_id, created_at, id);
ALTER TABLE resources
    ADD CONSTRAINT fk_resources_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES resources (tenant_id, id);
CREATE INDEX idx_resources_tenant_id_parent_id ON resources (tenant_id, parent_id)
    WHERE parent_id IS NOT NULL;

-- INVARIANT: as for roles, with resources.
CREATE FUNCTION check_resource_parent() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    v_above bigint;
    v_below bigint;
    v_cycle boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('resources.parent_id:' || NEW.tenant_id, 0));

    WITH RECURSIVE above (id, parent_id, depth) AS (
        SELECT r.id, r.parent_id, 1::bigint FROM resources r
        WHERE r.id = NEW.parent_id AND r.tenant_id = NEW.tenant_id
        UNION ALL
        SELECT r.id, r.parent_id, a.depth + 1 FROM resources r JOIN above a ON r.id = a.parent_id
        WHERE a.depth <= 10 AND a.id <> NEW.id
    )
    SELECT coalesce(max(depth), 0), coalesce(bool_or(id = NEW.id), false)
    INTO v_above, v_cycle FROM above;

    IF v_cycle OR NEW.parent_id = NEW.id THEN
        RAISE EXCEPTION 'resource_cycle'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'resource_cycle',
                  DETAIL = 'resource ' || NEW.id || ' would be its own ancestor';
    END IF;

    WITH RECURSIVE below (id, depth) AS (
        SELECT NEW.id::text COLLATE "C", 1::bigint
        UNION ALL
        SELECT r.id::text, b.depth + 1 FROM resources r JOIN below b ON r.parent_id = b.id
        WHERE b.depth <= 10
    )
    SELECT max(depth) INTO v_below FROM below;

    IF v_above + v_below > 10 THEN
        RAISE EXCEPTION 'resource_too_deep'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'resource_too_deep',
                  DETAIL = 'a chain of resources holds at most 10';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trg_resources_parent_insert BEFORE INSERT ON resources
    FOR EACH ROW WHEN (NEW.parent_id IS NOT NULL) EXECUTE FUNCTION check_resource_parent();
CREATE TRIGGER trg_resources_parent_update BEFORE UPDATE OF parent_id ON resources
    FOR EACH ROW WHEN (NEW.parent_id IS DISTINCT FROM OLD.parent_id AND NEW.parent_id IS NOT NULL)
    EXECUTE FUNCTION check_resource_parent();

CREATE TABLE policy_resources (
    policy_id   varchar(64) COLLATE "C" NOT NULL,
    resource_id varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    CONSTRAINT policy_resources_pkey PRIMARY KEY (policy_id, resource_id),
    CONSTRAINT fk_policy_resources_tenant_id_policy_id FOREIGN KEY (tenant_id, policy_id)
        REFERENCES policies (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_policy_resources_tenant_id_resource_id FOREIGN KEY (tenant_id, resource_id)
        REFERENCES resources (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_policy_resources_tenant_id_resource_id
    ON policy_resources (tenant_id, resource_id);

-- What a resource says itself. No removal of a resource takes it along.
CREATE TABLE resource_policies (
    resource_id varchar(64) COLLATE "C" NOT NULL,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    document    jsonb NOT NULL,
    version     bigint NOT NULL DEFAULT 1,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT resource_policies_pkey PRIMARY KEY (resource_id),
    CONSTRAINT fk_resource_policies_tenant_id_resource_id FOREIGN KEY (tenant_id, resource_id)
        REFERENCES resources (tenant_id, id)
);
CREATE INDEX idx_resource_policies_tenant_id_resource_id
    ON resource_policies (tenant_id, resource_id);

-- ------------------------------------------------- platform scope, versions

CREATE TABLE platform_roles (
    principal_id varchar(64) COLLATE "C" NOT NULL,
    role         varchar(64) COLLATE "C" NOT NULL,
    assigned_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    assigned_by  varchar(64) COLLATE "C",
    expires_at   timestamptz,
    CONSTRAINT platform_roles_pkey PRIMARY KEY (principal_id, role),
    CONSTRAINT fk_platform_roles_principal_id FOREIGN KEY (principal_id)
        REFERENCES principals (id) ON DELETE CASCADE
);

-- What the platform imposes on every tenant, or on one.
CREATE TABLE platform_guardrails (
    id             varchar(64) COLLATE "C" NOT NULL,
    name           varchar(128) COLLATE "C" NOT NULL,
    description    text COLLATE "C",
    document       jsonb NOT NULL,
    -- Null means every tenant.
    only_tenant_id varchar(64) COLLATE "C",
    version        bigint NOT NULL DEFAULT 1,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT platform_guardrails_pkey PRIMARY KEY (id),
    CONSTRAINT fk_platform_guardrails_only_tenant_id FOREIGN KEY (only_tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
);
CREATE INDEX idx_platform_guardrails_only_tenant_id ON platform_guardrails (only_tenant_id)
    WHERE only_tenant_id IS NOT NULL;

-- One row a tenant and one for `platform`. No foreign key: the version of a
-- deleted tenant must not start again at a number that a node has seen.
CREATE TABLE policy_versions (
    tenant_id  varchar(64) COLLATE "C" NOT NULL,
    version    bigint NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT policy_versions_pkey PRIMARY KEY (tenant_id)
);

-- Other nodes learn of a new version at once; who does not hear of it looks.
CREATE FUNCTION notify_policy_version() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    PERFORM pg_notify('signet_policy_versions', NEW.version || ' ' || NEW.tenant_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER trg_policy_versions_inserted AFTER INSERT ON policy_versions
    FOR EACH ROW EXECUTE FUNCTION notify_policy_version();
CREATE TRIGGER trg_policy_versions_updated AFTER UPDATE ON policy_versions
    FOR EACH ROW WHEN (NEW.version <> OLD.version) EXECUTE FUNCTION notify_policy_version();

-- What each new version changed, so that a node need not read a tenant again as
-- a whole. No foreign key: what is said of a tenant outlives it by some minutes.
CREATE TABLE policy_changes (
    tenant_id  varchar(64) COLLATE "C" NOT NULL,
    version    bigint NOT NULL,
    place      bigint NOT NULL,
    kind       varchar(16) COLLATE "C" NOT NULL,
    subject    varchar(1024) COLLATE "C" NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT policy_changes_pkey PRIMARY KEY (tenant_id, version, place)
);
CREATE INDEX idx_policy_changes_created_at ON policy_changes (created_at);

-- ------------------------------------------------------------------- outbox

-- No foreign key: a job about a deleted tenant is still to be done.
CREATE TABLE outbox (
    id           varchar(64) COLLATE "C" NOT NULL,
    tenant_id    varchar(64) COLLATE "C",
    kind         varchar(64) COLLATE "C" NOT NULL,
    payload      jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    not_before   timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts     bigint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    done_at      timestamptz,
    last_error   text,
    CONSTRAINT outbox_pkey PRIMARY KEY (id),
    CONSTRAINT ck_outbox_attempts CHECK (attempts >= 0)
);
CREATE INDEX idx_outbox_pending ON outbox (not_before, id) WHERE done_at IS NULL;
CREATE INDEX idx_outbox_done ON outbox (done_at) WHERE done_at IS NOT NULL;

-- --------------------------------------------------------------------- keys

CREATE TABLE key_checks (
    name       varchar(64) COLLATE "C" NOT NULL,
    value      bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT key_checks_pkey PRIMARY KEY (name)
);

CREATE TABLE signing_keys (
    -- The `kid` of the published key.
    id             varchar(64) COLLATE "C" NOT NULL,
    tenant_id      varchar(64) COLLATE "C" NOT NULL,
    algorithm      varchar(16) NOT NULL,
    status         varchar(16) NOT NULL,
    public_jwk     jsonb NOT NULL,
    sealed_private bytea NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    activated_at   timestamptz,
    retire_at      timestamptz,
    CONSTRAINT signing_keys_pkey PRIMARY KEY (id),
    CONSTRAINT fk_signing_keys_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_signing_keys_algorithm CHECK (algorithm IN ('EdDSA', 'ES256', 'RS256')),
    CONSTRAINT ck_signing_keys_status CHECK (status IN ('active', 'next', 'retired'))
);
CREATE UNIQUE INDEX uq_signing_keys_tenant_id_algorithm ON signing_keys (tenant_id, algorithm)
    WHERE status = 'active';
CREATE INDEX idx_signing_keys_tenant_id ON signing_keys (tenant_id);

-- A key ring: how the data keys of one name are made, replaced and ended. Its keys are
-- the kms_data_keys of the same tenant_id and name; tenant_id is null for a ring of the
-- platform.
CREATE TABLE kms_key_rings (
    id                        varchar(64) COLLATE "C" NOT NULL,
    tenant_id                 varchar(64) COLLATE "C",
    name                      varchar(64) COLLATE "C" NOT NULL,
    purpose                   varchar(255) NOT NULL DEFAULT '',
    algorithm                 varchar(50) COLLATE "C" NOT NULL,
    -- Null: keys are replaced by hand, or when their uses are spent.
    rotation_interval_seconds bigint,
    -- For how long an active key that is over still encrypts.
    grace_seconds             bigint NOT NULL,
    -- How many values one key may encrypt.
    uses_max                  bigint NOT NULL,
    min_decryption_version    bigint NOT NULL DEFAULT 1,
    -- The highest number that a key of the ring ever had.
    last_version              bigint NOT NULL DEFAULT 0,
    -- When the ring goes; nothing is done with it until then.
    destroy_at                timestamptz,
    version                   bigint NOT NULL DEFAULT 1,
    created_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT kms_key_rings_pkey PRIMARY KEY (id),
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
);
CREATE UNIQUE INDEX uq_kms_key_rings_tenant_id_name ON kms_key_rings (coalesce(tenant_id, ''), name);
CREATE INDEX idx_kms_key_rings_tenant_id ON kms_key_rings (tenant_id);
CREATE INDEX idx_kms_key_rings_destroy_at ON kms_key_rings (destroy_at) WHERE destroy_at IS NOT NULL;

-- What a data key went through, beside its row.
CREATE TABLE kms_key_details (
    key_id        varchar(64) COLLATE "C" NOT NULL,
    tenant_id     varchar(64) COLLATE "C",
    -- Uses that nodes have taken, in blocks: at least as many as there were.
    uses_reserved bigint NOT NULL DEFAULT 0,
    activated_at  timestamptz,
    revoked_at    timestamptz,
    revoke_reason varchar(255),
    -- When the revoked key goes.
    destroy_at    timestamptz,
    CONSTRAINT kms_key_details_pkey PRIMARY KEY (key_id),
    CONSTRAINT fk_kms_key_details_key_id FOREIGN KEY (key_id)
        REFERENCES kms_data_keys (id) ON DELETE CASCADE,
    CONSTRAINT ck_kms_key_details_uses_reserved CHECK (uses_reserved >= 0)
);
CREATE INDEX idx_kms_key_details_tenant_id ON kms_key_details (tenant_id);
CREATE INDEX idx_kms_key_details_destroy_at ON kms_key_details (destroy_at) WHERE destroy_at IS NOT NULL;

-- Who still holds values under a data key, as they say: it is not destroyed meanwhile.
CREATE TABLE kms_key_references (
    key_id     varchar(64) COLLATE "C" NOT NULL,
    holder     varchar(64) COLLATE "C" NOT NULL,
    tenant_id  varchar(64) COLLATE "C",
    items      bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT kms_key_references_pkey PRIMARY KEY (key_id, holder),
    CONSTRAINT fk_kms_key_references_key_id FOREIGN KEY (key_id)
        REFERENCES kms_data_keys (id) ON DELETE CASCADE,
    CONSTRAINT ck_kms_key_references_items CHECK (items > 0)
);
CREATE INDEX idx_kms_key_references_tenant_id ON kms_key_references (tenant_id);

-- Tenant keys, wrapped by the root key, where no key store outside this database is
-- configured. tenant_id is `platform` for the platform's: no foreign key.
CREATE TABLE kms_tenant_keys (
    tenant_id  varchar(64) COLLATE "C" NOT NULL,
    wrapped    bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT kms_tenant_keys_pkey PRIMARY KEY (tenant_id)
);

-- -------------------------------------------------- grants, tokens, consent

-- A token family: all tokens that descend from one authorization.
CREATE TABLE oauth_grants (
    id            varchar(64) COLLATE "C" NOT NULL,
    tenant_id     varchar(64) COLLATE "C" NOT NULL,
    -- oauth2_clients.id, or the name of a client built into the program: no foreign key.
    client_id     varchar(64) COLLATE "C" NOT NULL,
    user_id       varchar(64) COLLATE "C",
    session_id    varchar(64) COLLATE "C",
    scopes        jsonb NOT NULL DEFAULT '[]',
    -- When and how the person signed in: what a refreshed ID token repeats.
    auth_time     timestamptz,
    acr           varchar(255),
    amr           jsonb NOT NULL DEFAULT '[]',
    status        varchar(16) NOT NULL DEFAULT 'ACTIVE',
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at    timestamptz NOT NULL,
    revoked_at    timestamptz,
    revoke_reason varchar(255),
    CONSTRAINT oauth_grants_pkey PRIMARY KEY (id),
    CONSTRAINT fk_oauth_grants_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_oauth_grants_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_oauth_grants_status CHECK (status IN ('ACTIVE', 'REVOKED'))
);
CREATE INDEX idx_oauth_grants_tenant_id_client_id ON oauth_grants (tenant_id, client_id);
CREATE INDEX idx_oauth_grants_tenant_id_user_id ON oauth_grants (tenant_id, user_id)
    WHERE user_id IS NOT NULL;
CREATE INDEX idx_oauth_grants_session_id ON oauth_grants (session_id)
    WHERE session_id IS NOT NULL;
CREATE INDEX idx_oauth_grants_expires_at ON oauth_grants (expires_at);

ALTER TABLE tokens
    ADD COLUMN grant_id varchar(64) COLLATE "C",
    ADD COLUMN scopes jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN audience jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN rotated_at timestamptz,
    ADD COLUMN successor_id varchar(64) COLLATE "C",
    ADD CONSTRAINT fk_tokens_grant_id FOREIGN KEY (grant_id)
        REFERENCES oauth_grants (id) ON DELETE CASCADE;
CREATE INDEX idx_tokens_grant_id ON tokens (grant_id) WHERE grant_id IS NOT NULL;
-- With idx_tokens_expired: what maintenance removes.
CREATE INDEX idx_tokens_ended ON tokens (expires_at) WHERE status <> 'ACTIVE';

CREATE TABLE oauth_consents (
    id         varchar(64) COLLATE "C" NOT NULL,
    tenant_id  varchar(64) COLLATE "C" NOT NULL,
    user_id    varchar(64) COLLATE "C" NOT NULL,
    client_id  varchar(64) COLLATE "C" NOT NULL,
    scopes     jsonb NOT NULL DEFAULT '[]',
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz,
    revoked_at timestamptz,
    CONSTRAINT oauth_consents_pkey PRIMARY KEY (id),
    CONSTRAINT fk_oauth_consents_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT fk_oauth_consents_tenant_id_client_id FOREIGN KEY (tenant_id, client_id)
        REFERENCES oauth2_clients (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_oauth_consents_user_id_client_id ON oauth_consents (user_id, client_id);
CREATE INDEX idx_oauth_consents_tenant_id_client_id ON oauth_consents (tenant_id, client_id);

CREATE TABLE authorization_codes (
    code_digest    varchar(64) COLLATE "C" NOT NULL,
    tenant_id      varchar(64) COLLATE "C" NOT NULL,
    -- As in oauth_grants.
    client_id      varchar(64) COLLATE "C" NOT NULL,
    user_id        varchar(64) COLLATE "C" NOT NULL,
    session_id     varchar(64) COLLATE "C" NOT NULL,
    -- Set at exchange, so that a second use finds the family to revoke.
    grant_id       varchar(64) COLLATE "C",
    redirect_uri   text NOT NULL,
    scopes         jsonb NOT NULL DEFAULT '[]',
    nonce          text,
    code_challenge varchar(128) COLLATE "C" NOT NULL,
    auth_time      timestamptz NOT NULL,
    acr            varchar(255),
    amr            jsonb NOT NULL DEFAULT '[]',
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at     timestamptz NOT NULL,
    used_at        timestamptz,
    CONSTRAINT authorization_codes_pkey PRIMARY KEY (code_digest),
    CONSTRAINT fk_authorization_codes_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX idx_authorization_codes_expires_at ON authorization_codes (expires_at);
CREATE INDEX idx_authorization_codes_tenant_id_client_id
    ON authorization_codes (tenant_id, client_id);
CREATE INDEX idx_authorization_codes_tenant_id_user_id
    ON authorization_codes (tenant_id, user_id);

-- ------------------------------------------------------- sessions, recovery

ALTER TABLE user_sessions
    ADD COLUMN auth_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    ADD COLUMN amr jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN acr varchar(255),
    ADD COLUMN remember boolean NOT NULL DEFAULT false,
    ADD COLUMN ended_at timestamptz,
    ADD COLUMN end_reason varchar(64);
UPDATE user_sessions SET auth_time = created_at;
CREATE INDEX idx_user_sessions_ended ON user_sessions (expires_at) WHERE status <> 'ACTIVE';
CREATE INDEX idx_user_activities_created_at ON user_activities (created_at);

ALTER TABLE password_reset_tokens
    ADD COLUMN tenant_id varchar(64) COLLATE "C",
    ADD COLUMN purpose varchar(32) NOT NULL DEFAULT 'reset';
UPDATE password_reset_tokens t SET tenant_id = u.tenant_id FROM users u WHERE u.id = t.user_id;
ALTER TABLE password_reset_tokens
    ALTER COLUMN tenant_id SET NOT NULL,
    ADD CONSTRAINT fk_password_reset_tokens_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE;

-- A hash that another system made: it serves until the first sign-in, which
-- replaces it by our own in users.password. Until then that column holds a hash
-- that nothing verifies.
CREATE TABLE imported_passwords (
    user_id    varchar(64) COLLATE "C" NOT NULL,
    tenant_id  varchar(64) COLLATE "C" NOT NULL,
    scheme     varchar(32) COLLATE "C" NOT NULL,
    hash       varchar(512) COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT imported_passwords_pkey PRIMARY KEY (user_id),
    CONSTRAINT fk_imported_passwords_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    CONSTRAINT ck_imported_passwords_scheme
        CHECK (scheme IN ('bcrypt', 'pbkdf2-sha256', 'pbkdf2-sha512'))
);
CREATE INDEX idx_imported_passwords_tenant_id_user_id ON imported_passwords (tenant_id, user_id);

-- Whose they are is found through the user no longer, but stands in the row: row-level
-- security compares it.
ALTER TABLE password_history ADD COLUMN tenant_id varchar(64) COLLATE "C";
UPDATE password_history t SET tenant_id = u.tenant_id FROM users u WHERE u.id = t.user_id;
ALTER TABLE password_history
    ALTER COLUMN tenant_id SET NOT NULL,
    ADD CONSTRAINT fk_password_history_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE backup_codes ADD COLUMN tenant_id varchar(64) COLLATE "C";
UPDATE backup_codes t SET tenant_id = u.tenant_id FROM users u WHERE u.id = t.user_id;
ALTER TABLE backup_codes
    ALTER COLUMN tenant_id SET NOT NULL,
    ADD CONSTRAINT fk_backup_codes_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE;
ALTER TABLE user_departments ADD COLUMN tenant_id varchar(64) COLLATE "C";
UPDATE user_departments t SET tenant_id = u.tenant_id FROM users u WHERE u.id = t.user_id;
ALTER TABLE user_departments
    ALTER COLUMN tenant_id SET NOT NULL,
    ADD CONSTRAINT fk_user_departments_tenant_id_user_id FOREIGN KEY (tenant_id, user_id)
        REFERENCES users (tenant_id, id) ON DELETE CASCADE,
    ADD CONSTRAINT fk_user_departments_tenant_id_department_id FOREIGN KEY (tenant_id, department_id)
        REFERENCES departments (tenant_id, id) ON DELETE CASCADE;

CREATE TABLE throttles (
    key               varchar(128) COLLATE "C" NOT NULL,
    tenant_id         varchar(64) COLLATE "C",
    failures          bigint NOT NULL DEFAULT 0,
    window_started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    blocked_until     timestamptz,
    updated_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT throttles_pkey PRIMARY KEY (key),
    CONSTRAINT ck_throttles_failures CHECK (failures >= 0)
);
CREATE INDEX idx_throttles_updated_at ON throttles (updated_at);

-- -------------------------------------------------------------------- audit

ALTER TABLE audit_logs
    -- Lists are filtered by these, byte by byte as on SQLite.
    ALTER COLUMN action TYPE varchar(128) COLLATE "C",
    ALTER COLUMN resource TYPE text COLLATE "C",
    ALTER COLUMN username TYPE varchar(255) COLLATE "C",
    ADD COLUMN actor_type varchar(32) COLLATE "C",
    ADD COLUMN actor_id varchar(64) COLLATE "C",
    ADD COLUMN request_id varchar(64) COLLATE "C",
    ADD COLUMN count bigint NOT NULL DEFAULT 1,
    ADD COLUMN event_version bigint NOT NULL DEFAULT 1,
    -- The canonical bytes of the event, and SHA-256(0x00 || bytes).
    ADD COLUMN event_bytes bytea,
    ADD COLUMN leaf_hash bytea,
    ADD CONSTRAINT ck_audit_logs_count CHECK (count >= 1),
    ADD CONSTRAINT ck_audit_logs_leaf_hash CHECK (octet_length(leaf_hash) = 32);
-- With the id they are in the whole order of a page, which so ends after its rows.
DROP INDEX idx_audit_logs_tenant_created;
CREATE INDEX idx_audit_logs_tenant_created
    ON audit_logs (tenant_id, created_at DESC, id DESC);
-- A person is of one tenant: the index needs none.
DROP INDEX idx_audit_logs_user_created;
CREATE INDEX idx_audit_logs_user_created
    ON audit_logs (user_id, created_at DESC, id DESC) WHERE user_id IS NOT NULL;

-- -------------------------------------------------------------- idempotency

-- tenant_id is `platform` for platform operations: no foreign key.
CREATE TABLE idempotency_keys (
    tenant_id      varchar(64) COLLATE "C" NOT NULL,
    principal_id   varchar(64) COLLATE "C" NOT NULL,
    route          varchar(255) COLLATE "C" NOT NULL,
    key            varchar(255) COLLATE "C" NOT NULL,
    request_digest varchar(64) COLLATE "C" NOT NULL,
    -- Null while the answer is not known: the change was made, or is being made.
    status         bigint,
    headers        jsonb NOT NULL DEFAULT '{}',
    -- As it was sent, without what was secret in it.
    body           text,
    secret_omitted boolean NOT NULL DEFAULT false,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at     timestamptz NOT NULL,
    CONSTRAINT idempotency_keys_pkey PRIMARY KEY (tenant_id, principal_id, route, key)
);
CREATE INDEX idx_idempotency_keys_expires_at ON idempotency_keys (expires_at);

-- ---------------------------------------------------- effective permissions

-- What the 26 codes of a role's simple list mean: crates/authz/src/action.rs, from
-- which a test takes the same rows. `covers` is a kind of the tenant's own
-- resources, `self` the user's own account, `this` the tenant, `*` anything. A
-- code without an action does nothing inside a tenant.
CREATE VIEW v_permission_actions WITH (security_invoker = true) AS
SELECT v.code, v.action, v.covers FROM (VALUES
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
    ('system:monitor', NULL, NULL)
) AS v (code, action, covers);

-- Each way an active user comes to a role, at whatever time: directly or through a
-- group, the role itself or one that it inherits from.
CREATE VIEW v_user_roles WITH (security_invoker = true) AS
WITH RECURSIVE inherited (tenant_id, role_id, granting_role_id, depth) AS (
    SELECT r.tenant_id, r.id, r.id, 1 FROM roles r
    UNION ALL
    SELECT i.tenant_id, i.role_id, r.parent_id, i.depth + 1
    FROM inherited i JOIN roles r ON r.tenant_id = i.tenant_id AND r.id = i.granting_role_id
    WHERE r.parent_id IS NOT NULL AND i.depth < 10
)
SELECT h.tenant_id, h.user_id, h.group_id, h.role_id, i.granting_role_id, h.valid_from, h.expires_at
FROM (
    SELECT a.tenant_id, a.user_id, CAST(NULL AS varchar(64)) COLLATE "C" AS group_id,
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
CREATE VIEW v_user_policies WITH (security_invoker = true) AS
SELECT u.tenant_id, u.user_id, u.group_id, u.role_id, u.granting_role_id, a.policy_id,
    u.valid_from, u.expires_at
FROM v_user_roles u
    JOIN role_policies a ON a.tenant_id = u.tenant_id AND a.role_id = u.granting_role_id
UNION ALL
SELECT a.tenant_id, a.user_id,
    CAST(NULL AS varchar(64)) COLLATE "C", CAST(NULL AS varchar(64)) COLLATE "C",
    CAST(NULL AS varchar(64)) COLLATE "C", a.policy_id, a.valid_from, a.expires_at
FROM user_policies a
    JOIN principals p ON p.tenant_id = a.tenant_id AND p.id = a.user_id
        AND p.kind = 'user' AND p.status = 'active'
    JOIN tenants t ON t.id = a.tenant_id AND t.status = 'ACTIVE' AND t.deleted_at IS NULL;

-- Each way an active user comes to an action, at whatever time: by a permission that
-- a policy is linked to, on one of the policy's resources and all that lies in it, or
-- by a role's simple list. `resource_id` is null where `resource` is a pattern or one
-- of the tenant's own names.
CREATE VIEW v_user_permission_grants WITH (security_invoker = true) AS
WITH linked (tenant_id, policy_id, permission, action, effect, priority, conditional) AS NOT MATERIALIZED (
    SELECT l.tenant_id, l.policy_id, l.code AS permission, coalesce(a.action, l.code) AS action,
        coalesce(l.effect, p.effect) AS effect, p.priority, p.expression IS NOT NULL AS conditional
    FROM (
        SELECT l.tenant_id, l.policy_id, o.code, l.effect
        FROM policy_permissions l
            JOIN permissions o ON o.tenant_id = l.tenant_id AND o.id = l.permission_id
        UNION ALL
        SELECT l.tenant_id, l.policy_id, o.name AS code, NULL AS effect
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
    l.permission, l.action, '*', CAST(NULL AS varchar(64)) COLLATE "C",
    l.effect, l.priority, l.conditional, u.valid_from, u.expires_at
FROM v_user_policies u
    JOIN linked l ON l.tenant_id = u.tenant_id AND l.policy_id = u.policy_id
WHERE l.effect = 'deny' AND NOT EXISTS (
    SELECT 1 FROM policy_resources o WHERE o.tenant_id = l.tenant_id AND o.policy_id = l.policy_id
)
UNION ALL
SELECT u.tenant_id, u.user_id, u.group_id, u.role_id, u.granting_role_id,
    CAST(NULL AS varchar(64)) COLLATE "C", a.code, a.action,
    CASE a.covers
        WHEN '*' THEN '*'
        WHEN 'self' THEN 'arn:signet:iam::' || u.tenant_id || ':self/user'
        WHEN 'this' THEN 'arn:signet:iam::' || u.tenant_id || ':tenant/' || u.tenant_id
        ELSE 'arn:signet:iam::' || u.tenant_id || ':' || a.covers || '/*'
    END, CAST(NULL AS varchar(64)) COLLATE "C",
    'allow', 0, false, u.valid_from, u.expires_at
FROM v_user_roles u
    JOIN roles r ON r.tenant_id = u.tenant_id AND r.id = u.granting_role_id
    CROSS JOIN LATERAL jsonb_array_elements_text(r.permissions) c (value)
    JOIN v_permission_actions a ON a.code = c.value
WHERE a.action IS NOT NULL;

-- The same as of now, by the clock of the database.
CREATE VIEW v_user_permissions WITH (security_invoker = true) AS
SELECT tenant_id, user_id, group_id, role_id, granting_role_id, policy_id,
    permission, action, resource, resource_id, effect, priority, conditional, valid_from, expires_at
FROM v_user_permission_grants
WHERE (valid_from IS NULL OR valid_from <= clock_timestamp())
    AND (expires_at IS NULL OR clock_timestamp() < expires_at);

-- What the grants come to: for each action and resource that one of them names, what
-- the highest priority says at which anything applies, a deny before an allow. It is
-- `depends` where an expression, a policy's document, a guardrail, a boundary or the
-- resource's own policy may decide otherwise. A row of a pattern stands for all names
-- under it that have no row of their own.
CREATE FUNCTION user_permissions(
    p_tenant text, p_user text, p_at timestamptz DEFAULT clock_timestamp()
) RETURNS TABLE (action text, resource text, resource_id text, outcome text)
LANGUAGE sql STABLE SET search_path = public, pg_temp SET jit = off AS $$
    WITH RECURSIVE granted AS MATERIALIZED (
        SELECT lower(w.action) AS key, w.action, w.resource, w.resource_id,
            w.effect, w.priority, NOT w.conditional AS certain
        FROM v_user_permission_grants w
        WHERE w.tenant_id = p_tenant AND w.user_id = p_user
            AND (w.valid_from IS NULL OR w.valid_from <= p_at)
            AND (w.expires_at IS NULL OR p_at < w.expires_at)
    ),
    -- The linked resources and all that lies in each.
    covered (linked_id, id) AS (
        SELECT g.resource_id, g.resource_id FROM granted g WHERE g.resource_id IS NOT NULL
        UNION
        SELECT c.linked_id, r.id FROM covered c JOIN resources r ON r.parent_id = c.id
        WHERE r.tenant_id = p_tenant
    ),
    ways AS MATERIALIZED (
        SELECT g.key, g.action, r.name AS resource, r.id AS resource_id, g.effect, g.priority, g.certain
        FROM granted g
            JOIN covered c ON c.linked_id = g.resource_id
            JOIN resources r ON r.tenant_id = p_tenant AND r.id = c.id
        UNION ALL
        SELECT g.key, g.action, g.resource, g.resource_id, g.effect, g.priority, g.certain
        FROM granted g WHERE g.resource_id IS NULL
    ),
    -- What documents of the user's policies may say of an action, on some resources.
    documents AS MATERIALIZED (
        SELECT DISTINCT p.priority,
            lower(s.value ->> 'Effect') AS effect,
            replace(replace(replace(replace(replace(
                lower(a.value COLLATE "C"), '!', '!!'), '%', '!%'), '_', '!_'), '*', '%'), '?', '_') AS pattern
        FROM v_user_policies u
            JOIN policies p ON p.tenant_id = u.tenant_id AND p.id = u.policy_id
            CROSS JOIN LATERAL jsonb_array_elements(
                CASE jsonb_typeof(p.document -> 'Statement')
                    WHEN 'array' THEN p.document -> 'Statement'
                    ELSE jsonb_build_array(p.document -> 'Statement')
                END
            ) s (value)
            CROSS JOIN LATERAL jsonb_array_elements_text(
                CASE jsonb_typeof(s.value -> 'Action')
                    WHEN 'array' THEN s.value -> 'Action'
                    WHEN 'string' THEN jsonb_build_array(s.value -> 'Action')
                    ELSE '["*"]'
                END
            ) a (value)
        WHERE p.document IS NOT NULL
            AND u.tenant_id = p_tenant AND u.user_id = p_user
            AND (u.valid_from IS NULL OR u.valid_from <= p_at)
            AND (u.expires_at IS NULL OR p_at < u.expires_at)
    ),
    targets AS (
        SELECT w.key, w.resource, w.resource_id, min(w.action) AS action
        FROM ways w GROUP BY w.key, w.resource, w.resource_id
    ),
    -- All that is said of a target: by its own name, by a pattern that covers it, and by
    -- documents.
    said AS (
        SELECT t.key, t.resource, t.resource_id, t.action,
            w.effect, w.priority, w.certain
        FROM targets t JOIN ways w ON w.key = t.key AND (
            w.resource = t.resource AND (
                (w.resource_id IS NULL) = (t.resource_id IS NULL) OR t.resource NOT LIKE '%*'
            )
            OR w.resource_id IS NULL AND w.resource LIKE '%*'
                AND substr(t.resource, 1, length(w.resource) - 1)
                    = substr(w.resource, 1, length(w.resource) - 1)
        )
        UNION ALL
        SELECT t.key, t.resource, t.resource_id, t.action, d.effect, d.priority, false
        FROM targets t JOIN documents d ON t.key LIKE d.pattern ESCAPE '!'
    ),
    -- The highest priority at which something is said for certain.
    levelled AS (
        SELECT s.key, s.resource, s.resource_id, s.action,
            s.effect, s.priority, s.certain,
            max(CASE WHEN s.certain THEN s.priority END)
                OVER (
                    PARTITION BY s.key, s.resource, s.resource_id
                ) AS level
        FROM said s
    ),
    settled AS (
        SELECT l.action, l.resource, l.resource_id, l.level,
            max(CASE WHEN l.certain AND l.effect = 'deny' AND l.priority = l.level THEN 1 ELSE 0 END)
                AS denies,
            max(CASE WHEN NOT l.certain AND l.effect = 'deny' AND l.priority >= coalesce(l.level, 0)
                THEN 1 ELSE 0 END) AS may_deny,
            max(CASE WHEN NOT l.certain AND l.effect = 'allow' AND l.priority > coalesce(l.level, -1)
                THEN 1 ELSE 0 END) AS may_allow
        FROM levelled l
        GROUP BY l.key, l.action, l.resource, l.resource_id, l.level
    )
    SELECT t.action, t.resource, t.resource_id,
        CASE
            WHEN t.denies = 1 THEN CASE WHEN t.may_allow = 1 THEN 'depends' ELSE 'deny' END
            WHEN t.level IS NULL AND t.may_allow = 0 AND NOT EXISTS (
                SELECT 1 FROM resource_policies o
                    JOIN resources r ON r.tenant_id = o.tenant_id AND r.id = o.resource_id
                WHERE o.tenant_id = p_tenant AND (
                    r.name = t.resource
                    OR t.resource_id IS NULL AND t.resource LIKE '%*'
                        AND substr(r.name, 1, length(t.resource) - 1)
                            = substr(t.resource, 1, length(t.resource) - 1)
                )
            ) THEN 'deny'
            WHEN t.level IS NULL OR t.may_deny = 1 OR EXISTS (
                SELECT 1 FROM resource_policies o
                    JOIN resources r ON r.tenant_id = o.tenant_id AND r.id = o.resource_id
                WHERE o.tenant_id = p_tenant AND (
                    r.name = t.resource
                    OR t.resource_id IS NULL AND t.resource LIKE '%*'
                        AND substr(r.name, 1, length(t.resource) - 1)
                            = substr(t.resource, 1, length(t.resource) - 1)
                )
            ) OR (
                EXISTS (SELECT 1 FROM platform_guardrails o
                    WHERE o.only_tenant_id IS NULL OR o.only_tenant_id = p_tenant)
                OR EXISTS (SELECT 1 FROM tenant_guardrails o WHERE o.tenant_id = p_tenant)
                OR EXISTS (SELECT 1 FROM principal_boundaries o
                    WHERE o.tenant_id = p_tenant AND o.principal_id = p_user)
            ) THEN 'depends'
            ELSE 'allow'
        END AS outcome
    FROM settled t
$$;

-- The same for every user, as of now.
CREATE VIEW v_user_permission_outcomes WITH (security_invoker = true) AS
SELECT p.tenant_id, p.id AS user_id, o.action, o.resource, o.resource_id, o.outcome
FROM principals p CROSS JOIN LATERAL user_permissions(p.tenant_id, p.id, clock_timestamp()) o
WHERE p.kind = 'user';
