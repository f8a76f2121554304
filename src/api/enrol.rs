//! `POST /api/agents/enrol`: a machine makes its own agent with an enrolment code.

use schemars::JsonSchema;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::check::{Check, DESCRIPTION, GIVEN_PASSWORD, NAME};
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
    code: Field<String>,
    /// The agent's name: 1 to 100 characters.
    name: Field<String>,
    #[serde(default)]
    description: Field<String>,
}

/// What the new agent connects with.
#[derive(Serialize, JsonSchema)]
pub(super) struct EnrolledView {
    id: i64,
    secret: String,
}

async fn enrol(call: Call, Json(body): Json<EnrolBody>) -> Result<Answer<EnrolledView>> {
    let mut check = Check::default();
    let code = check.required("code", body.code, &GIVEN_PASSWORD);
    let name = check.required("name", body.name, &NAME);
    let description = check.optional("description", body.description, &DESCRIPTION);
    let (Some(code), Some(name), Some(description)) = (code, name, description) else {
        return Err(check.error());
    };

    let (id, secret) = enrolment::enrol(&call, &code, name, description).await?;
    let view = EnrolledView { id, secret: secret.expose_secret().to_owned() };
    Ok(Answer::created("Agent enrolled successfully", view))
}
