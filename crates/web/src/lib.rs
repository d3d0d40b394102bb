//! The HTTP kit that every slice uses: extractors, problems, paging, cookies, CSRF, hosts, headers.
//!
//! Never touches SQL and knows no word of the domain. A slice's handlers take its extractors and return
//! `Result<T, web::Failure>`; the HTTP status of a problem is decided in [`failure`] and nowhere else.
//!
//! Reading order: [`layers`] (what happens to every request), [`request`], [`hosts`], [`proxies`],
//! [`failure`], [`body`], [`form`], [`query`], [`page`], [`list`], [`etag`], [`cookies`], [`csrf`], [`html`],
//! [`language`], [`openapi`].

pub mod body;
pub mod cookies;
pub mod csrf;
pub mod etag;
pub mod failure;
pub mod form;
pub mod hosts;
pub mod html;
pub mod language;
pub mod layers;
pub mod list;
pub mod openapi;
pub mod page;
pub mod proxies;
pub mod query;
pub mod request;

pub use body::{Field, Json, MergePatch, OptionalJson};
pub use etag::{IfMatch, etag};
pub use failure::{Failure, Verbatim};
pub use form::{FormBody, Pairs};
pub use hosts::Hosts;
pub use html::{HtmlPage, see_other};
pub use language::Language;
pub use layers::{RequestLayer, install};
pub use list::{Ask, List, ListParams, ListQuery, Listing};
pub use page::{CursorKey, Page};
pub use proxies::TrustedProxies;
pub use query::{Path, Query};
pub use request::{Info, RequestInfo};
