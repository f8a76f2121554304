//! `/api/agents/enrolment-codes`: codes with which machines make their own agents.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::bounded::{Minutes, Name, Whole};
use super::check::Check;
use super::field::Field;
use super::owner::OwnerQuery;
use super::owner::owner_of_new;
use super::tags::ENROLMENT;
use crate::clock::Millis;
use crate::domain::enrolment_code::{self, EnrolmentCodeRow, NewEnrolmentCode};
use crate::error::Result;
use crate::error::failures as f;
use crate::model::agent::AgentKind;
use crate::model::audit::SubjectKind;
use crate::model::permission::Permission as P;
use crate::rest::{Answer, Call, Json, NoBody, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/agents/enrolment-codes", "List the codes that new agents can still be made with")
            .needs(&[P::AgentsWrite])
            .tag(ENROLMENT)
            .admin_mode()
            .handler(list),
        Route::post(
            "/api/agents/enrolment-codes",
            "Create a code that new agents are made with, which is shown only now",
        )
        .needs(&[P::AgentsWrite])
        .tag(ENROLMENT)
        .query::<OwnerQuery>()
        .example(r#"{"type": "microcontroller", "name": "Cellar", "uses": 1}"#)
        .creates()
        .fails(&[f::TOO_MANY_ENROLMENT_CODES, f::NOT_FOUND, f::INVALID_ID, f::NO_SUPERADMIN])
        .handler(create),
        Route::delete("/api/agents/enrolment-codes/{id}", "Revoke an enrolment code")
            .needs(&[P::AgentsWrite])
            .tag(ENROLMENT)
            .admin_mode()
            .subject(SubjectKind::Enrolment)
            .fails(&[f::NOT_FOUND])
            .handler(revoke),
    ]
}

const MINUTE: Millis = 60 * 1000;
/// How long a code is good unless its maker says otherwise.
const DEFAULT_MINUTES: i64 = 60;

/// A new code.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnrolmentCodeBody {
    /// What the agents it makes are.
    #[serde(rename = "type")]
    kind: Field<AgentKind>,
    /// How long it is good: 60 if absent, a week at most.
    #[serde(default)]
    expires_in_minutes: Field<Minutes<1, 10_080>>,
    /// How many agents it makes: 1 if absent.
    #[serde(default)]
    uses: Field<Whole<1, 1000>>,
    /// What people call it.
    #[serde(default)]
    name: Field<Name>,
}

impl EnrolmentCodeBody {
    fn for_new(self, owner: i64, token: Option<i64>, now: Millis) -> Result<NewEnrolmentCode> {
        Check::all(|check| {
            let kind = check.required("type", self.kind);
            let minutes = check.optional("expiresInMinutes", self.expires_in_minutes);
            let uses = check.optional("uses", self.uses);
            let name = check.optional("name", self.name);
            let expires = now + minutes?.unwrap_or(DEFAULT_MINUTES) * MINUTE;
            let uses = uses?.unwrap_or(1);
            Some(NewEnrolmentCode { owner, name: name?, kind: kind?, uses, created: now, expires, token })
        })
    }
}

/// A code as it is shown: without the code itself.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnrolmentCodeView {
    id: i64,
    name: Option<String>,
    #[serde(rename = "type")]
    kind: AgentKind,
    /// How many agents can still be made with it.
    uses_left: i64,
    /// When it was made, in milliseconds since the epoch, as every time here.
    created: Millis,
    /// When it ends.
    expires_at: Millis,
    /// The user whose the agents will be.
    #[serde(rename = "ownerID")]
    owner_id: i64,
}

impl From<EnrolmentCodeRow> for EnrolmentCodeView {
    fn from(row: EnrolmentCodeRow) -> Self {
        Self {
            id: row.id,
            name: row.name,
            kind: row.kind,
            uses_left: row.uses_left,
            created: row.created,
            expires_at: row.expires,
            owner_id: row.owner,
        }
    }
}

/// A code that was just made.
#[derive(Serialize, JsonSchema)]
pub(super) struct NewEnrolmentCodeView {
    #[serde(flatten)]
    view: EnrolmentCodeView,
    /// What to type on the machine. It is shown only now.
    code: String,
}

async fn list(call: Call, _: NoBody) -> Result<Answer<Vec<EnrolmentCodeView>>> {
    let listed = enrolment_code::list(&call).await?.into_iter().map(EnrolmentCodeView::from).collect();
    Ok(Answer::ok("Enrolment codes retrieved successfully.", listed))
}

async fn create(call: Call, Json(body): Json<EnrolmentCodeBody>) -> Result<Answer<NewEnrolmentCodeView>> {
    let now = call.now();
    let new = body.for_new(owner_of_new(&call).await?, call.caller.token_id(), now)?;
    let (row, code) = enrolment_code::create(&call, new).await?;
    let view = NewEnrolmentCodeView { view: row.into(), code: code.expose_secret().to_owned() };
    Ok(Answer::created("Enrolment code created successfully. It is shown only this once.", view))
}

async fn revoke(call: Call, _: NoBody) -> Result<Answer<()>> {
    enrolment_code::revoke(&call, call.id()?).await?;
    Ok(Answer::done("Enrolment code revoked successfully"))
}
