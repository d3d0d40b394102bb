//! Where something stands in the file, and mistakes that say so.

use std::fmt;

/// The most mistakes reported for one file.
pub const ERRORS_MAX: usize = 100;

/// A place in a file, counted in lines and characters from 1; 0 where the whole file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The line, from 1.
    pub line: u64,
    /// The character in the line, from 1.
    pub column: u64,
}

impl From<serde_saphyr::Location> for Place {
    fn from(location: serde_saphyr::Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Place,
}

/// One mistake: file, line, column, a stable code, what was found and what was expected.
///
/// INVARIANT: the message never holds a value that stands where a secret belongs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    /// The file's name, as the caller gave it.
    pub file: String,
    /// Where; line 0 means the whole file.
    pub at: Place,
    /// A stable code, `snake_case`.
    pub code: &'static str,
    /// What was found and what was expected.
    pub message: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.line == 0 {
            write!(f, "{}: {}", self.file, self.message)
        } else {
            write!(f, "{}:{}:{}: {}", self.file, self.at.line, self.at.column, self.message)
        }
    }
}

/// Collects mistakes, at most [`ERRORS_MAX`].
#[derive(Debug)]
pub(crate) struct Mistakes {
    file: String,
    found: Vec<FileError>,
}

impl Mistakes {
    pub(crate) fn new(file: &str) -> Self {
        Self { file: file.to_owned(), found: Vec::new() }
    }

    pub(crate) fn add(&mut self, at: Place, code: &'static str, message: impl Into<String>) {
        if self.found.len() < ERRORS_MAX {
            self.found.push(FileError { file: self.file.clone(), at, code, message: message.into() });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Succeeds if nothing was found; else all mistakes in the order of the file.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, Vec<FileError>> {
        if self.found.is_empty() {
            return Ok(value);
        }
        self.found.sort_by_key(|error| error.at);
        Err(self.found)
    }

    /// All mistakes, where there is nothing to give beside them.
    pub(crate) fn fail(mut self) -> Vec<FileError> {
        self.found.sort_by_key(|error| error.at);
        self.found
    }
}

/// Text of the file for a message: at most 60 characters, control characters made visible.
pub(crate) fn shown(text: &str) -> String {
    visible(text, 60)
}

/// At most `max` characters of a text, control characters made visible.
pub(crate) fn visible(text: &str, max: usize) -> String {
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    let mut short: String = text.chars().take(max).map(plain).collect();
    if text.chars().count() > max {
        short.push('…');
    }
    short
}
