-- Used only by the round-trip test of the store.
CREATE TABLE probe_values (
    id         TEXT NOT NULL PRIMARY KEY,
    at         INTEGER NOT NULL,
    data       TEXT NOT NULL CHECK (json_valid(data)),
    flag       INTEGER NOT NULL CHECK (flag IN (0, 1)),
    raw        BLOB NOT NULL,
    kind       TEXT NOT NULL,
    tags       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(tags)),
    label      TEXT NOT NULL,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER) * 1000),
    CONSTRAINT ck_probe_values_kind CHECK (kind IN ('alpha', 'beta'))
) STRICT;
CREATE INDEX idx_probe_values_label ON probe_values (label);
CREATE INDEX idx_probe_values_at_id ON probe_values (at DESC, id DESC);
