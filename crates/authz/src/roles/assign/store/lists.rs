//! The SQL of the lists of who holds what.

use ::store::{FromRow, ListColumn, Row, Rx, ScalarKind, Sql};
use base::id::{GroupId, PrincipalId, RoleId, TenantId};
use base::query::{Direction, Scalar, SortKey};

use crate::listing::Source;
use crate::roles::assign::{Assignment, HELD_ORDER, HOLDER_ORDER, Held, Holder, Window};
use crate::{Listed, Listing, Result};

/// What lists of held roles are filtered and sorted by.
pub(in crate::roles) const HELD: &[ListColumn] = &[
    ListColumn::of("role_code", "role_code", ScalarKind::Text),
    ListColumn::of("role_id", "role_id", ScalarKind::Text),
    ListColumn::nullable("group_id", "group_id", ScalarKind::Text),
    ListColumn::nullable("valid_from", "valid_from", ScalarKind::Time),
    ListColumn::nullable("expires_at", "expires_at", ScalarKind::Time),
];

/// A row of [`HELD_FROM`].
struct HeldRow(Held);

impl FromRow for HeldRow {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        Ok(Self(Held {
            role_id: row.get("role_id")?,
            role_code: row.get("role_code")?,
            window: Window::from_row(row)?,
            through: row.find("group_id")?,
        }))
    }
}

const HELD_SELECT: &str = "SELECT role_id, role_code, group_id, valid_from, expires_at, place";

/// The roles of principal `$2` in tenant `$1`. Through a group, a role counts while both the membership and
/// the group's role do; `place` tells the ways apart in which one role is held.
const HELD_FROM: &str = " FROM (\
     SELECT ur.role_id, r.code AS role_code, NULL AS group_id, ur.valid_from, ur.expires_at, \
     ur.role_id || '/' AS place \
     FROM user_roles ur JOIN roles r ON r.id = ur.role_id AND r.tenant_id = ur.tenant_id \
     WHERE ur.tenant_id = $1 AND ur.user_id = $2 \
     UNION ALL \
     SELECT cr.role_id, r.code AS role_code, NULL AS group_id, cr.valid_from, cr.expires_at, \
     cr.role_id || '/' AS place \
     FROM client_roles cr JOIN roles r ON r.id = cr.role_id AND r.tenant_id = cr.tenant_id \
     WHERE cr.tenant_id = $1 AND cr.client_id = $2 \
     UNION ALL \
     SELECT gr.role_id, r.code AS role_code, gr.group_id, \
     CASE WHEN gm.valid_from IS NULL OR gm.valid_from < gr.valid_from THEN gr.valid_from \
     ELSE gm.valid_from END AS valid_from, \
     CASE WHEN gm.expires_at IS NULL OR gm.expires_at > gr.expires_at THEN gr.expires_at \
     ELSE gm.expires_at END AS expires_at, \
     gr.role_id || '/' || gr.group_id AS place \
     FROM group_members gm JOIN group_roles gr ON gr.group_id = gm.group_id AND gr.tenant_id = gm.tenant_id \
     JOIN roles r ON r.id = gr.role_id AND r.tenant_id = gr.tenant_id \
     WHERE gm.tenant_id = $1 AND gm.principal_id = $2) AS held WHERE TRUE";

/// A part of the roles that a principal holds.
pub(in crate::roles) async fn held(
    rx: &mut Rx,
    tenant: &TenantId,
    principal: &PrincipalId,
    listing: &Listing,
) -> Result<Listed<Held>> {
    let from = Sql::new(HELD_FROM).bind(tenant).bind(principal);
    let source = Source { select: HELD_SELECT, from, columns: HELD, order: &HELD_ORDER, id: "place" };
    Ok(source.read::<HeldRow>(rx, listing).await?.map(|row| row.0))
}

/// The roles of group `$2` in tenant `$1`.
const GROUP_FROM: &str = " FROM (\
     SELECT gr.role_id, r.code AS role_code, gr.group_id, gr.valid_from, gr.expires_at, gr.role_id AS place \
     FROM group_roles gr JOIN roles r ON r.id = gr.role_id AND r.tenant_id = gr.tenant_id \
     WHERE gr.tenant_id = $1 AND gr.group_id = $2) AS held WHERE TRUE";

/// A part of the roles of a group.
pub(in crate::roles) async fn held_by_group(
    rx: &mut Rx,
    tenant: &TenantId,
    group: &GroupId,
    listing: &Listing,
) -> Result<Listed<Held>> {
    let from = Sql::new(GROUP_FROM).bind(tenant).bind(group);
    let source = Source { select: HELD_SELECT, from, columns: HELD, order: &HELD_ORDER, id: "place" };
    Ok(source.read::<HeldRow>(rx, listing).await?.map(|row| row.0))
}

// ------------------------------------------------------------------ holders

/// What one table says of holders: all of one kind.
struct Kind {
    name: &'static str,
    select: &'static str,
    from: &'static str,
    columns: &'static [ListColumn],
    id: &'static str,
}

const UP: [SortKey; 1] = [SortKey { attribute: "holder_id", direction: Direction::Ascending }];
const DOWN: [SortKey; 1] = [SortKey { attribute: "holder_id", direction: Direction::Descending }];

