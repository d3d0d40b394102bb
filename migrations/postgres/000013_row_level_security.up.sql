-- version: V3.1.0
-- description: row-level security

-- A second wall between tenants, behind the conditions that every statement has
-- itself. The roles are made before the first migration: by deploy/db/init.sh, or
-- by the runner where the login may. Row-level security is enabled and not forced:
-- it binds app_user and app_platform, and not the owner, who migrates.

GRANT USAGE ON SCHEMA public TO app_user, app_platform, audit_ro, audit_retention;
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
END
$$;

-- Puts a table behind the wall: app_user sees and writes the rows of the tenant in
-- the connection's setting, app_platform all rows. A migration that adds a table
-- with tenant data calls it; a test finds the one that does not.
CREATE FUNCTION protect_tenant_table(p_table regclass, p_column text DEFAULT 'tenant_id')
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', p_table);
    EXECUTE format(
        'CREATE POLICY tenant ON %s TO app_user USING (%I = current_setting(''signet.tenant'', true))',
        p_table, p_column);
    EXECUTE format('CREATE POLICY platform ON %s TO app_platform USING (true)', p_table);
    EXECUTE format(
        'GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO app_user, app_platform', p_table);
END
$$;
REVOKE EXECUTE ON FUNCTION protect_tenant_table(regclass, text) FROM PUBLIC;

SELECT protect_tenant_table(c.oid::regclass)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND NOT c.relispartition AND a.attname = 'tenant_id' AND NOT a.attisdropped
ORDER BY c.relname;
SELECT protect_tenant_table('tenants', 'id');

-- Less than that where less is enough. Tenants are made and purged by the platform;
-- it also runs the jobs that a tenant leaves in the outbox.
REVOKE INSERT, DELETE ON tenants FROM app_user;
REVOKE UPDATE, DELETE ON outbox FROM app_user;
REVOKE DELETE ON policy_versions FROM app_user, app_platform;
REVOKE UPDATE ON policy_changes FROM app_user, app_platform;
REVOKE DELETE ON policy_changes FROM app_user;
REVOKE UPDATE ON password_history, policy_history FROM app_user, app_platform;
REVOKE ALL ON tenant_tombstones FROM app_user;
-- The program fetches tenant keys for whoever may use what they wrap.
REVOKE ALL ON kms_tenant_keys FROM app_user;
REVOKE UPDATE, DELETE ON tenant_tombstones FROM app_platform;

-- Evidence is added and read. Partitions have no grants of their own: who reads
-- reads through audit_logs. An auditor reads the whole log and nothing else; who
-- keeps the retention reads it to export it, and notes what was exported.
REVOKE UPDATE, DELETE ON audit_logs FROM app_user, app_platform;
GRANT SELECT ON audit_logs TO audit_ro, audit_retention;
CREATE POLICY auditor ON audit_logs FOR SELECT TO audit_ro, audit_retention USING (true);
GRANT SELECT, INSERT, UPDATE ON archive_tasks TO audit_retention;

-- A tenant reads what the platform imposes on it, and nothing of what others have.
ALTER TABLE platform_guardrails ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON platform_guardrails FOR SELECT TO app_user
    USING (only_tenant_id IS NULL OR only_tenant_id = current_setting('signet.tenant', true));
CREATE POLICY platform ON platform_guardrails TO app_platform USING (true);
GRANT SELECT ON platform_guardrails TO app_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON platform_guardrails TO app_platform;

-- Tables without a tenant: the catalogue is read by all, the rest is the platform's.
GRANT SELECT ON global_permissions TO app_user;
GRANT SELECT, INSERT, UPDATE, DELETE ON global_permissions, platforms, platform_roles TO app_platform;
GRANT SELECT, INSERT ON key_checks TO app_platform;
GRANT SELECT, INSERT, UPDATE ON archive_tasks TO app_platform;
GRANT SELECT ON kms_key_stats, encryption_keys TO app_user, app_platform;
-- What people may do is read with the rights of whoever reads it.
GRANT SELECT ON v_permission_actions, v_user_roles, v_user_policies, v_user_permission_grants,
    v_user_permissions, v_user_permission_outcomes TO app_user, app_platform;
