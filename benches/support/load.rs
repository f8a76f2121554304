//! The load of one kind of request: many connections in a process of their own, and what that costs the server.

use std::time::{Duration, Instant};

use super::http::Http;
use super::process::{Role, cpu};
use super::{quantile, runtime};

/// Role `load`: PORT COOKIE METHOD PATH BODY CONNECTIONS REQUESTS. Prints nanoseconds in all, p50 and p99.
pub fn run(arguments: &[String]) {
    let [port, cookie, method, path, body, connections, requests] = arguments else {
        panic!("{arguments:?}")
    };
    let (connections, requests): (usize, usize) = (connections.parse().unwrap(), requests.parse().unwrap());
    runtime().block_on(async {
        let mut clients = Vec::new();
        for _ in 0..connections {
            clients.push(Http::connect(port.parse().unwrap()).await.unwrap().with_cookie(cookie));
        }
        let start = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for (number, mut http) in (1..).zip(clients) {
            let body = body.replace("{connection}", &usize::to_string(&number));
            let request = http.encode(method, path, &body);
            tasks.spawn(async move {
                let mut times = Vec::with_capacity(requests / connections);
                for _ in 0..requests / connections {
                    let start = Instant::now();
                    let status = http.send(&request).await.unwrap();
                    assert!(status < 300, "status {status}");
                    times.push(start.elapsed());
                }
                times
            });
        }
        let mut times: Vec<Duration> = tasks.join_all().await.into_iter().flatten().collect();
        let all = start.elapsed().as_nanos();
        println!("{all} {} {}", quantile(&mut times, 0.5).as_nanos(), quantile(&mut times, 0.99).as_nanos());
    });
}

/// What a load found.
pub struct Measured {
    /// Server CPU per request.
    pub cpu: Duration,
    /// Requests per second.
    pub rate: f64,
    pub p50: Duration,
    pub p99: Duration,
}

/// Requests of one kind, over some connections.
pub struct Load<'a> {
    pub port: u16,
    pub cookie: &'a str,
    pub method: &'a str,
    pub path: &'a str,
    /// `{connection}` in it is the connection's number, from 1.
    pub body: &'a str,
    pub connections: usize,
}

impl Load<'_> {
    /// Runs it against the server of this process ID.
    pub fn run(&self, server: u32, requests: usize) -> Measured {
        let arguments = [
            self.port.to_string(),
            self.cookie.to_owned(),
            self.method.to_owned(),
            self.path.to_owned(),
            self.body.to_owned(),
            self.connections.to_string(),
            requests.to_string(),
        ];
        // Once unmeasured, so that caches, statements and threads are there.
        Role::start("load", &{
            let mut warm = arguments.clone();
            warm[6] = (requests / 10).max(self.connections).to_string();
            warm
        })
        .hear();
        let before = cpu(server);
        let line = Role::start("load", &arguments).hear();
        let used = cpu(server) - before;
        let nanos: Vec<u64> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        Measured {
            cpu: used / u32::try_from(requests).unwrap(),
            rate: requests as f64 / Duration::from_nanos(nanos[0]).as_secs_f64(),
            p50: Duration::from_nanos(nanos[1]),
            p99: Duration::from_nanos(nanos[2]),
        }
    }
}
