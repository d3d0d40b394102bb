-- version: V3.1.0
-- description: row-level security

-- SQLite has no roles: who can open the file can read all of it. The conditions of
-- the statements themselves keep tenants apart here; the version exists so that both
-- databases count alike.
SELECT 1;
