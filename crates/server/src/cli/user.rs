//! `signet user …`: people of a tenant, over HTTP as whoever signed in.

use std::collections::BTreeMap;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value, json};
use url::Url;

use super::http::{Answer, agent, server_url};
use super::{Failure, login, print, say};

/// The columns of a table of people: what stands above each, and the member that it shows.
const COLUMNS: [(&str, &str); 6] = [
    ("USERNAME", "username"),
    ("STATUS", "status"),
    ("EMAIL", "email"),
    ("DISPLAY NAME", "display_name"),
    ("LAST LOGIN", "last_login_at"),
    ("ID", "id"),
];
/// How many deleted people of one name are told apart.
const NAMESAKES_MAX: usize = 20;

/// How to reach the server, and how to show its answer.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The server; default SIGNET_URL, then http://localhost:8080.
    #[arg(long)]
    url: Option<String>,
    /// The tenant's code; you are one of its users.
    #[arg(long, default_value = directory::DEFAULT_TENANT_CODE)]
    tenant: String,
    /// An access token with the scope `signet`; default SIGNET_TOKEN, then what `signet login` kept.
    #[arg(long, hide_env_values = true)]
    token: Option<String>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// A form of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people.
    Table,
    /// As the server answers.
    Json,
    /// The same as YAML.
    Yaml,
}

/// What can be done to people over the network.
#[derive(Debug, Subcommand)]
pub(crate) enum UserCommand {
    /// Lists people.
    List(ListArguments),
    /// Shows a person.
    Show(OneArguments),
    /// Adds a person, who has no password yet.
    Create(CreateArguments),
    /// Changes a person.
    Update(UpdateArguments),
    /// Locks an active person.
    Lock(OneArguments),
    /// Unlocks a locked person.
    Unlock(OneArguments),
    /// Switches a person off.
    Disable(OneArguments),
    /// Switches a person on again.
    Enable(OneArguments),
    /// Deletes a person, so that they can be restored.
    Delete(DeleteArguments),
    /// Restores a deleted person, who is then inactive.
    Restore(OneArguments),
}

/// What `signet user list` takes.
#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Words to look for in names, e-mail addresses and phone numbers.
    #[arg(long)]
    q: Option<String>,
    /// A filter in SCIM syntax, like `status eq "locked" and email ew "@example.com"`.
    #[arg(long)]
    filter: Option<String>,
    /// The order, like `-created_at,username`.
    #[arg(long, allow_hyphen_values = true)]
    sort: Option<String>,
    /// Only people of this status: active, inactive, locked or deleted.
    #[arg(long)]
    status: Option<String>,
    /// People at most, 1 to 200.
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Where to go on, as the page before said.
    #[arg(long)]
    cursor: Option<String>,
    #[command(flatten)]
    remote: Remote,
}

/// One person.
#[derive(Debug, Args)]
pub(crate) struct OneArguments {
    /// The user name, or `id:` and the id.
    user: String,
    #[command(flatten)]
    remote: Remote,
}

/// What `signet user delete` takes.
#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Confirms the deletion.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    one: OneArguments,
}

/// What `signet user create` takes.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The name to sign in with.
    username: String,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    remote: Remote,
}

/// What `signet user update` takes.
#[derive(Debug, Args)]
pub(crate) struct UpdateArguments {
    #[command(flatten)]
    one: OneArguments,
    /// Another user name.
    #[arg(long)]
    username: Option<String>,
    /// Whether the password must be changed before anything else.
    #[arg(long)]
    must_change_password: Option<bool>,
    /// Takes a value away, such as `email`; may be repeated.
    #[arg(long, value_name = "FIELD")]
    clear: Vec<String>,
    #[command(flatten)]
    fields: Fields,
}

/// What a person has.
#[derive(Debug, Args)]
struct Fields {
    #[arg(long)]
    email: Option<String>,
    #[arg(long)]
    email_verified: Option<bool>,
    /// In E.164 form, like +8613800000000.
    #[arg(long)]
    phone: Option<String>,
    #[arg(long)]
    phone_verified: Option<bool>,
    #[arg(long)]
    display_name: Option<String>,
    #[arg(long)]
    first_name: Option<String>,
    #[arg(long)]
    last_name: Option<String>,
    #[arg(long)]
    avatar_url: Option<String>,
    /// A language tag, like zh-CN.
    #[arg(long)]
    locale: Option<String>,
    /// A time zone, like Asia/Shanghai.
    #[arg(long)]
    timezone: Option<String>,
    /// What the person does in the organisation.
    #[arg(long)]
    position: Option<String>,
    /// A JSON object; an update merges it into what is there.
    #[arg(long, value_name = "JSON")]
    attributes: Option<String>,
}

