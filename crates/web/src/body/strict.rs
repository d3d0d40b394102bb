//! JSON text to a value, with errors that name place, finding and expectation.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

use base::{Kind, Problem};
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_path_to_error::{Path, Segment};

/// The longest text of a finding that an answer repeats, in characters.
const DETAIL_CHARS_MAX: usize = 300;

/// Parses JSON. Fails with 400 `malformed_json` or `duplicate_member`, or 422 `invalid_body`.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Problem::new(Kind::Malformed, "malformed_json", "the body is empty, expected json"));
    }
    check_form(bytes)?;
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    // Once more, and this time with an eye on the way to what does not fit.
    let mut source = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let pointer = pointer(error.path());
        let finding = plain_words(&error.inner().to_string());
        let place = if pointer.is_empty() { "the body".to_owned() } else { format!("`{pointer}`") };
        let detail = clip(&format!("{place}: {finding}"));
        Problem::new(Kind::Invalid, "invalid_body", detail).field(pointer, "invalid", clip(&finding))
    })
}

/// Checks that the bytes are one JSON text in which no object repeats a member (RFC 8259 section 4:
/// "The names within an object SHOULD be unique"; two readers must never see two different values).
fn check_form(bytes: &[u8]) -> Result<(), Problem> {
    let trail = RefCell::new(Vec::new());
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let walked = Walk(&trail).deserialize(&mut source).and_then(|()| source.end());
    let Err(error) = walked else { return Ok(()) };
    let steps = trail.into_inner();
    if error.is_data() && !steps.is_empty() {
        let pointer: String = steps.iter().rev().map(|step| format!("/{}", escape(step))).collect();
        let detail = clip(&format!("`{pointer}` is given more than once"));
        return Err(Problem::new(Kind::Malformed, "duplicate_member", detail).field(
            pointer,
            "duplicate",
            "given more than once",
        ));
    }
    let detail = format!("the body is not json: {}", plain_words(&error.to_string()));
    Err(Problem::new(Kind::Malformed, "malformed_json", clip(&detail)))
}

/// Walks one value; on a repeated member, leaves the way to it in the trail, innermost step first.
#[derive(Clone, Copy)]
struct Walk<'a>(&'a RefCell<Vec<String>>);

impl Walk<'_> {
    /// Adds a step to the trail on the way out, if a repeated member began one.
    fn leave(self, step: impl FnOnce() -> String) {
        let mut trail = self.0.borrow_mut();
        if !trail.is_empty() {
            trail.push(step());
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("json")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut index = 0usize;
        while items.next_element_seed(self).inspect_err(|_| self.leave(|| index.to_string()))?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut seen = Seen { few: Vec::new(), many: HashSet::new() };
        while let Some(Name(name)) = members.next_key()? {
            if seen.contains(&name) {
                self.0.borrow_mut().push(name.into_owned());
                return Err(A::Error::custom("repeated member"));
            }
            members.next_value_seed(self).inspect_err(|_| self.leave(|| name.clone().into_owned()))?;
            seen.insert(name);
        }
        Ok(())
    }
}

/// Names looked at one by one; from this many on, they are hashed.
const FEW: usize = 16;

/// The names of one object's members.
struct Seen<'a> {
    few: Vec<Cow<'a, str>>,
    many: HashSet<Cow<'a, str>>,
}

impl<'a> Seen<'a> {
    fn contains(&self, name: &str) -> bool {
        self.few.iter().any(|seen| seen == name) || (!self.many.is_empty() && self.many.contains(name))
    }

    fn insert(&mut self, name: Cow<'a, str>) {
        if self.few.len() < FEW {
            self.few.push(name);
        } else {
            self.many.insert(name);
        }
    }
}

/// A member's name, borrowed from the text where it has no escapes.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// Writes a path as a JSON pointer (RFC 6901 section 3).
fn pointer(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                text.push('/');
                text.push_str(&escape(key));
            }
            Segment::Unknown => {}
        }
    }
    text
}

fn escape(step: &str) -> String {
    step.replace('~', "~0").replace('/', "~1")
}

/// Replaces the Rust names that serde puts into its messages by what a caller knows.
fn plain_words(message: &str) -> String {
    let mut words = Vec::new();
    let mut rest = message.split(' ').peekable();
    while let Some(word) = rest.next() {
        let expected = words.last().is_some_and(|last| *last == "expected");
        let replacement = match word {
            "struct" if expected => Some("an object"),
            "enum" if expected => Some("one of the known values"),
            "internally" | "adjacently" if expected => Some("an object with its tag"),
            _ => None,
        };
        let Some(replacement) = replacement else {
            words.push(word);
            continue;
        };
        words.push(replacement);
        // The Rust name is what follows up to the position, if there is one.
        while rest.peek().is_some_and(|next| *next != "at" && *next != "with") {
            rest.next();
        }
    }
    words.join(" ")
}

fn clip(text: &str) -> String {
    match text.char_indices().nth(DETAIL_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
