//! Generated worlds and questions that meet often: few names, few segments, wildcards in odd places.
//!
//! Everything is drawn from a list of rolls, so that a shorter list, or smaller rolls, give a smaller world: what
//! proptest shrinks, and what a fuzz target can feed.

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any};
use serde_json::{Map, Value, json};

use crate::world::{Ask, Effect, WLink, WPolicy, WRole, World};

/// Questions put to one world.
const ASKS: usize = 3;
const ROLLS_MIN: usize = 300;
const ROLLS_MAX: usize = 1000;

/// A world, questions about it, and a change that the laws may make.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) world: World,
    pub(crate) asks: Vec<Ask>,
    pub(crate) change: Change,
}

/// What the laws add where they add something.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    /// A statement with the effect Deny, without a principal.
    pub(crate) deny: Value,
    pub(crate) priority: u16,
    /// An operator, a key and values, to be added to a condition.
    pub(crate) operator: String,
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

pub(crate) fn scenarios() -> impl Strategy<Value = Scenario> {
    vec(any::<u16>(), ROLLS_MIN..ROLLS_MAX).prop_map(|rolls| scenario(&rolls))
}

/// The scenario of a list of rolls. Where the list ends, every further roll is 0.
pub(crate) fn scenario(rolls: &[u16]) -> Scenario {
    let mut dice = Dice { rolls, at: 0 };
    // The question first: what comes late has few rolls left.
    let names: Vec<String> = (0..4).map(|_| resource_name(&mut dice)).collect();
    let policies_count = 1 + dice.roll(6);
    let asks: Vec<Ask> = (0..ASKS).map(|_| ask(&mut dice, &names, policies_count)).collect();
    let (operator, key, values) = comparison(&mut dice);
    let change = Change {
        deny: statement(&mut dice, Effect::Deny),
        priority: priority(&mut dice),
        operator,
        key,
        values,
    };
    Scenario { world: world(&mut dice, &names, policies_count), asks, change }
}

/// The list of rolls, and how far it is used.
struct Dice<'r> {
    rolls: &'r [u16],
    at: usize,
}

impl Dice<'_> {
    /// A number below `sides`; 0 at the end of the list.
    fn roll(&mut self, sides: usize) -> usize {
        let rolled = self.rolls.get(self.at).copied().unwrap_or(0);
        self.at += 1;
        usize::from(rolled) % sides
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.roll(from.len())]
    }

    /// Whether something that happens in so many of a hundred cases happens.
    fn happens(&mut self, percent: usize) -> bool {
        self.roll(100) >= 100 - percent
    }

    fn texts(&mut self, count_max: usize, one: impl Fn(&mut Self) -> String) -> Vec<String> {
        (0..=self.roll(count_max)).map(|_| one(self)).collect()
    }
}

// ---- Names and patterns.

const ACTIONS: [&str; 6] = ["a:Get", "a:Put", "b:Get", "b:GetAll", "A:get", "platform:Get"];
const ACTION_PATTERNS: [&str; 12] = [
    "a:Get",
    "*",
    "a:*",
    "A:GET",
    "*:Get",
    "?:Get*",
    "b:Get?l*",
    "a:?ut",
    "platform:*",
    "*Get",
    "b:*",
    "a:P*t*",
];
const SEGMENTS: [&str; 4] = ["x", "y", "xy", "d"];
const PATTERN_SEGMENTS: [&str; 14] = [
    "x",
    "*",
    "y",
    "d",
    "?",
    "x*",
    "*y",
    "xy",
    "${aws:username}",
    "${aws:PrincipalTag/team}",
    "${aws:principaltag/team, 'x'}",
    "?${AWS:username}",
    "${*}",
    "**",
];
const SIGNET_NAMES: [&str; 4] = [
    "arn:signet:iam::t1:user/x",
    "arn:signet:iam::t2:user/x",
    "arn:aws:s3:::x/y",
    "arn:signet:iam::t2:user/y",
];
const SIGNET_PATTERNS: [&str; 8] = [
    "arn:signet:iam::t1:user/*",
    "arn:signet:iam::t2:user/*",
    "arn:signet:*:*:*:user/x",
    "arn:signet:*",
    "arn:aws:s3:::x/*",
    "arn:*:*::*:*",
    "arn:signet:iam::t2:user/${aws:username}",
    "arn:signet:iam:?:t2:*",
];

fn resource_name(dice: &mut Dice<'_>) -> String {
    if dice.happens(15) {
        return dice.pick(&SIGNET_NAMES).to_owned();
    }
    of_parts(dice, &SEGMENTS)
}

