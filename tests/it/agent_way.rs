//! How `netignite agent` and `agent enroll` reach the server: past dead addresses of its name, through a proxy, with the
//! certificates of the moment.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::agent_program::tls_server;
use super::support::binary::command;
use super::support::played::{Played, head, shake_hands};
use super::support::wait::within;
use super::support::{Binary, soon};

const SECRET: &str = "correct horse battery staple";

fn agent(directory: &Path, server: &str) -> Command {
    let mut agent = command(directory, &["agent", "--server", server, "--id", "7"]);
    agent.env("NETIGNITE_AGENT_SECRET", SECRET);
    agent
}

/// The program where the name `netignite.test` has these addresses: in a mount namespace of its own, with its own
/// `/etc/hosts`. None where the system allows no such thing.
async fn with_hosts(directory: &Path, program: &Command, addresses: &[SocketAddr]) -> Option<Command> {
    let hosts = directory.join("hosts");
    let lines = addresses.iter().map(|address| format!("{} netignite.test\n", address.ip()));
    std::fs::write(&hosts, lines.collect::<String>()).unwrap();
    let script = "mount --bind hosts /etc/hosts && exec \"$@\"";
    let inside = |arguments: Vec<std::ffi::OsString>| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).args(arguments);
        command
    };
    let mut trial = inside(vec!["true".into()]);
    if !trial.current_dir(directory).status().await.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no mount namespaces here, so that a name cannot be given addresses");
        return None;
    }
    let std = program.as_std();
    let words = std::iter::once(std.get_program()).chain(std.get_args()).map(ToOwned::to_owned).collect();
    let mut command = inside(words);
    command.current_dir(directory).env_clear().kill_on_drop(true);
    for (name, value) in std.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    Some(command)
}

/// An address that takes no connection and refuses none, as a machine that is off: a listener whose queue is full.
async fn dead_end(address: SocketAddr) -> (Socket, Vec<TcpStream>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&address.into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queue = Vec::new();
    while let Ok(Ok(waiting)) =
        tokio::time::timeout(Duration::from_millis(500), TcpStream::connect(address)).await
    {
        queue.push(waiting);
    }
    (socket, queue, address)
}

fn loopback(last: u8, port: u16) -> SocketAddr {
    ([127, 0, 0, last], port).into()
}

/// A server on the last of three addresses with one port; the others are dead.
async fn behind_dead_addresses() -> (Vec<(Socket, Vec<TcpStream>, SocketAddr)>, Played, Vec<SocketAddr>) {
    let first = dead_end(loopback(2, 0)).await;
    let port = first.2.port();
    let second = dead_end(loopback(3, port)).await;
    let listener = TcpListener::bind(loopback(4, port)).await.unwrap();
    (vec![first, second], Played { listener }, (2..=4).map(|last| loopback(last, port)).collect())
}

#[tokio::test]
async fn a_dead_address_of_a_name_keeps_no_agent_offline() {
    let directory = tempfile::tempdir().unwrap();
    let (_dead, server, addresses) = behind_dead_addresses().await;
    let program = agent(directory.path(), &format!("http://netignite.test:{}", addresses[0].port()));
    let Some(program) = with_hosts(directory.path(), &program, &addresses).await else { return };
    let agent = Binary::spawn(program);
    let connection = within(Duration::from_secs(12), "the agent", server.accept()).await;
    assert_eq!(connection.credentials, format!("7:{SECRET}"));
    agent.line(&["connected to"]).await;
    assert!(!agent.log().contains("not connected"), "{}", agent.log());
}

#[tokio::test]
async fn a_dead_address_of_a_name_hinders_no_enrolment() {
    let directory = tempfile::tempdir().unwrap();
    let (_dead, server, addresses) = behind_dead_addresses().await;
    let url = format!("http://netignite.test:{}", addresses[0].port());
    let mut program = command(directory.path(), &["agent", "enroll", "--name", "Pi", "--server", &url]);
    program.env("NETIGNITE_ENROLMENT_CODE", "\u{feff}7K3M-9QXD-0V5T-HB2E \r\n");
    let Some(program) = with_hosts(directory.path(), &program, &addresses).await else { return };
    let program = Binary::spawn(program);
    let (mut stream, _) =
        within(Duration::from_secs(12), "the request", server.listener.accept()).await.unwrap();
    answer_enrolment(&mut stream).await;
    let (status, said) = program.ended().await;
    assert!(status.success(), "{said}");
}

