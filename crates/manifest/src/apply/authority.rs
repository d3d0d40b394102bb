//! What the caller must be allowed for each step: every step is its own operation.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use authz::{Action, Cx, Permit, Target, roles};
use base::id::{Id, PrincipalId};

use crate::error::Result;
use crate::file::model::Manifest;
use crate::plan::{Change, Step};
use crate::state::has_links;

/// The permits that were given, each asked for once.
#[derive(Default)]
pub(super) struct Permits(HashMap<(Action, String), Permit>);

fn key(action: Action, target: &Target) -> (Action, String) {
    (action, target.name(None).as_str().to_owned())
}

impl Permits {
    /// Asks for what the caller must see to be shown a plan: the nouns of the file's sections.
    pub(super) async fn for_reading(&mut self, cx: &Cx, manifest: &Manifest) -> Result<()> {
        let groups = manifest.groups.is_some();
        let users = manifest.users.is_some();
        let clients = manifest.clients.is_some();
        for (wanted, action, kind) in [
            (manifest.policies.is_some() || names_policies(manifest), Action::PolicyRead, "policy"),
            (has_links(manifest), Action::PermissionRead, "permission"),
            (manifest.roles.is_some() || users || clients || groups, Action::RoleRead, "role"),
            (clients, Action::ClientRead, "client"),
            (users || groups, Action::UserRead, "user"),
            (groups, Action::GroupRead, "group"),
            (manifest.resources.is_some(), Action::ResourceRead, "resource"),
        ] {
            if wanted {
                self.ask(cx, action, Target::all(kind)).await?;
            }
        }
        Ok(())
    }

    /// Asks for all that a change needs. Fails at the first refusal, which is recorded.
    pub(super) async fn for_change(&mut self, cx: &Cx, change: &Change) -> Result<()> {
        for step in &change.steps {
            for (action, target) in needs(cx, step)? {
                self.ask(cx, action, target).await?;
            }
            if let Some(above) = acts_on(step)
                && roles::outranks(cx, &above).await?
            {
                let what = format!("`{}` holds roles that you do not", change.name);
                return Err(authz::Error::Escalation(what).into());
            }
        }
        Ok(())
    }

    async fn ask(&mut self, cx: &Cx, action: Action, target: Target) -> Result<()> {
        if let Entry::Vacant(free) = self.0.entry(key(action, &target)) {
            free.insert(cx.authorize(action, &target).await?);
        }
        Ok(())
    }

    /// The permit of a step, which was asked for before the transaction began.
    pub(super) fn of(&self, cx: &Cx, step: &Step) -> Result<&Permit> {
        let (action, target) = need(cx, step)?;
        let found = self.0.get(&key(action, &target));
        found.ok_or_else(|| {
            crate::Error::refused(base::bug!("a step that nobody asked for: {}", action.name()))
        })
    }
}

/// Whether a file says something of policies outside their own section: boundaries, and policies of resources.
fn names_policies(manifest: &Manifest) -> bool {
    manifest.users.iter().flatten().any(|user| user.boundary.is_some())
        || manifest.clients.iter().flatten().any(|client| client.boundary.is_some())
        || manifest.resources.iter().flatten().any(|resource| resource.policy.is_some())
}

fn needs(cx: &Cx, step: &Step) -> Result<Vec<(Action, Target)>> {
    let mut needs = vec![need(cx, step)?];
    // A move needs permission on the resource and on both parents.
    if let Step::UpdateResource { from, to, .. } = step {
        needs.extend(from.iter().map(|id| (Action::ResourceUpdate, Target::member(id))));
        needs.extend(to.iter().map(|id| (Action::ResourceUpdate, Target::member(id))));
    }
    Ok(needs)
}

