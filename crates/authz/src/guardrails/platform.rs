//! Guardrails of the platform: documents that bind everybody in every tenant, or in one.
//!
//! They stand above a tenant's own guardrails: both must allow. Those who run the platform write them; the tenants
//! that they bind may read them. They bind nobody on the platform itself.

pub(crate) mod http;
mod store;

use ::store::Rx;
use base::Timestamp;
use base::id::{Id, Noun, TenantId};
use policy::{Document, Effect};
use serde_json::{Value, json};
use web::IfMatch;

use crate::roles::check_texts;
use crate::{Action, Change, Cx, Error, Event, Permit, Result, Target, Tx};

/// Guardrails of the platform at most.
pub const PLATFORM_GUARDRAILS_MAX: i64 = 100;

/// The marker of the platform's guardrails.
#[derive(Debug)]
pub enum GuardrailNoun {}

impl Noun for GuardrailNoun {
    const NAME: &'static str = "guardrail";
}

/// A guardrail of the platform.
pub type GuardrailId = Id<GuardrailNoun>;

/// What binds everybody in every tenant, or in one.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformGuardrail {
    /// Its id.
    pub id: GuardrailId,
    /// Its name, for people.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it says, in canonical form.
    pub document: Value,
    /// The tenant that it binds; none is every tenant. Immutable.
    pub only_tenant: Option<TenantId>,
    /// Counts its changes.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A guardrail to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPlatformGuardrail {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it says.
    pub document: Value,
    /// The tenant that it binds; none is every tenant.
    pub only_tenant: Option<TenantId>,
}

/// A change of a guardrail; what is none stays. In `description` the inner none removes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlatformGuardrailChange {
    /// Another name.
    pub name: Option<String>,
    /// Another description.
    pub description: Option<Option<String>>,
    /// Another document, as a whole.
    pub document: Option<Value>,
}