fn resource_pattern(dice: &mut Dice<'_>) -> String {
    match dice.roll(10) {
        0..=3 => "*".to_owned(),
        4 => dice.pick(&SIGNET_PATTERNS).to_owned(),
        _ => of_parts(dice, &PATTERN_SEGMENTS),
    }
}

/// One to three parts of one or two segments.
fn of_parts(dice: &mut Dice<'_>, segments: &[&str]) -> String {
    let part = |dice: &mut Dice<'_>| dice.texts(2, |dice| dice.pick(segments).to_owned()).join("/");
    dice.texts(3, part).join(":")
}

// ---- Statements.

fn statement(dice: &mut Dice<'_>, effect: Effect) -> Value {
    let mut said = Map::new();
    let is_allow = effect == Effect::Allow;
    said.insert("Effect".into(), json!(if is_allow { "Allow" } else { "Deny" }));
    let not_action = dice.happens(12);
    let not_resource = dice.happens(12) && !(is_allow && not_action);
    let actions = dice.texts(3, |dice| dice.pick(&ACTION_PATTERNS).to_owned());
    let resources = dice.texts(3, resource_pattern);
    said.insert((if not_action { "NotAction" } else { "Action" }).into(), json!(actions));
    said.insert((if not_resource { "NotResource" } else { "Resource" }).into(), json!(resources));
    let comparisons = [0, 0, 1, 1, 2][dice.roll(5)];
    if comparisons > 0 {
        let mut condition = Map::new();
        for _ in 0..comparisons {
            let (operator, key, values) = comparison(dice);
            let keys = condition.entry(operator).or_insert_with(|| json!({}));
            keys[key] = json!(values);
        }
        said.insert("Condition".into(), Value::Object(condition));
    }
    Value::Object(said)
}

fn any_statement(dice: &mut Dice<'_>) -> Value {
    let effect = if dice.happens(30) { Effect::Deny } else { Effect::Allow };
    statement(dice, effect)
}

fn document(mut statements: Vec<Value>) -> Value {
    if statements.is_empty() {
        statements.push(json!({ "Effect": "Allow", "Action": ["nobody:Does"], "Resource": ["*"] }));
    }
    json!({ "Version": "2012-10-17", "Statement": statements })
}

/// The operators of a kind, the keys that they are mostly used on, and the values that they can read.
struct Kind {
    operators: &'static [&'static str],
    keys: &'static [&'static str],
    values: &'static [&'static str],
}

static KINDS: [Kind; 8] = [
    Kind {
        operators: &[
            "StringEquals",
            "StringNotEquals",
            "StringLike",
            "StringNotLike",
            "StringEqualsIgnoreCase",
            "StringNotEqualsIgnoreCase",
        ],
        keys: &["app:color", "aws:PrincipalTag/team", "aws:username", "AWS:principaltag/TEAM"],
        values: &[
            "red",
            "blue",
            "x",
            "r*",
            "?ed",
            "*",
            "RED",
            "${aws:username}",
            "${aws:PrincipalTag/team}",
            "${aws:PrincipalTag/team, 'red'}",
            "${*}",
            "r${?}d",
        ],
    },
    Kind {
        operators: &[
            "NumericEquals",
            "NumericNotEquals",
            "NumericLessThan",
            "NumericLessThanEquals",
            "NumericGreaterThan",
            "NumericGreaterThanEquals",
        ],
        keys: &["app:n", "App:N", "app:color"],
        values: &["1", "2", "2.0", "10", "-1", "0.5"],
    },
    Kind {
        operators: &[
            "DateEquals",
            "DateNotEquals",
            "DateLessThan",
            "DateLessThanEquals",
            "DateGreaterThan",
            "DateGreaterThanEquals",
        ],
        keys: &["app:date", "aws:CurrentTime", "app:n"],
        values: &[
            "2026-01-01T00:00:00Z",
            "1767225600",
            "2026-01-01T01:00:00+01:00",
            "2026-01-02",
            "2026-01-01T00:00:00.000001Z",
        ],
    },
    Kind { operators: &["Bool"], keys: &["app:flag", "app:color"], values: &["true", "false"] },
    Kind { operators: &["BinaryEquals"], keys: &["app:bytes"], values: &["AQI=", "AwQ="] },
    Kind {
        operators: &["IpAddress", "NotIpAddress"],
        keys: &["aws:SourceIp", "aws:sourceip", "app:color"],
        values: &["10.0.0.0/8", "10.1.2.0/23", "10.1.2.3", "0.0.0.0/0", "::/0", "2001:db8::/33"],
    },
    Kind {
        operators: &["ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals"],
        keys: &["app:source", "app:color"],
        values: &["arn:aws:s3:::x", "arn:aws:*:::x*", "arn:*:*:*:*:?", "arn:aws:s3:::${aws:username}"],
    },
    Kind { operators: &["Null"], keys: &["app:color", "app:n", "aws:username"], values: &["true", "false"] },
];

