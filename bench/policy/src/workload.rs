//! The workload: tenants, roles, policies, principals and questions, the same on every run.

use serde_json::{Value, json};

/// The instant of every question, in microseconds: 2026-06-01T12:00:00Z.
pub const NOW: i64 = 1_780_315_200_000_000;
/// Roles that each principal holds.
const HELD: usize = 3;
/// Roles on the way from a held role to its root.
const DEPTH: usize = 3;
const SERVICES: usize = 12;
const VERBS: [&str; 6] = ["Get", "List", "Put", "Delete", "Describe", "Update"];
const NOUNS: usize = 8;

/// How large it is.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Its letter in the table.
    pub name: &'static str,
    /// Tenants.
    pub tenants: usize,
    /// Policies that apply to each principal.
    pub applicable: usize,
    /// Policies of each tenant.
    pub policies: usize,
    /// Principals of each tenant.
    pub principals: usize,
    /// Questions.
    pub questions: usize,
}

/// The scales of the issue.
pub const SCALES: [Scale; 4] = [
    Scale { name: "a", tenants: 1, applicable: 10, policies: 40, principals: 50, questions: 20_000 },
    Scale { name: "b", tenants: 1, applicable: 100, policies: 400, principals: 50, questions: 20_000 },
    Scale { name: "c", tenants: 1, applicable: 1_000, policies: 4_000, principals: 50, questions: 20_000 },
    Scale { name: "d", tenants: 500, applicable: 20, policies: 200, principals: 20, questions: 100_000 },
];

/// One tenant.
#[derive(Debug)]
pub struct Tenant {
    pub id: String,
    pub roles: Vec<Role>,
    /// Documents as JSON; a policy's id is its place.
    pub policies: Vec<Value>,
    /// The same as text.
    pub texts: Vec<String>,
    pub principals: Vec<Principal>,
}

/// One role.
#[derive(Debug)]
pub struct Role {
    pub id: String,
    pub parent: Option<usize>,
    /// Places in [`Tenant::policies`].
    pub policies: Vec<usize>,
}

/// One principal.
#[derive(Debug)]
pub struct Principal {
    pub id: String,
    /// Places in [`Tenant::roles`].
    pub roles: Vec<usize>,
}

/// One question.
#[derive(Debug, Clone)]
pub struct Question {
    pub tenant: usize,
    pub principal: usize,
    pub action: String,
    pub resource: String,
    /// An IPv4 address.
    pub address: String,
    pub team: String,
}

/// All of it.
#[derive(Debug)]
pub struct Workload {
    pub tenants: Vec<Tenant>,
    pub questions: Vec<Question>,
}

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below a bound.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound.max(1)
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }
}

impl Workload {
    /// Makes the workload of a scale.
    pub fn new(scale: &Scale) -> Self {
        let mut random = Random(0x5167_6E65_7421);
        let tenants: Vec<Tenant> = (0..scale.tenants).map(|n| tenant(&mut random, n, scale)).collect();
        let questions = (0..scale.questions).map(|_| question(&mut random, &tenants)).collect();
        Self { tenants, questions }
    }
}

/// Roles stand in chains; a principal holds the ends of three of them. Each chain has a third of the policies that
/// apply to one principal, spread over its roles.
fn tenant(random: &mut Random, number: usize, scale: &Scale) -> Tenant {
    // Twelve digits: what accounts are called where these documents come from, and what one rival insists on.
    let id = format!("{number:012}");
    let chains = (scale.policies * HELD / scale.applicable).max(HELD);
    let policies: Vec<Value> = (0..scale.policies).map(|_| document(random, &id)).collect();
    let texts = policies.iter().map(Value::to_string).collect();
    let mut roles: Vec<Role> = Vec::new();
    for chain in 0..chains {
        let share = scale.applicable * (chain % HELD + 1) / HELD - scale.applicable * (chain % HELD) / HELD;
        let first = scale.applicable * (chain / HELD) + scale.applicable * (chain % HELD) / HELD;
        for level in 0..DEPTH {
            let (from, to) = (first + share * level / DEPTH, first + share * (level + 1) / DEPTH);
            roles.push(Role {
                id: format!("role-{chain}-{level}"),
                parent: (level > 0).then(|| roles.len() - 1),
                policies: (from..to).map(|at| at % scale.policies).collect(),
            });
        }
    }
    let principals = (0..scale.principals)
        .map(|n| {
            let mut held: Vec<usize> = Vec::new();
            // One chain of each share, so that the count of policies is the same for all.
            for third in 0..HELD {
                let chain = random.below(chains / HELD) * HELD + third;
                held.push(chain * DEPTH + DEPTH - 1);
            }
            Principal { id: format!("user-{number:03}-{n:04}"), roles: held }
        })
        .collect();
    Tenant { id, roles, policies, texts, principals }
}

