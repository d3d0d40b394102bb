//! How the layers come to one answer.
//!
//! A deny of a ceiling or of the resource's policy is final. Each ceiling that is there must itself allow. Then
//! the identity's policies decide, by priority; where they say nothing, an allow of the resource's policy does.

use std::sync::Arc;

use super::{Identity, RESOURCE_DEPTH_MAX, Snapshot};
use crate::key::Facts;
use crate::name::{ActionName, ResourceName};
use crate::policy::{RoleRef, Source};
use crate::statement::Effect;
use crate::table::{Ask, Hit, Levels, Lower, NameKeys, Table};

/// The most statements that an answer names.
pub const BECAUSE_MAX: usize = 16;

/// Who asks, as the decision point knows it.
#[derive(Debug, Clone, Copy)]
pub struct Principal<'a> {
    /// Whether principal, credential and tenant are active.
    pub active: bool,
    /// What its roles say.
    pub identity: &'a Identity,
    /// What its boundary allows, if it has one.
    pub boundary: Option<&'a Table>,
    /// What its session allows, if that is narrowed.
    pub session: Option<&'a Table>,
    /// What its token allows, if that is narrowed.
    pub scope: Option<&'a Table>,
}

impl<'a> Principal<'a> {
    /// An active principal without ceilings of its own.
    #[must_use]
    pub fn new(identity: &'a Identity) -> Self {
        Self { active: true, identity, boundary: None, session: None, scope: None }
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The action.
    pub action: &'a str,
    /// The resource.
    pub resource: &'a str,
    /// What is known besides.
    pub facts: &'a Facts<'a>,
}

/// Permitted, or the kind of the refusal.
pub type Answer = Result<(), Denial>;

/// The kind of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Denial {
    /// The principal, its credential or the tenant is not active.
    Inactive,
    /// A guardrail of the platform or of the tenant denies, or does not allow.
    Guardrail,
    /// The principal's boundary denies, or does not allow.
    Boundary,
    /// The session's policy denies, or does not allow.
    Session,
    /// The token's scope does not reach that far.
    Scope,
    /// The resource's own policy denies.
    ResourcePolicy,
    /// A statement of the principal's roles or policies denies.
    ExplicitDeny,
    /// No statement applies. Also the answer for a text that is no valid action or resource name.
    NothingApplies,
}

impl Denial {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Inactive,
        Self::Guardrail,
        Self::Boundary,
        Self::Session,
        Self::Scope,
        Self::ResourcePolicy,
        Self::ExplicitDeny,
        Self::NothingApplies,
    ];

    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Inactive => "inactive",
            Self::Guardrail => "guardrail",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Scope => "scope",
            Self::ResourcePolicy => "resource_policy",
            Self::ExplicitDeny => "explicit_deny",
            Self::NothingApplies => "nothing_applies",
        }
    }
}

/// Where a statement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// What the platform imposes on the tenant.
    PlatformGuardrail,
    /// What the tenant imposes on its own principals.
    TenantGuardrail,
    /// The principal's boundary.
    Boundary,
    /// The session's policy.
    Session,
    /// The token's scope.
    Scope,
    /// The resource's policy.
    Resource,
    /// The principal's roles and policies.
    Identity,
}

impl Layer {
    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformGuardrail => "platform_guardrail",
            Self::TenantGuardrail => "tenant_guardrail",
            Self::Boundary => "boundary",
            Self::Session => "session",
            Self::Scope => "scope",
            Self::Resource => "resource",
            Self::Identity => "identity",
        }
    }

    fn denial(self) -> Denial {
        match self {
            Self::PlatformGuardrail | Self::TenantGuardrail => Denial::Guardrail,
            Self::Boundary => Denial::Boundary,
            Self::Session => Denial::Session,
            Self::Scope => Denial::Scope,
            Self::Resource => Denial::ResourcePolicy,
            Self::Identity => Denial::ExplicitDeny,
        }
    }
}

/// The answer to one question, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request is permitted.
    pub effect: Effect,
    /// The statements that decided, at most [`BECAUSE_MAX`]: the denies of the layer whose deny is final; else those of
    /// the highest priority that applies, or the allows of the resource's policy. By the id of the role that has the
    /// statement, then by its source and place.
    pub because: Vec<Because>,
    /// Statements whose action, resource and principal match but that could not be judged, at most
    /// [`BECAUSE_MAX`], by layer and then in the same order: an allow among them does not apply, a deny does.
    pub errors: Vec<Because>,
    /// Why it is refused; `None` if it is permitted.
    pub denial: Option<Denial>,
    /// The version of the snapshot that answered.
    pub version: i64,
}