/// The action of a step, on a member by id, or on all of a kind where the member is made by the file.
fn need(cx: &Cx, step: &Step) -> Result<(Action, Target)> {
    let all = Target::all;
    Ok(match step {
        Step::CreateTenant => (Action::PlatformTenantCreate, all("tenant")),
        Step::RenameTenant(_) => (Action::TenantUpdate, Target::member(&cx.tenant()?.id)),
        Step::ConfigureTenant(_) => (Action::TenantConfig, Target::member(&cx.tenant()?.id)),
        Step::CreatePermission { .. } => (Action::PermissionCreate, all("permission")),
        Step::UpdatePermission(id, ..) => (Action::PermissionUpdate, Target::member(id)),
        Step::DeletePermission(id) => (Action::PermissionDelete, Target::member(id)),
        Step::Link { id, .. } => (Action::PolicyUpdate, member_or_all(id.as_ref(), "policy")),
        Step::Unlink(id, _) => (Action::PolicyUpdate, Target::member(id)),
        Step::CreatePolicy(_) => (Action::PolicyCreate, all("policy")),
        Step::UpdatePolicy(id, ..) => (Action::PolicyUpdate, Target::member(id)),
        Step::DeletePolicy(id) => (Action::PolicyDelete, Target::member(id)),
        Step::CreateRole { .. } => (Action::RoleCreate, all("role")),
        Step::UpdateRole { id, .. } => (Action::RoleUpdate, Target::member(id)),
        Step::DeleteRole(id) => (Action::RoleDelete, Target::member(id)),
        Step::SetPolicies { .. } => (Action::PolicyUpdate, all("policy")),
        Step::CreateUser(_) => (Action::UserCreate, all("user")),
        Step::UpdateUser { id, .. } => (Action::UserUpdate, Target::member(id)),
        Step::SetPassword { id, .. } => (Action::UserResetPassword, Target::member(id)),
        Step::ChangeStatus { id, change, .. } => (change.action(), member_or_all(id.as_ref(), "user")),
        Step::DeleteUser(id) => (Action::UserDelete, Target::member(id)),
        Step::CreateClient(_) => (Action::ClientCreate, all("client")),
        Step::UpdateClient { id, .. } | Step::SetClientSecret { id, .. } => {
            (Action::ClientUpdate, Target::member(id))
        }
        Step::DeleteClient { id, .. } => (Action::ClientDelete, Target::member(id)),
        Step::CreateGroup(_) => (Action::GroupCreate, all("group")),
        Step::UpdateGroup(id, ..) => (Action::GroupUpdate, Target::member(id)),
        Step::DeleteGroup(id) => (Action::GroupDelete, Target::member(id)),
        Step::AddMember { id, .. } | Step::RemoveMember { id, .. } => {
            (Action::GroupUpdate, member_or_all(id.as_ref(), "group"))
        }
        Step::CreateResource { .. } => (Action::ResourceCreate, all("resource")),
        Step::UpdateResource { id, .. } => (Action::ResourceUpdate, Target::member(id)),
        Step::DeleteResource(id) => (Action::ResourceDelete, Target::member(id)),
        Step::AttachGuardrail { id, .. } => {
            (Action::PolicyAttachGuardrail, member_or_all(id.as_ref(), "policy"))
        }
        Step::DetachGuardrail(id) => (Action::PolicyAttachGuardrail, Target::member(id)),
        Step::SetBoundary { kind, id, .. } => {
            let target = id.clone().map_or(all(kind), |id| Target::Member(kind, id));
            (Action::PolicySetBoundary, target)
        }
        Step::SetResourcePolicy { id, .. } => {
            (Action::ResourceSetPolicy, member_or_all(id.as_ref(), "resource"))
        }
        Step::Assign { id, .. } | Step::Unassign { id, .. } => {
            (Action::RoleAssign, member_or_all(id.as_ref(), "role"))
        }
    })
}

fn member_or_all<N: base::id::Noun>(id: Option<&Id<N>>, kind: &'static str) -> Target {
    id.map_or(Target::all(kind), Target::member)
}

/// Whom a step takes over, where the inner verb does not ask itself whether they stand above the caller.
fn acts_on(step: &Step) -> Option<PrincipalId> {
    match step {
        Step::SetPassword { id, .. } => Some(id.cast()),
        Step::UpdateClient { principal, .. }
        | Step::SetClientSecret { principal, .. }
        | Step::DeleteClient { principal, .. } => principal.clone(),
        _ => None,
    }
}
