//! The REST resources: one file a resource, whose `routes()` are its rows of the one table.
//!
//! A handler reads its typed body, calls one function of the domain and answers. Deliberately absent: SQL, frames,
//! permissions and ownership, which are the domain's, and HTTP statuses other than the two kinds of success. Health and metrics are plugins.

mod account;
mod agent_connection;
mod agent_list;
mod agent_secret;
mod agents;
mod audit;
mod audit_filter;
mod auth;
mod bounded;
mod check;
pub(crate) mod commands;
mod device_list;
mod device_options;
mod device_status;
mod devices;
mod enrol;
mod enrolment_codes;
mod events;
mod field;
mod given_shares;
mod ids;
mod link;
mod list_query;
mod log_level;
mod navigation;
mod operation_query;
mod operation_view;
mod operations;
mod owner;
mod pages;
mod password_reset;
mod permissions;
mod power;
mod prefer;
mod query_keys;
mod role;
mod secrets;
mod server_status;
mod sessions;
mod shares;
mod tags;
mod timeline;
mod token_body;
mod tokens;
mod totp;
mod until;
mod user_tokens;
mod user_totp;
mod username;
mod users;
mod wakeup;

use crate::rest::Route;

pub(crate) use self::events::show as show_event;

/// The host's own routes.
pub fn table() -> Vec<Route> {
    [
        agent_connection::routes(),
        auth::routes(),
        password_reset::routes(),
        permissions::routes(),
        navigation::routes(),
        device_list::routes(),
        devices::routes(),
        device_status::routes(),
        wakeup::routes(),
        agents::routes(),
        agent_list::routes(),
        agent_secret::routes(),
        enrol::routes(),
        enrolment_codes::routes(),
        commands::routes(),
        shares::routes(),
        given_shares::routes(),
        account::routes(),
        sessions::routes(),
        totp::routes(),
        tokens::routes(),
        users::routes(),
        user_totp::routes(),
        user_tokens::routes(),
        audit::routes(),
        log_level::routes(),
        server_status::routes(),
        secrets::routes(),
        events::routes(),
        operations::routes(),
        power::routes(),
        timeline::routes(),
    ]
    .concat()
}
