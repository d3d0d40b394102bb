//! The command line: `signet NOUN VERB`. Exit status 0 done, 1 failed, 2 usage, 3 denied, 4 not found.

mod apply;
mod host;
mod http;
mod login;
mod migrate;
mod policy;
mod tenant;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use base::{Kind, Problem};
use clap::{Parser, Subcommand};

use crate::app::StartError;
use crate::config::{Config, ConfigError, environment};

/// Signet: who are you, what may you do, with which key, and prove it.
#[derive(Debug, Parser)]
#[command(name = "signet", version = crate::VERSION, propagate_version = true, max_term_width = 100)]
struct Cli {
    /// Configuration file (TOML); by default `signet.toml` in this directory, if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Starts the server; brings the database up to this version first.
    Serve,
    /// Brings the database's schema up or down, or says where it stands.
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Makes a tenant and its contents what a YAML file declares.
    Apply(apply::ApplyArguments),
    /// Writes a tenant as the YAML that `apply` reads.
    Export(apply::ExportArguments),
    /// Signs in with a browser and keeps the tokens for later commands.
    Login(login::LoginArguments),
    /// Prints an access token of whoever signed in, for scripts.
    Token(login::TokenArguments),
    /// Checks policies, runs their tests and explains decisions.
    #[command(subcommand)]
    Policy(policy::Policy),
    /// Manages tenants, over HTTP as whoever signed in.
    #[command(subcommand)]
    Tenant(tenant::Tenant),
    /// Manages the people of a tenant: over the network, and passwords on this host.
    #[command(subcommand)]
    User(User),
    /// Clears away what is over, as the server does by itself.
    #[command(subcommand)]
    Maintenance(Maintenance),
    /// Checks the configuration.
    #[command(subcommand, name = "config")]
    Configuration(Configuration),
    /// Prints the OpenAPI 3.1 document of the whole API.
    Openapi,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "one of these is made, once in a process")]
enum User {
    #[command(flatten)]
    Remote(user::UserCommand),
    /// Sets a person's password on this host, next to the database, read from standard input; all their
    /// sessions end.
    SetPassword {
        /// The user's name.
        username: String,
        /// The tenant's code.
        #[arg(long, default_value = directory::DEFAULT_TENANT_CODE)]
        tenant: String,
        /// Keeps the password as it is set, instead of asking for a new one at the next sign-in.
        #[arg(long)]
        permanent: bool,
    },
}

#[derive(Debug, Subcommand)]
enum Maintenance {
    /// Runs every job once and prints what it did.
    Run,
}

#[derive(Debug, Subcommand)]
enum Configuration {
    /// Reads the file and the environment and prints the outcome without secrets.
    Check,
}

/// How a command ended, when not well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Wrong use or wrong configuration: exit 2.
    Usage(String),
    /// Denied: exit 3.
    Denied(String),
    /// Not found: exit 4.
    NotFound(String),
    /// Anything else: exit 1.
    Failed(String),
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Refused(text) => Self::Usage(text),
            StartError::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let mut text = format!("{} ({})", problem.detail(), problem.code());
        for field in problem.errors() {
            text.push_str(&format!("\n  {}: {}", field.pointer, field.detail));
        }
        let chain = problem.private_chain();
        if problem.kind() == Kind::Internal && !chain.is_empty() {
            text.push_str(&format!("\n  cause: {chain}"));
        }
        match problem.kind() {
            Kind::Forbidden | Kind::Unauthenticated => Self::Denied(text),
            Kind::NotFound => Self::NotFound(text),
            _ => Self::Failed(text),
        }
    }
}

/// Runs the command of this process.
#[expect(clippy::print_stderr, reason = "errors of commands go to standard error")]
pub fn run(begun: Instant) -> ExitCode {
    // The allocator asks for huge pages, which hold mostly nothing in a program of a few megabytes. Without them an
    // idle server takes a third less memory; where the kernel refuses, nothing is lost.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    let cli = Cli::parse();
    let (status, message) = match dispatch(cli, begun) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => (1, message),
        Err(Failure::Usage(message)) => (2, message),
        Err(Failure::Denied(message)) => (3, message),
        Err(Failure::NotFound(message)) => (4, message),
    };
    eprintln!("signet: {message}");
    ExitCode::from(status)
}

fn dispatch(cli: Cli, begun: Instant) -> Result<(), Failure> {
    let env = environment();
    // Commands that speak to a server need no configuration of one.
    match cli.command {
        Command::Apply(ref arguments) if !arguments.host => return apply::apply_remote(arguments, &env),
        Command::Export(ref arguments) if !arguments.host => return apply::export_remote(arguments, &env),
        Command::Login(arguments) => return login::login(&arguments, &env),
        Command::Policy(ref command) => return policy::run(command, &env),
        Command::Tenant(ref command) => return tenant::run(command, &env),
        Command::Token(arguments) => return login::token(&arguments, &env),
        Command::User(User::Remote(ref command)) => return user::run(command, &env),
        _ => {}
    }
    let config = Config::load(cli.config.as_deref(), &env)?;
    install_log(&config)?;
    if matches!(cli.command, Command::Configuration(Configuration::Check)) {
        print(&config.describe());
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Failed(format!("runtime: {e}")))?;
    runtime.block_on(async move {
        match cli.command {
            Command::Serve => Ok(crate::serve::serve(config, begun).await?),
            Command::Migrate(command) => migrate::run(&config, command).await,
            Command::Apply(arguments) => apply::apply_host(&config, &arguments, &env).await,
            Command::Export(arguments) => apply::export_host(&config, &arguments).await,
            Command::User(User::SetPassword { username, tenant, permanent }) => {
                host::set_password(&config, &tenant, &username, permanent).await
            }
            Command::Maintenance(Maintenance::Run) => host::maintain(&config).await,
            Command::Openapi => host::openapi(&config).await,
            Command::Login(_)
            | Command::Token(_)
            | Command::Policy(_)
            | Command::Tenant(_)
            | Command::User(User::Remote(_))
            | Command::Configuration(_) => Ok(()),
        }
    })
}

/// Logs are JSON lines on standard error: standard output carries answers and request lines.
fn install_log(config: &Config) -> Result<(), Failure> {
    let filter = tracing_subscriber::EnvFilter::try_new(&config.log_level)
        .map_err(|e| Failure::Usage(format!("log.level: `{}` is no filter: {e}", config.log_level)))?;
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    Ok(())
}

/// Prints the answer of a command.
#[expect(clippy::print_stdout, reason = "answers of commands go to standard output")]
pub(crate) fn print(text: &str) {
    print!("{text}");
}

/// Says something on the side.
#[expect(clippy::print_stderr, reason = "what is no answer goes to standard error")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
