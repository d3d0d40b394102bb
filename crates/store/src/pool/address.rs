//! Where a database is: the one reading of `database_url`.

use std::path::PathBuf;
use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::{Result, StoreError};

/// Where a database is.
pub(crate) enum Address {
    Sqlite(PathBuf),
    Postgres(Box<PgConnectOptions>),
}

impl Address {
    /// Reads the address. Fails with [`StoreError::Configuration`] on one of another form.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            Ok(Self::Sqlite(PathBuf::from(path)))
        } else if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            Ok(Self::Postgres(Box::new(postgres_options(url)?)))
        } else {
            Err(StoreError::Configuration(
                "the database address begins with neither `sqlite:` nor `postgres://`".to_owned(),
            ))
        }
    }

    /// Where it is, without credentials: for messages.
    pub(crate) fn label(&self) -> String {
        match self {
            Self::Sqlite(file) => format!("sqlite:{}", file.display()),
            Self::Postgres(connect) => {
                let database = connect.get_database().unwrap_or("");
                format!("postgres://{}:{}/{database}", connect.get_host(), connect.get_port())
            }
        }
    }
}

/// What the address of a PostgreSQL database says, with what every connection of ours has set.
fn postgres_options(url: &str) -> Result<PgConnectOptions> {
    // The address may hold a password: its parse error must not be shown with it.
    let connect = PgConnectOptions::from_str(url).map_err(|_| {
        StoreError::Configuration(
            "the database address is not of the form postgres://user:password@host:port/database".to_owned(),
        )
    })?;
    Ok(connect.application_name("signet").options([("timezone", "UTC")]).disable_statement_logging())
}
