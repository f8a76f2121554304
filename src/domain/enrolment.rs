//! A machine makes its own agent with an enrolment code.
//!
//! Whoever does has proved nothing but the code, so that wrong ones are answered alike and counted like failed logins.
//! The secret is the server's own making. Making codes is [`enrolment_code`](super::enrolment_code).

use secrecy::{ExposeSecret, SecretString};

use super::By;
use super::agent;
use super::failed::log_failed;
use super::quota::Quota;
use crate::auth::typed_code;
use crate::auth::{fresh_token, second_factor};
use crate::error::{Error, Kind, Result};
use crate::model::audit::{Action, Actor, SubjectKind};
use crate::store::agents::{self, NewAgent};
use crate::store::{enrolment_codes, standing};

/// The account under which wrong codes are counted; no user name has a control character.
const THROTTLED_AS: &str = "\0enrolment";

/// Makes an agent of a name with a code. Answers its ID and what it connects with.
///
/// # Errors
/// The code is not good; there were too many wrong ones; the owner has as many agents as one may have; the database
/// refuses.
pub async fn enrol(
    by: &By,
    code: &SecretString,
    name: String,
    description: Option<String>,
) -> Result<(i64, SecretString)> {
    let host = &by.host;
    let attempt = host.throttle.attempt(THROTTLED_AS, by.address).await?;
    let now = host.clock.now();
    let of_host = host.clone();
    let known = match typed_code::digest(code.expose_secret()) {
        // Guesses do not come as far as the writer.
        Some(key) => host.store.read(move |db| enrolment_codes::by_hash(db, &key.0, now)).await?.map(|_| key),
        None => None,
    };
    let Some(key) = known else {
        attempt.failed();
        let error = not_good();
        log_failed(by, "enrolment", &error);
        return Err(error);
    };
    let text = fresh_token()?;
    let secret = SecretString::from(text.as_str());
    let shown = secret.clone();
    let quota = Quota::of_agents(&host.config.load().limits);
    let made = by.change(Action::AgentEnrol, move |db, entry| {
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
        Ok((id, code.owner))
    });
    let (id, owner) = match made.await {
        Ok(made) => made,
        Err(e) if e.code() == NOT_GOOD => {
            attempt.failed();
            return Err(e);
        }
        Err(e) => return Err(e),
    };
    attempt.succeeded();
    agent::changed(host, id, owner).await?;
    Ok((id, shown))
}

const NOT_GOOD: &str = "invalid_enrolment_code";

/// Wrong, used, revoked and expired codes are distinguished by nobody.
fn not_good() -> Error {
    Error::new(
        Kind::Forbidden,
        NOT_GOOD,
        "The enrolment code is wrong, expired or already used. Ask for a new one.",
    )
    .refusing(Action::AgentEnrol, None)
}
