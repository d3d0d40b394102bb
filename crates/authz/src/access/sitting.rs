//! What the questions of one call are decided by: one version of the tenant's policies, and each subject as it was
//! when it was first asked about.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use ::store::Scope;
use base::Timestamp;
use base::id::PrincipalId;
use base::text::name_key;
use policy::{Decision, Explanation};

use super::{Question, RECORDED_CHARS_MAX, Subject, store};
use crate::principals::PrincipalKind;
use crate::snapshot::{Asked, LazyRx, Principal, ResourceTags, TenantPolicies};
use crate::{Circumstances, Cx, Permit, Result, TenantRef, cx::Verdict};

/// How long it is believed, while the database answers, who has a name, in seconds.
const NAMED_SECONDS: i64 = 30;

/// One call's view. Loading is boxed: who is asked about is mostly in memory.
pub(super) struct Sitting<'a> {
    cx: &'a Cx,
    pub(super) tenant: &'a TenantRef,
    policies: Arc<TenantPolicies>,
    /// Since when the database does not answer.
    pub(super) stale_since: Option<Timestamp>,
    known: HashMap<PrincipalId, Option<Arc<Principal>>>,
    named: HashMap<(PrincipalKind, &'a str), Option<PrincipalId>>,
}

impl<'a> Sitting<'a> {
    pub(super) async fn begin(cx: &'a Cx, tenant: &'a TenantRef) -> Result<Self> {
        let stale_since = cx.core().stale_since()?;
        let mut lazy = LazyRx::new(cx.core().store(), Scope::Tenant(tenant.id.as_str()));
        let policies = cx.core().snapshots().tenant(&mut lazy, &tenant.id).await?;
        Ok(Self { cx, tenant, policies, stale_since, known: HashMap::new(), named: HashMap::new() })
    }

    /// What is known of a principal of the tenant, active or not.
    pub(super) async fn principal(&mut self, id: &PrincipalId) -> Result<Option<Arc<Principal>>> {
        if let Some(known) = self.known.get(id) {
            return Ok(known.clone());
        }
        let core = self.cx.core();
        let mut lazy = LazyRx::new(core.store(), Scope::Tenant(self.tenant.id.as_str()));
        let known = core.snapshots().principal(&mut lazy, &self.policies, &self.tenant.id, id).await?;
        self.known.insert(id.clone(), known.clone());
        Ok(known)
    }

    /// The principal that a subject names.
    pub(super) async fn find(
        &mut self,
        permit: &Permit,
        subject: &'a Subject,
    ) -> Result<Option<PrincipalId>> {
        let Some(kind) = PrincipalKind::parse(&subject.kind) else { return Ok(None) };
        let key = (kind, subject.id.as_str());
        if let Some(found) = self.named.get(&key) {
            return Ok(found.clone());
        }
        let found = self.look_up(permit, kind, &subject.id).await?;
        self.named.insert(key, found.clone());
        Ok(found)
    }

    async fn look_up(
        &mut self,
        permit: &Permit,
        kind: PrincipalKind,
        text: &str,
    ) -> Result<Option<PrincipalId>> {
        // Longer than any name or id of ours.
        if text.chars().nth(RECORDED_CHARS_MAX).is_some() {
            return Ok(None);
        }
        let key = match kind {
            PrincipalKind::User => Cow::Owned(name_key(text)),
            PrincipalKind::Client => Cow::Borrowed(text),
        };
        if let Some(id) = self.find_lately(kind, &key).await? {
            return Ok(Some(id));
        }
        if let Ok(id) = PrincipalId::parse(text)
            && self.principal(&id).await?.is_some_and(|known| known.kind == kind)
        {
            return Ok(Some(id));
        }
        Box::pin(self.find_by_name(permit, kind, &key)).await
    }

    /// The principal that had this name when it was last looked up, if it has it still and is active. While the
    /// database answers, that is not long ago: an id goes before a name, and one that is the same text may be new.
    async fn find_lately(&mut self, kind: PrincipalKind, key: &str) -> Result<Option<PrincipalId>> {
        let Some((id, at)) = self.cx.core().snapshots().names().get(&self.tenant.id, kind, key) else {
            return Ok(None);
        };
        if self.stale_since.is_none() && self.cx.now() >= at.plus_seconds(NAMED_SECONDS) {
            return Ok(None);
        }
        let known = self.principal(&id).await?;
        let is_named = |known: &Principal| known.active && known.kind == kind && *known.profile.key == *key;
        Ok(known.is_some_and(|known| is_named(&known)).then_some(id))
    }

    /// The principal of a user name or `client_id`.
    async fn find_by_name(
        &self,
        permit: &Permit,
        kind: PrincipalKind,
        key: &str,
    ) -> Result<Option<PrincipalId>> {
        let (tenant, now) = (&self.tenant.id, self.cx.now());
        let mut rx = self.cx.read(permit).await?;
        let found = match kind {
            PrincipalKind::User => store::find_user(&mut rx, tenant, key).await?,
            PrincipalKind::Client => store::find_client(&mut rx, tenant, key).await?,
        };
        drop(rx);
        if let Some(id) = &found {
            self.cx.core().snapshots().names().note(tenant, kind, key, id, now);
        }
        Ok(found)
    }

    /// Judges a question about a principal; none if it is not there or not active.
    pub(super) async fn judge(
        &mut self,
        id: &PrincipalId,
        question: &Question,
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Verdict>> {
        self.cx.core().note_stale()?;
        let Some(known) = self.active(id).await? else { return Ok(None) };
        let tags = self.tags(&question.resource).await?;
        let asked = self.asked(question, circumstances, tags.as_deref());
        self.cx.core().snapshots().judge(&known, &self.policies, &asked).map(Some)
    }

    /// Decides as [`Sitting::judge`] does, with the reasons.
    pub(super) async fn decide(
        &mut self,
        id: &PrincipalId,
        question: &Question,
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Decision>> {
        self.cx.core().note_stale()?;
        let Some(known) = self.active(id).await? else { return Ok(None) };
        let tags = self.tags(&question.resource).await?;
        let asked = self.asked(question, circumstances, tags.as_deref());
        self.cx.core().snapshots().decide(&known, &self.policies, &asked).map(Some)
    }

    /// Decides as [`Sitting::decide`] does, with what nearly applied.
    pub(super) async fn explain(
        &mut self,
        id: &PrincipalId,
        question: &Question,
        circumstances: &Circumstances<'_>,
    ) -> Result<Option<Explanation>> {
        self.cx.core().note_stale()?;
        let Some(known) = self.active(id).await? else { return Ok(None) };
        let tags = self.tags(&question.resource).await?;
        let asked = self.asked(question, circumstances, tags.as_deref());
        self.cx.core().snapshots().explain(&known, &self.policies, &asked).map(Some)
    }

    async fn active(&mut self, id: &PrincipalId) -> Result<Option<Arc<Principal>>> {
        Ok(self.principal(id).await?.filter(|known| known.active))
    }

    async fn tags(&self, resource: &str) -> Result<Option<Arc<ResourceTags>>> {
        let core = self.cx.core();
        let mut lazy = LazyRx::new(core.store(), Scope::Tenant(self.tenant.id.as_str()));
        core.snapshots().tags(&mut lazy, &self.policies, &self.tenant.id, resource).await
    }

    fn asked<'q>(
        &self,
        question: &'q Question,
        circumstances: &'q Circumstances<'q>,
        tags: Option<&'q ResourceTags>,
    ) -> Asked<'q> {
        let (action, resource) = (question.action.as_str(), question.resource.as_str());
        Asked { action, resource, circumstances, now: self.cx.now(), tags }
    }
}
