//! The path that agents connect to.

use hyper::header::{ALLOW, AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};

use super::tags::AGENTS;
use crate::error::failures as f;
use crate::rest::Route;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get("/api/agent-control-service", "Connect as an agent, by WebSocket")
            .tag(AGENTS)
            .reads(AUTHORIZATION, "The agent's ID and secret, as `Basic`")
            .reads(SEC_WEBSOCKET_PROTOCOL, "The first one is answered")
            .sends(SEC_WEBSOCKET_PROTOCOL, "The first of those asked for")
            .sends(SEC_WEBSOCKET_VERSION, "13, where another was asked for")
            .sends(UPGRADE, "websocket")
            .sends(ALLOW, "GET, where another method was used")
            .fails(&[
                f::NOT_AN_AGENTS_DOOR,
                f::METHOD_NOT_ALLOWED,
                f::UPGRADE_REQUIRED,
                f::INVALID_HANDSHAKE,
                f::FOREIGN_ORIGIN,
                f::UNAUTHENTICATED,
                f::TOO_MANY_ATTEMPTS,
                f::STOPPING,
            ])
            .agents_door(),
    ]
}