/// Takes an enrolment with the code `7K3M-9QXD-0V5T-HB2E`.
async fn answer_enrolment(stream: &mut TcpStream) {
    use tokio::io::AsyncReadExt;
    head(stream).await;
    let mut body = Vec::new();
    while !body.ends_with(b"}") {
        body.push(soon("the body", stream.read_u8()).await.unwrap());
    }
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["code"], "7K3M-9QXD-0V5T-HB2E");
    let made = r#"{"status":"OK","message":"m","data":{"id":7,"secret":"a secret of the server's"}}"#;
    let answer = format!("HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{made}", made.len());
    stream.write_all(answer.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn an_address_that_takes_connections_and_says_nothing_is_passed_over() {
    let directory = tempfile::tempdir().unwrap();
    // The kernel takes the connections, and nobody ever looks at them.
    let mute = TcpListener::bind(loopback(2, 0)).await.unwrap();
    let port = mute.local_addr().unwrap().port();
    let (_, tls, certificate) = tls_server().await;
    let listener = TcpListener::bind(loopback(3, port)).await.unwrap();
    std::fs::write(directory.path().join("trusted.pem"), certificate).unwrap();
    let addresses = [loopback(2, port), loopback(3, port)];

    // Over TLS the other one is asked at once: its certificate is for another name, which is an answer.
    let mut program = agent(directory.path(), &format!("https://netignite.test:{port}"));
    program.env("SSL_CERT_FILE", directory.path().join("trusted.pem"));
    let Some(program) = with_hosts(directory.path(), &program, &addresses).await else { return };
    let secure = Binary::spawn(program);
    let (tcp, _) = within(Duration::from_secs(12), "the agent", listener.accept()).await.unwrap();
    let _ = soon("the TLS handshake", tls.accept(tcp)).await;
    secure.line(&["not connected"]).await;
    secure.kill().await;

    // Without TLS the first attempt fails, and the next one goes elsewhere.
    let program = agent(directory.path(), &format!("http://netignite.test:{port}"));
    let Some(program) = with_hosts(directory.path(), &program, &addresses).await else { return };
    let _agent = Binary::spawn(program);
    let served = within(Duration::from_secs(50), "the agent", listener.accept()).await;
    shake_hands(served.unwrap().0).await;
}

/// A proxy that makes tunnels, and the heads of the requests for them.
async fn proxy(refusal: Option<&'static str>) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (note, noted) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let note = note.clone();
            tokio::spawn(async move {
                let head = head(&mut client).await;
                let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let _ = note.send(head);
                if let Some(refusal) = refusal {
                    client.write_all(refusal.as_bytes()).await.unwrap();
                    return;
                }
                let port = target.rsplit(':').next().and_then(|port| port.parse::<u16>().ok()).unwrap();
                let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (address, noted)
}

#[tokio::test]
async fn the_proxy_of_the_environment_is_asked_for_a_tunnel() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let port = server.address().port();
    let (proxy, mut asked) = proxy(None).await;
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        // The name is the proxy's business: it need not be known here.
        let mut program = agent(directory.path(), &format!("ws://netignite.test:{port}"));
        program.env(name, format!("http://mallory:hunter%4022@{proxy}"));
        let agent = Binary::spawn(program);
        let mut connection = server.accept().await;
        assert_eq!(connection.ask("HEARTBEAT:1:{}").await, "HEARTBEAT:1:{}");
        let head = asked.recv().await.unwrap();
        assert!(head.starts_with(&format!("CONNECT netignite.test:{port} HTTP/1.1\r\n")), "{head}");
        let basic = format!("Basic {}", BASE64_STANDARD.encode("mallory:hunter@22"));
        let line = head.lines().find(|line| line.to_lowercase().starts_with("proxy-authorization:")).unwrap();
        assert!(line.ends_with(&basic), "{line}");
        // The server's secret is not the proxy's business, nor the other way round.
        assert!(!head.contains(&BASE64_STANDARD.encode(format!("7:{SECRET}"))), "{head}");
        assert!(!connection.headers.iter().any(|(name, _)| name == "proxy-authorization"));
        agent.line(&["proxy", &proxy.to_string(), name]).await;
        assert!(!agent.log().contains("hunter") && !agent.log().contains("mallory"), "{}", agent.log());
    }
}

#[tokio::test]
async fn tls_goes_through_the_tunnel() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, tls, certificate) = tls_server().await;
    std::fs::write(directory.path().join("trusted.pem"), certificate).unwrap();
    let (proxy, mut asked) = proxy(None).await;
    let port = listener.local_addr().unwrap().port();
    let mut program = agent(directory.path(), &format!("wss://localhost:{port}"));
    program.env("SSL_CERT_FILE", directory.path().join("trusted.pem"));
    program.env("HTTPS_PROXY", proxy.to_string()).env("HTTP_PROXY", "http://127.0.0.1:1");
    let agent = Binary::spawn(program);
    let (tcp, _) = soon("the agent", listener.accept()).await.unwrap();
    let stream = soon("the TLS handshake", tls.accept(tcp)).await.unwrap();
    let _socket = soon("the handshake", tokio_tungstenite::accept_async(stream)).await.unwrap();
    agent.line(&["connected to"]).await;
    assert!(asked.recv().await.unwrap().starts_with(&format!("CONNECT localhost:{port} ")));
}

