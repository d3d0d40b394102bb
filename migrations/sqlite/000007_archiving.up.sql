-- version: V1.6.0
-- description: archiving

-- A month of the audit log leaves only after a COMPLETED task with the SHA-256 of
-- the archive in checksum.
CREATE TABLE archive_tasks (
    id            TEXT NOT NULL PRIMARY KEY,
    task_name     TEXT NOT NULL,
    task_type     TEXT NOT NULL,
    source_table  TEXT NOT NULL,
    target_schema TEXT,
    target_table  TEXT,
    archive_date  INTEGER,
    status        TEXT NOT NULL DEFAULT 'PENDING',
    started_at    INTEGER,
    completed_at  INTEGER,
    records_count INTEGER NOT NULL DEFAULT 0,
    checksum      TEXT,
    error_message TEXT,
    created_by    TEXT,
    created_at    INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT ck_archive_tasks_status
        CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT ck_archive_tasks_checksum CHECK (
        length(checksum) = 64 AND checksum NOT GLOB '*[^0-9a-f]*'
    )
) STRICT;
CREATE INDEX idx_archive_tasks_status ON archive_tasks (status, created_at);
CREATE INDEX idx_archive_tasks_source_table ON archive_tasks (source_table);
