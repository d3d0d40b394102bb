//! Values that go in and rows that come out, alike on both databases.
//!
//! | value | PostgreSQL | SQLite |
//! |---|---|---|
//! | text, id, enum | `varchar`, `text` | `TEXT` |
//! | integer | `bigint` | `INTEGER` |
//! | truth | `boolean` | `INTEGER` 0 or 1 |
//! | instant | `timestamptz` | `INTEGER`, microseconds since 1970 UTC |
//! | JSON, string list | `jsonb` | `TEXT` |
//! | bytes | `bytea` | `BLOB` |

use base::Timestamp;
use base::id::{Id, Noun};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{Row as _, ValueRef as _};

use crate::{Result, StoreError};

/// A value to bind. `None` is NULL of the column's type.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text, an id or an enum.
    Text(Option<String>),
    /// An integer.
    Int(Option<i64>),
    /// A truth value.
    Bool(Option<bool>),
    /// An instant.
    Time(Option<Timestamp>),
    /// JSON, also a list of strings.
    Json(Option<serde_json::Value>),
    /// Bytes.
    Bytes(Option<Vec<u8>>),
}

impl Value {
    /// Refuses U+0000 in text and JSON, on both databases alike.
    pub(crate) fn refuse_nul(&self) -> Result<()> {
        let holds = match self {
            Self::Text(text) => text.as_deref().is_some_and(|text| text.contains('\0')),
            Self::Json(json) => json.as_ref().is_some_and(holds_nul),
            Self::Int(_) | Self::Bool(_) | Self::Time(_) | Self::Bytes(_) => false,
        };
        if holds { Err(StoreError::Nul) } else { Ok(()) }
    }
}

/// Whether a name or text anywhere in the JSON holds U+0000.
pub(crate) fn holds_nul(json: &serde_json::Value) -> bool {
    match json {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(holds_nul),
        serde_json::Value::Object(map) => {
            map.iter().any(|(name, json)| name.contains('\0') || holds_nul(json))
        }
        _ => false,
    }
}

/// What can be bound to a placeholder.
pub trait Bind {
    /// The value.
    fn into_value(self) -> Value;
    /// NULL of the same type.
    fn null() -> Value;
}

/// Implements [`Bind`] for one Rust type; a macro because each is the same two functions.
macro_rules! bind {
    ($($type:ty => $variant:ident($convert:expr);)*) => {$(
        impl Bind for $type {
            fn into_value(self) -> Value {
                Value::$variant(Some(($convert)(self)))
            }
            fn null() -> Value {
                Value::$variant(None)
            }
        }
    )*};
}

bind! {
    &str => Text(|v: &str| v.to_owned());
    String => Text(|v| v);
    &String => Text(|v: &String| v.clone());
    i64 => Int(|v| v);
    bool => Bool(|v| v);
    Timestamp => Time(|v| v);
    serde_json::Value => Json(|v| v);
    &serde_json::Value => Json(|v: &serde_json::Value| v.clone());
    &[String] => Json(|v: &[String]| serde_json::Value::from(v));
    &Vec<String> => Json(|v: &Vec<String>| serde_json::Value::from(v.as_slice()));
    Vec<u8> => Bytes(|v| v);
    &[u8] => Bytes(|v: &[u8]| v.to_vec());
}

impl<N: Noun> Bind for &Id<N> {
    fn into_value(self) -> Value {
        Value::Text(Some(self.as_str().to_owned()))
    }
    fn null() -> Value {
        Value::Text(None)
    }
}

impl<B: Bind> Bind for Option<B> {
    fn into_value(self) -> Value {
        self.map_or_else(B::null, Bind::into_value)
    }
    fn null() -> Value {
        B::null()
    }
}

impl Bind for Value {
    fn into_value(self) -> Value {
        self
    }
    fn null() -> Value {
        Value::Text(None)
    }
}

/// One row of an answer.
pub struct Row(pub(crate) RowOf);

/// The row of the one database or the other.
pub(crate) enum RowOf {
    /// A row of SQLite.
    Sqlite(SqliteRow),
    /// A row of PostgreSQL.
    Postgres(PgRow),
}

impl Row {
    /// Reads a column that is never NULL.
    pub fn get<C: Column>(&self, column: &str) -> Result<C> {
        C::read(self, column)?
            .ok_or_else(|| StoreError::Shape { column: column.to_owned(), found: "NULL".to_owned() })
    }

    /// Reads a column that may be NULL.
    pub fn find<C: Column>(&self, column: &str) -> Result<Option<C>> {
        C::read(self, column)
    }

