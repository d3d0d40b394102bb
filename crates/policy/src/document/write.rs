//! Writes a document in its canonical form.

use serde_json::{Map, Value, json};

use super::{Document, VERSION};
use crate::statement::{Principals, Statement};

impl Document {
    /// Returns the canonical form: every list written as a list, empty labels left out. Reading it gives an
    /// equal document.
    #[must_use]
    pub fn to_value(&self) -> Value {
        // Keys are inserted in alphabetical order, so that both kinds of map of the JSON library write the same.
        let mut map = Map::new();
        if let Some(id) = &self.id {
            map.insert("Id".into(), json!(id));
        }
        map.insert("Statement".into(), self.statements.iter().map(write_statement).collect());
        map.insert("Version".into(), json!(VERSION));
        Value::Object(map)
    }
}

fn write_statement(statement: &Statement) -> Value {
    let mut map = Map::new();
    let element = |not: bool, name: &str| if not { format!("Not{name}") } else { name.to_owned() };
    let actions = statement.actions().iter().map(|pattern| json!(pattern.as_str())).collect();
    let resources = statement.resources().iter().map(|pattern| json!(pattern.as_str())).collect();
    map.insert(element(statement.is_not_action(), "Action"), actions);
    let conditions = write_conditions(statement);
    if !conditions.is_empty() {
        map.insert("Condition".into(), Value::Object(conditions));
    }
    map.insert("Effect".into(), json!(statement.effect().as_str()));
    if let Some(principals) = statement.principals() {
        map.insert(element(principals.not, "Principal"), write_principals(principals));
    }
    map.insert(element(statement.is_not_resource(), "Resource"), resources);
    if let Some(sid) = statement.sid() {
        map.insert("Sid".into(), json!(sid));
    }
    map.sort_keys();
    Value::Object(map)
}

/// The conditions by operator and key, both as they were written.
fn write_conditions(statement: &Statement) -> Map<String, Value> {
    let mut operators = Map::new();
    for condition in statement.conditions() {
        let keys = operators.entry(condition.operator()).or_insert_with(|| Value::Object(Map::new()));
        if let Some(keys) = keys.as_object_mut() {
            keys.insert(condition.written_key().to_owned(), json!(condition.values()));
        }
    }
    operators
}

fn write_principals(principals: &Principals) -> Value {
    if principals.everybody && principals.names.is_empty() {
        return json!("*");
    }
    let everybody = principals.everybody.then_some("*");
    let names: Vec<&str> = everybody.into_iter().chain(principals.names.iter().map(|name| &**name)).collect();
    json!({ "Signet": names })
}
