//! The values that an evaluation works on.
//!
//! What the scope or the expression already holds is borrowed; only what an evaluation makes is allocated, and
//! then shared.

use std::fmt;
use std::rc::Rc;

use super::time::{Duration, Timestamp};

/// A value of the language.
#[derive(Debug, Clone)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A floating-point number of IEEE 754.
    Double(f64),
    /// A text.
    String(Text<'a>),
    /// Octets.
    Bytes(Octets<'a>),
    /// An instant.
    Timestamp(Timestamp),
    /// A length of time.
    Duration(Duration),
    /// A list.
    List(List<'a>),
    /// A map.
    Map(Map<'a>),
    /// A type, as a value.
    Type(Kind),
}

impl<'a> Value<'a> {
    /// Makes a list of what `items` holds.
    #[must_use]
    pub fn list(items: &'a dyn Items) -> Self {
        Self::List(List(Listed::Borrowed(items)))
    }

    /// Makes a map of what `entries` holds.
    #[must_use]
    pub fn map(entries: &'a dyn Entries) -> Self {
        Self::Map(Map(Mapped::Borrowed(entries)))
    }

    pub(super) fn made_string(text: &str) -> Self {
        Self::String(Text(Held::Made(Rc::from(text))))
    }

    pub(super) fn made_bytes(bytes: &[u8]) -> Self {
        Self::Bytes(Octets(Held::Made(Rc::from(bytes))))
    }

    pub(super) fn made_list(items: Vec<Self>) -> Self {
        Self::List(List(Listed::Made(Rc::from(items))))
    }

    pub(super) fn made_map(entries: Vec<(Self, Self)>) -> Self {
        Self::Map(Map(Mapped::Made(Rc::from(entries))))
    }

    /// Returns the kind of the value.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Uint(_) => Kind::Uint,
            Self::Double(_) => Kind::Double,
            Self::String(_) => Kind::String,
            Self::Bytes(_) => Kind::Bytes,
            Self::Timestamp(_) => Kind::Timestamp,
            Self::Duration(_) => Kind::Duration,
            Self::List(_) => Kind::List,
            Self::Map(_) => Kind::Map,
            Self::Type(_) => Kind::Type,
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::String(text.into())
    }
}

/// The type of a value, where the types of a list's items and of a map's entries are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Of `null`.
    Null,
    /// Of truth values.
    Bool,
    /// Of signed integers.
    Int,
    /// Of unsigned integers.
    Uint,
    /// Of floating-point numbers.
    Double,
    /// Of texts.
    String,
    /// Of octets.
    Bytes,
    /// Of instants.
    Timestamp,
    /// Of lengths of time.
    Duration,
    /// Of lists.
    List,
    /// Of maps.
    Map,
    /// Of types.
    Type,
}

/// What is either borrowed or made by an evaluation.
#[derive(Debug)]
enum Held<'a, T: ?Sized> {
    Borrowed(&'a T),
    Made(Rc<T>),
}

impl<T: ?Sized> Held<'_, T> {
    fn get(&self) -> &T {
        match self {
            Self::Borrowed(held) => held,
            Self::Made(held) => held,
        }
    }
}

impl<T: ?Sized> Clone for Held<'_, T> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(held) => Self::Borrowed(held),
            Self::Made(held) => Self::Made(Rc::clone(held)),
        }
    }
}

/// A text.
#[derive(Debug, Clone)]
pub struct Text<'a>(Held<'a, str>);

impl Text<'_> {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Self(Held::Borrowed(text))
    }
}

/// Octets.
#[derive(Debug, Clone)]
pub struct Octets<'a>(Held<'a, [u8]>);

impl Octets<'_> {
    /// Returns the octets.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.0.get()
    }
}

impl<'a> From<&'a [u8]> for Octets<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(Held::Borrowed(bytes))
    }
}

