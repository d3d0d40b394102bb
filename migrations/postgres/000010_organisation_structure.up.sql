-- version: V1.9.0
-- description: organisation structure

CREATE TABLE departments (
    id          varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    tenant_id   varchar(64) COLLATE "C" NOT NULL,
    parent_id   varchar(64) COLLATE "C",
    name        varchar(128) NOT NULL,
    code        varchar(64) COLLATE "C" NOT NULL,
    description text,
    level       bigint NOT NULL DEFAULT 1,
    sort_order  bigint NOT NULL DEFAULT 0,
    manager_id  varchar(64) COLLATE "C",
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    deleted_at  timestamptz,
    CONSTRAINT departments_pkey PRIMARY KEY (id),
    CONSTRAINT fk_departments_tenant_id FOREIGN KEY (tenant_id)
        REFERENCES tenants (id) ON DELETE CASCADE,
    CONSTRAINT fk_departments_manager_id FOREIGN KEY (manager_id)
        REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT ck_departments_level CHECK (level BETWEEN 1 AND 10)
);
CREATE UNIQUE INDEX uq_departments_tenant_id_code ON departments (tenant_id, code)
    WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX uq_departments_tenant_id_id ON departments (tenant_id, id);
ALTER TABLE departments
    ADD CONSTRAINT fk_departments_tenant_id_parent_id FOREIGN KEY (tenant_id, parent_id)
        REFERENCES departments (tenant_id, id);
CREATE INDEX idx_departments_tenant_id_parent_id ON departments (tenant_id, parent_id);
CREATE INDEX idx_departments_manager_id ON departments (manager_id) WHERE manager_id IS NOT NULL;
CREATE TRIGGER trg_departments_updated_at BEFORE UPDATE ON departments
    FOR EACH ROW EXECUTE FUNCTION update_updated_at_column();

CREATE TABLE user_departments (
    id            varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    user_id       varchar(64) COLLATE "C" NOT NULL,
    department_id varchar(64) COLLATE "C" NOT NULL,
    is_primary    boolean NOT NULL DEFAULT false,
    position      varchar(128),
    joined_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    left_at       timestamptz,
    CONSTRAINT user_departments_pkey PRIMARY KEY (id),
    CONSTRAINT fk_user_departments_user_id FOREIGN KEY (user_id)
        REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_user_departments_department_id FOREIGN KEY (department_id)
        REFERENCES departments (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX uq_user_departments_user_id_department_id
    ON user_departments (user_id, department_id) WHERE left_at IS NULL;
CREATE INDEX idx_user_departments_department_id ON user_departments (department_id);

ALTER TABLE users
    ADD COLUMN primary_department_id varchar(64) COLLATE "C",
    ADD COLUMN position varchar(128),
    ADD CONSTRAINT fk_users_primary_department_id FOREIGN KEY (primary_department_id)
        REFERENCES departments (id) ON DELETE SET NULL;
CREATE INDEX idx_users_primary_department_id ON users (primary_department_id)
    WHERE primary_department_id IS NOT NULL;
