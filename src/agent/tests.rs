//! The agent against a server played by an independent WebSocket library.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::result_large_err)]

mod refusals;
mod running;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{Frame, Utf8Bytes};

use super::*;
use crate::model::agent_features::AgentFeatures;
use crate::registry::{Class, Command, CommandEntry, CommandError, Empty, Outcome};

/// Waits for something that must happen soon.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("nothing happened within 20 s")
}

/// Answers after as many milliseconds as asked.
struct Wait;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Milliseconds {
    milliseconds: u64,
}

impl Command for Wait {
    const NAME: &'static str = "WAIT";
    const SUMMARY: &'static str = "Wait";
    const TIMEOUT: Duration = Duration::from_secs(2);
    type Payload = Milliseconds;
    type Reply = Outcome;

    async fn run(_: &AgentContext, payload: Milliseconds) -> Result<Outcome, CommandError> {
        tokio::time::sleep(Duration::from_millis(payload.milliseconds)).await;
        Ok(Outcome::ok(payload.milliseconds.to_string()))
    }
}

struct Panic;

impl Command for Panic {
    const NAME: &'static str = "PANIC";
    const SUMMARY: &'static str = "Panic";
    const CLASS: Class = Class::Question;
    type Payload = Empty;
    type Reply = Empty;

    async fn run(_: &AgentContext, _: Empty) -> Result<Empty, CommandError> {
        panic!("as it was asked to")
    }
}

/// Answers with as many bytes as asked.
struct Large;

#[derive(serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
struct Bytes {
    bytes: usize,
}

impl Command for Large {
    const NAME: &'static str = "LARGE";
    const SUMMARY: &'static str = "Answer at length";
    type Payload = Bytes;
    type Reply = String;

    async fn run(_: &AgentContext, payload: Bytes) -> Result<String, CommandError> {
        Ok("x".repeat(payload.bytes))
    }
}

static LARGE: CommandEntry = CommandEntry::of::<Large>();
static WAIT: CommandEntry = CommandEntry::of::<Wait>();
static PANIC: CommandEntry = CommandEntry::of::<Panic>();

/// A running agent.
struct Running {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

impl Running {
    /// Starts agent 7 with the secret `s3:cret`.
    fn start(base: &str) -> Self {
        let mut entries: Vec<_> = Registry::build().unwrap().iter().collect();
        entries.extend([&WAIT, &PANIC, &LARGE, &running::COUNT, &running::MIND]);
        let url = ServerUrl::parse(base).unwrap();
        let registry = Registry::from_entries(entries).unwrap();
        let agent = Agent {
            connector: Connector::new(url.clone(), 7, &registry).unwrap(),
            served: Served::new(registry, &Permitted::default()).unwrap(),
            url,
            id: 7,
            secret: Secret::Known("s3:cret".into()),
            context: AgentContext::new(Arc::new(LocalNetwork::new(Some(Ipv4Addr::LOCALHOST)))),
            chatter: Arc::default(),
        };
        let shutdown = Shutdown::new();
        let stop = shutdown.clone();
        Self { task: tokio::spawn(async move { agent.run(&stop).await }), shutdown }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A server on a free port, and its base URL with a path.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    (listener, format!("ws://{address}/power"))
}

/// Takes the agent's next connection, checking what it says of itself.
async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    let (stream, _) = soon(listener.accept()).await.unwrap();
    let check = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        assert_eq!(request.uri(), "/power/api/agent-control-service");
        // 7:s3:cret
        assert_eq!(request.headers()["authorization"], "Basic NzpzMzpjcmV0");
        assert_eq!(request.headers()["host"], listener.local_addr().unwrap().to_string().as_str());
        assert!(request.headers().get("origin").is_none());
        Ok(response)
    };
    soon(tokio_tungstenite::accept_hdr_async(stream, check)).await.unwrap()
}

async fn connected() -> (WebSocketStream<TcpStream>, Running) {
    let (listener, url) = listen().await;
    let agent = Running::start(&url);
    (accept(&listener).await, agent)
}

