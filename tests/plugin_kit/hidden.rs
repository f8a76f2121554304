//! HIDDEN: a command that the server alone sends, which a plugin is a part of.

use netignite::prelude::*;
use netignite::testkit::TestServer;

use super::notes::Notes;
use super::turn;

/// The command.
pub struct Hidden;

impl Command for Hidden {
    const NAME: &'static str = "HIDDEN";
    const SUMMARY: &'static str = "Say who is asked";
    const INTERNAL: bool = true;

    type Payload = Empty;
    type Reply = Outcome;

    async fn run(_: &AgentContext, _: Empty) -> Result<Outcome, CommandError> {
        Ok(Outcome::ok("Me"))
    }
}

register_command!(Hidden);

#[tokio::test]
async fn a_plugin_sends_a_command_that_callers_cannot() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let host = server.host();
    let reply = host.send::<Hidden>(&host.by::<Notes>(), agent.id, &Empty {}).await.unwrap();
    assert_eq!(reply.message, "Me");
    let refused = admin.post(&format!("/api/agents/{}/commands/HIDDEN", agent.id), json!({})).await;
    assert_eq!(refused.status, 404, "{refused}");
    let kind = json!({"kind": "command", "agentID": agent.id, "command": "HIDDEN", "payload": {}});
    assert_eq!(admin.post("/api/operations", kind).await.status, 404);
    assert!(!admin.get("/api/commands").await.text().contains("HIDDEN"));
}