#[tokio::test]
async fn what_no_proxy_names_is_dialled_directly() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let port = server.address().port();
    for exceptions in ["127.0.0.0/8", "*", "10.0.0.0/8, 127.0.0.1", &format!("127.0.0.1:{port}")] {
        let mut program = agent(directory.path(), &format!("http://127.0.0.1:{port}"));
        program.env("HTTP_PROXY", "http://127.0.0.1:1").env("NO_PROXY", exceptions);
        let _agent = Binary::spawn(program);
        server.accept().await;
    }
    let mut program = agent(directory.path(), &format!("http://localhost:{port}"));
    program.env("http_proxy", "http://127.0.0.1:1").env("no_proxy", "example,.localhost");
    let _agent = Binary::spawn(program);
    server.accept().await;
}

#[tokio::test]
async fn what_is_wrong_with_the_proxy_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    for (refusal, words) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            &["407", "user:password@"][..],
        ),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", &["403", "NO_PROXY"]),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", &["502", "netignite.test:80"]),
    ] {
        let (proxy, _asked) = proxy(Some(refusal)).await;
        let mut program = agent(directory.path(), "http://netignite.test");
        program.env("HTTP_PROXY", format!("http://u:hunter22@{proxy}"));
        let agent = Binary::spawn(program);
        let line = agent.line(&["not connected", "proxy"]).await;
        assert!(words.iter().all(|word| line.contains(word)), "{words:?}: {line}");
        assert!(!agent.log().contains("hunter22"), "{}", agent.log());
    }
    let mut program = agent(directory.path(), "http://netignite.test");
    program.env("ALL_PROXY", "socks5://u:hunter22@127.0.0.1:1");
    let (status, said) = super::support::binary::run(program).await;
    assert_eq!(status.code(), Some(1));
    assert!(
        said.contains("ALL_PROXY") && said.contains("HTTP proxy") && !said.contains("hunter22"),
        "{said}"
    );
}

#[tokio::test]
async fn enrolment_goes_through_the_proxy_too() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let (proxy, mut asked) = proxy(None).await;
    let url = format!("http://netignite.test:{}", server.address().port());
    std::fs::write(directory.path().join("code"), "\u{feff}7K3M-9QXD-0V5T-HB2E \r\n").unwrap();
    let arguments = ["agent", "enroll", "--name", "Pi", "--server", &url, "--code-file", "code"];
    let mut program = command(directory.path(), &arguments);
    program.env("HTTP_PROXY", proxy.to_string());
    let program = Binary::spawn(program);
    let (mut stream, _) = soon("the request", server.listener.accept()).await.unwrap();
    answer_enrolment(&mut stream).await;
    let (status, said) = program.ended().await;
    assert!(status.success(), "{said}");
    assert!(asked.recv().await.unwrap().starts_with("CONNECT netignite.test:"));
}

#[tokio::test]
async fn certificates_that_are_renewed_are_trusted_without_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (listener, tls, certificate) = tls_server().await;
    let (_, _, other) = tls_server().await;
    let trusted = directory.path().join("trusted.pem");
    std::fs::write(&trusted, other).unwrap();
    let mut program =
        agent(directory.path(), &format!("wss://localhost:{}", listener.local_addr().unwrap().port()));
    program.env("SSL_CERT_FILE", &trusted);
    let agent = Binary::spawn(program);
    let (tcp, _) = soon("the agent", listener.accept()).await.unwrap();
    assert!(soon("the TLS handshake", tls.accept(tcp)).await.is_err());
    agent.line(&["not connected", "certificate"]).await;
    // While nothing can be read there, nobody else is trusted instead.
    std::fs::write(&trusted, "").unwrap();
    agent.line(&["not connected", "SSL_CERT_FILE names no certificate"]).await;
    std::fs::write(&trusted, certificate).unwrap();
    within(Duration::from_secs(60), "the agent to come through", async {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            if tls.accept(tcp).await.is_ok() {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_secret_of_the_environment_may_end_with_a_line_break() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let mut program = agent(directory.path(), &format!("http://{}", server.address()));
    program.env("NETIGNITE_AGENT_SECRET", format!("\u{feff}{SECRET}\r\n"));
    let _agent = Binary::spawn(program);
    assert_eq!(server.accept().await.credentials, format!("7:{SECRET}"));
}

#[tokio::test]
async fn the_agent_says_what_it_is_and_which_commands_it_knows() {
    let directory = tempfile::tempdir().unwrap();
    let server = Played::start().await;
    let _agent = Binary::spawn(agent(directory.path(), &format!("http://{}", server.address())));
    let connection = server.accept().await;
    let (_, said) = connection.headers.iter().find(|(name, _)| name == "netignite-agent").unwrap();
    let (version, commands) = said.split_once("; commands=").unwrap();
    assert_eq!(version, netignite::VERSION);
    let (commands, features) = commands.split_once("; features=").unwrap();
    assert_eq!(features, "progress,cancel");
    let commands: Vec<_> = commands.split(',').collect();
    for known in ["GET_STATUS", "HEARTBEAT", "ROTATE_SECRET", "WAKEUP"] {
        assert!(commands.contains(&known), "{said}");
    }
}
