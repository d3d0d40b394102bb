//! Clearing away codes, tokens and grants that are over.

mod store;

use authz::{BATCH_ROWS, Swept};

use crate::Service;
use crate::error::Result;

/// Seconds for which a code is kept after its end. Within them a second use still revokes what the first
/// one gave; later the code is unknown, which refuses it too.
const CODE_SECONDS: i64 = 86_400;
/// Seconds for which a token is kept after its end, so that an answer about it is the same on every node
/// whatever its clock says.
const TOKEN_SECONDS: i64 = 86_400;
/// Seconds for which a grant without tokens is kept after its end.
const GRANT_SECONDS: i64 = 7 * 86_400;

impl Service {
    /// Removes codes, tokens and grants that are over.
    pub async fn sweep(&self) -> Result<Vec<Swept>> {
        const JOB: &str = "oidc.sweep";
        let core = self.core();
        let now = core.now();
        let codes = store::old_codes(now.plus_seconds(-CODE_SECONDS), BATCH_ROWS);
        let over = now.plus_seconds(-TOKEN_SECONDS);
        let grants = store::old_grants(now.plus_seconds(-GRANT_SECONDS), BATCH_ROWS);
        let active = core.sweep(JOB, "tokens", store::old_tokens(over, BATCH_ROWS)).await?;
        let revoked = core.sweep(JOB, "tokens", store::old_revoked_tokens(over, BATCH_ROWS)).await?;
        Ok(vec![
            core.sweep(JOB, "authorization_codes", codes).await?,
            Swept { kind: "tokens", rows: active.rows + revoked.rows },
            core.sweep(JOB, "oauth_grants", grants).await?,
        ])
    }
}
