-- version: V2.0.0
-- description: performance and index rebuild
-- no-transaction
REINDEX
-- statement
VACUUM
-- statement
ANALYZE
