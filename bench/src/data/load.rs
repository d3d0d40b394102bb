//! Loads made-up rows into PostgreSQL by COPY, and into SQLite by one prepared statement.
//!
//! On PostgreSQL triggers and foreign keys are off and secondary indexes are built afterwards, as they stand
//! in the schema: a load is not what is measured.

use std::fmt::Write as _;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use super::people::{Sizes, TENANTS, action_of, at_ms, client_id, mix, search_text, tenant_id, token_value};
use crate::Outcome;

/// Text that is sent at once.
const CHUNK_BYTES: usize = 1 << 20;
/// Tables whose secondary indexes are built after the load.
const TABLES: &str = "'users','principals','oauth_grants','tokens','audit_logs'";

/// One table of a load: its columns, and the text of a row.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static str,
    pub(super) rows: u64,
    pub(super) row: fn(Sizes, u64, &mut Fields),
}

/// The values of a row, as text; none is NULL.
pub(super) type Fields = Vec<Option<String>>;

/// The tables, parents first.
pub(super) fn tables(sizes: Sizes) -> [Table; 7] {
    [
        Table {
            name: "tenants",
            columns: "id, name, code, issuer, account_number",
            rows: TENANTS,
            row: tenant,
        },
        Table {
            name: "oauth2_clients",
            columns: "id, tenant_id, client_id, client_name",
            rows: TENANTS,
            row: client,
        },
        Table {
            name: "users",
            columns: "id, tenant_id, username, username_key, email, email_key, phone, password, display_name, \
                      first_name, last_name, attributes, created_at, updated_at, search_text",
            rows: sizes.users,
            row: user,
        },
        Table { name: "principals", columns: "id, tenant_id, kind", rows: sizes.users, row: principal },
        Table {
            name: "oauth_grants",
            columns: "id, tenant_id, client_id, user_id, scopes, auth_time, created_at, expires_at",
            rows: sizes.grants(),
            row: grant,
        },
        Table {
            name: "tokens",
            columns: "id, tenant_id, token_value, token_type, user_id, client_id, grant_id, scopes, issued_at, \
                      expires_at",
            rows: sizes.tokens,
            row: token,
        },
        Table {
            name: "audit_logs",
            columns: "id, tenant_id, user_id, username, actor_type, actor_id, action, resource, ip_address, \
                      user_agent, details, request_id, session_id, duration_ms, created_at, event_bytes, leaf_hash",
            rows: sizes.audit,
            row: event,
        },
    ]
}

/// An instant as microseconds; each database's writer turns it into its own form.
fn instant(ms: u64) -> Option<String> {
    Some(format!("@{}", ms * 1000))
}

fn some(text: impl Into<String>) -> Option<String> {
    Some(text.into())
}

fn tenant(_: Sizes, row: u64, out: &mut Fields) {
    let code = format!("bench-{row}");
    let issuer = format!("http://localhost/t/{code}");
    out.extend([
        some(tenant_id(row)),
        some(code.clone()),
        some(code),
        some(issuer),
        some(format!("{row:012}")),
    ]);
}

fn client(_: Sizes, row: u64, out: &mut Fields) {
    let tenant = tenant_id(row);
    out.extend([some(client_id(&tenant)), some(tenant), some(format!("bench-{row}")), some("Bench")]);
}

fn user(sizes: Sizes, row: u64, out: &mut Fields) {
    let user = sizes.user(row);
    let attributes = match mix(40, row) % 2 {
        0 => "{}".to_owned(),
        _ => format!("{{\"department\": \"d{}\", \"staff\": {row}}}", mix(41, row) % 200),
    };
    let search = search_text(&user);
    let at = instant(user.created_ms);
    out.extend([
        some(user.id),
        some(user.tenant),
        some(user.username.clone()),
        some(user.username),
        some(user.email.clone()),
        some(user.email),
        some(user.phone),
        some(user.password),
        some(user.display_name),
        some(user.first_name),
        some(user.last_name),
        some(attributes),
        at.clone(),
        at,
        some(search),
    ]);
}