/// Runs one of the commands.
pub(crate) fn run(command: &UserCommand, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let act = |one: &OneArguments, verb: &'static str| {
        let server = Server::reach(&one.remote, env)?;
        let id = server.id_of(&one.user, verb == "restore")?;
        let user = server.call("POST", &[&id, verb], &[], None)?;
        show_one(&user, one.remote.output)
    };
    match command {
        UserCommand::List(arguments) => list(arguments, env),
        UserCommand::Show(one) => {
            let server = Server::reach(&one.remote, env)?;
            show_one(&server.find(&one.user)?, one.remote.output)
        }
        UserCommand::Create(arguments) => create(arguments, env),
        UserCommand::Update(arguments) => update(arguments, env),
        UserCommand::Lock(one) => act(one, "lock"),
        UserCommand::Unlock(one) => act(one, "unlock"),
        UserCommand::Disable(one) => act(one, "disable"),
        UserCommand::Enable(one) => act(one, "enable"),
        UserCommand::Restore(one) => act(one, "restore"),
        UserCommand::Delete(arguments) => {
            let one = &arguments.one;
            if !arguments.yes {
                return Err(Failure::Usage(format!("confirm with --yes that `{}` is deleted", one.user)));
            }
            let server = Server::reach(&one.remote, env)?;
            let id = server.id_of(&one.user, false)?;
            server.call("DELETE", &[&id], &[], None)?;
            say(&format!("deleted; `signet user restore id:{id}` takes it back"));
            Ok(())
        }
    }
}

fn list(arguments: &ListArguments, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let server = Server::reach(&arguments.remote, env)?;
    let limit = arguments.limit.to_string();
    let given = [
        ("q", arguments.q.as_deref()),
        ("filter", arguments.filter.as_deref()),
        ("sort", arguments.sort.as_deref()),
        ("status", arguments.status.as_deref()),
        ("cursor", arguments.cursor.as_deref()),
        ("limit", Some(limit.as_str())),
    ];
    let query: Vec<(&str, &str)> =
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let page = server.call("GET", &[], &query, None)?;
    if arguments.remote.output != Output::Table {
        return print_value(&page, arguments.remote.output);
    }
    print(&table(items(&page)));
    if let Some(next) = page.get("next").and_then(Value::as_str) {
        say(&format!("there may be more: --cursor {next}"));
    }
    Ok(())
}

fn create(arguments: &CreateArguments, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let mut body = arguments.fields.body()?;
    body.insert("username".to_owned(), json!(arguments.username));
    let server = Server::reach(&arguments.remote, env)?;
    let user = server.call("POST", &[], &[], Some(&body.into()))?;
    show_one(&user, arguments.remote.output)
}

fn update(arguments: &UpdateArguments, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let mut body = arguments.fields.body()?;
    if let Some(username) = &arguments.username {
        body.insert("username".to_owned(), json!(username));
    }
    if let Some(must) = arguments.must_change_password {
        body.insert("must_change_password".to_owned(), json!(must));
    }
    for field in &arguments.clear {
        if body.insert(field.replace('-', "_"), Value::Null).is_some() {
            return Err(Failure::Usage(format!("--clear {field}: a value is given for it too")));
        }
    }
    if body.is_empty() {
        return Err(Failure::Usage("nothing to change is given; see `signet user update --help`".to_owned()));
    }
    let one = &arguments.one;
    let server = Server::reach(&one.remote, env)?;
    let id = server.id_of(&one.user, false)?;
    let user = server.call("PATCH", &[&id], &[], Some(&body.into()))?;
    show_one(&user, one.remote.output)
}

impl Fields {
    fn body(&self) -> Result<Map<String, Value>, Failure> {
        let texts = [
            ("email", &self.email),
            ("phone", &self.phone),
            ("display_name", &self.display_name),
            ("first_name", &self.first_name),
            ("last_name", &self.last_name),
            ("avatar_url", &self.avatar_url),
            ("locale", &self.locale),
            ("timezone", &self.timezone),
            ("position", &self.position),
        ];
        let flags = [("email_verified", self.email_verified), ("phone_verified", self.phone_verified)];
        let mut body = Map::new();
        body.extend(
            texts.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value.as_ref()?)))),
        );
        body.extend(flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?)))));
        if let Some(text) = &self.attributes {
            let attributes: Map<String, Value> = serde_json::from_str(text)
                .map_err(|e| Failure::Usage(format!("--attributes: expected a JSON object: {e}")))?;
            body.insert("attributes".to_owned(), attributes.into());
        }
        Ok(body)
    }
}

/// The users of one tenant on a server, as somebody.
struct Server {
    users: Url,
    token: String,
}

