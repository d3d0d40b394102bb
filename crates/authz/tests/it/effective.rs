//! The views that tell what people may do agree with the engine, on tenants made at random.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use authz::effective::list_user_permissions;
use authz::{Error, Listing};
use base::Timestamp;
use base::id::{TenantId, UserId};
use store::testing::run_script;
use store::{Backend, FromRow, Row, Scope, Sql};

use crate::world::{HASH, NOON, World};

const TENANTS: u64 = 40;
const USERS: u64 = 27;
/// Questions about names and actions at random, for each user, besides those that the views answer.
const PROBES: u64 = 40;
const DAY: i64 = 86_400;

const CODES: [&str; 10] = [
    "user:read",
    "user:update",
    "user:read_self",
    "role:update",
    "role:assign",
    "tenant:read",
    "tenant:update",
    "tenant:create",
    "audit:read",
    "nobody:knows",
];
const OWN: [&str; 7] =
    ["docs:read", "docs:write", "App:Run", "user:read", "role:update", "system:config", "user:read_self"];
const ACTIONS: [&str; 12] = [
    "docs:read",
    "DOCS:write",
    "docs:archive",
    "app:run",
    "user:read",
    "user:update",
    "user:read_self",
    "policy:update",
    "policy:grant_any",
    "tenant:read",
    "resource:update",
    "access:explain",
];

/// Numbers that look random and are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }

    /// Whether a thing that happens once in so many times does.
    fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[usize::try_from(self.below(words.len() as u64)).unwrap()]
    }

    /// Different numbers below a bound, as many as asked for or fewer.
    fn some(&mut self, count: u64, bound: u64) -> BTreeSet<u64> {
        (0..self.below(count + 1)).map(|_| self.below(bound)).collect()
    }
}

/// One generated tenant, as a script.
struct Maker {
    dice: Dice,
    backend: Backend,
    now: Timestamp,
    tenant: String,
    script: String,
    /// Whether documents, resource policies and ceilings occur.
    plain: bool,
}

impl Maker {
    fn insert(&mut self, table: &str, columns: &str, values: &[String]) {
        writeln!(self.script, "INSERT INTO {table} ({columns}) VALUES ({});", values.join(", ")).unwrap();
    }

    fn id(&self, kind: &str, number: u64) -> String {
        format!("'{}-{kind}{number}'", self.tenant)
    }

    fn own(&self) -> String {
        format!("'{}'", self.tenant)
    }

    fn instant(&self, days: i64) -> String {
        let micros = self.now.as_micros() + days * DAY * 1_000_000;
        match self.backend {
            Backend::Sqlite => micros.to_string(),
            Backend::Postgres => {
                format!("timestamptz 'epoch' + {} * interval '1 second'", micros / 1_000_000)
            }
        }
    }

    /// From when and until when something holds: mostly always.
    fn window(&mut self) -> [String; 2] {
        let null = || "NULL".to_owned();
        match self.dice.below(7) {
            0 => [null(), self.instant(-5)],
            1 => [self.instant(5), null()],
            2 => [self.instant(-5), self.instant(5)],
            3 => [null(), self.instant(20)],
            _ => [null(), null()],
        }
    }

    fn make(&mut self, number: u64) {
        let own = self.own();
        let status = if number == 3 { "'SUSPENDED'" } else { "'ACTIVE'" };
        self.insert("tenants", "id, name, code, status", &[own.clone(), own.clone(), own, status.to_owned()]);
        self.roles();
        self.resources();
        self.policies();
        self.users();
        if !self.plain {
            self.layers(number);
        }
    }

    fn roles(&mut self) {
        for number in 0..8 {
            let parent = match number > 0 && !self.dice.once_in(3) {
                true => {
                    let below = self.dice.below(number);
                    self.id("r", below)
                }
                false => "NULL".to_owned(),
            };
            let codes: Vec<String> =
                (0..self.dice.below(4)).map(|_| format!("\"{}\"", self.dice.of(&CODES))).collect();
            let (own, id) = (self.own(), self.id("r", number));
            let codes = format!("'[{}]'", codes.join(","));
            let values = [id.clone(), own, id.clone(), id, parent, codes];
            self.insert("roles", "id, tenant_id, name, code, parent_id, permissions", &values);
        }
        for number in 0..3 {
            let (own, id) = (self.own(), self.id("g", number));
            self.insert(
                "groups",
                "id, tenant_id, name, name_key",
                &[id.clone(), own.clone(), id.clone(), id.clone()],
            );
            for role in self.dice.some(2, 8) {
                let [from, until] = self.window();
                let values = [id.clone(), self.id("r", role), own.clone(), from, until];
                self.insert("group_roles", "group_id, role_id, tenant_id, valid_from, expires_at", &values);
            }
        }
    }

