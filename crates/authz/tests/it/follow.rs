//! A node that follows changes one by one decides like one that reads everything afresh.

use authz::groups::{self, NewGroup};
use authz::permissions::{self, NewPermission};
use authz::policies::links::{self, Link};
use authz::policies::{self, NewPolicy, PolicyChange};
use authz::resources::{self, NewResource, ResourceChange};
use authz::roles::{self, Holder, RoleChange, Window};
use authz::{Core, Cx, Permit, Result, Tx, principals};
use base::id::{GroupId, PermissionId, PolicyId, PrincipalId, ResourceId, RoleId};
use base::{Random, SeededRandom};
use policy::Effect;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::world::{World, new_role};

const ACTIONS: [&str; 4] = ["document:read", "document:write", "document:sign", "user:read"];
const STEPS: usize = 160;
const EVERY: usize = 4;

/// A tenant that verbs are thrown at.
struct Scene {
    dice: SeededRandom,
    users: Vec<PrincipalId>,
    policies: Vec<PolicyId>,
    roles: Vec<RoleId>,
    groups: Vec<GroupId>,
    permissions: Vec<PermissionId>,
    resources: Vec<(ResourceId, String)>,
    made: usize,
}

impl Scene {
    fn roll(&self, below: usize) -> usize {
        let mut bytes = [0; 8];
        self.dice.fill(&mut bytes);
        usize::try_from(u64::from_le_bytes(bytes) % u64::try_from(below.max(1)).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&self, list: &[T]) -> Option<T> {
        list.get(self.roll(list.len())).cloned()
    }

    fn team(&self) -> &'static str {
        ["red", "blue"][self.roll(2)]
    }

    fn tags(&self) -> BTreeMap<String, String> {
        let count = usize::from(self.roll(3) > 0);
        (0..count).map(|_| ("Team".to_owned(), self.team().to_owned())).collect()
    }

    fn document(&self) -> Value {
        let action = ACTIONS[self.roll(ACTIONS.len())];
        let effect = if self.roll(4) == 0 { "Deny" } else { "Allow" };
        let resource = ["*", "document:*", "document:d1*", "document:d2"][self.roll(4)];
        let mut statement = json!({ "Effect": effect, "Action": action, "Resource": resource });
        if self.roll(3) == 0 {
            let condition = json!({ "StringEquals": { "aws:ResourceTag/Team": self.team() } });
            statement["Condition"] = condition;
        }
        json!({ "Version": "2012-10-17", "Statement": [statement] })
    }

