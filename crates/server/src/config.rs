//! The configuration: one TOML file, overridden by the environment. Unknown keys are errors.
//!
//! This is the only module of the product that reads the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use authz::access::{BURST_MIN, QUESTIONS_PER_SECOND_MAX, QuestionRates, Rate};
use authz::freshness::{STALE_SECONDS_DEFAULT, STALE_SECONDS_MAX};
use base::Secret;
use serde::Deserialize;
use url::Url;

/// Where the file is looked for unless `--config` or `SIGNET_CONFIG` names another.
pub const DEFAULT_FILE: &str = "signet.toml";

/// How many connections PostgreSQL may be asked for.
const CONNECTIONS: &str = "a number from 2 to 1000";

/// Environment variables, what they override, and where they are described.
const VARIABLES: &[&str] = &[
    "SIGNET_CONFIG",
    "SIGNET_PUBLIC_URL",
    "SIGNET_LISTEN",
    "SIGNET_DATA_DIRECTORY",
    "SIGNET_DATABASE_URL",
    "SIGNET_DATABASE_ALLOW_SUPERUSER",
    "SIGNET_DATABASE_CONNECTIONS",
    "SIGNET_ROOT_KEY",
    "SIGNET_ROOT_KEY_FILE",
    "SIGNET_KEY_STORE",
    "SIGNET_TRUSTED_PROXIES",
    "SIGNET_HOSTS",
    "SIGNET_METRICS_LISTEN",
    "SIGNET_LOG_LEVEL",
    "SIGNET_DOCS_PUBLIC",
    "SIGNET_ACCESS_QUESTIONS_PER_SECOND",
    "SIGNET_ACCESS_QUESTIONS_BURST",
    "SIGNET_ACCESS_OTHER_QUESTIONS_PER_SECOND",
    "SIGNET_ACCESS_OTHER_QUESTIONS_BURST",
    "SIGNET_ACCESS_STALE_SECONDS",
    "SIGNET_DEMO",
    "SIGNET_TENANTS_DELETION_HOLD_SECONDS",
    "SIGNET_BOOTSTRAP_ADMIN_PASSWORD",
    "SIGNET_BOOTSTRAP_ADMIN_PASSWORD_FILE",
    "SIGNET_URL",
    "SIGNET_TOKEN",
    "SIGNET_TEST_POSTGRES_URL",
];

/// The configuration was refused; the text names the place, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);

