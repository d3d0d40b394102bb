//! Authentication codes under a ring's keys, and hashes that find equal values without telling them.

use authz::{Action, Cx};
use aws_lc_rs::hmac;
use base::id::TenantId;
use base::text::{BadText, check_email, check_phone, name_key};

use super::items::{number, sealing_key};
use super::{may_use, record};
use crate::cipher::PLAINTEXT_BYTES_MAX;
use crate::rings::KeyVersion;
use crate::{Error, Kms, Result, expand, extract, hex, join};

/// The longest name of a hashed field, in bytes.
const FIELD_BYTES_MAX: usize = 64;
/// The longest value that is hashed, in bytes.
const VALUE_BYTES_MAX: usize = 16 * 1024;

/// The salt that separates what follows from a tenant's key from what that key wraps.
const INDEX_SALT: &[u8] = b"signet blind index 1";

/// An authentication code and the version of the key that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mac {
    /// HMAC-SHA-256, 32 bytes.
    pub code: Vec<u8>,
    /// The version.
    pub version: KeyVersion,
}

/// How a value is made equal to others that mean the same, before it is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalization {
    /// Not at all: byte by byte.
    Exact,
    /// Case, width, and white space at the ends and in rows do not count.
    Text,
    /// An e-mail address, in any case.
    Email,
    /// A phone number in international form; spaces, dashes, dots, slashes and brackets do not count.
    Phone,
}

impl Normalization {
    /// The normal form of a value.
    ///
    /// Fails with [`Error::Invalid`] for what is no e-mail address or phone number.
    pub fn apply(self, value: &str) -> Result<String> {
        match self {
            Self::Exact => Ok(value.to_owned()),
            Self::Text => {
                let words: Vec<&str> = value.split_whitespace().collect();
                Ok(name_key(&words.join(" ")))
            }
            Self::Email => {
                let address = value.trim();
                check_email(address).map_err(bad_value)?;
                Ok(name_key(address))
            }
            Self::Phone => {
                let mut number: String =
                    value.chars().filter(|c| !c.is_whitespace() && !"-./()".contains(*c)).collect();
                if let Some(rest) = number.strip_prefix("00") {
                    number = format!("+{rest}");
                }
                check_phone(&number).map_err(bad_value)?;
                Ok(number)
            }
        }
    }
}

impl Kms {
    /// Makes the authentication code of a message under a ring's active key.
    ///
    /// Fails with [`Error::TooLong`] above [`PLAINTEXT_BYTES_MAX`], and like [`Kms::sealing_key`].
    pub async fn compute_mac(&self, cx: &Cx, ring: &str, message: &[u8]) -> Result<Mac> {
        check_message(message)?;
        let permit = may_use(cx, Action::KeyComputeMac, ring).await?;
        let key = sealing_key(self, cx, &permit, ring, 1).await?;
        let code = key.key.cipher().authenticate(message).as_ref().to_vec();
        record(cx, &permit, "kms.mac_computed", 1, 0).await;
        Ok(Mac { code, version: number(&key)? })
    }

    /// Says whether an authentication code is that of a message, compared in constant time.
    ///
    /// Fails with [`Error::TooLong`] above [`PLAINTEXT_BYTES_MAX`], and like [`Kms::opening_key`].
    pub async fn verify_mac(&self, cx: &Cx, ring: &str, message: &[u8], mac: &Mac) -> Result<bool> {
        check_message(message)?;
        let permit = may_use(cx, Action::KeyVerifyMac, ring).await?;
        let key = self.opening_key(cx, permit.tenant(), ring, mac.version.number()).await?;
        let right = key.key.cipher().is_authentic(message, &mac.code);
        record(cx, &permit, "kms.mac_verified", 1, usize::from(!right)).await;
        Ok(right)
    }

    /// The hash under which equal values of a field are found: HMAC-SHA-256 in lower-case hex, under a key of the tenant,
    /// the ring and the field that no rotation changes. Another tenant's are unrelated, and without the tenant's key
    /// nobody can try values.
    ///
    /// Fails with [`Error::Invalid`] and [`Error::TooLong`].
    pub async fn hash_value(
        &self,
        cx: &Cx,
        ring: &str,
        field: &str,
        normalization: Normalization,
        value: &str,
    ) -> Result<String> {
        let fits = (1..=FIELD_BYTES_MAX).contains(&field.len())
            && field.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if !fits {
            let detail = format!("expected 1 to {FIELD_BYTES_MAX} of `A-Z a-z 0-9 _ . -`");
            return Err(Error::invalid("/field", "invalid_field", detail));
        }
        if value.len() > VALUE_BYTES_MAX {
            return Err(Error::TooLong { what: "the value", limit: VALUE_BYTES_MAX });
        }
        let value = normalization.apply(value)?;
        let permit = may_use(cx, Action::KeyHash, ring).await?;
        let key = self.index_key(cx, permit.tenant(), ring, field).await?;
        let hash = hmac::sign(&key, value.as_bytes());
        record(cx, &permit, "kms.hashed", 1, 0).await;
        Ok(hex(hash.as_ref()))
    }
}

impl Kms {
    /// The key of a field's hashes: it follows from the tenant's key, so that no rotation changes it and that it is
    /// gone with that.
    ///
    /// Fails with [`Error::NoRing`] where there is no such ring.
    async fn index_key(
        &self,
        cx: &Cx,
        tenant: Option<&TenantId>,
        ring: &str,
        field: &str,
    ) -> Result<hmac::Key> {
        self.check_open()?;
        // Without a ring there may be no tenant's key; with one there is.
        self.sealing_key(cx, tenant, ring, 0).await?;
        let tenant_key = self.load_tenant_key(cx.core(), tenant).await?;
        let extracted = extract(&hmac::Key::new(hmac::HMAC_SHA256, INDEX_SALT), tenant_key.expose());
        let key = expand(&extracted, &join(&[ring, field]));
        Ok(hmac::Key::new(hmac::HMAC_SHA256, key.expose()))
    }
}

fn bad_value(bad: BadText) -> Error {
    Error::invalid("/value", "invalid_value", bad.to_string())
}

fn check_message(message: &[u8]) -> Result<()> {
    if message.len() > PLAINTEXT_BYTES_MAX {
        return Err(Error::TooLong { what: "the message", limit: PLAINTEXT_BYTES_MAX });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_mean_the_same_have_one_normal_form() {
        let same: &[(Normalization, &[&str], &str)] = &[
            (Normalization::Exact, &["Abc "], "Abc "),
            (Normalization::Text, &["Zhang  Wei", " ｚhang wei\n", "ZHANG\tWEI"], "zhang wei"),
            (Normalization::Email, &["Alice@Example.com", " alice@example.COM "], "alice@example.com"),
            (
                Normalization::Phone,
                &["+8613800138000", "+86 138-0013-8000", "0086 (138) 0013.8000"],
                "+8613800138000",
            ),
        ];
        for (normalization, values, normal) in same {
            for value in *values {
                assert_eq!(normalization.apply(value).unwrap(), *normal, "{normalization:?} {value}");
            }
        }
    }

    #[test]
    fn what_is_no_address_or_number_is_refused() {
        for (normalization, value) in [
            (Normalization::Email, "alice"),
            (Normalization::Email, ""),
            (Normalization::Phone, "138 0013 8000"),
            (Normalization::Phone, "+86 138 x"),
            (Normalization::Phone, "+"),
        ] {
            assert!(matches!(normalization.apply(value), Err(Error::Invalid { .. })), "{value}");
        }
    }
}
