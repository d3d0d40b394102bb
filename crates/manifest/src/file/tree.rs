//! From YAML text to a tree in which every key and value knows its place.
//!
//! Anchors, aliases, merge keys and several documents are refused: what stands in the file is what is
//! meant, and a small file cannot unfold into a large one.

use std::fmt;

use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{Error, Spanned, UserMessageFormatter};

use super::place::{At, FileError, Mistakes, Place, shown, visible};

/// The largest file, in bytes.
pub const FILE_BYTES_MAX: usize = 1024 * 1024;
/// The deepest nesting of lists and mappings.
pub const DEPTH_MAX: usize = 24;
/// The most keys and values in a file.
const NODES_MAX: usize = 400_000;

/// A value and its place. No `Debug`: a secret written in clear by mistake must not reach a log.
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) value: Yaml,
}

/// What YAML can say (the JSON schema of YAML 1.2).
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<(At<String>, Node)>),
}

impl Yaml {
    /// What was found, in words, without the value.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Int(_) => "a whole number",
            Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

impl Node {
    /// The value as JSON, for what has a reader of its own (configuration, policy documents).
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Yaml::Null => serde_json::Value::Null,
            Yaml::Bool(value) => (*value).into(),
            Yaml::Int(value) => (*value).into(),
            Yaml::Float(value) => (*value).into(),
            Yaml::Text(text) => text.as_str().into(),
            Yaml::List(items) => items.iter().map(Self::to_json).collect(),
            Yaml::Map(pairs) => pairs.iter().map(|(key, node)| (key.value.clone(), node.to_json())).collect(),
        }
    }

    /// The place of what a JSON pointer (RFC 6901) names, or of the nearest thing above it that exists.
    pub(crate) fn locate(&self, pointer: &str) -> Place {
        let mut node = self;
        let mut at = self.at;
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &node.value {
                Yaml::List(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)).map(|n| (n.at, n)),
                Yaml::Map(pairs) => {
                    pairs.iter().find(|(key, _)| key.value == step).map(|(key, n)| (key.at, n))
                }
                _ => None,
            };
            let Some((place, found)) = next else { break };
            at = place;
            node = found;
        }
        at
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Yaml>::deserialize(deserializer)?;
        Ok(Self { at: spanned.referenced.into(), value: spanned.value })
    }
}

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Yaml;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_none<E>(self) -> Result<Yaml, E> {
        Ok(Yaml::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Yaml, D::Error> {
        Yaml::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Yaml, E> {
        Ok(Yaml::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Yaml, E> {
        Ok(Yaml::Int(value))
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Yaml, E> {
        i64::try_from(value).map(Yaml::Int).map_err(|_| E::custom("a whole number that is too large"))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Yaml, E> {
        Ok(Yaml::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Yaml, E> {
        Ok(Yaml::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Yaml, E> {
        Ok(Yaml::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Yaml, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = items.next_element::<Node>()? {
            list.push(node);
        }
        Ok(Yaml::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<Yaml, A::Error> {
        let mut map = Vec::new();
        while let Some(key) = pairs.next_key::<Spanned<String>>()? {
            let node = pairs.next_value::<Node>()?;
            if map.len() >= NODES_MAX {
                return Err(A::Error::custom("too many keys"));
            }
            map.push((At { at: key.referenced.into(), value: key.value }, node));
        }
        Ok(Yaml::Map(map))
    }
}

/// Reads YAML text. Fails with the one mistake that stopped the reader.
pub(crate) fn read(file: &str, text: &str) -> Result<Node, Vec<FileError>> {
    let mut mistakes = Mistakes::new(file);
    if text.len() > FILE_BYTES_MAX {
        let found = text.len();
        mistakes.add(
            Place::default(),
            "file_too_large",
            format!("found {found} bytes, expected at most {FILE_BYTES_MAX}: split the file by sections"),
        );
        return Err(mistakes.fail());
    }
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_aliases: 0,
            max_anchors: 0,
            max_depth: DEPTH_MAX,
            max_documents: 1,
            max_nodes: NODES_MAX,
        },
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::Error,
        merge_keys: serde_saphyr::MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: serde_saphyr::NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(node) => Ok(node),
        Err(error) => {
            let at = error.location().map_or(Place::default(), Place::from);
            let (code, message) = explain(error.without_snippet());
            mistakes.add(at, code, message);
            Err(mistakes.fail())
        }
    }
}

/// The reader's message in the form of ours: what was found, what was expected.
fn explain(error: &Error) -> (&'static str, String) {
    match error {
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } => (
                "anchor_not_supported",
                "found a YAML anchor or alias, expected the value itself: write it out".to_owned(),
            ),
            BudgetBreach::Depth { .. } => {
                ("too_deep", format!("found lists and mappings nested deeper than {DEPTH_MAX}"))
            }
            BudgetBreach::Documents { .. } => several_documents(),
            _ => ("file_too_large", "found more than one file may hold: split it by sections".to_owned()),
        },
        Error::MultipleDocuments { .. } => several_documents(),
        Error::DuplicateMappingKey { key, .. } => (
            "duplicate_key",
            match key {
                Some(key) => format!("found the key `{}` twice, expected it once", shown(key)),
                None => "found a key twice, expected it once".to_owned(),
            },
        ),
        Error::Eof { .. } => ("yaml_syntax", "found the end of the file, expected a mapping".to_owned()),
        // Without the place, which is told apart, and without a snippet, which could show a secret.
        other => {
            let text = serde_saphyr::MessageFormatter::format_message(&UserMessageFormatter, other);
            ("yaml_syntax", format!("this is not YAML as expected here: {}", visible(&text, 200)))
        }
    }
}

fn several_documents() -> (&'static str, String) {
    ("several_documents", "found a second YAML document, expected one document in the file".to_owned())
}
