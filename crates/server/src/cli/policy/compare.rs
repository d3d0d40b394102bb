//! `signet policy lint` and `diff`: what is suspicious in policies, and what differs between two, on files alone.
//!
//! A file holds a document, a policy with a `document` as the API gives it, or `policies` as `signet apply` reads them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use authz::Action;
use policy::diff::{Change, Content, Diff, Element, StatementDiff, diff};
use policy::lint::{Finding, lint_among, lint_document};
use policy::policy::PRIORITY_MAX;
use policy::{Document, Expression, Policy};
use serde_json::{Value, json};

use super::{Failure, find_files, list_mistakes, parse, print, read};

/// The members of a policy that are compared.
const MEMBERS: [&str; 5] = ["name", "description", "effect", "priority", "expression"];

/// The members of a policy that say what it is linked to.
const LINKS: [&str; 3] = ["permissions", "global_permissions", "resources"];

/// A policy of a file.
pub(super) struct Loaded {
    file: PathBuf,
    /// Its name, where it has one.
    name: Option<String>,
    pub(super) policy: Arc<Policy>,
    /// What it was written as, where that is more than a document.
    written: Option<Value>,
}

impl Loaded {
    /// Where findings about it stand: the file, and the policy in it.
    pub(super) fn place(&self) -> String {
        let name = self.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
        format!("{}{name}", self.file.display())
    }

    /// Whether it says more than its document, by what it is linked to.
    pub(super) fn is_linked(&self) -> bool {
        let links = |written: &Value| {
            LINKS
                .iter()
                .any(|name| written.get(name).and_then(Value::as_array).is_some_and(|all| !all.is_empty()))
        };
        self.written.as_ref().is_some_and(links)
    }

    /// Whether a file for `apply` makes it bind everybody.
    pub(super) fn is_guardrail(&self) -> bool {
        self.written.as_ref().is_some_and(|written| written.get("guardrail") == Some(&Value::Bool(true)))
    }
}

/// Prints what is suspicious in the policies of files, alone and among each other.
///
/// Fails if there is anything, so that a pipeline stops.
pub(super) fn lint(paths: &[PathBuf], as_json: bool) -> Result<(), Failure> {
    let loaded = load_all(paths)?;
    let own_actions: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
    let all: Vec<Arc<Policy>> = loaded.iter().map(|one| one.policy.clone()).collect();
    let mut found: Vec<(&Loaded, Finding)> = Vec::new();
    for one in &loaded {
        let document = one.policy.document();
        let alone = document.map(|document| lint_document(document, &own_actions)).unwrap_or_default();
        let findings = alone.into_iter().chain(lint_among(&one.policy, &all));
        found.extend(findings.map(|finding| (one, finding)));
    }
    print(&if as_json { findings_json(&found) } else { findings_text(&found, loaded.len()) });
    match found.len() {
        0 => Ok(()),
        1 => Err(Failure::Failed("1 finding".to_owned())),
        count => Err(Failure::Failed(format!("{count} findings"))),
    }
}

/// Reads the policies of files and of folders, at least one.
pub(super) fn load_all(paths: &[PathBuf]) -> Result<Vec<Loaded>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        find_files(path, 0, &["json", "yaml", "yml"], &mut files)?;
    }
    files.sort();
    let (mut loaded, mut wrong) = (Vec::new(), String::new());
    for file in &files {
        load(file, &mut loaded, &mut wrong)?;
    }
    if !wrong.is_empty() {
        return Err(Failure::Failed(wrong.trim_end().to_owned()));
    }
    if loaded.is_empty() {
        return Err(Failure::Usage("there are no policies in these files".to_owned()));
    }
    Ok(loaded)
}

fn findings_text(found: &[(&Loaded, Finding)], policies: usize) -> String {
    let mut text = String::new();
    for (one, Finding { path, code, message, suggestion }) in found {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{}: {path}: {code}: {message}; better: {suggestion}", one.place());
    }
    if found.is_empty() {
        let _ = writeln!(text, "nothing found in {policies} policies");
    }
    text
}

fn findings_json(found: &[(&Loaded, Finding)]) -> String {
    let item = |(one, finding): &(&Loaded, Finding)| {
        json!({
            "file": one.file.display().to_string(), "policy": one.name, "path": finding.path,
            "code": finding.code, "message": finding.message, "suggestion": finding.suggestion,
        })
    };
    format!("{:#}\n", json!({ "findings": found.iter().map(item).collect::<Vec<_>>() }))
}

