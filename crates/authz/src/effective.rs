//! Effective permissions: each way by which a user comes to an action, for reports. Decisions do not read them.
//!
//! They are read from the view `v_user_permission_grants`, which follows roles, groups, links and simple lists, and
//! leaves policies' documents out: what a document says hangs on the question.

pub(crate) mod http;
mod store;

use base::id::{GroupId, PolicyId, PrincipalId, ResourceId, RoleId, UserId};
use base::query::{Direction, SortKey};
use policy::Effect;

use crate::principals::{self, PrincipalKind};
use crate::roles::Window;
use crate::{Action, Cx, Listed, Listing, Result, Target};

/// The order of the ways where nobody says another one.
const ORDER: [SortKey; 2] = [
    SortKey { attribute: "action", direction: Direction::Ascending },
    SortKey { attribute: "resource", direction: Direction::Ascending },
];

/// One way by which a user comes to an action now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The action.
    pub action: String,
    /// The permission's code as a role or a policy names it.
    pub permission: String,
    /// A resource, with all that lies in it where it is registered; otherwise a pattern or a name of Signet's own.
    pub resource: String,
    /// The registered resource.
    pub resource_id: Option<ResourceId>,
    /// What it does.
    pub effect: Effect,
    /// The priority of the policy.
    pub priority: i64,
    /// Whether the policy has an expression, on which it depends.
    pub is_conditional: bool,
    /// The policy; none where a role's simple list says it.
    pub policy_id: Option<PolicyId>,
    /// The role that the user holds; none where the policy is attached to the user.
    pub role_id: Option<RoleId>,
    /// That role, or the one above it that says it.
    pub granting_role_id: Option<RoleId>,
    /// The group by which the user holds the role.
    pub group_id: Option<GroupId>,
    /// When all of it counts.
    pub window: Window,
}

/// Reads a part of the ways by which a user comes to actions now, by action and resource. Nobody comes to anything who
/// is not active. The caller may read the user and all policies.
///
/// Fails with [`crate::Error::NotFound`] if there is no such user.
pub async fn list_user_permissions(cx: &Cx, user: &UserId, listing: &Listing) -> Result<Listed<Way>> {
    cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    let permit = cx.authorize(Action::UserRead, &Target::member(user)).await?;
    let mut rx = cx.read(&permit).await?;
    let (tenant, principal): (_, PrincipalId) = (permit.own_tenant()?, user.cast());
    principals::check_kind(&mut rx, tenant, &principal, PrincipalKind::User).await?;
    store::page(&mut rx, tenant, user, cx.now(), listing).await
}
