-- Back to V3.0.0. The roles stay: they belong to the server, and other databases
-- have them too. The service cannot run on this schema: its roles have no rights.
DROP FUNCTION search_users(jsonb, text, text, text, text, text, bigint);

ALTER FUNCTION drop_old_partitions(integer) SECURITY INVOKER;
ALTER FUNCTION detach_partition(date) SECURITY INVOKER;
ALTER FUNCTION attach_partition(date) SECURITY INVOKER;
REVOKE EXECUTE ON FUNCTION drop_old_partitions(integer), detach_partition(date),
    attach_partition(date), get_partition_stats() FROM audit_retention;
ALTER FUNCTION create_audit_partition(date) SECURITY INVOKER;
ALTER FUNCTION create_next_month_partition() SECURITY INVOKER;
ALTER FUNCTION create_future_partitions(integer) SECURITY INVOKER;
ALTER FUNCTION get_partition_stats() SECURITY INVOKER;
REVOKE EXECUTE ON FUNCTION create_next_month_partition(), create_future_partitions(integer),
    get_partition_stats() FROM app_platform;
GRANT EXECUTE ON FUNCTION get_partition_stats() TO PUBLIC;
REVOKE EXECUTE ON FUNCTION user_permissions(text, text, timestamptz) FROM app_user, app_platform;
GRANT EXECUTE ON FUNCTION user_permissions(text, text, timestamptz) TO PUBLIC;

DROP POLICY auditor ON audit_logs;
DO $$
DECLARE
    v_table regclass;
BEGIN
    FOR v_table IN
        SELECT polrelid::regclass FROM pg_policy WHERE polname = 'tenant' ORDER BY 1
    LOOP
        EXECUTE format('DROP POLICY tenant ON %s', v_table);
        EXECUTE format('DROP POLICY platform ON %s', v_table);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', v_table);
    END LOOP;
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO PUBLIC', current_database());
END
$$;
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM app_user, app_platform, audit_ro, audit_retention;
REVOKE USAGE ON SCHEMA public FROM app_user, app_platform, audit_ro, audit_retention;
DROP FUNCTION protect_tenant_table(regclass, text);
