//! The database: one SQLite file through libsql.
//!
//! One writer thread owns the only writing connection and commits whatever is queued as one transaction; a few
//! reader threads answer questions on `query_only` connections with cached statements. A caller hands a closure to
//! [`Store::write`] or [`Store::read`] and awaits its result; a write's result arrives after the commit. SQL lives
//! in this folder only: one file a table, each a set of plain functions over [`Conn`], so that several can share a
//! transaction.

#![allow(missing_docs)]

pub mod agents;
pub mod devices;
pub mod sessions;
pub mod users;

use crate::error::Result;

/// Whose rows are meant: the one form in which ownership reaches SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Anyone's.
    Anyones,
    /// One user's.
    User(i64),
}

/// A connection on its thread: prepared statements are cached by their text.
pub struct Conn;

/// The handle to the database; clones share it.
#[derive(Clone)]
pub struct Store;

impl Store {
    /// Runs `job` on a reader thread.
    ///
    /// # Errors
    /// What `job` answers, or the database is closed.
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        let _ = job;
        todo!()
    }

    /// Runs `job` on the writer thread, in a transaction with whatever else is queued, and answers after the commit.
    /// An error of `job` undoes what `job` did and nothing else.
    ///
    /// # Errors
    /// What `job` answers, or the commit failed.
    pub async fn write<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        let _ = job;
        todo!()
    }
}