    fn resource_names(&self) -> Vec<String> {
        let mut names: Vec<String> = (0..10).map(|number| format!("docs/{number}")).collect();
        names.extend(["*".to_owned(), "docs/*".to_owned(), "per%cent_".to_owned()]);
        names.push(format!("arn:signet:iam::{}:user/7", self.tenant));
        names.push(format!("arn:signet:iam::{}:self/user", self.tenant));
        names
    }

    fn resources(&mut self) {
        for (number, name) in (0..).zip(self.resource_names()) {
            let parent = match number > 0 && number < 10 && !self.dice.once_in(4) {
                true => self.id("d", number - 1),
                false => "NULL".to_owned(),
            };
            let values = [self.id("d", number), self.own(), parent, format!("'{name}'")];
            self.insert("resources", "id, tenant_id, parent_id, name", &values);
        }
        for (number, code) in (0..).zip(OWN) {
            let values = [self.id("o", number), self.own(), format!("'{code}'"), "'named'".to_owned()];
            self.insert("permissions", "id, tenant_id, code, name", &values);
        }
    }

    fn policies(&mut self) {
        for number in 0..8 {
            let (own, id) = (self.own(), self.id("p", number));
            let priority = self.dice.of(&["0", "0", "5", "10"]).to_owned();
            let effect = self.dice.of(&["'allow'", "'allow'", "'deny'"]).to_owned();
            let expression = match self.dice.once_in(6) {
                true => self.dice.of(&["'true'", "'false'"]).to_owned(),
                false => "NULL".to_owned(),
            };
            let document = match !self.plain && self.dice.once_in(4) {
                true => self.document(),
                false => "NULL".to_owned(),
            };
            let values =
                [id.clone(), own.clone(), id.clone(), id.clone(), priority, effect, expression, document];
            let columns = "id, tenant_id, name, name_key, priority, effect, expression, document";
            self.insert("policies", columns, &values);
            for code in self.dice.some(3, OWN.len() as u64) {
                let effect = self.dice.of(&["NULL", "NULL", "'allow'", "'deny'"]).to_owned();
                let values = [id.clone(), self.id("o", code), own.clone(), effect];
                self.insert("policy_permissions", "policy_id, permission_id, tenant_id, effect", &values);
            }
            if self.dice.once_in(3) {
                let values = [id.clone(), format!("'global{}'", self.dice.below(3)), own.clone()];
                self.insert(
                    "policy_global_permissions",
                    "policy_id, global_permission_id, tenant_id",
                    &values,
                );
            }
            for resource in self.dice.some(2, 15) {
                let values = [id.clone(), self.id("d", resource), own.clone()];
                self.insert("policy_resources", "policy_id, resource_id, tenant_id", &values);
            }
            for role in self.dice.some(3, 8) {
                let values = [self.id("r", role), id.clone(), own.clone()];
                self.insert("role_policies", "role_id, policy_id, tenant_id", &values);
            }
        }
    }