fn action(random: &mut Random) -> (usize, String) {
    let service = random.below(SERVICES);
    (service, format!("svc{service}:{}Item{}", VERBS[random.below(VERBS.len())], random.below(NOUNS)))
}

fn resource(random: &mut Random, tenant: &str, service: usize) -> String {
    format!(
        "arn:app:svc{service}:eu:{tenant}:bucket-{}/folder-{}/object-{}",
        random.below(20),
        random.below(20),
        random.below(50)
    )
}

fn document(random: &mut Random, tenant: &str) -> Value {
    let count = 2 + random.below(3);
    let statements: Vec<Value> = (0..count).map(|_| statement(random, tenant)).collect();
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn statement(random: &mut Random, tenant: &str) -> Value {
    let (service, one) = action(random);
    let verb = VERBS[random.below(VERBS.len())];
    let actions: Vec<String> = match random.below(100) {
        0..50 => vec![one, format!("svc{service}:{verb}Item{}", random.below(NOUNS))],
        50..85 => vec![format!("svc{service}:{verb}*")],
        85..98 => vec![format!("svc{service}:*")],
        _ => vec!["*".to_owned()],
    };
    let name = resource(random, tenant, service);
    let cut = |parts: usize| name.split('/').take(parts).collect::<Vec<_>>().join("/");
    let resources: Vec<String> = match random.below(100) {
        0..20 => vec![name.clone(), resource(random, tenant, service)],
        20..65 => vec![format!("{}/*", cut(2))],
        65..85 => vec![format!("{}/*", cut(1))],
        85..94 => vec![format!("arn:app:svc{service}:*:{tenant}:bucket-1*/folder-*/object-1*")],
        94..98 => vec![format!("arn:app:svc{service}:eu:{tenant}:*")],
        _ => vec!["*".to_owned()],
    };
    let effect = if random.percent(10) { "Deny" } else { "Allow" };
    let mut statement = json!({ "Effect": effect, "Action": actions, "Resource": resources });
    if random.percent(20) {
        statement["Condition"] = match random.below(3) {
            0 => json!({ "IpAddress": { "aws:SourceIp": [format!("10.{}.0.0/16", random.below(4))] } }),
            1 => {
                json!({ "StringEquals": { "aws:PrincipalTag/team": [format!("team-{}", random.below(4))] } })
            }
            _ => {
                json!({ "DateLessThan": { "aws:CurrentTime": [format!("202{}-01-01T00:00:00Z", 5 + random.below(4))] } })
            }
        };
    }
    statement
}

/// Four of five questions are about something that a statement of the principal names; one is about anything.
fn question(random: &mut Random, tenants: &[Tenant]) -> Question {
    let tenant = random.below(tenants.len());
    let here = &tenants[tenant];
    let principal = random.below(here.principals.len());
    let (service, mut asked) = action(random);
    let mut resource = resource(random, &here.id, service);
    if random.percent(80) {
        let mut role = here.principals[principal].roles[random.below(HELD)];
        for _ in 0..random.below(DEPTH) {
            role = here.roles[role].parent.unwrap_or(role);
        }
        let policies = &here.roles[role].policies;
        if !policies.is_empty() {
            let statements = here.policies[policies[random.below(policies.len())]]["Statement"].as_array();
            let statements = statements.map(Vec::as_slice).unwrap_or_default();
            let said = &statements[random.below(statements.len())];
            asked = fill(random, said["Action"][0].as_str().unwrap_or_default(), &asked, "Item1");
            resource = fill(random, said["Resource"][0].as_str().unwrap_or_default(), &resource, "1");
        }
    }
    Question {
        tenant,
        principal,
        action: asked,
        resource,
        address: format!("10.{}.7.{}", random.below(5), random.below(250)),
        team: format!("team-{}", random.below(4)),
    }
}

/// A text that a pattern matches.
fn fill(random: &mut Random, pattern: &str, whole: &str, rest: &str) -> String {
    match pattern {
        "*" => whole.to_owned(),
        pattern if pattern.ends_with(":*") && !pattern.starts_with("arn") => {
            format!("{pattern}").replace('*', "GetItem1")
        }
        pattern if pattern.ends_with(":*") => pattern.replace('*', "bucket-3/folder-1/object-1"),
        pattern => pattern
            .replace("/*", &format!("/folder-{}/object-{}", random.below(20), random.below(50)))
            .replace(":*:", ":eu:")
            .replace("-*", "-7")
            .replace('*', rest),
    }
}
