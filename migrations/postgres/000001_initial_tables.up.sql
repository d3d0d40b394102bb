-- version: V1.0.0
-- description: initial tables

-- Ids are text, so that ids of an earlier identity system survive an import.
-- Ids, codes and keys collate "C": they sort by bytes, as on SQLite.
-- Instants default to clock_timestamp(): rows of one transaction keep their order.

CREATE EXTENSION IF NOT EXISTS pgcrypto;

-- Bounds and ranges are written in UTC; another zone would make a month's query
-- touch a second partition.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET timezone = ''UTC''', current_database());
END
$$;

-- ------------------------------------------------------ migration book-keeping

-- The runner makes schema_migrations before the first migration.
CREATE FUNCTION record_migration(
    p_version text, p_description text, p_checksum text DEFAULT ''
) RETURNS void LANGUAGE sql
SET search_path = public, pg_temp AS $$
    INSERT INTO schema_migrations (version, description, checksum)
    VALUES (p_version, p_description, p_checksum)
    ON CONFLICT (version) DO NOTHING
$$;

CREATE FUNCTION is_migration_applied(p_version text) RETURNS boolean LANGUAGE sql STABLE
SET search_path = public, pg_temp AS $$
    SELECT EXISTS (SELECT 1 FROM schema_migrations m WHERE m.version = p_version)
$$;

-- ---------------------------------------------------------- trigger functions

-- Moves updated_at where the statement did not set it itself. Not
-- CURRENT_TIMESTAMP, which stands still inside a transaction.
CREATE FUNCTION update_updated_at_column() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.updated_at IS NULL OR NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    END IF;
    RETURN NEW;
END
$$;

-- deleted_at follows status, in both directions.
CREATE FUNCTION handle_user_soft_delete() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.status = 'DELETED' AND OLD.status <> 'DELETED' THEN
        NEW.deleted_at := coalesce(NEW.deleted_at, clock_timestamp());
    ELSIF NEW.status <> 'DELETED' AND OLD.status = 'DELETED' THEN
        NEW.deleted_at := NULL;
    END IF;
    RETURN NEW;
END
$$;

-- INVARIANT: users.password holds a hash. A clear password typed by an operator
-- becomes bcrypt of cost 12; the service itself (app_user, app_platform) may write
-- only a bcrypt `2a` of cost 10 to 31, so a clear password from a defect fails.
CREATE FUNCTION protect_user_password() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.password = OLD.password THEN
        RETURN NEW;
    END IF;
    IF NEW.password ~ '^\$2a\$(1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{53}$' THEN
        RETURN NEW;
    END IF;
    IF current_user IN ('app_user', 'app_platform') THEN
        RAISE EXCEPTION 'password_not_hashed'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'password_not_hashed',
                  HINT = 'the service writes bcrypt 2a of cost 10 to 31 only';
    END IF;
    -- Hashes of other systems, for imports; they are rehashed at the next sign-in.
    IF NEW.password ~ '^\$2[by]\$(1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{53}$' THEN
        RETURN NEW;
    END IF;
    IF NEW.password = '' OR NEW.password ~ '^[$!*]' OR octet_length(NEW.password) > 72 THEN
        RAISE EXCEPTION 'password_not_acceptable'
            USING ERRCODE = 'check_violation', CONSTRAINT = 'password_not_acceptable',
                  HINT = 'expected a bcrypt hash, or 1 to 72 bytes not starting with $, ! or *';
    END IF;
    NEW.password := crypt(NEW.password, gen_salt('bf', 12));
    RETURN NEW;
END
$$;

-- INVARIANT: nothing changes or removes an audit row, the owner included.
-- Partitions leave as whole tables, through the functions below.
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_append_only'
        USING ERRCODE = 'insufficient_privilege',
              DETAIL = TG_OP || ' on ' || TG_TABLE_NAME || ' is refused';
END
$$;

-- -------------------------------------------------------------------- tenants

CREATE TABLE tenants (
    id           varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    name         varchar(128) NOT NULL,
    code         varchar(64) COLLATE "C" NOT NULL,
    domain       varchar(255),
    status       varchar(16) NOT NULL DEFAULT 'ACTIVE',
    config       jsonb NOT NULL DEFAULT '{}',
    billing_info jsonb NOT NULL DEFAULT '{}',
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at   timestamptz,
    CONSTRAINT tenants_pkey PRIMARY KEY (id),
    CONSTRAINT ck_tenants_id CHECK (id ~ '^[A-Za-z0-9._:-]+$'),
    CONSTRAINT ck_tenants_status CHECK (status IN ('ACTIVE', 'INACTIVE', 'SUSPENDED'))
);
CREATE UNIQUE INDEX uq_tenants_name ON tenants (name) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_tenants_code ON tenants (code) WHERE deleted_at IS NULL;
CREATE INDEX idx_tenants_status ON tenants (status) WHERE deleted_at IS NULL;
CREATE TRIGGER trg_tenants_updated_at BEFORE UPDATE ON tenants
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- ---------------------------------------------------------------------- users

CREATE TABLE users (
    id             varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id      varchar(64) COLLATE "C" NOT NULL,
    username       varchar(64) NOT NULL,
    email          varchar(128),
    phone          varchar(32),
    password       varchar(255) NOT NULL,
    status         varchar(16) NOT NULL DEFAULT 'ACTIVE',
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_login_at  timestamptz,
    login_count    bigint NOT NULL DEFAULT 0,
    deleted_at     timestamptz,
    email_verified boolean NOT NULL DEFAULT false,
    phone_verified boolean NOT NULL DEFAULT false,
    CONSTRAINT users_pkey PRIMARY KEY (id),
    CONSTRAINT fk_users_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_users_id CHECK (id ~ '^[A-Za-z0-9._:-]+$'),
    CONSTRAINT ck_users_status CHECK (status IN ('ACTIVE', 'INACTIVE', 'LOCKED', 'DELETED'))
);
CREATE UNIQUE INDEX uq_users_tenant_id_username ON users (tenant_id, username)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_email ON users (tenant_id, email)
    WHERE deleted_at IS NULL AND email IS NOT NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_phone ON users (tenant_id, phone)
    WHERE deleted_at IS NULL AND phone IS NOT NULL;
-- Answers the sign-in query from the index alone.
CREATE INDEX idx_users_login_query ON users (tenant_id, username)
    INCLUDE (id, email, password, status) WHERE deleted_at IS NULL;
CREATE INDEX idx_users_email ON users (email)
    WHERE email IS NOT NULL AND deleted_at IS NULL;
CREATE INDEX idx_users_tenant_created ON users (tenant_id, created_at DESC, id DESC)
    WHERE deleted_at IS NULL;
CREATE INDEX idx_users_fulltext ON users USING gin (
    to_tsvector('simple', username || ' ' || coalesce(email, '') || ' ' || coalesce(phone, ''))
) WHERE deleted_at IS NULL;
CREATE TRIGGER trg_users_password BEFORE INSERT OR UPDATE OF password ON users
    FOR EACH ROW EXECUTE FUNCTION protect_user_password();
CREATE TRIGGER trg_users_soft_delete BEFORE UPDATE OF status ON users
    FOR EACH ROW EXECUTE FUNCTION handle_user_soft_delete();
CREATE TRIGGER trg_users_updated_at BEFORE UPDATE ON users
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- ---------------------------------------------------------------------- roles

CREATE TABLE roles (
    id          varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    name        varchar(128) NOT NULL,
    code        varchar(32) COLLATE "C" NOT NULL,
    description text,
    permissions jsonb NOT NULL DEFAULT '[]',
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT roles_pkey PRIMARY KEY (id),
    CONSTRAINT fk_roles_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_roles_tenant_id_code ON roles (tenant_id, code);
CREATE TRIGGER trg_roles_updated_at BEFORE UPDATE ON roles
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE user_roles (
    id          varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    user_id     varchar(64) COLLATE "C" NOT NULL,
    role_id     varchar(64) COLLATE "C" NOT NULL,
    assigned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    assigned_by varchar(64) COLLATE "C",
    expires_at  timestamptz,
    CONSTRAINT user_roles_pkey PRIMARY KEY (id),
    CONSTRAINT fk_user_roles_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_roles_role_id FOREIGN KEY (role_id)
        REFERENCES roles (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_user_roles_user_id_role_id ON user_roles (user_id, role_id);
CREATE INDEX idx_user_roles_role_id ON user_roles (role_id);
CREATE INDEX idx_user_roles_expires_at ON user_roles (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE permissions (
    id          varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    code        varchar(64) COLLATE "C" NOT NULL,
    name        varchar(128) NOT NULL,
    resource    varchar(128) NOT NULL DEFAULT '',
    action      varchar(64) NOT NULL DEFAULT '',
    description text,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT permissions_pkey PRIMARY KEY (id),
    CONSTRAINT fk_permissions_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_permissions_tenant_id_code ON permissions (tenant_id, code);
CREATE INDEX idx_permissions_resource_action ON permissions (tenant_id, resource, action);
CREATE TRIGGER trg_permissions_updated_at BEFORE UPDATE ON permissions
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

-- ------------------------------------------------------------ OAuth 2 and tokens

CREATE TABLE oauth2_clients (
    id                            varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id                     varchar(64) COLLATE "C" NOT NULL
        DEFAULT '00000000-0000-0000-0000-000000000001',
    client_id                     varchar(128) COLLATE "C" NOT NULL,
    -- bcrypt; null for a public client.
    client_secret                 varchar(255),
    client_name                   varchar(255) NOT NULL DEFAULT '',
    client_authentication_methods jsonb NOT NULL DEFAULT '[]',
    authorization_grant_types     jsonb NOT NULL DEFAULT '[]',
    redirect_uris                 jsonb NOT NULL DEFAULT '[]',
    scopes                        jsonb NOT NULL DEFAULT '[]',
    require_proof_key             boolean NOT NULL DEFAULT true,
    require_authorization_consent boolean NOT NULL DEFAULT true,
    status                        varchar(16) NOT NULL DEFAULT 'ACTIVE',
    created_at                    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at                    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT oauth2_clients_pkey PRIMARY KEY (id),
    CONSTRAINT fk_oauth2_clients_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT ck_oauth2_clients_status CHECK (status IN ('ACTIVE', 'DISABLED')),
    CONSTRAINT ck_oauth2_clients_client_secret CHECK (
        client_secret IS NULL OR client_secret = ''
        OR client_secret ~ '^\$2[aby]\$(1[0-9]|2[0-9]|3[01])\$[./A-Za-z0-9]{53}$'
    )
);
CREATE UNIQUE INDEX uq_oauth2_clients_client_id ON oauth2_clients (client_id);
CREATE TRIGGER trg_oauth2_clients_updated_at BEFORE UPDATE ON oauth2_clients
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE tokens (
    id          varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id   varchar(64) COLLATE "C" NOT NULL
        DEFAULT '00000000-0000-0000-0000-000000000001',
    -- A digest of fixed length, never the token: an index row holds at most 2704 bytes.
    token_value varchar(255) COLLATE "C" NOT NULL,
    token_type  varchar(32) NOT NULL,
    user_id     varchar(64) COLLATE "C",
    -- oauth2_clients.id, not the public client_id.
    client_id   varchar(64) COLLATE "C",
    issued_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at  timestamptz NOT NULL,
    status      varchar(16) NOT NULL DEFAULT 'ACTIVE',
    CONSTRAINT tokens_pkey PRIMARY KEY (id),
    CONSTRAINT fk_tokens_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_tokens_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_tokens_client_id FOREIGN KEY (client_id)
        REFERENCES oauth2_clients (id) ON DELETE CASCADE,
    CONSTRAINT ck_tokens_status CHECK (status IN ('ACTIVE', 'REVOKED', 'EXPIRED'))
);
CREATE UNIQUE INDEX uq_tokens_token_value ON tokens (token_value);
-- Answers the check of a token from the index alone, the policy of row-level security included.
CREATE INDEX idx_tokens_validation ON tokens (token_value, token_type)
    INCLUDE (status, expires_at, user_id, client_id, tenant_id) WHERE status = 'ACTIVE';
CREATE INDEX idx_tokens_expired ON tokens (expires_at) WHERE status = 'ACTIVE';
CREATE INDEX idx_tokens_user_id ON tokens (user_id, issued_at DESC) WHERE user_id IS NOT NULL;
CREATE INDEX idx_tokens_client_id ON tokens (client_id, issued_at DESC);
CREATE INDEX idx_tokens_tenant_id ON tokens (tenant_id);

-- ------------------------------------------------------------------ passwords

CREATE TABLE password_history (
    id         varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    user_id    varchar(64) COLLATE "C" NOT NULL,
    password   varchar(255) NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT password_history_pkey PRIMARY KEY (id),
    CONSTRAINT fk_password_history_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_password_history_password CHECK (password ~ '^\$(2[aby]\$|argon2)')
);
CREATE INDEX idx_password_history_user_changed ON password_history (user_id, changed_at DESC);

CREATE TABLE password_reset_tokens (
    id         varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    user_id    varchar(64) COLLATE "C" NOT NULL,
    -- A digest, never the token.
    token      varchar(255) COLLATE "C" NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT password_reset_tokens_pkey PRIMARY KEY (id),
    CONSTRAINT fk_password_reset_tokens_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_password_reset_tokens_token ON password_reset_tokens (token);
CREATE INDEX idx_password_reset_tokens_user_id ON password_reset_tokens (user_id);
CREATE INDEX idx_password_reset_tokens_expires_at ON password_reset_tokens (expires_at);

-- ---------------------------------------------------------------------- audit

-- No foreign keys: evidence outlives the tenant and the user that it names.
-- tenant_id is null for events of the platform.
CREATE TABLE audit_logs (
    id          varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id   varchar(64) COLLATE "C",
    user_id     varchar(64) COLLATE "C",
    action      varchar(128) NOT NULL,
    resource    text,
    ip_address  varchar(64),
    user_agent  text,
    details     jsonb NOT NULL DEFAULT '{}',
    result      varchar(32) NOT NULL DEFAULT 'SUCCESS',
    duration_ms bigint,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT audit_logs_pkey PRIMARY KEY (id, created_at)
) PARTITION BY RANGE (created_at);
CREATE INDEX idx_audit_logs_created_at_brin ON audit_logs USING brin (created_at);
CREATE INDEX idx_audit_logs_tenant_created ON audit_logs (tenant_id, created_at DESC);
CREATE INDEX idx_audit_logs_details ON audit_logs USING gin (details jsonb_path_ops);
CREATE INDEX idx_audit_logs_user_created ON audit_logs (user_id, created_at DESC)
    WHERE user_id IS NOT NULL;
CREATE INDEX idx_audit_logs_action_created ON audit_logs (action, created_at DESC);
-- Row triggers are cloned to partitions; a TRUNCATE trigger is not, so
-- protect_audit_partition() gives each partition its own.
CREATE TRIGGER trg_audit_logs_append_only BEFORE UPDATE OR DELETE ON audit_logs
    FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();
CREATE TRIGGER trg_audit_logs_no_truncate BEFORE TRUNCATE ON audit_logs
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE FUNCTION protect_audit_partition(p_name text) RETURNS void LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE TRIGGER trg_audit_logs_no_truncate BEFORE TRUNCATE ON %I
         FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()', p_name);
END
$$;

-- Catches rows of months that have no partition. It must stay empty; its name
-- does not begin with audit_logs_, so that no pattern takes it for a month.
CREATE TABLE audit_overflow PARTITION OF audit_logs DEFAULT;
SELECT protect_audit_partition('audit_overflow');

-- Makes the partition of the month that holds p_month and returns its name; one
-- that exists is left alone. The table is made first and attached then, which
-- takes a weaker lock on the parent than CREATE ... PARTITION OF. Rows of that
-- month that fell into audit_overflow move over: only while it is detached do
-- its rows lose the append-only trigger.
CREATE FUNCTION create_audit_partition(p_month date) RETURNS text LANGUAGE plpgsql
SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_from date := date_trunc('month', p_month)::date;
    v_to   date := (date_trunc('month', p_month) + interval '1 month')::date;
    v_name text := 'audit_logs_' || to_char(p_month, 'YYYY_MM');
    v_rows boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_logs.partitions', 0));
    IF to_regclass(v_name) IS NOT NULL THEN
        RETURN v_name;
    END IF;
    EXECUTE format(
        'CREATE TABLE %I (LIKE audit_logs INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_name);
    SELECT EXISTS (
        SELECT 1 FROM audit_overflow o
        WHERE o.created_at >= v_from::timestamptz AND o.created_at < v_to::timestamptz
    ) INTO v_rows;
    IF v_rows THEN
        ALTER TABLE audit_logs DETACH PARTITION audit_overflow;
        EXECUTE format(
            'WITH moved AS (
                 DELETE FROM audit_overflow WHERE created_at >= %L AND created_at < %L RETURNING *
             ) INSERT INTO %I SELECT * FROM moved',
            v_from::timestamptz, v_to::timestamptz, v_name);
    END IF;
    EXECUTE format('ALTER TABLE audit_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        v_name, v_from::timestamptz, v_to::timestamptz);
    IF v_rows THEN
        ALTER TABLE audit_logs ATTACH PARTITION audit_overflow DEFAULT;
    END IF;
    PERFORM protect_audit_partition(v_name);
    RETURN v_name;
END
$$;

CREATE FUNCTION create_next_month_partition() RETURNS text LANGUAGE sql
SET search_path = public, pg_temp AS $$
    SELECT create_audit_partition((now() AT TIME ZONE 'UTC' + interval '1 month')::date)
$$;

-- Makes the partitions of this month and the p_months that follow, and returns
-- how many months are covered.
CREATE FUNCTION create_future_partitions(p_months integer DEFAULT 12) RETURNS integer
LANGUAGE sql SET search_path = public, pg_temp AS $$
    SELECT count(create_audit_partition(m::date))::integer
    FROM generate_series(
        date_trunc('month', now() AT TIME ZONE 'UTC'),
        date_trunc('month', now() AT TIME ZONE 'UTC') + p_months * interval '1 month',
        interval '1 month') AS m
$$;

-- Takes a month out of audit_logs and keeps it as audit_logs_archive_YYYY_MM,
-- append-only as before. Returns the new name.
CREATE FUNCTION detach_partition(p_month date) RETURNS text LANGUAGE plpgsql
SET search_path = public, pg_temp AS $$
DECLARE
    v_name    text := 'audit_logs_' || to_char(p_month, 'YYYY_MM');
    v_archive text := 'audit_logs_archive_' || to_char(p_month, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_logs.partitions', 0));
    EXECUTE format('ALTER TABLE audit_logs DETACH PARTITION %I', v_name);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', v_name, v_archive);
    EXECUTE format(
        'CREATE TRIGGER trg_audit_logs_append_only BEFORE UPDATE OR DELETE ON %I
         FOR EACH ROW EXECUTE FUNCTION refuse_audit_change()', v_archive);
    INSERT INTO audit_logs (action, resource, details)
    VALUES ('AUDIT_PARTITION_DETACHED', v_name,
        jsonb_build_object('archive', v_archive, 'database_role', session_user));
    RETURN v_archive;
END
$$;

-- Puts a detached month back. Returns its name.
CREATE FUNCTION attach_partition(p_month date) RETURNS text LANGUAGE plpgsql
SET search_path = public, pg_temp SET timezone = 'UTC' AS $$
DECLARE
    v_from    timestamptz := date_trunc('month', p_month)::date::timestamptz;
    v_to      timestamptz := (date_trunc('month', p_month) + interval '1 month')::date::timestamptz;
    v_name    text := 'audit_logs_' || to_char(p_month, 'YYYY_MM');
    v_archive text := 'audit_logs_archive_' || to_char(p_month, 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_logs.partitions', 0));
    -- The parent's trigger of the same name is cloned on attach.
    EXECUTE format('DROP TRIGGER IF EXISTS trg_audit_logs_append_only ON %I', v_archive);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', v_archive, v_name);
    EXECUTE format('ALTER TABLE audit_logs ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
        v_name, v_from, v_to);
    PERFORM protect_audit_partition(v_name);
    INSERT INTO audit_logs (action, resource, details)
    VALUES ('AUDIT_PARTITION_ATTACHED', v_name,
        jsonb_build_object('database_role', session_user));
    RETURN v_name;
END
$$;

-- Drops the months older than p_months_to_keep, attached or detached, and
-- returns their names. Refuses to keep fewer than 6 months, and refuses as a
-- whole when one of the months has no completed archive task with a checksum.
CREATE FUNCTION drop_old_partitions(p_months_to_keep integer DEFAULT 12) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    v_cutoff   text;
    v_table    text;
    v_archived boolean;
    v_dropped  text[] := '{}';
BEGIN
    IF p_months_to_keep IS NULL OR p_months_to_keep < 6 THEN
        RAISE EXCEPTION 'audit_retention_too_short'
            USING ERRCODE = 'check_violation', DETAIL = 'at least 6 months must be kept';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('audit_logs.partitions', 0));
    v_cutoff := to_char(
        (now() AT TIME ZONE 'UTC') - p_months_to_keep * interval '1 month', 'YYYY_MM');
    FOR v_table IN
        SELECT c.relname::text FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
            AND c.relname ~ '^audit_logs_(archive_)?[0-9]{4}_(0[1-9]|1[0-2])$'
            AND right(c.relname, 7) < v_cutoff
        ORDER BY right(c.relname, 7)
    LOOP
        v_archived := false;
        IF to_regclass('archive_tasks') IS NOT NULL THEN
            SELECT EXISTS (
                SELECT 1 FROM archive_tasks t
                WHERE t.source_table IN (
                        'audit_logs_' || right(v_table, 7),
                        'audit_logs_archive_' || right(v_table, 7))
                    AND t.status = 'COMPLETED' AND t.checksum IS NOT NULL
            ) INTO v_archived;
        END IF;
        IF NOT v_archived THEN
            RAISE EXCEPTION 'audit_partition_not_archived'
                USING ERRCODE = 'object_not_in_prerequisite_state',
                      DETAIL = v_table || ' has no completed archive task with a checksum';
        END IF;
        EXECUTE format('DROP TABLE %I', v_table);
        v_dropped := v_dropped || v_table;
    END LOOP;
    INSERT INTO audit_logs (action, resource, details)
    VALUES ('AUDIT_PARTITIONS_DROPPED', 'audit_logs',
        jsonb_build_object('dropped', to_jsonb(v_dropped), 'months_to_keep', p_months_to_keep,
            'database_role', session_user));
    RETURN QUERY SELECT unnest(v_dropped);
END
$$;

-- Row counts are the planner's estimates: exact ones would read every partition.
CREATE FUNCTION get_partition_stats()
RETURNS TABLE (
    partition_name text, row_count bigint, total_size text, index_size text, date_range text
) LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT c.relname::text,
        greatest(c.reltuples, 0)::bigint,
        pg_size_pretty(pg_total_relation_size(c.oid)),
        pg_size_pretty(pg_indexes_size(c.oid)),
        pg_get_expr(c.relpartbound, c.oid)
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'audit_logs'::regclass
    ORDER BY c.relname
$$;

-- Only the owner, and whom it names later, may move or drop evidence.
REVOKE EXECUTE ON FUNCTION drop_old_partitions(integer), detach_partition(date),
    attach_partition(date), create_audit_partition(date), protect_audit_partition(text),
    create_next_month_partition(), create_future_partitions(integer),
    record_migration(text, text, text) FROM PUBLIC;

-- The twelve months of 2026, and from there to twelve months ahead.
DO $$
DECLARE
    v_month date := date '2026-01-01';
    v_last  date := greatest(date '2026-12-01',
        (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '12 months')::date);
BEGIN
    WHILE v_month <= v_last LOOP
        PERFORM create_audit_partition(v_month);
        v_month := (v_month + interval '1 month')::date;
    END LOOP;
END
$$;
