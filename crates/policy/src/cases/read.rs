//! Reads cases. Nothing is ignored: a misspelt field would make a case prove less than it says.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::{Asked, CASES_MAX, Case, CaseKind, Ceilings, Given, Suite, document, role};
use crate::document::{Kind, ParseError};
use crate::expression::Expression;
use crate::key::{Key, Known};
use crate::policy::{PRIORITY_MAX, Policy};
use crate::snapshot::{Denial, Input};
use crate::statement::{Effect, Statement};
use crate::value::{Stored, parse_time};

const CASE: [&str; 19] = [
    "case",
    "source",
    "policies",
    "platform_guardrails",
    "tenant_guardrails",
    "boundary",
    "session",
    "token_scope",
    "resource_policy",
    "tenant",
    "principal",
    "action",
    "resource",
    "ancestors",
    "now",
    "context",
    "expect",
    "denial",
    "errors",
];
const REFUSED: [&str; 4] = ["case", "source", "document", "refused_at"];
const POLICY: [&str; 6] = ["document", "expression", "links", "resources", "priority", "effect"];
const PRINCIPAL: [&str; 4] = ["id", "kind", "username", "active"];

type Mistakes = Vec<ParseError>;

/// A value and its place.
#[derive(Clone)]
struct At<'v> {
    value: &'v Json,
    path: String,
}

impl<'v> At<'v> {
    fn key(&self, key: &str) -> Option<At<'v>> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(At { value, path: format!("{}/{}", self.path, key.replace('~', "~0").replace('/', "~1")) })
    }

    fn wrong(&self, expected: &str) -> Mistakes {
        let mut found = self.value.to_string();
        if found.chars().count() > 60 {
            found = found.chars().take(60).chain(['…']).collect();
        }
        vec![ParseError {
            path: self.path.clone(),
            found: format!("`{found}`"),
            expected: expected.to_owned(),
        }]
    }

    fn map(&self, known: &[&str]) -> Result<&'v Map<String, Json>, Mistakes> {
        let map = self.value.as_object().ok_or_else(|| self.wrong("a mapping"))?;
        match map.keys().find(|key| !known.is_empty() && !known.contains(&key.as_str())) {
            None => Ok(map),
            Some(key) => Err(vec![ParseError {
                path: format!("{}/{key}", self.path),
                found: format!("the field `{key}`"),
                expected: format!("only `{}`", known.join("`, `")),
            }]),
        }
    }

    fn list(&self) -> Result<Vec<At<'v>>, Mistakes> {
        let list = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        let item = |(at, value)| At { value, path: format!("{}/{at}", self.path) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    fn text(&self) -> Result<&'v str, Mistakes> {
        self.value.as_str().ok_or_else(|| self.wrong("a text"))
    }

    fn required(&self, key: &str) -> Result<At<'v>, Mistakes> {
        self.key(key).ok_or_else(|| {
            vec![ParseError {
                path: self.path.clone(),
                found: format!("no `{key}`"),
                expected: format!("the field `{key}`"),
            }]
        })
    }

    fn texts(&self) -> Result<Vec<String>, Mistakes> {
        self.list()?.iter().map(|item| item.text().map(str::to_owned)).collect()
    }
}

