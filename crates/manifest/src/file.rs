//! The file format: from text to a [`Manifest`], or to all mistakes with their places.
//!
//! Pure: no IO, no clock. Reading order: `table` (the format), `tree` (YAML with places), `check` (tree
//! against table), [`model`] (typed), `whole` (what only the whole file shows), [`schema`].

mod check;
pub mod model;
pub mod place;
pub mod schema;
mod table;
mod tree;
mod whole;

pub use model::Manifest;
pub use place::{At, FileError, Place};
pub use table::{OBJECTS_MAX, SECTIONS};
pub use tree::{DEPTH_MAX, FILE_BYTES_MAX};
pub(crate) use whole::action_key;

use place::Mistakes;

/// Reads a file. `file` is its name, for messages.
///
/// Fails with at least one mistake, at most [`place::ERRORS_MAX`], in the order of the file.
pub fn parse(file: &str, text: &str) -> Result<Manifest, Vec<FileError>> {
    let root = tree::read(file, text)?;
    let mut mistakes = Mistakes::new(file);
    check::object(&root, &table::ROOT, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes.fail());
    }
    let manifest = model::manifest(file, &root);
    whole::check(&manifest, &mut mistakes);
    mistakes.finish(manifest)
}

/// What the fuzzer calls: any bytes are read or refused with places inside the text, never a panic.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(errors) = parse("fuzz.yaml", text) {
        let lines = u64::try_from(text.split(['\n', '\r']).count()).unwrap_or(u64::MAX);
        assert!(!errors.is_empty(), "a refusal without a reason");
        for error in errors {
            assert!(error.at.line <= lines.saturating_add(1), "a place outside the file: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