fn principal(sizes: Sizes, row: u64, out: &mut Fields) {
    out.extend([some(sizes.user_id(row)), some(tenant_id(sizes.tenant_of(row))), some("user")]);
}

fn grant(sizes: Sizes, row: u64, out: &mut Fields) {
    let (id, user) = sizes.grant(row);
    let tenant = tenant_id(sizes.tenant_of(user));
    let at = at_ms(row, sizes.grants());
    let ends = instant(at + 365 * 86_400_000);
    out.extend([
        some(id),
        some(tenant.clone()),
        some(client_id(&tenant)),
        some(sizes.user_id(user)),
        some("[\"openid\", \"offline_access\"]"),
        instant(at),
        instant(at),
        ends,
    ]);
}

fn token(sizes: Sizes, row: u64, out: &mut Fields) {
    let (grant, user) = sizes.grant(Sizes::grant_of(row));
    let tenant = tenant_id(sizes.tenant_of(user));
    let kind = if row.is_multiple_of(2) { "access_token" } else { "refresh_token" };
    let at = at_ms(row, sizes.tokens);
    out.extend([
        some(sizes.token_id(row)),
        some(tenant.clone()),
        some(token_value(row)),
        some(kind),
        some(sizes.user_id(user)),
        some(client_id(&tenant)),
        some(grant),
        some("[\"openid\", \"offline_access\"]"),
        instant(at),
        instant(at + 365 * 86_400_000),
    ]);
}

fn event(sizes: Sizes, row: u64, out: &mut Fields) {
    let number = sizes.user_of_event(row);
    let (id, tenant) = (sizes.user_id(number), tenant_id(sizes.tenant_of(number)));
    let action = action_of(row);
    let request = format!("{:016x}{:016x}", mix(50, row), mix(51, row));
    let resource = format!("arn:signet:iam::{tenant}:user/{id}");
    let address = format!("10.{}.{}.{}", mix(52, row) % 256, mix(53, row) % 256, mix(54, row) % 256);
    let agent =
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36";
    let details = format!("{{\"grant\": \"{:016x}\", \"kind\": \"access_token\"}}", mix(55, row));
    let canonical = format!(
        "{{\"action\":\"{action}\",\"actor\":\"{id}\",\"details\":{details},\"ip\":\"{address}\",\"resource\":\"{resource}\",\"request\":\"{request}\",\"agent\":\"{agent}\"}}"
    );
    let hash: String = (0..4).map(|part| format!("{:016x}", mix(60 + part, row))).collect();
    out.extend([
        some(sizes.event_id(row)),
        some(tenant),
        some(id.clone()),
        some(format!("user{number}")),
        some("user"),
        some(id),
        some(action),
        some(resource),
        some(address),
        some(agent),
        some(details),
        some(request.clone()),
        some(request),
        some((mix(56, row) % 40).to_string()),
        instant(at_ms(row, sizes.audit)),
        some(format!("\\x{}", hex(canonical.as_bytes()))),
        some(format!("\\x{hash}")),
    ]);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Loads everything into an empty, migrated database. Returns how long it took, in words.
pub(super) async fn postgres(url: &str, sizes: Sizes) -> Outcome<String> {
    let failed = |e: sqlx::Error| format!("loading: {e}");
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    for setting in [
        "SET session_replication_role = replica",
        "SET maintenance_work_mem = '512MB'",
        "SET synchronous_commit = off",
        "SET timezone = 'UTC'",
    ] {
        connection.execute(setting).await.map_err(failed)?;
    }
    let months = "SELECT create_audit_partition((date '2026-06-01' + n * interval '1 month')::date) \
                  FROM generate_series(0, 5) n";
    connection.execute(months).await.map_err(failed)?;
    let begun = std::time::Instant::now();
    let indexes = drop_indexes(&mut connection).await?;
    for table in tables(sizes) {
        eprintln!("bench: {} rows of {}", table.rows, table.name);
        copy(&mut connection, sizes, &table).await?;
    }
    let copied = begun.elapsed();
    for index in &indexes {
        eprintln!("bench: {}", index.split(" USING").next().unwrap_or_default());
        connection.execute(AssertSqlSafe(index.clone())).await.map_err(failed)?;
    }
    let counted = "UPDATE tenants t SET user_count = n.users FROM (SELECT tenant_id, count(*) AS users FROM users \
                   GROUP BY tenant_id) n WHERE n.tenant_id = t.id";
    connection.execute(counted).await.map_err(failed)?;
    for table in tables(sizes) {
        connection
            .execute(AssertSqlSafe(format!("VACUUM (ANALYZE) {}", table.name)))
            .await
            .map_err(failed)?;
    }
    connection.execute("CHECKPOINT").await.map_err(failed)?;
    connection.close().await.map_err(failed)?;
    let all = begun.elapsed().as_secs_f64();
    Ok(format!("COPY {:.0} s, indexes and VACUUM {:.0} s", copied.as_secs_f64(), all - copied.as_secs_f64()))
}

/// Drops the secondary indexes that no constraint needs. Returns the statements that make them again.
async fn drop_indexes(connection: &mut PgConnection) -> Outcome<Vec<String>> {
    let failed = |e: sqlx::Error| format!("indexes: {e}");
    let sql = format!(
        "SELECT c.oid::regclass::text, pg_get_indexdef(c.oid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
         JOIN pg_class t ON t.oid = i.indrelid WHERE t.relname IN ({TABLES}) \
         AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = c.oid) ORDER BY 1"
    );
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await.map_err(failed)?;
    let mut made = Vec::new();
    for row in rows {
        let (name, definition): (String, String) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
        connection.execute(AssertSqlSafe(format!("DROP INDEX {name}"))).await.map_err(failed)?;
        // A partitioned index is shown with ONLY, by which its partitions would have none.
        made.push(definition.replace(" ON ONLY ", " ON "));
    }
    Ok(made)
}

