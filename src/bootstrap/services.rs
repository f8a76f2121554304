//! The services that make up a [`Host`], on its open database.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::step::{StartError, Step};
use crate::audit::{Pace, Recorder};
use crate::auth::accounts::Accounts;
use crate::auth::password::Passwords;
use crate::auth::session::Sessions;
use crate::auth::throttle::Throttle;
use crate::auth::tokens::Tokens;
use crate::clock::Clock;
use crate::config::Config;
use crate::control::Control;
use crate::domain::operation::Operations;
use crate::events::Events;
use crate::host::{AgentChanges, Host};
use crate::logging::LogLevel;
use crate::model::event::Event;
use crate::model::remembered::Remembered;
use crate::model::request_id::RequestIds;
use crate::model::shutdown::Shutdown;
use crate::registry::Registry;
use crate::store::{Store, agents};

/// Loads sessions, tokens and agents, and puts everything together.
///
/// # Errors
/// The database cannot be read, or the system has no randomness.
pub(super) async fn host(
    config: Config,
    log_level: LogLevel,
    registry: Registry,
    events: Arc<Events>,
    clock: Clock,
    store: Store,
    passwords: Passwords,
) -> Result<Arc<Host>, StartError> {
    let step = Step::begin("sessions and tokens");
    let sessions = Sessions::load(store.clone(), clock.clone()).await.map_err(StartError::new)?;
    let tokens = Tokens::load(store.clone(), clock.clone()).await.map_err(StartError::new)?;
    step.done("loaded");

    let step = Step::begin("command registry");
    step.done(format_args!("{} commands", registry.iter().len()));

    let step = Step::begin("agents");
    let credentials = store.read(agents::all_credentials).await.map_err(StartError::new)?;
    let count = credentials.len();
    let requests = RequestIds::new().map_err(StartError::new)?;
    let remembered = Remembered::default();
    let operations = remembered.get(Operations::default);
    let emit = {
        let events = events.clone();
        move |event| {
            if let Event::AgentOnline { agent } = event {
                operations.agent_online(agent);
            }
            events.emit(event);
        }
    };
    let names = registry.iter().map(|entry| entry.name).collect();
    let host = Arc::new(Host {
        config: ArcSwap::from_pointee(config),
        log_level,
        clock: clock.clone(),
        events,
        accounts: Accounts::new(store.clone(), clock.clone()),
        audit: Recorder::new(store.clone(), clock.clone()),
        pace: Pace::default(),
        remembered,
        store,
        registry,
        control: Control::new(clock.clone(), names, Box::new(emit)),
        passwords,
        sessions,
        tokens,
        throttle: Throttle::new(clock.clone()),
        requests,
        handshakes: Throttle::new(clock.clone()),
        agent_changes: AgentChanges::default(),
        shutdown: Shutdown::new(),
    });
    host.control.load(credentials);
    step.done(format_args!("{count} loaded"));
    Ok(host)
}
