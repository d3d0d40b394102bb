//! `signet policy explain`: why a question is answered as it is, asked of files or of a server.
//!
//! Of files it is answered by the engine itself, in the form in which a server answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use policy::cases::Suite;
use policy::{Because, Explanation, Failed, Source};
use serde_json::{Map, Value, json};

use super::super::apply::Remote;
use super::super::http::{Answer, agent, server_url};
use super::super::{Failure, login, print};
use super::compare::{Loaded, load_all};
use super::{list_mistakes, parse, read};

/// What `signet policy explain` takes.
#[derive(Debug, Args)]
pub(in super::super) struct ExplainArguments {
    /// Files with the policies that the principal is asked about as if it had them all: documents, policies as the API
    /// gives them, or files for `apply`, whose guardrails bind it. Without files a server is asked.
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Explains a case of a test file, by its name.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["action", "resource", "subject", "context", "now"])]
    case: Option<String>,
    /// Who: `user:` and a user name or id, or `client:` and a `client_id` or id.
    #[arg(long, value_name = "KIND:NAME")]
    subject: Option<String>,
    /// The action, such as `document:read`.
    #[arg(long)]
    action: Option<String>,
    /// The resource, such as `document:plan`.
    #[arg(long)]
    resource: Option<String>,
    /// What is known besides, as `KEY=VALUE`; may be repeated, also with one key.
    #[arg(long, value_name = "KEY=VALUE")]
    context: Vec<String>,
    /// The instant, such as `2026-01-31T12:00:00Z`; of files only, and 1970 where absent.
    #[arg(long)]
    now: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    remote: Remote,
}

impl ExplainArguments {
    fn question(&self) -> Result<(&str, &str), Failure> {
        let missing = |option: &str| Err(Failure::Usage(format!("{option}: say what is asked about")));
        match (&self.action, &self.resource) {
            (Some(action), Some(resource)) => Ok((action, resource)),
            (None, _) => missing("--action"),
            (_, None) => missing("--resource"),
        }
    }

    fn subject(&self) -> Result<Option<(&str, &str)>, Failure> {
        let Some(text) = &self.subject else { return Ok(None) };
        match text.split_once(':') {
            Some((kind @ ("user" | "client"), name)) if !name.is_empty() => Ok(Some((kind, name))),
            _ => Err(Failure::Usage(format!(
                "--subject: found `{text}`, expected `user:NAME` or `client:NAME`"
            ))),
        }
    }

    /// The context, a list where a key has several values.
    fn context(&self) -> Result<Map<String, Value>, Failure> {
        let mut context: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for one in &self.context {
            let Some((key, value)) = one.split_once('=').filter(|(key, _)| !key.is_empty()) else {
                return Err(Failure::Usage(format!("--context: found `{one}`, expected `KEY=VALUE`")));
            };
            context.entry(key).or_default().push(value);
        }
        let value = |values: Vec<&str>| match values.as_slice() {
            [single] => json!(single),
            several => json!(several),
        };
        Ok(context.into_iter().map(|(key, values)| (key.to_owned(), value(values))).collect())
    }
}

/// Explains a decision.
pub(super) fn explain(arguments: &ExplainArguments, env: &BTreeMap<String, String>) -> Result<(), Failure> {
    let answer = match (&arguments.case, arguments.paths.as_slice()) {
        (None, []) => ask_server(arguments, env)?,
        (None, paths) => ask_files(arguments, paths)?,
        (Some(name), [file]) => ask_case(file, name)?,
        (Some(_), _) => return Err(Failure::Usage("--case: expected one test file".to_owned())),
    };
    print(&if arguments.json { format!("{answer:#}\n") } else { in_words(&answer) });
    Ok(())
}