/// Prints what differs between the policies of two files.
///
/// Fails if anything does, as `diff` does.
pub(super) fn compare(before: &Path, after: &Path, as_json: bool) -> Result<(), Failure> {
    let (before, after) = (load_one(before)?, load_one(after)?);
    let both_say_more = before.written.is_some() && after.written.is_some();
    let members = |of: &Loaded| -> Vec<(&'static str, Value)> {
        let written = of.written.as_ref().filter(|_| both_say_more);
        written.iter().flat_map(|written| MEMBERS.map(|name| (name, member(written, name)))).collect()
    };
    let document = |of: &Loaded| of.policy.document().map(|document| document.to_value());
    let (was, now) = (members(&before), members(&after));
    let (old, new) = (document(&before), document(&after));
    let found = diff(
        &Content { members: &was, document: old.as_ref() },
        &Content { members: &now, document: new.as_ref() },
    );
    print(&if as_json { diff_json(&found) } else { diff_text(&found) });
    if found.is_empty() { Ok(()) } else { Err(Failure::Failed("the policies differ".to_owned())) }
}

/// A member of a policy; what is left out has its default.
fn member(written: &Value, name: &str) -> Value {
    match (name, written.get(name)) {
        ("priority", None | Some(Value::Null)) => json!(0),
        ("effect", None | Some(Value::Null)) => json!("allow"),
        (_, found) => found.cloned().unwrap_or_default(),
    }
}

fn load_one(file: &Path) -> Result<Loaded, Failure> {
    let (mut loaded, mut wrong) = (Vec::new(), String::new());
    load(file, &mut loaded, &mut wrong)?;
    if !wrong.is_empty() {
        return Err(Failure::Failed(wrong.trim_end().to_owned()));
    }
    match (loaded.pop(), loaded.is_empty()) {
        (Some(only), true) => Ok(only),
        _ => Err(Failure::Usage(format!("{}: expected one policy", file.display()))),
    }
}

/// Reads the policies of a file. What is wrong with them is added to the mistakes.
fn load(file: &Path, loaded: &mut Vec<Loaded>, wrong: &mut String) -> Result<(), Failure> {
    let text = read(file)?;
    let value = parse(file, &text)?;
    let name = |value: &Value| value.get("name").and_then(Value::as_str).map(str::to_owned);
    if let Some(policies) = value.get("policies").and_then(Value::as_array) {
        for (at, written) in policies.iter().enumerate() {
            load_policy(file, name(written).or_else(|| Some(at.to_string())), written, loaded, wrong);
        }
    } else if value.get("Statement").is_some() || value.get("Version").is_some() {
        // JSON is read as it stands, so that a key that stands twice is found.
        let is_json = text.trim_start().starts_with('{');
        let read = if is_json { Document::parse(&text) } else { Document::from_value(&value) };
        match read {
            Ok(document) => {
                let policy = Policy::new(&file.to_string_lossy(), &file.to_string_lossy());
                let policy = Arc::new(policy.with_document(Arc::new(document)));
                loaded.push(Loaded { file: file.to_owned(), name: None, policy, written: None });
            }
            Err(errors) => list_mistakes(wrong, file, &errors),
        }
    } else if value.get("document").is_some() {
        load_policy(file, name(&value), &value, loaded, wrong);
    } else {
        let expected = "expected a policy document, a policy with a `document`, or `policies`";
        return Err(Failure::Usage(format!("{}: {expected}", file.display())));
    }
    Ok(())
}

fn load_policy(
    file: &Path,
    name: Option<String>,
    written: &Value,
    loaded: &mut Vec<Loaded>,
    wrong: &mut String,
) {
    let of = name.as_deref().unwrap_or_default();
    let mut refuse = |what: String| {
        let _ = writeln!(wrong, "{}: policy `{of}`: {what}", file.display());
    };
    let document = match written.get("document") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(json)) => Document::parse(json).map(Some),
        Some(value) => Document::from_value(value).map(Some),
    };
    let expression = match written.get("expression").and_then(Value::as_str) {
        None => Ok(None),
        Some(text) => Expression::parse(text).map(Some),
    };
    let priority = match written.get("priority") {
        None | Some(Value::Null) => Some(0),
        Some(value) => value.as_u64().and_then(|value| u16::try_from(value).ok()),
    };
    for error in [document.as_ref().err(), expression.as_ref().err()].into_iter().flatten().flatten() {
        refuse(error.to_string());
    }
    let priority = priority.filter(|priority| *priority <= PRIORITY_MAX);
    if priority.is_none() {
        refuse(format!("`priority`: expected a number from 0 to {PRIORITY_MAX}"));
    }
    let (Ok(document), Ok(expression), Some(priority)) = (document, expression, priority) else { return };
    // The place tells policies apart, whose names may be the same in several files.
    let id = format!("{}#{}", file.display(), loaded.len());
    let mut policy = Policy::new(&id, of).with_priority(priority);
    if let Some(document) = document {
        policy = policy.with_document(Arc::new(document));
    }
    if let Some(expression) = expression {
        policy = policy.with_expression(expression);
    }
    let (policy, written) = (Arc::new(policy), Some(written.clone()));
    loaded.push(Loaded { file: file.to_owned(), name, policy, written });
}

