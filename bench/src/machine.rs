//! What the operating system tells: processors, CPU time, memory.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::Outcome;

/// Which processors the servers and the load generator run on.
#[derive(Debug, Clone)]
pub(crate) struct Cores {
    all: Vec<usize>,
    servers: Vec<usize>,
    load: Vec<usize>,
}

impl Cores {
    /// The last processor for the load generator, the others for the servers; one for both if there is but one.
    pub(crate) fn divide() -> Outcome<Self> {
        let set = sched_getaffinity(None).map_err(|e| format!("affinity: {e}"))?;
        let all: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|n| set.is_set(*n)).collect();
        let (servers, load) = match all.split_last() {
            Some((last, rest)) if !rest.is_empty() => (rest.to_vec(), vec![*last]),
            _ => (all.clone(), all.clone()),
        };
        Ok(Self { all, servers, load })
    }

    /// Runs `spawn` so that the processes it starts stay on the servers' processors; they inherit it.
    pub(crate) fn on_servers<T>(&self, spawn: impl FnOnce() -> T) -> Outcome<T> {
        set_affinity(&self.servers)?;
        let value = spawn();
        set_affinity(&self.load)?;
        Ok(value)
    }

    /// Runs `spawn` so that the processes it starts may use every processor.
    pub(crate) fn on_all<T>(&self, spawn: impl FnOnce() -> T) -> Outcome<T> {
        set_affinity(&self.all)?;
        let value = spawn();
        set_affinity(&self.load)?;
        Ok(value)
    }

    pub(crate) fn describe(&self) -> String {
        if self.servers == self.load {
            "servers and load generator share one processor".to_owned()
        } else {
            format!(
                "servers (Signet or a bare handler, and PostgreSQL) on {:?}, load generator on {:?}",
                self.servers, self.load
            )
        }
    }
}

fn set_affinity(cores: &[usize]) -> Outcome {
    let mut set = CpuSet::new();
    for core in cores {
        set.set(*core);
    }
    sched_setaffinity(None, &set).map_err(|e| format!("affinity {cores:?}: {e}"))
}

/// CPU time of a process, in `/proc/PID/stat`: its own, and that of children it has waited for.
struct Stat {
    parent: u32,
    own: u64,
    reaped: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; fields are counted from behind it (proc(5): state is field 3).
    let rest = text.rsplit_once(')')?.1;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3).and_then(|f| f.parse::<u64>().ok());
    Some(Stat {
        parent: u32::try_from(number(4)?).ok()?,
        own: number(14)? + number(15)?,
        reaped: number(16)? + number(17)?,
    })
}

fn ticks(count: u64) -> Duration {
    Duration::from_micros(count * 1_000_000 / rustix::param::clock_ticks_per_second())
}

/// User and system time of a process with all its threads, the ended ones too. Resolution: one clock tick.
pub(crate) fn cpu_of(pid: u32) -> Outcome<Duration> {
    stat(pid).map(|s| ticks(s.own)).ok_or_else(|| format!("process {pid} has no /proc/{pid}/stat"))
}

/// User and system time of a process, its living children, and those it has waited for: a PostgreSQL server.
pub(crate) fn cpu_of_family(pid: u32) -> Outcome<Duration> {
    let parent = stat(pid).ok_or_else(|| format!("process {pid} has no /proc/{pid}/stat"))?;
    let children = std::fs::read_dir("/proc")
        .map_err(|e| format!("/proc: {e}"))?
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(stat)
        .filter(|child| child.parent == pid);
    Ok(ticks(parent.own + parent.reaped + children.map(|child| child.own).sum::<u64>()))
}

/// The parent of a process on this machine.
pub(crate) fn parent_of(pid: u32) -> Option<u32> {
    stat(pid).map(|s| s.parent)
}

/// The name of a process.
pub(crate) fn name_of(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim().to_owned())
}

/// Resident memory in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// All of it.
    pub(crate) resident: u64,
    /// What no file backs: heap, stacks.
    pub(crate) anonymous: u64,
}

/// The memory of a process.
pub(crate) fn memory_of(pid: u32) -> Outcome<Memory> {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|e| format!("process {pid}: {e}"))?;
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok())
            .ok_or_else(|| format!("process {pid} has no {name}"))
    };
    Ok(Memory { resident: field("VmRSS:")?, anonymous: field("RssAnon:")? })
}

/// Lines about this machine, for the report.
pub(crate) fn facts(binary: &Path) -> Vec<String> {
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        model.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": ").map(|p| p.1.to_owned()));
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let size = std::fs::metadata(binary).map_or(0, |m| m.len());
    vec![
        format!("processor: {}", model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())),
        format!("processors available: {cores}"),
        format!("kernel: {}", kernel.trim()),
        format!("compiler: {}", output_of("rustc", "--version")),
        format!(
            "Signet: {}, {:.1} MB",
            output_of(&binary.display().to_string(), "--version"),
            size as f64 / 1e6
        ),
        format!("load average at the start: {}", load.trim()),
    ]
}

fn output_of(program: &str, argument: &str) -> String {
    match Command::new(program).arg(argument).env_clear().envs(path_only()).output() {
        Ok(output) => String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("?").trim().to_owned(),
        Err(error) => format!("{program}: {error}"),
    }
}

/// The environment that started programs get: none of ours, since Signet refuses settings that it does not know.
pub(crate) fn path_only() -> Vec<(String, String)> {
    std::env::vars()
        .filter(|(name, _)| matches!(name.as_str(), "PATH" | "HOME" | "RUSTUP_HOME" | "CARGO_HOME"))
        .collect()
}