/// Makes a guardrail, on the platform. What it denies is denied in its tenants from the commit on.
///
/// Fails with [`Error::Document`], [`Error::Ceiling`] on a document that allows nothing, [`Error::Invalid`] and
/// [`Error::LimitReached`].
pub async fn create(cx: &Cx, new: NewPlatformGuardrail) -> Result<PlatformGuardrail> {
    let permit = cx.authorize(Action::PlatformGuardrailWrite, &Target::all("guardrail")).await?;
    check_texts(Some(&new.name), new.description.as_deref())?;
    let document = check_document(&new.document)?;

    let mut tx = cx.write(&permit).await?;
    if let Some(tenant) = &new.only_tenant
        && !store::tenant_exists(&mut tx, tenant).await?
    {
        let detail = format!("there is no tenant `{tenant}`");
        return Err(Error::invalid("/tenant_id", "unknown_tenant", detail));
    }
    if store::count(&mut tx).await? >= PLATFORM_GUARDRAILS_MAX {
        let detail = format!("the platform has at most {PLATFORM_GUARDRAILS_MAX} guardrails");
        return Err(Error::LimitReached(detail));
    }
    let now = cx.now();
    let made = PlatformGuardrail {
        id: cx.fresh_id(),
        name: new.name,
        description: new.description,
        document,
        only_tenant: new.only_tenant,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(&mut tx, &made).await?;
    finish(tx, &permit, "platform_guardrail.created", &made).await?;
    Ok(made)
}

/// Reads a guardrail, on the platform. Fails with [`Error::NotFound`].
pub async fn load(cx: &Cx, id: &GuardrailId) -> Result<PlatformGuardrail> {
    let permit = cx.authorize(Action::PlatformGuardrailRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    store::find(&mut rx, id).await?.ok_or(Error::NotFound("guardrail"))
}

/// All guardrails of the platform (at most [`PLATFORM_GUARDRAILS_MAX`]), by name.
pub async fn list(cx: &Cx) -> Result<Vec<PlatformGuardrail>> {
    let permit = cx.authorize(Action::PlatformGuardrailRead, &Target::all("guardrail")).await?;
    let mut rx = cx.read(&permit).await?;
    store::list(&mut rx).await
}

/// The guardrails of the platform that bind the caller's tenant, by name.
pub async fn list_here(cx: &Cx) -> Result<Vec<PlatformGuardrail>> {
    let permit = cx.authorize(Action::PolicyRead, &Target::all("policy")).await?;
    let mut rx = cx.read(&permit).await?;
    store::list_for(&mut rx, permit.own_tenant()?).await
}

/// Changes a guardrail that the caller read, on the platform.
///
/// Fails as [`create`] does, and with [`Error::NotFound`], [`Error::Precondition`] and [`Error::Stale`].
pub async fn update(
    cx: &Cx,
    id: &GuardrailId,
    if_match: &IfMatch,
    change: PlatformGuardrailChange,
) -> Result<PlatformGuardrail> {
    let permit = cx.authorize(Action::PlatformGuardrailWrite, &Target::member(id)).await?;
    check_texts(change.name.as_deref(), change.description.as_ref().and_then(Option::as_deref))?;
    let document = change.document.as_ref().map(check_document).transpose()?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, id).await?.ok_or(Error::NotFound("guardrail"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    let before = found.version;
    let changed = PlatformGuardrail {
        name: change.name.unwrap_or(found.name),
        description: change.description.unwrap_or(found.description),
        document: document.unwrap_or(found.document),
        version: before + 1,
        updated_at: cx.now(),
        ..found
    };
    if store::update(&mut tx, &changed, before).await? == 0 {
        return Err(Error::Stale);
    }
    finish(tx, &permit, "platform_guardrail.updated", &changed).await?;
    Ok(changed)
}

/// Removes a guardrail that the caller read, on the platform.
///
/// Fails with [`Error::NotFound`] and [`Error::Precondition`].
pub async fn delete(cx: &Cx, id: &GuardrailId, if_match: &IfMatch) -> Result<()> {
    let permit = cx.authorize(Action::PlatformGuardrailWrite, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = store::find(&mut tx, id).await?.ok_or(Error::NotFound("guardrail"))?;
    if_match.check(found.version).map_err(Error::Precondition)?;
    store::delete(&mut tx, id).await?;
    finish(tx, &permit, "platform_guardrail.deleted", &found).await
}

/// Reads a document as it would be stored: one that allows something.
fn check_document(document: &Value) -> Result<Value> {
    let parsed = Document::from_value(document).map_err(Error::Document)?;
    if !parsed.statements().iter().any(|statement| statement.effect() == Effect::Allow) {
        let detail = "the guardrail would allow nothing, so that everything in its tenants is denied: add a \
                      statement that allows what may be permitted at most, such as `Allow` of `*` on `*` beside the \
                      denies"
            .to_owned();
        return Err(Error::Ceiling { code: "ceiling_allows_nothing", detail });
    }
    Ok(parsed.to_value())
}

/// Records what was done, has the tenants that it binds look again, and commits. Every tenant's version moves where
/// every tenant is bound: this costs two rows a tenant, and each is read again when it is next asked about.
async fn finish(
    mut tx: Tx,
    permit: &Permit,
    action: &'static str,
    guardrail: &PlatformGuardrail,
) -> Result<()> {
    let bound = match &guardrail.only_tenant {
        Some(tenant) => vec![tenant.clone()],
        None => store::tenants(&mut tx).await?,
    };
    for tenant in &bound {
        tx.decisions_of_change(tenant, Change::All);
    }
    let details = json!({
        "name": guardrail.name, "tenant_id": guardrail.only_tenant, "version": guardrail.version,
        "document": guardrail.document,
    });
    let event = Event::done(action, Target::member(&guardrail.id).name(None)).details(details);
    tx.record(permit, event);
    tx.commit().await
}

/// The guardrails that bind a tenant, for verbs that already hold a permit.
pub async fn list_for(rx: &mut Rx, tenant: &TenantId) -> Result<Vec<PlatformGuardrail>> {
    store::list_for(rx, tenant).await
}
