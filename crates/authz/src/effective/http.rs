//! Routes and response types of effective permissions.

use axum::extract::State;
use axum::response::Response;
use base::Timestamp;
use policy::Effect;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use web::list::{Attribute, Values};
use web::openapi::Problems;
use web::{Failure, List, ListParams, ListQuery, Listing, Path};

use super::{ORDER, Way};
use crate::http::{Asked, NoSearch, UserPath};
use crate::{Cx, Service};

/// The routes, relative to a tenant.
pub(crate) fn routes() -> OpenApiRouter<Service> {
    OpenApiRouter::new().routes(routes!(list))
}

/// One way by which a person comes to an action.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserPermission)]
struct WayBody {
    action: String,
    /// The permission's code as a role or a policy names it.
    permission: String,
    /// A resource; where it is registered (`resource_id`), with all that lies in it. Otherwise a pattern, or a name of
    /// Signet's own.
    resource: String,
    resource_id: Option<String>,
    /// `allow` or `deny`. At the highest priority of all ways to an action on a resource, a deny wins.
    effect: &'static str,
    /// 0 to 1000.
    priority: i64,
    /// Whether the policy has an expression, on which it depends.
    conditional: bool,
    /// The policy; null where a role's own list of permissions says it.
    policy_id: Option<String>,
    /// The role that the person holds; null where the policy is attached to the person.
    role_id: Option<String>,
    /// That role, or the one that it inherits this from.
    granting_role_id: Option<String>,
    /// The group by which the person holds the role; null where it is held directly.
    group_id: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    valid_from: Option<Timestamp>,
    #[schema(value_type = Option<String>, format = DateTime)]
    expires_at: Option<Timestamp>,
}

impl From<Way> for WayBody {
    fn from(way: Way) -> Self {
        Self {
            action: way.action,
            permission: way.permission,
            resource: way.resource,
            resource_id: way.resource_id.map(|id| id.to_string()),
            effect: if way.effect == Effect::Allow { "allow" } else { "deny" },
            priority: way.priority,
            conditional: way.is_conditional,
            policy_id: way.policy_id.map(|id| id.to_string()),
            role_id: way.role_id.map(|id| id.to_string()),
            granting_role_id: way.granting_role_id.map(|id| id.to_string()),
            group_id: way.group_id.map(|id| id.to_string()),
            valid_from: way.window.valid_from,
            expires_at: way.window.expires_at,
        }
    }
}

/// What the ways to actions are listed by.
const LIST: List = List {
    name: "user permissions",
    attributes: &[
        Attribute::both("action", Values::Text),
        Attribute::both("resource", Values::Text),
        Attribute::both("permission", Values::Text),
        Attribute::both("priority", Values::Int),
        Attribute::filtered("effect", Values::Word(&[("allow", "allow"), ("deny", "deny")])),
        Attribute::filtered("resource_id", Values::Text),
        Attribute::filtered("policy_id", Values::Text),
        Attribute::filtered("role_id", Values::Text),
        Attribute::filtered("granting_role_id", Values::Text),
        Attribute::filtered("group_id", Values::Text),
    ],
    order: &ORDER,
};

/// Lists the ways by which a person comes to actions now: through roles and their lists of permissions, groups, roles
/// inherited from, and what policies are linked to. What policies' documents say is not among them, nor what guardrails, a
/// boundary or a resource's policy take away: the access evaluation answers with all of it.
///
/// `sort` and `filter` take `action`, `resource`, `permission` and `priority`; `filter` also `effect`, `resource_id`,
/// `policy_id`, `role_id`, `granting_role_id` and `group_id`.
#[utoipa::path(get, path = "/api/v1/users/{user_id}/permissions", tag = "permissions",
    operation_id = "list_user_permissions", params(UserPath, ListParams),
    responses((status = 200, description = "A page of ways", body = inline(Listing<WayBody>)), Problems))]
async fn list(
    State(service): State<Service>,
    cx: Cx,
    Path(path): Path<UserPath>,
    query: ListQuery<NoSearch>,
) -> Result<Response, Failure> {
    let id = path.user_id;
    let asked = Asked::new::<_, WayBody>(&service, &cx, &LIST, Some(id.as_str()), &query)?;
    let listed = super::list_user_permissions(&cx, &id, &asked.listing()?).await?;
    asked.answer::<_, WayBody>(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attribute_has_a_column_of_its_kind() {
        crate::listing::check_columns(&LIST, super::super::store::COLUMNS, &ORDER);
    }
}
