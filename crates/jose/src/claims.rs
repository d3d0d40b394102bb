//! The registered claims (RFC 7519, section 4.1) and the rules they are held to.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{Error, Result};

/// The last second of the year 9999, the largest accepted time.
const SECONDS_MAX: i64 = 253_402_300_799;

/// What the caller expects of a token's claims.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRules<'a> {
    /// The only acceptable `iss`, compared byte by byte.
    pub issuer: &'a str,
    /// The value that `aud` must hold; `None` where the caller judges the audience itself, as introspection does.
    pub audience: Option<&'a str>,
    /// The present, in seconds since 1970-01-01T00:00:00Z.
    pub now: i64,
    /// Clock skew granted to `exp`, `nbf` and `iat`, in seconds.
    pub leeway_seconds: u32,
}

/// The claims of a token.
#[derive(Clone, Debug, PartialEq)]
pub struct Claims(Map<String, Value>);

impl ClaimRules<'_> {
    /// Checks `iss` and `exp`, which must be there, `aud` if an audience is expected, and `nbf` and `iat` if they
    /// are there.
    pub(crate) fn check(&self, claims: &Map<String, Value>) -> Result<()> {
        let issuer = claims.get("iss").and_then(Value::as_str).ok_or(Error::InvalidClaim("iss"))?;
        if issuer != self.issuer {
            return Err(Error::WrongIssuer);
        }
        if let Some(expected) = self.audience
            && !audience_holds(claims.get("aud"), expected)?
        {
            return Err(Error::WrongAudience);
        }

        let leeway = i64::from(self.leeway_seconds);
        let expires_at = optional_time(claims, "exp")?.ok_or(Error::InvalidClaim("exp"))?;
        let not_before = optional_time(claims, "nbf")?;
        let issued_at = optional_time(claims, "iat")?;
        // Section 4.1.4: "on or after which the JWT MUST NOT be accepted for processing".
        if self.now.saturating_sub(leeway) >= expires_at {
            return Err(Error::Expired);
        }
        let latest = self.now.saturating_add(leeway);
        if not_before.is_some_and(|at| at > latest) || issued_at.is_some_and(|at| at > latest) {
            return Err(Error::NotYetValid);
        }
        if issued_at.is_some_and(|at| at > expires_at) {
            return Err(Error::InvalidClaim("iat"));
        }
        Ok(())
    }
}

impl Claims {
    pub(crate) const fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// Returns a claim by its name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Returns a claim that is a string.
    pub fn str(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }

    /// Returns a claim that is a time, in whole seconds since 1970-01-01T00:00:00Z.
    pub fn time(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(numeric_date)
    }

    /// Tells whether `aud` is the given value or holds it.
    pub fn has_audience(&self, audience: &str) -> bool {
        audience_holds(self.get("aud"), audience) == Ok(true)
    }

    /// Returns all claims.
    pub const fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Reads the claims into a type of the caller's.
    ///
    /// Fails with [`Error::Json`] if they do not fit it.
    pub fn deserialize<T: DeserializeOwned>(self) -> Result<T> {
        T::deserialize(Value::Object(self.0)).map_err(|_| Error::Json("payload"))
    }
}

/// Section 4.1.3: `aud` is an array of strings or, in the special case of one audience, a single string.
fn audience_holds(aud: Option<&Value>, expected: &str) -> Result<bool> {
    match aud {
        Some(Value::String(one)) => Ok(one == expected),
        Some(Value::Array(many)) if many.iter().all(Value::is_string) => {
            Ok(many.iter().any(|one| one.as_str() == Some(expected)))
        }
        _ => Err(Error::InvalidClaim("aud")),
    }
}

/// Reads a `NumericDate` (section 2) that may be absent.
fn optional_time(claims: &Map<String, Value>, name: &'static str) -> Result<Option<i64>> {
    claims.get(name).map(|value| numeric_date(value).ok_or(Error::InvalidClaim(name))).transpose()
}

