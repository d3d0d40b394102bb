//! Loads contenders in turn and reads what each cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::capture::SETTLE;
use crate::http::Conn;
use crate::machine;
use crate::work::Work;

/// How much is done.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Turns of each contender.
    pub(crate) rounds: usize,
    /// The length of a turn.
    pub(crate) seconds: f64,
    /// Connections at once; each list entry is measured by itself.
    pub(crate) connections: Vec<usize>,
    /// Tokens used up in one turn of the cold evaluation.
    pub(crate) cold_tokens: u64,
    /// Sign-ins with a password in one turn.
    pub(crate) sign_ins: u64,
    /// First starts, and starts on an initialised directory.
    pub(crate) starts: usize,
    /// How long Signet is left alone before its memory is read.
    pub(crate) idle: Duration,
    /// Only the operations whose name holds this.
    pub(crate) only: String,
}

/// Operations of one turn at most, whatever its length.
const OPERATIONS_MAX: u64 = 2_000_000;

/// One of those that are compared.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Its process.
    pub(crate) pid: u32,
    /// The database server whose CPU time counts too.
    pub(crate) postmaster: Option<u32>,
    pub(crate) work: Arc<Work>,
    pub(crate) operations_max: u64,
}

impl Contender {
    pub(crate) fn new(name: &'static str, address: SocketAddr, pid: u32, work: Work) -> Self {
        Self { name, address, pid, postmaster: None, work: Arc::new(work), operations_max: OPERATIONS_MAX }
    }

    /// Counts the database server's CPU time too.
    pub(crate) fn with_database(self, postmaster: Option<u32>) -> Self {
        Self { postmaster, ..self }
    }

    /// Ends a turn after so many operations.
    pub(crate) fn at_most(self, operations_max: u64) -> Self {
        Self { operations_max, ..self }
    }

    fn cpu(&self) -> Outcome<(Duration, Duration)> {
        let database = self.postmaster.map(machine::cpu_of_family).transpose()?.unwrap_or_default();
        Ok((machine::cpu_of(self.pid)?, database))
    }
}

/// One turn of one contender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) operations: u64,
    /// CPU time of an operation in microseconds: the process and its database.
    pub(crate) cpu_micros: f64,
    /// The database's part of it.
    pub(crate) database_micros: f64,
    /// Operations a second.
    pub(crate) rate: f64,
    /// Median and 99th percentile of an operation's time, in microseconds.
    pub(crate) p50_micros: f64,
    pub(crate) p99_micros: f64,
}

/// All turns of one contender.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) turns: Vec<Turn>,
}

impl Series {
    /// The median over the turns.
    pub(crate) fn median(&self, value: impl Fn(&Turn) -> f64) -> f64 {
        Spread::of(self.turns.iter().map(value).collect()).median
    }

    /// CPU per operation beside another's of the same round.
    pub(crate) fn ratio(&self, other: &Self) -> Spread {
        Spread::of(self.turns.iter().zip(&other.turns).map(|(a, b)| a.cpu_micros / b.cpu_micros).collect())
    }
}

/// Smallest, middle, largest.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    pub(crate) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |n: usize| values.get(n).copied().unwrap_or(f64::NAN);
        let half = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            (at(half.wrapping_sub(1)) + at(half)) / 2.0
        } else {
            at(half)
        };
        Self { min: at(0), median, max: at(values.len().wrapping_sub(1)) }
    }
}

/// Lets the contenders take turns: A B A B …, after a short turn of each that is thrown away.
pub(crate) async fn compare(
    plan: &Plan,
    connections: usize,
    contenders: &[Contender],
) -> Outcome<Vec<Series>> {
    let mut series: Vec<Series> =
        contenders.iter().map(|c| Series { name: c.name, turns: Vec::new() }).collect();
    for contender in contenders.iter().filter(|c| c.operations_max == OPERATIONS_MAX) {
        load(contender, connections, (plan.seconds / 5.0).min(0.5)).await?;
    }
    for _ in 0..plan.rounds {
        for (contender, series) in contenders.iter().zip(&mut series) {
            series.turns.push(turn(contender, connections, plan.seconds).await?);
        }
    }
    Ok(series)
}

async fn turn(contender: &Contender, connections: usize, seconds: f64) -> Outcome<Turn> {
    let (own, database) = contender.cpu()?;
    let (elapsed, mut latencies) = load(contender, connections, seconds).await?;
    // What was put off (group commits, the access log) belongs to the turn that caused it.
    tokio::time::sleep(SETTLE).await;
    let (own_after, database_after) = contender.cpu()?;
    if latencies.is_empty() {
        return Err(format!("{}: no operation was finished in a turn", contender.name));
    }
    latencies.sort_unstable();
    let at = |share: f64| {
        let place = ((latencies.len() - 1) as f64 * share).round() as usize;
        latencies.get(place).copied().map_or(f64::NAN, f64::from)
    };
    let count = latencies.len() as f64;
    let database_micros = micros(database_after.saturating_sub(database)) / count;
    Ok(Turn {
        operations: latencies.len() as u64,
        cpu_micros: micros(own_after.saturating_sub(own)) / count + database_micros,
        database_micros,
        rate: count / elapsed.as_secs_f64(),
        p50_micros: at(0.5),
        p99_micros: at(0.99),
    })
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Keeps every connection busy until the time or the number of operations is used up.
async fn load(contender: &Contender, connections: usize, seconds: f64) -> Outcome<(Duration, Vec<u32>)> {
    let begun = Instant::now();
    let until = begun + Duration::from_secs_f64(seconds.min(600.0));
    let taken = Arc::new(AtomicU64::new(0));
    let failed = Arc::new(AtomicBool::new(false));
    let mut workers = Vec::with_capacity(connections);
    for _ in 0..connections {
        let (work, taken, failed) = (contender.work.clone(), taken.clone(), failed.clone());
        let (address, operations_max) = (contender.address, contender.operations_max);
        workers.push(tokio::spawn(async move {
            let mut conn = Conn::new(address);
            let mut latencies: Vec<u32> = Vec::new();
            while Instant::now() < until
                && !failed.load(Ordering::Relaxed)
                && taken.fetch_add(1, Ordering::Relaxed) < operations_max
            {
                let started = Instant::now();
                match work.once(&mut conn).await {
                    Ok(true) => {
                        latencies.push(u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX))
                    }
                    Ok(false) => break,
                    Err(error) => {
                        failed.store(true, Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
            Ok(latencies)
        }));
    }
    let mut all = Vec::new();
    let mut outcome = Ok(());
    for worker in workers {
        match worker.await.map_err(|e| e.to_string())? {
            Ok(latencies) => all.extend(latencies),
            Err(error) => outcome = Err(format!("{}: {error}", contender.name)),
        }
    }
    outcome.map(|()| (begun.elapsed(), all))
}
