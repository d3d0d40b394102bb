-- version: V1.3.0
-- description: MFA

ALTER TABLE users
    ADD COLUMN mfa_enabled boolean NOT NULL DEFAULT false,
    -- Sealed, because a TOTP secret must be recoverable.
    ADD COLUMN mfa_secret varchar(512);

CREATE TABLE backup_codes (
    id         varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    user_id    varchar(64) COLLATE "C" NOT NULL,
    -- A hash, never the code.
    code       varchar(255) COLLATE "C" NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT backup_codes_pkey PRIMARY KEY (id),
    CONSTRAINT fk_backup_codes_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_backup_codes_user_id_code ON backup_codes (user_id, code);
