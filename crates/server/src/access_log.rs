//! One JSON line on standard output for every request, with the tag `[AUDIT]`.
//!
//! A thread of its own writes, at most once in [`GATHER`]: a request hands its line over and goes on. The
//! queue is bounded; when the reader of standard output stalls, requests wait rather than lose their line.

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request};
use axum::response::Response;
use serde::Serialize;
use web::RequestInfo;

/// Lines that may wait for standard output.
const QUEUE_MAX: usize = 4096;
/// How long a line waits for others: waking the thread for every line costs more than the line.
const GATHER: Duration = Duration::from_millis(5);
/// Bytes of one write at most, but for the last line of it.
const WRITE_BYTES: usize = 48 * 1024;
/// How long the end of the process waits for a reader of standard output that stalls.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// Who made the request; the context layer puts it into the response's extensions.
#[derive(Debug, Clone)]
pub(crate) struct LoggedActor(pub(crate) Arc<authz::Actor>);

#[derive(Serialize)]
struct Line<'a> {
    tag: &'static str,
    timestamp: i64,
    trace_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_request_id: Option<&'a str>,
    user_id: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    duration: u64,
    client_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// Hands lines to the thread that writes them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct AccessLog(SyncSender<Entry>);

enum Entry {
    Line(Vec<u8>),
    /// Says when all before it is written.
    Flush(SyncSender<()>),
}

impl AccessLog {
    /// Starts the thread that writes to standard output.
    pub(crate) fn start() -> Self {
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        std::thread::spawn(move || write_lines(&receiver));
        Self(sender)
    }

    fn write(&self, line: &Line<'_>) {
        let mut bytes = Vec::with_capacity(320);
        if serde_json::to_writer(&mut bytes, line).is_ok() {
            bytes.push(b'\n');
            // The thread lives as long as the process: the only failure is the end of it.
            drop(self.0.send(Entry::Line(bytes)));
        }
    }

    /// Waits until the lines so far are written, at most two seconds. Blocks the thread.
    pub(crate) fn flush(&self) {
        let (done, written) = sync_channel(1);
        if self.0.try_send(Entry::Flush(done)).is_ok() {
            let _ = written.recv_timeout(FLUSH_MAX);
        }
    }
}

fn write_lines(receiver: &Receiver<Entry>) {
    let mut buffer = Vec::with_capacity(WRITE_BYTES + 16 * 1024);
    while let Ok(first) = receiver.recv() {
        if matches!(first, Entry::Line(_)) {
            std::thread::sleep(GATHER);
        }
        let mut waiting = None;
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Line(line) => buffer.extend_from_slice(&line),
                Entry::Flush(done) => waiting = Some(done),
            }
            let full = waiting.is_some() || buffer.len() >= WRITE_BYTES;
            next = if full { None } else { receiver.try_recv().ok() };
        }
        let mut out = std::io::stdout().lock();
        if out.write_all(&buffer).and_then(|()| out.flush()).is_err() {
            tracing::error!("standard output is closed: request lines are lost");
        }
        buffer.clear();
        if let Some(done) = waiting {
            let _ = done.send(());
        }
    }
}

/// Runs a request; writes its line and moves the metrics.
pub(crate) async fn logged<F: Future<Output = Response> + Send>(
    log: &AccessLog,
    request: Request,
    route: impl FnOnce(Request) -> F + Send,
) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let template = request.extensions().get::<MatchedPath>().cloned();

    let response = route(request).await;

    let elapsed = begun.elapsed();
    crate::metrics::observe(template.as_ref().map(MatchedPath::as_str), &method, response.status(), elapsed);
    let info = response.extensions().get::<Arc<RequestInfo>>();
    let actor = response.extensions().get::<LoggedActor>();
    let problem = response.extensions().get::<Arc<base::Problem>>();
    log.write(&Line {
        tag: "[AUDIT]",
        timestamp: info.map_or(0, |i| i.started.as_micros() / 1000),
        trace_id: info.map_or("", |i| i.request_id.as_str()),
        client_request_id: info.and_then(|i| i.client_request_id.as_deref()),
        user_id: actor.map_or("", |a| actor_id(&a.0)),
        method: method.as_str(),
        path: shown(&path),
        status: response.status().as_u16(),
        duration: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        client_ip: info.map(|i| i.client_address.to_string()).unwrap_or_default(),
        error: problem.map(|p| p.code()),
    });
    response
}

fn actor_id(actor: &authz::Actor) -> &str {
    match actor {
        authz::Actor::User { id, .. } => id.as_str(),
        authz::Actor::Client { id, .. } => id.as_str(),
        _ => "",
    }
}

/// At most 512 bytes of the path; queries, which may hold codes and tokens, are never logged.
fn shown(path: &str) -> &str {
    if path.len() <= 512 {
        return path;
    }
    let end = path
        .char_indices()
        .map(|(at, c)| at + c.len_utf8())
        .take_while(|end| *end <= 512)
        .last()
        .unwrap_or(0);
    path.get(..end).unwrap_or("")
}