    fn document(&mut self) -> String {
        let statement = |dice: &mut Dice| {
            let effect = dice.of(&["Allow", "Deny"]);
            let resource = dice.of(&["*", "docs/*", "docs/3"]);
            let action = dice.of(&[
                r#""Action": "docs:*""#,
                r#""Action": ["app:?un", "USER:*"]"#,
                r#""Action": "docs:read""#,
                r#""Action": "policy:grant_any""#,
            ]);
            format!(r#"{{ "Effect": "{effect}", {action}, "Resource": "{resource}" }}"#)
        };
        let first = statement(&mut self.dice);
        let statements = match self.dice.below(3) {
            0 => first,
            1 => format!("[{first}, {}]", statement(&mut self.dice)),
            _ => r#"{ "Effect": "Deny", "NotAction": "docs:*", "Resource": "docs/*" }"#.to_owned(),
        };
        format!(r#"'{{ "Version": "2012-10-17", "Statement": {statements} }}'"#)
    }

    fn users(&mut self) {
        for number in 0..USERS {
            let (own, id) = (self.own(), self.id("u", number));
            let values = [id.clone(), own.clone(), id.clone(), format!("'{HASH}'")];
            self.insert("users", "id, tenant_id, username, password", &values);
            let status = if number == 0 || self.dice.once_in(12) { "'inactive'" } else { "'active'" };
            let values = [id.clone(), own.clone(), "'user'".to_owned(), status.to_owned()];
            self.insert("principals", "id, tenant_id, kind, status", &values);
            let mut roles = self.dice.some(3, 8);
            roles.insert(number % 8);
            for role in roles {
                let [from, until] = self.window();
                let assignment = self.id(&format!("a{number}-"), role);
                let values = [assignment, id.clone(), self.id("r", role), own.clone(), from, until];
                self.insert("user_roles", "id, user_id, role_id, tenant_id, valid_from, expires_at", &values);
            }
            for group in self.dice.some(2, 3) {
                let [from, until] = self.window();
                let values = [self.id("g", group), id.clone(), own.clone(), from, until];
                let columns = "group_id, principal_id, tenant_id, valid_from, expires_at";
                self.insert("group_members", columns, &values);
            }
            if self.dice.once_in(6) {
                let [from, until] = self.window();
                let policy = self.dice.below(8);
                let values = [id.clone(), self.id("p", policy), own.clone(), from, until];
                self.insert(
                    "user_policies",
                    "user_id, policy_id, tenant_id, valid_from, expires_at",
                    &values,
                );
            }
        }
    }

    /// What limits decisions beside roles.
    fn layers(&mut self, number: u64) {
        let own = self.own();
        let document =
            |statement: &str| format!(r#"'{{ "Version": "2012-10-17", "Statement": {{ {statement} }} }}'"#);
        match number % 8 {
            1 => {
                let values = [self.id("p", 0), own];
                self.insert("tenant_guardrails", "policy_id, tenant_id", &values);
            }
            3 => {
                let principal = self.id("u", 5);
                let values = [principal, self.id("p", 1), own];
                self.insert("principal_boundaries", "principal_id, policy_id, tenant_id", &values);
            }
            5 => {
                let own_name = self.id("guard", 0);
                let document = document(r#""Effect": "Allow", "Action": "docs:*", "Resource": "*""#);
                let values = [own_name.clone(), own_name, own, document];
                self.insert("platform_guardrails", "id, name, only_tenant_id, document", &values);
            }
            7 => {
                for resource in [2, 13] {
                    let effect = self.dice.of(&["Allow", "Deny"]);
                    let statement =
                        format!(r#""Effect": "{effect}", "Principal": "*", "Action": "*", "Resource": "*""#);
                    let values = [self.id("d", resource), own.clone(), document(&statement)];
                    self.insert("resource_policies", "resource_id, tenant_id, document", &values);
                }
            }
            _ => {}
        }
    }
}

/// One row of `v_user_permission_outcomes`.
#[derive(Debug, Clone)]
struct Outcome {
    action: String,
    resource: String,
    is_registered: bool,
    outcome: String,
}

impl FromRow for Outcome {
    fn from_row(row: &Row) -> store::Result<Self> {
        let resource_id: Option<String> = row.find("resource_id")?;
        Ok(Self {
            action: row.get("action")?,
            resource: row.get("resource")?,
            is_registered: resource_id.is_some(),
            outcome: row.get("outcome")?,
        })
    }
}

struct OfUser(String, Outcome);

impl FromRow for OfUser {
    fn from_row(row: &Row) -> store::Result<Self> {
        Ok(Self(row.get("user_id")?, Outcome::from_row(row)?))
    }
}

impl Outcome {
    fn is_pattern(&self) -> bool {
        !self.is_registered && self.resource.ends_with('*')
    }

    /// A name that the row speaks of.
    fn example(&self) -> String {
        match self.is_pattern() {
            true => format!("{}nobody-registered-this", self.resource.trim_end_matches('*')),
            false => self.resource.clone(),
        }
    }

    /// How closely the row speaks of a name; nothing if it does not.
    fn covers(&self, action: &str, name: &str) -> Option<usize> {
        let speaks = match self.is_pattern() {
            true => name.starts_with(self.resource.trim_end_matches('*')),
            false => self.resource == name,
        };
        let length = if self.is_pattern() { self.resource.len() } else { usize::MAX };
        (speaks && self.action.eq_ignore_ascii_case(action)).then_some(length)
    }
}

/// How many answers there were of each kind.
#[derive(Debug, Default)]
struct Tally {
    users: usize,
    allow: usize,
    deny: usize,
    depends: usize,
    unsaid: usize,
}

async fn load_now(world: &World) -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "tests")]
    let mut rx = world.db.store.begin_read(Scope::Platform).await.unwrap();
    let sql = Sql::new("SELECT created_at FROM tenants WHERE id = $1");
    rx.one(sql.bind("tenant-acme")).await.unwrap()
}

/// What the view says of everybody in a tenant, or everywhere, by the id of the user.
async fn outcomes(world: &World, tenant: Option<&TenantId>) -> BTreeMap<String, Vec<Outcome>> {
    let scope = tenant.map_or(Scope::Platform, |tenant| Scope::Tenant(tenant.as_str()));
    #[expect(clippy::disallowed_methods, reason = "tests")]
    let mut rx = world.db.store.begin_read(scope).await.unwrap();
    let sql =
        Sql::new("SELECT user_id, action, resource, resource_id, outcome FROM v_user_permission_outcomes");
    let sql = match tenant {
        Some(tenant) => sql.push(" WHERE tenant_id = ").value(tenant),
        None => sql,
    };
    let rows: Vec<OfUser> = rx.all(sql).await.unwrap();
    let mut found: BTreeMap<String, Vec<Outcome>> = BTreeMap::new();
    for OfUser(user, outcome) in rows {
        found.entry(user).or_default().push(outcome);
    }
    found
}

/// Compares what the rows say of a user with what the engine decides.
async fn compare(
    (world, tenant, user): (&World, &TenantId, &UserId),
    rows: &[Outcome],
    maker: &mut Maker,
    tally: &mut Tally,
) {
    let mut names = maker.resource_names();
    names.extend(["elsewhere".to_owned(), "docs/unregistered".to_owned()]);
    for kind in ["user/1", "policy/1", "resource/all", "access/all", "self/user"] {
        names.push(format!("arn:signet:iam::{tenant}:{kind}"));
    }
    names.push(format!("arn:signet:iam::{tenant}:tenant/{tenant}"));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut questions: Vec<(String, String)> =
        rows.iter().map(|row| (row.action.clone(), row.example())).collect();
    for _ in 0..PROBES {
        questions.push((maker.dice.of(&ACTIONS).to_owned(), maker.dice.of(&names).to_owned()));
    }
    for (action, name) in questions {
        let closest = rows.iter().filter_map(|row| Some((row.covers(&action, &name)?, row)));
        let said = closest.max_by_key(|(length, _)| *length).map(|(_, row)| row.outcome.as_str());
        let answer =
            world.core.judge(tenant, &user.cast(), &action, &name, &Default::default()).await.unwrap();
        let is_allowed = answer.unwrap().is_ok();
        let backend = world.db.backend();
        let context = format!("{backend:?}: {user} {action} {name}: {said:?}, {answer:?}");
        match said {
            Some("allow") => assert!(is_allowed, "{context}"),
            Some("deny") => assert!(!is_allowed, "{context}"),
            Some("depends") => {}
            // Documents and resources may allow what no row speaks of.
            _ => assert!(said.is_none() && !(maker.plain && is_allowed), "{context}"),
        }
        match said {
            Some("allow") => tally.allow += 1,
            Some("deny") => tally.deny += 1,
            Some(_) => tally.depends += 1,
            None => tally.unsaid += 1,
        }
    }
}

#[tokio::test]
async fn what_the_views_say_of_a_thousand_people_is_what_the_engine_decides() {
    for world in World::both().await {
        let backend = world.db.backend();
        // The views go by the clock of the database.
        let now = load_now(&world).await;
        world.clock.advance_seconds((now.as_micros() - NOON.as_micros()) / 1_000_000);
        let mut script = String::new();
        for (number, code) in (0..).zip(["docs:read", "Docs:Archive", "app:run"]) {
            writeln!(
                script,
                "INSERT INTO global_permissions (id, name) VALUES ('global{number}', '{code}');"
            )
            .unwrap();
        }
        let mut makers = Vec::new();
        for number in 0..TENANTS {
            let mut maker = Maker {
                dice: Dice(number),
                backend,
                now,
                tenant: format!("t{number}"),
                script: String::new(),
                plain: number % 2 == 0,
            };
            maker.make(number);
            script.push_str(&maker.script);
            makers.push(maker);
        }
        run_script(&world.db.store, &script).await;

        // SQLite works out everybody each time, PostgreSQL one user after another.
        let everywhere = match backend {
            Backend::Sqlite => Some(outcomes(&world, None).await),
            Backend::Postgres => None,
        };
        let (mut tally, mut plain) = (Tally::default(), Tally::default());
        for mut maker in makers {
            let tenant = TenantId::parse(&maker.tenant).unwrap();
            let rows = match &everywhere {
                Some(rows) => rows.clone(),
                None => outcomes(&world, Some(&tenant)).await,
            };
            if maker.tenant == "t3" {
                assert!(!rows.keys().any(|user| user.starts_with("t3-")), "{backend:?}: a suspended tenant");
                continue;
            }
            for number in 0..USERS {
                let user = UserId::parse(&format!("{tenant}-u{number}")).unwrap();
                let rows = rows.get(user.as_str()).cloned().unwrap_or_default();
                let known =
                    world.core.judge(&tenant, &user.cast(), "docs:read", "docs/1", &Default::default()).await;
                if known.unwrap().is_none() {
                    assert!(rows.is_empty(), "{backend:?}: {user} is not active");
                    continue;
                }
                let tally = if maker.plain { &mut plain } else { &mut tally };
                tally.users += 1;
                compare((&world, &tenant, &user), &rows, &mut maker, tally).await;
            }
        }

        assert!(tally.users + plain.users >= 900, "{tally:?} {plain:?}");
        for tally in [&tally, &plain] {
            let enough = tally.allow > 1_000 && tally.deny > 1_000 && tally.depends > 500;
            assert!(enough && tally.unsaid > 1_000, "{backend:?}: {tally:?}");
        }
    }
}

#[tokio::test]
async fn the_list_of_a_persons_permissions_is_what_the_view_says_of_them_and_for_whom_may_read_all_that() {
    for world in World::both().await {
        let root = world.user(&world.acme, "root", Some("SUPER_ADMIN")).await;
        let root = world.cx_of(&world.acme, &root, "root");
        let admin = world.user(&world.acme, "admin", Some("ADMIN")).await;
        let plain = world.user(&world.acme, "plain", None).await;
        let plain_cx = world.cx_of(&world.acme, &plain, "plain");
        let listing = Listing::first(200);
        #[expect(clippy::disallowed_methods, reason = "tests")]
        let mut rx = world.db.store.begin_read(Scope::Tenant(world.acme.id.as_str())).await.unwrap();
        let sql = Sql::new(
            "SELECT action FROM v_user_permissions WHERE tenant_id = $1 AND user_id = $2 \
             ORDER BY action, resource",
        );
        let expected: Vec<String> = rx.all(sql.bind(&world.acme.id).bind(&admin)).await.unwrap();
        drop(rx);

        let found = list_user_permissions(&root, &admin, &listing).await.unwrap();

        assert!(expected.len() > 5);
        assert_eq!(found.items.iter().map(|way| way.action.as_str()).collect::<Vec<_>>(), expected);
        assert!(found.items.iter().all(|way| way.role_id.is_some() && way.policy_id.is_none()));
        assert!(list_user_permissions(&root, &plain, &listing).await.unwrap().items.is_empty());
        let foreign = world.user(&world.rival, "foreign", Some("ADMIN")).await;
        let found = list_user_permissions(&root, &foreign, &listing).await;
        assert!(matches!(found, Err(Error::NotFound(_))), "{found:?}");
        let found = list_user_permissions(&plain_cx, &plain, &listing).await;
        assert!(matches!(found, Err(Error::Denied { .. })), "{found:?}");
    }
}
