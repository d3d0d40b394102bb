-- version: V1.3.0
-- description: MFA

ALTER TABLE users ADD COLUMN mfa_enabled INTEGER NOT NULL DEFAULT 0
    CHECK (mfa_enabled IN (0, 1));
-- Sealed, because a TOTP secret must be recoverable.
ALTER TABLE users ADD COLUMN mfa_secret TEXT;

CREATE TABLE backup_codes (
    id         TEXT NOT NULL PRIMARY KEY,
    user_id    TEXT NOT NULL,
    -- A hash, never the code.
    code       TEXT NOT NULL,
    used_at    INTEGER,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT fk_backup_codes_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX uq_backup_codes_user_id_code ON backup_codes (user_id, code);
