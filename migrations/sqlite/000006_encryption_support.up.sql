-- version: V1.5.0
-- description: encryption support

ALTER TABLE users ADD COLUMN email_encrypted INTEGER NOT NULL DEFAULT 0
    CHECK (email_encrypted IN (0, 1));
ALTER TABLE users ADD COLUMN phone_encrypted INTEGER NOT NULL DEFAULT 0
    CHECK (phone_encrypted IN (0, 1));

-- Data keys, wrapped by the root key; no column holds a key in clear. A key
-- ring is (tenant_id, key_name); tenant_id is null for a ring of the platform.
CREATE TABLE kms_data_keys (
    id            TEXT NOT NULL PRIMARY KEY,
    tenant_id     TEXT,
    key_name      TEXT NOT NULL DEFAULT 'default',
    version       INTEGER NOT NULL,
    algorithm     TEXT NOT NULL DEFAULT 'AES-256-GCM',
    encrypted_key BLOB NOT NULL,
    key_hash      TEXT NOT NULL,
    status        TEXT NOT NULL DEFAULT 'active',
    created_at    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    expires_at    INTEGER,
    metadata      TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(metadata)),
    CONSTRAINT fk_kms_data_keys_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT kms_data_keys_version_check CHECK (version >= 1),
    CONSTRAINT kms_data_keys_status_check
        CHECK (status IN ('active', 'inactive', 'expired', 'revoked')),
    CONSTRAINT kms_data_keys_algorithm_check
        CHECK (algorithm IN ('AES-256-GCM', 'AES-256-CBC', 'ChaCha20-Poly1305', 'SM4-GCM'))
) STRICT;
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

CREATE TRIGGER trigger_update_kms_data_keys_updated_at AFTER UPDATE ON kms_data_keys
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE kms_data_keys
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

CREATE VIEW kms_key_stats AS
SELECT status, algorithm,
    count(*) AS key_count,
    min(created_at) AS earliest_created,
    max(created_at) AS latest_created,
    count(*) FILTER (
        WHERE expires_at < CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000
    ) AS expired_count
FROM kms_data_keys
GROUP BY status, algorithm;

-- The table of that name in document 001. The nonce is inside encrypted_key.
CREATE VIEW encryption_keys AS
SELECT id, tenant_id, key_name,
    version AS key_version,
    algorithm AS key_algorithm,
    encrypted_key AS key_value,
    NULL AS iv,
    created_at, expires_at,
    status = 'active' AS is_active
FROM kms_data_keys;