/// The file's shape.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    public_url: Option<String>,
    listen: Option<SocketAddr>,
    data_directory: Option<PathBuf>,
    database_url: Option<String>,
    database_connections: Option<u32>,
    database_allow_superuser: Option<bool>,
    root_key_file: Option<PathBuf>,
    key_store: Option<String>,
    trusted_proxies: Option<Vec<String>>,
    hosts: Option<Vec<String>>,
    metrics: MetricsFile,
    log: LogFile,
    docs: DocsFile,
    tenants: TenantsFile,
    access: AccessFile,
    demo: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct MetricsFile {
    listen: Option<SocketAddr>,
    enabled: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogFile {
    level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct DocsFile {
    public: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TenantsFile {
    deletion_hold_seconds: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AccessFile {
    questions_per_second: Option<u32>,
    questions_burst: Option<u32>,
    other_questions_per_second: Option<u32>,
    other_questions_burst: Option<u32>,
    stale_seconds: Option<u32>,
}

/// Where the root key comes from.
#[derive(Debug, Clone)]
pub enum RootKey {
    /// `SIGNET_ROOT_KEY`.
    Environment(Secret<String>),
    /// A file that was named.
    NamedFile(PathBuf),
    /// The file beside the data directory, made at the first start on SQLite.
    DefaultFile(PathBuf),
}

/// Where tenant keys are kept.
#[derive(Debug, Clone)]
pub enum TenantKeys {
    /// A directory of files.
    Directory(PathBuf),
    /// A database of PostgreSQL of its own.
    Database(Secret<String>),
    /// The main database: a purge of a tenant then does not reach its backups.
    SameDatabase,
}

/// The configuration as the server uses it.
#[derive(Debug, Clone)]
pub struct Config {
    /// What browsers and clients call this server, without a trailing slash.
    pub public_url: Url,
    /// Whether the public URL was given, rather than defaulted to loopback.
    pub public_url_given: bool,
    /// The web and API listener.
    pub listen: SocketAddr,
    /// Where SQLite keeps its file.
    pub data_directory: PathBuf,
    /// `sqlite:PATH` or `postgres://…`.
    pub database_url: String,
    /// PostgreSQL connections at most.
    pub database_connections: u32,
    /// Whether the PostgreSQL login may be one that row-level security does not bind.
    pub database_allow_superuser: bool,
    /// The root key.
    pub root_key: RootKey,
    /// Where tenant keys are kept.
    pub tenant_keys: TenantKeys,
    /// Proxies whose `X-Forwarded-…` headers count.
    pub trusted_proxies: Vec<String>,
    /// Hosts served besides the public URL's.
    pub hosts: Vec<String>,
    /// The metrics listener; none switches it off.
    pub metrics: Option<SocketAddr>,
    /// The log filter, for example `info` or `signet=debug`.
    pub log_level: String,
    /// Whether `/docs` needs no sign-in.
    pub docs_public: bool,
    /// How many questions one caller may ask this node.
    pub question_rates: QuestionRates,
    /// For how many seconds decisions go on while the database does not answer.
    pub stale_seconds: u32,
    /// Whether the demo user is made at the first start.
    pub demo: bool,
    /// How long a deleted tenant is kept before it is purged, in seconds.
    pub deletion_hold_seconds: i64,
    /// The first password of the default admin, while the default still stands.
    pub bootstrap_password: Option<Secret<String>>,
}

impl Config {
    /// Reads the file and the environment.
    ///
    /// Fails with [`ConfigError`] naming the key, what was found and what was expected.
    pub fn load(path: Option<&Path>, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let unknown = |name: &&String| {
            name.starts_with("SIGNET_") && !VARIABLES.contains(&name.as_str()) && !is_service_link(name)
        };
        if let Some(unknown) = env.keys().find(unknown) {
            return Err(ConfigError(format!(
                "environment: `{unknown}` is no setting of Signet; the settings are {}",
                VARIABLES.join(", ")
            )));
        }
        let named = path.map(Path::to_path_buf).or_else(|| env.get("SIGNET_CONFIG").map(PathBuf::from));
        let file = match &named {
            Some(path) => read_file(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read_file(Path::new(DEFAULT_FILE))?,
            None => File::default(),
        };
        Self::merge(file, env)
    }

    fn merge(file: File, env: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let text = |name: &str| env.get(name).filter(|v| !v.is_empty()).cloned();
        let public = text("SIGNET_PUBLIC_URL").or(file.public_url);
        let listen = parsed(env, "SIGNET_LISTEN", "an address and port, like 127.0.0.1:8080")?
            .or(file.listen)
            .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8080)));
        let public_url_given = public.is_some();
        let public_url =
            public_url(&public.unwrap_or_else(|| format!("http://localhost:{}", listen.port())))?;
        let data_directory = text("SIGNET_DATA_DIRECTORY")
            .map(PathBuf::from)
            .or(file.data_directory)
            .unwrap_or_else(|| PathBuf::from("data"));
        let database_url = text("SIGNET_DATABASE_URL")
            .or(file.database_url)
            .unwrap_or_else(|| format!("sqlite:{}", data_directory.join("signet.db").display()));
        if !["sqlite:", "postgres://", "postgresql://"].iter().any(|form| database_url.starts_with(form)) {
            // It may hold a password, and is therefore not shown.
            return Err(ConfigError(
                "database_url: expected an address that begins with `sqlite:` or `postgres://`".to_owned(),
            ));
        }
        let named_key = text("SIGNET_ROOT_KEY_FILE").map(PathBuf::from).or(file.root_key_file);
        let root_key = match (env.get("SIGNET_ROOT_KEY").filter(|v| !v.is_empty()), named_key) {
            (Some(_), Some(_)) => {
                return Err(ConfigError(
                    "`SIGNET_ROOT_KEY` and a root key file are both given; give one of them".to_owned(),
                ));
            }
            (Some(key), None) => {
                let key = Secret::new(key.clone());
                kms::check_text("SIGNET_ROOT_KEY", &key).map_err(|e| ConfigError(e.to_string()))?;
                RootKey::Environment(key)
            }
            (None, Some(path)) => RootKey::NamedFile(path),
            (None, None) => RootKey::DefaultFile(default_key_file(&data_directory)),
        };
        let key_store = text("SIGNET_KEY_STORE").or(file.key_store);
        let tenant_keys = tenant_keys(key_store, &data_directory, &database_url)?;
        let metrics_enabled = file.metrics.enabled.unwrap_or(true);
        let metrics_off = env.get("SIGNET_METRICS_LISTEN").is_some_and(|v| v == "off");
        let metrics = match metrics_off {
            true => None,
            false => parsed(env, "SIGNET_METRICS_LISTEN", "an address and port, or `off`")?,
        };
        let metrics = metrics.or(file.metrics.listen).unwrap_or(SocketAddr::from(([127, 0, 0, 1], 41003)));
        let database_connections = parsed(env, "SIGNET_DATABASE_CONNECTIONS", CONNECTIONS)?
            .or(file.database_connections)
            .unwrap_or(10);
        if !(2..=1000).contains(&database_connections) {
            return Err(ConfigError(format!(
                "database_connections: found {database_connections}; expected {CONNECTIONS}"
            )));
        }
        let trusted_proxies =
            list(text("SIGNET_TRUSTED_PROXIES")).or(file.trusted_proxies).unwrap_or_default();
        web::TrustedProxies::new(trusted_proxies.iter().map(String::as_str))
            .map_err(|e| ConfigError(format!("trusted_proxies: {e}")))?;
        let hosts = list(text("SIGNET_HOSTS")).or(file.hosts).unwrap_or_default();
        web::Hosts::new(hosts.iter().map(String::as_str)).map_err(|e| ConfigError(format!("hosts: {e}")))?;
        Ok(Self {
            public_url,
            public_url_given,
            listen,
            data_directory,
            database_url,
            database_connections,
            database_allow_superuser: parsed(env, "SIGNET_DATABASE_ALLOW_SUPERUSER", "true or false")?
                .or(file.database_allow_superuser)
                .unwrap_or(false),
            root_key,
            tenant_keys,
            trusted_proxies,
            hosts,
            metrics: (metrics_enabled && !metrics_off).then_some(metrics),
            log_level: text("SIGNET_LOG_LEVEL").or(file.log.level).unwrap_or_else(|| "info".to_owned()),
            docs_public: parsed(env, "SIGNET_DOCS_PUBLIC", "true or false")?
                .or(file.docs.public)
                .unwrap_or(false),
            question_rates: question_rates(&file.access, env)?,
            stale_seconds: stale_seconds(&file.access, env)?,
            demo: parsed(env, "SIGNET_DEMO", "true or false")?.or(file.demo).unwrap_or(false),
            deletion_hold_seconds: deletion_hold_seconds(env, file.tenants.deletion_hold_seconds)?,
            bootstrap_password: bootstrap_password(env)?,
        })
    }

    /// Whether the public URL is https.
    pub fn is_https(&self) -> bool {
        self.public_url.scheme() == "https"
    }

    /// The public URL without a trailing slash, as issuers are built from it.
    pub fn public_origin(&self) -> String {
        self.public_url.as_str().trim_end_matches('/').to_owned()
    }

    /// The public URL's host with its port, as it stands in `Host`.
    pub fn public_host(&self) -> String {
        let host = self.public_url.host_str().unwrap_or("localhost");
        self.public_url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether bind address and public URL both stay on this machine.
    pub fn is_loopback_only(&self) -> bool {
        let host = self.public_url.host_str().unwrap_or("");
        self.listen.ip().is_loopback() && matches!(host, "localhost" | "127.0.0.1" | "[::1]")
    }

    /// Whether the database is PostgreSQL.
    pub fn is_postgres(&self) -> bool {
        self.database_url.starts_with("postgres")
    }

    /// The configuration in words, without secrets: what `signet config check` prints.
    pub fn describe(&self) -> String {
        let database =
            if self.is_postgres() { without_password(&self.database_url) } else { self.database_url.clone() };
        let key = match &self.root_key {
            RootKey::Environment(_) => "SIGNET_ROOT_KEY".to_owned(),
            RootKey::NamedFile(path) | RootKey::DefaultFile(path) => path.display().to_string(),
        };
        let tenant_keys = match &self.tenant_keys {
            TenantKeys::Directory(path) => path.display().to_string(),
            TenantKeys::Database(url) => without_password(url.expose()),
            TenantKeys::SameDatabase => {
                "the main database: purging a tenant does not reach backups; see `key_store`".to_owned()
            }
        };
        let metrics = self.metrics.map_or_else(|| "off".to_owned(), |a| format!("http://{a}/metrics"));
        format!(
            "public_url        {}\nlisten            {}\ndatabase          {database}\nroot key          {key}\n\
             tenant keys       {tenant_keys}\nmetrics           {metrics}\ntrusted proxies   {}\nother hosts       {}\nlog level         {}\n\
             docs public       {}\n",
            self.public_origin(),
            self.listen,
            or_none(&self.trusted_proxies),
            or_none(&self.hosts),
            self.log_level,
            self.docs_public,
        )
    }
}

/// An address of PostgreSQL without what is secret in it.
fn without_password(address: &str) -> String {
    let hidden = Url::parse(address).ok().and_then(|mut url| url.set_password(None).ok().map(|()| url));
    hidden.map_or_else(|| "postgres://…".to_owned(), |url| url.to_string())
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "none".to_owned() } else { list.join(", ") }
}

/// Where tenant keys are kept: on SQLite beside the data directory, and on PostgreSQL, where several nodes need the
/// same, in the main database unless another place is named. Never beside a root key file that was named: its place may
/// be one that cannot be written, or that is gone after a restart.
fn tenant_keys(
    given: Option<String>,
    data_directory: &Path,
    database_url: &str,
) -> Result<TenantKeys, ConfigError> {
    let Some(given) = given else {
        if database_url.starts_with("postgres") {
            return Ok(TenantKeys::SameDatabase);
        }
        return Ok(TenantKeys::Directory(default_key_file(data_directory).with_file_name("tenants")));
    };
    if given == "same_database" {
        return Ok(TenantKeys::SameDatabase);
    }
    if !given.starts_with("postgres://") && !given.starts_with("postgresql://") {
        if given.contains("://") {
            // It may hold a password, and is therefore not shown.
            return Err(ConfigError(
                "key_store: expected a directory, an address that begins with `postgres://`, or `same_database`"
                    .to_owned(),
            ));
        }
        return Ok(TenantKeys::Directory(PathBuf::from(given)));
    }
    if given == database_url {
        return Err(ConfigError(
            "key_store: it is the address of `database_url`; name another database, or say `same_database`"
                .to_owned(),
        ));
    }
    Ok(TenantKeys::Database(Secret::new(given)))
}

/// The key lives beside the data directory, never inside it: a copy of the data is not a copy of the key.
fn default_key_file(data_directory: &Path) -> PathBuf {
    let mut name = data_directory.file_name().map_or_else(|| "data".into(), std::ffi::OsStr::to_os_string);
    name.push(".keys");
    data_directory.with_file_name(name).join("root.key")
}

fn read_file(path: &Path) -> Result<File, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| ConfigError(format!("{}: cannot be read: {e}", path.display())))?;
    toml::from_str(&text)
        .map_err(|e| ConfigError(format!("{}: {}", path.display(), e.to_string().trim_end())))
}

