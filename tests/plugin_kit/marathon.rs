//! MARATHON: a command that takes long.

use netignite::prelude::*;
use netignite::testkit::TestServer;

use super::turn;

/// The command.
pub struct Marathon;

impl Command for Marathon {
    const NAME: &'static str = "MARATHON";
    const SUMMARY: &'static str = "Run for long";
    const CLASS: Class = Class::Long;
    const TIMEOUT: Duration = Duration::from_secs(3600);

    type Payload = Empty;
    type Reply = Outcome;

    async fn run(_: &AgentContext, _: Empty) -> Result<Outcome, CommandError> {
        Ok(Outcome::ok("Arrived"))
    }
}

register_command!(Marathon);

#[tokio::test]
async fn what_takes_long_is_no_operation_of_a_microcontroller() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    for (kind, status) in [("microcontroller", 409), ("server", 202)] {
        let body = json!({"name": kind, "description": "", "type": kind, "secret": "a secret of sixteen"});
        let made = admin.post("/api/agents", body).await;
        assert_eq!(made.status, 201, "{made}");
        let agent = made.data();
        let wanted = json!({"kind": "command", "agentID": agent, "command": "MARATHON", "payload": {}});
        let answer = admin.post("/api/operations", wanted).await;
        assert_eq!(answer.status, status, "{answer}");
        assert!(status == 202 || answer.json()["code"] == "command_not_supported", "{answer}");
    }
}