fn ask_server(arguments: &ExplainArguments, env: &BTreeMap<String, String>) -> Result<Value, Failure> {
    if arguments.now.is_some() {
        return Err(Failure::Usage("--now: a server answers by its own clock".to_owned()));
    }
    let (action, resource) = arguments.question()?;
    let Some((kind, name)) = arguments.subject()? else {
        return Err(Failure::Usage("--subject: say who, or name files with policies".to_owned()));
    };
    let Some((scheme, rest)) = resource.split_once(':') else {
        let expected = "expected a name like `document:plan`";
        return Err(Failure::Usage(format!("--resource: found `{resource}`, {expected}")));
    };
    let id = if scheme == "arn" { resource } else { rest };
    let body = json!({
        "subject": { "type": kind, "id": name },
        "action": { "name": action },
        "resource": { "type": scheme, "id": id },
        "context": arguments.context()?,
    });
    let Remote { url, tenant, token } = &arguments.remote;
    let server = server_url(url.as_deref(), env)?;
    let token = login::access_token(token.as_deref(), &server, tenant, env)?;
    let path = format!("/t/{tenant}/access/v1/explanation");
    let address = server.join(&path).map_err(|e| Failure::Usage(e.to_string()))?;
    let response = agent()
        .post(address.as_str())
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .send(body.to_string());
    Answer::read(response, &address)?.json()
}

/// Asks the engine as if the principal had all policies of the files.
fn ask_files(arguments: &ExplainArguments, paths: &[PathBuf]) -> Result<Value, Failure> {
    let (action, resource) = arguments.question()?;
    let loaded = load_all(paths)?;
    if let Some(linked) = loaded.iter().find(|one| one.is_linked()) {
        let why = "it is linked to permissions or resources, which only a server knows";
        return Err(Failure::Usage(format!("{}: {why}", linked.place())));
    }
    let (guardrails, policies): (Vec<&Loaded>, Vec<&Loaded>) =
        loaded.iter().partition(|one| one.is_guardrail());
    let document = |one: &Loaded| one.policy.document().map(|document| document.to_value());
    let said = |one: &&Loaded| {
        let expression = one.policy.expression().map(policy::Expression::as_str);
        json!({ "document": document(one), "expression": expression, "priority": one.policy.priority() })
    };
    let mut case = json!({
        "case": "asked",
        "policies": policies.iter().map(said).collect::<Vec<_>>(),
        "tenant_guardrails": guardrails.iter().filter_map(|one| document(one)).collect::<Vec<_>>(),
        "action": action, "resource": resource, "context": arguments.context()?, "expect": "allow",
    });
    if let Some(now) = &arguments.now {
        put(&mut case, "now", json!(now));
    }
    if let Some((kind, name)) = arguments.subject()? {
        put(&mut case, "principal", json!({ "kind": kind, "id": name, "username": name }));
    }
    let suite = Suite::from_value(&json!({ "cases": [case] })).map_err(|errors| {
        let mut wrong = String::new();
        list_mistakes(&mut wrong, Path::new("the question"), &errors);
        Failure::Usage(wrong.trim_end().to_owned())
    })?;
    let guards: Vec<&Loaded> =
        guardrails.iter().copied().filter(|one| one.policy.document().is_some()).collect();
    let place = |because: &Because| {
        let of = if because.layer == policy::Layer::TenantGuardrail { &guards } else { &policies };
        let number = because_id(because).and_then(|id| id.parse::<usize>().ok());
        number.and_then(|number| of.get(number)).map(|one| one.place()).unwrap_or_default()
    };
    explained(&suite, "asked", &place)
}

fn because_id(because: &Because) -> Option<&str> {
    match &because.source {
        Source::Policy { id, .. } | Source::Link { id, .. } => Some(id),
        Source::Permission { .. } => None,
    }
}

/// Asks a case of a test file.
fn ask_case(file: &Path, name: &str) -> Result<Value, Failure> {
    let suite = Suite::from_value(&parse(file, &read(file)?)?).map_err(|errors| {
        let mut wrong = String::new();
        list_mistakes(&mut wrong, file, &errors);
        Failure::Failed(wrong.trim_end().to_owned())
    })?;
    let place = |because: &Because| match &because.source {
        Source::Policy { name, .. } | Source::Link { name, .. } => name.to_string(),
        Source::Permission { code } => code.to_string(),
    };
    explained(&suite, name, &place)
}

fn explained(suite: &Suite, name: &str, place: &dyn Fn(&Because) -> String) -> Result<Value, Failure> {
    let case = suite.cases().iter().find(|case| case.name() == name);
    let case = case.ok_or_else(|| Failure::NotFound(format!("there is no case `{name}` in this file")))?;
    match case.explain().map_err(Failure::Failed)? {
        Some(explanation) => Ok(as_answer(&explanation, place)),
        None => Err(Failure::Usage(format!("the case `{name}` asks no question"))),
    }
}

