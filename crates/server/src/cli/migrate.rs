//! `signet migrate`: the schema up, down, where it stands, and whether it is what it should be.

use base::{Clock, SystemClock};
use clap::Subcommand;
use store::verify::{Finding, Report};
use store::{Look, migrate, verify};

use super::host::{close, failed, open};
use super::{Failure, print, say};
use crate::config::Config;
use crate::{app, bootstrap};

/// The verbs.
#[derive(Debug, Subcommand)]
pub(super) enum Migrate {
    /// Applies what is missing.
    Up {
        /// Also makes the default data where the database has none.
        #[arg(long)]
        seed: bool,
    },
    /// Takes back the newest migrations. Data of what they made is lost.
    Down {
        /// How many.
        #[arg(default_value_t = 1)]
        count: usize,
        /// Confirms that data may be lost.
        #[arg(long)]
        yes: bool,
    },
    /// Lists every migration and when it was applied. Changes nothing.
    Status,
    /// Says in which ways the database differs from what this binary makes. Changes nothing. Exit status 0
    /// if it does not differ, 1 if it does, 2 if it cannot be looked at.
    Verify {
        /// Prints the findings as JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Runs one of them.
pub(super) async fn run(config: &Config, command: Migrate) -> Result<(), Failure> {
    match command {
        Migrate::Up { seed } => up(config, seed).await,
        Migrate::Down { count, yes } => down(config, count, yes).await,
        Migrate::Status => status(config).await,
        Migrate::Verify { json } => check(config, json).await,
    }
}

async fn up(config: &Config, seed: bool) -> Result<(), Failure> {
    let store = app::open_store(config).await?;
    let done = migrate::up(&store, SystemClock.now()).await.map_err(failed)?;
    match done.as_slice() {
        [] => print("nothing to migrate\n"),
        versions => print(&format!("applied {}\n", versions.join(", "))),
    }
    store.close().await;
    if seed {
        let services = open(config).await?;
        let notices = bootstrap::seed(&services, config, true).await?;
        for line in notices.lines {
            say(&line);
        }
        close(&services).await;
    }
    Ok(())
}

async fn down(config: &Config, count: usize, yes: bool) -> Result<(), Failure> {
    if !yes {
        return Err(Failure::Usage(format!(
            "this takes back {count} migration(s) and loses the data they hold; add --yes if that is what you want"
        )));
    }
    let store = app::open_store(config).await?;
    let done = migrate::down(&store, count).await.map_err(failed)?;
    match done.as_slice() {
        [] => print("nothing to take back\n"),
        versions => print(&format!("took back {}\n", versions.join(", "))),
    }
    store.close().await;
    Ok(())
}

async fn status(config: &Config) -> Result<(), Failure> {
    let mut look = Look::open(&app::store_options(config)).await.map_err(failed)?;
    for row in migrate::status(&mut look).await.map_err(failed)? {
        let state = match (row.applied_at, row.matches, row.known) {
            (None, ..) => "missing".to_owned(),
            (Some(at), true, _) => format!("applied {at}"),
            (Some(at), false, true) => format!("DIFFERS, applied {at}"),
            (Some(at), false, false) => format!("UNKNOWN to this binary, applied {at}"),
        };
        print(&format!("{:8} {:40} {state}\n", row.version, row.description));
    }
    look.close().await.map_err(failed)
}

async fn check(config: &Config, json: bool) -> Result<(), Failure> {
    let report = examine(config).await.map_err(|failure| match failure {
        // Exit 1 says that the schema differs, and nothing else.
        Failure::Failed(text) => Failure::Usage(format!("the database cannot be looked at: {text}")),
        other => other,
    })?;
    if json {
        let text = serde_json::to_string_pretty(&report).map_err(|e| Failure::Failed(e.to_string()))?;
        print(&format!("{text}\n"));
    } else {
        print(&lines(&report));
    }
    if report.exact {
        return Ok(());
    }
    let count = report.differences.len();
    let more = if report.omitted > 0 { " at least" } else { "" };
    Err(Failure::Failed(format!(
        "the database differs in{more} {count} way(s) from what this binary makes; nothing was changed"
    )))
}

async fn examine(config: &Config) -> Result<Report, Failure> {
    let mut look = Look::open(&app::store_options(config)).await.map_err(failed)?;
    let report = verify::verify(&mut look, SystemClock.now()).await;
    look.close().await.map_err(failed)?;
    report.map_err(failed)
}

/// One line for each finding, and the outcome.
fn lines(report: &Report) -> String {
    let line = |sort: &str, finding: &Finding| {
        let Finding { object, found, expected, run } = finding;
        format!("{sort}  {object}: found {found}; expected {expected}; run: {run}\n")
    };
    let mut text: String = report.differences.iter().map(|finding| line("DIFFERS", finding)).collect();
    text.extend(report.warnings.iter().map(|finding| line("warning", finding)));
    if report.omitted > 0 {
        text.push_str(&format!("and {} more\n", report.omitted));
    }
    if report.exact {
        text.push_str(&format!("the schema is this binary's, {}\n", report.version));
    }
    text
}
