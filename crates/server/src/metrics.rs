//! Prometheus metrics, on a listener of their own.
//!
//! Labels never carry a tenant, a user or a raw path: `path` is the route's template.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{LazyLock, PoisonError, RwLock};
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::{Counter, Histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// Upper bounds in milliseconds.
const BUCKETS_MS: &[f64] = &[5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0];
const DURATION: &str = "microstack_requests_duration_ms";
const CONFIRMED_AGE: &str = "decisions_confirmed_age_seconds";
const COUNT: &str = "microstack_requests_code_total";

/// Installs the recorder for the whole process. Only where [`serve`] follows: without its upkeep, what is
/// recorded would pile up.
pub(crate) fn install() -> Result<PrometheusHandle, String> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(DURATION.to_owned()), BUCKETS_MS)
        .map_err(|e| e.to_string())?
        .install_recorder()
        .map_err(|e| e.to_string())?;
    metrics::describe_histogram!(DURATION, metrics::Unit::Milliseconds, "duration of HTTP requests by route");
    metrics::describe_counter!(COUNT, "HTTP requests by route and status");
    metrics::describe_counter!("auth_total", "sign-ins tried");
    metrics::describe_counter!("auth_failure_total", "sign-ins refused, by reason");
    metrics::describe_counter!("maintenance_rows_total", "rows that maintenance cleared away, by kind");
    metrics::describe_counter!("maintenance_failures_total", "maintenance jobs that failed, by job");
    metrics::describe_gauge!(
        "maintenance_last_success_timestamp_seconds",
        metrics::Unit::Seconds,
        "when a maintenance job last succeeded on this node, by job"
    );
    metrics::describe_gauge!(
        "maintenance_duration_ms",
        metrics::Unit::Milliseconds,
        "how long a maintenance job last took, by job"
    );
    metrics::describe_counter!(
        "kms_keys_overdue_total",
        "data keys that encrypt although their time is over, because they were not replaced"
    );
    metrics::describe_counter!("decisions_stale_total", "decisions made while the database did not answer");
    metrics::describe_gauge!(
        CONFIRMED_AGE,
        metrics::Unit::Seconds,
        "how long ago this node last saw the versions of all tenants"
    );
    Ok(handle)
}

/// Says how old what this node decides by may be.
pub(crate) fn note_age(core: &authz::Core) {
    if let Some(seconds) = core.confirmed_seconds_ago() {
        metrics::gauge!(CONFIRMED_AGE).set(i32::try_from(seconds).unwrap_or(i32::MAX));
    }
}

/// The metrics of one route by method and status.
type ByAnswer = HashMap<(&'static str, u16), (Counter, Histogram)>;

/// Handles by route: looking a metric up by its labels costs more than moving it. Bounded by the routes that
/// exist, the methods that [`known`] knows and the statuses that routes answer.
static HANDLES: LazyLock<RwLock<HashMap<String, ByAnswer>>> = LazyLock::new(RwLock::default);

/// Counts one request.
pub(crate) fn observe(template: Option<&str>, method: &Method, status: StatusCode, elapsed: Duration) {
    let path = template.unwrap_or("unmatched");
    let answer = (known(method), status.as_u16());
    let milliseconds = elapsed.as_secs_f64() * 1000.0;
    {
        let handles = HANDLES.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((count, duration)) = handles.get(path).and_then(|route| route.get(&answer)) {
            count.increment(1);
            duration.record(milliseconds);
            return;
        }
    }
    let code = status.as_str().to_owned();
    let labels = [("path", path.to_owned()), ("method", answer.0.to_owned()), ("code", code)];
    let (count, duration) = (metrics::counter!(COUNT, &labels), metrics::histogram!(DURATION, &labels));
    count.increment(1);
    duration.record(milliseconds);
    let mut handles = HANDLES.write().unwrap_or_else(PoisonError::into_inner);
    handles.entry(path.to_owned()).or_default().insert(answer, (count, duration));
}

/// Methods are text of the caller's choice; only known ones become labels.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// Serves `/metrics` to loopback until the process ends.
pub(crate) async fn serve(address: SocketAddr, handle: PrometheusHandle) -> std::io::Result<()> {
    let listener = tokio::net::TcpListener::bind(address).await?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    let router = Router::new().route("/metrics", get(move || render(handle.clone())));
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the metrics listener stopped");
        }
    });
    Ok(())
}

async fn render(handle: PrometheusHandle) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], handle.render()).into_response()
}
