//! The caller's half: finding the secrets that a file refers to, on the caller's own machine.
//!
//! The command line does this before it posts the file; the server never reads an environment variable
//! or a file that a file names.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use base::Secret;

use crate::file::model::SecretRef;
use crate::file::place::Mistakes;
use crate::file::{self, FileError, Manifest};

/// The longest secret, in bytes.
pub const SECRET_BYTES_MAX: usize = 1024;

/// Every reference to a secret, in the order of the file.
pub fn references(manifest: &Manifest) -> impl Iterator<Item = &SecretRef> {
    let users = manifest.users.iter().flatten().filter_map(|user| user.password.as_ref());
    let clients = manifest.clients.iter().flatten().filter_map(|client| client.secret.as_ref());
    users.chain(clients)
}

/// Reads the file `text` and finds each secret that it refers to, by its key (`env:NAME` or
/// `file:PATH`). A relative path is as `read_file` takes it. One final line break of a file is left out.
///
/// Fails with the file's own mistakes, or with one `unresolved_secret` for each reference that leads
/// nowhere, names where it stands and what was tried, and never holds a secret.
pub fn resolve_secrets(
    file: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<BTreeMap<String, Secret<String>>, Vec<FileError>> {
    let manifest = file::parse(file, text)?;
    let mut mistakes = Mistakes::new(file);
    let mut secrets = BTreeMap::new();
    for reference in references(&manifest) {
        if secrets.contains_key(&reference.key) {
            continue;
        }
        match find(&reference.key, env, read_file) {
            Ok(secret) => {
                secrets.insert(reference.key.clone(), secret);
            }
            Err(why) => mistakes.add(reference.at, "unresolved_secret", why),
        }
    }
    mistakes.finish(secrets)
}

fn find(
    key: &str,
    env: &dyn Fn(&str) -> Option<String>,
    read_file: &dyn Fn(&Path) -> io::Result<Vec<u8>>,
) -> Result<Secret<String>, String> {
    let (found, from) = if let Some(name) = key.strip_prefix("env:") {
        let from = format!("the environment variable `{name}`");
        let found = env(name).ok_or_else(|| format!("{from} is not set; set it and apply again"))?;
        (found, from)
    } else {
        let path = key.strip_prefix("file:").unwrap_or(key);
        let from = format!("the file `{path}`");
        let bytes = read_file(Path::new(path)).map_err(|error| format!("{from} cannot be read: {error}"))?;
        let mut found = String::from_utf8(bytes).map_err(|_| format!("{from} is not UTF-8 text"))?;
        if found.ends_with('\n') {
            found.pop();
            if found.ends_with('\r') {
                found.pop();
            }
        }
        (found, from)
    };
    let found = Secret::new(found);
    match found.expose().len() {
        0 => Err(format!("{from} is empty, expected a secret")),
        length if length > SECRET_BYTES_MAX => {
            Err(format!("{from} holds {length} bytes, expected a secret of at most {SECRET_BYTES_MAX}"))
        }
        _ => Ok(found),
    }
}
