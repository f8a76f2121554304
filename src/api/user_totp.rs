//! `DELETE /api/admin/users/{id}/totp`: for a user who lost the app and the recovery codes.

use crate::domain::second_factor;
use crate::error::Result;
use crate::rest::{Answer, Call, NoBody};

pub(super) async fn remove(call: Call, _: NoBody) -> Result<Answer<()>> {
    second_factor::remove(&call, call.id()?).await?;
    Ok(Answer::done("The user's second factor was removed"))
}
