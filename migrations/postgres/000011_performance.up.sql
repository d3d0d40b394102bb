-- version: V2.0.0
-- description: performance and index rebuild
-- no-transaction
-- VACUUM cannot run inside a transaction. REINDEX is not CONCURRENTLY: that waits
-- for every open snapshot, also that of a second node which itself waits for the
-- migration lock, and the two would deadlock.
REINDEX TABLE users
-- statement
REINDEX TABLE tokens
-- statement
VACUUM (ANALYZE) tenants
-- statement
VACUUM (ANALYZE) users
-- statement
VACUUM (ANALYZE) roles
-- statement
VACUUM (ANALYZE) user_roles
-- statement
VACUUM (ANALYZE) permissions
-- statement
VACUUM (ANALYZE) oauth2_clients
-- statement
VACUUM (ANALYZE) tokens
-- statement
VACUUM (ANALYZE) user_sessions
-- statement
ANALYZE audit_logs
