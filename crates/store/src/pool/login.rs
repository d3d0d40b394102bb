//! What the login of PostgreSQL must be, and the roles that it acts as.
//!
//! Five roles without login, the same in every database of a server: `owner` owns every object and runs
//! migrations, `app_user` and `app_platform` run statements, `audit_ro` may read the audit log and nothing
//! else, `audit_retention` may also take whole months out of it once they are archived (ADR 0022). The login
//! itself needs no right of its own: it is a member of the first three.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};

use super::postgres::{PLATFORM_ROLE, TENANT_ROLE};
use crate::{Result, StoreError};

/// The role that owns every object.
pub(crate) const OWNER_ROLE: &str = "owner";

/// Makes the five roles where they are absent. Roles belong to the whole server: two databases that are
/// made at once make them together.
const MAKE_ROLES: &str = "DO $$ \
     DECLARE v_role text; \
     BEGIN \
         FOREACH v_role IN ARRAY ARRAY['owner', 'app_user', 'app_platform', 'audit_ro', 'audit_retention'] LOOP \
             IF NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = v_role) THEN \
                 BEGIN \
                     EXECUTE format('CREATE ROLE %I NOLOGIN', v_role); \
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; \
                 END; \
             END IF; \
         END LOOP; \
     END $$";

/// What the server says of the login.
pub(crate) struct Login {
    pub(crate) name: String,
    pub(crate) superuser: bool,
    pub(crate) bypasses: bool,
    creates_roles: bool,
    /// Which of the three roles it is no member of; absent roles count.
    pub(crate) lacking: Vec<&'static str>,
    /// Whether one of the five roles is absent.
    absent: bool,
}

impl Login {
    /// Whether it may act as the owner of all objects.
    pub(crate) fn is_owner(&self) -> bool {
        !self.lacking.contains(&OWNER_ROLE)
    }
}

/// Checks at the opening of a store that the login is one that row-level security binds.
///
/// Fails with [`StoreError::Configuration`], which names the remedy.
pub(crate) async fn check(options: &PgConnectOptions, allow_superuser: bool) -> Result<()> {
    let mut connection = PgConnection::connect_with(options).await?;
    let login = look(&mut connection).await?;
    connection.close().await?;
    let name = &login.name;
    if (login.superuser || login.bypasses) && !allow_superuser {
        let what = if login.superuser { "is a superuser" } else { "has BYPASSRLS" };
        return Err(StoreError::Configuration(format!(
            "the database login `{name}` {what}, so row-level security would not keep tenants apart: let \
             `deploy/db/init.sh` make a login for the service and use that, or set `database_allow_superuser` \
             (SIGNET_DATABASE_ALLOW_SUPERUSER=true) where this is a database to try things out"
        )));
    }
    if login.superuser || login.lacking.is_empty() || (login.absent && login.creates_roles) {
        return Ok(());
    }
    Err(not_a_member(name, &login.lacking))
}

/// Asks the server about the login, without changing anything.
pub(crate) async fn look(connection: &mut PgConnection) -> Result<Login> {
    const LOOK: &str = "SELECT r.rolname::text AS name, r.rolsuper, r.rolbypassrls, r.rolcreaterole, \
         (SELECT count(*) FROM pg_catalog.pg_roles k \
           WHERE k.rolname IN ('owner', 'app_user', 'app_platform', 'audit_ro', 'audit_retention')) < 5 AS absent, \
         EXISTS (SELECT 1 FROM pg_catalog.pg_roles k WHERE k.rolname = 'owner' AND pg_has_role(r.oid, k.oid, 'MEMBER')) AS owner, \
         EXISTS (SELECT 1 FROM pg_catalog.pg_roles k WHERE k.rolname = 'app_user' AND pg_has_role(r.oid, k.oid, 'MEMBER')) AS app_user, \
         EXISTS (SELECT 1 FROM pg_catalog.pg_roles k WHERE k.rolname = 'app_platform' AND pg_has_role(r.oid, k.oid, 'MEMBER')) AS app_platform \
         FROM pg_catalog.pg_roles r WHERE r.rolname = session_user";
    let row = connection.fetch_one(LOOK).await?;
    let mut lacking = Vec::new();
    for role in [OWNER_ROLE, TENANT_ROLE, PLATFORM_ROLE] {
        if !row.try_get::<bool, _>(role)? {
            lacking.push(role);
        }
    }
    Ok(Login {
        name: row.try_get("name")?,
        superuser: row.try_get("rolsuper")?,
        bypasses: row.try_get("rolbypassrls")?,
        creates_roles: row.try_get("rolcreaterole")?,
        lacking,
        absent: row.try_get("absent")?,
    })
}

fn not_a_member(name: &str, lacking: &[&str]) -> StoreError {
    StoreError::Configuration(format!(
        "the database login `{name}` is no member of {}: let `deploy/db/init.sh` make the roles and a login \
         for the service, or run `GRANT {} TO {name}` as an administrator of the server",
        lacking.join(", "),
        lacking.join(", ")
    ))
}

fn may_not_make_roles(name: &str) -> StoreError {
    StoreError::Configuration(format!(
        "the server lacks one of the roles owner, app_user, app_platform, audit_ro and audit_retention, and the \
         database login `{name}` may not make roles: run `deploy/db/init.sh` as an administrator of the server, \
         which makes what is absent and leaves the rest alone"
    ))
}

/// A connection of its own that acts as the owner of all objects: for migrations.
///
/// Makes the roles where they are absent and the login may; a superuser also hands the database over.
pub(crate) async fn owner_session(options: &PgConnectOptions) -> Result<PgConnection> {
    let mut connection = PgConnection::connect_with(options).await?;
    let login = look(&mut connection).await?;
    if login.absent {
        connection.execute(MAKE_ROLES).await.map_err(|_| may_not_make_roles(&login.name))?;
    }
    if login.superuser {
        connection.execute(HAND_OVER).await?;
    } else if !login.lacking.is_empty() {
        connection
            .execute(AssertSqlSafe(format!("GRANT {} TO CURRENT_USER", login.lacking.join(", "))))
            .await
            .map_err(|_| not_a_member(&login.name, &login.lacking))?;
    }
    connection.execute("SET ROLE owner").await?;
    Ok(connection)
}

/// Migrations set the time zone of the database and add extensions: only its owner may.
const HAND_OVER: &str = "DO $$ BEGIN \
     IF (SELECT d.datdba <> 'owner'::regrole FROM pg_catalog.pg_database d WHERE d.datname = current_database()) THEN \
         EXECUTE format('ALTER DATABASE %I OWNER TO owner', current_database()); \
     END IF; END $$";

/// A change of scope that the server refused: a role is absent, or the login is no member of it.
pub(crate) fn explain(error: StoreError) -> StoreError {
    match &error {
        StoreError::Other(sqlx::Error::Database(refusal))
            if matches!(refusal.code().as_deref(), Some("22023" | "42501" | "42704")) =>
        {
            StoreError::Configuration(format!(
                "the database login may not act as `{TENANT_ROLE}` and `{PLATFORM_ROLE}` ({}): run \
                 `deploy/db/init.sh`, which makes the roles",
                refusal.message()
            ))
        }
        _ => error,
    }
}

/// Makes the roles, for test databases.
#[cfg(feature = "testing")]
pub(crate) async fn make_roles(connection: &mut PgConnection) -> Result<()> {
    connection.execute(MAKE_ROLES).await?;
    Ok(())
}
