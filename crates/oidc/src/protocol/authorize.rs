//! The authorization request (RFC 6749 section 4.1.1, OpenID Connect Core section 3.1.2.1), in two steps:
//! first to whom an error may be told, then all else.

use web::Pairs;

use super::{Challenge, ErrorCode, OAuthError, Scopes};

/// The longest `state`, in bytes.
const STATE_BYTES_MAX: usize = 2048;
/// The longest of the other texts, in bytes.
const TEXT_BYTES_MAX: usize = 512;
/// The longest `max_age`, in seconds: ten years.
const MAX_AGE_SECONDS_MAX: i64 = 315_360_000;

/// A parameter of our own: proof of when a new sign-in was asked for, see [`crate::authorize`].
pub const REAUTH: &str = "signet_reauth";

/// A request of which only the client and the address are known. What is wrong up to here is shown to
/// the person and never redirected (RFC 6749 section 4.1.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    /// The public `client_id`.
    pub client_id: String,
    /// The address as presented, still to be matched.
    pub redirect_uri: String,
}

impl Addressed {
    /// Reads the two. Fails with `invalid_request`.
    pub fn parse(pairs: &Pairs) -> Result<Self, OAuthError> {
        let one = |name: &str| {
            let mut values = pairs.all(name);
            match (values.next(), values.next()) {
                (Some(value), None) if value.len() <= super::redirect::URI_BYTES_MAX => Ok(value.to_owned()),
                (None, _) => Err(OAuthError::invalid_request(format!("`{name}` is missing"))),
                _ => Err(OAuthError::invalid_request(format!(
                    "`{name}` is given more than once or is too long"
                ))),
            }
        };
        Ok(Self { client_id: one("client_id")?, redirect_uri: one("redirect_uri")? })
    }
}

/// What the client wants to happen with the person (OpenID Connect Core section 3.1.2.1, `prompt`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Show no page at all.
    pub none: bool,
    /// Ask for credentials again.
    pub login: bool,
    /// Ask for consent again.
    pub consent: bool,
}

/// A request that is known to be well formed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizeRequest {
    /// What is asked for.
    pub scopes: Scopes,
    /// Echoed to the client.
    pub state: Option<String>,
    /// Copied into the ID token.
    pub nonce: Option<String>,
    /// Proof key.
    pub challenge: Challenge,
    /// Pages wanted.
    pub prompt: Prompt,
    /// How old the sign-in may be, in seconds.
    pub max_age: Option<i64>,
    /// The authentication context classes that the client prefers, in its order; none where it has no
    /// preference.
    pub acr_values: Vec<String>,
    /// Who the client thinks it is.
    pub login_hint: Option<String>,
    /// Languages by preference.
    pub ui_locales: Option<String>,
    /// An ID token of the person expected.
    pub id_token_hint: Option<String>,
    /// Our own proof of when a new sign-in was asked for.
    pub reauth: Option<String>,
}

impl AuthorizeRequest {
    /// Reads the rest of the request. Fails with what the client is told by redirect.
    pub fn parse(pairs: &Pairs) -> Result<Self, OAuthError> {
        let pairs = pairs
            .clone()
            .unique(&[])
            .map_err(|repeated| OAuthError::invalid_request(repeated.to_string()))?;
        refuse_unsupported(&pairs)?;
        let text = |name: &str, max: usize| match pairs.get(name) {
            Some(value) if value.len() > max => {
                Err(OAuthError::invalid_request(format!("`{name}` has more than {max} bytes")))
            }
            value => Ok(value.map(str::to_owned)),
        };
        let scopes = match pairs.get("scope") {
            Some(scope) => Scopes::parse(scope)?,
            None => return Err(OAuthError::new(ErrorCode::InvalidScope, "`scope` is missing")),
        };
        Ok(Self {
            scopes,
            state: text("state", STATE_BYTES_MAX)?,
            nonce: text("nonce", TEXT_BYTES_MAX)?,
            challenge: Challenge::parse(pairs.get("code_challenge"), pairs.get("code_challenge_method"))?,
            prompt: parse_prompt(pairs.get("prompt"))?,
            max_age: parse_max_age(pairs.get("max_age"))?,
            acr_values: text("acr_values", TEXT_BYTES_MAX)?
                .unwrap_or_default()
                .split_ascii_whitespace()
                .map(str::to_owned)
                .collect(),
            login_hint: text("login_hint", TEXT_BYTES_MAX)?,
            ui_locales: text("ui_locales", TEXT_BYTES_MAX)?,
            id_token_hint: text("id_token_hint", jose::TOKEN_BYTES_MAX)?,
            reauth: text(REAUTH, TEXT_BYTES_MAX)?,
        })
    }

    /// The `state` to send with an error: the one given, if it is given once and not too long.
    pub fn state_of(pairs: &Pairs) -> Option<String> {
        let mut values = pairs.all("state");
        match (values.next(), values.next()) {
            (Some(state), None) if state.len() <= STATE_BYTES_MAX => Some(state.to_owned()),
            _ => None,
        }
    }
}

fn refuse_unsupported(pairs: &Pairs) -> Result<(), OAuthError> {
    for (name, code) in [
        ("request", ErrorCode::RequestNotSupported),
        ("request_uri", ErrorCode::RequestUriNotSupported),
        ("registration", ErrorCode::RegistrationNotSupported),
    ] {
        if pairs.get(name).is_some() {
            return Err(OAuthError::new(code, format!("`{name}` is not supported")));
        }
    }
    match pairs.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err(OAuthError::new(
                ErrorCode::UnsupportedResponseType,
                "`response_type` must be `code`",
            ));
        }
        None => return Err(OAuthError::invalid_request("`response_type` is missing")),
    }
    match pairs.get("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(OAuthError::invalid_request("`response_mode` must be `query`")),
    }
}

fn parse_prompt(text: Option<&str>) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    let mut words = 0;
    for word in text.unwrap_or_default().split(' ').filter(|word| !word.is_empty()) {
        words += 1;
        match word {
            "none" => prompt.none = true,
            // Choosing another account means signing in with another: there is one account a session.
            "login" | "select_account" => prompt.login = true,
            "consent" => prompt.consent = true,
            _ => {
                return Err(OAuthError::invalid_request(
                    "`prompt` is some of none, login, consent, select_account",
                ));
            }
        }
    }
    // OpenID Connect Core section 3.1.2.1: "If this parameter contains none with any other value, an
    // error is returned."
    if prompt.none && words > 1 {
        return Err(OAuthError::invalid_request("`prompt=none` stands alone"));
    }
    Ok(prompt)
}

fn parse_max_age(text: Option<&str>) -> Result<Option<i64>, OAuthError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse::<i64>() {
        Ok(seconds)
            if (0..=MAX_AGE_SECONDS_MAX).contains(&seconds) && text.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Ok(Some(seconds))
        }
        _ => Err(OAuthError::invalid_request("`max_age` is whole seconds from 0")),
    }
}
