//! `POST /api/agents/enrol`: a machine makes its own agent with an enrolment code.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::bounded::{Description, GivenSecret, Name};
use super::check::Check;
use super::field::Field;
use super::tags::ENROLMENT;
use crate::domain::enrolment;
use crate::error::Result;
use crate::error::failures as f;
use crate::rest::{Answer, Call, Json, Route};

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::post("/api/agents/enrol", "Create an agent with an enrolment code")
            .public()
            .tag(ENROLMENT)
            .example(r#"{"code": "0123-4567-89AB-CDEF", "name": "Cellar"}"#)
            .creates()
            .fails(&[f::INVALID_ENROLMENT_CODE, f::TOO_MANY_ATTEMPTS, f::QUOTA_REACHED])
            .handler(enrol),
    ]
}

/// What is given to make an agent.
#[derive(Deserialize, JsonSchema)]
pub(super) struct EnrolBody {
    /// The code, in either case and grouped in any way.
    code: Field<GivenSecret>,
    /// The agent's name.
    name: Field<Name>,
    #[serde(default)]
    description: Field<Description>,
}

/// What the new agent connects with.
#[derive(Serialize, JsonSchema)]
pub(super) struct EnrolledView {
    id: i64,
    secret: String,
}

async fn enrol(call: Call, Json(body): Json<EnrolBody>) -> Result<Answer<EnrolledView>> {
    let (code, name, description) = Check::all(|check| {
        let code = check.required("code", body.code);
        let name = check.required("name", body.name);
        let description = check.optional("description", body.description);
        Some((code?, name?, description?))
    })?;
    let (id, secret) = enrolment::enrol(&call, &code, name, description).await?;
    let view = EnrolledView { id, secret: secret.expose_secret().to_owned() };
    Ok(Answer::created("Agent enrolled successfully", view))
}
