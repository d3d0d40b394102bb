-- version: V1.6.0
-- description: archiving

-- drop_old_partitions() asks here: a month leaves only after a COMPLETED task
-- with the SHA-256 of the archive in checksum.
CREATE TABLE archive_tasks (
    id            varchar(64) COLLATE "C" NOT NULL DEFAULT gen_random_uuid()::text,
    task_name     varchar(128) NOT NULL,
    task_type     varchar(32) NOT NULL,
    source_table  varchar(128) COLLATE "C" NOT NULL,
    target_schema varchar(128) COLLATE "C",
    target_table  varchar(128) COLLATE "C",
    archive_date  timestamptz,
    status        varchar(16) NOT NULL DEFAULT 'PENDING',
    started_at    timestamptz,
    completed_at  timestamptz,
    records_count bigint NOT NULL DEFAULT 0,
    checksum      varchar(64) COLLATE "C",
    error_message text,
    created_by    varchar(64) COLLATE "C",
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT archive_tasks_pkey PRIMARY KEY (id),
    CONSTRAINT ck_archive_tasks_status
        CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_archive_tasks_checksum CHECK (checksum ~ '^[0-9a-f]{64}$')
);
CREATE INDEX idx_archive_tasks_status ON archive_tasks (status, created_at);
CREATE INDEX idx_archive_tasks_source_table ON archive_tasks (source_table);
