//! `DELETE /api/admin/users/{id}/totp`: for a user who lost the app and the recovery codes.
//!
//! Whoever manages the user removes the factor, and vouches for who asked. One's own is turned off with a code alone:
//! a session that was stolen from an admin must not be enough.

use super::totp::not_enabled;
use crate::audit::{Action, SubjectKind};
use crate::domain::user::{check_may_manage, not_found};
use crate::error::{Error, Result};
use crate::http::{Answer, Call, NoBody};
use crate::store::{second_factors, users};

pub(super) async fn remove(call: Call, _: NoBody) -> Result<Answer<()>> {
    let id = call.id()?;
    call.caller.refuse_token()?;
    if call.caller.user_id() == Some(id) {
        return Err(Error::forbidden(
            "Your own second factor is turned off in your account, with your password and a code",
        ));
    }
    let caller = call.caller.clone();
    call.change(Action::TotpDisable, move |db, entry| {
        let user = users::get(db, id)?.ok_or_else(not_found)?;
        entry.on(SubjectKind::User, id, user.username.as_str());
        check_may_manage(&caller, &user)?;
        if second_factors::delete(db, id)? { Ok(()) } else { Err(not_enabled()) }
    })
    .await?;
    call.host.accounts.forget(id);
    Ok(Answer::done("The user's second factor was removed"))
}
