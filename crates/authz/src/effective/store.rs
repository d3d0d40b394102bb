//! All SQL about effective permissions.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql, StoreError};
use base::Timestamp;
use base::id::{TenantId, UserId};

use super::{ORDER, Way};
use crate::listing::Source;
use crate::policies::effect_of;
use crate::roles::Window;
use crate::{Listed, Listing, Result};

impl FromRow for Way {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let effect: String = row.get("effect")?;
        let effect = effect_of(&effect)
            .ok_or_else(|| StoreError::Shape { column: "effect".to_owned(), found: effect.clone() })?;
        Ok(Self {
            action: row.get("action")?,
            permission: row.get("permission")?,
            resource: row.get("resource")?,
            resource_id: row.find("resource_id")?,
            effect,
            priority: row.get("priority")?,
            is_conditional: row.get("conditional")?,
            policy_id: row.find("policy_id")?,
            role_id: row.find("role_id")?,
            granting_role_id: row.find("granting_role_id")?,
            group_id: row.find("group_id")?,
            window: Window::from_row(row)?,
        })
    }
}

/// What the ways are filtered and sorted by.
pub(super) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("action", "action", ScalarKind::Text),
    ListColumn::of("resource", "resource", ScalarKind::Text),
    ListColumn::of("permission", "permission", ScalarKind::Text),
    ListColumn::of("effect", "effect", ScalarKind::Text),
    ListColumn::of("priority", "priority", ScalarKind::Int),
    ListColumn::nullable("resource_id", "resource_id", ScalarKind::Text),
    ListColumn::nullable("policy_id", "policy_id", ScalarKind::Text),
    ListColumn::nullable("role_id", "role_id", ScalarKind::Text),
    ListColumn::nullable("granting_role_id", "granting_role_id", ScalarKind::Text),
    ListColumn::nullable("group_id", "group_id", ScalarKind::Text),
];

const SELECT: &str = "SELECT group_id, role_id, granting_role_id, policy_id, permission, action, resource, \
    resource_id, effect, priority, conditional, valid_from, expires_at, place";

/// The ways of user `$2` of tenant `$1` that count at `$3`; `place` tells them apart.
const FROM: &str = " FROM (\
     SELECT group_id, role_id, granting_role_id, policy_id, permission, action, resource, resource_id, effect, \
     priority, conditional, valid_from, expires_at, \
     coalesce(group_id, '') || '/' || coalesce(role_id, '') || '/' || coalesce(granting_role_id, '') || '/' \
     || coalesce(policy_id, '') || '/' || coalesce(resource_id, '') || '/' || effect || '/' || permission || '/' \
     || action || '/' || resource AS place \
     FROM v_user_permission_grants WHERE tenant_id = $1 AND user_id = $2 \
     AND (valid_from IS NULL OR valid_from <= $3) AND (expires_at IS NULL OR $3 < expires_at)) AS ways WHERE TRUE";

/// A part of the ways that count at an instant.
pub(super) async fn page(
    rx: &mut Rx,
    tenant: &TenantId,
    user: &UserId,
    now: Timestamp,
    listing: &Listing,
) -> Result<Listed<Way>> {
    let from = Sql::new(FROM).bind(tenant).bind(user).bind(now);
    let source = Source { select: SELECT, from, columns: COLUMNS, order: &ORDER, id: "place" };
    source.read(rx, listing).await
}
