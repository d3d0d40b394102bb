//! The JSON Schema (2020-12) of the format, printed from the same table that the reader checks by.

use std::collections::BTreeMap;

use policy::expression::TEXT_BYTES_MAX;
use policy::pattern::PATTERN_BYTES_MAX;
use serde_json::{Map, Value, json};

use super::table::{Key, ROOT, SECRET, Shape, Table, Text};

/// The name of the schema.
pub const SCHEMA_ID: &str = "urn:signet:schema:apply:1";

/// The schema, as it stands in `docs/schema/apply.schema.json`, with a final line break.
pub fn json_schema() -> String {
    let mut definitions = BTreeMap::new();
    let mut root = table(&ROOT, &mut definitions);
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        root.insert("$id".to_owned(), json!(SCHEMA_ID));
        root.insert("title".to_owned(), json!("A file for `signet apply`"));
        root.insert("$defs".to_owned(), definitions.into_iter().collect::<Map<_, _>>().into());
    }
    let mut text = serde_json::to_string_pretty(&root).unwrap_or_default();
    text.push('\n');
    text
}

fn table(of: &Table, definitions: &mut BTreeMap<String, Value>) -> Value {
    let mut properties = Map::new();
    for key in of.keys {
        properties.insert(key.name.to_owned(), property(key, definitions));
    }
    let required: Vec<&str> = of.keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if let Some(schema) = schema.as_object_mut()
        && !required.is_empty()
    {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn property(key: &Key, definitions: &mut BTreeMap<String, Value>) -> Value {
    let mut schema = shape(key.shape, definitions);
    if key.nullable {
        schema = json!({ "anyOf": [schema, { "type": "null" }] });
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("description".to_owned(), json!(key.about));
    }
    schema
}

fn shape(of: Shape, definitions: &mut BTreeMap<String, Value>) -> Value {
    match of {
        Shape::Text(rule) => text(rule),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Int(min, max) if min == max => json!({ "const": min }),
        Shape::Int(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Shape::OneOf(words) => json!({ "enum": words }),
        Shape::List(of, max) => {
            let max = max.min(super::table::OBJECTS_MAX);
            json!({ "type": "array", "maxItems": max, "items": shape(*of, definitions) })
        }
        Shape::Object(of) => reference(of, definitions),
        Shape::TextOr(rule, of) => json!({ "anyOf": [text(rule), reference(of, definitions)] }),
        Shape::Secret => {
            let mut schema = table(&SECRET, definitions);
            if let Some(schema) = schema.as_object_mut() {
                schema.insert("oneOf".to_owned(), json!([{ "required": ["env"] }, { "required": ["file"] }]));
            }
            definitions.insert(SECRET.name.to_owned(), schema);
            json!({ "$ref": format!("#/$defs/{}", SECRET.name) })
        }
        Shape::Json => json!({ "type": "object" }),
        Shape::Document(_) => json!({ "type": ["object", "string"] }),
        Shape::Expression => json!({ "type": "string", "minLength": 1, "maxLength": TEXT_BYTES_MAX }),
        Shape::Tags => json!({ "type": "object", "additionalProperties": { "type": "string" } }),
    }
}

fn reference(of: &Table, definitions: &mut BTreeMap<String, Value>) -> Value {
    if !definitions.contains_key(of.name) {
        let schema = table(of, definitions);
        definitions.insert(of.name.to_owned(), schema);
    }
    json!({ "$ref": format!("#/$defs/{}", of.name) })
}

fn text(rule: Text) -> Value {
    match rule {
        Text::Line(max) => json!({ "type": "string", "minLength": 1, "maxLength": max }),
        Text::Prose(max) => json!({ "type": "string", "maxLength": max }),
        Text::Code(max) => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$", "maxLength": max })
        }
        Text::Username => json!({ "type": "string", "minLength": 1, "maxLength": 64 }),
        Text::Email => json!({ "type": "string", "format": "email", "maxLength": 128 }),
        Text::Phone => json!({ "type": "string", "pattern": "^\\+[0-9]{6,15}$" }),
        Text::Resource => json!({ "type": "string", "minLength": 1, "maxLength": 1024 }),
        Text::ActionPattern => {
            json!({ "type": "string", "pattern": "^[A-Za-z0-9_.:*?-]+$", "maxLength": PATTERN_BYTES_MAX })
        }
        Text::ResourcePattern => json!({ "type": "string", "minLength": 1, "maxLength": PATTERN_BYTES_MAX }),
        Text::Instant => json!({ "type": "string", "format": "date-time" }),
    }
}
