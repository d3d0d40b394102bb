//! Documents that their writers mean to be slow: as large as a document may be, and asked about names as long as they
//! may be. The figure is the slowest question, each at its lowest of several times.

use std::sync::Arc;
use std::time::Instant;

use policy::{Document, Facts, Input, Policy, Principal, Request, RoleInput, Snapshot, Stored};
use serde_json::{Value, json};

use crate::report::Report;
use crate::workload::NOW;

/// How often a question is asked; the lowest time counts.
const TIMES: usize = 30;

/// One document and one question.
struct Case {
    name: &'static str,
    statements: Vec<Value>,
    action: String,
    resource: String,
    context: String,
}

impl Case {
    fn new(name: &'static str, statements: Vec<Value>, resource: String) -> Self {
        Self { name, statements, action: "a:b".into(), resource, context: String::new() }
    }
}

fn deny(resources: &[String]) -> Value {
    json!({ "Effect": "Deny", "Action": "*", "Resource": resources })
}

/// As many texts as a document of 64 KiB holds, in statements of as many as one may have.
fn as_many(per_text: usize, mut text: impl FnMut(usize) -> String) -> Vec<Value> {
    let texts: Vec<String> = (0..60_000 / (per_text + 4)).map(&mut text).collect();
    texts.chunks(256).map(deny).collect()
}

fn cases() -> Vec<Case> {
    let long = "a".repeat(1024);
    let deep = format!("{}a", "a/".repeat(511));
    let parts = format!("{}a", "a:".repeat(511));
    let conditions = |value: String| {
        let values: Vec<String> = (0..50).map(|n| format!("{value}{n}")).collect();
        vec![json!({ "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": { "StringLike": { "app:text": values } } })]
    };
    let mut nested: Vec<Value> = Vec::new();
    for depth in 1..110 {
        let name = format!("{}*", "a:".repeat(depth));
        let resources = [format!("{}*", "a/".repeat(depth)), format!("{}*", "a:".repeat(depth))];
        nested.push(json!({ "Effect": "Deny", "Action": [name, format!("{}?", "a:".repeat(depth))],
            "Resource": resources, "Condition": { "StringEquals": { "app:text": [depth.to_string()] } } }));
    }
    let mut list = vec![
        Case::new(
            "one long piece a pattern",
            as_many(509, |n| format!("*{}b{n:02}*", "a".repeat(500))),
            long.clone(),
        ),
        Case::new(
            "a question mark in each",
            as_many(509, |n| format!("*{}b{n:02}*", "a?".repeat(250))),
            long.clone(),
        ),
        Case::new(
            "a thousand wildcards",
            as_many(509, |n| format!("{}b{n:02}*", "*a?".repeat(160))),
            long.clone(),
        ),
        Case::new("many short patterns", as_many(8, |n| format!("*a{n:05}*")), long.clone()),
        Case::new("many patterns of one beginning", as_many(8, |n| format!("a{n:05}*")), long),
        Case::new("slashes", as_many(40, |n| format!("*/a/?/*{n:05}*")), deep.clone()),
        Case::new("colons", as_many(40, |n| format!("*:*:?:*:*:*{n:05}*")), parts),
        Case {
            context: "a".repeat(4096),
            ..Case::new("long values", conditions(format!("*{}", "a".repeat(1000))), "x".into())
        },
        Case {
            context: "a".repeat(4096),
            ..Case::new("values of question marks", conditions(format!("*{}*", "a?".repeat(490))), "x".into())
        },
        Case { action: format!("{}a", "a:".repeat(60)), ..Case::new("nested beginnings", nested, deep) },
    ];
    for case in &mut list {
        // What the limits on a document leave of it.
        while json!({ "Version": "2012-10-17", "Statement": case.statements }).to_string().len() > 64 * 1024 {
            case.statements.pop();
        }
    }
    list
}

/// Asks each, and notes the slowest.
pub fn measure(report: &mut Report) {
    let mut worst = (0.0, "");
    for case in cases() {
        let value = json!({ "Version": "2012-10-17", "Statement": case.statements });
        let document = match Document::parse(&value.to_string()) {
            Ok(document) => document,
            Err(errors) => {
                report.note(&format!("adversarial: {}: refused when written: {}", case.name, errors[0]));
                continue;
            }
        };
        let role = RoleInput {
            id: "role".into(),
            name: "role".into(),
            parent: None,
            policies: vec!["p".into()],
            permissions: Vec::new(),
        };
        let policies = vec![Policy::new("p", "p").with_document(Arc::new(document))];
        let input = Input { tenant: "t".into(), roles: vec![role], policies, ..Input::default() };
        let snapshot = Snapshot::compile(1, input).unwrap_or_else(|e| panic!("{e}"));
        let identity = snapshot.identity(&["role"], &[]).unwrap_or_else(|e| panic!("{e}"));
        let context = [("app:text".into(), Stored::One(case.context.as_str().into()))];
        let facts = Facts::at(NOW).with_context(&context);
        let request = Request { action: &case.action, resource: &case.resource, facts: &facts };
        let mut lowest = f64::INFINITY;
        for _ in 0..TIMES {
            let start = Instant::now();
            std::hint::black_box(snapshot.judge(&Principal::new(&identity), &request).is_ok());
            lowest = lowest.min(start.elapsed().as_nanos() as f64 / 1000.0);
        }
        report.note(&format!(
            "adversarial: {}: {lowest:.1} µs a decision, {} KiB of tables",
            case.name,
            identity.bytes() / 1024
        ));
        if lowest > worst.0 {
            worst = (lowest, case.name);
        }
    }
    report
        .note(&format!("adversarial documents: the slowest decision takes {:.1} µs ({})", worst.0, worst.1));
}
