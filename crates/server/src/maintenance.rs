//! Maintenance: one loop that runs every slice's housekeeping, on one node at a time.
//!
//! What each job removes and after how long stands in `docs/maintenance.md`; the verbs belong to the
//! slices that own the tables. A job that fails says so once, waits longer each time, and never ends the
//! process.

use std::pin::Pin;
use std::time::Duration;

use authz::Swept;
use base::{Problem, Random};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::Services;

/// The usual pause between two passes; each is a quarter shorter to a quarter longer, so that nodes that
/// started together do not stay together.
const PASS_EVERY: Duration = Duration::from_secs(60);
/// The longest pause after failures.
const BACKOFF_MAX: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(86_400);

type Running = Pin<Box<dyn Future<Output = Result<Vec<Swept>, Problem>> + Send>>;

/// One job.
pub(crate) struct Job {
    /// Its name: the `job` label of the metrics.
    pub(crate) name: &'static str,
    /// How long it rests after a success.
    every: Duration,
    run: fn(Services) -> Running,
}

/// All jobs, in the order in which a pass runs them. A slice adds its own here.
pub(crate) const JOBS: &[Job] = &[
    Job {
        name: "database",
        every: DAY,
        run: |services| Box::pin(async move { Ok(services.core.prepare_ahead().await?) }),
    },
    Job {
        name: "sessions",
        every: MINUTE,
        run: |services| Box::pin(async move { Ok(services.authn.sweep().await?) }),
    },
    Job {
        name: "tokens",
        every: MINUTE,
        run: |services| Box::pin(async move { Ok(services.oidc.sweep().await?) }),
    },
    Job {
        name: "jobs_and_keys",
        every: MINUTE,
        run: |services| Box::pin(async move { Ok(services.core.sweep_own().await?) }),
    },
    Job {
        name: "activities",
        every: HOUR,
        run: |services| Box::pin(async move { Ok(services.directory.sweep().await?) }),
    },
    Job {
        name: "tenants",
        every: MINUTE,
        run: |services| Box::pin(async move { Ok(services.directory.purge_tenants().await?) }),
    },
    Job {
        name: "keys",
        every: MINUTE,
        run: |services| Box::pin(async move { Ok(services.kms.maintain(&services.core).await?) }),
    },
    Job {
        name: "password_history",
        every: DAY,
        run: |services| Box::pin(async move { Ok(services.authn.sweep_history().await?) }),
    },
];

/// When a job is due again, and how often it failed in a row.
struct State {
    due: Instant,
    failures: u32,
}

/// Runs until the server stops.
pub(crate) async fn work(services: Services, mut stopped: watch::Receiver<bool>) {
    let mut states: Vec<State> = JOBS.iter().map(|_| State { due: Instant::now(), failures: 0 }).collect();
    let mut away = false;
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(jittered(PASS_EVERY, services.core.random())) => {}
        }
        note_calls(&services).await;
        let lead = match store::upkeep::lead(services.core.store()).await {
            Ok(Some(lead)) => lead,
            Ok(None) => continue,
            Err(error) => {
                if !away {
                    tracing::warn!(?error, "maintenance waits: the database does not answer");
                }
                away = true;
                continue;
            }
        };
        away = false;
        for (job, state) in JOBS.iter().zip(&mut states) {
            if state.due > Instant::now() {
                continue;
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                () = attempt(&services, job, state) => {}
            }
        }
        drop(lead);
    }
}

/// Writes down the calls that this node has counted: every node its own, whoever leads.
pub(crate) async fn note_calls(services: &Services) {
    if let Err(error) = services.directory.write_calls().await {
        tracing::warn!(
            ?error,
            "the calls of tenants could not be written down; they are kept for the next pass"
        );
    }
}

/// Runs a job that is due and notes how it went.
async fn attempt(services: &Services, job: &Job, state: &mut State) {
    match run(services, job).await {
        Ok(swept) => {
            state.failures = 0;
            // A little less than its rest: otherwise a shorter pause would leave out a pass.
            state.due = Instant::now() + job.every.saturating_sub(PASS_EVERY / 2);
            if Swept::total(&swept) > 0 {
                let rows: Vec<String> = rows(&swept).map(|s| format!("{}={}", s.kind, s.rows)).collect();
                tracing::info!(job = job.name, rows = rows.join(" "), "maintenance cleared away");
            }
        }
        Err(problem) => {
            if state.failures == 0 {
                let cause = problem.private_chain();
                tracing::error!(job = job.name, cause, "a maintenance job failed; it is tried again");
            }
            state.failures = state.failures.saturating_add(1);
            let pause = PASS_EVERY.saturating_mul(1 << state.failures.min(6)).min(BACKOFF_MAX);
            state.due = Instant::now() + pause;
        }
    }
}

/// Runs a job once and moves the metrics.
pub(crate) async fn run(services: &Services, job: &Job) -> Result<Vec<Swept>, Problem> {
    let begun = Instant::now();
    let outcome = (job.run)(services.clone()).await;
    metrics::gauge!("maintenance_duration_ms", "job" => job.name).set(begun.elapsed().as_secs_f64() * 1000.0);
    match &outcome {
        Ok(swept) => {
            #[expect(clippy::cast_precision_loss, reason = "seconds fit a double for 285 million years")]
            let now = services.core.now().as_seconds() as f64;
            metrics::gauge!("maintenance_last_success_timestamp_seconds", "job" => job.name).set(now);
            for done in swept {
                metrics::counter!("maintenance_rows_total", "kind" => done.kind).increment(done.rows);
            }
        }
        Err(_) => metrics::counter!("maintenance_failures_total", "job" => job.name).increment(1),
    }
    outcome
}

/// What was touched at all.
pub(crate) fn rows(swept: &[Swept]) -> impl Iterator<Item = &Swept> {
    swept.iter().filter(|swept| swept.rows > 0)
}

/// Three to five quarters of a pause.
fn jittered(pause: Duration, random: &dyn Random) -> Duration {
    let mut bytes = [0u8; 2];
    random.fill(&mut bytes);
    pause.mul_f64(0.75 + f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use base::SeededRandom;

    use super::*;

    #[test]
    fn pauses_differ_and_stay_within_a_quarter() {
        let random = SeededRandom::new(7);
        let pauses: Vec<Duration> = (0..100).map(|_| jittered(PASS_EVERY, &random)).collect();

        assert!(pauses.iter().all(|p| (45.0..=75.0).contains(&p.as_secs_f64())), "{pauses:?}");
        assert!(pauses.iter().any(|p| *p != pauses[0]));
    }

    #[test]
    fn every_job_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<&str> = JOBS.iter().map(|job| job.name).collect();

        assert_eq!(names.len(), JOBS.len());
    }
}
