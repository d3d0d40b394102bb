//! `signet serve`: listeners, workers, and an orderly end.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use authz::Core;
use store::Notice;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use crate::access_log::AccessLog;
use crate::app::{self, Services, StartError};
use crate::bootstrap::{self, Notices};
use crate::config::{Config, TenantKeys};
use crate::{maintenance, metrics};

/// How often a node looks for what others changed.
const REFRESH_EVERY: Duration = Duration::from_millis(500);
/// How long a look may take.
const LOOK_MAX: Duration = Duration::from_secs(10);
/// Versions that are learned at once at most.
const NOTICES_MAX: usize = 1_000;
/// How long events may wait for the database at the end.
const CLOSE_MAX: Duration = Duration::from_secs(20);
/// How long requests in flight may take after the signal to end.
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Runs until SIGTERM or SIGINT; what is in flight finishes first.
pub async fn serve(config: Config, begun: Instant) -> Result<(), StartError> {
    let recorder = config.metrics.map(|_| metrics::install()).transpose().map_err(StartError::Failed)?;
    let services = app::open(&config, true).await?;
    let mut notices = bootstrap::seed(&services, &config, false).await?;
    // A bcrypt is worth waiting for only where its answer can change something or stop the start.
    let guard_later = config.is_loopback_only() && config.bootstrap_password.is_none();
    if !guard_later {
        notices.lines.extend(bootstrap::guard_default_password(&services, &config).await?.lines);
    }

    let log = AccessLog::start();
    let router = app::application(&services, &config, Some(log.clone()))?;
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|e| StartError::Failed(format!("listen: {} cannot be bound: {e}", config.listen)))?;
    if let (Some(address), Some(recorder)) = (config.metrics, recorder) {
        metrics::serve(address, recorder).await.map_err(|e| {
            StartError::Failed(format!(
                "metrics: {address} cannot be bound: {e}; set `[metrics] enabled = false` or another address"
            ))
        })?;
    }
    let (stop, stopped) = watch::channel(false);
    let refresher = tokio::spawn(refresh(services.clone(), config.stale_seconds, stopped.clone()));
    let maintainer = tokio::spawn(maintenance::work(services.clone(), stopped.clone()));
    if matches!(config.tenant_keys, TenantKeys::SameDatabase) && config.is_postgres() {
        tracing::warn!(
            "tenant keys are kept in the main database: purging a tenant does not reach what of it is in backups; \
             `key_store` (SIGNET_KEY_STORE) names a directory or a database of their own"
        );
    }
    announce(&config, &services, &notices, begun);
    give_back_memory();
    if guard_later {
        tokio::spawn(note_default_password(services.clone(), config.clone()));
    }

    let mut drained = stopped.clone();
    let server = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            drop(drained.wait_for(|stop| *stop).await);
        });
    let running = tokio::spawn(async move { server.await });
    wait_for_signal().await?;
    tracing::info!("stopping: requests in flight finish first");
    let _ = stop.send(true);
    match tokio::time::timeout(DRAIN_MAX, running).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::error!(%error, "the web listener failed"),
        Ok(Err(error)) => tracing::error!(%error, "the web listener failed"),
        Err(_) => tracing::warn!("requests were still in flight after {} s", DRAIN_MAX.as_secs()),
    }
    drop(refresher.await);
    drop(maintainer.await);
    // A database that is away must not keep the process from ending.
    let closing = async {
        services.core.flush_audit().await;
        maintenance::note_calls(&services).await;
        services.kms.close();
        services.core.store().close().await;
    };
    if tokio::time::timeout(CLOSE_MAX, closing).await.is_err() {
        tracing::error!(
            "the database was away for {} s: events that waited for it are lost",
            CLOSE_MAX.as_secs()
        );
    }
    log.flush();
    Ok(())
}

async fn wait_for_signal() -> Result<(), StartError> {
    let failed = |e: std::io::Error| StartError::Failed(format!("signals: {e}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Gives back to the operating system what starting needed and running does not. The allocator does so by itself
/// only while it is used, which an idle server does not.
#[expect(unsafe_code, reason = "the allocator's own function, which has no safe wrapper")]
fn give_back_memory() {
    // SAFETY: `mi_collect` may be called at any time from any thread; it frees only what is not in use.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

/// Follows changes of other nodes and of commands on this host: as PostgreSQL tells of them, and by looking
/// twice a second, which finds what nobody told.
async fn refresh(services: Services, stale_seconds: u32, mut stopped: watch::Receiver<bool>) {
    let mut away = false;
    let mut notices = services.core.store().notices();
    let mut look = tokio::time::interval(REFRESH_EVERY);
    services.core.watch_freshness(stale_seconds);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let heard = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            _ = look.tick() => None,
            Some(notice) = notices.recv() => heard(notice, &mut notices),
        };
        let followed = follow(&services.core, heard.as_deref()).await;
        metrics::note_age(&services.core);
        match followed {
            Ok(()) => away = false,
            Err(error) if !away => {
                tracing::error!(
                    ?error,
                    "changes of other nodes cannot be seen: the database does not answer"
                );
                away = true;
            }
            Err(_) => {}
        }
    }
}

/// Follows what was told, or looks; for as long as an answer may take: one that does not come must not keep the node
/// from asking again.
async fn follow(core: &Core, told: Option<&[(String, i64)]>) -> authz::Result<()> {
    let following = async {
        match told {
            Some(versions) => core.learn(versions).await,
            None => core.refresh().await,
        }
    };
    match tokio::time::timeout(LOOK_MAX, following).await {
        Ok(done) => done,
        Err(_) => Err(authz::Error::Store(store::StoreError::Busy)),
    }
}

/// All versions that were told by now; none where one may have been missed.
fn heard(first: Notice, notices: &mut mpsc::Receiver<Notice>) -> Option<Vec<(String, i64)>> {
    let mut versions = Vec::new();
    let mut next = Some(first);
    let mut lost = false;
    while let Some(notice) = next {
        match notice {
            Notice::Version(scope, version) => versions.push((scope, version)),
            Notice::Lost => lost = true,
        }
        next = if versions.len() < NOTICES_MAX { notices.try_recv().ok() } else { None };
    }
    (!lost).then_some(versions)
}

/// Says how to sign in first, while the default password stands on a server that only this machine reaches.
async fn note_default_password(services: Services, config: Config) {
    match bootstrap::guard_default_password(&services, &config).await {
        Ok(notices) => print_notes(&notices),
        Err(error) => tracing::warn!(%error, "it is not known whether the default password still stands"),
    }
}

/// Says on standard error what runs and how to use it; standard output carries the request lines.
#[expect(clippy::print_stderr, reason = "the console of whoever starts the server")]
fn announce(config: &Config, services: &Services, notices: &Notices, begun: Instant) {
    let origin = config.public_origin();
    eprintln!("signet {}", crate::VERSION);
    eprintln!("  ready in   {} ms", begun.elapsed().as_millis());
    eprintln!("  database   {}", services.core.store().label());
    eprintln!("  issuer     {origin}/t/default");
    eprintln!("  sign in    {origin}/t/default/");
    eprintln!("  API docs   {origin}/docs");
    if let Some(address) = config.metrics {
        eprintln!("  metrics    http://{address}/metrics");
    }
    print_notes(notices);
}

#[expect(clippy::print_stderr, reason = "the console of whoever starts the server")]
fn print_notes(notices: &Notices) {
    for line in &notices.lines {
        eprintln!("  note       {line}");
    }
}