/// Reads seconds, perhaps with a fraction, which is cut.
fn numeric_date(value: &Value) -> Option<i64> {
    let seconds = match value.as_i64() {
        Some(seconds) => seconds,
        // The cast saturates, and what it saturates to is out of range.
        None => value.as_f64()?.floor() as i64,
    };
    (0..=SECONDS_MAX).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {

    use serde_json::json;

    use super::*;

    const RULES: ClaimRules<'_> = ClaimRules {
        issuer: "https://id.example/t/acme",
        audience: Some("api"),
        now: 1_000,
        leeway_seconds: 10,
    };

    /// Checks the usual claims after `changes` have replaced members (`null` removes one).
    fn check(changes: Value) -> Result<()> {
        let mut claims =
            json!({"iss": RULES.issuer, "aud": "api", "exp": 1_500, "nbf": 900, "iat": 900, "sub": "s"});
        for (name, value) in changes.as_object().unwrap() {
            let members = claims.as_object_mut().unwrap();
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value.clone())
            };
        }
        RULES.check(claims.as_object().unwrap())
    }

    #[test]
    fn claims_that_meet_the_rules_pass() {
        for changes in [
            json!({}),
            json!({"aud": ["other", "api"]}),
            json!({"nbf": null, "iat": null}),
            json!({"exp": 1_500.75, "iat": 900.5}),
            json!({"exp": 253_402_300_799_i64}),
        ] {
            assert_eq!(check(changes.clone()), Ok(()), "{changes}");
        }
    }

    #[test]
    fn times_are_compared_with_the_leeway_at_its_exact_edge() {
        assert_eq!(check(json!({"exp": 991})), Ok(()));
        assert_eq!(check(json!({"exp": 990})), Err(Error::Expired));
        assert_eq!(check(json!({"exp": 990.9})), Err(Error::Expired));
        assert_eq!(check(json!({"nbf": 1_010})), Ok(()));
        assert_eq!(check(json!({"nbf": 1_011})), Err(Error::NotYetValid));
        assert_eq!(check(json!({"iat": 1_010})), Ok(()));
        assert_eq!(check(json!({"iat": 1_011})), Err(Error::NotYetValid));
        assert_eq!(check(json!({"iat": 1_005, "exp": 1_004})), Err(Error::InvalidClaim("iat")));
    }

    #[test]
    fn claims_that_break_a_rule_are_named() {
        let issuer = RULES.issuer;
        for (changes, error) in [
            (json!({"iss": null}), Error::InvalidClaim("iss")),
            (json!({"iss": [issuer]}), Error::InvalidClaim("iss")),
            (json!({"iss": format!("{issuer}/")}), Error::WrongIssuer),
            (json!({"iss": "https://ID.example/t/acme"}), Error::WrongIssuer),
            (json!({"iss": ""}), Error::WrongIssuer),
            (json!({"aud": null}), Error::InvalidClaim("aud")),
            (json!({"aud": 1}), Error::InvalidClaim("aud")),
            (json!({"aud": ["api", 1]}), Error::InvalidClaim("aud")),
            (json!({"aud": []}), Error::WrongAudience),
            (json!({"aud": "api2"}), Error::WrongAudience),
            (json!({"aud": ["API"]}), Error::WrongAudience),
            (json!({"exp": null}), Error::InvalidClaim("exp")),
            (json!({"exp": "1500"}), Error::InvalidClaim("exp")),
            (json!({"exp": -1}), Error::InvalidClaim("exp")),
            (json!({"exp": i64::MAX}), Error::InvalidClaim("exp")),
            (json!({"exp": u64::MAX}), Error::InvalidClaim("exp")),
            (json!({"exp": 1e300}), Error::InvalidClaim("exp")),
            (json!({"nbf": "900"}), Error::InvalidClaim("nbf")),
            (json!({"nbf": i64::MIN}), Error::InvalidClaim("nbf")),
            (json!({"iat": true}), Error::InvalidClaim("iat")),
        ] {
            assert_eq!(check(changes.clone()), Err(error), "{changes}");
        }
    }

    #[test]
    fn without_an_expected_audience_the_audience_is_left_to_the_caller() {
        let claims = json!({"iss": RULES.issuer, "exp": 1_500});

        let rules = ClaimRules { audience: None, ..RULES };

        assert_eq!(rules.check(claims.as_object().unwrap()), Ok(()));
    }

    #[test]
    fn extreme_times_of_the_caller_do_not_overflow() {
        let claims = json!({"iss": RULES.issuer, "aud": "api", "exp": 1_500, "nbf": 1});
        let check =
            |now| ClaimRules { now, leeway_seconds: u32::MAX, ..RULES }.check(claims.as_object().unwrap());

        assert_eq!(check(i64::MAX), Err(Error::Expired));
        assert_eq!(check(i64::MIN), Err(Error::NotYetValid));
    }

    #[test]
    fn claims_are_read_by_name_and_into_types() {
        #[derive(serde::Deserialize)]
        struct Typed {
            sub: String,
        }
        let members = json!({"sub": "s", "exp": 7.9, "aud": ["a", "b"], "n": 1});
        let claims = Claims::new(members.as_object().unwrap().clone());

        assert_eq!((claims.str("sub"), claims.str("n"), claims.str("x")), (Some("s"), None, None));
        assert_eq!((claims.time("exp"), claims.time("sub")), (Some(7), None));
        assert!(claims.has_audience("b") && !claims.has_audience("c"));
        assert_eq!(claims.get("n"), Some(&json!(1)));
        assert_eq!(claims.clone().deserialize::<Typed>().unwrap().sub, "s");
        assert!(claims.deserialize::<Vec<u8>>().is_err());
    }
}
