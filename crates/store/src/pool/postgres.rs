//! The connections to PostgreSQL: each carries the scope that it was last given.
//!
//! A statement of a tenant runs as the role `app_user` with the tenant in the setting `signet.tenant`, which
//! row-level security compares every row with; a statement of the platform runs as `app_platform`. Both are
//! set for the whole session, outside of transactions, and only when they change: a connection that last
//! served the tenant is preferred to others (ADR 0019).
//!
//! INVARIANT: `carries` says what the server confirmed. It is none from before a change of scope is sent
//! until it is answered, so a connection whose change was cut short is never taken to carry anything.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgArguments, PgConnectOptions, PgQueryResult, PgRow};
use sqlx::query::Query;
use sqlx::{Connection as _, Executor as _, PgConnection, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{ACQUIRE_TIMEOUT, Scope};
use crate::{Result, StoreError};

/// A connection idle for longer is asked whether it still lives before it is used.
const UNPROVEN_AFTER: Duration = Duration::from_secs(30);
/// A connection is closed at this age, so that what the server keeps for it does not grow for ever.
const LIFETIME: Duration = Duration::from_secs(30 * 60);
/// How long a connection that was left in the middle of a statement may take to come to rest.
const REST_TIMEOUT: Duration = Duration::from_secs(35);
/// How long closing waits for what is in flight.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);

/// The role of statements inside a tenant.
pub(crate) const TENANT_ROLE: &str = "app_user";
/// The role of statements of the platform.
pub(crate) const PLATFORM_ROLE: &str = "app_platform";

/// What a connection carries: the role, and for `app_user` the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Carried {
    Tenant(Box<str>),
    Platform,
}

impl Carried {
    fn is(&self, scope: Scope<'_>) -> bool {
        match (self, scope) {
            (Self::Tenant(carried), Scope::Tenant(wanted)) => **carried == *wanted,
            (Self::Platform, Scope::Platform) => true,
            _ => false,
        }
    }

    /// Whether only the tenant would change: plans that the server keeps depend on the role.
    fn has_role_of(&self, scope: Scope<'_>) -> bool {
        matches!((self, scope), (Self::Tenant(_), Scope::Tenant(_)) | (Self::Platform, Scope::Platform))
    }
}

struct Held {
    connection: PgConnection,
    carries: Option<Carried>,
    made_at: Instant,
    idle_since: Instant,
}

/// Connections of one login to one database, at most a fixed number.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Shared>);

struct Shared {
    options: PgConnectOptions,
    connections_max: u32,
    /// INVARIANT: idle connections and those in use are together at most as many as there are turns.
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Held>>,
    closed: AtomicBool,
}

impl Connections {
    /// No connection is made before one is needed.
    pub(crate) fn new(options: PgConnectOptions, connections_max: u32) -> Self {
        let turns = Arc::new(Semaphore::new(usize::try_from(connections_max).unwrap_or(1)));
        let (idle, closed) = (Mutex::new(Vec::new()), AtomicBool::new(false));
        Self(Arc::new(Shared { options, connections_max, turns, idle, closed }))
    }

    /// Takes a connection that carries the scope. Fails with [`StoreError::Busy`] if none comes free in time.
    pub(crate) async fn take(&self, scope: Scope<'_>) -> Result<Lease> {
        tokio::time::timeout(ACQUIRE_TIMEOUT, self.take_unbounded(scope))
            .await
            .map_err(|_| StoreError::Busy)?
    }

    async fn take_unbounded(&self, scope: Scope<'_>) -> Result<Lease> {
        let turn = self.0.turns.clone().acquire_owned().await;
        let turn = turn.map_err(|_| StoreError::Away(sqlx::Error::PoolClosed))?;
        let mut lease = Lease {
            held: None,
            shared: self.0.clone(),
            at_rest: true,
            in_transaction: false,
            turn: Some(turn),
        };
        while lease.held.is_none() {
            let Some(mut held) = self.0.pop(scope) else {
                lease.held = Some(self.connect().await?);
                break;
            };
            let unproven = held.idle_since.elapsed() > UNPROVEN_AFTER;
            if !unproven || held.connection.ping().await.is_ok() {
                lease.held = Some(held);
            }
        }
        lease.enter(scope).await?;
        Ok(lease)
    }

    async fn connect(&self) -> Result<Held> {
        let connection = PgConnection::connect_with(&self.0.options).await?;
        let now = Instant::now();
        Ok(Held { connection, carries: None, made_at: now, idle_since: now })
    }

    /// Closes what is idle, and what is in flight when it has finished.
    pub(crate) async fn close(&self) {
        self.0.closed.store(true, Ordering::Release);
        let all = self.0.turns.acquire_many(self.0.connections_max);
        if tokio::time::timeout(CLOSE_TIMEOUT, all).await.is_err() {
            tracing::warn!("connections were still in use when the database was closed");
        }
        self.0.turns.close();
        for held in self.0.empty() {
            if let Err(error) = held.connection.close().await {
                tracing::debug!(%error, "a connection was not closed in order");
            }
        }
    }
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The idle connection that needs least to carry the scope; of equal ones the last used.
    fn pop(&self, scope: Scope<'_>) -> Option<Held> {
        let mut idle = self.idle();
        let carries = |held: &Held| held.carries.as_ref().is_some_and(|carried| carried.is(scope));
        let of_role = |held: &Held| held.carries.as_ref().is_none_or(|carried| carried.has_role_of(scope));
        let position = idle.iter().rposition(carries).or_else(|| idle.iter().rposition(of_role));
        match position {
            Some(position) => Some(idle.remove(position)),
            None => idle.pop(),
        }
    }

