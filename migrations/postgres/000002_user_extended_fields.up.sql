-- version: V1.1.0
-- description: user extended fields

ALTER TABLE users
    ADD COLUMN avatar_url text,
    ADD COLUMN first_name varchar(64),
    ADD COLUMN last_name varchar(64),
    ADD COLUMN display_name varchar(128),
    ADD COLUMN locale varchar(16) NOT NULL DEFAULT 'zh-CN',
    ADD COLUMN timezone varchar(64) NOT NULL DEFAULT 'Asia/Shanghai',
    ADD COLUMN attributes jsonb NOT NULL DEFAULT '{}';
CREATE INDEX idx_users_attributes ON users USING gin (attributes jsonb_path_ops)
    WHERE deleted_at IS NULL;