fn parsed<T: std::str::FromStr>(
    env: &BTreeMap<String, String>,
    name: &str,
    expected: &str,
) -> Result<Option<T>, ConfigError> {
    match env.get(name).filter(|v| !v.is_empty()) {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|_| ConfigError(format!("environment: `{name}` is `{text}`; expected {expected}"))),
    }
}

/// The rates of questions, each within its bounds.
fn question_rates(file: &AccessFile, env: &BTreeMap<String, String>) -> Result<QuestionRates, ConfigError> {
    let number = |key: &str, given: Option<u32>, default: u32, least: u32| {
        let expected = format!("a number from {least} to {QUESTIONS_PER_SECOND_MAX}");
        let variable = format!("SIGNET_ACCESS_{}", key.to_ascii_uppercase());
        let found = parsed(env, &variable, &expected)?.or(given).unwrap_or(default);
        if (least..=QUESTIONS_PER_SECOND_MAX).contains(&found) {
            return Ok(found);
        }
        Err(ConfigError(format!("access.{key}: found {found}; expected {expected}")))
    };
    let usual = QuestionRates::default();
    let (points, others) = (usual.points, usual.others);
    Ok(QuestionRates {
        points: Rate {
            per_second: number("questions_per_second", file.questions_per_second, points.per_second, 1)?,
            burst: number("questions_burst", file.questions_burst, points.burst, BURST_MIN)?,
        },
        others: Rate {
            per_second: number(
                "other_questions_per_second",
                file.other_questions_per_second,
                others.per_second,
                1,
            )?,
            burst: number("other_questions_burst", file.other_questions_burst, others.burst, BURST_MIN)?,
        },
    })
}

