//! A user's own account, changed by themselves or, in admin mode, by whoever may.

use super::By;
use super::user_change::{UserChange, change_user};
use crate::error::Result;
use crate::model::permission::{Permission, Scope};
use crate::store::Whose;

/// Changes an account as [`change_user`]: in admin mode that of the user `asked`, else the caller's own whatever `asked`
/// is. `read` also gets whether the caller may grant roles; the role of whoever may not is to stay.
///
/// # Errors
/// What `asked` answers; as for [`change_user`].
pub async fn change(
    by: &By,
    asked: impl FnOnce() -> Result<i64>,
    read: impl FnOnce(&str, bool) -> Result<UserChange>,
) -> Result<()> {
    let id = match by.whose(Permission::UsersWrite) {
        Whose::User(own) => own,
        Whose::Anyones => asked()?,
    };
    let may_grant = by.caller.may(Permission::UsersGrant, Scope::Any);
    change_user(by, id, |stored| read(stored, may_grant)).await
}
