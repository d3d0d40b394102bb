//! Secrets that a file refers to: checked, counted and hashed before the transaction begins.

use std::collections::{BTreeMap, HashMap};

use authz::{Cx, TenantRef};
use base::{Problem, Secret};
use directory::PasswordHash;
use oidc::SecretHash;

use super::{ApplyRequest, Service, refused};
use crate::client::references;
use crate::error::{Error, Result};
use crate::file::model::{Manifest, SecretRef};
use crate::file::{FileError, SECTIONS};
use crate::plan::{Change, Plan, Step};

/// The most passwords and client secrets that one request may set: each takes a fifth of a second of CPU.
pub const SECRETS_MAX: usize = 100;

/// Hashes by the object's place in its section.
#[derive(Default)]
pub(super) struct Hashes {
    pub(super) passwords: HashMap<usize, PasswordHash>,
    pub(super) client_secrets: HashMap<usize, SecretHash>,
}

/// Refuses references that the caller did not resolve: the server reads no variable and no file.
pub(super) fn check_given(manifest: &Manifest, given: &BTreeMap<String, Secret<String>>) -> Result<()> {
    let missing: Vec<FileError> = references(manifest)
        .filter(|reference| given.get(&reference.key).is_none_or(|secret| secret.expose().is_empty()))
        .take(SECTIONS.len() * 10)
        .map(|reference| FileError {
            file: manifest.file.clone(),
            at: reference.at,
            code: "unresolved_secret",
            message: format!(
                "found the secret `{}` unresolved: `signet apply` resolves it on the caller's machine and sends it as `secrets`",
                reference.key
            ),
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Error::File(missing)) }
}

impl Service {
    /// Hashes what the plan sets, after the rules for passwords were held against it. A dry run checks
    /// passwords but hashes none.
    pub(super) async fn hash_secrets(
        &self,
        cx: &Cx,
        rules: &TenantRef,
        manifest: &Manifest,
        plan: &Plan,
        request: &ApplyRequest,
    ) -> Result<Hashes> {
        let users = manifest.users.as_deref().unwrap_or_default();
        let clients = manifest.clients.as_deref().unwrap_or_default();
        let mut steps: Vec<(&Change, &Step)> = Vec::new();
        for change in &plan.changes {
            steps.extend(change.steps.iter().map(|step| (change, step)));
        }
        let sets_secret = |step: &Step| match step {
            Step::CreateUser(index) => users.get(*index).is_some_and(|user| user.password.is_some()),
            Step::CreateClient(index) => clients.get(*index).is_some_and(|client| client.secret.is_some()),
            Step::SetPassword { .. } | Step::SetClientSecret { .. } => true,
            _ => false,
        };
        let count = steps.iter().filter(|(_, step)| sets_secret(step)).count();
        if count > SECRETS_MAX {
            return Err(Error::TooManySecrets(count));
        }
        let mut hashes = Hashes::default();
        for (change, step) in steps {
            match step {
                Step::CreateUser(index) | Step::SetPassword { index, .. } => {
                    let Some(user) = users.get(*index) else { continue };
                    let Some(secret) = user.password.as_ref().and_then(|reference| given(request, reference))
                    else {
                        continue;
                    };
                    authn::check_new_password(rules, &user.username.value, secret)
                        .map_err(|problem: Problem| refused(manifest, change, Error::refused(problem)))?;
                    let hash = if request.dry_run {
                        self.authn.unusable_hash()?
                    } else {
                        self.authn.hash_password(secret.clone()).await?
                    };
                    hashes.passwords.insert(*index, hash);
                }
                Step::CreateClient(index) | Step::SetClientSecret { index, .. } => {
                    let reference = clients.get(*index).and_then(|client| client.secret.as_ref());
                    let Some(secret) = reference.and_then(|reference| given(request, reference)) else {
                        continue;
                    };
                    let hash = self.oidc.secrets().hash(cx, secret.clone()).await;
                    let hash = hash.map_err(|error| refused(manifest, change, error.into()))?;
                    hashes.client_secrets.insert(*index, hash);
                }
                _ => {}
            }
        }
        Ok(hashes)
    }
}

fn given<'a>(request: &'a ApplyRequest, reference: &SecretRef) -> Option<&'a Secret<String>> {
    request.secrets.get(&reference.key)
}
