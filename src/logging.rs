//! To be written.
#![allow(missing_docs)]
#[derive(Clone)]
pub struct LogLevel;
