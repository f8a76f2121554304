//! The floor of idle agents: a raw epoll loop on one thread that beats for its connections as the server does, and
//! knows neither agents nor commands.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// As the server's wheel.
const TICK: Duration = Duration::from_millis(250);
/// Every connection is pinged every so many ticks, every third time with a heartbeat.
const SLOTS: usize = 80;
const LISTENER: u64 = u64::MAX;

struct Peer {
    stream: TcpStream,
    shaken: bool,
    beats: usize,
}

/// Prints its port, then serves until it is killed.
pub fn run() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.set_nonblocking(true).unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    std::io::stdout().flush().unwrap();
    let poll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    epoll::add(&poll, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN).unwrap();

    let mut peers: Vec<Peer> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    let mut buffer = [0; 16 * 1024];
    let (mut tick, mut next) = (0, Instant::now() + TICK);
    loop {
        let left = next.saturating_duration_since(Instant::now());
        let timeout = Timespec { tv_sec: 0, tv_nsec: left.as_nanos().try_into().unwrap() };
        events.clear();
        let _ = epoll::wait(&poll, spare_capacity(&mut events), Some(&timeout));
        for event in &events {
            let data = event.data;
            if data.u64() == LISTENER {
                while let Ok((stream, _)) = listener.accept() {
                    stream.set_nonblocking(true).unwrap();
                    stream.set_nodelay(true).unwrap();
                    let flags = epoll::EventFlags::IN | epoll::EventFlags::ET;
                    epoll::add(&poll, &stream, epoll::EventData::new_u64(peers.len() as u64), flags).unwrap();
                    peers.push(Peer { stream, shaken: false, beats: peers.len() });
                }
                continue;
            }
            let peer = &mut peers[data.u64() as usize];
            // A short read has emptied the socket.
            while let Ok(length @ 1..) = peer.stream.read(&mut buffer) {
                if buffer[..length].starts_with(b"GET ") {
                    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
                                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
                    peer.stream.write_all(answer.as_bytes()).unwrap();
                    peer.shaken = true;
                }
                if length < buffer.len() {
                    break;
                }
            }
        }
        if Instant::now() >= next {
            next += TICK;
            tick += 1;
            for peer in peers.iter_mut().skip(tick % SLOTS).step_by(SLOTS).filter(|peer| peer.shaken) {
                peer.beats += 1;
                let mut frames = vec![0x89, 0];
                if peer.beats.is_multiple_of(3) {
                    let mut text = String::new();
                    write!(text, "HEARTBEAT:{}:{{}}", peer.beats).unwrap();
                    frames.extend([0x81, text.len() as u8]);
                    frames.extend(text.as_bytes());
                }
                let _ = peer.stream.write(&frames);
            }
        }
    }
}