/// What a scope's list is read from.
pub trait Items {
    /// Returns the number of items.
    fn count(&self) -> usize;
    /// Returns the item at a place, counted from 0; nothing only beyond the last.
    fn item(&self, index: usize) -> Option<Value<'_>>;
}

impl<S: AsRef<str>> Items for Vec<S> {
    fn count(&self) -> usize {
        self.len()
    }

    fn item(&self, index: usize) -> Option<Value<'_>> {
        self.get(index).map(|text| text.as_ref().into())
    }
}

/// What a scope's map is read from. Its keys are strings.
pub trait Entries {
    /// Returns the number of entries.
    fn count(&self) -> usize;
    /// Returns the key at a place, counted from 0, each once; nothing only beyond the last.
    fn key(&self, index: usize) -> Option<&str>;
    /// Returns the value under a key.
    fn value(&self, key: &str) -> Option<Value<'_>>;
}

impl<K: AsRef<str>, V: AsRef<str>> Entries for Vec<(K, V)> {
    fn count(&self) -> usize {
        self.len()
    }

    fn key(&self, index: usize) -> Option<&str> {
        self.get(index).map(|(key, _)| key.as_ref())
    }

    fn value(&self, key: &str) -> Option<Value<'_>> {
        self.iter().find(|(found, _)| found.as_ref() == key).map(|(_, value)| value.as_ref().into())
    }
}

/// A list.
#[derive(Clone)]
pub struct List<'a>(Listed<'a>);

#[derive(Clone)]
enum Listed<'a> {
    Borrowed(&'a dyn Items),
    Made(Rc<[Value<'a>]>),
}

impl<'a> List<'a> {
    /// Returns the number of items.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.0 {
            Listed::Borrowed(items) => items.count(),
            Listed::Made(items) => items.len(),
        }
    }

    /// Returns the item at a place, counted from 0.
    #[must_use]
    pub fn item(&self, index: usize) -> Option<Value<'a>> {
        match &self.0 {
            Listed::Borrowed(items) => items.item(index),
            Listed::Made(items) => items.get(index).cloned(),
        }
    }
}

impl fmt::Debug for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries((0..self.count()).map_while(|index| self.item(index))).finish()
    }
}

/// A map.
#[derive(Clone)]
pub struct Map<'a>(Mapped<'a>);

#[derive(Clone)]
enum Mapped<'a> {
    Borrowed(&'a dyn Entries),
    /// Keys are unique.
    Made(Rc<[(Value<'a>, Value<'a>)]>),
}

impl<'a> Map<'a> {
    /// Returns the number of entries.
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.0 {
            Mapped::Borrowed(entries) => entries.count(),
            Mapped::Made(entries) => entries.len(),
        }
    }

    /// Returns the key at a place, counted from 0, each once.
    #[must_use]
    pub fn key(&self, index: usize) -> Option<Value<'a>> {
        match &self.0 {
            Mapped::Borrowed(entries) => entries.key(index).map(Value::from),
            Mapped::Made(entries) => entries.get(index).map(|(key, _)| key.clone()),
        }
    }

    /// Returns the value under the first key that `is_key` accepts. `text` is that key if it is a string; a
    /// scope's map has no others.
    pub(super) fn find(&self, text: Option<&str>, is_key: impl Fn(&Value<'a>) -> bool) -> Option<Value<'a>> {
        match &self.0 {
            Mapped::Borrowed(entries) => entries.value(text?),
            Mapped::Made(entries) => {
                entries.iter().find(|(key, _)| is_key(key)).map(|(_, value)| value.clone())
            }
        }
    }

    /// Returns how many keys a search may have to look at.
    pub(super) fn search_cost(&self) -> usize {
        match &self.0 {
            Mapped::Borrowed(_) => 1,
            Mapped::Made(entries) => entries.len(),
        }
    }
}

impl fmt::Debug for Map<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries((0..self.count()).map_while(|index| self.key(index))).finish()
    }
}
