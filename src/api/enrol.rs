//! `POST /api/agents/enrol`: a machine makes its own agent with an enrolment code.
//!
//! Whoever calls has proved nothing but the code, so that wrong ones are answered alike and counted like failed logins.
//! The secret is the server's own making: the one place where an agent gets it is this answer.

use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::check::{Check, DESCRIPTION, GIVEN_PASSWORD, NAME};
use super::field::Field;
use crate::audit::{Action, Actor, SubjectKind};
use crate::auth::typed_code::CodeKey;
use crate::auth::{fresh_token, second_factor};
use crate::domain::failed::log_failed;
use crate::domain::quota::Quota;
use crate::error::{Error, Kind, Result};
use crate::http::{Answer, Call, Json};
use crate::store::agents::{self, NewAgent};
use crate::store::{enrolment_codes, standing};

/// The account under which wrong codes are counted; no user name has a control character.
const THROTTLED_AS: &str = "\0enrolment";

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

pub(super) async fn enrol(call: Call, Json(body): Json<EnrolBody>) -> Result<Answer<EnrolledView>> {
    let mut check = Check::default();
    let code = check.required("code", body.code, &GIVEN_PASSWORD);
    let name = check.required("name", body.name, &NAME);
    let description = check.optional("description", body.description, &DESCRIPTION);
    let (Some(code), Some(name), Some(description)) = (code, name, description) else {
        return Err(check.error());
    };

    let host = &call.host;
    let attempt = host.throttle.attempt(THROTTLED_AS, call.peer.address).await?;
    let now = host.clock.now();
    let of_host = host.clone();
    let known = match CodeKey::of(code.expose_secret()) {
        // Guesses do not come as far as the writer.
        Some(key) => host.store.read(move |db| enrolment_codes::by_hash(db, &key.0, now)).await?.map(|_| key),
        None => None,
    };
    let Some(key) = known else {
        attempt.failed();
        let error = not_good();
        log_failed(&call, "enrolment", &error);
        return Err(error);
    };
    let text = fresh_token()?;
    let secret = SecretString::from(text.as_str());
    let quota = Quota::of_agents(&host.config.load().limits);
    let made = call.change(Action::AgentEnrol, move |db, entry| {
        // Of several who come with the last use, one is first; and its time may have come to an end meanwhile.
        let code = enrolment_codes::by_hash(db, &key.0, of_host.clock.now())?.ok_or_else(not_good)?;
        // A code does nothing that its owner may not do now.
        let owner = standing::of_user(db, code.owner)?.ok_or_else(not_good)?;
        if second_factor::lacks(owner, &of_host.config.load()) {
            return Err(not_good());
        }
        quota.check(db, code.owner)?;
        enrolment_codes::use_once(db, code.id)?;
        let description = description.unwrap_or_default();
        let agent = NewAgent { name, kind: code.kind, description, secret, owner: code.owner };
        let id = agents::insert(db, &agent)?;
        // From here on it is known who calls: an agent of the code's owner.
        entry.actor = Actor::Agent { id, name: agent.name.clone(), user: code.owner };
        entry.on(SubjectKind::Agent, id, agent.name);
        entry.detail = Some(format!("enrolment code {}", code.id));
        Ok(id)
    });
    let id = match made.await {
        Ok(id) => id,
        Err(e) if e.code() == NOT_GOOD => {
            attempt.failed();
            return Err(e);
        }
        Err(e) => return Err(e),
    };
    attempt.succeeded();
    host.agent_changed(id).await?;
    Ok(Answer::created("Agent enrolled successfully", EnrolledView { id, secret: text.to_string() }))
}

const NOT_GOOD: &str = "invalid_enrolment_code";

/// Wrong, used, revoked and expired codes are told apart by nobody.
fn not_good() -> Error {
    Error::new(
        Kind::Forbidden,
        NOT_GOOD,
        "The enrolment code is wrong, expired or already used. Ask for a new one.",
    )
    .refusing(Action::AgentEnrol, None)
}
