//! Signet's engine.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::{HashMap, HashSet};
use policy::{
    Document, Facts, Identity, Input, Known, Policy, Principal, Request, RoleInput, Snapshot, Stored, Tagged,
    Value,
};

use crate::timing::Figures;
use crate::workload::{NOW, Question, Tenant, Workload};

/// How many changes of a policy are timed.
const CHANGES: usize = 500;

/// A tenant's snapshot, and what its principals hold.
pub struct Ours {
    tenants: HashMap<String, Home>,
}

struct Home {
    snapshot: Snapshot,
    principals: HashMap<String, Holder>,
}

struct Holder {
    roles: Vec<String>,
    identity: Arc<Identity>,
    arn: String,
}

/// What the decision point knows of a question before it is put: who asks, from where, with which attributes.
pub struct Asked {
    pub tenant: String,
    pub principal: String,
    address: Option<IpAddr>,
    tags: Vec<(Box<str>, Stored)>,
}

impl Asked {
    /// Of one question.
    pub fn new(workload: &Workload, question: &Question) -> Self {
        let tenant = &workload.tenants[question.tenant];
        Self {
            tenant: tenant.id.clone(),
            principal: tenant.principals[question.principal].id.clone(),
            address: question.address.parse().ok(),
            tags: vec![("team".into(), Stored::One(question.team.as_str().into()))],
        }
    }
}

/// The documents, parsed from text.
pub fn parse(workload: &Workload) -> Vec<Vec<Arc<Document>>> {
    let parse = |tenant: &Tenant| -> Vec<Arc<Document>> {
        let read = |text: &String| Arc::new(Document::parse(text).unwrap_or_else(|e| panic!("{e:?}")));
        tenant.texts.iter().map(read).collect()
    };
    workload.tenants.iter().map(parse).collect()
}

/// The input of a tenant.
fn input(tenant: &Tenant, documents: &[Arc<Document>]) -> Input {
    let roles = tenant.roles.iter().map(|role| RoleInput {
        id: role.id.clone(),
        name: role.id.clone(),
        parent: role.parent.map(|at| tenant.roles[at].id.clone()),
        policies: role.policies.iter().map(|at| format!("p{at}")).collect(),
        permissions: Vec::new(),
    });
    let policies = documents.iter().enumerate().map(|(at, document)| policy(at, document));
    Input {
        tenant: tenant.id.clone(),
        roles: roles.collect(),
        policies: policies.collect(),
        ..Input::default()
    }
}

fn policy(at: usize, document: &Arc<Document>) -> Policy {
    Policy::new(&format!("p{at}"), &format!("Policy {at}")).with_document(document.clone())
}

impl Ours {
    /// Compiles every tenant and merges what its principals hold, once for each set of roles.
    pub fn new(workload: &Workload, documents: &[Vec<Arc<Document>>]) -> Self {
        let mut tenants = HashMap::new();
        for (tenant, documents) in workload.tenants.iter().zip(documents) {
            let snapshot = Snapshot::compile(1, input(tenant, documents)).unwrap_or_else(|e| panic!("{e}"));
            let mut sets: HashMap<Vec<usize>, Arc<Identity>> = HashMap::new();
            let mut principals = HashMap::new();
            for principal in &tenant.principals {
                let roles: Vec<String> =
                    principal.roles.iter().map(|at| tenant.roles[*at].id.clone()).collect();
                let identity =
                    sets.entry(principal.roles.clone()).or_insert_with(|| merge(&snapshot, &roles));
                let arn = format!("arn:signet:iam::{}:user/{}", tenant.id, principal.id);
                let holder = Holder { roles, identity: identity.clone(), arn };
                principals.insert(principal.id.clone(), holder);
            }
            tenants.insert(tenant.id.clone(), Home { snapshot, principals });
        }
        Self { tenants }
    }

    fn each_identity(&self) -> impl Iterator<Item = &Arc<Identity>> {
        let mut seen: HashSet<*const Identity> = HashSet::new();
        let all = self.tenants.values().flat_map(|home| home.principals.values());
        all.map(|holder| &holder.identity).filter(move |identity| seen.insert(Arc::as_ptr(identity)))
    }

    /// How many sets of roles there are.
    pub fn identities(&self) -> usize {
        self.each_identity().count()
    }

    /// The bytes that the merged tables take, by their own account.
    pub fn bytes(&self) -> usize {
        self.each_identity().map(|identity| identity.bytes()).sum()
    }

    /// Puts a question to `then`, with what is known of it.
    pub fn ask<T>(
        &self,
        asked: &Asked,
        question: &Question,
        then: impl FnOnce(&Snapshot, &Principal<'_>, &Request<'_>) -> T,
    ) -> T {
        let home = &self.tenants[&asked.tenant];
        let holder = &home.principals[&asked.principal];
        let facts = facts(asked, &holder.arn);
        let request = Request { action: &question.action, resource: &question.resource, facts: &facts };
        then(&home.snapshot, &Principal::new(&holder.identity), &request)
    }

    /// The decision.
    pub fn judge(&self, asked: &Asked, question: &Question) -> bool {
        self.ask(asked, question, |snapshot, principal, request| snapshot.judge(principal, request).is_ok())
    }

    /// The decision with its reasons.
    pub fn explain(&self, asked: &Asked, question: &Question) -> bool {
        self.ask(asked, question, |snapshot, principal, request| {
            snapshot.decide(principal, request).is_allowed()
        })
    }

    /// Times a change of one policy, from its text until the first question by it is answered.
    pub fn change(&self, workload: &Workload, asked: &[Asked]) -> Figures {
        let mut nanos = Vec::new();
        for (at, (question, asked)) in workload.questions.iter().zip(asked).enumerate().take(CHANGES) {
            let tenant = &workload.tenants[question.tenant];
            let home = &self.tenants[&asked.tenant];
            let holder = &home.principals[&asked.principal];
            let role = &tenant.roles[tenant.principals[question.principal].roles[0]];
            let changed = role.policies.first().copied().unwrap_or(0);
            let text = &tenant.texts[at % tenant.texts.len()];
            let facts = facts(asked, &holder.arn);
            let request = Request { action: &question.action, resource: &question.resource, facts: &facts };
            let start = Instant::now();
            let document = Document::parse(text).unwrap_or_else(|e| panic!("{e:?}"));
            let mut edit = home.snapshot.edit();
            edit.put_policy(policy(changed, &Arc::new(document)));
            let snapshot = edit.finish(2).unwrap_or_else(|e| panic!("{e}"));
            assert!(!snapshot.is_current(&holder.identity), "the change concerns the principal");
            let identity = merge(&snapshot, &holder.roles);
            std::hint::black_box(snapshot.judge(&Principal::new(&identity), &request).is_ok());
            nanos.push(start.elapsed().as_nanos() as f64);
        }
        Figures::of(nanos)
    }
}

fn merge(snapshot: &Snapshot, roles: &[String]) -> Arc<Identity> {
    let ids: Vec<&str> = roles.iter().map(String::as_str).collect();
    Arc::new(snapshot.identity(&ids, &[]).unwrap_or_else(|e| panic!("{e}")))
}

fn facts<'a>(asked: &'a Asked, arn: &'a str) -> Facts<'a> {
    let mut facts = Facts::at(NOW);
    facts.set(Known::PrincipalArn, Value::Text(arn));
    facts.set(Known::PrincipalAccount, Value::Text(&asked.tenant));
    facts.set_tags(Tagged::Principal, &asked.tags);
    if let Some(address) = asked.address {
        facts.set(Known::SourceIp, Value::Ip(address));
    }
    facts
}
