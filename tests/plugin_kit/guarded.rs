//! GUARDED: a command of which the server does a part.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use netignite::prelude::*;

/// How many replies were kept.
pub static KEPT: AtomicU64 = AtomicU64::new(0);

/// What is wanted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Payload {
    /// What is wanted.
    want: String,
}

/// The command.
pub struct Guarded;

impl Command for Guarded {
    const NAME: &'static str = "GUARDED";
    const SUMMARY: &'static str = "Do what the server lets pass";

    type Payload = Payload;
    type Reply = Outcome;

    fn check(payload: &Payload) -> Result<(), FieldError> {
        if payload.want.len() > 100 {
            Err(FieldError::new("want", "expected 100 characters"))
        } else {
            Ok(())
        }
    }

    async fn run(_: &AgentContext, payload: Payload) -> Result<Outcome, CommandError> {
        Ok(Outcome::ok(payload.want))
    }
}

impl ServerSide for Guarded {
    const MIGRATIONS: &'static [&'static str] = &[
        "CREATE TABLE command_guarded_replies (id INTEGER PRIMARY KEY, agent INTEGER NOT NULL, said TEXT NOT NULL) STRICT",
        "CREATE INDEX command_guarded_by_agent ON command_guarded_replies (agent)",
    ];

    async fn before(server: &ServerContext, payload: Payload) -> Result<Payload, CommandError> {
        match payload.want.as_str() {
            "panic" => panic!("as it was wanted"),
            "foreign" => {
                server.tables().query("SELECT username FROM users", []).await?;
                Ok(payload)
            }
            "how many" => {
                let sql = "SELECT count(*), max(said) FROM command_guarded_replies WHERE agent = ?1";
                let rows = server.tables().query(sql, [server.agent().into()]).await?;
                Ok(Payload { want: format!("{} replies, at last {}", rows[0].int(0), rows[0].text(1)) })
            }
            "block" => {
                std::thread::sleep(Duration::from_millis(1_500));
                Ok(payload)
            }
            "forever" => std::future::pending().await,
            "too much" => Ok(Payload { want: "x".repeat(101) }),
            "no" => Err(CommandError::new("unwanted", "Nobody wants that")),
            want => Ok(Payload { want: format!("{want} for {}", server.agent()) }),
        }
    }

    async fn after(server: &ReplyContext, reply: Outcome) -> Result<Outcome, CommandError> {
        if reply.message.starts_with("in vain") {
            return Err(CommandError::new("in_vain", "It was for nothing"));
        }
        KEPT.fetch_add(1, SeqCst);
        let agent = server.agent();
        let sql = "INSERT INTO command_guarded_replies (agent, said) VALUES (?1, ?2)";
        server.tables().execute(sql, [agent.into(), reply.message.as_str().into()]).await?;
        Ok(Outcome::ok(format!("{} by {agent}", reply.message)))
    }
}

register_command!(Guarded, server_side);