/// For how long decisions go on without the database.
fn stale_seconds(file: &AccessFile, env: &BTreeMap<String, String>) -> Result<u32, ConfigError> {
    let expected = format!("a number of seconds from 0 (not at all) to {STALE_SECONDS_MAX}");
    let given = parsed(env, "SIGNET_ACCESS_STALE_SECONDS", &expected)?.or(file.stale_seconds);
    match given.unwrap_or(STALE_SECONDS_DEFAULT) {
        found @ 0..=STALE_SECONDS_MAX => Ok(found),
        found => Err(ConfigError(format!("access.stale_seconds: found {found}; expected {expected}"))),
    }
}

/// Kubernetes tells each container of a namespace where the service named `signet` is.
fn is_service_link(name: &str) -> bool {
    name == "SIGNET_PORT" || name.starts_with("SIGNET_PORT_") || name.starts_with("SIGNET_SERVICE_")
}

fn list(text: Option<String>) -> Option<Vec<String>> {
    text.map(|t| t.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect())
}

fn public_url(text: &str) -> Result<Url, ConfigError> {
    let wrong = |why: &str| {
        ConfigError(format!("public_url: `{text}` {why}; expected an origin such as https://id.example.com"))
    };
    let url = Url::parse(text).map_err(|e| wrong(&format!("is no URL ({e})")))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err(wrong("is plain http beyond loopback")),
        _ => return Err(wrong("is not https")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("has user information"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("has a path, a query or a fragment"));
    }
    Ok(url)
}