/// An operator, a key and values.
fn comparison(dice: &mut Dice<'_>) -> (String, String, Vec<String>) {
    let kind = &KINDS[dice.roll(KINDS.len())];
    let operator = dice.pick(kind.operators);
    let form = if operator == "Null" { 0 } else { dice.roll(10) };
    let operator = match form {
        6 => format!("ForAllValues:{operator}"),
        7 => format!("ForAnyValue:{operator}"),
        8 | 9 => format!("{operator}IfExists"),
        _ => operator.to_owned(),
    };
    let key = dice.pick(kind.keys).to_owned();
    (operator, key, dice.texts(3, |dice| dice.pick(kind.values).to_owned()))
}

/// Values that an operator can read in a policy.
pub(crate) fn values_of(operator: &str) -> &'static [&'static str] {
    let base = operator.trim_start_matches("ForAllValues:").trim_start_matches("ForAnyValue:");
    let base = base.trim_end_matches("IfExists");
    KINDS.iter().find(|kind| kind.operators.contains(&base)).unwrap().values
}

// ---- Worlds.

const EXPRESSIONS: [&str; 4] = ["true", "false", "principal.id == 'u1'", "1 / 0 == 1"];
const PRIORITIES: [u16; 8] = [0, 0, 0, 5, 5, 6, 10, 1000];

fn priority(dice: &mut Dice<'_>) -> u16 {
    PRIORITIES[dice.roll(PRIORITIES.len())]
}

fn world(dice: &mut Dice<'_>, names: &[String], policies_count: usize) -> World {
    let policies: Vec<WPolicy> = (0..policies_count).map(|number| policy(dice, number, names)).collect();
    let roles = (0..4).map(|number| role(dice, number, policies_count)).collect();
    let mut resource_policies = BTreeMap::new();
    if dice.happens(45) {
        for name in names {
            if dice.happens(60) {
                resource_policies.insert(name.clone(), resource_policy(dice));
            }
        }
    }
    let mut parents = BTreeMap::new();
    for (at, name) in names.iter().enumerate().skip(1) {
        let parent = &names[dice.roll(at)];
        // A name that was drawn twice is one resource: it keeps the place that it has.
        let is_first = names.iter().position(|other| other == name) == Some(at);
        if dice.happens(50) && is_first {
            parents.insert(name.clone(), parent.clone());
        }
    }
    World {
        tenant: "t1".into(),
        roles,
        policies,
        platform_guardrails: ceiling(dice, 20).unwrap_or_default(),
        tenant_guardrails: ceiling(dice, 20).unwrap_or_default(),
        resource_policies,
        parents,
    }
}

fn policy(dice: &mut Dice<'_>, number: usize, names: &[String]) -> WPolicy {
    let document_of =
        |dice: &mut Dice<'_>| document((0..=dice.roll(3)).map(|_| any_statement(dice)).collect());
    let has_links = dice.happens(25);
    WPolicy {
        id: format!("p{number}"),
        priority: priority(dice),
        effect: if dice.happens(30) { Effect::Deny } else { Effect::Allow },
        document: (!has_links || dice.happens(50)).then(|| document_of(dice)),
        links: if has_links { (0..=dice.roll(3)).map(|_| link(dice)).collect() } else { Vec::new() },
        linked_resources: if has_links && !dice.happens(25) {
            dice.texts(2, |dice| names[dice.roll(names.len())].clone())
        } else {
            Vec::new()
        },
        expression: dice.happens(15).then(|| dice.pick(&EXPRESSIONS).to_owned()),
    }
}

fn link(dice: &mut Dice<'_>) -> WLink {
    WLink {
        actions: dice.texts(2, |dice| dice.pick(&ACTIONS).to_owned()),
        effect: [None, Some(Effect::Allow), Some(Effect::Deny)][dice.roll(3)],
    }
}

