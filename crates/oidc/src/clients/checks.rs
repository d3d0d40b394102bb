//! What a client may look like.

use authz::api;
use base::text;

use super::{ACCESS_TTL_SECONDS_MAX, Client, REFRESH_TTL_SECONDS_MAX};
use crate::error::{Error, Result};
use crate::protocol::{redirect, scope};

const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];
const GRANTS: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];
/// The most redirect addresses of one kind.
const REDIRECTS_MAX: usize = 50;
/// The most audiences.
const AUDIENCES_MAX: usize = 20;

/// Whether the methods ask for a secret.
pub(super) fn needs_secret(methods: &[String]) -> bool {
    methods.iter().any(|method| method != "none")
}

/// Checks a client as it would be stored. Fails with [`authz::Error::Invalid`] at the first wrong value.
pub(super) fn check(client: &Client) -> Result<()> {
    text::check_code(&client.client_id, 64)
        .map_err(|error| Error::invalid("/client_id", "invalid_client_id", error.to_string()))?;
    text::check_line(&client.name, 100)
        .map_err(|error| Error::invalid("/name", "invalid_name", error.to_string()))?;
    if client.description.as_ref().is_some_and(|text| text.chars().count() > 500 || text.contains('\0')) {
        return Err(Error::invalid("/description", "invalid_description", "has more than 500 characters"));
    }
    check_methods(client)?;
    check_grants(client)?;
    check_redirects("/redirect_uris", &client.redirect_uris)?;
    check_redirects("/post_logout_redirect_uris", &client.post_logout_redirect_uris)?;
    check_scopes(client)?;
    check_seconds("/access_token_ttl_seconds", client.access_token_ttl_seconds, ACCESS_TTL_SECONDS_MAX)?;
    check_seconds("/refresh_token_ttl_seconds", client.refresh_token_ttl_seconds, REFRESH_TTL_SECONDS_MAX)?;
    let audience_fits = |a: &String| (1..=200).contains(&a.len()) && a.bytes().all(|b| b.is_ascii_graphic());
    if client.audience.len() > AUDIENCES_MAX || !client.audience.iter().all(audience_fits) {
        return Err(Error::invalid(
            "/audience",
            "invalid_audience",
            "at most 20 names of 1 to 200 visible ASCII characters",
        ));
    }
    Ok(())
}

fn check_methods(client: &Client) -> Result<()> {
    let pointer = "/client_authentication_methods";
    if let Some(unknown) = client.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        let detail = format!("found `{unknown}`, expected some of {}", METHODS.join(", "));
        return Err(Error::invalid(pointer, "unknown_method", detail));
    }
    let public = client.methods.iter().any(|method| method == "none");
    if client.methods.is_empty() || (public && client.methods.len() > 1) {
        return Err(Error::invalid(
            pointer,
            "mixed_methods",
            "either `none` alone, or methods with a secret",
        ));
    }
    // INVARIANT: a confidential client has a secret, a public one has none.
    if needs_secret(&client.methods) != client.secret_hash.is_some() {
        return Err(Error::invalid(
            "/client_secret",
            "secret_mismatch",
            "a confidential client has a secret, a public one has none",
        ));
    }
    Ok(())
}

fn check_grants(client: &Client) -> Result<()> {
    let pointer = "/authorization_grant_types";
    if let Some(unknown) = client.grants.iter().find(|grant| !GRANTS.contains(&grant.as_str())) {
        let detail = format!("found `{unknown}`, expected some of {}", GRANTS.join(", "));
        return Err(Error::invalid(pointer, "unknown_grant_type", detail));
    }
    if client.grants.is_empty() {
        return Err(Error::invalid(pointer, "no_grant_type", "a client has at least one grant type"));
    }
    // RFC 6749 section 4.4: "The client credentials grant type MUST only be used by confidential clients."
    if client.may("client_credentials") && !client.is_confidential() {
        return Err(Error::invalid(
            pointer,
            "public_client_credentials",
            "a public client cannot use client_credentials",
        ));
    }
    if client.may("refresh_token") && !client.may("authorization_code") {
        return Err(Error::invalid(
            pointer,
            "refresh_without_code",
            "refresh_token needs authorization_code",
        ));
    }
    if client.evaluation.is_some() && !client.may("client_credentials") {
        return Err(Error::invalid(
            "/evaluation",
            "evaluation_without_client_credentials",
            "only a client with the grant type client_credentials asks for decisions of its own",
        ));
    }
    if client.may("authorization_code") && client.redirect_uris.is_empty() {
        return Err(Error::invalid(
            "/redirect_uris",
            "no_redirect_uri",
            "authorization_code needs a redirect address",
        ));
    }
    Ok(())
}

fn check_redirects(pointer: &str, uris: &[String]) -> Result<()> {
    if uris.len() > REDIRECTS_MAX {
        return Err(Error::invalid(pointer, "too_many", "at most 50 addresses"));
    }
    for (position, uri) in uris.iter().enumerate() {
        redirect::check_registered(uri).map_err(|error| {
            Error::invalid(&format!("{pointer}/{position}"), "invalid_redirect_uri", error.to_string())
        })?;
    }
    Ok(())
}

fn check_scopes(client: &Client) -> Result<()> {
    let pointer = "/scopes";
    if client.scopes.len() > scope::SCOPES_MAX || !client.scopes.iter().all(|name| scope::is_scope(name)) {
        return Err(Error::invalid(
            pointer,
            "invalid_scope",
            "at most 50 names of 1 to 64 visible ASCII characters",
        ));
    }
    let unknown = |name: &&String| name.starts_with(api::SCOPE_PREFIX) && api::scope_code(name).is_none();
    if let Some(name) = client.scopes.iter().find(unknown) {
        let expected = "expected `signet:` and the code of a permission that does something in a tenant";
        let detail = format!("found `{name}`, {expected}");
        return Err(Error::invalid(pointer, "invalid_scope", detail));
    }
    Ok(())
}

fn check_seconds(pointer: &str, seconds: i64, max: i64) -> Result<()> {
    if (60..=max).contains(&seconds) {
        return Ok(());
    }
    Err(Error::invalid(pointer, "out_of_range", format!("found {seconds}, expected 60 to {max} seconds")))
}