pub(super) fn suite(value: &Json) -> Result<Suite, Mistakes> {
    let root = At { value, path: String::new() };
    root.map(&["documents", "cases"])?;
    let documents = root.key("documents");
    let list = root.required("cases")?.list()?;
    if list.len() > CASES_MAX {
        return Err(root.wrong(&format!("at most {CASES_MAX} cases")));
    }
    let (mut cases, mut mistakes) = (Vec::new(), Vec::new());
    for case in &list {
        match read_case(documents.as_ref(), case) {
            Ok(case) => cases.push(case),
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() { Ok(Suite { cases }) } else { Err(mistakes) }
}

fn read_case(documents: Option<&At<'_>>, case: &At<'_>) -> Result<Case, Mistakes> {
    let name = case.required("case")?.text()?.to_owned();
    if let Some(at) = case.key("refused_at") {
        case.map(&REFUSED)?;
        let document = case.required("document")?.value.clone();
        return Ok(Case { name, kind: CaseKind::Refused { document, at: at.text()?.to_owned() } });
    }
    case.map(&CASE)?;
    let expect = case.required("expect")?;
    let effect = read_effect(&expect)?;
    let resource = case.required("resource")?.text()?.to_owned();
    let now = match case.key("now") {
        None => 0,
        Some(now) => {
            parse_time(now.text()?).ok_or_else(|| now.wrong("an instant such as `2026-01-31T12:00:00Z`"))?
        }
    };
    let principal = case.key("principal");
    let active = match principal.as_ref().and_then(|principal| principal.key("active")) {
        None => true,
        Some(active) => active.value.as_bool().ok_or_else(|| active.wrong("`true` or `false`"))?,
    };
    let tenant = match case.key("tenant") {
        None => "t1".to_owned(),
        Some(tenant) => tenant.text()?.to_owned(),
    };
    let asked = Asked {
        input: read_input(documents, case, &tenant, &resource)?,
        ceilings: Ceilings {
            boundary: read_ceiling(documents, case, "boundary")?,
            session: read_ceiling(documents, case, "session")?,
            scope: read_ceiling(documents, case, "token_scope")?,
        },
        active,
        action: case.required("action")?.text()?.to_owned(),
        resource,
        now,
        given: read_given(case, principal.as_ref(), &tenant)?,
        effect,
        denial: case.key("denial").map(|denial| read_denial(&denial)).transpose()?,
        errors: match case.key("errors") {
            None => None,
            Some(count) => {
                let read = count.value.as_u64().and_then(|count| usize::try_from(count).ok());
                Some(read.ok_or_else(|| count.wrong("a count"))?)
            }
        },
    };
    Ok(Case { name, kind: CaseKind::Decision(Box::new(asked)) })
}

fn read_input(
    documents: Option<&At<'_>>,
    case: &At<'_>,
    tenant: &str,
    resource: &str,
) -> Result<Input, Mistakes> {
    let mut policies = Vec::new();
    if let Some(list) = case.key("policies") {
        for (number, said) in list.list()?.iter().enumerate() {
            policies.push(read_policy(documents, number, said)?);
        }
    }
    let mut input =
        Input { tenant: tenant.to_owned(), roles: vec![role(&policies)], policies, ..Input::default() };
    input.platform_guardrail = read_ceiling(documents, case, "platform_guardrails")?;
    input.tenant_guardrail = read_ceiling(documents, case, "tenant_guardrails")?;
    if let Some(said) = case.key("resource_policy") {
        let policy = Policy::new("resource", &label(&said, 0)).with_document(read_document(
            documents,
            &said,
            Kind::Resource,
        )?);
        input.resource_policies.push((resource.to_owned(), policy));
    }
    let ancestors = case.key("ancestors").map(|list| list.texts()).transpose()?.unwrap_or_default();
    let mut child = resource.to_owned();
    for ancestor in ancestors {
        input.parents.insert(child.as_str().into(), ancestor.as_str().into());
        child = ancestor;
    }
    Ok(input)
}

/// A list of documents; an empty list is no ceiling.
fn read_ceiling(
    documents: Option<&At<'_>>,
    case: &At<'_>,
    name: &str,
) -> Result<Option<Vec<Policy>>, Mistakes> {
    let Some(list) = case.key(name) else { return Ok(None) };
    let mut policies = Vec::new();
    for (number, said) in list.list()?.iter().enumerate() {
        let document = read_document(documents, said, Kind::Identity)?;
        policies.push(Policy::new(&format!("{number:04}"), &label(said, number)).with_document(document));
    }
    Ok((!policies.is_empty()).then_some(policies))
}

/// A name, a document, or an object of parts.
fn read_policy(documents: Option<&At<'_>>, number: usize, said: &At<'_>) -> Result<Policy, Mistakes> {
    let policy = Policy::new(&format!("{number:04}"), &label(said, number));
    if said.value.is_string() || said.value.get("Statement").is_some() {
        return Ok(policy.with_document(read_document(documents, said, Kind::Identity)?));
    }
    said.map(&POLICY)?;
    let mut policy = policy;
    if let Some(document) = said.key("document") {
        policy = policy.with_document(read_document(documents, &document, Kind::Identity)?);
    }
    if let Some(text) = said.key("expression") {
        let parsed = Expression::parse(text.text()?).map_err(|errors| {
            let place =
                |error: ParseError| ParseError { path: format!("{} {}", text.path, error.path), ..error };
            errors.into_iter().map(place).collect::<Vec<_>>()
        })?;
        policy = policy.with_expression(parsed);
    }
    if let Some(priority) = said.key("priority") {
        let read = priority.value.as_u64().and_then(|value| u16::try_from(value).ok());
        let read = read.filter(|value| *value <= PRIORITY_MAX);
        policy = policy.with_priority(read.ok_or_else(|| priority.wrong("a number from 0 to 1000"))?);
    }
    let effect = said.key("effect").map(|effect| read_effect(&effect)).transpose()?;
    Ok(policy.with_links(read_links(said, effect.unwrap_or(Effect::Allow))?))
}

fn read_links(said: &At<'_>, own: Effect) -> Result<Vec<Statement>, Mistakes> {
    let Some(links) = said.key("links") else { return Ok(Vec::new()) };
    let names = said.key("resources").map(|list| list.texts()).transpose()?.unwrap_or_default();
    let names: Arc<HashSet<Box<str>>> = Arc::new(names.into_iter().map(Into::into).collect());
    let mut statements = Vec::new();
    for link in links.list()? {
        link.map(&["actions", "effect"])?;
        let effect = link.key("effect").map(|effect| read_effect(&effect)).transpose()?.unwrap_or(own);
        let listed = link.required("actions")?;
        let actions = listed.texts()?;
        let actions: Vec<&str> = actions.iter().map(String::as_str).collect();
        let statement = match (names.is_empty(), effect) {
            (true, Effect::Allow) => continue,
            (true, Effect::Deny) => Statement::deny(&actions, &["*"])?,
            (false, effect) => Statement::within(effect, &actions, &names)
                .map_err(|error| listed.wrong(&error.to_string()))?,
        };
        statements.push(statement.of_permission(&actions.join(" ")));
    }
    Ok(statements)
}

fn read_document(
    documents: Option<&At<'_>>,
    said: &At<'_>,
    kind: Kind,
) -> Result<Arc<crate::document::Document>, Mistakes> {
    let found = match said.value.as_str() {
        None => said.clone(),
        Some(name) => documents
            .and_then(|documents| documents.key(name))
            .ok_or_else(|| said.wrong("a name under `documents`"))?,
    };
    document(found.value, kind).map_err(|errors| {
        let place = |error: ParseError| ParseError { path: format!("{}{}", found.path, error.path), ..error };
        errors.into_iter().map(place).collect::<Vec<_>>()
    })
}

fn label(said: &At<'_>, number: usize) -> String {
    said.value.as_str().map_or_else(|| format!("#{number}"), str::to_owned)
}

fn read_effect(said: &At<'_>) -> Result<Effect, Mistakes> {
    match said.text()? {
        "allow" => Ok(Effect::Allow),
        "deny" => Ok(Effect::Deny),
        _ => Err(said.wrong("`allow` or `deny`")),
    }
}

fn read_denial(said: &At<'_>) -> Result<Denial, Mistakes> {
    let word = said.text()?;
    let found = Denial::ALL.into_iter().find(|denial| denial.as_str() == word);
    found.ok_or_else(|| {
        let words: Vec<&str> = Denial::ALL.iter().map(|denial| denial.as_str()).collect();
        said.wrong(&format!("one of `{}`", words.join("`, `")))
    })
}

/// What is known: condition keys under `context`, and the principal.
fn read_given(case: &At<'_>, principal: Option<&At<'_>>, tenant: &str) -> Result<Given, Mistakes> {
    let mut given = Given::default();
    let text_of = |name: &str, default: Option<&str>| -> Result<Option<String>, Mistakes> {
        match principal.and_then(|principal| principal.key(name)) {
            Some(found) => Ok(Some(found.text()?.to_owned())),
            None => Ok(default.map(str::to_owned)),
        }
    };
    let id = text_of("id", Some("u1"))?.unwrap_or_default();
    let kind = text_of("kind", Some("user"))?.unwrap_or_default();
    let username = text_of("username", None)?;
    if let Some(principal) = principal {
        principal.map(&PRINCIPAL)?;
    }
    let mut set = |known: Known, text: String| given.known.push((known, Stored::One(text.into())));
    set(Known::PrincipalArn, format!("arn:signet:iam::{tenant}:{kind}/{id}"));
    set(Known::UserId, id);
    set(Known::PrincipalType, if kind == "client" { "Client" } else { "User" }.to_owned());
    if let Some(username) = username {
        set(Known::Username, username);
    }
    let Some(context) = case.key("context") else { return Ok(given) };
    for (name, _) in context.map(&[])? {
        let Some(value) = context.key(name) else { continue };
        let stored = read_stored(&value)?;
        match Key::parse(name).ok_or_else(|| value.wrong("a condition key as its name"))? {
            Key::Known(known) => given.known.push((known, stored)),
            Key::Tag(tagged, name) => given.tags.entry(tagged).or_default().push((name, stored)),
            Key::Other(name) => given.context.push((name, stored)),
        }
    }
    Ok(given)
}

fn read_stored(value: &At<'_>) -> Result<Stored, Mistakes> {
    let single = |value: &Json| -> Option<Box<str>> {
        match value {
            Json::String(text) => Some(text.as_str().into()),
            Json::Bool(_) | Json::Number(_) => Some(value.to_string().into()),
            _ => None,
        }
    };
    let wrong = || value.wrong("a text, a number, `true` or `false`, or a list of them");
    match value.value {
        Json::Array(list) => {
            list.iter().map(single).collect::<Option<_>>().map(Stored::Many).ok_or_else(wrong)
        }
        Json::Bool(known) => Ok(Stored::Bool(*known)),
        Json::Number(number) => Ok(match number.as_i64() {
            Some(whole) => Stored::Int(whole),
            None => Stored::Decimal(number.to_string().into()),
        }),
        other => single(other).map(Stored::One).ok_or_else(wrong),
    }
}
