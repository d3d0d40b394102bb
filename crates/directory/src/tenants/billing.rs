//! What a tenant pays for: a part of the tenant that the platform writes and the tenant's own administrators
//! read. Nothing else in the program depends on it.

pub(crate) mod http;

use authz::{Action, Cx, Event, Permit, Target, Tx};
use base::Timestamp;
use base::id::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use web::IfMatch;

use super::{Tenant, find, find_any, load_again, load_changeable, store};
use crate::fields::{Fields, merge};
use crate::{Error, Result};

/// The longest single text, in characters.
const TEXT_CHARS_MAX: usize = 255;
/// The longest postal address, in characters.
const ADDRESS_CHARS_MAX: usize = 1000;

/// What a tenant pays for and who pays. What is absent has its default, or is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Billing {
    /// The name of the plan, 1 to 64 of letters, digits and `._-`.
    #[schema(min_length = 1, max_length = 64)]
    pub plan: String,
    /// How often an invoice is sent.
    pub billing_cycle: BillingCycle,
    /// The currency, by ISO 4217: three capital letters.
    #[schema(min_length = 3, max_length = 3)]
    pub currency: String,
    /// Who receives invoices.
    #[schema(max_length = 255)]
    pub contact_name: Option<String>,
    /// Where invoices are sent.
    #[schema(max_length = 320)]
    pub contact_email: Option<String>,
    /// The address on invoices, on one line.
    #[schema(max_length = 1000)]
    pub address: Option<String>,
    /// The number under which the payer is taxed.
    #[schema(max_length = 255)]
    pub tax_number: Option<String>,
    /// What the payer wants to read on invoices.
    #[schema(max_length = 255)]
    pub reference: Option<String>,
    /// When the subscription began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub subscription_start_date: Option<Timestamp>,
    /// When the subscription ends; nothing happens by itself then.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub subscription_end_date: Option<Timestamp>,
}

impl Default for Billing {
    fn default() -> Self {
        Self {
            plan: "free".to_owned(),
            billing_cycle: BillingCycle::Monthly,
            currency: "USD".to_owned(),
            contact_name: None,
            contact_email: None,
            address: None,
            tax_number: None,
            reference: None,
            subscription_start_date: None,
            subscription_end_date: None,
        }
    }
}

/// How often an invoice is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BillingCycle {
    /// Each month.
    #[default]
    Monthly,
    /// Each quarter.
    Quarterly,
    /// Each year.
    Yearly,
}

impl Billing {
    /// What the billing information is after a merge patch (RFC 7396): null takes a field's value away, or
    /// gives its default back.
    ///
    /// Fails with [`Error::Refused`] (422 `invalid_body`) on an unknown field or another type, and with
    /// [`Error::Invalid`] on a wrong value; both with pointers.
    pub fn patched(&self, patch: Value) -> Result<Self> {
        if !patch.is_object() {
            return Err(Error::invalid("", "invalid_object", "expected an object"));
        }
        let mut value = serde_json::to_value(self).unwrap_or_default();
        merge(&mut value, patch);
        let billing: Self = web::body::parse_json(value.to_string().as_bytes())?;
        billing.check()?;
        Ok(billing)
    }

    /// Reads what is stored: the object, and the dates in columns of their own.
    pub(super) fn read(
        stored: &Value,
        subscription_start_date: Option<Timestamp>,
        subscription_end_date: Option<Timestamp>,
    ) -> Result<Self> {
        let billing = Self::deserialize(stored)
            .map_err(|e| Error::Refused(base::bug!("stored billing information does not fit: {e}")))?;
        Ok(Self { subscription_start_date, subscription_end_date, ..billing })
    }

    /// The object that is stored: all but the dates, and of those that are optional what is known.
    pub(super) fn stored(&self) -> Value {
        let mut value = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = value.as_object_mut() {
            members.retain(|name, value| !value.is_null() && !name.starts_with("subscription_"));
        }
        value
    }

