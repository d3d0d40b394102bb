//! A tenant's configuration: typed, every field with a default, unknown fields refused.

use authz::TenantRef;
use base::text;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::fields::{Fields, merge};
use crate::{Error, Result};

/// What a tenant decides for itself. Stored in `tenants.config`; what is absent there has its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TenantConfig {
    /// What a new password must be like.
    pub password_policy: PasswordPolicy,
    /// How long a session lasts.
    pub session_policy: SessionPolicy,
    /// What happens after wrong passwords.
    pub lockout_policy: LockoutPolicy,
    /// Who needs a second factor.
    pub mfa_policy: MfaPolicy,
    /// How long tokens last where a client does not say.
    pub tokens: TokenPolicy,
    /// What is written to the audit log.
    pub audit: AuditPolicy,
    /// Whether policies may be attached to users themselves. Switching it off needs that none is.
    pub direct_policies: bool,
    /// The code of the role that every new user gets: a role of this tenant.
    #[schema(min_length = 1, max_length = 32)]
    pub default_role: String,
}

impl Default for TenantConfig {
    fn default() -> Self {
        Self {
            password_policy: PasswordPolicy::default(),
            session_policy: SessionPolicy::default(),
            lockout_policy: LockoutPolicy::default(),
            mfa_policy: MfaPolicy::default(),
            tokens: TokenPolicy::default(),
            audit: AuditPolicy::default(),
            direct_policies: false,
            default_role: "USER".to_owned(),
        }
    }
}

/// What a new password must be like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordPolicy {
    /// The fewest characters, 8 to 72.
    #[schema(minimum = 8, maximum = 72)]
    pub min_length: u32,
    /// Whether an upper-case letter is needed.
    pub require_uppercase: bool,
    /// Whether a lower-case letter is needed.
    pub require_lowercase: bool,
    /// Whether a digit is needed.
    pub require_number: bool,
    /// Whether a character is needed that is neither letter nor digit.
    pub require_special: bool,
    /// How many of the last passwords cannot be used again, 0 to 24.
    #[schema(minimum = 0, maximum = 24)]
    pub history_count: u32,
    /// After how many days a password must be changed, 0 to 3650; 0 is never.
    #[schema(minimum = 0, maximum = 3650)]
    pub expire_days: u32,
}

impl Default for PasswordPolicy {
    fn default() -> Self {
        Self {
            min_length: 8,
            require_uppercase: true,
            require_lowercase: true,
            require_number: true,
            require_special: true,
            history_count: 5,
            expire_days: 90,
        }
    }
}

/// How long a session lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SessionPolicy {
    /// Seconds without a request after which a session ends, 60 to 86,400.
    #[schema(minimum = 60, maximum = 86400)]
    pub idle_timeout_seconds: i64,
    /// Seconds after which a session ends in any case, 300 to 2,592,000.
    #[schema(minimum = 300, maximum = 2592000)]
    pub absolute_timeout_seconds: i64,
    /// Seconds for which a session lasts where "remember me" was chosen, idle or not, 3,600 to 31,536,000.
    #[schema(minimum = 3600, maximum = 31536000)]
    pub remember_seconds: i64,
    /// Sessions of one person at a time, 1 to 100; the oldest ends when one more begins.
    #[schema(minimum = 1, maximum = 100)]
    pub max_concurrent: u32,
}

impl Default for SessionPolicy {
    fn default() -> Self {
        Self {
            idle_timeout_seconds: 30 * 60,
            absolute_timeout_seconds: 12 * 3600,
            remember_seconds: 30 * 86_400,
            max_concurrent: 5,
        }
    }
}

/// What happens after wrong passwords.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LockoutPolicy {
    /// Wrong passwords in a row before further attempts are refused, 3 to 100.
    #[schema(minimum = 3, maximum = 100)]
    pub failures_max: u32,
    /// Seconds for which they are refused, 60 to 86,400.
    #[schema(minimum = 60, maximum = 86400)]
    pub duration_seconds: i64,
}

