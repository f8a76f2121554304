//! Reading that may take long, in turn with others who do.

use crate::error::Result;
use crate::store::{Conn, Store};

/// Reads what may take long, on behalf of one caller.
#[derive(Clone)]
pub struct Reader {
    pub(super) store: Store,
    pub(super) user: i64,
}

impl Reader {
    /// As [`Store::read_long`].
    ///
    /// # Errors
    /// As for [`Store::read_long`].
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        self.store.read_long(self.user, job).await
    }
}
