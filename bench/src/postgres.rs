//! The PostgreSQL server of a run: made for it with everything durable, or one that is already there.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;
use crate::database::Database;
use crate::machine::{self, Cores};

/// A server to measure with.
pub(crate) struct Server {
    url: String,
    postmaster: u32,
    /// What to stop and remove at the end; none for a server that was there before.
    own: Option<(PathBuf, PathBuf)>,
}

impl Server {
    /// Uses the server at `url`, or makes a cluster below `directory` and starts it.
    ///
    /// Fails if the server is not a process of this machine: its CPU time could not be read.
    pub(crate) async fn open(url: Option<&str>, directory: &Path, cores: &Cores) -> Outcome<Self> {
        Self::with_settings(url, directory, cores, &["shared_buffers", "128MB"]).await
    }

    /// The same, with these settings of a cluster that is made: names and values in turn.
    pub(crate) async fn with_settings(
        url: Option<&str>,
        directory: &Path,
        cores: &Cores,
        settings: &[&str],
    ) -> Outcome<Self> {
        let (url, own) = match url {
            Some(url) => (url.trim_end_matches('/').to_owned(), None),
            None => {
                let (url, binaries, data) = start(directory, cores, settings)?;
                (url, Some((binaries, data)))
            }
        };
        let mut server = Self { url, postmaster: 0, own };
        let database = Database::open(&server.url("postgres")).await?;
        let backend = database.one("SELECT pg_backend_pid()::text").await?;
        let postmaster = backend.parse().ok().and_then(machine::parent_of);
        match postmaster {
            Some(pid) if machine::name_of(pid).is_some_and(|name| name.starts_with("postgres")) => {
                server.postmaster = pid
            }
            _ => {
                return Err(
                    "the PostgreSQL server is not on this machine: its CPU time cannot be read".to_owned()
                );
            }
        }
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let value = database.one(&format!("SELECT current_setting('{setting}')")).await?;
            if value != "on" {
                return Err(format!(
                    "PostgreSQL runs with {setting} = {value}: the figures would not be of durable writes"
                ));
            }
        }
        database.close().await;
        Ok(server)
    }

    /// The address of one of its databases.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("{}/{database}", self.url)
    }

    /// The process that is the parent of all its others.
    pub(crate) fn postmaster(&self) -> u32 {
        self.postmaster
    }

    /// Makes a database, empty or as a copy of one that nobody uses; one of the same name is dropped.
    pub(crate) async fn create(&self, name: &str, template: Option<&str>) -> Outcome {
        let database = Database::open(&self.url("postgres")).await?;
        database.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        let template = template.map_or_else(|| "template0".to_owned(), str::to_owned);
        database.run(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await?;
        database.close().await;
        Ok(())
    }

    /// Drops a database.
    pub(crate) async fn drop_database(&self, name: &str) -> Outcome {
        let database = Database::open(&self.url("postgres")).await?;
        database.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        database.close().await;
        Ok(())
    }

    /// Its version, for the report.
    pub(crate) async fn describe(&self) -> Outcome<String> {
        let database = Database::open(&self.url("postgres")).await?;
        let version = database.one("SELECT current_setting('server_version')").await?;
        database.close().await;
        let whose = if self.own.is_some() { "started for this run" } else { "was there before: not pinned" };
        Ok(format!("PostgreSQL {version}, fsync, synchronous_commit and full_page_writes on; {whose}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let Some((binaries, data)) = &self.own else { return };
        let mut stop = as_postgres(&binaries.join("pg_ctl"));
        stop.arg("-D").arg(data.join("cluster")).args(["-m", "immediate", "stop"]).stdout(Stdio::null());
        if let Err(error) = execute(&mut stop) {
            eprintln!("bench: the PostgreSQL server was not stopped: {error}");
        }
    }
}

fn start(directory: &Path, cores: &Cores, settings: &[&str]) -> Outcome<(String, PathBuf, PathBuf)> {
    let binaries =
        binaries().ok_or("PostgreSQL is not installed: install it, or set SIGNET_BENCH_POSTGRES_URL")?;
    let data = directory.join("postgres");
    std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
    if is_root() {
        execute(Command::new("chown").arg("postgres").arg(&data))?;
    }
    let listener = TcpListener::bind("127.0.0.1:0").map_err(|e| e.to_string())?;
    let port = listener.local_addr().map_err(|e| e.to_string())?.port();
    drop(listener);
    let cluster = data.join("cluster");
    execute(
        as_postgres(&binaries.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&cluster)
            .stdout(Stdio::null()),
    )?;
    let mut options = format!("-p {port} -k {} -c listen_addresses=127.0.0.1", data.display());
    for setting in settings.chunks(2) {
        options.push_str(&format!(" -c {}", setting.join("=")));
    }
    let mut command = as_postgres(&binaries.join("pg_ctl"));
    command.arg("-D").arg(&cluster).args(["-w", "-o", &options, "-l"]).arg(data.join("log")).arg("start");
    command.stdout(Stdio::null());
    cores.on_servers(|| execute(&mut command))??;
    Ok((format!("postgres://postgres@127.0.0.1:{port}"), binaries, data))
}

/// Where `initdb` and `pg_ctl` are: the newest installed version.
fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(Result::ok)
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin): &(u32, PathBuf)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    versions.pop().map(|(_, bin)| bin)
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// PostgreSQL refuses to run as root, so root runs it as the user `postgres`.
fn as_postgres(program: &Path) -> Command {
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/");
    command
}

fn execute(command: &mut Command) -> Outcome {
    let shown = format!("{command:?}");
    let status = command.status().map_err(|e| format!("{shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}
