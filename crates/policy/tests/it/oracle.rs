//! The policy oracle: a deliberately naive evaluator, written from the meaning of the language alone, against the
//! compiled engine on generated roles, policies and requests. It shares no code with the engine.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;

use policy::snapshot::BECAUSE_MAX;
use policy::{
    ActionPattern, Because, Decision, Denial, Document, Effect, PatternError, PermissionInput, PolicyInput,
    ResourceName, ResourcePattern, RoleInput, Snapshot, Source, Statement,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use proptest::{prop_assert, prop_assert_eq};
use serde_json::json;

/// A statement as its author wrote it.
#[derive(Debug, Clone)]
struct Said {
    deny: bool,
    actions: Vec<String>,
    resources: Vec<String>,
}

#[derive(Debug, Clone)]
struct Held {
    id: String,
    parent: Option<String>,
    /// Each an id and its statements.
    policies: Vec<(String, Vec<Said>)>,
    permissions: Vec<(String, Vec<Said>)>,
}

#[derive(Debug, Clone)]
struct Request {
    roles: Vec<String>,
    action: String,
    resource: String,
    /// Whether action and resource are names at all.
    valid: bool,
}

/// One statement that applies: role, source, place in the source.
type Applied = (String, String, usize);

// ---- The naive evaluator.

/// `*` is any number of characters, `?` exactly one: follows every way at once.
fn naive_wildcard(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    // The places in the pattern that can be reached. A star may be passed over without taking anything.
    let pass_stars = |mut places: BTreeSet<usize>| {
        for (at, c) in pattern.iter().enumerate() {
            if places.contains(&at) && *c == '*' {
                places.insert(at + 1);
            }
        }
        places
    };
    let mut places = pass_stars(BTreeSet::from([0]));
    for c in text.chars() {
        let mut next = BTreeSet::new();
        for at in places {
            match pattern.get(at) {
                Some('*') => drop(next.insert(at)),
                Some(p) if *p == '?' || *p == c => drop(next.insert(at + 1)),
                _ => {}
            }
        }
        places = pass_stars(next);
    }
    places.contains(&pattern.len())
}

fn naive_action(pattern: &str, action: &str) -> bool {
    naive_wildcard(&pattern.to_ascii_lowercase(), &action.to_ascii_lowercase())
}

/// "A pattern of k parts (at most 6) splits the name into at most k parts, the last keeping all further colons;
/// fewer parts in the name: no match. In all but the last part `*` and `?` do not cross a colon; in the last they
/// match anything. A bare `*` matches all of the tenant."
fn naive_resource(pattern: &str, resource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let patterns = naive_split(pattern, 6);
    let parts = naive_split(resource, patterns.len());
    patterns.len() == parts.len() && patterns.iter().zip(&parts).all(|(p, part)| naive_wildcard(p, part))
}

/// Splits at colons, character by character, into at most `parts_max` parts.
fn naive_split(text: &str, parts_max: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for c in text.chars() {
        if c == ':' && parts.len() < parts_max {
            parts.push(String::new());
        } else {
            parts.last_mut().unwrap().push(c);
        }
    }
    parts
}

/// The effect, and every statement that decided.
fn naive_decide(roles: &[Held], request: &Request) -> (Effect, Option<Denial>, BTreeSet<Applied>) {
    let mut applied = [BTreeSet::new(), BTreeSet::new()];
    for start in &request.roles {
        let mut next = Some(start);
        while let Some(role) = next.and_then(|id| roles.iter().find(|role| role.id == *id)) {
            for (source, statements) in role.policies.iter().chain(&role.permissions) {
                for (index, said) in statements.iter().enumerate() {
                    let applies = request.valid
                        && said.actions.iter().any(|pattern| naive_action(pattern, &request.action))
                        && said.resources.iter().any(|pattern| naive_resource(pattern, &request.resource));
                    if applies {
                        applied[usize::from(said.deny)].insert((role.id.clone(), source.clone(), index));
                    }
                }
            }
            next = role.parent.as_ref();
        }
    }
    let [allows, denies] = applied;
    match (allows.is_empty(), denies.is_empty()) {
        (_, false) => (Effect::Deny, Some(Denial::ExplicitDeny), denies),
        (false, true) => (Effect::Allow, None, allows),
        (true, true) => (Effect::Deny, Some(Denial::NothingApplies), BTreeSet::new()),
    }
}

// ---- The same roles, put to the engine.

fn compile(roles: &[Held]) -> Snapshot {
    let document = |statements: &[Said]| {
        let statements: Vec<_> = statements
            .iter()
            .map(|said| {
                let effect = if said.deny { "Deny" } else { "Allow" };
                json!({ "Effect": effect, "Action": said.actions, "Resource": said.resources })
            })
            .collect();
        json!({ "Version": "2012-10-17", "Statement": statements }).to_string()
    };
    let statement = |said: &Said| {
        let build = if said.deny { Statement::deny } else { Statement::allow };
        let actions: Vec<&str> = said.actions.iter().map(String::as_str).collect();
        let resources: Vec<&str> = said.resources.iter().map(String::as_str).collect();
        build(&actions, &resources).unwrap()
    };
    let inputs = roles.iter().map(|role| RoleInput {
        id: role.id.clone(),
        name: role.id.to_uppercase(),
        parent: role.parent.clone(),
        policies: role
            .policies
            .iter()
            .map(|(id, statements)| PolicyInput {
                id: id.clone(),
                name: id.to_uppercase(),
                document: Arc::new(Document::parse(&document(statements)).unwrap()),
            })
            .collect(),
        permissions: role
            .permissions
            .iter()
            .map(|(code, statements)| PermissionInput {
                code: code.clone(),
                statements: statements.iter().map(statement).collect(),
            })
            .collect(),
        links: Vec::new(),
    });
    Snapshot::compile(1, inputs.collect()).unwrap()
}

fn ask(snapshot: &Snapshot, request: &Request) -> Decision {
    let roles: Vec<&str> = request.roles.iter().map(String::as_str).collect();
    let decision = snapshot.decide(&roles, &request.action, &request.resource);
    let verdict = snapshot.judge(&roles, &request.action, &request.resource);
    assert_eq!(verdict.err(), decision.denial, "with and without reasons the answer is the same");
    decision
}

fn applied(because: &Because) -> Applied {
    let source = match &because.source {
        Source::Policy { id, .. } => id,
        Source::Permission { code } | Source::Link { code, .. } => code,
    };
    (because.role_path.last().unwrap().id.to_string(), source.to_string(), because.statement)
}

/// Checks that a path starts at a held role and climbs from child to parent.
fn check_path(roles: &[Held], request: &Request, because: &Because) -> Result<(), TestCaseError> {
    let ids: Vec<&str> = because.role_path.iter().map(|role| &*role.id).collect();
    prop_assert!(request.roles.iter().any(|held| held == ids[0]), "{ids:?}");
    for pair in ids.windows(2) {
        let child = roles.iter().find(|role| role.id == pair[0]).unwrap();
        prop_assert_eq!(child.parent.as_deref(), Some(pair[1]));
    }
    Ok(())
}

// ---- Generators: small alphabets, so that patterns and names meet.

fn resource_name() -> impl Strategy<Value = String> {
    let segment = select(vec!["a", "b", "ab", "B", "é", "..a"]);
    let separator = select(vec![":", ":", "/", "::"]);
    (segment.clone(), vec((separator, segment), 0..8)).prop_map(|(first, rest)| {
        rest.iter().fold(first.to_owned(), |name, (separator, segment)| name + separator + segment)
    })
}

fn action_name() -> impl Strategy<Value = String> {
    vec(select(vec!["a", "b", "ab", "A"]), 2..4).prop_map(|parts| parts.join(":"))
}

/// Turns a name into a pattern by writing wildcards into it. Often a prefix with a star, sometimes just a star.
fn blurred(name: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    let edits = vec((any::<u16>(), select(vec!["", "*", "*", "?", "**", "a", ":"]), 0..4_usize), 0..4);
    (name, edits, 0..8_u8).prop_map(|(name, edits, shape)| {
        if shape == 0 {
            return "*".to_owned();
        }
        let mut chars: Vec<char> = name.chars().collect();
        for (at, insert, remove) in edits {
            let at = usize::from(at) % (chars.len() + 1);
            let end = (at + remove).min(chars.len());
            chars.splice(at..end, insert.chars());
        }
        if shape == 1 {
            chars.truncate(chars.len() / 2);
            chars.push('*');
        }
        chars.into_iter().collect()
    })
}

fn said() -> impl Strategy<Value = Said> {
    let or = |parses: bool, pattern: String, other: &str| if parses { pattern } else { other.to_owned() };
    let action = blurred(action_name())
        .prop_map(move |pattern| or(ActionPattern::parse(&pattern).is_ok(), pattern, "a:*"));
    let resource = blurred(resource_name())
        .prop_map(move |pattern| or(ResourcePattern::parse(&pattern).is_ok(), pattern, "a*"));
    let deny = prop_oneof![3 => Just(false), 1 => Just(true)];
    (deny, vec(action, 1..3), vec(resource, 1..3)).prop_map(|(deny, actions, resources)| Said {
        deny,
        actions,
        resources,
    })
}

/// Up to 8 roles. A parent comes earlier in the list, so that there is no ring; ids do not follow that order.
fn roles() -> impl Strategy<Value = Vec<Held>> {
    let role = (any::<u8>(), vec(vec(said(), 1..4), 0..3), vec(vec(said(), 1..2), 0..2));
    vec(role, 1..9).prop_map(|drafts| {
        let id = |number: usize| format!("r{}", number * 5 % 11);
        let name = |kind: &str, of: usize, lists: Vec<Vec<Said>>| {
            lists.into_iter().enumerate().map(|(n, list)| (format!("{kind}{of}-{n}"), list)).collect()
        };
        let draft = |(number, (parent, policies, permissions)): (usize, (u8, Vec<_>, Vec<_>))| Held {
            id: id(number),
            parent: (parent % 4 != 0 && number > 0).then(|| id(usize::from(parent) % number)),
            policies: name("policy", number, policies),
            permissions: name("permission", number, permissions),
        };
        drafts.into_iter().enumerate().map(draft).collect()
    })
}

fn request() -> impl Strategy<Value = Request> {
    let role = select((0..11).map(|number| format!("r{number}")).collect::<Vec<_>>());
    let names = prop_oneof![
        9 => (action_name(), resource_name()).prop_map(|(action, resource)| (action, resource, true)),
        1 => select(vec![("a", "a"), ("a:*", "a"), ("a:b", "a//b"), ("a:b", "a/.."), ("a:b", "a%2fb"), ("a:", "b")])
            .prop_map(|(action, resource)| (action.to_owned(), resource.to_owned(), false)),
    ];
    (vec(role, 0..10), names).prop_map(|(roles, (action, resource, valid))| Request {
        roles,
        action,
        resource,
        valid,
    })
}

fn check_all<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]));
    if let Err(error) = runner.run(strategy, test) {
        panic!("{error}");
    }
}