    /// The name of the first column, for answers of one column.
    fn first_column(&self) -> Result<String> {
        use sqlx::Column as _;
        let name = match &self.0 {
            RowOf::Sqlite(row) => row.columns().first().map(|c| c.name().to_owned()),
            RowOf::Postgres(row) => row.columns().first().map(|c| c.name().to_owned()),
        };
        name.ok_or_else(|| StoreError::Shape { column: "1".to_owned(), found: "no column".to_owned() })
    }
}

/// What can be read from a column.
pub trait Column: Sized {
    /// Reads the column; `None` is NULL.
    fn read(row: &Row, column: &str) -> Result<Option<Self>>;
}

/// Reads one column as the Rust type that each database gives.
macro_rules! read {
    ($row:expr, $column:expr, $sqlite:ty, $postgres:ty, $convert:expr) => {
        match &$row.0 {
            RowOf::Sqlite(row) => {
                let value: Option<$sqlite> = row.try_get($column).map_err(|e| shape($column, &e))?;
                value.map($convert)
            }
            RowOf::Postgres(row) => {
                let value: Option<$postgres> = row.try_get($column).map_err(|e| shape($column, &e))?;
                value.map($convert)
            }
        }
    };
}

fn shape(column: &str, error: &sqlx::Error) -> StoreError {
    StoreError::Shape { column: column.to_owned(), found: error.to_string() }
}

impl Column for String {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        Ok(read!(row, column, String, String, |v| v))
    }
}

impl Column for i64 {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        Ok(read!(row, column, i64, i64, |v| v))
    }
}

impl Column for bool {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        Ok(match &row.0 {
            RowOf::Sqlite(row) => {
                let value: Option<i64> = row.try_get(column).map_err(|e| shape(column, &e))?;
                value.map(|v| v != 0)
            }
            RowOf::Postgres(row) => row.try_get(column).map_err(|e| shape(column, &e))?,
        })
    }
}

impl Column for Timestamp {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        Ok(match &row.0 {
            RowOf::Sqlite(row) => {
                let value: Option<i64> = row.try_get(column).map_err(|e| shape(column, &e))?;
                value.map(Timestamp::from_micros)
            }
            RowOf::Postgres(row) => {
                let value: Option<sqlx::types::time::OffsetDateTime> =
                    row.try_get(column).map_err(|e| shape(column, &e))?;
                value.map(Timestamp::from_offset_date_time)
            }
        })
    }
}

impl Column for Vec<u8> {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        Ok(read!(row, column, Vec<u8>, Vec<u8>, |v| v))
    }
}

impl Column for serde_json::Value {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        Ok(match &row.0 {
            RowOf::Sqlite(row) => {
                let raw = row.try_get_raw(column).map_err(|e| shape(column, &e))?;
                if raw.is_null() {
                    return Ok(None);
                }
                let text: String = row.try_get(column).map_err(|e| shape(column, &e))?;
                let value = serde_json::from_str(&text)
                    .map_err(|e| StoreError::Shape { column: column.to_owned(), found: e.to_string() })?;
                Some(value)
            }
            RowOf::Postgres(row) => {
                let value: Option<Json<serde_json::Value>> =
                    row.try_get(column).map_err(|e| shape(column, &e))?;
                value.map(|Json(v)| v)
            }
        })
    }
}

impl Column for Vec<String> {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        let Some(value) = serde_json::Value::read(row, column)? else { return Ok(None) };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|e| StoreError::Shape { column: column.to_owned(), found: e.to_string() })
    }
}

impl<N: Noun> Column for Id<N> {
    fn read(row: &Row, column: &str) -> Result<Option<Self>> {
        let Some(text) = String::read(row, column)? else { return Ok(None) };
        Id::parse(&text)
            .map(Some)
            .map_err(|e| StoreError::Shape { column: column.to_owned(), found: e.to_string() })
    }
}

/// What a row is read as.
pub trait FromRow: Sized {
    /// Reads the row.
    fn from_row(row: &Row) -> Result<Self>;
}

/// Answers of one column are read as that column's type.
macro_rules! single {
    ($($type:ty),*) => {$(
        impl FromRow for $type {
            fn from_row(row: &Row) -> Result<Self> {
                row.get(&row.first_column()?)
            }
        }
    )*};
}

single!(String, i64, bool, Timestamp, Vec<u8>, serde_json::Value);

impl<N: Noun> FromRow for Id<N> {
    fn from_row(row: &Row) -> Result<Self> {
        row.get(&row.first_column()?)
    }
}
