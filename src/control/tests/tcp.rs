//! The same over real sockets: what the kernel adds.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::peer::encode;
use super::*;

/// Both ends of a TCP connection.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (client.unwrap(), accepted.unwrap().0)
}

/// Sets its flag when it is dropped.
struct Guard(Arc<AtomicBool>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), future).await.unwrap_or_else(|_| panic!("{what} in time"))
}

async fn connect(control: &Arc<Control>, id: i64) -> (TcpStream, Arc<AtomicBool>) {
    let (client, server) = pair().await;
    let closed = Arc::new(AtomicBool::new(false));
    let ticket = admit(control, id, SECRET).unwrap();
    control.attach(ticket, server, Bytes::new(), Guard(closed.clone()));
    (client, closed)
}

async fn frame(client: &mut TcpStream) -> (u8, Vec<u8>) {
    within("a frame", async {
        let first = client.read_u8().await.unwrap();
        let length = match client.read_u8().await.unwrap() {
            126 => usize::from(client.read_u16().await.unwrap()),
            n => usize::from(n),
        };
        let mut payload = vec![0; length];
        client.read_exact(&mut payload).await.unwrap();
        (first, payload)
    })
    .await
}

async fn until(what: &str, done: impl Fn() -> bool) {
    within(what, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_command_goes_out_and_its_reply_comes_back_byte_by_byte() {
    let (control, _) = service();
    let (mut client, _) = connect(&control, 1).await;
    let control_ = control.clone();
    let pending = tokio::spawn(async move { control_.dispatch::<Act>(1, &Text::of("over tcp")).await });
    let (first, message) = frame(&mut client).await;
    assert_eq!(first, 0x81);
    for byte in encode(true, 1, [1, 2, 3, 4], &message, false) {
        client.write_all(&[byte]).await.unwrap();
    }
    assert_eq!(within("a reply", pending).await.unwrap(), Ok(Text::of("over tcp")));
}

#[tokio::test]
async fn a_close_is_answered_and_the_socket_goes_with_its_guard() {
    let (control, _) = service();
    let (mut client, closed) = connect(&control, 1).await;
    client.write_all(&encode(true, 8, [9; 4], &1000_u16.to_be_bytes(), false)).await.unwrap();
    assert_eq!(frame(&mut client).await, (0x88, 1000_u16.to_be_bytes().to_vec()));
    assert_eq!(within("the end", client.read(&mut [0; 1])).await.unwrap(), 0);
    assert_eq!(control.presence(1).unwrap().why, "closed_by_agent");
    drop(client);
    until("the guard dropped", || closed.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_broken_protocol_is_named_before_the_end() {
    for (bytes, code) in [
        (vec![0x81, 0x01, b'x'], 1002_u16),
        (encode(true, 1, [0; 4], &[0xff], false), 1007),
        (encode(true, 2, [0; 4], &vec![0; 65_537], false), 1009),
    ] {
        let (control, _) = service();
        let (mut client, _) = connect(&control, 1).await;
        client.write_all(&bytes).await.unwrap();
        let (first, payload) = frame(&mut client).await;
        assert_eq!((first, &payload[..2]), (0x88, &code.to_be_bytes()[..]));
        assert_eq!(within("the end", client.read(&mut [0; 1])).await.unwrap(), 0);
        assert!(!control.is_online(1));
    }
}

#[tokio::test]
async fn a_lost_connection_fails_its_commands_at_once() {
    let (control, _) = service();
    let (mut client, closed) = connect(&control, 1).await;
    let control_ = control.clone();
    let pending = tokio::spawn(async move { control_.dispatch::<Act>(1, &Text::of("lost")).await });
    frame(&mut client).await;
    drop(client);
    assert_eq!(within("the failure", pending).await.unwrap(), Err(DispatchError::Disconnected));
    until("the guard dropped", || closed.load(Ordering::SeqCst)).await;
    assert_eq!(control.presence(1).unwrap().why, "connection_lost");
}

#[tokio::test]
async fn a_peer_that_never_reads_is_cut_off_over_tcp() {
    let (control, _) = service();
    let (mut client, closed) = connect(&control, 2).await;
    let ping = encode(true, 9, [0; 4], &[0; 125], false).repeat(500);
    within("the cut", async {
        while control.is_online(2) {
            // Once it is cut off, writing fails.
            let _ = client.write_all(&ping).await;
        }
    })
    .await;
    assert_eq!(control.presence(2).unwrap().why, "stalled");
    until("the guard dropped", || closed.load(Ordering::SeqCst)).await;
}

#[tokio::test]
async fn a_replaced_connection_does_not_hold_up_the_new_one() {
    let (control, events) = service();
    // Never reads, never closes.
    let (mut old, old_closed) = connect(&control, 1).await;
    let (mut new, _) = connect(&control, 1).await;
    let control_ = control.clone();
    let pending = tokio::spawn(async move { control_.dispatch::<Act>(1, &Text::of("new")).await });
    let (_, message) = frame(&mut new).await;
    new.write_all(&encode(true, 1, [0; 4], &message, false)).await.unwrap();
    assert_eq!(within("a reply", pending).await.unwrap(), Ok(Text::of("new")));
    let (first, payload) = frame(&mut old).await;
    assert_eq!((first, &payload[..2], &payload[2..]), (0x88, &4001_u16.to_be_bytes()[..], &b"replaced"[..]));
    until("the old socket closed", || old_closed.load(Ordering::SeqCst)).await;
    assert!(control.is_online(1));
    assert_eq!(*events.lock(), ["online 1", "ACT Ok"]);
}

#[tokio::test]
async fn stopping_waits_for_the_sockets_but_not_for_long() {
    let (control, _) = service();
    let (_silent, closed) = connect(&control, 1).await;
    within("the stop", control.stop(Duration::ZERO)).await;
    assert!(closed.load(Ordering::SeqCst));
    within("a second stop", control.stop(Duration::ZERO)).await;
}

#[test]
fn an_idle_connection_is_small() {
    use tokio::net::tcp::OwnedReadHalf;
    // What the service itself keeps; the runtime's and the kernel's share come on top.
    let task = size_of::<connection::Connection<OwnedReadHalf, Arc<()>>>();
    let agent = size_of::<agent::Agent>();
    assert!(task <= 64, "{task} bytes for the reading side");
    assert!(agent <= 256, "{agent} bytes for the agent");
}
