//! The verb `apply`: parse, plan and do, in one transaction or not at all.
//!
//! First without a transaction: the file is read, what is there is loaded, the plan is made, every step
//! is authorised and every secret is hashed. Then in the transaction: what is there is loaded again, the
//! plan must still be the same, and its steps are done. A dry run does all that and rolls back, so that
//! it also shows what only the doing refuses.

mod authority;
mod layers;
mod run;
mod secrets;
mod store;

use std::collections::BTreeMap;
use std::sync::Arc;

use authz::roles::{BUILT_IN, Role};
use authz::{Action, Core, Cx, Event, Permit, Place, Target, TenantRef, Tx};
use base::{Kind, Problem, Secret};
use directory::{NewTenant, TenantConfig};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

use crate::error::{Error, Result, about};
use crate::file::model::Manifest;
use crate::file::{self, FileError};
use crate::plan::{Change, Operation, Plan, plan};
use crate::state::{Scope, State, has_links};

use authority::Permits;
pub use secrets::SECRETS_MAX;

/// The slice. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) core: Core,
    pub(crate) directory: directory::Service,
    pub(crate) authn: authn::Service,
    pub(crate) oidc: oidc::Service,
}

/// What to apply.
#[derive(Debug)]
pub struct ApplyRequest {
    /// The file's name, for messages.
    pub file_name: String,
    /// The file.
    pub text: String,
    /// The secrets that the file refers to, by `env:NAME` or `file:PATH`.
    pub secrets: BTreeMap<String, Secret<String>>,
    /// Whether to say what would change and change nothing.
    pub dry_run: bool,
    /// The policy version of the plan that the caller agreed to.
    pub expected_policy_version: Option<i64>,
}

/// What was applied, or would be.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ApplyAnswer {
    /// The code of the tenant.
    pub tenant: String,
    /// What changed, in the order in which it was done.
    pub changes: Vec<Change>,
    /// The same as lines for people; `nothing to change` where there is nothing.
    pub diff: String,
    /// Whether anything was changed. Never in a dry run.
    pub changed: bool,
    /// Whether it was a dry run.
    pub dry_run: bool,
    /// The tenant's policy version: after the change, or that of the plan in a dry run; 0 for a tenant
    /// that is yet to be made.
    pub policy_version: i64,
}

impl Service {
    /// Wires the slice.
    pub fn new(
        core: Core,
        directory: directory::Service,
        authn: authn::Service,
        oidc: oidc::Service,
    ) -> Self {
        Self { core, directory, authn, oidc }
    }

    /// Makes a tenant as a file says: in the caller's own tenant, or on the platform in any, which is
    /// made if it is not there.
    ///
    /// Fails with [`Error::File`] for what is wrong with the file, with [`Error::Refused`] for the first
    /// change that may not or cannot be done, and with [`Error::Moved`] if the tenant changed since the
    /// plan that the caller agreed to. Nothing is changed then.
    pub async fn apply(&self, cx: &Cx, request: ApplyRequest) -> Result<ApplyAnswer> {
        self.admit(cx).await?;
        check_file_name(&request.file_name)?;
        let manifest = file::parse(&request.file_name, &request.text).map_err(Error::File)?;
        secrets::check_given(&manifest, &request.secrets)?;
        match self.find_tenant(cx, &manifest).await? {
            Some(inside) => self.change_tenant(cx, &inside, &manifest, &request).await,
            None => self.make_tenant(cx, &manifest, &request).await,
        }
    }

    /// Refuses those who may apply nothing at all before anything costly is done.
    async fn admit(&self, cx: &Cx) -> Result<()> {
        match cx.place() {
            Place::Platform => {
                cx.authorize(Action::PlatformTenantProvision, &Target::all("tenant")).await?;
            }
            Place::Tenant(tenant) => {
                cx.authorize(Action::TenantRead, &Target::member(&tenant.id)).await?;
            }
        }
        Ok(())
    }

    /// A context inside the file's tenant; none if the tenant is yet to be made.
    async fn find_tenant(&self, cx: &Cx, manifest: &Manifest) -> Result<Option<Cx>> {
        let code = &manifest.tenant.code;
        if let Place::Tenant(tenant) = cx.place() {
            if tenant.code == code.value {
                return Ok(Some(cx.clone()));
            }
            return Err(Error::File(vec![FileError {
                file: manifest.file.clone(),
                at: code.at,
                code: "other_tenant",
                message: format!(
                    "found the tenant `{}`, expected `{}`: at a tenant's own address a file is about that tenant",
                    file::place::shown(&code.value),
                    tenant.code
                ),
            }]));
        }
        self.core.refresh_versions().await?;
        match self.directory.tenant_by_code(&code.value).await? {
            Some(tenant) => Ok(Some(cx.enter(tenant).await?)),
            None => Ok(None),
        }
    }

