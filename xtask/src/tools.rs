//! Installs what a fresh machine lacks: Debian packages, npm packages, a Python environment.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, execute};

/// Fails early, in words, where no C compiler is found: SQLite and the cryptographic library are C.
pub(crate) fn require_compiler() -> Outcome {
    if found("cc") {
        return Ok(());
    }
    install(&["gcc", "libc6-dev", "make"])
}

/// Installs PostgreSQL, Node, Chromium and Python's venv where they are missing.
pub(crate) fn require_test_tools() -> Outcome {
    let mut missing = Vec::new();
    if crate::postgres::binaries().is_none() {
        missing.push("postgresql");
    }
    if !found("node") || !found("npm") {
        missing.extend(["nodejs", "npm"]);
    }
    if chromium().is_err() {
        missing.push("chromium");
    }
    if !found("python3") {
        missing.push("python3");
    }
    if !python_has_venv() {
        missing.push("python3-venv");
    }
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Where Chromium is.
pub(crate) fn chromium() -> Outcome<PathBuf> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists())
        .ok_or_else(|| "no Chromium was found: install the package `chromium`".to_owned())
}

fn python_has_venv() -> bool {
    succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

fn found(program: &str) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}

fn install(packages: &[&str]) -> Outcome {
    println!("installing {}", packages.join(" "));
    let privileged = |arguments: &[&str]| {
        let mut command = if is_root() {
            Command::new("apt-get")
        } else {
            let mut command = Command::new("sudo");
            command.arg("apt-get");
            command
        };
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    execute(&mut privileged(&["update", "--quiet"]))?;
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(packages);
    execute(&mut privileged(&arguments))
}

/// Whether this process is root's.
pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout.starts_with(b"0\n"))
}

/// Installs the npm packages of the browser driver and of the Node example; gives the program `node`.
pub(crate) fn node_packages(root: &Path) -> Outcome<PathBuf> {
    for directory in ["tests/browser", "examples/relying-party-node"] {
        let directory = root.join(directory);
        let lock = directory.join("package-lock.json");
        let stamp = directory.join("node_modules/.signet-stamp");
        let wanted = std::fs::read_to_string(&lock).map_err(|e| format!("{}: {e}", lock.display()))?;
        if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            continue;
        }
        execute(Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&directory))?;
        std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    }
    Ok(PathBuf::from("node"))
}

/// Makes the Python environment of the Python example; gives its interpreter.
pub(crate) fn python_environment(root: &Path) -> Outcome<PathBuf> {
    let requirements = root.join("examples/relying-party-python/requirements.txt");
    let environment = root.join("target/python");
    let interpreter = environment.join("bin/python");
    let stamp = environment.join("signet-stamp");
    let wanted =
        std::fs::read_to_string(&requirements).map_err(|e| format!("{}: {e}", requirements.display()))?;
    if interpreter.exists() && std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(interpreter);
    }
    execute(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment))?;
    execute(
        Command::new(&interpreter)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements),
    )?;
    std::fs::write(&stamp, wanted).map_err(|e| format!("{}: {e}", stamp.display()))?;
    Ok(interpreter)
}
