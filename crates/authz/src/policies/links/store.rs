//! All SQL about the links of policies, except what decisions load.

use ::store::{FromRow, Row, Rx, Sql};
use base::id::{PolicyId, TenantId};
use policy::Effect;

use super::{Link, LinkKind, Linked};
use crate::policies::{effect_of, word};
use crate::{Listing, Result, Tx};

impl FromRow for Linked {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let effect: Option<String> = row.find("effect")?;
        Ok(Self { id: row.get("id")?, name: row.get("name")?, effect: effect.as_deref().and_then(effect_of) })
    }
}

/// The code or name of what may be linked, if it is there.
pub(super) async fn name_of(
    rx: &mut Rx,
    tenant: &TenantId,
    kind: LinkKind,
    id: &str,
) -> Result<Option<String>> {
    let sql = match kind {
        LinkKind::Permission => {
            Sql::new("SELECT code FROM permissions WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id)
        }
        LinkKind::Global => Sql::new("SELECT name FROM global_permissions WHERE id = $1").bind(id),
        LinkKind::Resource => {
            Sql::new("SELECT name FROM resources WHERE tenant_id = $1 AND id = $2").bind(tenant).bind(id)
        }
    };
    Ok(rx.optional(sql).await?)
}

/// How many links of a kind a policy has.
pub(super) async fn count(rx: &mut Rx, tenant: &TenantId, kind: LinkKind, policy: &PolicyId) -> Result<i64> {
    let sql = Sql::new(match kind {
        LinkKind::Permission => {
            "SELECT count(*) FROM policy_permissions WHERE tenant_id = $1 AND policy_id = $2"
        }
        LinkKind::Global => {
            "SELECT count(*) FROM policy_global_permissions WHERE tenant_id = $1 AND policy_id = $2"
        }
        LinkKind::Resource => "SELECT count(*) FROM policy_resources WHERE tenant_id = $1 AND policy_id = $2",
    });
    Ok(rx.one(sql.bind(tenant).bind(policy)).await?)
}

struct EffectRow(Option<String>);

impl FromRow for EffectRow {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self(row.find("effect")?))
    }
}

/// The effect of a link's own, inside an option that says whether there is such a link.
pub(super) async fn find(
    rx: &mut Rx,
    tenant: &TenantId,
    policy: &PolicyId,
    link: &Link,
) -> Result<Option<Option<Effect>>> {
    let sql = Sql::new(match link.kind() {
        LinkKind::Permission => {
            "SELECT effect FROM policy_permissions WHERE tenant_id = $1 AND policy_id = $2 AND permission_id = $3"
        }
        LinkKind::Global => {
            "SELECT NULL AS effect FROM policy_global_permissions \
             WHERE tenant_id = $1 AND policy_id = $2 AND global_permission_id = $3"
        }
        LinkKind::Resource => {
            "SELECT NULL AS effect FROM policy_resources \
             WHERE tenant_id = $1 AND policy_id = $2 AND resource_id = $3"
        }
    });
    let found: Option<EffectRow> = rx.optional(sql.bind(tenant).bind(policy).bind(link.id())).await?;
    Ok(found.map(|row| row.0.as_deref().and_then(effect_of)))
}

pub(super) async fn put(tx: &mut Tx, tenant: &TenantId, policy: &PolicyId, link: &Link) -> Result<()> {
    let sql = match link {
        Link::Permission(id, effect) => Sql::new(
            "INSERT INTO policy_permissions (policy_id, permission_id, tenant_id, effect) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (policy_id, permission_id) DO UPDATE SET effect = excluded.effect",
        )
        .bind(policy)
        .bind(id)
        .bind(tenant)
        .bind(effect.map(word)),
        Link::Global(id) => Sql::new(
            "INSERT INTO policy_global_permissions (policy_id, global_permission_id, tenant_id) \
             VALUES ($1, $2, $3) ON CONFLICT (policy_id, global_permission_id) DO NOTHING",
        )
        .bind(policy)
        .bind(id)
        .bind(tenant),
        Link::Resource(id) => Sql::new(
            "INSERT INTO policy_resources (policy_id, resource_id, tenant_id) VALUES ($1, $2, $3) \
             ON CONFLICT (policy_id, resource_id) DO NOTHING",
        )
        .bind(policy)
        .bind(id)
        .bind(tenant),
    };
    tx.execute(sql).await?;
    Ok(())
}

pub(super) async fn remove(tx: &mut Tx, tenant: &TenantId, policy: &PolicyId, link: &Link) -> Result<u64> {
    let sql = Sql::new(match link.kind() {
        LinkKind::Permission => {
            "DELETE FROM policy_permissions WHERE tenant_id = $1 AND policy_id = $2 AND permission_id = $3"
        }
        LinkKind::Global => {
            "DELETE FROM policy_global_permissions \
             WHERE tenant_id = $1 AND policy_id = $2 AND global_permission_id = $3"
        }
        LinkKind::Resource => {
            "DELETE FROM policy_resources WHERE tenant_id = $1 AND policy_id = $2 AND resource_id = $3"
        }
    });
    Ok(tx.execute(sql.bind(tenant).bind(policy).bind(link.id())).await?)
}

/// The next links of a kind, by code or name.
pub(super) async fn page(
    rx: &mut Rx,
    tenant: &TenantId,
    policy: &PolicyId,
    kind: LinkKind,
    listing: &Listing,
) -> Result<Vec<Linked>> {
    let sql = Sql::new(match kind {
        LinkKind::Permission => {
            "SELECT p.id, p.code AS name, l.effect FROM policy_permissions l \
             JOIN permissions p ON p.id = l.permission_id AND p.tenant_id = l.tenant_id \
             WHERE l.tenant_id = $1 AND l.policy_id = $2 AND p.code > $3 ORDER BY p.code LIMIT $4"
        }
        LinkKind::Global => {
            "SELECT g.id, g.name, NULL AS effect FROM policy_global_permissions l \
             JOIN global_permissions g ON g.id = l.global_permission_id \
             WHERE l.tenant_id = $1 AND l.policy_id = $2 AND g.name > $3 ORDER BY g.name LIMIT $4"
        }
        LinkKind::Resource => {
            "SELECT r.id, r.name, NULL AS effect FROM policy_resources l \
             JOIN resources r ON r.id = l.resource_id AND r.tenant_id = l.tenant_id \
             WHERE l.tenant_id = $1 AND l.policy_id = $2 AND r.name > $3 ORDER BY r.name LIMIT $4"
        }
    });
    Ok(rx.all(sql.bind(tenant).bind(policy).bind(listing.after()).bind(listing.limit())).await?)
}
