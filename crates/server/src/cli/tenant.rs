//! `signet tenant …`: tenants of the platform, over HTTP as whoever signed in.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use url::Url;

use super::apply::Remote;
use super::http::{Answer, agent, server_url};
use super::{Failure, login, print};

/// Pages of a list that are read at most: 200 tenants each.
const PAGES_MAX: usize = 500;

/// What `signet tenant` can do.
#[derive(Debug, Subcommand)]
pub(crate) enum Tenant {
    /// Makes a tenant with its roles and, where one is named, its first administrator.
    Create(Create),
    /// Lists tenants by code.
    List(List),
    /// Shows a tenant.
    Show(One),
    /// Suspends a tenant: nobody of it signs in or is allowed anything.
    Suspend(One),
    /// Activates a suspended or inactive tenant.
    Activate(One),
    /// Deletes a suspended or inactive tenant; it can be restored for a time.
    Delete(Delete),
    /// Restores a deleted tenant to what it was before.
    CancelDeletion(One),
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Columns for people.
    Table,
    /// What the server answered.
    Json,
    /// The same as YAML.
    Yaml,
}

/// What every command takes.
#[derive(Debug, Args)]
struct Common {
    /// How to write the answer.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(flatten)]
    remote: Remote,
}

/// What `signet tenant create` takes.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The code, as it stands in addresses; never changes.
    code: String,
    /// The name for people; the code where absent.
    #[arg(long)]
    name: Option<String>,
    /// The domain of the organisation.
    #[arg(long)]
    domain: Option<String>,
    /// The platform that it belongs to; the default one where absent.
    #[arg(long)]
    platform_id: Option<String>,
    /// The user name of the first administrator, for whom a link to choose a password is printed.
    #[arg(long)]
    admin: Option<String>,
    /// The administrator's e-mail address.
    #[arg(long, requires = "admin")]
    admin_email: Option<String>,
    #[command(flatten)]
    common: Common,
}

/// What `signet tenant list` takes.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only those that fit, like `status eq "deleted"`.
    #[arg(long)]
    filter: Option<String>,
    /// The order, like `-created_at`.
    #[arg(long, default_value = "code")]
    sort: String,
    #[command(flatten)]
    common: Common,
}

/// A command about one tenant.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The tenant's code.
    code: String,
    #[command(flatten)]
    common: Common,
}

/// What `signet tenant delete` takes.
#[derive(Debug, Args)]
pub(crate) struct Delete {
    /// The tenant's code.
    code: String,
    /// Confirms it.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    common: Common,
}

/// A server, and who calls it.
struct Session {
    server: Url,
    token: String,
}

impl Session {
    fn open(remote: &Remote, env: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let server = server_url(remote.url.as_deref(), env)?;
        let token = login::access_token(remote.token.as_deref(), &server, &remote.tenant, env)?;
        Ok(Self { server, token })
    }

    fn call(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut address = self.server.join(path).map_err(|e| Failure::Usage(e.to_string()))?;
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(address.as_str())
            .header("authorization", format!("Bearer {}", self.token))
            .header("if-match", "*");
        let unusable = |e: ureq::http::Error| Failure::Usage(format!("the token cannot be sent: {e}"));
        let response = match body {
            Some(body) => {
                let request = request.header("content-type", "application/json");
                agent().run(request.body(body.to_string()).map_err(unusable)?)
            }
            None => agent().run(request.body(()).map_err(unusable)?),
        };
        Answer::read(response, &address)?.json()
    }

    /// The tenant of this code, deleted or not.
    fn find(&self, code: &str) -> Result<Value, Failure> {
        directory::tenants::check_code(code).map_err(base::Problem::from)?;
        // Whoever names the status is shown deleted tenants too.
        let filter = format!("code eq \"{code}\" and status pr");
        let page = self.call("GET", "/api/v1/tenants", &[("filter", &filter)], None)?;
        match page.get("items").and_then(Value::as_array).and_then(|items| items.first()) {
            Some(tenant) => Ok(tenant.clone()),
            None => Err(Failure::NotFound(format!("there is no tenant `{code}`"))),
        }
    }

    /// Does something to the tenant of this code.
    fn act(&self, code: &str, method: &str, verb: &str) -> Result<Value, Failure> {
        let found = self.find(code)?;
        let id = text(&found, "id").unwrap_or_default();
        self.call(method, &format!("/api/v1/tenants/{id}{verb}"), &[], None)
    }
}