    fn check(&self) -> Result<()> {
        let mut fields = Fields::default();
        let plan = &self.plan;
        let fits = (1..=64).contains(&plan.len())
            && plan.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !fits {
            fields.wrong("/plan", "invalid_plan", "expected 1 to 64 of letters, digits and `._-`");
        }
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            fields.wrong("/currency", "invalid_currency", "expected three capital letters, like USD");
        }
        fields.line("/contact_name", self.contact_name.as_deref(), TEXT_CHARS_MAX);
        fields.email("/contact_email", self.contact_email.as_deref());
        fields.line("/address", self.address.as_deref(), ADDRESS_CHARS_MAX);
        fields.line("/tax_number", self.tax_number.as_deref(), TEXT_CHARS_MAX);
        fields.line("/reference", self.reference.as_deref(), TEXT_CHARS_MAX);
        if let (Some(start), Some(end)) = (self.subscription_start_date, self.subscription_end_date)
            && end <= start
        {
            let detail = format!("expected an instant after `subscription_start_date`, which is {start}");
            fields.wrong("/subscription_end_date", "out_of_range", detail);
        }
        fields.finish()
    }
}

/// Billing information, and the version of its tenant.
pub type Versioned = (i64, Billing);

/// The billing information of any tenant, on the platform.
pub async fn load_billing(cx: &Cx, id: &TenantId) -> Result<Versioned> {
    let permit = cx.authorize(Action::PlatformTenantRead, &Target::member(id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = find_any(&mut rx, id).await?.ok_or(Error::NotFound("tenant"))?;
    Ok((tenant.version, store::billing(&mut rx, id).await?))
}

/// The billing information of the tenant of the operation itself.
pub async fn load_own_billing(cx: &Cx) -> Result<Versioned> {
    let id = cx.tenant()?.id.clone();
    let permit = cx.authorize(Action::TenantRead, &Target::member(&id)).await?;
    let mut rx = cx.read(&permit).await?;
    let tenant = find(&mut rx, &id).await?.ok_or(Error::NotFound("tenant"))?;
    Ok((tenant.version, store::billing(&mut rx, &id).await?))
}

/// Changes the billing information of a tenant by a merge patch, on the platform.
///
/// Fails like [`Billing::patched`], with [`Error::IllegalTenantStatusChange`] for a deleted tenant, and with
/// 412 where `if_match` does not hold.
pub async fn update_billing(cx: &Cx, id: &TenantId, if_match: &IfMatch, patch: Value) -> Result<Versioned> {
    let permit = cx.authorize(Action::PlatformTenantUpdate, &Target::member(id)).await?;

    let mut tx = cx.write(&permit).await?;
    let found = load_changeable(&mut tx, id, if_match).await?;
    let billing = store::billing(&mut tx, id).await?.patched(patch)?;
    let tenant = update_billing_in(cx, &mut tx, &permit, &found, &billing).await?;
    tx.commit().await?;
    Ok((tenant.version, billing))
}

/// Gives a tenant, as it was just read, other billing information.
///
/// Fails with [`Error::Invalid`] and [`Error::Stale`].
pub async fn update_billing_in(
    cx: &Cx,
    tx: &mut Tx,
    permit: &Permit,
    found: &Tenant,
    billing: &Billing,
) -> Result<Tenant> {
    billing.check()?;
    let before = serde_json::to_value(store::billing(tx, &found.id).await?).unwrap_or_default();
    if store::set_billing(tx, found, billing, cx.now()).await? == 0 {
        return Err(Error::Stale);
    }
    // Which fields, not what they hold: a name and an address need not stand in the log for ever.
    let after = serde_json::to_value(billing).unwrap_or_default();
    let changed = super::changed_parts(&after, &before);
    let fields: Vec<&String> = changed.as_object().into_iter().flat_map(|parts| parts.keys()).collect();
    let details = json!({ "fields": fields, "plan": billing.plan });
    tx.record(permit, Event::done("tenant.billing_updated", permit.name()).details(details));
    load_again(tx, &found.id).await
}
