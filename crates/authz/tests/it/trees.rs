//! Random sequences of edits leave trees that are trees and memberships that stay inside their tenant.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use authz::groups::{self, NewGroup};
use authz::resources::{self, NewResource, ResourceChange};
use authz::roles::{self, RoleChange, Window};
use base::id::{GroupId, PrincipalId, ResourceId, RoleId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use store::{FromRow, Row, Rx, Sql};

use crate::world::{World, new_role};

const DEPTH_MAX: usize = 10;

/// One edit; numbers choose among what is there.
#[derive(Debug, Clone)]
enum Edit {
    Create(Option<u16>),
    Move(u16, Option<u16>),
    Delete(u16),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let parent = || proptest::option::weighted(0.85, any::<u16>());
    let edit = prop_oneof![
        4 => parent().prop_map(Edit::Create),
        5 => (any::<u16>(), parent()).prop_map(|(which, parent)| Edit::Move(which, parent)),
        1 => any::<u16>().prop_map(Edit::Delete),
    ];
    proptest::collection::vec(edit, 1..40)
}

struct Edge {
    id: String,
    tenant: String,
    parent: Option<String>,
    parent_tenant: Option<String>,
}

impl FromRow for Edge {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            tenant: row.get("tenant_id")?,
            parent: row.find("parent_id")?,
            parent_tenant: row.find("parent_tenant")?,
        })
    }
}

/// Checks that no edge leaves its tenant and that every way up ends within ten.
async fn check(rx: &mut Rx, sql: &'static str) -> Result<(), TestCaseError> {
    let edges: Vec<Edge> = rx.all(Sql::new(sql)).await.unwrap();
    let mut parents: HashMap<String, Option<String>> = HashMap::new();
    for edge in edges {
        if edge.parent.is_some() {
            prop_assert_eq!(Some(edge.tenant), edge.parent_tenant);
        }
        parents.insert(edge.id, edge.parent);
    }
    for start in parents.keys() {
        let mut length = 1;
        let mut at = start;
        while let Some(Some(parent)) = parents.get(at) {
            length += 1;
            prop_assert!(length <= DEPTH_MAX, "{} is {} deep or in a ring", start, length);
            at = parent;
        }
    }
    Ok(())
}

const RESOURCE_EDGES: &str = "SELECT r.id, r.tenant_id, r.parent_id, p.tenant_id AS parent_tenant \
                              FROM resources r LEFT JOIN resources p ON p.id = r.parent_id";
const ROLE_EDGES: &str = "SELECT r.id, r.tenant_id, r.parent_id, p.tenant_id AS parent_tenant \
                          FROM roles r LEFT JOIN roles p ON p.id = r.parent_id";

fn pick<T>(all: &[T], number: u16) -> Option<&T> {
    all.get(usize::from(number) % all.len().max(1))
}

/// Runs cases against both databases, each case in the worlds that the earlier ones left.
fn run<S: Strategy>(
    cases: u32,
    strategy: &S,
    case: impl AsyncFn(&World, &S::Value, usize) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for world in runtime.block_on(World::both()) {
        let number = std::cell::Cell::new(0);
        let config = Config { cases, max_shrink_iters: 50, failure_persistence: None, ..Config::default() };
        TestRunner::new(config)
            .run(strategy, |value| {
                number.set(number.get() + 1);
                runtime.block_on(case(&world, &value, number.get()))
            })
            .unwrap();
    }
}

async fn edit_resources(world: &World, edits: &[Edit], case: usize) -> Result<(), TestCaseError> {
    let (foreign_cx, foreign_permit) = world.boot(&world.rival);
    let (cx, permit) = world.boot(&world.acme);
    let mut tx = foreign_cx.write(&foreign_permit).await.unwrap();
    let new = NewResource { name: format!("foreign:{case}"), ..NewResource::default() };
    let foreign = resources::create_resource_in(&foreign_cx, &mut tx, &foreign_permit, new).await.unwrap().id;
    tx.commit().await.unwrap();
    // Another tenant's id is among what edits choose from, and is always refused.
    let mut known: Vec<ResourceId> = vec![foreign];
    for (step, edit) in edits.iter().enumerate() {
        let mut tx = cx.write(&permit).await.unwrap();
        let done = match edit {
            Edit::Create(parent) => {
                let parent_id = parent.and_then(|number| pick(&known, number).cloned());
                let new =
                    NewResource { name: format!("t:{case}/{step}"), parent_id, ..NewResource::default() };
                resources::create_resource_in(&cx, &mut tx, &permit, new)
                    .await
                    .map(|made| known.push(made.id))
            }
            Edit::Move(which, parent) => {
                let Some(id) = pick(&known, *which) else { continue };
                let parent = parent.and_then(|number| pick(&known, number).cloned());
                let change = ResourceChange { parent_id: Some(parent), ..ResourceChange::default() };
                resources::update_resource_in(&cx, &mut tx, &permit, id, change, None).await.map(drop)
            }
            Edit::Delete(which) => {
                let Some(id) = pick(&known, *which).cloned() else { continue };
                let gone = resources::delete_resource_in(&cx, &mut tx, &permit, &id).await;
                gone.map(|()| known.retain(|one| *one != id))
            }
        };
        match done {
            Ok(()) => tx.commit().await.unwrap(),
            Err(error) => refused(error)?,
        }
    }
    let mut rx = cx.read(&permit).await.unwrap();
    check(&mut rx, RESOURCE_EDGES).await
}