const fn columns(kind: &'static str, id: &'static str) -> [ListColumn; 6] {
    [
        ListColumn::of("holder_type", kind, ScalarKind::Text),
        ListColumn::of("holder_id", id, ScalarKind::Text),
        ListColumn::nullable("valid_from", "valid_from", ScalarKind::Time),
        ListColumn::nullable("expires_at", "expires_at", ScalarKind::Time),
        ListColumn::of("assigned_at", "assigned_at", ScalarKind::Time),
        ListColumn::nullable("assigned_by", "assigned_by", ScalarKind::Text),
    ]
}

/// The columns of clients' assignments; those of the others offer the same.
pub(in crate::roles) const HOLDERS: &[ListColumn] = &columns("'client'", "client_id");
const GROUPS: &[ListColumn] = &columns("'group'", "group_id");
const USERS: &[ListColumn] = &columns("'user'", "user_id");

/// The kinds of holders, in their order.
const KINDS: [Kind; 3] = [
    Kind {
        name: "client",
        select: "SELECT 'client' AS kind, client_id, client_id AS holder_id, valid_from, expires_at, assigned_at, \
                 assigned_by",
        from: " FROM client_roles WHERE tenant_id = ",
        columns: HOLDERS,
        id: "client_id",
    },
    Kind {
        name: "group",
        select: "SELECT 'group' AS kind, group_id, group_id AS holder_id, valid_from, expires_at, assigned_at, \
                 assigned_by",
        from: " FROM group_roles WHERE tenant_id = ",
        columns: GROUPS,
        id: "group_id",
    },
    Kind {
        name: "user",
        select: "SELECT 'user' AS kind, user_id, user_id AS holder_id, valid_from, expires_at, assigned_at, \
                 assigned_by",
        from: " FROM user_roles WHERE tenant_id = ",
        columns: USERS,
        id: "user_id",
    },
];

impl FromRow for Assignment {
    fn from_row(row: &Row) -> ::store::Result<Self> {
        let stored: String = row.get("kind")?;
        let kind = KINDS.iter().map(|kind| kind.name).find(|name| *name == stored).unwrap_or_default();
        let holder = match kind {
            "group" => Holder::Group(row.get("holder_id")?),
            _ => Holder::Principal(row.get("holder_id")?),
        };
        let (assigned_at, assigned_by) = (row.get("assigned_at")?, row.find("assigned_by")?);
        Ok(Self { holder, kind, window: Window::from_row(row)?, assigned_at, assigned_by })
    }
}

/// A part of those who hold a role: by kind, and by id within each.
///
/// One table after the other, so that each page is a stretch of an index however many hold the role.
pub(in crate::roles) async fn assignments(
    rx: &mut Rx,
    tenant: &TenantId,
    role: &RoleId,
    listing: &Listing,
) -> Result<Listed<Assignment>> {
    let order = listing.order.first().unwrap_or(&HOLDER_ORDER[0]);
    let descending = order.direction == Direction::Descending;
    let mut kinds: Vec<&Kind> = KINDS.iter().collect();
    if descending {
        kinds.reverse();
    }
    let after = listing.after.as_deref().and_then(|position| match position {
        [Some(Scalar::Text(kind)), id] => Some((kind.as_str(), id.clone())),
        _ => None,
    });
    let limit = usize::try_from(listing.limit).unwrap_or(usize::MAX);
    let mut found = Listed { items: Vec::new(), next: None, count: listing.count.map(|_| 0) };
    for kind in kinds {
        let order = if descending { &DOWN } else { &UP };
        let from = Sql::new(kind.from).value(tenant).push(" AND role_id = ").value(role);
        let source = Source { select: kind.select, from, columns: kind.columns, order, id: kind.id };
        let own_count = source.count(rx, listing).await?;
        found.count = found.count.zip(own_count).map(|(all, own)| all + own);
        let passed =
            after.as_ref().is_some_and(|(last, _)| *last != kind.name && (*last > kind.name) != descending);
        let left = limit.saturating_sub(found.items.len());
        if passed || left == 0 {
            continue;
        }
        // The id is the order, and tells apart by itself.
        let here = after.as_ref().filter(|(last, _)| *last == kind.name);
        let part = Listing {
            filter: listing.filter.clone(),
            after: here.map(|(_, id)| vec![id.clone(), id.clone()]),
            ..Listing::first(u32::try_from(left).unwrap_or(u32::MAX))
        };
        found.items.extend(source.read::<Assignment>(rx, &part).await?.items);
    }
    let last = found.items.last().filter(|_| found.items.len() == limit);
    found.next = last.map(|last| {
        let text = |text: &str| Some(Scalar::Text(text.to_owned()));
        vec![text(last.kind), text(last.holder.id())]
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_holders_offer_the_same() {
        let names = |kind: &Kind| kind.columns.iter().map(|column| column.attribute).collect::<Vec<_>>();
        assert!(KINDS.iter().all(|kind| names(kind) == names(&KINDS[0])));
        assert!(KINDS.iter().map(|kind| kind.name).is_sorted());
    }
}
