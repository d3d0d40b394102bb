//! What an item still asks of a question. Equal checks of a table are one, and are judged once for a question.

use std::sync::Arc;

use super::Ask;
use super::index::NONE;
use crate::condition::Condition;
use crate::key::Facts;
use crate::pattern::ResourcePattern;
use crate::statement::{self, Applies};

/// One check.
#[derive(Debug, Clone)]
pub(super) enum Check {
    /// The name begins with as many bytes of a pattern.
    Begins(Arc<str>, u16),
    /// The name matches; the first bytes, up to a separator, are known to.
    Matches(ResourcePattern, u16),
    /// The conditions hold.
    Holds(Arc<[Condition]>),
}

impl Check {
    fn judge(&self, resource: &str, facts: &Facts<'_>) -> Applies {
        let answer = match self {
            Self::Begins(text, length) => {
                let text = text.as_bytes().get(..usize::from(*length)).unwrap_or_default();
                resource.as_bytes().starts_with(text)
            }
            Self::Matches(pattern, known) => {
                match pattern.matches_after(resource, usize::from(*known), facts) {
                    Ok(matches) => matches,
                    Err(_) => return Applies::Error,
                }
            }
            Self::Holds(conditions) => return statement::meet(conditions, facts),
        };
        if answer { Applies::Yes } else { Applies::No }
    }
}

/// The answers of a table's first checks to one question.
#[derive(Debug, Default)]
pub(super) struct Memo {
    judged: u64,
    yes: u64,
    error: u64,
}

impl Memo {
    /// Judges a check by its number.
    pub(super) fn judge(&mut self, checks: &[Check], number: u32, ask: &Ask<'_>) -> Applies {
        if number == NONE {
            return Applies::Yes;
        }
        let bit = 1_u64.checked_shl(number).unwrap_or(0);
        if self.judged & bit != 0 {
            return if self.yes & bit != 0 {
                Applies::Yes
            } else if self.error & bit != 0 {
                Applies::Error
            } else {
                Applies::No
            };
        }
        let (Some(check), Some(resource)) = (checks.get(number as usize), ask.chain.first()) else {
            return Applies::No;
        };
        let answer = check.judge(resource, ask.facts);
        self.judged |= bit;
        match answer {
            Applies::Yes => self.yes |= bit,
            Applies::Error => self.error |= bit,
            Applies::No => {}
        }
        answer
    }
}