async fn copy(connection: &mut PgConnection, sizes: Sizes, table: &Table) -> Outcome {
    let failed = |e: sqlx::Error| format!("COPY {}: {e}", table.name);
    let sql = format!("COPY {} ({}) FROM STDIN", table.name, table.columns);
    let mut sink = connection.copy_in_raw(&sql).await.map_err(failed)?;
    let mut chunk = String::with_capacity(CHUNK_BYTES + 4096);
    let mut fields = Fields::new();
    for row in 0..table.rows {
        fields.clear();
        (table.row)(sizes, row, &mut fields);
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                chunk.push('\t');
            }
            escape(&mut chunk, field.as_deref());
        }
        chunk.push('\n');
        if chunk.len() >= CHUNK_BYTES {
            sink.send(std::mem::take(&mut chunk).into_bytes()).await.map_err(failed)?;
            chunk.reserve(CHUNK_BYTES + 4096);
        }
    }
    if !chunk.is_empty() {
        sink.send(chunk.into_bytes()).await.map_err(failed)?;
    }
    sink.finish().await.map_err(failed)?;
    Ok(())
}

/// A value in the text form of COPY.
fn escape(out: &mut String, field: Option<&str>) {
    let Some(text) = field else {
        out.push_str("\\N");
        return;
    };
    if let Some(micros) = text.strip_prefix('@').and_then(|micros| micros.parse::<i64>().ok()) {
        let at = time::OffsetDateTime::from_unix_timestamp(micros / 1_000_000)
            .unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
        let _ = write!(
            out,
            "{}-{:02}-{:02} {:02}:{:02}:{:02}.{:06}+00",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            micros % 1_000_000
        );
        return;
    }
    for character in text.chars() {
        match character {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
}