/// Adds a member to an object.
fn put(object: &mut Value, name: &str, member: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), member);
    }
}

/// An explanation in the form of a server's answer.
fn as_answer(explanation: &Explanation, place: &dyn Fn(&Because) -> String) -> Value {
    let because = |because: &Because| {
        json!({
            "effect": because.effect.as_str().to_ascii_lowercase(), "layer": because.layer.as_str(),
            "priority": because.priority, "roles": [], "policy": place(because),
            "statement": because.statement, "sid": because.sid.as_deref(),
        })
    };
    let failed = |failed: &Failed| match failed {
        Failed::Condition { operator, key, why } => json!({
            "part": failed.as_str(), "operator": operator, "key": key.name(), "why": why.as_str(),
        }),
        other => json!({ "part": other.as_str() }),
    };
    let miss = |miss: &policy::Miss| {
        let mut said = because(&miss.statement);
        put(&mut said, "failed", miss.failed.iter().map(failed).collect());
        said
    };
    let decision = &explanation.decision;
    json!({
        "decision": decision.is_allowed(),
        "context": {
            "denial": decision.denial.map(policy::Denial::as_str),
            "because": decision.because.iter().map(because).collect::<Vec<_>>(),
            "errors": decision.errors.iter().map(because).collect::<Vec<_>>(),
            "nearest": explanation.misses.iter().map(miss).collect::<Vec<_>>(),
            "nearest_complete": explanation.complete,
        },
    })
}

/// An answer for people.
fn in_words(answer: &Value) -> String {
    let context = &answer["context"];
    let mut text = match (answer["decision"].as_bool(), context["denial"].as_str()) {
        (Some(true), _) => "allowed\n".to_owned(),
        (_, Some(denial)) => format!("denied: {denial}\n"),
        (_, None) => "denied\n".to_owned(),
    };
    for (title, member) in
        [("because of", "because"), ("could not be judged", "errors"), ("nearly applied", "nearest")]
    {
        let list = context[member].as_array().map(Vec::as_slice).unwrap_or_default();
        if !list.is_empty() {
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{title}:");
        }
        for statement in list {
            let _ = writeln!(text, "  {}", statement_in_words(statement));
        }
    }
    if context["nearest_complete"] == false {
        text.push_str("there are too many statements to look at all of them\n");
    }
    let keys = context["failed_keys"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !keys.is_empty() {
        let keys: Vec<&str> = keys.iter().filter_map(Value::as_str).collect();
        let _ = writeln!(text, "not as policies want them: {}", keys.join(", "));
    }
    text
}

fn statement_in_words(statement: &Value) -> String {
    let word = |name: &str| statement[name].as_str().unwrap_or_default();
    let mut text = word("layer").to_owned();
    let roles = statement["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    let roles: Vec<&str> = roles.iter().filter_map(Value::as_str).collect();
    if !roles.is_empty() {
        let _ = write!(text, ", role {}", roles.join(" < "));
    }
    for (name, what) in [("policy", "policy"), ("permission", "permission")] {
        if !word(name).is_empty() {
            let _ = write!(text, ", {what} {}", word(name));
        }
    }
    let _ = write!(text, ", statement {}", statement["statement"]);
    if !word("sid").is_empty() {
        let _ = write!(text, " ({})", word("sid"));
    }
    let _ = write!(text, ", {} at priority {}", word("effect"), statement["priority"]);
    let failed = statement["failed"].as_array().map(Vec::as_slice).unwrap_or_default();
    let failed: Vec<String> = failed.iter().map(failed_in_words).collect();
    if failed.is_empty() { text } else { format!("{text}: {}", failed.join(", ")) }
}

fn failed_in_words(failed: &Value) -> String {
    let word = |name: &str| failed[name].as_str().unwrap_or_default();
    match word("part") {
        "condition" => {
            let why = match word("why") {
                "absent" => "is absent",
                "unreadable" => "has a value that cannot be read",
                _ => "has another value",
            };
            format!("`{}` {why} ({})", word("key"), word("operator"))
        }
        "expression" => "the expression of its policy is not true".to_owned(),
        part => format!("it is about another {part}"),
    }
}