    async fn change_tenant(
        &self,
        cx: &Cx,
        inside: &Cx,
        manifest: &Manifest,
        request: &ApplyRequest,
    ) -> Result<ApplyAnswer> {
        let tenant = inside.tenant()?.clone();
        let scope = Scope::of(manifest);
        let mut permits = Permits::default();
        permits.for_reading(inside, manifest).await?;
        let anchor = inside.authorize(Action::TenantRead, &Target::member(&tenant.id)).await?;
        let mut rx = inside.read(&anchor).await?;
        let version = store::policy_version(&mut rx, &tenant.id).await?;
        let mut state = State::load(&mut rx, &tenant.id, &scope).await?;
        drop(rx);
        state.caller = inside.actor().principal().map(|(id, _)| id);
        check_version(request.expected_policy_version, version)?;

        let first = plan(manifest, &state).map_err(Error::File)?;
        for change in &first.changes {
            permits.for_change(inside, change).await.map_err(|error| refused(manifest, change, error))?;
        }
        if first.is_empty() {
            return Ok(answer(&tenant.code, first, false, request.dry_run, version));
        }
        let rules = rules_of(&tenant, manifest, &state);
        let hashes = self.hash_secrets(inside, &rules, manifest, &first, request).await?;

        let mut tx = inside.write(&anchor).await?;
        let mut now = State::load(&mut tx, &tenant.id, &scope).await?;
        now.caller = state.caller.clone();
        let planned = plan(manifest, &now).map_err(Error::File)?;
        let found = store::policy_version(&mut tx, &tenant.id).await?;
        if found != version || planned.to_diff() != first.to_diff() {
            return Err(Error::Moved { expected: version, found });
        }
        let mut run = run::Run::new(cx, inside.clone(), manifest, &now, permits, hashes);
        run.all(&mut tx, &planned).await?;
        record(&mut tx, &anchor, manifest, &planned);
        settle(&mut tx, manifest).await?;
        // INVARIANT: the version is looked at last, under the lock that the commit needs anyway: whoever
        // else changed what this plan rests on has moved it.
        let last = store::lock_policy_version(&mut tx, &tenant.id).await?;
        if last != version {
            return Err(Error::Moved { expected: version, found: last });
        }
        if request.dry_run {
            drop(tx);
            return Ok(answer(&tenant.code, planned, false, true, version));
        }
        tx.commit().await?;
        Ok(answer(&tenant.code, planned, true, false, self.core.version(&tenant.id)))
    }

    async fn make_tenant(&self, cx: &Cx, manifest: &Manifest, request: &ApplyRequest) -> Result<ApplyAnswer> {
        let permit = cx.authorize(Action::PlatformTenantCreate, &Target::all("tenant")).await?;
        check_version(request.expected_policy_version, 0)?;
        let code = &manifest.tenant.code.value;
        directory::tenants::check_code(code).map_err(|error| at_tenant(manifest, error.into()))?;
        let mut unmade = State::unmade(built_in_roles(cx));
        if has_links(manifest) {
            let mut rx = cx.read(&permit).await?;
            unmade.load_globals(&mut rx).await?;
        }
        let first = plan(manifest, &unmade).map_err(Error::File)?;
        let provisional = TenantRef {
            id: cx.fresh_id(),
            code: code.clone(),
            issuer: String::new(),
            name: code.clone(),
            active: true,
            config: TenantConfig::default().to_value(),
        };
        let rules = rules_of(&provisional, manifest, &unmade);
        let hashes = self.hash_secrets(cx, &rules, manifest, &first, request).await?;

        let mut tx = cx.write(&permit).await?;
        let name = manifest.tenant.name.as_ref().map_or_else(|| code.clone(), |name| name.value.clone());
        let new = NewTenant {
            config: manifest.tenant.config.as_ref().map_or_else(|| json!({}), |config| config.value.clone()),
            ..NewTenant::new(code.clone(), name)
        };
        let made = self.directory.create_tenant_in(cx, &mut tx, &permit, new).await;
        let tenant = Arc::new(made.map_err(|error| at_tenant(manifest, error.into()))?.to_ref());
        let inside = cx.enter(tenant.clone()).await?;
        let now = State::load(&mut tx, &tenant.id, &Scope::of(manifest)).await?;
        let mut planned = plan(manifest, &now).map_err(Error::File)?;
        let mut permits = Permits::default();
        for change in &planned.changes {
            permits.for_change(&inside, change).await.map_err(|error| refused(manifest, change, error))?;
        }
        let anchor = inside.authorize(Action::TenantRead, &Target::member(&tenant.id)).await?;
        let mut run = run::Run::new(cx, inside, manifest, &now, permits, hashes);
        run.all(&mut tx, &planned).await?;
        record(&mut tx, &anchor, manifest, &planned);
        settle(&mut tx, manifest).await?;
        let made = first.changes.into_iter().filter(|change| change.noun == "tenant");
        planned.changes.splice(0..0, made);
        if request.dry_run {
            drop(tx);
            return Ok(answer(&tenant.code, planned, false, true, 0));
        }
        tx.commit().await?;
        Ok(answer(&tenant.code, planned, true, false, self.core.version(&tenant.id)))
    }
}

