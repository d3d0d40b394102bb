//! A throw-away PostgreSQL server for tests and benchmarks: no durability, loopback only.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Outcome, execute, tools};

/// A running server; stopped when dropped.
pub(crate) struct Server {
    binaries: PathBuf,
    data: PathBuf,
    port: u16,
    stop_on_drop: bool,
}

/// Where `initdb` and `pg_ctl` are: the newest installed version.
pub(crate) fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin): &(u32, PathBuf)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin)
}

/// Makes a fresh cluster in a temporary directory and starts it on a free port. PostgreSQL refuses to run as root, so root
/// runs it as the user `postgres`.
pub(crate) fn start(_root: &Path) -> Outcome<Server> {
    let binaries = binaries().ok_or("PostgreSQL is not installed: install the package `postgresql`")?;
    let data = std::env::temp_dir().join(format!("signet-test-postgres-{}", std::process::id()));
    drop(std::fs::remove_dir_all(&data));
    std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
    if tools::is_root() {
        execute(Command::new("chown").arg("postgres").arg(&data))?;
    }
    let port = free_port()?;
    let cluster = data.join("cluster");
    execute(
        as_postgres(&binaries.join("initdb"))
            .args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(&cluster)
            .stdout(Stdio::null()),
    )?;
    let options = format!(
        "-p {port} -k {} -c listen_addresses=127.0.0.1 -c fsync=off -c synchronous_commit=off \
         -c full_page_writes=off -c max_connections=300 -c shared_buffers=128MB",
        data.display()
    );
    execute(
        as_postgres(&binaries.join("pg_ctl"))
            .arg("-D")
            .arg(&cluster)
            .args(["-w", "-o", &options, "-l"])
            .arg(data.join("log"))
            .arg("start")
            .stdout(Stdio::null()),
    )?;
    Ok(Server { binaries, data, port, stop_on_drop: true })
}

fn as_postgres(program: &Path) -> Command {
    if tools::is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        // Root's working directory may be closed to the user.
        command.current_dir("/");
        command
    } else {
        Command::new(program)
    }
}

fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}

impl Server {
    /// The address without a database name.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}", self.port)
    }

    /// Leaves the server to whoever asked for it.
    pub(crate) fn leave_running(mut self) {
        self.stop_on_drop = false;
    }

    /// Stops the server and removes its data.
    pub(crate) fn stop(self) {}
}

impl Drop for Server {
    fn drop(&mut self) {
        if !self.stop_on_drop {
            return;
        }
        let stopped = execute(
            as_postgres(&self.binaries.join("pg_ctl"))
                .arg("-D")
                .arg(self.data.join("cluster"))
                .args(["-m", "immediate", "stop"])
                .stdout(Stdio::null()),
        );
        if let Err(error) = stopped {
            eprintln!("xtask: the test server was not stopped: {error}");
        }
        drop(std::fs::remove_dir_all(&self.data));
    }
}
