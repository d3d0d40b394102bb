//! The end of a tenant: deleted, kept, restored, held, purged.

use authz::{Core, Place};
use directory::tenants::{purge, purge_due};
use http::Method;
use serde_json::json;
use store::testing::TestDb;
use store::{Backend, Sql};

use crate::world::{HASH, World};

const DAY: i64 = 86_400;
/// Tables that keep rows of a tenant that is gone.
const KEPT: [&str; 4] = ["audit_logs", "policy_changes", "policy_versions", "tenant_tombstones"];

fn path(world: &World) -> String {
    format!("/api/v1/tenants/{}", world.acme.id)
}

/// Suspends and deletes `acme`.
async fn delete(world: &World) {
    let platform = world.platform();
    world.act(&platform, &format!("{}/suspend", path(world))).await.ok();
    let deleted = world.delete(&platform, &path(world)).await.ok();
    assert_eq!(deleted.body["status"], "deleted");
}

async fn purge_as_the_worker(world: &World) -> purge::PurgeReport {
    purge_due(&world.core.system(Place::Platform), &kms::testing_kms()).await.unwrap()
}

#[tokio::test]
async fn a_deleted_tenant_answers_nobody_and_is_what_it_was_once_restored() {
    for world in World::both().await {
        let platform = world.platform();
        world.delete(&platform, &path(&world)).await.refused(409, "illegal_status_change");
        world.act(&platform, &format!("{}/suspend", path(&world))).await.ok();
        world
            .send(&platform, Method::DELETE, &path(&world), None, None)
            .await
            .refused(428, "if_match_required");

        let deleted = world.delete(&platform, &path(&world)).await.ok();
        let kept_until = world.core.now().plus_seconds(30 * DAY).to_string();
        assert_eq!(deleted.body["deletion"]["purge_at"], kept_until.as_str());
        assert!(world.service.tenant_by_code("acme").await.unwrap().is_none(), "{:?}", world.backend());
        assert!(world.service.tenant_by_issuer("https://id.test/t/acme").await.unwrap().is_none());
        assert!(world.service.tenant_by_id(&world.acme.id).await.unwrap().is_none());
        let listed = world.get(&platform, "/api/v1/tenants").await.ok().body;
        assert!(!listed.to_string().contains("\"acme\""));
        let listed =
            world.get(&platform, "/api/v1/tenants?filter=status%20eq%20%22deleted%22").await.ok().body;
        assert_eq!(listed["items"][0]["code"], "acme");
        for (method, verb, body) in [
            (Method::PATCH, "", Some(json!({"name": "B"}))),
            (Method::PATCH, "/config", Some(json!({}))),
            (Method::PATCH, "/billing", Some(json!({}))),
            (Method::DELETE, "", None),
            (Method::POST, "/suspend", None),
            (Method::POST, "/activate", None),
        ] {
            let answer =
                world.send(&platform, method, &format!("{}{verb}", path(&world)), Some("*"), body).await;
            answer.refused(409, "illegal_status_change");
        }

        let restored = world.act(&platform, &format!("{}/cancel-deletion", path(&world))).await.ok();
        assert_eq!(restored.body["status"], "suspended");
        world.act(&platform, &format!("{}/activate", path(&world))).await.ok();
        assert!(world.service.tenant_by_code("acme").await.unwrap().unwrap().active);
        for event in ["tenant.deleted", "tenant.deletion_cancelled"] {
            assert_eq!(world.events(event).await, 1, "{event}");
        }
    }
}