fn deletion_hold_seconds(env: &BTreeMap<String, String>, file: Option<i64>) -> Result<i64, ConfigError> {
    use directory::tenants::deletion::{DELETION_HOLD_SECONDS, DELETION_HOLD_SECONDS_DEFAULT};
    const NAME: &str = "SIGNET_TENANTS_DELETION_HOLD_SECONDS";
    let found = parsed(env, NAME, "a number of seconds")?.or(file).unwrap_or(DELETION_HOLD_SECONDS_DEFAULT);
    if DELETION_HOLD_SECONDS.contains(&found) {
        return Ok(found);
    }
    let (min, max) = (DELETION_HOLD_SECONDS.start(), DELETION_HOLD_SECONDS.end());
    Err(ConfigError(format!(
        "tenants.deletion_hold_seconds: found {found}; expected {min} (a day) to {max} (ten years)"
    )))
}

fn bootstrap_password(env: &BTreeMap<String, String>) -> Result<Option<Secret<String>>, ConfigError> {
    const NAME: &str = "SIGNET_BOOTSTRAP_ADMIN_PASSWORD";
    const FILE: &str = "SIGNET_BOOTSTRAP_ADMIN_PASSWORD_FILE";
    match (env.get(NAME), env.get(FILE)) {
        (Some(_), Some(_)) => {
            Err(ConfigError(format!("`{NAME}` and `{FILE}` are both given; give one of them")))
        }
        (Some(password), None) => Ok(Some(Secret::new(password.clone()))),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path)
                .map_err(|e| ConfigError(format!("{FILE}: `{path}` cannot be read: {e}")))?;
            Ok(Some(Secret::new(text.trim_end_matches(['\r', '\n']).to_owned())))
        }
        (None, None) => Ok(None),
    }
}