// ---- The tests.

#[test]
fn the_engine_agrees_with_the_oracle() {
    let counts: [Cell<u32>; 4] = Default::default();
    let count = |kind: usize| counts[kind].set(counts[kind].get() + 1);

    check_all(600, &(roles(), vec(request(), 8)), |(roles, requests)| {
        let snapshot = compile(&roles);
        for request in requests {
            let (effect, denial, deciding) = naive_decide(&roles, &request);

            let decision = ask(&snapshot, &request);

            prop_assert_eq!((decision.effect, decision.denial), (effect, denial), "{:?}", request);
            let named: Vec<Applied> = decision.because.iter().map(applied).collect();
            let distinct: BTreeSet<Applied> = named.iter().cloned().collect();
            prop_assert_eq!(named.len(), deciding.len().min(BECAUSE_MAX), "{:?}", request);
            prop_assert_eq!(named.len(), distinct.len(), "{:?}", request);
            prop_assert!(distinct.is_subset(&deciding), "{:?}: {:?} {:?}", request, distinct, deciding);
            for because in &decision.because {
                prop_assert_eq!(because.effect, effect);
                check_path(&roles, &request, because)?;
            }
            count(match denial {
                None => 0,
                Some(Denial::ExplicitDeny) => 1,
                Some(Denial::NothingApplies) => 2,
            });
            if decision.because.iter().any(|because| because.role_path.len() > 1) {
                count(3);
            }
        }
        Ok(())
    });

    // An oracle that only ever sees one kind of answer proves little.
    let counts = counts.map(Cell::into_inner);
    assert!(counts.iter().all(|&count| count > 400), "allowed, denied, nothing, inherited: {counts:?}");
}

