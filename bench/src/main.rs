//! Measures Signet beside the least that could do the same: `cargo xtask bench`, see `docs/benchmarks.md`.
//!
//! Never a test: it asserts nothing about speed and prints what it found. It refuses to print figures of an
//! answer that was not as it must be, of a database that is not durable, or of a database server whose CPU time
//! it cannot read.
//!
//! Reading order: [`scenarios`] (what is measured), [`measure`] (how), [`capture`] and [`baseline`] (what it is
//! compared with), [`start`].

#![expect(clippy::disallowed_methods, reason = "a development tool, outside the product")]

mod baseline;
mod capture;
mod data;
mod database;
mod http;
mod machine;
mod measure;
mod postgres;
mod process;
mod scenarios;
mod start;
mod template;
#[cfg(test)]
mod tests;
mod work;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};

use crate::machine::Cores;
use crate::measure::Plan;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A step that failed, in words.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// Measures Signet beside bare handlers. The report is Markdown on standard output.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// A smoke run: short turns, few rounds. Its figures say nothing.
    #[arg(long, global = true)]
    quick: bool,
    /// Which database.
    #[arg(long, global = true, value_enum, default_value_t = Databases::Both)]
    database: Databases,
    /// Turns of each contender; 5, or 1 with --quick.
    #[arg(long, global = true, value_parser = clap::value_parser!(u16).range(1..=100))]
    rounds: Option<u16>,
    /// Seconds of a turn; 3, or 0.3 with --quick.
    #[arg(long, global = true)]
    seconds: Option<f64>,
    /// Connections at once, each measured by itself.
    #[arg(long, global = true, value_delimiter = ',', default_values_t = [1, 32])]
    connections: Vec<u16>,
    /// The release binary; `cargo xtask bench` sets it.
    #[arg(long, global = true, env = "SIGNET_BENCH_BINARY")]
    binary: Option<PathBuf>,
    /// A PostgreSQL server on this machine, `postgres://user@127.0.0.1:port`, instead of one made for the run.
    #[arg(long, global = true, env = "SIGNET_BENCH_POSTGRES_URL", hide_env_values = true)]
    postgres_url: Option<String>,
    /// Where to put the databases: a directory on the kind of disk that is to be measured. The system's temporary one.
    #[arg(long, global = true)]
    directory: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Time from exec to ready, idle memory.
    Start,
    /// CPU per operation, rate, latency.
    Http {
        /// Only the operations whose name holds this, such as `warm` or `client`.
        #[arg(long, default_value = "")]
        only: String,
    },
    /// Look-ups, pages and searches over millions of rows.
    Data(data::Arguments),
    /// Time to ready, memory, CPU per operation (the default).
    All,
    /// The process of bare handlers; the harness starts it.
    #[command(hide = true)]
    Baseline(baseline::Arguments),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Databases {
    Sqlite,
    Postgres,
    Both,
}

