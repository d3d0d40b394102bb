//! Checks of single values, collected so that an answer names every wrong field at once.

use std::ops::RangeInclusive;

use base::text::BadText;
use base::{FieldError, text};
use serde_json::Value;

use crate::{Error, Result};

/// The longest address of a picture, in characters.
const URL_CHARS_MAX: usize = 2048;
/// The longest domain name, in bytes (RFC 1035 section 2.3.4, as text).
const DOMAIN_BYTES_MAX: usize = 253;
/// The largest JSON value that is stored with a person, in bytes.
const JSON_BYTES_MAX: usize = 16 * 1024;
/// The deepest JSON value that is stored.
const JSON_DEPTH_MAX: usize = 16;
/// The longest name of an attribute, in bytes.
const ATTRIBUTE_NAME_BYTES_MAX: usize = 64;

/// The wrong fields found so far.
#[derive(Default)]
pub(crate) struct Fields(Vec<FieldError>);

impl Fields {
    /// Adds a wrong field.
    pub(crate) fn wrong(&mut self, pointer: &str, code: &str, detail: impl Into<String>) {
        self.0.push(FieldError { pointer: pointer.to_owned(), code: code.to_owned(), detail: detail.into() });
    }

    fn text(&mut self, pointer: &str, code: &str, result: std::result::Result<(), BadText>) {
        if let Err(bad) = result {
            self.wrong(pointer, code, bad.to_string());
        }
    }

    /// Checks a line of text.
    pub(crate) fn line(&mut self, pointer: &str, value: Option<&str>, chars_max: usize) {
        if let Some(value) = value {
            self.text(pointer, "invalid_text", text::check_line(value, chars_max));
        }
    }

    /// Checks that a folded key still fits its column: folding can make text longer.
    pub(crate) fn key(&mut self, pointer: &str, key: &str, chars_max: usize) {
        let found = key.chars().count();
        self.text(
            pointer,
            "invalid_text",
            if found > chars_max { Err(BadText::TooLong { max: chars_max, found }) } else { Ok(()) },
        );
    }

    /// Checks an e-mail address.
    pub(crate) fn email(&mut self, pointer: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(pointer, "invalid_email", text::check_email(value));
            self.key(pointer, &text::name_key(value), 320);
        }
    }

    /// Checks a phone number.
    pub(crate) fn phone(&mut self, pointer: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.text(pointer, "invalid_phone", text::check_phone(value));
        }
    }

    /// Checks the address of a picture: http or https only, since browsers run other schemes.
    pub(crate) fn url(&mut self, pointer: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        let host = ["https://", "http://"].iter().find_map(|scheme| value.strip_prefix(scheme));
        let fits = host.is_some_and(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
            && value.chars().count() <= URL_CHARS_MAX
            && !value.chars().any(|c| c.is_control() || c.is_whitespace() || "\"'<>\\`".contains(c));
        if !fits {
            self.wrong(
                pointer,
                "invalid_url",
                "expected an http or https address of at most 2048 characters",
            );
        }
    }

    /// Checks a domain name in lower case (RFC 1035 section 2.3.1, with digits in front as RFC 1123 allows).
    pub(crate) fn domain(&mut self, pointer: &str, value: Option<&str>) {
        let Some(value) = value else { return };
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        if value.len() > DOMAIN_BYTES_MAX || !value.contains('.') || !value.split('.').all(label) {
            let detail = "expected a domain name in lower case, like acme.example";
            self.wrong(pointer, "invalid_domain", detail);
        }
    }

    /// Checks a number.
    pub(crate) fn range(&mut self, pointer: &str, found: i64, range: RangeInclusive<i64>) {
        if !range.contains(&found) {
            let detail = format!("found {found}, expected {} to {}", range.start(), range.end());
            self.wrong(pointer, "out_of_range", detail);
        }
    }

    /// Checks a language tag (RFC 5646, in form only).
    pub(crate) fn locale(&mut self, pointer: &str, value: &str) {
        let fits = (2..=16).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && value.starts_with(|c: char| c.is_ascii_alphabetic());
        if !fits {
            self.wrong(
                pointer,
                "invalid_locale",
                "expected a language tag of at most 16 characters, like zh-CN",
            );
        }
    }

    /// Checks the name of a time zone (IANA, in form only).
    pub(crate) fn timezone(&mut self, pointer: &str, value: &str) {
        let fits = (1..=64).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-/".contains(&b))
            && value.starts_with(|c: char| c.is_ascii_alphabetic());
        if !fits {
            self.wrong(pointer, "invalid_timezone", "expected the name of a time zone, like Asia/Shanghai");
        }
    }

    /// Checks a JSON object that is stored as it is: bounded, and without U+0000, which PostgreSQL cannot
    /// keep.
    pub(crate) fn object(&mut self, pointer: &str, value: &Value) {
        if !value.is_object() {
            self.wrong(pointer, "invalid_object", "expected an object");
        } else if value.to_string().len() > JSON_BYTES_MAX {
            self.wrong(pointer, "too_large", format!("expected at most {JSON_BYTES_MAX} bytes"));
        } else if !is_storable(value, JSON_DEPTH_MAX) {
            let detail = format!("expected no U+0000 and at most {JSON_DEPTH_MAX} levels");
            self.wrong(pointer, "invalid_object", detail);
        }
    }

    /// Checks a person's attributes: an object that can be stored, with names that policies can refer to.
    pub(crate) fn attributes(&mut self, pointer: &str, value: &Value) {
        let before = self.0.len();
        self.object(pointer, value);
        if self.0.len() > before {
            return;
        }
        if let Some(name) = strange_name(value) {
            let found: String = name.chars().take(32).collect();
            let detail = format!(
                "found the name `{found}`, expected 1 to {ATTRIBUTE_NAME_BYTES_MAX} of `A-Z a-z 0-9 _ . : -`, \
                 beginning with a letter or `_`"
            );
            self.wrong(pointer, "invalid_attribute_name", detail);
        }
    }

    /// Fails with all wrong fields, if there are any.
    pub(crate) fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(Error::Invalid(self.0)) }
    }
}