#[test]
fn single_patterns_agree_with_the_oracle() {
    let matched = Cell::new(0);

    check_all(
        6000,
        &(blurred(resource_name()), resource_name(), action_name()),
        |(pattern, resource, action)| {
            prop_assert!(ResourceName::check(&resource).is_ok(), "{}", resource);
            match ResourcePattern::parse(&pattern) {
                Ok(compiled) => {
                    prop_assert_eq!(compiled.matches(&resource), naive_resource(&pattern, &resource));
                    matched.set(matched.get() + u32::from(compiled.matches(&resource)));
                }
                // What is refused could have matched no name.
                Err(PatternError::Name(_)) => prop_assert!(!naive_resource(&pattern, &resource)),
                Err(PatternError::Variable) => prop_assert_eq!(&pattern, "no variable was generated"),
            }
            match ActionPattern::parse(&pattern) {
                Ok(compiled) => prop_assert_eq!(compiled.matches(&action), naive_action(&pattern, &action)),
                Err(_) => prop_assert!(!naive_action(&pattern, &action)),
            }
            Ok(())
        },
    );

    assert!(matched.get() > 600, "{} matched", matched.get());
}

#[test]
fn a_name_matches_the_patterns_made_from_it() {
    check_all(2000, &(resource_name(), any::<u16>(), any::<u16>()), |(name, from, to)| {
        let chars: Vec<char> = name.chars().collect();
        let (from, to) = (usize::from(from) % (chars.len() + 1), usize::from(to) % (chars.len() + 1));
        let (from, to) = (from.min(to), from.max(to));
        let pattern: String = chars[..from].iter().chain(&['*']).chain(&chars[to..]).collect();
        // A star that took a colon leaves the pattern with fewer parts, unless it stands in the last one.
        let Ok(compiled) = ResourcePattern::parse(&pattern) else { return Ok(()) };

        let crossed = chars[from..to].contains(&':') && chars[to..].contains(&':');
        prop_assert_eq!(compiled.matches(&name), naive_resource(&pattern, &name));
        prop_assert!(compiled.matches(&name) || crossed, "{} {}", pattern, name);
        Ok(())
    });
}