/// The environment as the process was given it.
pub fn environment() -> BTreeMap<String, String> {
    #[expect(clippy::disallowed_methods, reason = "this is the one reader of the environment")]
    std::env::vars().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let file: File = toml::from_str(toml).map_err(|e| ConfigError(e.to_string()))?;
        let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Config::merge(file, &env)
    }

    #[test]
    fn the_rates_of_questions_have_bounds() {
        let config = load(
            "[access]\nquestions_per_second = 7\nother_questions_burst = 1000",
            &[("SIGNET_ACCESS_QUESTIONS_PER_SECOND", "8")],
        )
        .unwrap();
        assert_eq!(config.question_rates.points, Rate { per_second: 8, burst: 10_000 });
        assert_eq!(config.question_rates.others, Rate { per_second: 100, burst: 1_000 });

        for (toml, key) in [
            ("[access]\nquestions_per_second = 0", "access.questions_per_second"),
            ("[access]\nquestions_burst = 999", "access.questions_burst"),
            ("[access]\nother_questions_burst = 1000001", "access.other_questions_burst"),
            ("[access]\nstale_seconds = 86401", "access.stale_seconds"),
        ] {
            let refused = load(toml, &[]).unwrap_err().to_string();
            assert!(
                refused.starts_with(key)
                    && refused.contains("expected a number")
                    && refused.contains(" from "),
                "{refused}"
            );
        }
    }

    #[test]
    fn the_defaults_stay_on_this_machine() {
        let config = load("", &[]).unwrap();

        assert!(config.is_loopback_only());
        assert_eq!(config.public_origin(), "http://localhost:8080");
        assert_eq!(config.database_url, "sqlite:data/signet.db");
        assert!(matches!(config.root_key, RootKey::DefaultFile(p) if p == Path::new("data.keys/root.key")));
        assert!(
            matches!(config.tenant_keys, TenantKeys::Directory(p) if p == Path::new("data.keys/tenants"))
        );
    }

    #[test]
    fn tenant_keys_are_kept_where_it_is_said_and_otherwise_beside_the_data() {
        const POSTGRES: (&str, &str) = ("SIGNET_DATABASE_URL", "postgres://u@db/s");
        let of = |toml: &str, env: &[(&str, &str)]| load(toml, env).unwrap().tenant_keys;

        let beside = of("data_directory = '/srv/data'\nroot_key_file = '/run/secrets/root.key'", &[]);
        assert!(matches!(beside, TenantKeys::Directory(p) if p == Path::new("/srv/data.keys/tenants")));
        let given = of("key_store = '/srv/keys'", &[]);
        assert!(matches!(given, TenantKeys::Directory(p) if p == Path::new("/srv/keys")));
        assert!(matches!(of("", &[POSTGRES]), TenantKeys::SameDatabase));
        let other = ("SIGNET_KEY_STORE", "postgres://k:hunter2@keys/k");
        assert!(matches!(of("", &[POSTGRES, other]), TenantKeys::Database(_)));
        let shown = load("", &[POSTGRES, other]).unwrap().describe();
        assert!(shown.contains("postgres://k@keys/k") && !shown.contains("hunter2"), "{shown}");
        assert!(load("", &[POSTGRES]).unwrap().describe().contains("does not reach backups"));
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let env = [("SIGNET_LISTEN", "0.0.0.0:9000"), ("SIGNET_PUBLIC_URL", "https://id.example.com")];
        let config = load("listen = '127.0.0.1:1'\npublic_url = 'https://other.example'", &env).unwrap();

        assert_eq!(config.listen.port(), 9000);
        assert_eq!(config.public_origin(), "https://id.example.com");
        assert!(config.is_https() && !config.is_loopback_only());
    }

    #[test]
    fn wrong_settings_name_the_place_and_what_was_expected() {
        let cases = [
            ("listne = '1'", &[][..], "unknown field `listne`"),
            ("[metrics]\nport = 1", &[], "unknown field `port`"),
            ("public_url = 'http://id.example.com'", &[], "plain http beyond loopback"),
            ("public_url = 'https://id.example.com/x'", &[], "has a path"),
            ("public_url = 'https://a:b@id.example.com'", &[], "user information"),
            ("", &[("SIGNET_LISTEN", "here")], "`SIGNET_LISTEN` is `here`; expected an address and port"),
            ("", &[("SIGNET_LISTEN", "off")], "`SIGNET_LISTEN` is `off`; expected an address and port"),
            ("", &[("SIGNET_DEMO", "off")], "`SIGNET_DEMO` is `off`; expected true or false"),
            ("", &[("SIGNET_DATABASE_CONNECTIONS", "1")], "found 1; expected a number from 2 to 1000"),
            ("database_connections = 1001", &[], "found 1001; expected a number from 2 to 1000"),
            ("[tenants]\ndeletion_hold_seconds = 86399", &[], "found 86399; expected 86400 (a day) to"),
            ("", &[("SIGNET_TENANTS_DELETION_HOLD_SECONDS", "30d")], "expected a number of seconds"),
            ("[tenants]\nhold = 1", &[], "unknown field `hold`"),
            ("trusted_proxies = ['10.0.0.0/33']", &[], "trusted_proxies: "),
            ("", &[("SIGNET_TRUSTED_PROXIES", "everyone")], "trusted_proxies: "),
            ("database_url = 'mysql://u:hunter2@db/s'", &[], "database_url: expected an address that begins"),
            ("hosts = ['https://id.example.com/']", &[], "hosts: "),
            ("key_store = 'mysql://u:hunter2@db/s'", &[], "key_store: expected a directory, an address"),
            (
                "database_url = 'postgres://u@db/s'",
                &[("SIGNET_KEY_STORE", "postgres://u@db/s")],
                "key_store: it is the address of `database_url`",
            ),
            ("root_key_file = 'k'", &[("SIGNET_ROOT_KEY", "x")], "both given"),
            ("", &[("SIGNET_ROOT_KEY", "too short")], "SIGNET_ROOT_KEY is no root key: found"),
        ];
        for (toml, env, expected) in cases {
            let error = load(toml, env).unwrap_err().to_string();
            assert!(error.contains(expected), "{toml}: {error}");
        }
        let env = [("SIGNET_LISTNE".to_owned(), "1".to_owned())].into_iter().collect();
        let error = Config::load(None, &env).unwrap_err().to_string();
        assert!(error.contains("`SIGNET_LISTNE` is no setting"), "{error}");
    }

    #[test]
    fn what_kubernetes_adds_for_a_service_of_our_name_is_not_ours() {
        let env = ["SIGNET_SERVICE_HOST", "SIGNET_PORT", "SIGNET_PORT_8080_TCP"]
            .map(|name| (name.to_owned(), "tcp://10.0.0.1:8080".to_owned()));

        Config::load(None, &env.into_iter().collect()).unwrap();
    }

    #[test]
    fn a_description_shows_no_secret() {
        const KEY: &str = "00112233445566778899aabbccddeeff0f1e2d3c4b5a69788796a5b4c3d2e1f0";
        let env = [("SIGNET_DATABASE_URL", "postgres://u:hunter2@db/s"), ("SIGNET_ROOT_KEY", KEY)];
        let shown = load("", &env).unwrap().describe();

        assert!(shown.contains("postgres://u@db/s"), "{shown}");
        assert!(!shown.contains("hunter") && !shown.contains(KEY), "{shown}");
    }
}