impl Default for LockoutPolicy {
    fn default() -> Self {
        Self { failures_max: 5, duration_seconds: 30 * 60 }
    }
}

/// Who needs a second factor. Kept and checked; it has no effect until second factors exist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MfaPolicy {
    /// Whether everybody needs one.
    pub required: bool,
    /// Whether those who administer need one.
    pub required_for_admin: bool,
}

impl Default for MfaPolicy {
    fn default() -> Self {
        Self { required: false, required_for_admin: true }
    }
}

/// How long tokens last where a client does not say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenPolicy {
    /// Seconds for which an access token is valid, 60 to 86,400.
    #[schema(minimum = 60, maximum = 86400)]
    pub access_ttl_seconds: i64,
    /// Seconds for which a refresh token is valid, 300 to 31,536,000.
    #[schema(minimum = 300, maximum = 31536000)]
    pub refresh_ttl_seconds: i64,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self { access_ttl_seconds: 15 * 60, refresh_ttl_seconds: 7 * 86_400 }
    }
}

/// What is written to the audit log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuditPolicy {
    /// How decisions that allowed are kept; those that denied are always kept one by one.
    pub allowed_decisions: AllowedDecisions,
}

/// How decisions that allowed are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AllowedDecisions {
    /// One row a source and minute with an exact count.
    #[default]
    Counted,
    /// One row each.
    Each,
}

impl TenantConfig {
    /// The configuration of a tenant.
    ///
    /// Fails as a bug if what is stored does not fit: only what was checked is stored.
    pub fn of(tenant: &TenantRef) -> Result<Self> {
        Self::read(&tenant.config)
    }

    /// Reads a stored configuration.
    pub(crate) fn read(stored: &Value) -> Result<Self> {
        Self::deserialize(stored)
            .map_err(|e| Error::Refused(base::bug!("a stored tenant configuration does not fit: {e}")))
    }

    /// The JSON that is stored and shown: every field, defaults included.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// What the configuration is after a merge patch (RFC 7396): null gives a field its default back.
    ///
    /// Fails with [`Error::Refused`] (422 `invalid_body`) on an unknown field or another type, and with
    /// [`Error::Invalid`] on a number out of range; both with pointers.
    pub fn patched(&self, patch: Value) -> Result<Self> {
        if !patch.is_object() {
            return Err(Error::invalid("", "invalid_object", "expected an object"));
        }
        let mut value = self.to_value();
        merge(&mut value, patch);
        let config: Self = web::body::parse_json(value.to_string().as_bytes())?;
        config.check()?;
        Ok(config)
    }

    /// Checks every range. Fails with [`Error::Invalid`].
    pub fn check(&self) -> Result<()> {
        let mut fields = Fields::default();
        let session = &self.session_policy;
        let password = &self.password_policy;
        for (pointer, found, range) in [
            ("/password_policy/min_length", password.min_length.into(), 8..=72),
            ("/password_policy/history_count", password.history_count.into(), 0..=24),
            ("/password_policy/expire_days", password.expire_days.into(), 0..=3650),
            ("/session_policy/idle_timeout_seconds", session.idle_timeout_seconds, 60..=86_400),
            ("/session_policy/absolute_timeout_seconds", session.absolute_timeout_seconds, 300..=2_592_000),
            ("/session_policy/remember_seconds", session.remember_seconds, 3600..=31_536_000),
            ("/session_policy/max_concurrent", session.max_concurrent.into(), 1..=100),
            ("/lockout_policy/failures_max", self.lockout_policy.failures_max.into(), 3..=100),
            ("/lockout_policy/duration_seconds", self.lockout_policy.duration_seconds, 60..=86_400),
            ("/tokens/access_ttl_seconds", self.tokens.access_ttl_seconds, 60..=86_400),
            ("/tokens/refresh_ttl_seconds", self.tokens.refresh_ttl_seconds, 300..=31_536_000),
        ] {
            fields.range(pointer, found, range);
        }
        if let Err(bad) = text::check_code(&self.default_role, 32) {
            fields.wrong("/default_role", "invalid_code", bad.to_string());
        }
        fields.finish()
    }
}

