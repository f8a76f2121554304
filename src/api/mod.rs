//! The REST resources: one file a resource, and the one table of the host's own routes.
//!
//! A handler reads its typed body, calls one function of the domain and answers. Deliberately absent: SQL, frames,
//! permissions and ownership, which are the domain's, and HTTP statuses other than the two kinds of success. Health and metrics are plugins.

mod account;
mod agent_list;
mod agent_secret;
mod agents;
mod audit;
mod audit_filter;
mod auth;
mod check;
pub(crate) mod commands;
mod device_options;
mod device_status;
mod devices;
mod enrol;
mod enrolment_codes;
mod field;
mod given_shares;
mod ids;
mod log_level;
mod owner;
mod pages;
mod password_reset;
mod role;
mod secrets;
mod sessions;
mod shares;
mod token_body;
mod tokens;
mod totp;
mod user_tokens;
mod user_totp;
mod username;
mod users;
mod wakeup;

use crate::auth::permission::Permission as P;
use crate::domain::share::Of;
use crate::rest::{Access, Method, Route};

/// The host's own routes.
pub fn table() -> Vec<Route> {
    use Access::{Needs, Operator, Public, Session, SettingUp, SignedIn};

    vec![
        Route::new(Method::POST, "/api/auth/login", Public, "Log in", auth::login),
        Route::new(Method::GET, "/api/auth/session", SettingUp, "The caller's session", auth::session),
        Route::new(Method::POST, "/api/auth/logout", Public, "Log out", auth::logout),
        Route::new(
            Method::POST,
            "/api/auth/reset-password",
            Public,
            "Choose a new password with a reset token",
            password_reset::reset,
        ),
        Route::new(Method::GET, "/api/agents", Needs(P::AgentsRead), "List agents", agent_list::list),
        Route::new(Method::POST, "/api/agents", Needs(P::AgentsWrite), "Create an agent", agents::create),
        Route::new(
            Method::GET,
            "/api/agents/status",
            Needs(P::AgentsRead),
            "Which agents are connected",
            agent_list::status,
        ),
        Route::new(
            Method::GET,
            "/api/agents/enrolment-codes",
            Needs(P::AgentsWrite),
            "List the codes that new agents can still be made with",
            enrolment_codes::list,
        ),
        Route::new(
            Method::POST,
            "/api/agents/enrolment-codes",
            Needs(P::AgentsWrite),
            "Create a code that new agents are made with, which is shown only now",
            enrolment_codes::create,
        ),
        Route::new(
            Method::DELETE,
            "/api/agents/enrolment-codes/{id}",
            Needs(P::AgentsWrite),
            "Revoke an enrolment code",
            enrolment_codes::revoke,
        ),
        Route::new(
            Method::POST,
            "/api/agents/enrol",
            Public,
            "Create an agent with an enrolment code",
            enrol::enrol,
        ),
        Route::new(
            Method::GET,
            "/api/agents/{id}",
            Needs(P::AgentsRead),
            "An agent, for its owner with its secret",
            agents::get,
        ),
        Route::new(
            Method::PUT,
            "/api/agents/{id}",
            Needs(P::AgentsWrite),
            "Replace an agent",
            agents::update,
        ),
        Route::new(
            Method::DELETE,
            "/api/agents/{id}",
            Needs(P::AgentsWrite),
            "Delete an agent",
            agents::delete,
        ),
        Route::new(
            Method::POST,
            "/api/agents/{id}/secret",
            Needs(P::AgentsWrite),
            "Make a new secret for an agent; the one in use stays good for a while",
            agent_secret::rotate,
        ),
        Route::new(
            Method::GET,
            "/api/agents/{id}/shares",
            Needs(P::DevicesShare),
            "With whom an agent's devices are shared",
            |call, body| shares::list(call, body, Of::Agent),
        ),
        Route::new(
            Method::POST,
            "/api/agents/{id}/shares",
            Needs(P::DevicesShare),
            "Share all devices of an agent with another user, to see or to wake",
            |call, body| shares::create(call, body, Of::Agent),
        ),
        Route::new(
            Method::DELETE,
            "/api/agents/{id}/shares/{shareID}",
            Needs(P::DevicesShare),
            "Take back a share of all devices of an agent",
            |call, body| shares::delete(call, body, Of::Agent),
        ),
        Route::new(
            Method::POST,
            "/api/agents/{id}/commands/{name}",
            Needs(P::AgentsCommand),
            "Send a command to an agent and wait for its reply",
            commands::send,
        ),
        Route::new(
            Method::GET,
            "/api/commands",
            SignedIn,
            "List the commands agents can be sent",
            commands::list,
        ),
        Route::new(Method::GET, "/api/devices", Needs(P::DevicesRead), "List devices", devices::list),
        Route::new(Method::POST, "/api/devices", Needs(P::DevicesWrite), "Create a device", devices::create),
        Route::new(
            Method::GET,
            "/api/devices/status",
            Needs(P::DevicesRead),
            "Which devices are up",
            device_status::status,
        ),
        Route::new(Method::GET, "/api/devices/{id}", Needs(P::DevicesRead), "A device", devices::get),
        Route::new(
            Method::PUT,
            "/api/devices/{id}",
            Needs(P::DevicesWrite),
            "Replace a device",
            devices::update,
        ),
        Route::new(
            Method::DELETE,
            "/api/devices/{id}",
            Needs(P::DevicesWrite),
            "Delete a device",
            devices::delete,
        ),
        Route::new(
            Method::POST,
            "/api/devices/{id}/wakeup",
            Needs(P::DevicesWake),
            "Wake a device through its agent",
            wakeup::wakeup,
        ),
        Route::new(
            Method::GET,
            "/api/devices/{id}/shares",
            Needs(P::DevicesShare),
            "With whom a device is shared",
            |call, body| shares::list(call, body, Of::Device),
        ),
        Route::new(
            Method::POST,
            "/api/devices/{id}/shares",
            Needs(P::DevicesShare),
            "Share a device with another user, to see or to wake",
            |call, body| shares::create(call, body, Of::Device),
        ),
        Route::new(
            Method::DELETE,
            "/api/devices/{id}/shares/{shareID}",
            Needs(P::DevicesShare),
            "Take back a share of a device",
            |call, body| shares::delete(call, body, Of::Device),
        ),
        Route::new(
            Method::GET,
            "/api/shares",
            Needs(P::DevicesShare),
            "List what is shared with the caller",
            given_shares::list,
        ),
        Route::new(
            Method::DELETE,
            "/api/shares/{id}",
            Needs(P::DevicesShare),
            "Remove what is shared with the caller, or take back a share of the caller's",
            given_shares::delete,
        ),
        Route::new(
            Method::PUT,
            "/api/account/{id}",
            Session,
            "Replace the caller's account",
            account::update,
        ),
        Route::new(
            Method::GET,
            "/api/account/sessions",
            Session,
            "List the caller's sessions",
            sessions::list,
        ),
        Route::new(
            Method::DELETE,
            "/api/account/sessions",
            Session,
            "End all of the caller's sessions but this one",
            sessions::end_others,
        ),
        Route::new(
            Method::DELETE,
            "/api/account/sessions/{id}",
            Session,
            "End one of the caller's sessions",
            sessions::end,
        ),
        Route::new(Method::GET, "/api/account/tokens", Session, "List the caller's API tokens", tokens::list),
        Route::new(
            Method::POST,
            "/api/account/tokens",
            Session,
            "Create an API token, whose text is shown only now",
            tokens::create,
        ),
        Route::new(
            Method::DELETE,
            "/api/account/tokens/{id}",
            Session,
            "Revoke one of the caller's API tokens",
            tokens::revoke,
        ),
        Route::new(
            Method::GET,
            "/api/account/totp",
            SettingUp,
            "Whether the caller has a second factor",
            totp::state,
        ),
        Route::new(
            Method::POST,
            "/api/account/totp",
            SettingUp,
            "Begin to set up a second factor, whose secret is shown only now",
            totp::begin,
        ),
        Route::new(
            Method::POST,
            "/api/account/totp/confirm",
            SettingUp,
            "Put the second factor in force; recovery codes are shown only now",
            totp::confirm,
        ),
        Route::new(
            Method::DELETE,
            "/api/account/totp",
            SettingUp,
            "Turn the caller's second factor off",
            totp::turn_off,
        ),
        Route::new(Method::GET, "/api/admin/users", Needs(P::UsersRead), "List users", users::list),
        Route::new(Method::POST, "/api/admin/users", Needs(P::UsersWrite), "Create a user", users::create),
        Route::new(Method::GET, "/api/admin/users/{id}", Needs(P::UsersRead), "A user", users::get),
        Route::new(
            Method::PUT,
            "/api/admin/users/{id}",
            Needs(P::UsersWrite),
            "Change a user",
            users::update,
        ),
        Route::new(
            Method::DELETE,
            "/api/admin/users/{id}",
            Needs(P::UsersWrite),
            "Delete a user",
            users::delete,
        ),
        Route::new(
            Method::GET,
            "/api/admin/audit",
            Needs(P::AuditRead),
            "Read the audit log, the newest entries first",
            audit::list,
        ),
        Route::raw(
            Method::GET,
            "/api/admin/audit/export",
            Needs(P::AuditRead),
            "The whole audit log, one JSON object a line",
            audit::export,
        ),
        Route::new(
            Method::GET,
            "/api/admin/log-level",
            Needs(P::ServerAdmin),
            "How much is logged",
            log_level::get,
        ),
        Route::new(
            Method::PUT,
            "/api/admin/log-level",
            Needs(P::ServerAdmin),
            "Change how much is logged, until the next start",
            log_level::set,
        ),
        Route::new(
            Method::POST,
            "/api/admin/users/{id}/password-reset",
            Needs(P::UsersWrite),
            "Make a one-time token with which a user chooses a new password",
            password_reset::issue,
        ),
        Route::new(
            Method::POST,
            "/api/admin/secrets/rotate-key",
            Needs(P::ServerAdmin),
            "Seal all secrets with a new data key",
            secrets::rotate_key,
        ),
        Route::new(
            Method::POST,
            "/api/admin/secrets/rotate-master-key",
            Operator,
            "Change the master key",
            secrets::rotate_master_key,
        ),
        Route::new(
            Method::GET,
            "/api/admin/users/{id}/tokens",
            Needs(P::UsersRead),
            "List a user's API tokens",
            user_tokens::list,
        ),
        Route::new(
            Method::POST,
            "/api/admin/users/{id}/tokens",
            Operator,
            "Create an API token for a user, whose text is shown only now",
            user_tokens::create,
        ),
        Route::new(
            Method::DELETE,
            "/api/admin/users/{id}/tokens/{tokenID}",
            Needs(P::UsersWrite),
            "Revoke an API token of a user",
            user_tokens::revoke,
        ),
        Route::new(
            Method::DELETE,
            "/api/admin/users/{id}/totp",
            Needs(P::UsersWrite),
            "Remove a user's second factor",
            user_totp::remove,
        ),
    ]
}