impl Server {
    fn reach(remote: &Remote, env: &BTreeMap<String, String>) -> Result<Self, Failure> {
        let server = server_url(remote.url.as_deref(), env)?;
        let token = login::access_token(remote.token.as_deref(), &server, &remote.tenant, env)?;
        let mut users = server;
        let mut path =
            users.path_segments_mut().map_err(|()| Failure::Usage("--url: no address".to_owned()))?;
        path.clear().extend(["t", remote.tenant.as_str(), "api", "v1", "users"]);
        drop(path);
        Ok(Self { users, token })
    }

    /// Calls what stands at a path below the users.
    fn call(
        &self,
        method: &str,
        below: &[&str],
        query: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Value, Failure> {
        let mut address = self.users.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.extend(below);
        }
        if !query.is_empty() {
            address.query_pairs_mut().extend_pairs(query);
        }
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(address.as_str())
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            // What the command changes, it changes whatever else was changed meanwhile.
            .header("if-match", "*");
        let request = request.body(body.map(Value::to_string).unwrap_or_default());
        let request = request.map_err(|e| Failure::Usage(format!("{address}: {e}")))?;
        Answer::read(agent().run(request), &address)?.json()
    }

    /// The person of a user name or, after `id:`, of an id.
    fn find(&self, user: &str) -> Result<Value, Failure> {
        match user.strip_prefix("id:") {
            Some(id) => self.call("GET", &[id], &[], None),
            None => self.call("GET", &["by-username", user], &[], None),
        }
    }

    fn id_of(&self, user: &str, deleted: bool) -> Result<String, Failure> {
        if let Some(id) = user.strip_prefix("id:") {
            return Ok(id.to_owned());
        }
        let found = if deleted { self.find_deleted(user)? } else { self.find(user)? };
        let id = found.get("id").and_then(Value::as_str).map(str::to_owned);
        id.ok_or_else(|| Failure::Failed("the server's answer has no id".to_owned()))
    }

    /// The one deleted person of a user name, which several may have had.
    fn find_deleted(&self, user: &str) -> Result<Value, Failure> {
        let filter = format!("username eq {} and status eq \"deleted\"", json!(user));
        let limit = NAMESAKES_MAX.to_string();
        let page = self.call("GET", &[], &[("filter", &filter), ("limit", &limit)], None)?;
        match items(&page) {
            [] => Err(Failure::NotFound(format!("nobody who is deleted was called `{user}`"))),
            [one] => Ok(one.clone()),
            several => {
                let ids: Vec<_> = several.iter().filter_map(|user| user.get("id")?.as_str()).collect();
                let ids = ids.join("\n  id:");
                Err(Failure::Failed(format!("several who are deleted were called `{user}`:\n  id:{ids}")))
            }
        }
    }
}

/// The members of a page.
fn items(page: &Value) -> &[Value] {
    page.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn show_one(user: &Value, output: Output) -> Result<(), Failure> {
    if output != Output::Table {
        return print_value(user, output);
    }
    let members = user.as_object().into_iter().flatten();
    let rows: Vec<Vec<String>> = members.map(|(name, value)| vec![name.clone(), cell(value)]).collect();
    print(&aligned(&rows));
    Ok(())
}

fn print_value(value: &Value, output: Output) -> Result<(), Failure> {
    if output == Output::Yaml {
        let text = serde_saphyr::to_string(value).map_err(|e| Failure::Failed(e.to_string()))?;
        print(&text);
    } else {
        print(&format!("{value:#}\n"));
    }
    Ok(())
}

fn table(users: &[Value]) -> String {
    let head = COLUMNS.iter().map(|(title, _)| (*title).to_owned()).collect();
    let mut rows: Vec<Vec<String>> = vec![head];
    rows.extend(users.iter().map(|user| COLUMNS.iter().map(|(_, name)| cell(&user[*name])).collect()));
    aligned(&rows)
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Puts cells below each other, two spaces apart.
fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or_default()).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, widest) in row.iter().zip(&widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(widest + 2 - width(cell)));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// The cells of a terminal that a text takes: two for each character of Chinese, Japanese and Korean.
fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(c, '\u{1100}'..='\u{115F}' | '\u{2E80}'..='\u{A4CF}' | '\u{AC00}'..='\u{D7A3}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FE30}'..='\u{FE4F}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFD}')
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_aligned_also_with_chinese_names() {
        let users = [
            json!({"username": "alice", "status": "active", "email": "a@example.com", "display_name": "张伟", "id": "1"}),
            json!({"username": "bo", "status": "locked", "email": null, "display_name": "Bo", "last_login_at": null, "id": "2"}),
        ];

        assert_eq!(
            table(&users),
            "USERNAME  STATUS  EMAIL          DISPLAY NAME  LAST LOGIN  ID\n\
             alice     active  a@example.com  张伟          -           1\n\
             bo        locked  -              Bo            -           2\n"
        );
    }
}
