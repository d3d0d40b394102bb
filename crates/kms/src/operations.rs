//! What callers do with key rings: encrypt, decrypt, encrypt again, make data keys, authenticate, hash.
//!
//! No verb here writes a row, so each use is one event with its exact number of items, recorded apart from
//! any transaction.

mod authenticate;
mod data_keys;
pub(crate) mod http;
mod items;

use std::collections::BTreeMap;

use authz::{Action, Cx, Event, Permit};
use base::{Kind, Problem};
use serde_json::json;

pub use authenticate::{Mac, Normalization};
pub use data_keys::{DATA_KEY_BYTES, MadeKey, RANDOM_BYTES_MAX};
pub use items::Sealed;

use crate::envelope::is_ring_name;
use crate::rings::{judge, target};
use crate::{Error, Result};

/// The most items of one call.
pub const ITEMS_MAX: usize = 1000;
/// The most names of a context.
pub const CONTEXT_NAMES_MAX: usize = 16;
/// The longest name of a context, in bytes.
pub const CONTEXT_NAME_BYTES_MAX: usize = 64;
/// The longest value of a context, in bytes.
pub const CONTEXT_VALUE_BYTES_MAX: usize = 512;
/// The first part that a value of the API is bound to. Signet's own values begin with the name of a table, and no
/// table has this one: what a caller sealed can never stand for one of ours.
const CONTEXT_PART: &str = "context";

/// What a caller binds a value to: names and values, in the order of the names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, String>);

impl Context {
    /// Checks what a caller gave at this place of a body.
    ///
    /// Fails with [`Error::Invalid`] above [`CONTEXT_NAMES_MAX`] names or where one of them or a value is too long.
    pub fn new(pointer: &str, values: BTreeMap<String, String>) -> Result<Self> {
        let found = values.len();
        if found > CONTEXT_NAMES_MAX {
            let detail = format!("a context has at most {CONTEXT_NAMES_MAX} names, this one has {found}");
            return Err(Error::invalid(pointer, "too_many_names", detail));
        }
        for (name, value) in &values {
            if name.len() > CONTEXT_NAME_BYTES_MAX || value.len() > CONTEXT_VALUE_BYTES_MAX {
                let detail = format!(
                    "a name of a context has at most {CONTEXT_NAME_BYTES_MAX} bytes, and a value \
                     {CONTEXT_VALUE_BYTES_MAX}"
                );
                return Err(Error::invalid(pointer, "too_long", detail));
            }
        }
        Ok(Self(values))
    }

    /// What the value is bound to, in order.
    fn parts(&self) -> Vec<&str> {
        let pairs = self.0.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]);
        std::iter::once(CONTEXT_PART).chain(pairs).collect()
    }
}

/// One value of a call.
#[derive(Debug)]
pub struct Item<T> {
    /// What is to be encrypted or opened.
    pub value: T,
    /// What it is bound to.
    pub context: Context,
}

/// Why one item of many was refused. The others are done all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The kind of problem.
    pub kind: Kind,
    /// The stable code.
    pub code: &'static str,
    /// What was found and what was expected.
    pub detail: String,
}

/// What became of one item.
pub type Outcome<T> = std::result::Result<T, Refused>;

impl Refused {
    /// What concerns one item only; anything that is ours to mend fails the whole call.
    fn of(error: Error) -> Result<Self> {
        let problem = Problem::from(error);
        match problem.kind() {
            Kind::Internal | Kind::Unavailable => Err(Error::Refused(problem)),
            kind => Ok(Self { kind, code: problem.code(), detail: problem.detail().to_owned() }),
        }
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::Refused(Problem::new(refused.kind, refused.code, refused.detail))
    }
}

/// The only outcome of a call with one item.
pub(crate) fn only<T>(outcomes: Vec<Outcome<T>>) -> Result<T> {
    match outcomes.into_iter().next() {
        Some(outcome) => Ok(outcome?),
        None => Err(Error::Refused(base::bug!("an item without an outcome"))),
    }
}

/// Asks whether the caller may do this with a ring: by the tenant's action in a tenant, and by the one action for
/// all use of keys on the platform.
async fn may_use(cx: &Cx, action: Action, ring: &str) -> Result<Permit> {
    // What names no ring is not put into a resource name.
    if !is_ring_name(ring) {
        return Err(Error::NoRing(ring.to_owned()));
    }
    judge(cx, action, Action::PlatformKeyUse, &target(ring)).await
}

/// Records one use with its exact counts. Failed where nothing of it was done.
async fn record(cx: &Cx, permit: &Permit, event: &'static str, items: usize, refused: usize) {
    let counts = json!({ "items": items, "refused": refused });
    let event = if refused > 0 && refused == items {
        Event::failed(event, permit.name())
    } else {
        Event::done(event, permit.name())
    };
    cx.record(event.details(counts)).await;
}
