-- Back to V2.0.0. Fails as a whole where the older shape cannot hold the data:
-- there a client_id is unique over all tenants.
DROP VIEW v_user_permission_outcomes;
DROP FUNCTION user_permissions(text, text, timestamptz);
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
ALTER TABLE audit_logs
    DROP COLUMN leaf_hash,
    DROP COLUMN event_bytes,
    DROP COLUMN event_version,
    DROP COLUMN count,
    DROP COLUMN request_id,
    DROP COLUMN actor_id,
    DROP COLUMN actor_type,
    ALTER COLUMN username TYPE varchar(255),
    ALTER COLUMN resource TYPE text,
    ALTER COLUMN action TYPE varchar(128);

DROP TABLE throttles;
DROP TABLE imported_passwords;

DROP INDEX idx_user_activities_created_at;
DROP INDEX idx_user_sessions_ended;
DROP INDEX idx_tokens_ended;
ALTER TABLE user_departments DROP COLUMN tenant_id;
ALTER TABLE backup_codes DROP COLUMN tenant_id;
ALTER TABLE password_history DROP COLUMN tenant_id;
ALTER TABLE password_reset_tokens
    DROP COLUMN purpose,
    DROP COLUMN tenant_id;
ALTER TABLE user_sessions
    DROP COLUMN end_reason,
    DROP COLUMN ended_at,
    DROP COLUMN remember,
    DROP COLUMN acr,
    DROP COLUMN amr,
    DROP COLUMN auth_time;

DROP TABLE authorization_codes;
DROP TABLE oauth_consents;
ALTER TABLE tokens
    DROP COLUMN successor_id,
    DROP COLUMN rotated_at,
    DROP COLUMN audience,
    DROP COLUMN scopes,
    DROP COLUMN grant_id;
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
DROP FUNCTION notify_policy_version();
DROP TABLE platform_guardrails;
DROP TABLE platform_roles;

DROP TABLE resource_policies;
DROP TABLE policy_resources;
DROP TABLE resources;
DROP FUNCTION check_resource_parent();

DROP TABLE policy_global_permissions;
DROP TABLE policy_permissions;
DROP TABLE user_policies;
DROP TABLE principal_boundaries;
DROP TABLE tenant_guardrails;
DROP TABLE role_policies;
DROP TABLE policy_history;
DROP TABLE policies;

DROP INDEX uq_permissions_tenant_id_id;
ALTER TABLE permissions DROP COLUMN global_permission_id;
ALTER TABLE permissions DROP COLUMN version;
ALTER TABLE permissions
    ALTER COLUMN name TYPE varchar(128),
    ALTER COLUMN description TYPE text;
DROP TABLE global_permissions;

DROP TABLE group_roles;
DROP TABLE group_members;
DROP TABLE groups;
DROP TABLE client_roles;

DROP INDEX uq_oauth2_clients_tenant_id_id;
DROP INDEX uq_oauth2_clients_tenant_id_client_id;
ALTER TABLE oauth2_clients
    DROP COLUMN version,
    DROP COLUMN description,
    DROP COLUMN evaluation,
    DROP COLUMN audience,
    DROP COLUMN access_token_alg,
    DROP COLUMN id_token_signed_response_alg,
    DROP COLUMN refresh_token_ttl_seconds,
    DROP COLUMN access_token_ttl_seconds,
    DROP COLUMN post_logout_redirect_uris,
    ALTER COLUMN client_name TYPE varchar(255);
CREATE UNIQUE INDEX uq_oauth2_clients_client_id ON oauth2_clients (client_id);

ALTER TABLE user_roles
    DROP COLUMN valid_from,
    DROP COLUMN tenant_id;

DROP TRIGGER trg_roles_parent_update ON roles;
DROP TRIGGER trg_roles_parent_insert ON roles;
ALTER TABLE roles
    DROP COLUMN version,
    DROP COLUMN parent_id;
DROP FUNCTION check_role_parent();
DROP INDEX uq_roles_tenant_id_name;
DROP INDEX uq_roles_tenant_id_id;
ALTER TABLE roles
    ALTER COLUMN name TYPE varchar(128),
    ALTER COLUMN description TYPE text;

DROP TABLE principals;

DROP INDEX idx_users_fulltext;
DROP TRIGGER trg_users_search_text ON users;
DROP FUNCTION fill_user_search_text();
ALTER TABLE users DROP COLUMN search_text;
CREATE INDEX idx_users_fulltext ON users USING gin (
    to_tsvector('simple', username || ' ' || coalesce(email, '') || ' ' || coalesce(phone, ''))
) WHERE deleted_at IS NULL;
DROP TRIGGER trg_users_count_changed ON users;
DROP FUNCTION count_changed_user();
DROP TRIGGER trg_users_count_removed ON users;
DROP FUNCTION count_removed_users();
DROP TRIGGER trg_users_count_inserted ON users;
DROP FUNCTION count_inserted_users();
DROP TRIGGER trg_users_fill_keys ON users;
DROP FUNCTION fill_user_keys();
DROP INDEX uq_users_tenant_id_id;
ALTER TABLE users RESET (fillfactor);
ALTER TABLE users
    DROP COLUMN version,
    DROP COLUMN password_changed_at,
    DROP COLUMN password_set,
    DROP COLUMN must_change_password,
    DROP COLUMN email_key,
    DROP COLUMN username_key;
ALTER TABLE users
    ALTER COLUMN phone TYPE varchar(32),
    ALTER COLUMN display_name TYPE varchar(128),
    ALTER COLUMN first_name TYPE varchar(64),
    ALTER COLUMN last_name TYPE varchar(64),
    ALTER COLUMN locale TYPE varchar(16),
    ALTER COLUMN timezone TYPE varchar(64),
    ALTER COLUMN position TYPE varchar(128);
CREATE UNIQUE INDEX uq_users_tenant_id_username ON users (tenant_id, username)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_users_tenant_id_email ON users (tenant_id, email)
    WHERE deleted_at IS NULL AND email IS NOT NULL;

DROP TABLE tenant_tombstones;
DROP TRIGGER trg_tenants_updated_at ON tenants;
CREATE TRIGGER trg_tenants_updated_at BEFORE UPDATE ON tenants
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();
DROP INDEX uq_tenants_code_ever;
ALTER TABLE tenants
    DROP CONSTRAINT ck_tenants_id_not_platform,
    DROP CONSTRAINT ck_tenants_hold,
    DROP CONSTRAINT ck_tenants_purge_at,
    DROP COLUMN version,
    DROP COLUMN held_at,
    DROP COLUMN hold_reason,
    DROP COLUMN purge_started_at,
    DROP COLUMN purge_at,
    DROP COLUMN host_verified_at,
    DROP COLUMN host_name,
    DROP COLUMN account_number,
    DROP COLUMN issuer,
    DROP COLUMN platform_id,
    ALTER COLUMN name TYPE varchar(128);
DROP TABLE platforms;
