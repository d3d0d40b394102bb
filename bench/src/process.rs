//! Starts and stops the servers that are measured.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Outcome, machine};

/// How long a server may take until it is ready.
const READY_MAX: Duration = Duration::from_secs(60);
/// How long it may take to end.
const STOP_MAX: Duration = Duration::from_secs(40);
/// Between two looks whether it is ready: what the figures can be wrong by.
const POLL: Duration = Duration::from_micros(200);
/// The root key of every run: a benchmark has no secrets.
const ROOT_KEY: &str = "62656e63682d726f6f742d6b65792d6f662d33322d62797465732d6f6e6c7921";

/// An installation of Signet: where its data are, and at which port it is served.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    binary: PathBuf,
    directory: PathBuf,
    /// PostgreSQL's address; none for SQLite.
    postgres: Option<String>,
    pub(crate) port: u16,
}

impl Site {
    /// A new installation in an empty directory, on a free port that stays its own.
    pub(crate) fn new(binary: &Path, directory: &Path, postgres: Option<String>) -> Outcome<Self> {
        std::fs::create_dir_all(directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        Ok(Self { binary: binary.to_owned(), directory: directory.to_owned(), postgres, port: free_port()? })
    }

    /// The database's address.
    pub(crate) fn database(&self) -> String {
        self.postgres.clone().unwrap_or_else(|| format!("sqlite:{}", self.sqlite_file().display()))
    }

    /// SQLite's file.
    pub(crate) fn sqlite_file(&self) -> PathBuf {
        self.directory.join("data/signet.db")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command
            // Signet refuses settings that it does not know, ours among them.
            .env_clear()
            .envs(machine::path_only())
            .env("SIGNET_DATA_DIRECTORY", self.directory.join("data"))
            .env("SIGNET_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("SIGNET_METRICS_LISTEN", "off")
            // One client asks all questions here, faster than a single caller may by default.
            .env("SIGNET_ACCESS_QUESTIONS_PER_SECOND", "1000000")
            .env("SIGNET_ACCESS_QUESTIONS_BURST", "1000000")
            .current_dir(&self.directory);
        if let Some(url) = &self.postgres {
            command.env("SIGNET_DATABASE_URL", url);
            // The bench's own login is a superuser; statements run as app_user and app_platform all the same.
            command.env("SIGNET_DATABASE_ALLOW_SUPERUSER", "true");
            command.env("SIGNET_ROOT_KEY", ROOT_KEY);
        }
        command
    }

    /// Starts `signet serve` and waits until it is ready. Returns the time from before exec to the answer.
    pub(crate) fn serve(&self) -> Outcome<(Server, Duration)> {
        let mut command = self.command();
        command.arg("serve");
        Server::start("signet serve", command, self.port, "/readyz", &self.directory.join("signet.log"))
    }

    /// Runs `signet migrate up`.
    pub(crate) fn migrate(&self) -> Outcome {
        let mut command = self.command();
        command.args(["migrate", "up"]).stdin(Stdio::null());
        let output = command.output().map_err(|e| format!("signet migrate up: {e}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("signet migrate up: {}\n{}", output.status, said.trim_end()))
    }

    /// Runs `signet apply FILE --host` with the secrets that the file names.
    pub(crate) fn apply(&self, file: &Path, secrets: &[(&str, &str)]) -> Outcome {
        let mut command = self.command();
        command.arg("apply").arg(file).arg("--host").envs(secrets.iter().copied());
        let output = command.stdin(Stdio::null()).output().map_err(|e| format!("signet apply: {e}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("signet apply: {}\n{}", output.status, said.trim_end()))
    }
}

/// A running server; killed when dropped.
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    /// Starts a program and waits until `path` answers 200. Its standard output goes nowhere, errors to `log`.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        port: u16,
        path: &str,
        log: &Path,
    ) -> Outcome<(Self, Duration)> {
        let errors = std::fs::File::create(log).map_err(|e| format!("{}: {e}", log.display()))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let begun = Instant::now();
        let child = command.spawn().map_err(|e| format!("{name}: {e}"))?;
        let mut server = Self { child, address };
        while !is_ready(address, path) {
            if let Ok(Some(status)) = server.child.try_wait() {
                return Err(format!("{name} ended with {status}:\n{}", tail(log)));
            }
            if begun.elapsed() > READY_MAX {
                return Err(format!("{name} was not ready within {} s:\n{}", READY_MAX.as_secs(), tail(log)));
            }
            std::thread::sleep(POLL);
        }
        Ok((server, begun.elapsed()))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to end by SIGTERM and waits.
    pub(crate) fn stop(mut self) -> Outcome {
        let pid =
            i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("a process without an id")?;
        kill_process(pid, Signal::TERM).map_err(|e| format!("SIGTERM: {e}"))?;
        let begun = Instant::now();
        while begun.elapsed() < STOP_MAX {
            if let Ok(Some(_)) = self.child.try_wait() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Err(format!("a server did not end within {} s of SIGTERM", STOP_MAX.as_secs()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// One look: connects, asks, reads the status.
fn is_ready(address: SocketAddr, path: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    drop(stream.set_read_timeout(Some(Duration::from_secs(5))));
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", address.port());
    if stream.write_all(request.as_bytes()).is_err() {
        return false;
    }
    let mut status = [0; 12];
    stream.read_exact(&mut status).is_ok() && status.ends_with(b" 200")
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Outcome<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    Ok(listener.local_addr().map_err(|e| e.to_string())?.port())
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(12)).copied().collect::<Vec<_>>().join("\n")
}
