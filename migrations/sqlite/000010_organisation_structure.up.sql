-- version: V1.9.0
-- description: organisation structure

CREATE TABLE departments (
    id          TEXT NOT NULL PRIMARY KEY,
    tenant_id   TEXT NOT NULL,
    parent_id   TEXT,
    name        TEXT NOT NULL,
    code        TEXT NOT NULL,
    description TEXT,
    level       INTEGER NOT NULL DEFAULT 1,
    sort_order  INTEGER NOT NULL DEFAULT 0,
    manager_id  TEXT,
    created_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    updated_at  INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    deleted_at  INTEGER,
    CONSTRAINT fk_departments_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_departments_manager_id FOREIGN KEY (manager_id)
        REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT fk_departments_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES departments (tenant_id, id),
    CONSTRAINT ck_departments_level CHECK (level BETWEEN 1 AND 10)
) STRICT;
CREATE UNIQUE INDEX uq_departments_tenant_id_code ON departments (tenant_id, code)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_departments_tenant_id_id ON departments (tenant_id, id);
CREATE INDEX idx_departments_tenant_id_parent_id ON departments (tenant_id, parent_id);
CREATE INDEX idx_departments_manager_id ON departments (manager_id) WHERE manager_id IS NOT NULL;
CREATE TRIGGER trg_departments_updated_at AFTER UPDATE ON departments
WHEN NEW.updated_at = OLD.updated_at
BEGIN
    UPDATE departments
    SET updated_at = max(OLD.updated_at + 1, CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000)
    WHERE id = NEW.id;
END;

CREATE TABLE user_departments (
    id            TEXT NOT NULL PRIMARY KEY,
    user_id       TEXT NOT NULL,
    department_id TEXT NOT NULL,
    is_primary    INTEGER NOT NULL DEFAULT 0 CHECK (is_primary IN (0, 1)),
    position      TEXT,
    joined_at     INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    left_at       INTEGER,
    CONSTRAINT fk_user_departments_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_departments_department_id FOREIGN KEY (department_id)
        REFERENCES departments (id) ON DELETE CASCADE
) STRICT;
CREATE UNIQUE INDEX uq_user_departments_user_id_department_id
    ON user_departments (user_id, department_id) WHERE left_at IS NULL;
CREATE INDEX idx_user_departments_department_id ON user_departments (department_id);

ALTER TABLE users ADD COLUMN primary_department_id TEXT
    CONSTRAINT fk_users_primary_department_id REFERENCES departments (id) ON DELETE SET NULL;
ALTER TABLE users ADD COLUMN position TEXT;
CREATE INDEX idx_users_primary_department_id ON users (primary_department_id)
    WHERE primary_department_id IS NOT NULL;
