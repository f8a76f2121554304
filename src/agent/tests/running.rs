//! A command while it runs: it says how far it is where the server understands that, and ends when it is canceled.

use std::future::pending;

use tokio_tungstenite::tungstenite::http::HeaderValue;

use super::*;
use crate::registry::Progress;

/// Counts as fast as it can, and is dropped when it is canceled.
pub(super) struct Count;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub(super) struct UpTo {
    milliseconds: u64,
}

impl Command for Count {
    const NAME: &'static str = "COUNT";
    const SUMMARY: &'static str = "Count";
    const TIMEOUT: Duration = Duration::from_secs(60);
    const CANCELABLE: bool = true;
    type Payload = UpTo;
    type Reply = Outcome;

    async fn run(agent: &AgentContext, payload: UpTo) -> Result<Outcome, CommandError> {
        let end = Instant::now() + Duration::from_millis(payload.milliseconds);
        let mut counted = 0;
        while Instant::now() < end {
            counted += 1;
            agent.progress(Progress::of(counted, 1_000_000).saying("\u{1}é".repeat(300)));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Outcome::ok("counted"))
    }
}

pub(super) static COUNT: CommandEntry = CommandEntry::of::<Count>();

/// Minds itself that it is canceled: answers so, or goes on as if nothing had been.
pub(super) struct Mind;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub(super) struct Minds {
    answers: bool,
}

impl Command for Mind {
    const NAME: &'static str = "MIND";
    const SUMMARY: &'static str = "Mind that it is canceled";
    const TIMEOUT: Duration = Duration::from_secs(60);
    const CANCELABLE: bool = true;
    type Payload = Minds;
    type Reply = Outcome;

    async fn run(agent: &AgentContext, payload: Minds) -> Result<Outcome, CommandError> {
        assert!(!agent.is_cancelled());
        agent.progress("waiting");
        agent.cancelled().await;
        assert!(agent.is_cancelled());
        if payload.answers { Ok(Outcome::ok("half of it")) } else { pending().await }
    }
}

pub(super) static MIND: CommandEntry = CommandEntry::of::<Mind>();

const ENDED: &str = r#"{"code":"canceled","message":"The command was canceled","status":"ERROR"}"#;

/// Connects to a server that answers that it understands these features.
async fn understood(features: &'static str) -> (WebSocketStream<TcpStream>, Running) {
    let (listener, url) = listen().await;
    let agent = Running::start(&url);
    let (stream, _) = soon(listener.accept()).await.unwrap();
    let answer = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let said = request.headers()["netignite-agent"].to_str().unwrap();
        assert!(said.ends_with("; features=progress,cancel"), "{said}");
        if !features.is_empty() {
            response.headers_mut().insert("netignite-features", HeaderValue::from_static(features));
        }
        Ok(response)
    };
    (soon(tokio_tungstenite::accept_hdr_async(stream, answer)).await.unwrap(), agent)
}

async fn say(server: &mut WebSocketStream<TcpStream>, text: &str) {
    server.send(Message::text(text)).await.unwrap();
}

#[tokio::test]
async fn at_most_four_reports_a_second_are_sent_the_newest_each_time_and_bounded() {
    let (mut server, _agent) = understood("later,progress").await;
    let began = Instant::now();
    say(&mut server, r#"COUNT:7:{"milliseconds":2000}"#).await;
    let mut reports: Vec<Progress> = Vec::new();
    let reply = loop {
        let text = next(&mut server).await;
        let Some(json) = text.strip_prefix("PROGRESS:7:") else { break text };
        assert!(json.len() <= 2048, "{} bytes", json.len());
        reports.push(serde_json::from_str(json).unwrap());
    };
    assert_eq!(reply, r#"COUNT:7:{"status":"OK","message":"counted"}"#);
    let most = began.elapsed().as_millis() / 250 + 1;
    assert!((2..=most).contains(&(reports.len() as u128)), "{} in {:?}", reports.len(), began.elapsed());
    assert!(reports.windows(2).all(|pair| pair[0].done < pair[1].done), "{reports:?}");
    assert!(reports.last().unwrap().done > Some(100), "old ones were sent: {reports:?}");
    assert!(reports.iter().all(|report| report.message.chars().count() == 200));
}

#[tokio::test]
async fn a_server_that_does_not_understand_reports_gets_none() {
    for features in ["", "cancel", "telepathy"] {
        let (mut server, _agent) = understood(features).await;
        let reply = ask(&mut server, r#"COUNT:7:{"milliseconds":300}"#).await;
        assert_eq!(reply, r#"COUNT:7:{"status":"OK","message":"counted"}"#);
    }
}

#[tokio::test]
async fn a_canceled_command_is_dropped_and_answered_at_once() {
    let (mut server, _agent) = understood("cancel").await;
    say(&mut server, r#"COUNT:7:{"milliseconds":50000}"#).await;
    say(&mut server, r#"COUNT:8:{"milliseconds":500}"#).await;
    // Of one that is not there nothing is said.
    say(&mut server, "CANCEL:4000:{}").await;
    let began = Instant::now();
    say(&mut server, "CANCEL:7:{}").await;
    say(&mut server, "CANCEL:7:{}").await;
    assert_eq!(next(&mut server).await, format!("COUNT:7:{ENDED}"));
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // The other one goes on.
    assert_eq!(next(&mut server).await, r#"COUNT:8:{"status":"OK","message":"counted"}"#);
    say(&mut server, "CANCEL:8:{}").await;
    assert_eq!(ask(&mut server, "HEARTBEAT:9:{}").await, "HEARTBEAT:9:{}");
}

#[tokio::test]
async fn a_command_that_minds_it_ends_by_itself_or_is_ended_two_seconds_later() {
    let (mut server, _agent) = understood("progress,cancel").await;
    for (answers, reply) in [(true, r#"{"status":"OK","message":"half of it"}"#), (false, ENDED)] {
        say(&mut server, &format!(r#"MIND:7:{{"answers":{answers}}}"#)).await;
        assert_eq!(next(&mut server).await, r#"PROGRESS:7:{"message":"waiting"}"#);
        say(&mut server, "CANCEL:7:{}").await;
        assert_eq!(next(&mut server).await, format!("MIND:7:{reply}"));
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_ended_is_not() {
    let (mut server, _agent) = understood("cancel").await;
    say(&mut server, r#"WAIT:7:{"milliseconds":500}"#).await;
    say(&mut server, "CANCEL:7:{}").await;
    assert_eq!(next(&mut server).await, r#"WAIT:7:{"status":"OK","message":"500"}"#);
}