/// An edit that is refused is refused for what it is, never by a failure.
fn refused(error: authz::Error) -> Result<(), TestCaseError> {
    let problem = base::Problem::from(error);
    let kinds = [base::Kind::Invalid, base::Kind::NotFound, base::Kind::Conflict];
    prop_assert!(kinds.contains(&problem.kind()), "{problem:?}");
    Ok(())
}

#[test]
fn random_edits_of_resources_leave_trees() {
    run(24, &edits(), async |world, edits, case| edit_resources(world, edits, case).await);
}

async fn edit_roles(world: &World, edits: &[Edit], case: usize) -> Result<(), TestCaseError> {
    let (cx, permit) = world.boot(&world.acme);
    let mut known: Vec<RoleId> = vec![world.role(&world.rival, "USER").await];
    for (step, edit) in edits.iter().enumerate() {
        let mut tx = cx.write(&permit).await.unwrap();
        let done = match edit {
            Edit::Create(parent) => {
                let parent_id = parent.and_then(|number| pick(&known, number).cloned());
                let new = roles::NewRole { parent_id, ..new_role(&format!("T{case}_{step}")) };
                roles::create_role_in(&cx, &mut tx, &permit, new).await.map(|made| known.push(made.id))
            }
            Edit::Move(which, parent) => {
                let Some(id) = pick(&known, *which) else { continue };
                let parent = parent.and_then(|number| pick(&known, number).cloned());
                let change = RoleChange { parent_id: Some(parent), ..RoleChange::default() };
                roles::update_role_in(&cx, &mut tx, &permit, id, change, None).await.map(drop)
            }
            Edit::Delete(which) => {
                let Some(id) = pick(&known, *which).cloned() else { continue };
                let gone = roles::delete_role_in(&cx, &mut tx, &permit, &id).await;
                gone.map(|()| known.retain(|one| *one != id))
            }
        };
        match done {
            Ok(()) => tx.commit().await.unwrap(),
            Err(error) => refused(error)?,
        }
    }
    let mut rx = cx.read(&permit).await.unwrap();
    check(&mut rx, ROLE_EDGES).await
}

#[test]
fn random_edits_of_roles_leave_trees() {
    run(16, &edits(), async |world, edits, case| edit_roles(world, edits, case).await);
}

async fn edit_members(world: &World, edits: &[(bool, u16, u16)], case: usize) -> Result<(), TestCaseError> {
    let (cx, permit) = world.boot(&world.acme);
    let mut people: Vec<PrincipalId> = Vec::new();
    for number in 0..3 {
        people.push(world.user(&world.acme, &format!("p{case}x{number}"), None).await.cast());
    }
    let foreign: PrincipalId = world.user(&world.rival, &format!("f{case}"), None).await.cast();
    people.push(foreign.clone());
    let mut all: Vec<GroupId> = Vec::new();
    let mut tx = cx.write(&permit).await.unwrap();
    for number in 0..3 {
        let new = NewGroup { name: format!("g{case}x{number}"), description: None };
        all.push(groups::create_group_in(&cx, &mut tx, &permit, new).await.unwrap().id);
    }
    tx.commit().await.unwrap();
    let mut expected: BTreeMap<GroupId, BTreeSet<PrincipalId>> = BTreeMap::new();
    for (add, group, person) in edits {
        let (Some(group), Some(person)) = (pick(&all, *group), pick(&people, *person)) else { continue };
        let mut tx = cx.write(&permit).await.unwrap();
        let members = expected.entry(group.clone()).or_default();
        if *add {
            let done = groups::add_member_in(&cx, &mut tx, &permit, group, person, Window::ALWAYS).await;
            prop_assert_eq!(done.is_ok(), *person != foreign);
            if done.is_ok() {
                members.insert(person.clone());
                tx.commit().await.unwrap();
            }
        } else {
            let done = groups::remove_member_in(&cx, &mut tx, &permit, group, person).await;
            prop_assert_eq!(done.is_ok(), members.remove(person));
            if done.is_ok() {
                tx.commit().await.unwrap();
            }
        }
    }
    let mut rx = cx.read(&permit).await.unwrap();
    for group in &all {
        let listed = groups::list_members(&mut rx, &world.acme.id, group, None).await.unwrap();
        let listed: BTreeSet<PrincipalId> = listed.into_iter().map(|one| one.principal_id).collect();
        prop_assert_eq!(&listed, expected.entry(group.clone()).or_default());
    }
    Ok(())
}

#[test]
fn random_edits_of_memberships_are_what_they_say_and_stay_inside_the_tenant() {
    let edits = proptest::collection::vec((any::<bool>(), any::<u16>(), any::<u16>()), 1..25);
    run(8, &edits, async |world, edits, case| edit_members(world, edits, case).await);
}