fn is_storable(value: &Value, depth_left: usize) -> bool {
    match value {
        Value::String(text) => !text.contains('\0'),
        Value::Array(items) => depth_left > 0 && items.iter().all(|item| is_storable(item, depth_left - 1)),
        Value::Object(members) => {
            depth_left > 0
                && members
                    .iter()
                    .all(|(name, item)| !name.contains('\0') && is_storable(item, depth_left - 1))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The first name, at any depth, that is none for an attribute. Recursion ends: the depth is checked before.
fn strange_name(value: &Value) -> Option<&str> {
    match value {
        Value::Object(members) => members.iter().find_map(|(name, item)| {
            if is_attribute_name(name) { strange_name(item) } else { Some(name.as_str()) }
        }),
        Value::Array(items) => items.iter().find_map(strange_name),
        _ => None,
    }
}

fn is_attribute_name(name: &str) -> bool {
    (1..=ATTRIBUTE_NAME_BYTES_MAX).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.:-".contains(&b))
}

/// Applies a JSON merge patch: RFC 7396 section 2, `MergePatch`.
pub(crate) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(members) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Value::Object(object) = target else { return };
    for (name, value) in members {
        if value.is_null() {
            object.remove(&name);
        } else {
            merge(object.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_merge_patch_follows_the_examples_of_rfc_7396_appendix_a() {
        for (mut original, patch, expected) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            merge(&mut original, patch);
            assert_eq!(original, expected);
        }
    }

    #[test]
    fn a_picture_is_reached_by_http_only() {
        for (url, fits) in [
            ("https://cdn.example/a.png?x=1", true),
            ("http://[::1]/a", true),
            ("javascript:alert(1)", false),
            ("data:text/html,x", false),
            ("https://", false),
            ("https:///path", false),
            ("https://a/\"onerror", false),
            ("https://a/ b", false),
        ] {
            let mut fields = Fields::default();
            fields.url("/avatar_url", Some(url));
            assert_eq!(fields.finish().is_ok(), fits, "{url}");
        }
    }

    #[test]
    fn an_attribute_has_a_name_that_a_policy_can_write() {
        for (value, fits) in [
            (json!({"team": 1, "_x": {"a.b:c-d": [{"E9": null}]}}), true),
            (json!({"": 1}), false),
            (json!({"9a": 1}), false),
            (json!({"a b": 1}), false),
            (json!({"部门": 1}), false),
            (json!({"a": [{"b": {"__proto__ ": 1}}]}), false),
            (json!({"x".repeat(65): 1}), false),
        ] {
            let mut fields = Fields::default();
            fields.attributes("/attributes", &value);
            assert_eq!(fields.finish().is_ok(), fits, "{value}");
        }
    }

    #[test]
    fn a_domain_is_a_dns_name_in_lower_case() {
        let long = format!("{}.example", "a".repeat(64));
        for (domain, fits) in [
            ("acme.example", true),
            ("7up.co-op.example", true),
            ("xn--fiq228c.cn", true),
            ("Acme.example", false),
            ("acme", false),
            ("acme..example", false),
            (".acme.example", false),
            ("-acme.example", false),
            ("acme-.example", false),
            ("acme.example/", false),
            ("ac me.example", false),
            (long.as_str(), false),
        ] {
            let mut fields = Fields::default();
            fields.domain("/domain", Some(domain));
            assert_eq!(fields.finish().is_ok(), fits, "{domain}");
        }
    }

    #[test]
    fn what_a_database_cannot_keep_is_refused_at_any_depth() {
        let mut deep = json!(1);
        for _ in 0..20 {
            deep = json!([deep]);
        }
        for (value, fits) in [
            (json!({"team": "a", "n": [1, {"x": null}]}), true),
            (json!({"a": ["\0"]}), false),
            (json!({"\0": 1}), false),
            (json!({ "a": deep }), false),
            (json!({"a": "x".repeat(20_000)}), false),
            (json!([]), false),
        ] {
            let mut fields = Fields::default();
            fields.object("/attributes", &value);
            assert_eq!(fields.finish().is_ok(), fits, "{value}");
        }
    }
}