#[test]
fn the_order_in_which_things_are_listed_changes_nothing() {
    check_all(300, &(roles(), vec(request(), 4)), |(roles, requests)| {
        let snapshot = compile(&roles);
        let mut turned = roles.clone();
        turned.reverse();
        for role in &mut turned {
            role.policies.reverse();
            role.permissions.reverse();
        }
        let turned_snapshot = compile(&turned);
        let sources =
            turned.iter_mut().flat_map(|role| role.policies.iter_mut().chain(&mut role.permissions));
        sources.for_each(|(_, statements)| statements.reverse());
        let turned_statements = compile(&turned);

        for request in requests {
            let mut turned_request = request.clone();
            turned_request.roles.reverse();
            turned_request.roles.push("unknown".into());
            let decision = ask(&snapshot, &request);

            prop_assert_eq!(&ask(&turned_snapshot, &turned_request), &decision);
            let other = ask(&turned_statements, &turned_request);
            prop_assert_eq!((other.effect, other.denial), (decision.effect, decision.denial));
        }
        Ok(())
    });
}

#[test]
fn deny_wins_and_nothing_is_allowed_without_an_allow() {
    check_all(300, &(roles(), request()), |(roles, mut request)| {
        let mut allows_only = roles.clone();
        let mut denies_only = roles.clone();
        for (kept, deny) in [(&mut allows_only, false), (&mut denies_only, true)] {
            for (_, statements) in kept.iter_mut().flat_map(|role| role.policies.iter_mut()) {
                statements.iter_mut().for_each(|said| said.deny = deny);
            }
            for (_, statements) in kept.iter_mut().flat_map(|role| role.permissions.iter_mut()) {
                statements.iter_mut().for_each(|said| said.deny = deny);
            }
        }
        prop_assert!(ask(&compile(&allows_only), &request).denial != Some(Denial::ExplicitDeny));
        prop_assert_eq!(ask(&compile(&denies_only), &request).effect, Effect::Deny);

        let before = ask(&compile(&roles), &request);
        let bar = Said { deny: true, actions: vec![request.action.clone()], resources: vec!["*".into()] };
        let mut barred = roles.clone();
        barred.push(Held {
            id: "bar".into(),
            parent: None,
            policies: Vec::new(),
            permissions: vec![("bar".into(), vec![bar])],
        });
        if request.valid {
            let barred = compile(&barred);
            prop_assert_eq!(ask(&barred, &request), before);
            request.roles.push("bar".into());
            prop_assert_eq!(ask(&barred, &request).denial, Some(Denial::ExplicitDeny));
        }
        Ok(())
    });
}
