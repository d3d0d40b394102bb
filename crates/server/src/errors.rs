//! The catalogue of error codes, served at `/docs/errors` as it stands in `docs/errors.md`.

use axum::response::{IntoResponse, Response};
use web::HtmlPage;

use crate::docs::escape;

/// The catalogue; a test holds it against every code in the sources.
pub(crate) const CATALOGUE: &str = include_str!("../../../docs/errors.md");

/// Renders the catalogue's table.
pub(crate) fn page() -> Response {
    let mut body = String::from(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>Signet error codes</title>\
         <link rel=\"stylesheet\" href=\"/docs/docs.css\"></head><body><main data-page=\"errors\"><h1>Error codes</h1>\
         <table><thead><tr><th>code</th><th>status</th><th>meaning and advice</th></tr></thead><tbody>",
    );
    for (code, status, meaning) in rows() {
        body.push_str(&format!(
            "<tr id=\"{0}\"><td><code>{0}</code></td><td>{1}</td><td>{2}</td></tr>",
            escape(code),
            escape(status),
            escape(&meaning.replace('`', ""))
        ));
    }
    body.push_str("</tbody></table></main></body></html>");
    HtmlPage::new(body).into_response()
}

/// The rows of the table: code, status, meaning.
pub(crate) fn rows() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CATALOGUE.lines().filter(|line| line.starts_with("| `")).filter_map(|line| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        Some((cells.next()?.trim_matches('`'), cells.next()?, cells.next()?))
    })
}
