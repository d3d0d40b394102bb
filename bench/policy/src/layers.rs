//! Every layer at once: guardrails of platform and tenant, boundary, session, scope, the resource's own policy, and the
//! principal's roles.

use std::sync::Arc;

use policy::{Document, Input, Kind, Policy, Principal, Request, RoleInput, Snapshot, Table};
use serde_json::{Value, json};

use crate::ours::{Asked, Ours};
use crate::workload::{Question, Workload};

/// Questions that are asked so. Each is about a resource with a policy of its own.
const QUESTIONS: usize = 4_000;
/// Services of the workload that the session reaches.
const SERVICES: usize = 11;
/// The one that a guardrail closes.
const CLOSED: &str = "svc0:";

/// The layers.
pub struct Layered {
    snapshot: Snapshot,
    boundary: Table,
    session: Table,
    scope: Table,
}

fn document(statements: &Value, kind: Kind) -> Arc<Document> {
    let value = json!({ "Version": "2012-10-17", "Statement": statements });
    Arc::new(Document::from_value_as(kind, &value).unwrap_or_else(|e| panic!("{e:?}")))
}

fn policy(id: &str, statements: &Value) -> Policy {
    Policy::new(id, id).with_document(document(statements, Kind::Identity))
}

/// An allow for each service, as a boundary or a session has it.
fn by_service(id: &str) -> Policy {
    let allow = |service: usize| json!({ "Effect": "Allow", "Action": format!("svc{service}:*"), "Resource": format!("arn:app:svc{service}:*") });
    policy(id, &(0..=SERVICES).map(allow).collect())
}

fn table(policy: Policy) -> Table {
    Snapshot::ceiling([Arc::new(policy)])
}

impl Layered {
    /// Makes the layers of the first tenant.
    pub fn new(workload: &Workload) -> Self {
        let everything = json!({ "Effect": "Allow", "Action": "*", "Resource": "*" });
        let elsewhere = json!({ "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": { "NotIpAddress": { "aws:SourceIp": ["10.0.0.0/8"] } } });
        let closed = json!({ "Effect": "Deny", "Action": format!("{CLOSED}*"), "Resource": "*" });
        let late = json!({ "Effect": "Deny", "Action": "*", "Resource": "*",
            "Condition": { "DateGreaterThan": { "aws:CurrentTime": ["2030-01-01T00:00:00Z"] } } });
        let tenant = &workload.tenants[0];
        let whole = json!([{ "Effect": "Allow", "Principal": "*", "Action": "*:Read*", "Resource": "*" }]);
        let own = document(&whole, Kind::Resource);
        let of_resource = |question: &Question| {
            (question.resource.clone(), Policy::new("own", "own").with_document(own.clone()))
        };
        let mut resource_policies: Vec<_> =
            workload.questions.iter().take(QUESTIONS).map(of_resource).collect();
        resource_policies.sort_by(|a, b| a.0.cmp(&b.0));
        resource_policies.dedup_by(|a, b| a.0 == b.0);
        let no_roles: Vec<RoleInput> = Vec::new();
        let input = Input {
            tenant: tenant.id.clone(),
            roles: no_roles,
            platform_guardrail: Some(vec![policy("platform", &json!([everything, elsewhere]))]),
            tenant_guardrail: Some(vec![policy("tenant", &json!([everything, closed, late]))]),
            resource_policies,
            ..Input::default()
        };
        Self {
            snapshot: Snapshot::compile(1, input).unwrap_or_else(|e| panic!("{e}")),
            boundary: table(by_service("boundary")),
            session: table(by_service("session")),
            scope: table(policy(
                "scope",
                &json!([{ "Effect": "Allow", "Action": "*", "Resource": "arn:app:*" }]),
            )),
        }
    }

    /// The questions.
    pub fn questions<'a>(&self, workload: &'a Workload) -> &'a [Question] {
        &workload.questions[..QUESTIONS]
    }

    /// The decision.
    pub fn judge(&self, ours: &Ours, asked: &Asked, question: &Question) -> bool {
        ours.ask(asked, question, |_, principal, request| self.put(principal, request))
    }

    fn put(&self, principal: &Principal<'_>, request: &Request<'_>) -> bool {
        let (boundary, session, scope) = (Some(&self.boundary), Some(&self.session), Some(&self.scope));
        let principal = Principal { boundary, session, scope, ..*principal };
        self.snapshot.judge(&principal, request).is_ok()
    }

    /// What is to be answered where the identity alone says `by_identity`.
    pub fn expected(&self, question: &Question, by_identity: bool) -> bool {
        let of_action = question.action.split(':').next();
        let of_resource = question.resource.split(':').nth(2);
        by_identity && of_action == of_resource && !question.action.starts_with(CLOSED)
    }
}
