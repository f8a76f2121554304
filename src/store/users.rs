//! To be written.
#![allow(missing_docs)]
use super::Conn;
use crate::auth::accounts::Account;
use crate::error::Result;

pub fn account(_db: &Conn, _user: i64) -> Result<Option<Account>> {
    todo!()
}
