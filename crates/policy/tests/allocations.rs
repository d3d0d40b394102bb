//! What an evaluation allocates. A program of its own, because it counts for the whole process' threads.
#![expect(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use policy::expression::{Expression, Root, Scope, Timestamp, Value};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Question {
    roles: Vec<&'static str>,
    tags: Vec<(&'static str, &'static str)>,
}

impl Scope for Question {
    fn variable(&self, _: Root) -> Value<'_> {
        "report:read".into()
    }

    fn field(&self, root: Root, name: &str) -> Option<Value<'_>> {
        Some(match (root, name) {
            (Root::Principal, "roles") => Value::list(&self.roles),
            (Root::Context, "aws:currenttime") => Value::Timestamp(Timestamp::from_unix_micros(0)?),
            (Root::Context, "app:amount") => Value::Int(250),
            (_, "tags") => Value::map(&self.tags),
            _ => "reports/2026/q3".into(),
        })
    }
}

#[test]
fn what_makes_no_value_allocates_nothing() {
    let question = Question { roles: vec!["editor", "auditor"], tags: vec![("team", "blue")] };

    for text in [
        "action == 'report:read' && principal.id == resource.owner",
        "'editor' in principal.roles && principal.roles[0] != 'x'",
        "resource.tags.team == principal.tags['team'] && has(resource.tags.team)",
        "action in ['report:read', 'report:list'] || !(2 in [1, 2, 3])",
        "principal.roles.exists(r, r.startsWith('edit')) && principal.tags.all(k, k != '')",
        "context['app:amount'] * 2 + 1 < 1000 && 'app:amount' in context",
        "context['aws:currenttime'] + duration('1h') < timestamp('2026-01-01T00:00:00Z')",
        "context['aws:currenttime'].getHours('+01:00') == 1 && size(resource.name) > 3",
        "resource.name.contains('2026') ? resource.name.endsWith('q3') : false",
    ] {
        let expression = Expression::parse(text).unwrap();

        let before = ALLOCATIONS.with(Cell::get);
        let answer = expression.evaluate(&question);
        let after = ALLOCATIONS.with(Cell::get);

        assert_eq!(answer, Ok(true), "{text}");
        assert_eq!(after - before, 0, "{text}");
    }
}

#[test]
fn the_count_counts() {
    let question = Question { roles: vec![], tags: vec![] };
    let expression = Expression::parse("action + action != ''").unwrap();

    let before = ALLOCATIONS.with(Cell::get);
    let answer = expression.evaluate(&question);

    assert_eq!(answer, Ok(true));
    assert!(ALLOCATIONS.with(Cell::get) > before);
}