impl Decision {
    /// The answer where nothing may apply, whatever policies say.
    #[must_use]
    pub fn nothing_applies(version: i64) -> Self {
        let denial = Some(Denial::NothingApplies);
        Self { effect: Effect::Deny, because: Vec::new(), errors: Vec::new(), denial, version }
    }

    /// Tells whether the request is permitted.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.effect == Effect::Allow
    }
}

/// A statement that decided, and how the principal came to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Because {
    /// Where it stands.
    pub layer: Layer,
    /// The role held directly, its parent, and so on to the role that has the statement. Where several held
    /// roles lead there, the shortest way; of equals, the one from the smallest id. Empty for other layers and for
    /// what is attached to the principal itself.
    pub role_path: Vec<RoleRef>,
    /// The policy or permission that has the statement.
    pub source: Source,
    /// The place of the statement in its source, from 0.
    pub statement: usize,
    /// The statement's own name.
    pub sid: Option<Arc<str>>,
    /// What the statement does.
    pub effect: Effect,
    /// The priority of its policy.
    pub priority: u16,
}

/// A resource and what it lies in, without memory of its own: most decisions look at nothing else.
struct Chain<'a> {
    names: [&'a str; RESOURCE_DEPTH_MAX],
    length: usize,
}

impl<'a> Chain<'a> {
    fn as_slice(&self) -> &[&'a str] {
        self.names.get(..self.length).unwrap_or_default()
    }
}

/// The layers that may be there besides the identity, and what says it.
pub(super) type Layers<'a> = [(Layer, Option<&'a Table>); 6];