    /// Does one thing that may fail; says whether there is something to commit.
    async fn step(&mut self, cx: &Cx, tx: &mut Tx, permit: &Permit) -> Result<bool> {
        self.made += 1;
        let name = format!("n{}", self.made);
        let policy = self.pick(&self.policies);
        let role = self.pick(&self.roles);
        let group = self.pick(&self.groups);
        let user = self.pick(&self.users).unwrap();
        match (self.roll(22), policy, role, group) {
            (0 | 1, ..) => {
                let document = (self.roll(4) > 0).then(|| self.document());
                let effect = if self.roll(3) == 0 { Effect::Deny } else { Effect::Allow };
                let new = NewPolicy { document, effect, ..NewPolicy::named(name) };
                self.policies.push(policies::create_policy_in(cx, tx, permit, new).await?.id);
            }
            (2 | 3, Some(id), ..) => {
                let change = PolicyChange { document: Some(self.document()), ..Default::default() };
                policies::update_policy_in(cx, tx, permit, &id, change, None).await?;
            }
            (4, Some(id), ..) => policies::delete_policy_in(cx, tx, permit, &id).await?,
            (5, _, parent, _) => {
                let parent_id = parent.filter(|_| self.roll(2) == 0);
                let new = roles::NewRole { parent_id, ..new_role(&format!("R{}", self.made)) };
                self.roles.push(roles::create_role_in(cx, tx, permit, new).await?.id);
            }
            (6, _, Some(id), _) => {
                let parent = self.pick(&self.roles).filter(|_| self.roll(3) > 0);
                let permissions = (self.roll(2) == 0).then(|| vec!["user:read".to_owned()]);
                let change = RoleChange {
                    name: Some(name),
                    parent_id: Some(parent),
                    permissions: permissions.or(Some(Vec::new())),
                    ..Default::default()
                };
                roles::update_role_in(cx, tx, permit, &id, change, None).await?;
            }
            (7, _, Some(id), _) => roles::delete_role_in(cx, tx, permit, &id).await?,
            (8 | 9, Some(policy), Some(role), _) => {
                roles::attach_policy_in(cx, tx, permit, &role, &policy).await?;
            }
            (10, Some(policy), Some(role), _) => {
                roles::detach_policy_in(cx, tx, permit, &role, &policy).await?;
            }
            (11, Some(policy), Some(role), _) => {
                roles::set_policies_in(cx, tx, permit, &role, &[policy]).await?;
            }
            (12 | 13, _, Some(role), group) => {
                let holder = match group.filter(|_| self.roll(2) == 0) {
                    Some(group) => Holder::Group(group),
                    None => Holder::Principal(user),
                };
                roles::assign_in(cx, tx, permit, &holder, &role, Window::ALWAYS).await?;
            }
            (14, _, Some(role), group) => {
                let holder = match group.filter(|_| self.roll(2) == 0) {
                    Some(group) => Holder::Group(group),
                    None => Holder::Principal(user),
                };
                roles::unassign_in(cx, tx, permit, &holder, &role).await?;
            }
            (15, _, _, Some(group)) => match self.roll(5) {
                0 => groups::delete_group_in(cx, tx, permit, &group).await?,
                1 => groups::remove_member_in(cx, tx, permit, &group, &user).await?,
                _ => groups::add_member_in(cx, tx, permit, &group, &user, Window::ALWAYS).await?,
            },
            (15 | 16, ..) => {
                let new = NewGroup { name, description: None };
                self.groups.push(groups::create_group_in(cx, tx, permit, new).await?.id);
            }
            (17, ..) => {
                principals::set_active_in(tx, permit, &user, self.roll(3) > 0).await?;
                return Ok(true);
            }
            (18, ..) => {
                let parent = self.pick(&self.resources).filter(|_| self.roll(3) > 0);
                let name = format!("document:d{}", self.made);
                let new = NewResource {
                    name: name.clone(),
                    parent_id: parent.map(|(id, _)| id),
                    tags: self.tags(),
                    ..Default::default()
                };
                let made = resources::create_resource_in(cx, tx, permit, new).await?;
                self.resources.push((made.id, name));
            }
            (19, ..) => {
                let (Some((id, _)), parent) = (self.pick(&self.resources), self.pick(&self.resources)) else {
                    return Ok(false);
                };
                let parent_id = (self.roll(2) == 0).then(|| parent.map(|(id, _)| id));
                if self.roll(5) == 0 {
                    resources::delete_resource_in(cx, tx, permit, &id).await?;
                } else {
                    let tags = Some(self.tags());
                    let change = ResourceChange { parent_id, tags, ..Default::default() };
                    resources::update_resource_in(cx, tx, permit, &id, change, None).await?;
                }
            }
            (20 | 21, Some(policy), ..) => {
                let link = match self.pick(&self.resources).filter(|_| self.roll(2) == 0) {
                    Some((id, _)) => Link::Resource(id),
                    None => Link::Permission(self.pick(&self.permissions).unwrap(), None),
                };
                if self.roll(4) == 0 {
                    links::unlink_in(cx, tx, permit, &policy, &link).await?;
                } else {
                    links::link_in(cx, tx, permit, &policy, &link).await?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// All that a node answers: with the reasons, and the version.
    async fn answers(&self, world: &World, core: &Core) -> Vec<String> {
        let mut names: Vec<&str> = vec!["document:d1", "document:d2", "other"];
        names.extend(self.resources.iter().rev().take(6).map(|(_, name)| name.as_str()));
        let mut answers = Vec::new();
        for user in &self.users {
            for action in ACTIONS {
                for name in &names {
                    let asked = core.decide(&world.acme.id, user, action, name, &Default::default()).await;
                    answers.push(format!("{user} {action} {name}: {:?}", asked.unwrap()));
                }
            }
        }
        answers
    }
}

async fn scene(world: &World, seed: u64) -> Scene {
    let mut scene = Scene {
        dice: SeededRandom::new(seed),
        users: Vec::new(),
        policies: Vec::new(),
        roles: Vec::new(),
        groups: Vec::new(),
        permissions: Vec::new(),
        resources: Vec::new(),
        made: 0,
    };
    for name in ["ann", "bob", "cleo"] {
        scene.users.push(world.user(&world.acme, &format!("{name}{seed}"), None).await.cast());
    }
    let root = world.user(&world.acme, &format!("root{seed}"), Some("SUPER_ADMIN")).await;
    scene.users.push(root.cast());
    let (cx, permit) = world.boot(&world.acme);
    let mut tx = cx.write(&permit).await.unwrap();
    for action in ACTIONS.iter().take(3) {
        let code = format!("{action}{seed}");
        let new = NewPermission { code, name: "P".to_owned(), description: None, global_permission_id: None };
        let made = permissions::create_permission_in(&cx, &mut tx, &permit, new).await.unwrap();
        scene.permissions.push(made.id);
    }
    tx.commit().await.unwrap();
    scene
}

fn another_core(world: &World) -> Core {
    Core::new(world.db.store.clone(), world.clock.clone(), Arc::new(SeededRandom::new(9))).unwrap()
}

#[tokio::test]
async fn after_any_verbs_a_node_that_follows_decides_like_one_that_reads_all() {
    for world in World::both().await {
        for seed in [1, 2] {
            let mut scene = scene(&world, seed).await;
            let follower = another_core(&world);
            scene.answers(&world, &follower).await;
            let mut done = 0;
            for step in 0..STEPS {
                let (cx, permit) = world.boot(&world.acme);
                let mut tx = cx.write(&permit).await.unwrap();
                match scene.step(&cx, &mut tx, &permit).await {
                    Ok(true) => {
                        // A refusal of the whole, for the last Super Admin, leaves nothing behind.
                        done += usize::from(tx.commit_housekeeping().await.is_ok());
                    }
                    Ok(false) | Err(_) => drop(tx),
                }
                if step % EVERY == 0 {
                    follower.refresh().await.unwrap();
                    let fresh = scene.answers(&world, &another_core(&world)).await;
                    let followed = scene.answers(&world, &follower).await;
                    let own = scene.answers(&world, &world.core).await;
                    assert_eq!(followed, fresh, "{:?}, seed {seed}, step {step}", world.db.backend());
                    assert_eq!(own, fresh, "the node that writes; seed {seed}, step {step}");
                }
            }
            assert!(done > STEPS / 3, "{done} of {STEPS} steps did something");
        }
    }
}

#[tokio::test]
async fn the_tags_of_a_registered_resource_are_what_conditions_see_at_once() {
    for world in World::both().await {
        let document = json!({
            "Version": "2012-10-17",
            "Statement": [{
                "Effect": "Allow", "Action": "document:read", "Resource": "*",
                "Condition": { "StringEquals": { "aws:ResourceTag/Team": "blue" } },
            }],
        });
        let alice = world.user(&world.acme, "alice", None).await;
        let role = world.role_with("BLUE", document).await;
        world.assign(&alice, &role, Window::ALWAYS).await;
        let (cx, permit) = world.boot(&world.acme);
        let tagged = |team: &str| BTreeMap::from([("Team".to_owned(), team.to_owned())]);
        let mut tx = cx.write(&permit).await.unwrap();
        let new = |name: &str, tags| NewResource { name: name.to_owned(), tags, ..Default::default() };
        let plan = resources::create_resource_in(&cx, &mut tx, &permit, new("document:plan", tagged("red")));
        let plan = plan.await.unwrap();
        let bare = new("document:bare", BTreeMap::new());
        resources::create_resource_in(&cx, &mut tx, &permit, bare).await.unwrap();
        tx.commit().await.unwrap();
        let may = async |name: &str| world.decides(&alice, "document:read", name).await;
        let set = async |tags| {
            let mut tx = cx.write(&permit).await.unwrap();
            let change = ResourceChange { tags: Some(tags), ..Default::default() };
            resources::update_resource_in(&cx, &mut tx, &permit, &plan.id, change, None).await.unwrap();
            tx.commit().await.unwrap();
        };

        assert!(!may("document:plan").await, "red");
        set(tagged("blue")).await;
        assert!(may("document:plan").await, "blue");
        assert!(!may("document:bare").await && !may("document:unregistered").await);
        set(BTreeMap::new()).await;

        assert!(!may("document:plan").await, "{:?}: the tag is gone", world.db.backend());
    }
}
