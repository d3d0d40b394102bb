//! The load generator's client: HTTP/1.1 over one kept connection, one request at a time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Outcome;

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Writes a request as it goes over the wire. `headers` are whole lines without their ends; empty ones are left out.
pub(crate) fn request(method: &str, path: &str, port: u16, headers: &[&str], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: localhost:{port}\r\n");
    for line in headers.iter().filter(|line| !line.is_empty()) {
        text.push_str(line);
        text.push_str("\r\n");
    }
    if method != "GET" {
        text.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    text.push_str("\r\n");
    text.push_str(body);
    text.into_bytes()
}

/// A connection to one server, opened when first used. Holds the last answer.
pub(crate) struct Conn {
    address: SocketAddr,
    stream: Option<TcpStream>,
    answer: Vec<u8>,
    head_length: usize,
}

impl Conn {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, answer: Vec::with_capacity(16 * 1024), head_length: 0 }
    }

    /// Sends a request and reads the whole answer. Returns the status.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Outcome<u16> {
        match tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(request)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("{}: no answer in {} s", self.address, ANSWER_TIMEOUT.as_secs())),
        }
    }

    async fn exchange(&mut self, request: &[u8]) -> Outcome<u16> {
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream =
                    TcpStream::connect(self.address).await.map_err(|e| format!("{}: {e}", self.address))?;
                stream.set_nodelay(true).map_err(|e| e.to_string())?;
                stream
            }
        };
        stream.write_all(request).await.map_err(|e| e.to_string())?;
        self.answer.clear();
        self.head_length = loop {
            self.read_more(&mut stream).await?;
            if let Some(at) = self.answer.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let status: u16 = self
            .head()
            .get(9..12)
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| format!("{}: not an HTTP answer", self.address))?;
        let length = match self.header("content-length") {
            Some(text) => text.parse::<usize>().map_err(|_| format!("content-length `{text}`"))?,
            None if matches!(status, 204 | 304) => 0,
            None => {
                return Err(format!(
                    "{}: an answer of status {status} without a content-length",
                    self.address
                ));
            }
        };
        while self.answer.len() < self.head_length + length {
            self.read_more(&mut stream).await?;
        }
        if self.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.stream = Some(stream);
        }
        Ok(status)
    }

    async fn read_more(&mut self, stream: &mut TcpStream) -> Outcome {
        if self.answer.len() > ANSWER_BYTES_MAX {
            return Err(format!("{}: an answer of more than {ANSWER_BYTES_MAX} bytes", self.address));
        }
        match stream.read_buf(&mut self.answer).await {
            Ok(0) => Err(format!("{}: the connection was closed within an answer", self.address)),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{}: {error}", self.address)),
        }
    }

    /// The last answer's status line and headers.
    pub(crate) fn head(&self) -> &str {
        self.answer.get(..self.head_length).and_then(|head| std::str::from_utf8(head).ok()).unwrap_or("")
    }

    /// The first header of this lower-case name in the last answer.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All headers of this lower-case name in the last answer.
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        self.head().split("\r\n").skip(1).filter_map(move |line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The last answer's body.
    pub(crate) fn body(&self) -> &[u8] {
        self.answer.get(self.head_length..).unwrap_or_default()
    }

    /// The last answer's body as text, for messages and pages.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(self.body()).into_owned()
    }
}

/// Cookies as a browser would keep them for one host.
#[derive(Debug, Default, Clone)]
pub(crate) struct Jar(Vec<(String, String)>);

impl Jar {
    /// Takes what the last answer sets.
    pub(crate) fn take(&mut self, conn: &Conn) {
        for cookie in conn.values("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or("");
            let Some((name, value)) = pair.split_once('=') else { continue };
            self.0.retain(|(known, _)| known != name);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    /// The header line to send; empty without cookies.
    pub(crate) fn line(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("cookie: {}", pairs.join("; "))
    }
}

/// Writes text as a value of a form or a query (WHATWG URL, application/x-www-form-urlencoded).
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// The value of a hidden field of a page.
pub(crate) fn hidden_field(page: &str, name: &str) -> Option<String> {
    let wanted = format!("name=\"{name}\"");
    let input = page.split("<input").skip(1).find_map(|rest| {
        let tag = rest.split('>').next()?;
        tag.contains(&wanted).then_some(tag)
    })?;
    let value = input.split("value=\"").nth(1)?.split('"').next()?;
    Some(value.replace("&#x2F;", "/").replace("&#61;", "=").replace("&#38;", "&").replace("&amp;", "&"))
}
