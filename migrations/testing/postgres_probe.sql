-- Used only by the round-trip test of the store.
CREATE TABLE probe_values (
    id         varchar(64) COLLATE "C" NOT NULL,
    at         timestamptz NOT NULL,
    data       jsonb NOT NULL,
    flag       boolean NOT NULL,
    raw        bytea NOT NULL,
    kind       varchar(16) NOT NULL,
    tags       jsonb NOT NULL DEFAULT '[]',
    label      text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT probe_values_pkey PRIMARY KEY (id),
    CONSTRAINT ck_probe_values_kind CHECK (kind IN ('alpha', 'beta'))
);
CREATE INDEX idx_probe_values_label ON probe_values (label);
CREATE INDEX idx_probe_values_at_id ON probe_values (at DESC, id DESC);
