//! Calls of commands to a server.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use super::Failure;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(60);

/// Where the server is unless `--url` or `SIGNET_URL` says otherwise.
pub(super) const DEFAULT_URL: &str = "http://localhost:8080";

/// Parses the address of a server; plain http is for loopback only.
pub(super) fn server_url(given: Option<&str>, env: &BTreeMap<String, String>) -> Result<Url, Failure> {
    let text = given.or_else(|| env.get("SIGNET_URL").map(String::as_str)).unwrap_or(DEFAULT_URL);
    let url = Url::parse(text).map_err(|e| Failure::Usage(format!("--url: `{text}` is no URL: {e}")))?;
    let loopback = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && loopback) {
        return Err(Failure::Usage(format!(
            "--url: `{text}` is neither https nor loopback; a token would be readable"
        )));
    }
    Ok(url)
}

/// Makes the client. Redirects are never followed: a token goes to the server that was named.
pub(super) fn agent() -> ureq::Agent {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    ureq::Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .user_agent(concat!("signet/", env!("CARGO_PKG_VERSION")))
        .build()
        .into()
}

/// An answer: status, media type and text.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) text: String,
}

impl Answer {
    pub(super) fn read(
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
        url: &Url,
    ) -> Result<Self, Failure> {
        let mut response =
            response.map_err(|e| Failure::Failed(format!("{}: {e}", url.origin().ascii_serialization())))?;
        let status = response.status().as_u16();
        let text = response
            .body_mut()
            .with_config()
            .limit(ANSWER_BYTES_MAX)
            .read_to_string()
            .map_err(|e| Failure::Failed(format!("the answer cannot be read: {e}")))?;
        Ok(Self { status, text })
    }

    /// The body as JSON, or the problem that the server answered.
    pub(super) fn json(&self) -> Result<Value, Failure> {
        let value: Value = serde_json::from_str(&self.text).unwrap_or(Value::Null);
        if (200..300).contains(&self.status) {
            return Ok(value);
        }
        Err(self.failure(&value))
    }

    /// The problem in words, with the exit status that fits.
    pub(super) fn failure(&self, value: &Value) -> Failure {
        let code = value["code"].as_str().or_else(|| value["error"].as_str()).unwrap_or("unexpected_answer");
        let detail = value["detail"]
            .as_str()
            .or_else(|| value["error_description"].as_str())
            .unwrap_or("the server's answer is of no known form");
        let mut text = format!("{detail} ({code}, status {})", self.status);
        for error in value["errors"].as_array().map(Vec::as_slice).unwrap_or_default() {
            let place = error["pointer"].as_str().unwrap_or_default();
            let detail = error["detail"].as_str().unwrap_or_default();
            text.push_str(&format!("\n  {place}: {detail}"));
        }
        match self.status {
            401 => Failure::Denied(format!(
                "{text}\n  sign in with `signet login`, or give --token or SIGNET_TOKEN"
            )),
            403 => Failure::Denied(text),
            404 => Failure::NotFound(text),
            _ => Failure::Failed(text),
        }
    }
}