#[cfg(test)]
mod tests {
    use base::Problem;
    use serde_json::json;
    use utoipa::PartialSchema;

    use super::*;

    #[test]
    fn what_is_absent_has_the_defaults_of_the_acceptance_document() {
        let config = TenantConfig::read(&json!({})).unwrap();

        assert_eq!(config, TenantConfig::default());
        assert_eq!(config.password_policy.min_length, 8);
        assert_eq!(config.password_policy.history_count, 5);
        assert_eq!(config.session_policy.idle_timeout_seconds, 1800);
        assert_eq!(config.session_policy.max_concurrent, 5);
        assert_eq!((config.tokens.access_ttl_seconds, config.tokens.refresh_ttl_seconds), (900, 604_800));
        assert_eq!(TenantConfig::read(&config.to_value()).unwrap(), config);
    }

    #[test]
    fn a_patch_changes_what_it_names_and_null_restores_the_default() {
        let strict = TenantConfig::default().patched(json!({"password_policy": {"min_length": 12}})).unwrap();
        assert_eq!(strict.password_policy.min_length, 12);
        assert_eq!(strict.password_policy.history_count, 5);

        let back = strict.patched(json!({"password_policy": {"min_length": null}})).unwrap();
        assert_eq!(back, TenantConfig::default());
    }

    #[test]
    fn the_published_schema_has_exactly_the_ranges_that_are_held() {
        let mut ranges = 0;
        for schema in [
            PasswordPolicy::schema(),
            SessionPolicy::schema(),
            LockoutPolicy::schema(),
            MfaPolicy::schema(),
            TokenPolicy::schema(),
        ] {
            let schema = serde_json::to_value(schema).unwrap();
            for (field, described) in schema["properties"].as_object().unwrap() {
                let config = TenantConfig::default().to_value();
                let sections = config.as_object().unwrap();
                let (section, _) = sections.iter().find(|(_, v)| v.get(field).is_some()).unwrap();
                if described["type"] == "boolean" {
                    continue;
                }
                let (min, max) = (described["minimum"].as_f64(), described["maximum"].as_f64());
                let (min, max) = (min.unwrap() as i64, max.unwrap() as i64);
                for (value, fits) in [(min, true), (max, true), (min - 1, false), (max + 1, false)] {
                    let patch = json!({ section: { field: value } });
                    assert_eq!(TenantConfig::default().patched(patch).is_ok(), fits, "{field} {value}");
                }
                ranges += 1;
            }
        }
        assert_eq!(ranges, 11);
    }

    #[test]
    fn unknown_fields_wrong_types_and_ranges_are_refused_with_a_pointer() {
        for (patch, pointer) in [
            (json!({"password_polcy": {}}), "/password_polcy"),
            (json!({"tokens": {"access_ttl": 1}}), "/tokens/access_ttl"),
            (json!({"password_policy": {"min_length": "12"}}), "/password_policy/min_length"),
            (json!({"password_policy": {"min_length": 4}}), "/password_policy/min_length"),
            (json!({"tokens": {"access_ttl_seconds": -1}}), "/tokens/access_ttl_seconds"),
            (json!({"default_role": "a b"}), "/default_role"),
            (json!([]), ""),
        ] {
            let problem = Problem::from(TenantConfig::default().patched(patch.clone()).unwrap_err());
            let found: Vec<&str> = problem.errors().iter().map(|e| e.pointer.as_str()).collect();
            assert_eq!(found, [pointer], "{patch}: {problem:?}");
        }
    }
}
