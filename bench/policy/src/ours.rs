//! Signet's engine.

use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use policy::{
    Document, Facts, Identity, Input, Known, Policy, Principal, Request, RoleInput, Snapshot, Stored, Tagged, Value,
};

use crate::workload::{NOW, Question, Tenant, Workload};

/// A tenant's snapshot, and what its principals hold.
pub struct Ours {
    tenants: HashMap<String, Home>,
}

struct Home {
    snapshot: Snapshot,
    principals: HashMap<String, Known1>,
}

struct Known1 {
    identity: Arc<Identity>,
    arn: String,
}

/// The documents, parsed.
pub fn parse(workload: &Workload) -> Vec<Vec<Arc<Document>>> {
    let parse = |tenant: &Tenant| -> Vec<Arc<Document>> {
        tenant
            .policies
            .iter()
            .map(|value| Arc::new(Document::from_value(value).unwrap_or_else(|e| panic!("{e:?}"))))
            .collect()
    };
    workload.tenants.iter().map(parse).collect()
}

/// The input of a tenant.
pub fn input(tenant: &Tenant, documents: &[Arc<Document>]) -> Input {
    let roles = tenant.roles.iter().map(|role| RoleInput {
        id: role.id.clone(),
        name: role.id.clone(),
        parent: role.parent.map(|at| tenant.roles[at].id.clone()),
        policies: role.policies.iter().map(|at| format!("p{at}")).collect(),
        permissions: Vec::new(),
    });
    let policies = documents.iter().enumerate().map(|(at, document)| {
        Policy::new(&format!("p{at}"), &format!("Policy {at}")).with_document(document.clone())
    });
    Input { tenant: tenant.id.clone(), roles: roles.collect(), policies: policies.collect(), ..Input::default() }
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
                let identity = sets.entry(principal.roles.clone()).or_insert_with(|| {
                    let ids: Vec<&str> = principal.roles.iter().map(|at| tenant.roles[*at].id.as_str()).collect();
                    Arc::new(snapshot.identity(&ids, &[]).unwrap_or_else(|e| panic!("{e}")))
                });
                let arn = format!("arn:signet:iam::{}:user/{}", tenant.id, principal.id);
                principals.insert(principal.id.clone(), Known1 { identity: identity.clone(), arn });
            }
            tenants.insert(tenant.id.clone(), Home { snapshot, principals });
        }
        Self { tenants }
    }

    /// The bytes that the merged tables take.
    pub fn bytes(&self) -> usize {
        let mut seen: Vec<*const Identity> = Vec::new();
        let mut sum = 0;
        for known in self.tenants.values().flat_map(|home| home.principals.values()) {
            let at = Arc::as_ptr(&known.identity);
            if !seen.contains(&at) {
                seen.push(at);
                sum += known.identity.bytes();
            }
        }
        sum
    }

    fn ask<T>(
        &self,
        tenant: &str,
        principal: &str,
        question: &Question,
        tags: &[(Box<str>, Stored)],
        then: impl FnOnce(&Snapshot, &Principal<'_>, &Request<'_>) -> T,
    ) -> T {
        let home = &self.tenants[tenant];
        let known = &home.principals[principal];
        let mut facts = Facts::at(NOW)
            .with(Known::PrincipalArn, Value::Text(&known.arn))
            .with(Known::PrincipalAccount, Value::Text(tenant))
            .with_tags(Tagged::Principal, tags);
        if let Ok(address) = question.address.parse::<IpAddr>() {
            facts.set(Known::SourceIp, Value::Ip(address));
        }
        let request = Request { action: &question.action, resource: &question.resource, facts: &facts };
        then(&home.snapshot, &Principal::new(&known.identity), &request)
    }

    /// The decision.
    pub fn judge(&self, tenant: &str, principal: &str, question: &Question, tags: &[(Box<str>, Stored)]) -> bool {
        self.ask(tenant, principal, question, tags, |s, p, r| s.judge(p, r).is_ok())
    }

    /// The decision with its reasons.
    pub fn explain(&self, tenant: &str, principal: &str, question: &Question, tags: &[(Box<str>, Stored)]) -> usize {
        self.ask(tenant, principal, question, tags, |s, p, r| s.decide(p, r).because.len())
    }
}
