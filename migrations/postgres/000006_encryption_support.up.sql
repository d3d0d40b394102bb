-- version: V1.5.0
-- description: encryption support

ALTER TABLE users
    ADD COLUMN email_encrypted boolean NOT NULL DEFAULT false,
    ADD COLUMN phone_encrypted boolean NOT NULL DEFAULT false;

-- Data keys, wrapped by the root key; no column holds a key in clear. A key
-- ring is (tenant_id, key_name); tenant_id is null for a ring of the platform.
CREATE TABLE kms_data_keys (
    id            varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id     varchar(64) COLLATE "C",
    key_name      varchar(128) COLLATE "C" NOT NULL DEFAULT 'default',
    version       bigint NOT NULL,
    algorithm     varchar(50) NOT NULL DEFAULT 'AES-256-GCM',
    encrypted_key bytea NOT NULL,
    key_hash      varchar(64) COLLATE "C" NOT NULL,
    status        varchar(20) NOT NULL DEFAULT 'active',
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at    timestamptz,
    metadata      jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT kms_data_keys_pkey PRIMARY KEY (id),
    CONSTRAINT fk_kms_data_keys_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT kms_data_keys_version_check CHECK (version >= 1),
    CONSTRAINT kms_data_keys_status_check
        CHECK (status IN ('active', 'inactive', 'expired', 'revoked')),
    CONSTRAINT kms_data_keys_algorithm_check
        CHECK (algorithm IN ('AES-256-GCM', 'AES-256-CBC', 'ChaCha20-Poly1305', 'SM4-GCM'))
);
CREATE UNIQUE INDEX uq_kms_data_keys_tenant_id_key_name_version
    ON kms_data_keys (coalesce(tenant_id, ''), key_name, version);
-- INVARIANT: a ring has at most one active key.
CREATE UNIQUE INDEX uq_kms_data_keys_tenant_id_key_name
    ON kms_data_keys (coalesce(tenant_id, ''), key_name) WHERE status = 'active';
CREATE INDEX idx_kms_data_keys_version ON kms_data_keys (version);
CREATE INDEX idx_kms_data_keys_status ON kms_data_keys (status);
CREATE INDEX idx_kms_data_keys_created_at ON kms_data_keys (created_at);
CREATE INDEX idx_kms_data_keys_expires_at ON kms_data_keys (expires_at);
CREATE INDEX idx_kms_data_keys_key_hash ON kms_data_keys (key_hash);
CREATE INDEX idx_kms_data_keys_tenant_id ON kms_data_keys (tenant_id);

CREATE FUNCTION update_kms_data_keys_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.updated_at IS NULL OR NEW.updated_at = OLD.updated_at THEN
        NEW.updated_at := greatest(clock_timestamp(), OLD.updated_at + interval '1 microsecond');
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER trigger_update_kms_data_keys_updated_at BEFORE UPDATE ON kms_data_keys
    FOR EACH ROW EXECUTE FUNCTION update_kms_data_keys_updated_at();

-- security_invoker: row-level security of the table holds for readers of the views.
CREATE VIEW kms_key_stats WITH (security_invoker = true) AS
SELECT status, algorithm,
    count(*) AS key_count,
    min(created_at) AS earliest_created,
    max(created_at) AS latest_created,
    count(*) FILTER (WHERE expires_at < now()) AS expired_count
FROM kms_data_keys
GROUP BY status, algorithm;

-- The table of that name in document 001. The nonce is inside encrypted_key.
CREATE VIEW encryption_keys WITH (security_invoker = true) AS
SELECT id, tenant_id, key_name,
    version AS key_version,
    algorithm AS key_algorithm,
    encrypted_key AS key_value,
    NULL::bytea AS iv,
    created_at, expires_at,
    status = 'active' AS is_active
FROM kms_data_keys;