/// The kind of database of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let outcome = match &options.what {
        // The runtime that `#[tokio::main]` makes: as many threads as processors that it may use.
        Some(What::Baseline(arguments)) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .map_err(|e| e.to_string())
            .and_then(|runtime| runtime.block_on(baseline::serve(arguments))),
        // One thread: the load generator must not take the servers' processors.
        _ => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| e.to_string())
            .and_then(|runtime| runtime.block_on(run_unless_interrupted(&options))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn plan(options: &Options) -> Plan {
    let quick = options.quick;
    let default = |full: u64, short: u64| if quick { short } else { full };
    Plan {
        rounds: usize::from(options.rounds.unwrap_or(if quick { 1 } else { 5 })),
        seconds: options.seconds.unwrap_or(if quick { 0.3 } else { 3.0 }).clamp(0.1, 60.0),
        connections: options.connections.iter().map(|n| usize::from((*n).clamp(1, 512))).collect(),
        cold_tokens: default(2000, 50),
        sign_ins: default(20, 2),
        starts: if quick { 2 } else { 10 },
        idle: Duration::from_secs(default(5, 1)),
        only: match &options.what {
            Some(What::Http { only }) => only.clone(),
            _ => String::new(),
        },
    }
}

/// Runs; an interrupt or SIGTERM stops the servers and removes the databases.
async fn run_unless_interrupted(options: &Options) -> Outcome {
    let mut terminate = signal(SignalKind::terminate()).map_err(|e| e.to_string())?;
    tokio::select! {
        outcome = run(options) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
        _ = terminate.recv() => Err("terminated".to_owned()),
    }
}

async fn run(options: &Options) -> Outcome {
    let begun = Instant::now();
    let binary = options.binary.clone().ok_or("which binary? Run `cargo xtask bench`, or give --binary")?;
    let binary = binary.canonicalize().map_err(|e| format!("{}: {e}", binary.display()))?;
    let plan = plan(options);
    let facts = machine::facts(&binary);
    let cores = Cores::divide()?;
    let parent = options.directory.clone().unwrap_or_else(std::env::temp_dir);
    let directory = Directory::make(&parent)?;
    if let Some(What::Data(arguments)) = &options.what {
        let url = options.postgres_url.as_deref();
        let report = data::run(arguments, options.database, url, &binary, &directory.0, &cores).await?;
        let given: Vec<String> = std::env::args().skip(1).collect();
        println!("`cargo xtask bench {}`, {:.0} s\n", given.join(" "), begun.elapsed().as_secs_f64());
        for line in facts.iter().map(|fact| format!("- {fact}")).chain(report) {
            println!("{line}");
        }
        return Ok(());
    }
    let mut report = Vec::new();
    let (mut start_rows, mut operations, mut passwords, mut notes) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let kinds: &[Kind] = match options.database {
        Databases::Sqlite => &[Kind::Sqlite],
        Databases::Postgres => &[Kind::Postgres],
        Databases::Both => &[Kind::Sqlite, Kind::Postgres],
    };
    for kind in kinds {
        let server = match kind {
            Kind::Sqlite => None,
            Kind::Postgres => {
                Some(postgres::Server::open(options.postgres_url.as_deref(), &directory.0, &cores).await?)
            }
        };
        if let Some(server) = &server {
            report.push(format!("- {}", server.describe().await?));
        }
        if !matches!(options.what, Some(What::Http { .. })) {
            eprintln!("bench: {kind}: starts");
            start_rows
                .extend(start::run(&plan, *kind, &binary, &directory.0, server.as_ref(), &cores).await?);
        }
        if !matches!(options.what, Some(What::Start)) {
            let found = scenarios::run(&plan, *kind, &binary, &directory.0, server.as_ref(), &cores).await?;
            operations.extend(found.operations);
            passwords.extend(found.passwords);
            notes.extend(found.notes);
        }
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("`cargo xtask bench {}`, {:.0} s\n", arguments.join(" "), begun.elapsed().as_secs_f64());
    for line in facts.iter().map(|f| format!("- {f}")).chain(report) {
        println!("{line}");
    }
    println!("- {}", cores.describe());
    println!("- {} rounds of {} s a turn; a clock tick is 10 ms of CPU time", plan.rounds, plan.seconds);
    println!(
        "- audit mode: allowed decisions are counted, a row a source and minute; refused ones are recorded each"
    );
    if options.quick {
        println!("- **a smoke run: its figures say nothing**");
    }
    print_tables(&start_rows, &operations, &passwords, &notes);
    Ok(())
}

fn print_tables(start_rows: &[String], operations: &[String], passwords: &[String], notes: &[String]) {
    if !start_rows.is_empty() {
        println!("\n| database | figure | min | median | max | aim |\n|---|---|---|---|---|---|");
        start_rows.iter().for_each(|row| println!("{row}"));
    }
    if !operations.is_empty() {
        println!(
            "\nCPU in microseconds an operation (medians), of the process and its database; ratios of CPU: median (min–max).\n\n\
             | database | operation | connections | Signet | of it PostgreSQL | bare | writer | ÷ bare | ÷ writer \
             | Signet/s | bare/s | writer/s | p50 / p99 ms | operations |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
        );
        operations.iter().for_each(|row| println!("{row}"));
    }
    if !passwords.is_empty() {
        println!(
            "\n| database | operation | Signet CPU ms | bcrypt CPU ms | above bcrypt: median (min–max) | Signet/s | p50 ms | operations |\n\
             |---|---|---|---|---|---|---|---|"
        );
        passwords.iter().for_each(|row| println!("{row}"));
    }
    if !notes.is_empty() {
        println!();
        notes.iter().for_each(|note| println!("- {note}"));
    }
}

/// The run's own directory; removed when dropped.
struct Directory(PathBuf);

impl Directory {
    fn make(parent: &Path) -> Outcome<Self> {
        let path = parent.join(format!("signet-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("bench: {} was not removed: {error}", self.0.display());
        }
    }
}