fn answer(tenant: &str, plan: Plan, changed: bool, dry_run: bool, policy_version: i64) -> ApplyAnswer {
    let diff = plan.to_diff();
    ApplyAnswer { tenant: tenant.to_owned(), changes: plan.changes, diff, changed, dry_run, policy_version }
}

fn check_file_name(name: &str) -> Result<()> {
    base::text::check_line(name, 255).map_err(|error| {
        let problem = Problem::new(Kind::Invalid, "invalid_body", "the file's name is wrong");
        Error::refused(problem.field("/file_name", "invalid_file_name", error.to_string()))
    })
}

fn check_version(expected: Option<i64>, found: i64) -> Result<()> {
    match expected {
        Some(expected) if expected != found => Err(Error::Moved { expected, found }),
        _ => Ok(()),
    }
}

/// The tenant with the configuration that the file gives it: new passwords obey the new rules.
fn rules_of(tenant: &TenantRef, manifest: &Manifest, state: &State) -> TenantRef {
    let config = state.patched_config(manifest);
    TenantRef { config: config.to_value(), ..tenant.clone() }
}

/// The roles that a new tenant will have, as far as the first plan needs them.
fn built_in_roles(cx: &Cx) -> Vec<Role> {
    let now = cx.now();
    let role = |code: &str| Role {
        id: cx.fresh_id(),
        code: code.to_owned(),
        name: code.to_owned(),
        description: None,
        parent_id: None,
        permissions: Vec::new(),
        policies: Vec::new(),
        version: 1,
        created_at: now,
        updated_at: now,
    };
    BUILT_IN.iter().map(|code| role(code)).collect()
}

/// One event for the whole file, beside those of its changes.
fn record(tx: &mut Tx, permit: &Permit, manifest: &Manifest, plan: &Plan) {
    let count = |operation| plan.changes.iter().filter(|change| change.operation == operation).count();
    let details = json!({
        "file": manifest.file,
        "created": count(Operation::Create),
        "updated": count(Operation::Update),
        "deleted": count(Operation::Delete),
    });
    tx.record(permit, Event::done("tenant.applied", permit.name()).details(details));
}

/// Judges the file as a whole, as the commit would: it may take from one what it gives to another.
async fn settle(tx: &mut Tx, manifest: &Manifest) -> Result<()> {
    tx.settle().await.map_err(|error| Error::refused(about(error.into(), &manifest.file)))
}

/// A refusal with file, line and object.
pub(crate) fn refused(manifest: &Manifest, change: &Change, error: Error) -> Error {
    let place = if change.line == 0 {
        format!("{}: {} `{}`", manifest.file, change.noun, change.name)
    } else {
        format!(
            "{}:{}:{}: {} `{}`",
            manifest.file, change.at.line, change.at.column, change.noun, change.name
        )
    };
    Error::refused(about(error.into(), &place))
}

fn at_tenant(manifest: &Manifest, error: Error) -> Error {
    let code = &manifest.tenant.code;
    let place = format!(
        "{}:{}:{}: tenant `{}`",
        manifest.file,
        code.at.line,
        code.at.column,
        file::place::shown(&code.value)
    );
    Error::refused(about(error.into(), &place))
}
