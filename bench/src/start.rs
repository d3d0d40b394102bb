//! Time from exec to ready, and memory when idle.

use std::path::Path;

use crate::machine::{self, Cores};
use crate::measure::{Plan, Spread};
use crate::postgres;
use crate::process::Site;
use crate::{Kind, Outcome};

/// Measures one database kind and prints a row for each figure.
pub(crate) async fn run(
    plan: &Plan,
    kind: Kind,
    binary: &Path,
    directory: &Path,
    server: Option<&postgres::Server>,
    cores: &Cores,
) -> Outcome<Vec<String>> {
    let mut first = Vec::new();
    let mut site = None;
    for number in 0..plan.starts {
        let url = match server {
            Some(server) => {
                server.create(DATABASE, None).await?;
                Some(server.url(DATABASE))
            }
            None => None,
        };
        let fresh = Site::new(binary, &directory.join(format!("start-{kind}-{number}")), url)?;
        let (running, ready) = cores.on_all(|| fresh.serve())??;
        first.push(ready.as_secs_f64() * 1e3);
        running.stop()?;
        site = Some(fresh);
    }
    let site = site.ok_or("the number of starts is zero")?;
    let mut again = Vec::new();
    for _ in 0..plan.starts {
        let (running, ready) = cores.on_all(|| site.serve())??;
        again.push(ready.as_secs_f64() * 1e3);
        running.stop()?;
    }
    let (running, _) = cores.on_all(|| site.serve())??;
    let before = machine::cpu_of(running.pid())?;
    std::thread::sleep(plan.idle);
    let memory = machine::memory_of(running.pid())?;
    let busy = machine::cpu_of(running.pid())?.saturating_sub(before);
    running.stop()?;
    if let Some(server) = server {
        server.drop_database(DATABASE).await?;
    }
    let times = |what: &str, values: Vec<f64>, aim: &str| {
        let count = values.len();
        let spread = Spread::of(values);
        format!(
            "| {kind} | {what} ({count} runs) | {:.0} ms | {:.0} ms | {:.0} ms | {aim} |",
            spread.min, spread.median, spread.max
        )
    };
    let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
    let aim = if server.is_none() { "under 40 MB" } else { "" };
    Ok(vec![
        times("exec to ready, first start", first, "2000 ms"),
        times("exec to ready, initialised", again, "150 ms"),
        format!("| {kind} | idle memory, resident | | {:.1} MiB | | {aim} |", mebibytes(memory.resident)),
        format!("| {kind} | of it anonymous | | {:.1} MiB | | |", mebibytes(memory.anonymous)),
        format!(
            "| {kind} | CPU while idle | | {:.2} ms/s | | |",
            busy.as_secs_f64() * 1e3 / plan.idle.as_secs_f64()
        ),
    ])
}

const DATABASE: &str = "signet_bench_start";