REVOKE EXECUTE ON FUNCTION user_permissions(text, text, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_permissions(text, text, timestamptz) TO app_user, app_platform;

-- Partitions are made ahead by the service. Evidence leaves through these three
-- functions alone, as audit_retention, which the service's login is no member of.
ALTER FUNCTION drop_old_partitions(integer) SECURITY DEFINER;
ALTER FUNCTION detach_partition(date) SECURITY DEFINER;
ALTER FUNCTION attach_partition(date) SECURITY DEFINER;
GRANT EXECUTE ON FUNCTION drop_old_partitions(integer), detach_partition(date),
    attach_partition(date), get_partition_stats() TO audit_retention;
ALTER FUNCTION create_audit_partition(date) SECURITY DEFINER;
ALTER FUNCTION create_next_month_partition() SECURITY DEFINER;
ALTER FUNCTION create_future_partitions(integer) SECURITY DEFINER;
ALTER FUNCTION get_partition_stats() SECURITY DEFINER;
REVOKE EXECUTE ON FUNCTION get_partition_stats() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION create_next_month_partition(), create_future_partitions(integer),
    get_partition_stats() TO app_platform;

-- --------------------------------------------------------------------- search

-- People whose search text holds every pattern: first those whose user name begins
-- as the first word of the search (from p_from on, and before p_to where there is
-- one), by user name, then all others, by id.
--
-- LIKE is not leakproof: behind row-level security it would be asked of every row
-- of the tenant, after the policy, and no index of trigrams could serve it. This
-- function runs as the owner and filters by the connection's tenant itself.
--
-- Frequent words are found by walking along the people: a page is full after a few
-- of them. Rare ones are found by the index of trigrams, which gives all matches at
-- once, to be sorted. Which it is shows in the first people of a walk: it goes on as
-- long as it finds enough to fill the page within c_walk_max of them. Ids know
-- nothing of names, so that those with a frequent word are spread among them; and
-- they follow the rows on disk, so that a walk reads few pages. With the default
-- random_page_cost a walk in a tenant of thousands would sort all of them instead.
CREATE FUNCTION search_users(
    p_patterns jsonb, p_status text, p_from text, p_to text,
    p_after_key text, p_after_id text, p_limit bigint
) RETURNS TABLE (username_key text, id text)
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
SET random_page_cost = 1.1 SET jit = off AS $$
#variable_conflict use_column
DECLARE
    -- People whom the walks of a call look at, at most.
    c_walk_max CONSTANT bigint := 20000;
    -- People who tell how frequent a word is.
    c_walk_first CONSTANT bigint := 1000;
    v_tenant text := current_setting('signet.tenant', true);
    v_patterns text[] := ARRAY(SELECT jsonb_array_elements_text(p_patterns));
    v_2 text := p_patterns ->> 1;
    v_3 text := p_patterns ->> 2;
    v_4 text := p_patterns ->> 3;
    v_5 text := p_patterns ->> 4;
    -- Whether the page is still among the names from p_from to p_to.
    v_is_first boolean := p_after_key IS NULL OR (
        p_after_key >= p_from COLLATE "C" AND (p_to IS NULL OR p_after_key < p_to COLLATE "C"));
    v_key text := p_after_key;
    -- The id there; '~' is behind every id.
    v_id text := p_after_id;
    v_found bigint := 0;
    v_walked bigint := 0;
    v_seen bigint;
    v_hits bigint;
    v_step bigint;
    v_rows bigint;
    v_last text;
    v_keys text[];
    v_ids text[];
BEGIN
    <<walks>>
    -- There is no index that a walk along deleted people could follow.
    WHILE p_status IS DISTINCT FROM 'DELETED' LOOP
        v_step := CASE WHEN v_is_first THEN 2 * p_limit ELSE c_walk_first END;
        v_seen := 0;
        v_hits := 0;
        LOOP
            IF v_is_first THEN
                -- A name is unique among the people of a tenant who are not deleted.
                SELECT count(*), max(n.username_key),
                    array_agg(n.username_key::text ORDER BY n.username_key) FILTER (WHERE n.hit),
                    array_agg(n.id::text ORDER BY n.username_key) FILTER (WHERE n.hit)
                INTO v_rows, v_last, v_keys, v_ids
                FROM (
                    SELECT u.username_key, u.id,
                        (p_status IS NULL OR u.status = p_status)
                        AND u.search_text LIKE ALL (v_patterns) AS hit
                    FROM users u
                    WHERE u.tenant_id = v_tenant AND u.deleted_at IS NULL
                        AND u.username_key >= p_from
                        AND (p_to IS NULL OR u.username_key < p_to)
                        AND (v_key IS NULL OR u.username_key > v_key)
                    ORDER BY u.username_key LIMIT v_step
                ) n;
            ELSE
                SELECT count(*), max(n.id),
                    array_agg(n.username_key::text ORDER BY n.id) FILTER (WHERE n.hit),
                    array_agg(n.id::text ORDER BY n.id) FILTER (WHERE n.hit)
                INTO v_rows, v_last, v_keys, v_ids
                FROM (
                    SELECT u.username_key, u.id,
                        u.deleted_at IS NULL AND (p_status IS NULL OR u.status = p_status)
                        AND NOT (u.username_key >= p_from AND (p_to IS NULL OR u.username_key < p_to))
                        AND u.search_text LIKE ALL (v_patterns) AS hit
                    FROM users u
                    WHERE u.tenant_id = v_tenant AND (v_id IS NULL OR u.id > v_id)
                    ORDER BY u.id LIMIT v_step
                ) n;
            END IF;
            RETURN QUERY SELECT k, i FROM unnest(v_keys, v_ids) h (k, i) LIMIT p_limit - v_found;
            v_hits := v_hits + coalesce(cardinality(v_keys), 0);
            v_found := v_found + coalesce(cardinality(v_keys), 0);
            IF v_found >= p_limit THEN
                RETURN;
            END IF;
            EXIT WHEN v_rows < v_step;
            v_key := v_last;
            v_id := CASE WHEN v_is_first THEN '~' ELSE v_last END;
            v_seen := v_seen + v_rows;
            v_walked := v_walked + v_rows;
            EXIT walks WHEN v_hits * (c_walk_max - v_walked) < (p_limit - v_found) * v_seen
                OR v_walked >= c_walk_max;
            -- A little more than is needed if hits are as frequent from here on.
            v_step := least(greatest((p_limit - v_found) * v_seen * 6 / (5 * v_hits), p_limit),
                c_walk_max - v_walked);
        END LOOP;
        IF NOT v_is_first THEN
            RETURN;
        END IF;
        v_is_first := false;
        v_key := NULL;
        v_id := NULL;
    END LOOP;

    -- The tenant is compared in a form that no other index serves.
    RETURN QUERY
    SELECT u.username_key::text, u.id::text
    FROM users u, LATERAL (
        SELECT u.username_key >= p_from AND (p_to IS NULL OR u.username_key < p_to) AS is_first
    ) n
    WHERE u.tenant_id || '' = v_tenant
        AND (u.deleted_at IS NOT NULL) = (p_status IS NOT DISTINCT FROM 'DELETED')
        AND (p_status IS NULL OR p_status = 'DELETED' OR u.status = p_status)
        AND u.search_text LIKE v_patterns[1]
        AND (v_2 IS NULL OR u.search_text LIKE v_2)
        AND (v_3 IS NULL OR u.search_text LIKE v_3)
        AND (v_4 IS NULL OR u.search_text LIKE v_4)
        AND (v_5 IS NULL OR u.search_text LIKE v_5)
        AND CASE
            WHEN NOT v_is_first THEN NOT n.is_first AND (v_id IS NULL OR u.id > v_id)
            ELSE NOT n.is_first OR v_key IS NULL OR (u.username_key, u.id) > (v_key, v_id)
        END
    ORDER BY n.is_first DESC, CASE WHEN n.is_first THEN u.username_key END, u.id
    LIMIT p_limit - v_found;
END
$$;
REVOKE EXECUTE ON FUNCTION search_users(jsonb, text, text, text, text, text, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION search_users(jsonb, text, text, text, text, text, bigint) TO app_user;
