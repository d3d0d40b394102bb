//! Lists in pages: the limit, the sealed cursor, the answer of a list that is always whole.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base::{Kind, Problem};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use utoipa::ToSchema;

/// Members of a page where the caller does not say.
pub const LIMIT_DEFAULT: u32 = 50;

/// The most members of a page.
pub const LIMIT_MAX: u32 = 200;

/// The longest cursor, in characters.
pub const CURSOR_CHARS_MAX: usize = 4096;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, ToSchema)]
pub struct Page<T> {
    /// The members; fewer than the limit does not mean that this is the last page.
    pub items: Vec<T>,
    /// The cursor of the next page; null on the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Changes each member, for example from the domain's type into the answer's.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(change).collect(), next: self.next }
    }
}

pub(crate) fn parse_limit(text: &str) -> Result<u32, Problem> {
    match text.parse::<u32>() {
        Ok(limit @ 1..=LIMIT_MAX) => Ok(limit),
        _ => {
            let found: String = text.chars().take(32).collect();
            let detail = format!("`limit` is `{found}`, expected a whole number from 1 to {LIMIT_MAX}");
            Err(Problem::new(Kind::Malformed, "invalid_limit", detail))
        }
    }
}

/// The key that seals cursors.
///
/// A cursor is AES-256-GCM-SIV (RFC 8452) over the position, with route, filters, order and principal as
/// associated data: it cannot be made up, changed, or carried to another query or person, and it does not
/// show the key of the last scanned row, which the caller may not be allowed to see. Cursors are not
/// secrets worth a random nonce each: with a fixed one, equal positions give equal cursors and nothing
/// else shows (RFC 8452 section 9).
pub struct CursorKey(LessSafeKey);

impl CursorKey {
    /// Takes 32 secret bytes, used for nothing else, the same on every node.
    pub fn new(key: [u8; 32]) -> Self {
        // INVARIANT: the algorithm takes 32 bytes, so the constructor cannot fail.
        #[expect(clippy::expect_used, reason = "32 bytes are the length that the algorithm takes")]
        let key = UnboundKey::new(&AES_256_GCM_SIV, &key).expect("a key of 32 bytes");
        Self(LessSafeKey::new(key))
    }

    /// Seals a position (the sort key of the last scanned row) for one query. The parts are whatever the
    /// position depends on: route, tenant, principal, filters, order. A position has at most 3,000 bytes.
    pub fn encode(&self, query_digest_parts: &[&str], position: &[&str]) -> String {
        let mut sealed = join(position);
        let aad = Aad::from(join(query_digest_parts));
        match self.0.seal_in_place_append_tag(fixed_nonce(), aad, &mut sealed) {
            Ok(()) => URL_SAFE_NO_PAD.encode(sealed),
            Err(_) => {
                tracing::error!("a cursor could not be sealed");
                String::new()
            }
        }
    }

    /// Opens a cursor that this key sealed for the same query. Fails with 400 `invalid_cursor`.
    pub fn decode(&self, query_digest_parts: &[&str], cursor: &str) -> Result<Vec<String>, Problem> {
        let open = || {
            let fits = cursor.len() <= CURSOR_CHARS_MAX;
            let mut sealed = fits.then(|| URL_SAFE_NO_PAD.decode(cursor).ok()).flatten()?;
            let aad = Aad::from(join(query_digest_parts));
            let position = self.0.open_in_place(fixed_nonce(), aad, &mut sealed).ok()?;
            split(position)
        };
        open().ok_or_else(|| {
            Problem::new(
                Kind::Malformed,
                "invalid_cursor",
                "this cursor was not made for this list with these filters; start without `cursor`",
            )
        })
    }
}

impl fmt::Debug for CursorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CursorKey([secret])")
    }
}

fn fixed_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Joins texts so that no two lists give the same bytes: each after its length in four bytes.
pub(crate) fn join(parts: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        bytes.extend(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

fn split(mut bytes: &[u8]) -> Option<Vec<String>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
        parts.push(String::from_utf8(part.to_vec()).ok()?);
        bytes = rest;
    }
    Some(parts)
}