#[tokio::test]
async fn the_code_of_a_deleted_tenant_stays_taken_and_its_name_does_not() {
    for world in World::both().await {
        let platform = world.platform();
        delete(&world).await;

        let again = json!({"code": "acme", "name": "Other"});
        world.post(&platform, "/api/v1/tenants", again.clone()).await.refused(409, "code_taken");
        world.post(&platform, "/api/v1/tenants", json!({"code": "acme-2", "name": "Acme"})).await.ok();
        world.act(&platform, &format!("{}/cancel-deletion", path(&world))).await.refused(409, "name_taken");

        world.clock.advance_seconds(31 * DAY);
        assert_eq!(purge_as_the_worker(&world).await.purged, std::slice::from_ref(&world.acme.id));
        world.post(&platform, "/api/v1/tenants", again).await.refused(409, "code_taken");
        world.get(&platform, &path(&world)).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn nothing_is_purged_before_its_time_under_a_hold_or_without_its_code() {
    for world in World::both().await {
        let platform = world.platform();
        let purge = format!("{}/purge", path(&world));
        let hold = format!("{}/hold", path(&world));
        let code = json!({"code": "acme"});
        world.post(&platform, &purge, code.clone()).await.refused(409, "illegal_status_change");
        delete(&world).await;

        let wrong = world.post(&platform, &purge, json!({"code": "acme-2"})).await;
        wrong.refused(422, "invalid_body");
        assert_eq!(wrong.pointers(), ["/code"]);
        world.clock.advance_seconds(30 * DAY - 1);
        world.post(&platform, &purge, code.clone()).await.refused(409, "hold_period");
        assert_eq!(purge_as_the_worker(&world).await, purge::PurgeReport::default());

        let reason = json!({"reason": "case 12/2026"});
        let held = world.send(&platform, Method::PUT, &hold, None, Some(reason)).await.ok();
        assert_eq!(held.body["hold"]["reason"], "case 12/2026");
        world.clock.advance_seconds(400 * DAY);
        world.post(&platform, &purge, code.clone()).await.refused(409, "legal_hold");
        assert_eq!(purge_as_the_worker(&world).await, purge::PurgeReport::default());
        for body in [json!({"reason": ""}), json!({"reason": "x".repeat(513)}), json!({})] {
            let refused = world.send(&platform, Method::PUT, &hold, None, Some(body)).await;
            refused.refused(422, "invalid_body");
        }

        world.delete(&platform, &hold).await.ok();
        world.delete(&platform, &hold).await.refused(404, "not_found");
        let gone = world.post(&platform, &purge, code.clone()).await.ok();
        assert_eq!(gone.body["finished"], true);
        world.post(&platform, &purge, code).await.refused(404, "not_found");
        for event in ["tenant.held", "tenant.hold_lifted", "tenant.purge_started", "tenant.purged"] {
            assert_eq!(world.events(event).await, 1, "{event} {:?}", world.backend());
        }
    }
}

#[tokio::test]
async fn the_default_tenant_is_never_deleted() {
    for world in World::both().await {
        let host = world.platform().with_actor(authz::Actor::Host { uid: 0 });
        let path = format!("/api/v1/tenants/{}", world.default.id);

        world.delete(&world.platform(), &path).await.refused(409, "own_account");
        world.delete(&host, &path).await.refused(409, "default_stays");
    }
}

/// A row of every table that has a tenant, of the tenant `$1`; its boss is `$2`.
const ROWS: &[(&str, &str)] = &[
    ("departments", "INSERT INTO departments (id, tenant_id, name, code) VALUES ('d1', $1, 'D', 'D')"),
    (
        "departments",
        "INSERT INTO departments (id, tenant_id, name, code, parent_id) VALUES ('d2', $1, 'E', 'E', 'd1')",
    ),
    ("roles", "INSERT INTO roles (id, tenant_id, name, code) VALUES ('r1', $1, 'One', 'ONE')"),
    (
        "roles",
        "INSERT INTO roles (id, tenant_id, name, code, parent_id) VALUES ('r0', $1, 'Two', 'TWO', 'r1')",
    ),
    ("resources", "INSERT INTO resources (id, tenant_id, name) VALUES ('x1', $1, 'one')"),
    ("resources", "INSERT INTO resources (id, tenant_id, name, parent_id) VALUES ('x0', $1, 'two', 'x1')"),
    ("groups", "INSERT INTO groups (id, tenant_id, name, name_key) VALUES ('g1', $1, 'G', 'g')"),
    ("group_members", "INSERT INTO group_members (group_id, principal_id, tenant_id) VALUES ('g1', $2, $1)"),
    ("group_roles", "INSERT INTO group_roles (group_id, role_id, tenant_id) VALUES ('g1', 'r1', $1)"),
    ("policies", "INSERT INTO policies (id, tenant_id, name, name_key) VALUES ('p1', $1, 'P', 'p')"),
    (
        "policy_history",
        "INSERT INTO policy_history (tenant_id, policy_id, version, name, priority, effect) \
         VALUES ($1, 'p1', 1, 'P', 0, 'allow')",
    ),
    ("role_policies", "INSERT INTO role_policies (role_id, policy_id, tenant_id) VALUES ('r1', 'p1', $1)"),
    ("tenant_guardrails", "INSERT INTO tenant_guardrails (policy_id, tenant_id) VALUES ('p1', $1)"),
    (
        "user_policies",
        "INSERT INTO user_policies (user_id, policy_id, tenant_id) SELECT id, 'p1', $1 FROM users WHERE id = $2",
    ),
    (
        "principal_boundaries",
        "INSERT INTO principal_boundaries (principal_id, policy_id, tenant_id) VALUES ($2, 'p1', $1)",
    ),
    (
        "policy_permissions",
        "INSERT INTO policy_permissions (policy_id, permission_id, tenant_id) \
         SELECT 'p1', id, tenant_id FROM permissions WHERE tenant_id = $1",
    ),
    (
        "policy_resources",
        "INSERT INTO policy_resources (policy_id, resource_id, tenant_id) VALUES ('p1', 'x1', $1)",
    ),
    (
        "resource_policies",
        "INSERT INTO resource_policies (resource_id, tenant_id, document) VALUES ('x1', $1, '{}')",
    ),
    ("global_permissions", "INSERT INTO global_permissions (id, name) VALUES ('gp1', 'storage:GetObject')"),
    (
        "policy_global_permissions",
        "INSERT INTO policy_global_permissions (policy_id, global_permission_id, tenant_id) \
         VALUES ('p1', 'gp1', $1)",
    ),
    (
        "oauth2_clients",
        "INSERT INTO oauth2_clients (id, tenant_id, client_id, client_name) VALUES ('c1', $1, 'c', 'C')",
    ),
    (
        "client_roles",
        "INSERT INTO client_roles (id, tenant_id, client_id, role_id) VALUES ('cr1', $1, 'c1', 'r1')",
    ),
    (
        "oauth_grants",
        "INSERT INTO oauth_grants (id, tenant_id, user_id, client_id, expires_at) \
         SELECT 'og1', $1, id, 'c1', created_at FROM users WHERE id = $2",
    ),
    (
        "tokens",
        "INSERT INTO tokens (id, tenant_id, token_value, token_type, user_id, client_id, grant_id, expires_at) \
         SELECT 't1', $1, 'digest', 'access_token', id, 'c1', 'og1', created_at FROM users WHERE id = $2",
    ),
    (
        "oauth_consents",
        "INSERT INTO oauth_consents (id, tenant_id, user_id, client_id) VALUES ('oc1', $1, $2, 'c1')",
    ),
    (
        "authorization_codes",
        "INSERT INTO authorization_codes (code_digest, tenant_id, client_id, user_id, session_id, redirect_uri, \
         code_challenge, auth_time, expires_at) \
         SELECT 'ac1', $1, 'c1', id, 's1', 'https://a.example', 'x', created_at, created_at FROM users WHERE id = $2",
    ),
    (
        "user_sessions",
        "INSERT INTO user_sessions (id, user_id, tenant_id, session_token, expires_at) \
         SELECT 's1', id, $1, 'digest', created_at FROM users WHERE id = $2",
    ),
    (
        "user_activities",
        "INSERT INTO user_activities (id, user_id, tenant_id, activity_type) VALUES ('ua1', $2, $1, 'x')",
    ),
    (
        "password_reset_tokens",
        "INSERT INTO password_reset_tokens (id, tenant_id, user_id, token, expires_at) \
         SELECT 'prt1', $1, id, 'digest', created_at FROM users WHERE id = $2",
    ),
    (
        "imported_passwords",
        "INSERT INTO imported_passwords (user_id, tenant_id, scheme, hash) VALUES ($2, $1, 'bcrypt', 'h')",
    ),
    (
        "password_history",
        "INSERT INTO password_history (id, user_id, tenant_id, password) SELECT 'ph1', id, $1, password FROM users WHERE id = $2",
    ),
    ("backup_codes", "INSERT INTO backup_codes (id, user_id, tenant_id, code) VALUES ('bc1', $2, $1, 'h')"),
    (
        "user_departments",
        "INSERT INTO user_departments (id, user_id, department_id, tenant_id) VALUES ('ud1', $2, 'd1', $1)",
    ),
    ("throttles", "INSERT INTO throttles (key, tenant_id) VALUES ('th1', $1)"),
    (
        "idempotency_keys",
        "INSERT INTO idempotency_keys (tenant_id, principal_id, route, key, request_digest, status, expires_at) \
         SELECT $1, id, 'r', 'k', 'd', 200, created_at FROM users WHERE id = $2",
    ),
    ("outbox", "INSERT INTO outbox (id, tenant_id, kind) VALUES ('ob1', $1, 'mail')"),
];

/// Rows whose bytes the two databases write differently.
const SQLITE_ROWS: &[(&str, &str)] = &[
    (
        "signing_keys",
        "INSERT INTO signing_keys (id, tenant_id, algorithm, status, public_jwk, sealed_private) \
         VALUES ('sk1', $1, 'EdDSA', 'active', '{}', x'00')",
    ),
    (
        "kms_data_keys",
        "INSERT INTO kms_data_keys (id, tenant_id, version, encrypted_key, key_hash) \
         VALUES ('kd1', $1, 1, x'00', 'h')",
    ),
    ("kms_key_details", "INSERT INTO kms_key_details (key_id, tenant_id) VALUES ('kd1', $1)"),
    (
        "kms_key_references",
        "INSERT INTO kms_key_references (key_id, holder, tenant_id, items) VALUES ('kd1', 'h', $1, 1)",
    ),
    (
        "kms_key_rings",
        "INSERT INTO kms_key_rings (id, tenant_id, name, algorithm, grace_seconds, uses_max) \
         VALUES ('kr1', $1, 'r', 'AES-256-GCM', 0, 1)",
    ),
    ("kms_tenant_keys", "INSERT INTO kms_tenant_keys (tenant_id, wrapped) VALUES ($1, x'00')"),
];
const POSTGRES_ROWS: &[(&str, &str)] = &[
    (
        "signing_keys",
        "INSERT INTO signing_keys (id, tenant_id, algorithm, status, public_jwk, sealed_private) \
         VALUES ('sk1', $1, 'EdDSA', 'active', '{}', '\\x00')",
    ),
    (
        "kms_data_keys",
        "INSERT INTO kms_data_keys (id, tenant_id, version, encrypted_key, key_hash) \
         VALUES ('kd1', $1, 1, '\\x00', 'h')",
    ),
    ("kms_key_details", "INSERT INTO kms_key_details (key_id, tenant_id) VALUES ('kd1', $1)"),
    (
        "kms_key_references",
        "INSERT INTO kms_key_references (key_id, holder, tenant_id, items) VALUES ('kd1', 'h', $1, 1)",
    ),
    (
        "kms_key_rings",
        "INSERT INTO kms_key_rings (id, tenant_id, name, algorithm, grace_seconds, uses_max) \
         VALUES ('kr1', $1, 'r', 'AES-256-GCM', 0, 1)",
    ),
    ("kms_tenant_keys", "INSERT INTO kms_tenant_keys (tenant_id, wrapped) VALUES ($1, '\\x00')"),
];

fn leaked(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Every table of the schema that has a column `tenant_id`; of a partitioned one the whole.
async fn tables_with_a_tenant(world: &World) -> Vec<String> {
    let cx = world.core.system(Place::Platform);
    let mut rx = cx.read(&cx.purpose(authz::Purpose::Resolve)).await.unwrap();
    let sql = match world.backend() {
        Backend::Sqlite => {
            "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c ON c.name = 'tenant_id' \
             WHERE m.type = 'table' ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT CAST(c.relname AS text) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid \
             WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
             AND c.relnamespace = CAST('public' AS regnamespace) ORDER BY 1"
        }
    };
    rx.all(Sql::new(sql)).await.unwrap()
}

async fn rows_of(world: &World, table: &str, tenant: &str) -> i64 {
    let sql = leaked(format!("SELECT COUNT(*) FROM {table} WHERE tenant_id = $1"));
    world.one(Sql::new(sql).bind(tenant)).await
}

/// Fills every table that has a tenant with rows of `acme`, many of them people.
async fn fill(world: &World, people: i64) {
    let acme = world.acme.id.as_str();
    let boss = world.boss_id().await;
    let own = match world.backend() {
        Backend::Sqlite => SQLITE_ROWS,
        Backend::Postgres => POSTGRES_ROWS,
    };
    for (table, sql) in ROWS.iter().chain(own) {
        let mut sql = Sql::new(sql);
        if *table != "global_permissions" {
            sql = sql.bind(acme);
        }
        let text = format!("{sql:?}");
        let sql = if text.contains("$2") { sql.bind(&boss) } else { sql };
        assert!(world.execute(sql).await > 0, "{table}");
    }
    let many = Sql::new(
        "INSERT INTO users (id, tenant_id, username, password) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) \
         SELECT 'bulk-' || i, $2, 'bulk' || i, $3 FROM n",
    );
    world.execute(many.bind(people).bind(acme).bind(HASH)).await;
    let principals = Sql::new(
        "INSERT INTO principals (id, tenant_id, kind) \
         SELECT id, tenant_id, 'user' FROM users WHERE tenant_id = $1 AND id LIKE 'bulk-%'",
    );
    world.execute(principals.bind(acme)).await;
}

#[tokio::test]
async fn a_purge_leaves_no_row_of_the_tenant_but_the_evidence_and_touches_no_other() {
    for world in World::both().await {
        let acme = world.acme.id.to_string();
        let default = world.default.id.to_string();
        fill(&world, 3).await;
        delete(&world).await;
        world.core.flush_audit().await;
        let tables = tables_with_a_tenant(&world).await;
        let emptied: Vec<&String> = tables.iter().filter(|t| !KEPT.contains(&t.as_str())).collect();
        let mut known = purge::TABLES.clone();
        known.sort_unstable();
        assert_eq!(
            emptied, known,
            "a table with a tenant that the purge does not know, or the other way round"
        );
        for table in &emptied {
            assert!(rows_of(&world, table, &acme).await > 0, "{table} has no row: add one to ROWS");
        }
        let mut others = Vec::new();
        for table in &emptied {
            others.push(rows_of(&world, table, &default).await);
        }
        let evidence = rows_of(&world, "audit_logs", &acme).await;
        assert!(evidence > 0);

        world.clock.advance_seconds(30 * DAY);
        let report = purge_as_the_worker(&world).await;

        assert_eq!(report.purged, std::slice::from_ref(&world.acme.id), "{:?}", world.backend());
        assert!(!report.unfinished);
        for (table, before) in emptied.iter().zip(others) {
            assert_eq!(rows_of(&world, table, &acme).await, 0, "{table} {:?}", world.backend());
            assert_eq!(rows_of(&world, table, &default).await, before, "{table} {:?}", world.backend());
        }
        let id = Sql::new("SELECT COUNT(*) FROM tenants WHERE id = $1").bind(&acme);
        assert_eq!(world.one::<i64>(id).await, 0);
        assert_eq!(rows_of(&world, "audit_logs", &acme).await, evidence, "evidence stays");
        assert_eq!(rows_of(&world, "tenant_tombstones", &acme).await, 1);
        let last =
            Sql::new("SELECT COUNT(*) FROM audit_logs WHERE action = 'tenant.purged' AND tenant_id IS NULL");
        assert_eq!(world.one::<i64>(last).await, 1, "the end stands in the platform's log");
    }
}

#[tokio::test]
async fn a_purge_that_was_killed_between_batches_is_finished_by_another_node() {
    for world in World::both().await {
        fill(&world, 1200).await;
        delete(&world).await;
        world.clock.advance_seconds(30 * DAY);

        let first = purge::purge_due_within(&world.core.system(Place::Platform), &kms::testing_kms(), 1)
            .await
            .unwrap();
        assert!(first.unfinished && first.purged.is_empty(), "{first:?}");
        let left: i64 =
            world.one(Sql::new("SELECT COUNT(*) FROM users WHERE tenant_id = $1").bind(&world.acme.id)).await;
        assert!(left > 0 && left < 1201, "{left} people are left");
        let half = world.get(&world.platform(), &path(&world)).await.ok();
        assert_eq!((&half.body["status"], &half.body["user_count"]), (&json!("purging"), &json!(left)));
        for (method, verb, body) in
            [(Method::POST, "cancel-deletion", None), (Method::PUT, "hold", Some(json!({"reason": "late"})))]
        {
            let answer =
                world.send(&world.platform(), method, &format!("{}/{verb}", path(&world)), None, body).await;
            answer.refused(409, "illegal_status_change");
        }

        let store = store::Store::open(&store::StoreOptions::new(&world.db.url)).await.unwrap();
        let random = std::sync::Arc::new(base::SeededRandom::new(5));
        let core = Core::new(store.clone(), world.clock.clone(), random).unwrap();
        let report = purge_due(&core.system(Place::Platform), &kms::testing_kms()).await.unwrap();

        assert_eq!(report.purged, std::slice::from_ref(&world.acme.id), "{:?}", world.backend());
        let people = Sql::new("SELECT COUNT(*) FROM users WHERE tenant_id = $1").bind(&world.acme.id);
        assert_eq!(world.one::<i64>(people).await, 0);
        assert_eq!(world.events("tenant.purge_started").await, 1, "marked once");
        assert_eq!(world.events("tenant.purged").await, 1);
        assert_eq!(purge_as_the_worker(&world).await, purge::PurgeReport::default());
        store.close().await;
    }
}

#[tokio::test]
async fn a_purge_that_fails_in_the_middle_of_a_batch_leaves_the_batch_whole() {
    let world = World::on_one(TestDb::sqlite().await).await;
    fill(&world, 3).await;
    delete(&world).await;
    world.clock.advance_seconds(30 * DAY);
    let trigger = "CREATE TRIGGER stop BEFORE DELETE ON policies BEGIN SELECT RAISE(ABORT, 'stop'); END";
    world.execute(Sql::new(trigger)).await;

    purge_due(&world.core.system(Place::Platform), &kms::testing_kms()).await.unwrap_err();
    let people = Sql::new("SELECT COUNT(*) FROM users WHERE tenant_id = $1").bind(&world.acme.id);
    assert_eq!(world.one::<i64>(people).await, 4, "what was removed before it is there again");
    world.execute(Sql::new("DROP TRIGGER stop")).await;

    assert_eq!(purge_as_the_worker(&world).await.purged, std::slice::from_ref(&world.acme.id));
}
