//! The table of known answers in `tests/known/*.yaml`: read here into worlds and questions, and put to the oracle.
//! The same cases can be put to anything else that answers.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::naive::{Kind, answer, mistakes};
use crate::world::{Answer, Ask, Denial, Effect, WLink, WPolicy, WRole, World};

/// The fewest cases that the table may have.
const CASES_MIN: usize = 300;

/// One entry of the table.
pub(crate) struct Case {
    /// File and sentence, for messages.
    pub(crate) name: String,
    pub(crate) kind: CaseKind,
}

pub(crate) enum CaseKind {
    Decision(Box<Decision>),
    Refused {
        document: Value,
        /// A JSON pointer to one of the mistakes.
        at: String,
    },
}

pub(crate) struct Decision {
    pub(crate) world: World,
    pub(crate) ask: Ask,
    pub(crate) effect: Effect,
    pub(crate) denial: Option<Denial>,
    /// How many statements erred.
    pub(crate) errors: Option<usize>,
}

/// Reads all cases, in the order of the file names.
pub(crate) fn cases() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/known");
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| read_file(path)).collect()
}

fn read_file(path: &Path) -> Vec<Case> {
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let text = fs::read_to_string(path).unwrap();
    let table: Value = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"));
    only(&table, &["documents", "cases"], &file);
    let documents = &table["documents"];
    table["cases"].as_array().unwrap().iter().map(|case| read_case(&file, documents, case)).collect()
}

fn read_case(file: &str, documents: &Value, case: &Value) -> Case {
    let name = format!("{file}: {}", case["case"].as_str().unwrap());
    if let Some(at) = case.get("refused_at") {
        only(case, &["case", "source", "document", "refused_at"], &name);
        let (document, at) = (case["document"].clone(), at.as_str().unwrap().to_owned());
        return Case { name, kind: CaseKind::Refused { document, at } };
    }
    only(
        case,
        &[
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
        ],
        &name,
    );
    let effect = match case["expect"].as_str().unwrap() {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        other => panic!("{name}: expects `{other}`"),
    };
    let decision = Decision {
        world: read_world(documents, case, &name),
        ask: read_ask(documents, case, &name),
        effect,
        denial: case.get("denial").map(|kind| read_denial(kind.as_str().unwrap(), &name)),
        errors: case.get("errors").map(|count| usize::try_from(count.as_u64().unwrap()).unwrap()),
    };
    Case { name, kind: CaseKind::Decision(Box::new(decision)) }
}

fn read_world(documents: &Value, case: &Value, name: &str) -> World {
    let list = |element: &str| read_documents(documents, &case[element], name).unwrap_or_default();
    let none = Vec::new();
    let policies: Vec<WPolicy> = case["policies"]
        .as_array()
        .unwrap_or(&none)
        .iter()
        .enumerate()
        .map(|(number, policy)| read_policy(documents, number, policy, name))
        .collect();
    let resource = case["resource"].as_str().unwrap();
    let chain: Vec<String> = [resource.to_owned()].into_iter().chain(texts(&case["ancestors"])).collect();
    World {
        tenant: tenant(case),
        roles: vec![WRole { id: "role".into(), policies: (0..policies.len()).collect(), ..WRole::default() }],
        policies,
        platform_guardrails: list("platform_guardrails"),
        tenant_guardrails: list("tenant_guardrails"),
        resource_policies: case
            .get("resource_policy")
            .map(|said| (resource.to_owned(), read_document(documents, said, Kind::Resource, name)))
            .into_iter()
            .collect(),
        parents: chain.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
    }
}

fn read_ask(documents: &Value, case: &Value, name: &str) -> Ask {
    let principal = &case["principal"];
    let now = case.get("now").map_or(0, |now| crate::naive::instant_micros(now.as_str().unwrap()));
    let mut context = BTreeMap::new();
    if let Some(username) = principal["username"].as_str() {
        context.insert("aws:username".to_owned(), vec![username.to_owned()]);
    }
    let none = serde_json::Map::new();
    for (key, values) in case["context"].as_object().unwrap_or(&none) {
        context.insert(key.to_lowercase(), texts(values));
    }
    Ask {
        principal: principal["id"].as_str().unwrap_or("u1").to_owned(),
        kind: "user".into(),
        active: principal["active"].as_bool().unwrap_or(true),
        roles: vec!["role".into()],
        policies: Vec::new(),
        boundary: read_documents(documents, &case["boundary"], name),
        session: read_documents(documents, &case["session"], name),
        scope: read_documents(documents, &case["token_scope"], name),
        action: case["action"].as_str().unwrap().to_owned(),
        resource: case["resource"].as_str().unwrap().to_owned(),
        now,
        context,
    }
}

/// A name, a document, or an object with `document`, `expression`, `links`, `resources`, `priority`, `effect`.
fn read_policy(documents: &Value, number: usize, said: &Value, name: &str) -> WPolicy {
    let mut policy = WPolicy {
        id: format!("p{number}"),
        priority: 0,
        effect: Effect::Allow,
        document: None,
        links: Vec::new(),
        linked_resources: Vec::new(),
        expression: None,
    };
    if said.is_string() || said.get("Statement").is_some() {
        policy.document = Some(read_document(documents, said, Kind::Identity, name));
        return policy;
    }
    only(said, &["document", "expression", "links", "resources", "priority", "effect"], name);
    policy.document = said.get("document").map(|said| read_document(documents, said, Kind::Identity, name));
    policy.expression = said.get("expression").map(|text| text.as_str().unwrap().to_owned());
    policy.priority = said["priority"].as_u64().unwrap_or(0).try_into().unwrap();
    policy.effect = read_effect(&said["effect"]).unwrap_or(Effect::Allow);
    policy.linked_resources = texts(&said["resources"]);
    let none = Vec::new();
    for link in said["links"].as_array().unwrap_or(&none) {
        only(link, &["actions", "effect"], name);
        policy.links.push(WLink { actions: texts(&link["actions"]), effect: read_effect(&link["effect"]) });
    }
    policy
}