/// A parent has a smaller number, so that there is no ring; the ids do not follow that order.
fn role(dice: &mut Dice<'_>, number: usize, policies_count: usize) -> WRole {
    let parent = (number > 0 && dice.happens(60)).then(|| role_id(dice.roll(number)));
    let mut policies: Vec<usize> = (0..dice.roll(4)).map(|_| dice.roll(policies_count)).collect();
    policies.sort_unstable();
    policies.dedup();
    let permission = |dice: &mut Dice<'_>| {
        let actions = dice.texts(2, |dice| dice.pick(&ACTIONS).to_owned());
        let resource = if dice.happens(50) { of_parts(dice, &["x", "*", "d", "?"]) } else { "*".to_owned() };
        json!({ "Effect": "Allow", "Action": actions, "Resource": [resource] })
    };
    let permissions = if dice.happens(25) { vec![permission(dice)] } else { Vec::new() };
    WRole { id: role_id(number), parent, policies, permissions }
}

fn role_id(number: usize) -> String {
    format!("r{}", number * 5 % 7)
}

/// Often wide, so that what stands below it is seen.
fn ceiling(dice: &mut Dice<'_>, percent: usize) -> Option<Vec<Value>> {
    dice.happens(percent).then(|| {
        (0..=dice.roll(2))
            .map(|_| {
                let mut statements: Vec<Value> = (0..dice.roll(3)).map(|_| any_statement(dice)).collect();
                if !dice.happens(25) {
                    statements.push(json!({ "Effect": "Allow", "Action": ["*"], "Resource": ["*"] }));
                }
                document(statements)
            })
            .collect()
    })
}

fn resource_policy(dice: &mut Dice<'_>) -> Value {
    const NAMES: [&str; 3] = ["arn:signet:iam::t1:user/u1", "*", "arn:signet:iam::t1:user/u2"];
    let statements = (0..=dice.roll(2)).map(|_| {
        let mut said = any_statement(dice);
        let is_not = said["Effect"] == "Deny" && dice.happens(40);
        let element = if is_not { "NotPrincipal" } else { "Principal" };
        // A star beside `NotPrincipal` would be nobody.
        let names = if is_not {
            vec![NAMES[dice.roll(2) * 2].to_owned()]
        } else {
            dice.texts(2, |dice| dice.pick(&NAMES).to_owned())
        };
        said[element] = if names == ["*"] { json!("*") } else { json!({ "AWS": names }) };
        said
    });
    document(statements.collect())
}

// ---- Questions.

fn ask(dice: &mut Dice<'_>, names: &[String], policies_count: usize) -> Ask {
    let mut roles: Vec<String> = (0..=dice.roll(3)).map(|_| role_id(dice.roll(5))).collect();
    roles.sort_unstable();
    roles.dedup();
    Ask {
        principal: dice.pick(&["u1", "u2"]).into(),
        kind: "user".into(),
        active: !dice.happens(3),
        roles,
        policies: if dice.happens(40) { vec![dice.roll(policies_count)] } else { Vec::new() },
        boundary: ceiling(dice, 15),
        session: ceiling(dice, 15),
        scope: ceiling(dice, 15),
        action: dice.pick(&ACTIONS).into(),
        resource: if dice.happens(20) { resource_name(dice) } else { names[dice.roll(names.len())].clone() },
        now: 1_767_225_600_000_000 + i64::try_from(dice.roll(3)).unwrap() - 1,
        context: context(dice),
    }
}

/// Mostly values that the usual operators of the key can read; some of another kind; some absent, some several.
fn context(dice: &mut Dice<'_>) -> BTreeMap<String, Vec<String>> {
    let pools: [(&str, &[&str]); 9] = [
        ("app:color", &["red", "blue", "RED", "", "*", "1", "x"]),
        ("aws:principaltag/team", &["x", "red", "x/y", "*", "", ".."]),
        ("aws:username", &["x", "y", "a:b", "x"]),
        ("app:n", &["1", "2", "2.00", "+1", "-1", "red", "1e1", "010"]),
        ("app:date", &["2026-01-01T00:00:00Z", "1767225600", "2025-12-31T23:00:00-01:00", "never"]),
        ("app:flag", &["true", "false", "red", "True"]),
        ("app:bytes", &["AQI=", "AwQ=", "?"]),
        ("aws:sourceip", &["10.1.2.3", "10.1.3.255", "192.0.2.1", "2001:db8::1", "::ffff:10.1.2.3", "here"]),
        ("app:source", &["arn:aws:s3:::x", "arn:aws:s3:::y:z", "arn:x:y:z:t:q", "x"]),
    ];
    let mut context = BTreeMap::new();
    for (key, pool) in pools {
        let count = [0, 1, 1, 1, 2, 1, 1, 3][dice.roll(8)];
        let values: Vec<String> = (0..count).map(|_| dice.pick(pool).to_owned()).collect();
        if count > 0 || dice.happens(20) {
            context.insert(key.to_owned(), values);
        }
    }
    context
}
