//! Typed ids, time, randomness, secrets, names and problems: the words every other crate shares.
//!
//! Knows no runtime, no SQL and no HTTP. Reading order: [`id`], [`time`], [`random`], [`secret`],
//! [`text`], [`query`], [`problem`].

pub mod id;
pub mod problem;
pub mod query;
pub mod random;
pub mod secret;
pub mod text;
pub mod time;

pub use id::Id;
pub use problem::{FieldError, Kind, Problem, RateLimit};
pub use random::{OsRandom, Random, SeededRandom};
pub use secret::Secret;
pub use time::{Clock, FixedClock, SystemClock, Timestamp};

/// Reports a broken invariant: panics in tests and debug builds, logs at error level in release builds,
/// and evaluates to the given [`Problem`]-convertible internal error.
#[macro_export]
macro_rules! bug {
    ($($arg:tt)*) => {{
        let message = format!($($arg)*);
        debug_assert!(false, "bug: {message}");
        $crate::Problem::internal(message)
    }};
}
