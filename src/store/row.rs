//! One row of an answer, read without trust: an adopted database may hold any value in any column.
//!
//! Text is never taken from SQLite as text. libsql reads a text value up to its first NUL and panics on one that is
//! not UTF-8, so every column that may hold text is selected as `CAST(column AS BLOB)`, which gives all its bytes
//! (and those of numbers as they are written). A column selected plainly that holds text is an error.

use libsql::{Value, ValueType};
use secrecy::SecretString;

use crate::error::{Error, Result};

/// A row. Columns are counted from 0.
pub struct Row(libsql::Row);

impl Row {
    pub(super) fn new(row: libsql::Row) -> Self {
        Self(row)
    }

    fn value(&self, column: i32) -> Result<Value> {
        let fault = |what: &str| {
            let name = self.0.column_name(column).unwrap_or("?");
            Error::internal(format!("column {column} ({name}) {what}"))
        };
        match self.0.column_type(column) {
            Ok(ValueType::Text) => Err(fault("holds text: it must be selected as a blob")),
            Ok(_) => self.0.get_value(column).map_err(|e| fault(&e.to_string())),
            Err(e) => Err(fault(&e.to_string())),
        }
    }

    /// A number as an integer: a fraction is cut off, digits in a text count; none where there is no number.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn opt_int(&self, column: i32) -> Result<Option<i64>> {
        Ok(match self.value(column)? {
            Value::Null => None,
            Value::Integer(number) => Some(number),
            Value::Real(number) => truncated(number),
            Value::Text(text) => parsed(text.as_bytes()),
            Value::Blob(bytes) => parsed(&bytes),
        })
    }

    /// Like [`opt_int`](Self::opt_int), and 0 where there is no number.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn int(&self, column: i32) -> Result<i64> {
        Ok(self.opt_int(column)?.unwrap_or(0))
    }

    /// Whether a number is there that is not 0.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn flag(&self, column: i32) -> Result<bool> {
        Ok(self.int(column)? != 0)
    }

    /// A value as text, whole; bytes that are no UTF-8 read as `U+FFFD`. None for NULL.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn opt_text(&self, column: i32) -> Result<Option<String>> {
        Ok(match self.value(column)? {
            Value::Null => None,
            Value::Integer(number) => Some(number.to_string()),
            Value::Real(number) => Some(number.to_string()),
            Value::Text(text) => Some(text),
            Value::Blob(bytes) => Some(
                String::from_utf8(bytes)
                    .unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned()),
            ),
        })
    }

    /// Like [`opt_text`](Self::opt_text), and empty for NULL.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn text(&self, column: i32) -> Result<String> {
        Ok(self.opt_text(column)?.unwrap_or_default())
    }

    /// A value as text that must not be shown.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn secret(&self, column: i32) -> Result<SecretString> {
        Ok(self.text(column)?.into())
    }

    /// A value's bytes, or none for NULL.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn opt_blob(&self, column: i32) -> Result<Option<Vec<u8>>> {
        Ok(match self.value(column)? {
            Value::Blob(bytes) => Some(bytes),
            _ => None,
        })
    }

    /// A value's bytes; none for NULL and numbers.
    ///
    /// # Errors
    /// The column was selected as text.
    pub fn blob(&self, column: i32) -> Result<Vec<u8>> {
        Ok(self.opt_blob(column)?.unwrap_or_default())
    }
}

fn parsed(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    text.parse().ok().or_else(|| truncated(text.parse().ok()?))
}

fn truncated(number: f64) -> Option<i64> {
    // `as` cuts fractions off and keeps within bounds.
    number.is_finite().then_some(number as i64)
}
