//! The migration files, built into the binary.

use crate::Backend;

/// One migration as files.
pub(crate) struct Files {
    pub(crate) name: &'static str,
    pub(crate) up: &'static str,
    pub(crate) down: &'static str,
}

/// Lists the files of one backend; a macro because `include_str!` takes a literal.
macro_rules! files {
    ($backend:literal) => {
        files!($backend,
            "000001_initial_tables", "000002_user_extended_fields", "000003_sessions", "000004_mfa",
            "000005_tenant_billing", "000006_encryption_support", "000007_archiving",
            "000008_audit_optimisation", "000009_activity_tracking", "000010_organisation_structure",
            "000011_performance", "000012_signet_model", "000013_row_level_security")
    };
    ($backend:literal, $($name:literal),*) => {
        &[$(Files {
            name: $name,
            up: include_str!(concat!("../../../migrations/", $backend, "/", $name, ".up.sql")),
            down: include_str!(concat!("../../../migrations/", $backend, "/", $name, ".down.sql")),
        }),*]
    };
}

static SQLITE: &[Files] = files!("sqlite");
static POSTGRES: &[Files] = files!("postgres");

/// The files of a backend, oldest first.
pub(crate) fn of(backend: Backend) -> &'static [Files] {
    match backend {
        Backend::Sqlite => SQLITE,
        Backend::Postgres => POSTGRES,
    }
}