/// Runs the command.
pub(crate) fn run(command: &Tenant, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let (common, answer) = match command {
        Tenant::Create(arguments) => (&arguments.common, create(arguments, env)?),
        Tenant::List(arguments) => {
            let session = Session::open(&arguments.common.remote, env)?;
            let tenants = Value::Array(list(&session, arguments)?);
            return write(&tenants, arguments.common.output);
        }
        Tenant::Show(one) => (&one.common, Session::open(&one.common.remote, env)?.find(&one.code)?),
        Tenant::Suspend(one) => (&one.common, act(one, env, "/suspend")?),
        Tenant::Activate(one) => (&one.common, act(one, env, "/activate")?),
        Tenant::CancelDeletion(one) => (&one.common, act(one, env, "/cancel-deletion")?),
        Tenant::Delete(arguments) => {
            if !arguments.yes {
                let code = &arguments.code;
                return Err(Failure::Usage(format!(
                    "`{code}` will answer nobody, and is removed for good after the hold period; confirm with --yes"
                )));
            }
            let session = Session::open(&arguments.common.remote, env)?;
            (&arguments.common, session.act(&arguments.code, "DELETE", "")?)
        }
    };
    write(&answer, common.output)
}

fn act(one: &One, env: &BTreeMap<String, String>, verb: &str) -> Result<Value, Failure> {
    Session::open(&one.common.remote, env)?.act(&one.code, "POST", verb)
}

fn create(arguments: &Create, env: &BTreeMap<String, String>) -> Result<Value, Failure> {
    let session = Session::open(&arguments.common.remote, env)?;
    let mut body = Map::new();
    body.insert("code".to_owned(), json!(arguments.code));
    body.insert("name".to_owned(), json!(arguments.name.as_ref().unwrap_or(&arguments.code)));
    for (name, value) in [("domain", &arguments.domain), ("platform_id", &arguments.platform_id)] {
        if let Some(value) = value {
            body.insert(name.to_owned(), json!(value));
        }
    }
    if let Some(username) = &arguments.admin {
        let admin = json!({ "username": username, "email": arguments.admin_email });
        body.insert("admin".to_owned(), admin);
    }
    let mut made = session.call("POST", "/api/v1/tenants", &[], Some(&Value::Object(body)))?;
    // Where scripts look for it.
    let link = made.get("admin").and_then(|admin| text(admin, "recovery_url")).map(str::to_owned);
    if let (Some(link), Some(members)) = (link, made.as_object_mut()) {
        members.insert("recovery_url".to_owned(), json!(link));
    }
    Ok(made)
}

fn list(session: &Session, arguments: &List) -> Result<Vec<Value>, Failure> {
    let mut tenants = Vec::new();
    let mut cursor: Option<String> = None;
    for _ in 0..PAGES_MAX {
        let mut query = vec![("limit", "200"), ("sort", arguments.sort.as_str())];
        if let Some(filter) = &arguments.filter {
            query.push(("filter", filter));
        }
        if let Some(cursor) = &cursor {
            query.push(("cursor", cursor));
        }
        let page = session.call("GET", "/api/v1/tenants", &query, None)?;
        tenants.extend(page.get("items").and_then(Value::as_array).cloned().unwrap_or_default());
        match text(&page, "next") {
            Some(next) => cursor = Some(next.to_owned()),
            None => return Ok(tenants),
        }
    }
    Err(Failure::Failed(format!("there are more than {} tenants; give a --filter", PAGES_MAX * 200)))
}

fn write(answer: &Value, output: Output) -> Result<(), Failure> {
    match output {
        Output::Json => print(&format!("{answer:#}\n")),
        Output::Yaml => {
            let text = serde_saphyr::to_string(answer).map_err(|e| Failure::Failed(e.to_string()))?;
            print(&text);
        }
        Output::Table => {
            let one = std::slice::from_ref(answer);
            print(&table(answer.as_array().map_or(one, Vec::as_slice)));
            if let Some(link) = text(answer, "recovery_url") {
                print(&format!("\nlink to choose a password, shown once: {link}\n"));
            }
        }
    }
    Ok(())
}

/// A member that is text.
fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

/// Columns as wide as their widest cell.
fn table(tenants: &[Value]) -> String {
    const COLUMNS: [(&str, &str); 5] = [
        ("CODE", "code"),
        ("NAME", "name"),
        ("STATUS", "status"),
        ("USERS", "user_count"),
        ("CREATED", "created_at"),
    ];
    let cell = |tenant: &Value, name: &str| match tenant.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let mut rows: Vec<Vec<String>> = vec![COLUMNS.iter().map(|(title, _)| (*title).to_owned()).collect()];
    rows.extend(tenants.iter().map(|tenant| COLUMNS.iter().map(|(_, name)| cell(tenant, name)).collect()));
    let mut lines = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let width = rows.iter().filter_map(|row| row.get(column)).map(|c| c.chars().count()).max();
            line.push_str(&format!("{cell:<width$}  ", width = width.unwrap_or(0)));
        }
        lines.push_str(line.trim_end());
        lines.push('\n');
    }
    lines
}
