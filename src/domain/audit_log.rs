//! Reading the audit log.
//!
//! Reading a page leaves no entry, since pages look at it all the time; an export does, before its first line.

use super::{By, Reader};
use crate::error::Result;
use crate::model::audit::Action;
use crate::model::permission::Permission;
use crate::store::audit_page::page;
pub use crate::store::audit_page::{AuditFilter, AuditRow, Page, Place};

/// Entries of one part of an export.
const PART: usize = 500;

/// A page of at most `limit` entries, the newest first, of what `filter` asks for and is older than `before`.
///
/// # Errors
/// The caller may not; the database cannot be read.
pub async fn read(by: &By, filter: AuditFilter, before: Option<Place>, limit: usize) -> Result<Page> {
    by.caller.require(Permission::AuditRead)?;
    by.host.audit.write_out().await;
    by.reader().read(move |db| page(db, &filter, before, limit)).await
}

/// Begins to read everything that `filter` asks for and that is older than `before`, the newest first.
///
/// # Errors
/// The caller may not; the audit log cannot be written.
pub async fn export(by: &By, filter: AuditFilter, before: Option<Place>) -> Result<Export> {
    by.caller.require(Permission::AuditRead)?;
    by.change(Action::AuditExport, |_, _| Ok(())).await?;
    by.host.audit.write_out().await;
    Ok(Export { reader: by.reader(), filter, before, over: false })
}

/// An export of the audit log, read part by part.
pub struct Export {
    reader: Reader,
    filter: AuditFilter,
    before: Option<Place>,
    over: bool,
}

impl Export {
    /// The entries that follow; none at the end of the log.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<AuditRow>>> {
        while !self.over {
            let (filter, before) = (self.filter.clone(), self.before);
            let Page { rows, next } = self.reader.read(move |db| page(db, &filter, before, PART)).await?;
            (self.before, self.over) = (next, next.is_none());
            if !rows.is_empty() {
                return Ok(Some(rows));
            }
        }
        Ok(None)
    }
}
