//! All SQL about the links of policies, except what decisions load.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql};
use base::id::{PolicyId, TenantId};
use policy::Effect;

use super::{Link, LinkKind, Linked, PolicyLink};
use crate::listing::Source;
use crate::policies::{ORDER, effect_of, word};
use crate::{Listed, Listing, Result, Tx};

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

/// What lists of links are filtered and sorted by.
pub(in crate::policies) const COLUMNS: &[ListColumn] = &[
    ListColumn::of("id", "id", ScalarKind::Text),
    ListColumn::of("name", "name", ScalarKind::Text),
    ListColumn::nullable("effect", "effect", ScalarKind::Text),
];

/// A part of the links of a kind.
pub(super) async fn page(
    rx: &mut Rx,
    tenant: &TenantId,
    policy: &PolicyId,
    kind: LinkKind,
    listing: &Listing,
) -> Result<Listed<Linked>> {
    let from = Sql::new(match kind {
        LinkKind::Permission => {
            " FROM (SELECT p.id, p.code AS name, l.effect FROM policy_permissions l \
             JOIN permissions p ON p.id = l.permission_id AND p.tenant_id = l.tenant_id \
             WHERE l.tenant_id = $1 AND l.policy_id = $2) AS linked WHERE TRUE"
        }
        LinkKind::Global => {
            " FROM (SELECT g.id, g.name, NULL AS effect FROM policy_global_permissions l \
             JOIN global_permissions g ON g.id = l.global_permission_id \
             WHERE l.tenant_id = $1 AND l.policy_id = $2) AS linked WHERE TRUE"
        }
        LinkKind::Resource => {
            " FROM (SELECT r.id, r.name, NULL AS effect FROM policy_resources l \
             JOIN resources r ON r.id = l.resource_id AND r.tenant_id = l.tenant_id \
             WHERE l.tenant_id = $1 AND l.policy_id = $2) AS linked WHERE TRUE"
        }
    });
    let source = Source {
        select: "SELECT id, name, effect",
        from: from.bind(tenant).bind(policy),
        columns: COLUMNS,
        order: &ORDER,
        id: "id",
    };
    source.read(rx, listing).await
}

impl FromRow for PolicyLink {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let kind: String = row.get("kind")?;
        let kind = match kind.as_str() {
            "permission" => LinkKind::Permission,
            "global" => LinkKind::Global,
            _ => LinkKind::Resource,
        };
        Ok(Self { policy_id: row.get("policy_id")?, kind, linked: Linked::from_row(row)? })
    }
}

/// The links of all policies of the tenant.
pub(super) async fn list_all(rx: &mut Rx, tenant: &TenantId, limit: i64) -> Result<Vec<PolicyLink>> {
    let sql = Sql::new(
        "SELECT policy_id, kind, id, name, effect FROM (\
         SELECT l.policy_id, 'permission' AS kind, p.id, p.code AS name, l.effect FROM policy_permissions l \
         JOIN permissions p ON p.id = l.permission_id AND p.tenant_id = l.tenant_id WHERE l.tenant_id = $1 \
         UNION ALL \
         SELECT l.policy_id, 'global' AS kind, g.id, g.name, NULL AS effect FROM policy_global_permissions l \
         JOIN global_permissions g ON g.id = l.global_permission_id WHERE l.tenant_id = $1 \
         UNION ALL \
         SELECT l.policy_id, 'resource' AS kind, r.id, r.name, NULL AS effect FROM policy_resources l \
         JOIN resources r ON r.id = l.resource_id AND r.tenant_id = l.tenant_id WHERE l.tenant_id = $1\
         ) AS linked ORDER BY policy_id, kind, name LIMIT $2",
    );
    Ok(rx.all(sql.bind(tenant).bind(limit)).await?)
}