fn diff_json(found: &Diff) -> String {
    let element = |one: &Element| json!({ "name": one.name, "before": one.before, "after": one.after });
    let elements = |all: &[Element]| all.iter().map(element).collect::<Vec<_>>();
    let statement = |one: &StatementDiff| {
        json!({
            "change": one.change.as_str(), "sid": one.sid, "before": one.before, "after": one.after,
            "elements": elements(&one.elements),
        })
    };
    let statements: Vec<Value> = found.statements.iter().map(statement).collect();
    format!("{:#}\n", json!({ "members": elements(&found.members), "statements": statements }))
}

fn diff_text(found: &Diff) -> String {
    let mut text = String::new();
    for member in &found.members {
        write_element(&mut text, "", member);
    }
    for one in &found.statements {
        let sign = match one.change {
            Change::Added => '+',
            Change::Removed => '-',
            Change::Changed => '~',
        };
        let sid = one.sid.as_ref().map(|sid| format!(" `{sid}`")).unwrap_or_default();
        let place = match (one.before, one.after) {
            (Some(was), Some(now)) if was != now => format!(" at {was}, now {now}"),
            (_, Some(at)) | (Some(at), None) => format!(" at {at}"),
            (None, None) => String::new(),
        };
        let _ = writeln!(text, "{sign} statement{sid}{place}");
        for element in &one.elements {
            write_element(&mut text, "    ", element);
        }
    }
    if text.is_empty() {
        text.push_str("nothing differs\n");
    }
    text
}

/// One line: `Action: +"a:c" -"a:b"` for lists, otherwise `Effect: "Allow" -> "Deny"`.
fn write_element(into: &mut String, indent: &str, element: &Element) {
    let items = |side: &Option<Value>| -> Vec<String> {
        match side {
            None => Vec::new(),
            Some(Value::Array(list)) => list.iter().map(Value::to_string).collect(),
            Some(single) => vec![single.to_string()],
        }
    };
    let (before, after) = (items(&element.before), items(&element.after));
    let is_list = |side: &Option<Value>| matches!(side, Some(Value::Array(_)));
    let what = if is_list(&element.before) || is_list(&element.after) {
        let gained = after.iter().filter(|item| !before.contains(item)).map(|item| format!("+{item}"));
        let lost = before.iter().filter(|item| !after.contains(item)).map(|item| format!("-{item}"));
        gained.chain(lost).collect::<Vec<_>>().join(" ")
    } else {
        let or_nothing = |items: &[String]| items.first().cloned().unwrap_or_else(|| "nothing".to_owned());
        format!("{} -> {}", or_nothing(&before), or_nothing(&after))
    };
    let _ = writeln!(into, "{indent}{}: {what}", element.name);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_reads_as_lines() {
        let before = json!({
            "Version": "2012-10-17",
            "Statement": [{ "Sid": "A", "Effect": "Allow", "Action": ["a:b"], "Resource": ["*"] }],
        });
        let after = json!({
            "Version": "2012-10-17",
            "Statement": [
                { "Effect": "Deny", "Action": ["a:d"], "Resource": ["x"] },
                { "Sid": "A", "Effect": "Allow", "Action": ["a:c"], "Resource": ["*"] },
            ],
        });
        let (was, now) = ([("priority", json!(0))], [("priority", json!(5))]);
        let found = diff(
            &Content { members: &was, document: Some(&before) },
            &Content { members: &now, document: Some(&after) },
        );

        let expected = "priority: 0 -> 5\n\
                        + statement at 0\n    Action: +\"a:d\"\n    Effect: nothing -> \"Deny\"\n    Resource: +\"x\"\n\
                        ~ statement `A` at 0, now 1\n    Action: +\"a:c\" -\"a:b\"\n";
        assert_eq!(diff_text(&found), expected);
        assert_eq!(diff_text(&Diff::default()), "nothing differs\n");
    }
}
