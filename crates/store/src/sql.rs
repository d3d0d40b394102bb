//! Statements: text from `&'static str` fragments, values bound apart.

use std::borrow::Cow;

use crate::value::{Bind, Value};

/// A statement and its values.
///
/// Either the whole text at once, with `$1`, `$2` … and [`Sql::bind`], or piece by piece with
/// [`Sql::push`] and [`Sql::value`]. Text is always `&'static str`: no input can become SQL.
#[derive(Debug, Clone)]
pub struct Sql {
    pub(crate) text: Cow<'static, str>,
    pub(crate) values: Vec<Value>,
    /// Whether PostgreSQL plans it for the values of each call.
    pub(crate) is_planned_anew: bool,
}

impl Sql {
    /// Begins a statement.
    pub fn new(text: &'static str) -> Self {
        Self { text: Cow::Borrowed(text), values: Vec::new(), is_planned_anew: false }
    }

    /// Binds the next of the numbered placeholders that the text already has.
    #[must_use]
    pub fn bind(mut self, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        self
    }

    /// Appends text.
    #[must_use]
    pub fn push(mut self, text: &'static str) -> Self {
        self.text.to_mut().push_str(text);
        self
    }

    /// Appends a placeholder and binds its value.
    #[must_use]
    pub fn value(mut self, value: impl Bind) -> Self {
        self.values.push(value.into_value());
        let number = self.values.len();
        let text = self.text.to_mut();
        text.push('$');
        text.push_str(&number.to_string());
        self
    }

    /// Has PostgreSQL plan the statement for the values of this call, as lists need: the plan that it would
    /// keep after a few calls is for average values, and sorts all that a frequent value has. SQLite plans
    /// by the text alone.
    #[must_use]
    pub fn planned_anew(mut self) -> Self {
        self.is_planned_anew = true;
        self
    }

    /// Appends another statement's text with its values, its placeholders numbered on.
    #[must_use]
    pub fn append(mut self, other: Self) -> Self {
        let before = self.values.len();
        let text = self.text.to_mut();
        // INVARIANT: `$` stands nowhere in our texts but before a placeholder's number.
        for (position, piece) in other.text.split('$').enumerate() {
            let digits = piece.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = piece.split_at(digits);
            match number.parse::<usize>() {
                Ok(number) if position > 0 => {
                    text.push('$');
                    text.push_str(&(number + before).to_string());
                    text.push_str(rest);
                }
                _ => text.push_str(piece),
            }
        }
        self.values.extend(other.values);
        self
    }

    /// Appends `(v1, v2, …)`; an empty list appends `(NULL)`, which equals nothing.
    #[must_use]
    pub fn list<B: Bind>(mut self, values: impl IntoIterator<Item = B>) -> Self {
        let mut first = true;
        for value in values {
            self = self.push(if first { "(" } else { ", " }).value(value);
            first = false;
        }
        if first { self.push("(NULL)") } else { self.push(")") }
    }
}
