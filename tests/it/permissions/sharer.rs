//! Someone who shares devices and agents with everyone, and what is shared with a guest.

use serde_json::{Value, json};

use super::case::{OWNERS, Share, Who};
use super::rules::Target;
use super::world::{Thing, World};
use crate::support::Client;

/// Someone whom things are shared with, and who calls nothing.
pub(super) const GUEST: &str = "gundula";

impl World {
    /// Shares a new thing with everyone if its owner is a sharer.
    pub(super) async fn share_with_everyone(&self, target: Target, owner: Who, thing: Thing) {
        let Who::Sharer(share) = owner else { return };
        let path = match (target, share) {
            (Target::Device, Share::OfAgent) => format!("/api/agents/{}/shares", thing.agent),
            (Target::Device, _) => format!("/api/devices/{}/shares", thing.id),
            (Target::Agent, _) => format!("/api/agents/{}/shares", thing.id),
            _ => return,
        };
        let permissions = if share == Share::View { json!(["view"]) } else { json!(["wake"]) };
        // It ends before the first of the calls.
        let expires_at = if share == Share::Expired { json!(self.now() + 60_000) } else { Value::Null };
        for everyone in OWNERS {
            let username = &self.client(everyone).username;
            let body = json!({"username": username, "permissions": permissions, "expiresAt": expires_at});
            self.client(owner).post(&path, body).await.expect(201);
        }
    }

    /// Shares a thing of the client's, with the guest too.
    pub(super) async fn share_with_guest(&self, client: &Client, target: Target, thing: Thing) -> Thing {
        let reply = client.post(&path_of_shares(target, thing.id), body()).await.expect(201);
        Thing { of: thing.id, ..Thing::of(reply.data()["id"].as_i64().expect("an ID")) }
    }
}

/// Where the shares of a thing are.
pub(super) fn path_of_shares(target: Target, id: i64) -> String {
    let noun = if matches!(target, Target::DeviceShare | Target::Device) { "devices" } else { "agents" };
    format!("/api/{noun}/{id}/shares")
}

/// A share with the guest.
pub(super) fn body() -> Value {
    json!({"username": GUEST, "permissions": ["view"]})
}
