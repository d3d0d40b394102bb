//! The project's own commands: `cargo xtask run`, `test`, `tidy`, `bench`.
//!
//! Everything that a fresh Debian or Ubuntu machine with Rust needs is installed or started from here.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod postgres;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// A step that failed, in words.
type Outcome<T = ()> = Result<T, String>;

const HELP: &str = "\
cargo xtask run [ARGS]     builds the release binary and starts `signet serve ARGS`
cargo xtask test           installs and starts what tests need, then runs every check and test
cargo xtask tidy           checks the structure: crate graph, SQL in store files, axum in http files, licences
cargo xtask postgres       starts the throw-away PostgreSQL server of the tests and prints its address
cargo xtask bench [ARGS]   measures; see docs/benchmarks.md
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let outcome = match command.as_str() {
        "run" => run(&rest),
        "test" => test(),
        "tidy" => tidy::check(&root()),
        "postgres" => postgres::start(&root()).map(|server| {
            println!("{}", server.url());
            server.leave_running();
        }),
        "bench" => bench(&rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("`{other}` is no command\n\n{HELP}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The workspace's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// Runs a command and fails if it does.
fn execute(command: &mut Command) -> Outcome {
    let shown = format!("{command:?}");
    let status = command.status().map_err(|e| format!("{shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{shown}: {status}")) }
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(arguments).current_dir(root());
    command
}

fn run(arguments: &[String]) -> Outcome {
    tools::require_compiler()?;
    execute(&mut cargo(&["build", "--release", "--locked", "--package", "server"]))?;
    let binary = root().join("target/release/signet");
    let error = std::os::unix::process::CommandExt::exec(Command::new(binary).arg("serve").args(arguments));
    Err(format!("signet serve: {error}"))
}

fn test() -> Outcome {
    step("tools");
    tools::require_compiler()?;
    tools::require_test_tools()?;
    let node = tools::node_packages(&root())?;
    let python = tools::python_environment(&root())?;
    let server = postgres::start(&root())?;

    step("format");
    execute(&mut cargo(&["fmt", "--all", "--check"]))?;
    step("tidy");
    tidy::check(&root())?;
    step("clippy");
    execute(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))?;
    step("tests");
    let tests = execute(
        cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])
            .env("SIGNET_TEST_POSTGRES_URL", server.url())
            .env("SIGNET_TEST_NODE", node)
            .env("SIGNET_TEST_PYTHON", python)
            .env("SIGNET_TEST_CHROMIUM", tools::chromium()?),
    );
    server.stop();
    tests
}

fn bench(arguments: &[String]) -> Outcome {
    // Engines are measured by themselves, each in a workspace of its own.
    let (folder, arguments) = match arguments.split_first() {
        Some((first, rest)) if first == "policy" => ("bench/policy", rest),
        Some((first, rest)) if first == "kms" => ("bench/kms", rest),
        _ => {
            execute(&mut cargo(&["build", "--release", "--locked", "--package", "server"]))?;
            ("bench", arguments)
        }
    };
    let manifest = root().join(folder).join("Cargo.toml");
    let target = root().join("target").join(folder.replace('/', "-"));
    execute(
        Command::new("cargo")
            .args(["run", "--release", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(target)
            .arg("--")
            .args(arguments)
            .env("SIGNET_BENCH_BINARY", root().join("target/release/signet"))
            .current_dir(root()),
    )
}

fn step(name: &str) {
    println!("== {name}");
}
