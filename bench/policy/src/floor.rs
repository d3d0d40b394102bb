//! The least that any engine must do to know whom and what it is asked about.

use hashbrown::HashMap;

use crate::ours::Asked;
use crate::workload::{Question, Workload};

/// Three hash look-ups and compares, and the tenant's.
pub struct Floor {
    principals: HashMap<String, HashMap<String, u32>>,
    actions: HashMap<String, u32>,
    resources: HashMap<String, u32>,
}

impl Floor {
    /// Every name that is asked about, with a number.
    pub fn new(workload: &Workload) -> Self {
        let mut floor =
            Self { principals: HashMap::new(), actions: HashMap::new(), resources: HashMap::new() };
        for tenant in &workload.tenants {
            let here = tenant.principals.iter().enumerate().map(|(at, one)| (one.id.clone(), at as u32));
            floor.principals.insert(tenant.id.clone(), here.collect());
        }
        for (at, question) in workload.questions.iter().enumerate() {
            floor.actions.insert(question.action.clone(), at as u32);
            floor.resources.insert(question.resource.clone(), at as u32);
        }
        floor
    }

    /// Looks the three names up.
    pub fn ask(&self, asked: &Asked, question: &Question) -> bool {
        let principal = self.principals[&asked.tenant].get(&asked.principal).copied().unwrap_or(0);
        let action = self.actions.get(&question.action).copied().unwrap_or(0);
        let resource = self.resources.get(&question.resource).copied().unwrap_or(0);
        principal ^ action < resource
    }
}
