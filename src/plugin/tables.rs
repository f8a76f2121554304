//! The tables of one plugin, as it uses them.

use crate::error::Result;
use crate::model::rows::{Record, SqlValue};
use crate::store::{Store, Table, Unit};

/// The tables of one plugin: all are named `plugin_<name>_…`, and through this door nothing else is reached.
///
/// ```
/// use netignite::prelude::*;
///
/// async fn count(tables: &Tables) -> Result<i64> {
///     let rows = tables.query("SELECT count(*) FROM plugin_notes_lines", []).await?;
///     Ok(rows[0].int(0))
/// }
/// ```
#[derive(Clone)]
pub struct Tables {
    store: Store,
    unit: Unit,
}

impl Tables {
    pub(super) fn new(store: Store, plugin: &'static str) -> Self {
        Self { store, unit: Unit::Plugin(plugin) }
    }

    /// The rows that a statement finds, ten thousand at most. `?1` and so on stand for `values`.
    ///
    /// # Errors
    /// The statement is wrong or about what is not the plugin's: 500, whose text the log has.
    pub async fn query(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<Vec<Record>> {
        let (sql, values): (_, Vec<_>) = (sql.into(), values.into_iter().collect());
        self.store.read_table(self.unit, move |table| table.query(&sql, values)).await
    }

    /// Runs a statement that answers no rows, and gives how many rows it changed, once that is on disk.
    ///
    /// # Errors
    /// As for [`query`](Self::query); the disk is full.
    pub async fn execute(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<u64> {
        let (sql, values): (_, Vec<_>) = (sql.into(), values.into_iter().collect());
        self.write(move |table| table.execute(&sql, values)).await
    }

    /// Does `job` as one transaction: all of it or, if it answers an error, nothing.
    ///
    /// # Errors
    /// As for [`execute`](Self::execute); what `job` answers.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Table<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.store.write_table(self.unit, job).await
    }

    /// [`execute`](Self::execute) for [`Plugin::on_event`](super::Plugin::on_event), which runs on a thread of its own:
    /// waits until it is on disk. Never call it in `async` code.
    ///
    /// # Errors
    /// As for [`execute`](Self::execute).
    pub fn execute_blocking(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = SqlValue>,
    ) -> Result<u64> {
        pollster::block_on(self.execute(sql, values))
    }
}
