//! Rows of tables that commands and plugins keep, as they see them: values and what was found, without a database.

/// A value of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum SqlValue {
    /// Nothing.
    Null,
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

macro_rules! from {
    ($($variant:ident: $($type:ty),+;)+) => { $($(
        impl From<$type> for SqlValue {
            fn from(value: $type) -> Self {
                Self::$variant(value.into())
            }
        }
    )+)+ };
}

from! {
    Integer: bool, i8, i16, i32, i64, u8, u16, u32;
    Real: f32, f64;
    Text: &str, String;
    Blob: &[u8], Vec<u8>;
}

impl<T: Into<SqlValue>> From<Option<T>> for SqlValue {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row that was found. Columns are counted from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Record(Vec<SqlValue>);

impl Record {
    /// A row of these values.
    pub fn new(values: Vec<SqlValue>) -> Self {
        Self(values)
    }

    /// The column as an integer; 0 where there is none.
    pub fn int(&self, column: usize) -> i64 {
        match self.0.get(column) {
            Some(SqlValue::Integer(number)) => *number,
            _ => 0,
        }
    }

    /// The column as text; empty where there is none.
    pub fn text(&self, column: usize) -> &str {
        match self.0.get(column) {
            Some(SqlValue::Text(text)) => text,
            _ => "",
        }
    }

    /// The column as it is; none past the last.
    pub fn get(&self, column: usize) -> Option<&SqlValue> {
        self.0.get(column)
    }
}