fn read_effect(said: &Value) -> Option<Effect> {
    said.as_str().map(|effect| match effect {
        "allow" => Effect::Allow,
        "deny" => Effect::Deny,
        other => panic!("an effect `{other}`"),
    })
}

fn read_denial(kind: &str, name: &str) -> Denial {
    match kind {
        "inactive" => Denial::Inactive,
        "guardrail" => Denial::Guardrail,
        "boundary" => Denial::Boundary,
        "session" => Denial::Session,
        "scope" => Denial::Scope,
        "resource_policy" => Denial::ResourcePolicy,
        "explicit_deny" => Denial::ExplicitDeny,
        "nothing_applies" => Denial::NothingApplies,
        other => panic!("{name}: a denial `{other}`"),
    }
}

fn read_documents(documents: &Value, said: &Value, name: &str) -> Option<Vec<Value>> {
    said.as_array()
        .map(|list| list.iter().map(|said| read_document(documents, said, Kind::Identity, name)).collect())
}

fn read_document(documents: &Value, said: &Value, kind: Kind, name: &str) -> Value {
    let document = match said.as_str() {
        Some(of) => documents.get(of).unwrap_or_else(|| panic!("{name}: no document `{of}`")),
        None => said,
    };
    assert_eq!(mistakes(document, kind), Vec::<String>::new(), "{name}: {document}");
    document.clone()
}

/// A scalar or a list of them.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(list) => list.iter().flat_map(texts).collect(),
        Value::String(text) => vec![text.clone()],
        other => vec![other.to_string()],
    }
}

fn tenant(case: &Value) -> String {
    case["tenant"].as_str().unwrap_or("t1").to_owned()
}

/// A misspelt field would make a case prove less than it says.
fn only(value: &Value, known: &[&str], name: &str) {
    for key in value.as_object().unwrap_or_else(|| panic!("{name}: not an object: {value}")).keys() {
        assert!(known.contains(&key.as_str()), "{name}: an unknown field `{key}`");
    }
}

/// The expressions that the table and the generated worlds use, as the oracle knows them.
pub(crate) fn expression(text: &str, ask: &Ask) -> Result<bool, ()> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        "principal.id == 'u1'" => Ok(ask.principal == "u1"),
        "1 / 0 == 1" => Err(()),
        other => panic!("the oracle does not know the expression `{other}`"),
    }
}

/// Puts every case to `ask_it`, and every document that is to be refused to `refuse`, which gives the places of the
/// mistakes. Returns one line for each case that is answered otherwise.
pub(crate) fn wrong_answers(
    ask_it: &dyn Fn(&World, &Ask) -> Answer,
    refuse: &dyn Fn(&Value) -> Vec<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for Case { name, kind } in cases() {
        match kind {
            CaseKind::Refused { document, at } => {
                let found = refuse(&document);
                if !found.contains(&at) {
                    wrong.push(format!("{name}: to be refused at `{at}`, refused at {found:?}"));
                }
            }
            CaseKind::Decision(decision) => {
                let Decision { world, ask, effect, denial, errors } = *decision;
                let answer = ask_it(&world, &ask);
                let same = answer.effect == effect
                    && denial.is_none_or(|denial| answer.denial == Some(denial))
                    && errors.is_none_or(|errors| answer.erring.len() == errors);
                if !same {
                    wrong.push(format!(
                        "{name}: expected {effect:?} {denial:?} {errors:?}, answered {answer:?}"
                    ));
                }
            }
        }
    }
    wrong
}

#[test]
fn the_oracle_gives_the_known_answers() {
    let wrong = wrong_answers(&|world, ask| answer(world, ask, &expression), &|document| {
        mistakes(document, Kind::Identity)
    });

    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_table_of_known_answers_says_nothing_twice_and_has_answers_of_every_kind() {
    let cases = cases();
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();

    assert!(cases.len() >= CASES_MIN, "{} cases", cases.len());
    assert_eq!(names.windows(2).find(|pair| pair[0] == pair[1]), None);
    let decisions: Vec<&Decision> = cases
        .iter()
        .filter_map(|case| match &case.kind {
            CaseKind::Decision(decision) => Some(&**decision),
            CaseKind::Refused { .. } => None,
        })
        .collect();
    let denials =
        |denial: Denial| decisions.iter().filter(|decision| decision.denial == Some(denial)).count();
    for denial in [
        Denial::Inactive,
        Denial::Guardrail,
        Denial::Boundary,
        Denial::Session,
        Denial::Scope,
        Denial::ResourcePolicy,
        Denial::ExplicitDeny,
        Denial::NothingApplies,
    ] {
        assert!(denials(denial) > 0, "no case of {denial:?}");
    }
    let allowed = decisions.iter().filter(|decision| decision.effect == Effect::Allow).count();
    assert!(
        allowed > decisions.len() / 4 && allowed < decisions.len() * 3 / 4,
        "{allowed} of {}",
        decisions.len()
    );
}