/// What each layer says.
pub(super) struct Said<'a> {
    layers: [Option<(Layer, &'a Table, Levels)>; 6],
    pub(super) identity: Levels,
}

/// What the identity decides where no layer is final.
fn decided_by(identity: Levels, resource_allows: bool) -> Answer {
    match identity.effect() {
        Some(Effect::Allow) => Ok(()),
        Some(Effect::Deny) => Err(Denial::ExplicitDeny),
        None if resource_allows => Ok(()),
        None => Err(Denial::NothingApplies),
    }
}

impl<'a> Said<'a> {
    pub(super) fn hear(layers: Layers<'a>, identity: Levels, ask: &Ask<'_>) -> Self {
        let hear =
            |(layer, table): (Layer, Option<&'a Table>)| table.map(|table| (layer, table, table.judge(ask)));
        Self { layers: layers.map(hear), identity }
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = (Layer, &'a Table, Levels)> {
        self.layers.iter().flatten().copied()
    }

    /// A deny that is final.
    pub(super) fn final_deny(&self) -> Option<Layer> {
        self.layers().find(|(_, _, levels)| levels.deny > 0).map(|(layer, ..)| layer)
    }

    /// A ceiling that does not allow.
    pub(super) fn closed(&self) -> Option<Layer> {
        let mut ceilings = self.layers().filter(|(layer, ..)| *layer != Layer::Resource);
        ceilings.find(|(_, _, levels)| levels.allow == 0).map(|(layer, ..)| layer)
    }

    fn resource_allows(&self) -> bool {
        self.layers().any(|(layer, _, levels)| layer == Layer::Resource && levels.allow > 0)
    }

    pub(super) fn answer(&self) -> Answer {
        if let Some(layer) = self.final_deny().or_else(|| self.closed()) {
            return Err(layer.denial());
        }
        decided_by(self.identity, self.resource_allows())
    }
}

impl Snapshot {
    /// Decides without reasons: permitted, or the kind of the refusal. Allocates nothing once the indexes that it
    /// needs are there.
    ///
    /// A text that is no valid [`ActionName`] or [`ResourceName`] is refused, so that a caller's missed check does
    /// not become an allow.
    pub fn judge(&self, principal: &Principal<'_>, request: &Request<'_>) -> Answer {
        self.put(principal, request, |ask, layers| {
            let identity = principal.identity.table.judge(ask);
            if layers.iter().all(|(_, table)| table.is_none()) {
                return decided_by(identity, false);
            }
            Said::hear(layers, identity, ask).answer()
        })?
    }

    /// Decides as [`Snapshot::judge`] does, with the statements that decided.
    #[must_use]
    pub fn decide(&self, principal: &Principal<'_>, request: &Request<'_>) -> Decision {
        let decided = self.put(principal, request, |ask, layers| {
            let said = Said::hear(layers, principal.identity.table.judge(ask), ask);
            let answer = said.answer();
            let because = because(principal, &said, ask);
            let errors = errors(principal, &said, ask);
            (answer, because, errors)
        });
        let (answer, because, errors) =
            decided.unwrap_or_else(|denial| (Err(denial), Vec::new(), Vec::new()));
        Decision {
            effect: if answer.is_ok() { Effect::Allow } else { Effect::Deny },
            because,
            errors,
            denial: answer.err(),
            version: self.version,
        }
    }

    /// Puts a request to `then` with the layers that may be there. Fails with the kind of a refusal that needs none of
    /// them.
    pub(super) fn put<T>(
        &self,
        principal: &Principal<'_>,
        request: &Request<'_>,
        then: impl FnOnce(&Ask<'_>, Layers<'_>) -> T,
    ) -> Result<T, Denial> {
        if !principal.active {
            return Err(Denial::Inactive);
        }
        if ActionName::check(request.action).is_err() || ResourceName::check(request.resource).is_err() {
            return Err(Denial::NothingApplies);
        }
        let chain = self.chain(request.resource);
        let mut lower = Lower::EMPTY;
        let keys = NameKeys::of(request.resource);
        let ask = Ask {
            action: request.action,
            lower: lower.write(request.action),
            chain: chain.as_slice(),
            keys: &keys,
            facts: request.facts,
            tenant: &self.tenant,
        };
        let layers = [
            (Layer::PlatformGuardrail, self.platform_guardrail.as_deref()),
            (Layer::TenantGuardrail, self.tenant_guardrail.as_deref()),
            (Layer::Boundary, principal.boundary),
            (Layer::Session, principal.session),
            (Layer::Scope, principal.scope),
            (Layer::Resource, self.resource_policy(request.resource)),
        ];
        Ok(then(&ask, layers))
    }

    fn resource_policy(&self, resource: &str) -> Option<&Table> {
        if self.resource_policies.is_empty() {
            return None;
        }
        self.resource_policies.get(resource).map(|table| &**table)
    }

    /// Returns a resource and what it lies in, nearest first. Only the first [`RESOURCE_DEPTH_MAX`] names of a way
    /// up count, so that a ring would end too.
    fn chain<'a>(&'a self, resource: &'a str) -> Chain<'a> {
        let mut names = [resource; RESOURCE_DEPTH_MAX];
        let mut length = 1;
        let mut last = resource;
        if self.parents.len() > 0 {
            for place in names.iter_mut().skip(1) {
                let Some(parent) = self.parents.get(last) else { break };
                last = parent;
                *place = last;
                length += 1;
            }
        }
        Chain { names, length }
    }
}

/// The statements that decided.
fn because(principal: &Principal<'_>, said: &Said<'_>, ask: &Ask<'_>) -> Vec<Because> {
    if let Some(last) = said.final_deny() {
        let found = said.layers().find(|(layer, ..)| *layer == last);
        let Some((layer, table, _)) = found else { return Vec::new() };
        let hits = table.collect(ask, BECAUSE_MAX, false, |effect, _, _| effect == Effect::Deny);
        return hits.into_iter().filter_map(|hit| describe(layer, table, hit)).collect();
    }
    if said.closed().is_some() {
        return Vec::new();
    }
    let Levels { allow, deny } = said.identity;
    let found = match said.identity.effect() {
        Some(winner) => {
            let top = if winner == Effect::Deny { deny } else { allow };
            let hits = principal.identity.table.collect(ask, BECAUSE_MAX, false, |effect, level, erred| {
                effect == winner && level == top && (!erred || effect == Effect::Deny)
            });
            (Layer::Identity, &principal.identity.table, hits)
        }
        None => {
            let resource = said.layers().find(|(layer, ..)| *layer == Layer::Resource);
            let Some((layer, table, _)) = resource else { return Vec::new() };
            let hits =
                table.collect(ask, BECAUSE_MAX, false, |effect, _, erred| effect == Effect::Allow && !erred);
            (layer, table, hits)
        }
    };
    let (layer, table, hits) = found;
    hits.into_iter().filter_map(|hit| describe(layer, table, hit)).collect()
}

/// Collects over all layers what could not be judged.
fn errors(principal: &Principal<'_>, said: &Said<'_>, ask: &Ask<'_>) -> Vec<Because> {
    let identity = (Layer::Identity, &principal.identity.table, said.identity);
    let mut found = Vec::new();
    for (layer, table, _) in said.layers().chain([identity]) {
        let room = BECAUSE_MAX.saturating_sub(found.len());
        let hits = table.collect(ask, room, true, |_, _, erred| erred);
        found.extend(hits.into_iter().filter_map(|hit| describe(layer, table, hit)));
    }
    found
}

pub(super) fn describe(layer: Layer, table: &Table, hit: Hit) -> Option<Because> {
    let (grant, at) = table.find(hit)?;
    let statement = grant.policy.statement(at)?;
    let (source, place) = grant.policy.place(at);
    Some(Because {
        layer,
        role_path: grant.path.to_vec(),
        source,
        statement: place,
        sid: statement.sid.clone(),
        effect: statement.effect,
        priority: grant.policy.priority(),
    })
}
