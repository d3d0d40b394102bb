//! Doing what a plan says of guardrails, boundaries and policies of resources.

use authz::{Tx, boundaries, guardrails, resources};

use super::run::{Run, lost};
use crate::error::Result;
use crate::plan::Step;

impl Run<'_> {
    pub(super) async fn layer_step(&self, tx: &mut Tx, step: &Step) -> Result<()> {
        let permit = self.permits.of(&self.cx, step)?;
        match step {
            Step::AttachGuardrail { policy, .. } => {
                let id = self.policy(policy)?;
                guardrails::attach_guardrail_in(&self.cx, tx, permit, &id).await?;
            }
            Step::DetachGuardrail(id) => guardrails::detach_guardrail_in(&self.cx, tx, permit, id).await?,
            Step::SetBoundary { member, policy, .. } => {
                let principal = self.member(member)?;
                match policy {
                    Some(policy) => {
                        let policy = self.policy(policy)?;
                        boundaries::set_boundary_in(&self.cx, tx, permit, &principal, &policy).await?;
                    }
                    None => boundaries::remove_boundary_in(&self.cx, tx, permit, &principal).await?,
                }
            }
            Step::SetResourcePolicy { resource, version, document, .. } => {
                let id = self.resource(resource)?;
                match document {
                    Some(document) => {
                        resources::set_policy_in(&self.cx, tx, permit, &id, document, *version).await?;
                    }
                    None => resources::remove_policy_in(&self.cx, tx, permit, &id).await?,
                }
            }
            _ => return Err(lost("layer", "of a step")),
        }
        Ok(())
    }
}