async fn ask(server: &mut WebSocketStream<TcpStream>, text: &str) -> String {
    server.send(Message::text(text)).await.unwrap();
    next(server).await
}

async fn next(server: &mut WebSocketStream<TcpStream>) -> String {
    soon(server.next()).await.unwrap().unwrap().into_text().unwrap().to_string()
}

#[tokio::test]
async fn every_command_of_the_protocol_is_answered() {
    let (mut server, _agent) = connected().await;
    assert_eq!(ask(&mut server, "HEARTBEAT:1:{}").await, "HEARTBEAT:1:{}");
    assert_eq!(
        ask(&mut server, "SELF_DESTRUCT:4294967295:{}").await,
        r#"SELF_DESTRUCT:4294967295:{"message":"Unknown command","status":"ERROR"}"#
    );
    let status = ask(&mut server, r#"GET_STATUS:2:{"address":"127.0.0.1"}"#).await;
    assert_eq!(status, r#"GET_STATUS:2:{"status":"OK","message":"127.0.0.1 answers","online":"online"}"#);

    let device = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = device.local_addr().unwrap().port();
    let woken =
        ask(&mut server, &format!(r#"WAKEUP:3:{{"macAddress":"AA:BB:CC:DD:EE:FF","port":{port}}}"#)).await;
    assert!(woken.starts_with(r#"WAKEUP:3:{"status":"OK","#), "{woken}");
    for _ in 0..3 {
        assert_eq!(soon(device.recv(&mut [0; 1500])).await.unwrap(), 102);
    }
}

#[tokio::test]
async fn a_payload_that_does_not_fit_is_refused_with_the_field() {
    let (mut server, _agent) = connected().await;
    for (payload, field) in [
        (r#"{"macAddress":"nonsense","port":9}"#, "macAddress"),
        (r#"{"macAddress":"AA:BB:CC:DD:EE:FF","port":0}"#, "port"),
        (r#"{"macAddress":"AA:BB:CC:DD:EE:FF"}"#, "port"),
        ("not json", "Invalid payload"),
    ] {
        let reply = ask(&mut server, &format!("WAKEUP:1:{payload}")).await;
        assert!(reply.contains(r#""status":"ERROR""#) && reply.contains(field), "{payload}: {reply}");
    }
}

#[tokio::test]
async fn commands_run_side_by_side_and_are_answered_as_they_finish() {
    let (mut server, _agent) = connected().await;
    for (id, milliseconds) in [(1, 600), (2, 300), (3, 0)] {
        let text = format!(r#"WAIT:{id}:{{"milliseconds":{milliseconds}}}"#);
        server.send(Message::text(text)).await.unwrap();
    }
    for id in [3, 2, 1] {
        let reply = next(&mut server).await;
        assert!(reply.starts_with(&format!("WAIT:{id}:")), "{reply}");
    }
}

#[tokio::test]
async fn no_more_than_sixteen_run_at_once_and_heartbeats_pass_them() {
    let (mut server, _agent) = connected().await;
    for id in 0..17 {
        server.send(Message::text(format!(r#"WAIT:{id}:{{"milliseconds":1000}}"#))).await.unwrap();
    }
    let refused = next(&mut server).await;
    assert_eq!(
        refused,
        r#"WAIT:16:{"code":"too_many_commands","message":"Too many commands at once","status":"ERROR"}"#
    );
    assert_eq!(ask(&mut server, "HEARTBEAT:99:{}").await, "HEARTBEAT:99:{}");
    for _ in 0..16 {
        assert!(next(&mut server).await.contains(r#""status":"OK""#));
    }
}

#[tokio::test]
async fn a_command_that_panics_or_hangs_is_answered_and_the_connection_lives() {
    let (mut server, _agent) = connected().await;
    let reply = ask(&mut server, "PANIC:1:{}").await;
    assert!(
        reply.starts_with(r#"PANIC:1:{"code":"command_panicked","message":"The command failed"#),
        "{reply}"
    );
    let reply = ask(&mut server, r#"WAIT:2:{"milliseconds":60000}"#).await;
    assert_eq!(
        reply,
        r#"WAIT:2:{"code":"command_timed_out","message":"The command took longer than 2s","status":"ERROR"}"#
    );
    assert_eq!(ask(&mut server, "HEARTBEAT:3:{}").await, "HEARTBEAT:3:{}");
}

#[tokio::test]
async fn pings_are_answered_and_what_is_no_command_is_passed_over() {
    let (mut server, _agent) = connected().await;
    for text in ["", "nonsense", "HEARTBEAT:x:{}", "HEARTBEAT:4294967296:{}", "HEARTBEAT:1"] {
        server.send(Message::text(text)).await.unwrap();
    }
    server.send(Message::Ping("are you there".into())).await.unwrap();
    match soon(server.next()).await.unwrap().unwrap() {
        Message::Pong(payload) => assert_eq!(&payload[..], b"are you there"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn fragments_make_one_message_even_with_a_ping_between() {
    let (mut server, _agent) = connected().await;
    let (text, more) = (OpCode::Data(Data::Text), OpCode::Data(Data::Continue));
    server.send(Message::Frame(Frame::message("HEART", text, false))).await.unwrap();
    server.send(Message::Ping("".into())).await.unwrap();
    server.send(Message::Frame(Frame::message("BEAT:5", more, false))).await.unwrap();
    server.send(Message::Frame(Frame::message(":{}", more, true))).await.unwrap();
    assert!(soon(server.next()).await.unwrap().unwrap().is_pong());
    assert_eq!(next(&mut server).await, "HEARTBEAT:5:{}");
}

/// The code of the close frame that comes next.
async fn close_code(server: &mut WebSocketStream<TcpStream>) -> u16 {
    loop {
        match soon(server.next()).await.expect("no close frame").unwrap() {
            Message::Close(frame) => return frame.expect("a close frame without a code").code.into(),
            _ => continue,
        }
    }
}

#[tokio::test]
async fn a_message_beyond_64_kib_ends_the_connection_however_it_is_cut() {
    let (mut server, _agent) = connected().await;
    server.send(Message::text("x".repeat(65_537))).await.unwrap();
    assert_eq!(close_code(&mut server).await, 1009);

    let (mut server, _agent) = connected().await;
    server.send(Message::Frame(Frame::message("x", OpCode::Data(Data::Text), false))).await.unwrap();
    for _ in 0..5 {
        let part = Frame::message(vec![b'x'; 16_384], OpCode::Data(Data::Continue), false);
        server.send(Message::Frame(part)).await.unwrap();
    }
    assert_eq!(close_code(&mut server).await, 1009);
}

#[tokio::test]
async fn a_message_of_15_360_bytes_is_taken_and_a_longer_one_is_not() {
    let (mut server, _agent) = connected().await;
    let padded = |length: usize| {
        let head = "HEARTBEAT:1:{}";
        Message::text(format!("{head}{}", " ".repeat(length - head.len())))
    };
    server.send(padded(15_360)).await.unwrap();
    assert_eq!(next(&mut server).await, "HEARTBEAT:1:{}");
    server.send(padded(15_361)).await.unwrap();
    assert_eq!(close_code(&mut server).await, 1009);
}

#[tokio::test]
async fn a_reply_that_is_too_large_is_answered_as_an_error_and_nothing_else_is_lost() {
    let (mut server, _agent) = connected().await;
    server.send(Message::text(r#"WAIT:1:{"milliseconds":1500}"#)).await.unwrap();
    // `LARGE:2:` and two quotes around it.
    let largest = ask(&mut server, r#"LARGE:2:{"bytes":65526}"#).await;
    assert_eq!(largest.len(), 65_536);
    for bytes in [65_527, 10_000_000] {
        let refused = ask(&mut server, &format!(r#"LARGE:3:{{"bytes":{bytes}}}"#)).await;
        assert!(refused.starts_with(r#"LARGE:3:{"#) && refused.contains(r#""status":"ERROR""#), "{refused}");
        assert!(refused.contains("too large") && refused.contains("65536"), "{refused}");
        assert!(refused.contains(r#""code":"reply_too_large""#), "{refused}");
    }
    assert_eq!(next(&mut server).await, r#"WAIT:1:{"status":"OK","message":"1500"}"#);
}

#[tokio::test]
async fn what_breaks_the_protocol_ends_the_connection_with_its_code() {
    for (frame, code) in [
        (Frame::message("x", OpCode::Data(Data::Continue), true), 1002),
        (Frame::message(vec![0xFF, 0xFE], OpCode::Data(Data::Text), true), 1007),
        (Frame::message(vec![0xFF, 0xFE], OpCode::Data(Data::Binary), true), 1007),
    ] {
        let (mut server, _agent) = connected().await;
        server.send(Message::Frame(frame)).await.unwrap();
        assert_eq!(close_code(&mut server).await, code);
    }
}

#[tokio::test]
async fn it_comes_back_after_the_server_has_gone() {
    let (listener, url) = listen().await;
    let _agent = Running::start(&url);
    drop(accept(&listener).await);
    let mut server = accept(&listener).await;
    assert_eq!(ask(&mut server, "HEARTBEAT:1:{}").await, "HEARTBEAT:1:{}");
    let frame = CloseFrame { code: 1001.into(), reason: Utf8Bytes::from_static("stopping") };
    server.close(Some(frame)).await.unwrap();
    assert_eq!(close_code(&mut server).await, 1001, "the close frame is answered");
    let mut server = accept(&listener).await;
    assert_eq!(ask(&mut server, "HEARTBEAT:2:{}").await, "HEARTBEAT:2:{}");
}

#[tokio::test]
async fn asked_to_stop_it_says_goodbye() {
    let (mut server, mut agent) = connected().await;
    // Only then has the agent seen that it is connected.
    assert_eq!(ask(&mut server, "HEARTBEAT:1:{}").await, "HEARTBEAT:1:{}");
    agent.shutdown.cancel();
    assert_eq!(close_code(&mut server).await, 1000);
    // The server answers the close frame by itself and the agent ends.
    let _ = server.next().await;
    soon(&mut agent.task).await.unwrap();
}

#[tokio::test]
async fn asked_to_stop_while_nobody_answers_it_stops_too() {
    let (_listener, url) = listen().await;
    let mut agent = Running::start(&url);
    agent.shutdown.cancel();
    soon(&mut agent.task).await.unwrap();
}

#[test]
fn the_servers_close_codes_are_explained() {
    for (code, word, lasts) in [
        (4001, "running twice", true),
        (4002, "secret was changed", true),
        (4003, "deleted", true),
        (4004, "heard nothing", false),
        (1001, "stopping", false),
        (1011, "1011 (oops)", false),
    ] {
        let ended = Ended::Closed(Some(code), "oops".into());
        assert!(ended.to_string().contains(word) && ended.lasts() == lasts, "{code}: {ended}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_listens_is_given_up_and_one_that_pings_is_not() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let shutdown = Shutdown::new();
    let served = Served::new(Registry::build().unwrap(), &Permitted::default()).unwrap();
    let context = AgentContext::new(Arc::new(LocalNetwork::new(None)));
    let (ours, mut theirs) = tokio::io::duplex(1024);
    let chatter = Arc::default();
    let began = Instant::now();
    let server = async {
        for _ in 0..4 {
            tokio::time::sleep(Duration::from_secs(70)).await;
            theirs.write_all(&[0x89, 0]).await.unwrap();
            // A masked pong without payload.
            let mut pong = [0; 6];
            theirs.read_exact(&mut pong).await.unwrap();
            assert_eq!(pong[..2], [0x8A, 0x80]);
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        ended = runner::run(ours, &served, &context, AgentFeatures::ALL, &chatter, &shutdown) => ended,
        () = server => unreachable!(),
    };
    assert_eq!(ended, Ended::Silent);
    assert_eq!(began.elapsed().as_secs(), 4 * 70 + 80);
}