    fn push(&self, mut held: Held) {
        if self.closed.load(Ordering::Acquire) || held.made_at.elapsed() > LIFETIME {
            return;
        }
        held.idle_since = Instant::now();
        self.idle().push(held);
    }

    fn empty(&self) -> Vec<Held> {
        std::mem::take(&mut *self.idle())
    }
}

/// A connection in use. Dropped, it goes back; in the middle of a statement or a transaction, after that has
/// come to rest.
pub(crate) struct Lease {
    held: Option<Held>,
    shared: Arc<Shared>,
    /// False from before a statement is sent until it is answered.
    at_rest: bool,
    in_transaction: bool,
    turn: Option<OwnedSemaphorePermit>,
}

impl Lease {
    async fn enter(&mut self, scope: Scope<'_>) -> Result<()> {
        let held = self.held.as_mut().ok_or_else(gone)?;
        if held.carries.as_ref().is_some_and(|carried| carried.is(scope)) {
            return Ok(());
        }
        held.carries = None;
        let (role, tenant, carried) = match scope {
            Scope::Tenant(tenant) => (TENANT_ROLE, tenant, Carried::Tenant(tenant.into())),
            Scope::Platform => (PLATFORM_ROLE, "", Carried::Platform),
        };
        let change =
            sqlx::query("SELECT set_config('role', $1, false), set_config('signet.tenant', $2, false)")
                .bind(role)
                .bind(tenant);
        self.execute(change).await.map_err(super::login::explain)?;
        self.held.as_mut().ok_or_else(gone)?.carries = Some(carried);
        Ok(())
    }

    pub(crate) async fn fetch_optional(
        &mut self,
        query: Query<'_, Postgres, PgArguments>,
    ) -> Result<Option<PgRow>> {
        let connection = self.begin_statement()?;
        let outcome = connection.fetch_optional(query).await;
        self.settle(outcome)
    }

    pub(crate) async fn fetch_all(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>> {
        let connection = self.begin_statement()?;
        let outcome = connection.fetch_all(query).await;
        self.settle(outcome)
    }

    pub(crate) async fn execute(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<PgQueryResult> {
        let connection = self.begin_statement()?;
        let outcome = connection.execute(query).await;
        self.settle(outcome)
    }

    pub(crate) async fn begin(&mut self) -> Result<()> {
        self.in_transaction = true;
        self.simple("BEGIN").await
    }

    /// Begins to read what is there at one instant.
    pub(crate) async fn begin_snapshot(&mut self) -> Result<()> {
        self.in_transaction = true;
        self.simple("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    /// Commits. After an error nothing of the transaction stands.
    pub(crate) async fn commit(&mut self) -> Result<()> {
        self.simple("COMMIT").await?;
        self.in_transaction = false;
        Ok(())
    }

    pub(crate) async fn rollback(&mut self) -> Result<()> {
        self.simple("ROLLBACK").await?;
        self.in_transaction = false;
        Ok(())
    }

    async fn simple(&mut self, text: &'static str) -> Result<()> {
        let connection = self.begin_statement()?;
        let outcome = connection.execute(text).await.map(drop);
        self.settle(outcome)
    }

    fn begin_statement(&mut self) -> Result<&mut PgConnection> {
        self.at_rest = false;
        Ok(&mut self.held.as_mut().ok_or_else(gone)?.connection)
    }

    fn settle<T>(&mut self, outcome: sqlx::Result<T>) -> Result<T> {
        self.at_rest = true;
        if let Err(error) = &outcome
            && ends_the_connection(error)
        {
            // What ended this connection has mostly ended the others: the next request makes a new one.
            self.held = None;
            drop(self.shared.empty());
        }
        Ok(outcome?)
    }
}

/// Whether a connection can be used after the error: the server refused a statement, or a value was not one.
fn ends_the_connection(error: &sqlx::Error) -> bool {
    match error {
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_in_transaction_session_timeout.
        sqlx::Error::Database(refusal) => {
            matches!(refusal.code().as_deref(), Some("57P01" | "57P02" | "57P03" | "25P03"))
        }
        sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::RowNotFound => false,
        _ => true,
    }
}

fn gone() -> StoreError {
    StoreError::Away(sqlx::Error::PoolClosed)
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(mut held), Some(turn)) = (self.held.take(), self.turn.take()) else { return };
        if self.at_rest && !self.in_transaction {
            self.shared.push(held);
            return;
        }
        // Outside of a runtime the connection is closed, which ends its transaction too.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let shared = self.shared.clone();
        runtime.spawn(async move {
            // The driver first reads what is left of the statement that was cut short. Outside of a
            // transaction ROLLBACK does nothing.
            let rest = tokio::time::timeout(REST_TIMEOUT, held.connection.execute("ROLLBACK"));
            if matches!(rest.await, Ok(Ok(_))) {
                shared.push(held);
            }
            drop(turn);
        });
    }
}
