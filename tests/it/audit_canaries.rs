//! Secrets that are sent where they belong, and where they do not, are found nowhere: not in the audit log, the log, the
//! metrics, an error or the database.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::support::binary::{command, superadmin};
use super::support::firmware::basic;
use super::support::{Binary, Client, Firmware, Reply};

const METRICS: &str = "a token of the metrics alone";

/// What was sent, and what was answered to it.
#[derive(Default)]
struct Sent {
    canaries: Vec<String>,
    answers: Vec<String>,
}

impl Sent {
    /// A secret that nobody else has.
    fn canary(&mut self) -> String {
        let canary: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        self.canaries.push(canary.clone());
        canary
    }

    fn answered(&mut self, reply: &Reply) {
        assert!(reply.status >= 400, "nothing here succeeds: {}", reply.text);
        self.answers.push(format!("{:?} {}", reply.headers, reply.text));
    }

    fn check(&self, what: &str, content: &[u8]) {
        for canary in &self.canaries {
            let found = content.windows(canary.len()).any(|window| window == canary.as_bytes());
            assert!(
                !found,
                "{what} holds the canary {}",
                self.canaries.iter().position(|c| c == canary).unwrap()
            );
        }
    }
}

/// Sends secrets in every place of requests that are refused.
async fn send_everywhere(sent: &mut Sent, admin: &Client, agent: i64, device: i64) {
    let nobody = Client::anonymous(admin.address);
    let bodies = |sent: &mut Sent| {
        let mut c = || sent.canary();
        vec![
            ("POST", "/api/auth/login".to_owned(), json!({"username": c(), "password": c(), "code": c()})),
            ("POST", "/api/auth/login".to_owned(), json!({"username": "admin", "password": c()})),
            (
                "POST",
                "/api/auth/reset-password".to_owned(),
                json!({"token": c(), "password": c() + " long enough"}),
            ),
            ("POST", "/api/agents/enrol".to_owned(), json!({"code": c(), "name": c()})),
            (
                "PUT",
                "/api/account/1".to_owned(),
                json!({"username": "admin", "favorites": [], "password": c(), "currentPassword": c()}),
            ),
            ("POST", "/api/account/totp".to_owned(), json!({"currentPassword": c(), "code": c()})),
            ("POST", "/api/account/totp/confirm".to_owned(), json!({"code": c()})),
            (
                "POST",
                "/api/admin/users".to_owned(),
                json!({"username": "admin", "password": c(), "role": c()}),
            ),
            ("POST", "/api/agents".to_owned(), json!({"name": "", "type": c(), "secret": c()})),
            ("PUT", format!("/api/agents/{agent}"), json!({"name": "", "type": "server", "secret": c()})),
            (
                "POST",
                format!("/api/agents/{agent}/commands/WAKEUP"),
                json!({"macAddress": "AA:BB:CC:DD:EE:FF", "port": 9, "secret": c()}),
            ),
            ("POST", format!("/api/agents/{agent}/commands/GET_STATUS"), json!({"address": 1, "more": c()})),
            ("POST", format!("/api/agents/{agent}/commands/{}", c()), json!({})),
            ("POST", format!("/api/devices/{device}/wakeup?{}={}", c(), c()), json!({"secret": c()})),
            ("GET", format!("/api/devices/{}", c()), Value::Null),
            ("GET", format!("/{}", c()), Value::Null),
            ("GET", format!("/api/{}?token={}", c(), c()), Value::Null),
            (
                "GET",
                format!("/api/admin/audit?address={}&{}=1&before={}&action={}", c(), c(), c(), c()),
                Value::Null,
            ),
        ]
    };
    for client in [&nobody, admin] {
        for (method, path, body) in bodies(sent) {
            let request = client
                .http
                .request(method.parse().unwrap(), client.url(&path))
                .header("User-Agent", sent.canary())
                .header("X-Forwarded-For", sent.canary())
                .header("X-Request-Id", sent.canary())
                .header("Referer", format!("http://{}/", sent.canary()));
            let request = if body.is_null() { request } else { request.json(&body) };
            sent.answered(&client.send(request).await);
        }
    }
    for credential in [format!("Bearer nig_{}", sent.canary()), basic(1, &sent.canary())] {
        let request = nobody.http.get(nobody.url("/api/agents")).header("Authorization", &credential);
        let request = request.header("Cookie", format!("session={}", sent.canary()));
        sent.answered(&nobody.send(request).await);
    }
    let request = nobody.http.get(nobody.url("/metrics")).bearer_auth(sent.canary());
    sent.answers.push(nobody.send(request).await.text);
    for id in [agent, 4711] {
        let refused = Firmware::try_connect(admin.address, id, &sent.canary()).await;
        sent.answers.push(format!("{:?}", refused.err().expect("a wrong secret")));
    }
}

#[tokio::test]
async fn secrets_are_found_nowhere() {
    let directory = tempfile::tempdir().unwrap();
    let mut program = command(directory.path(), &["--log-level", "debug"]);
    program
        .env("NETIGNITE_PLUGINS__METRICS__ENABLED", "true")
        .env("NETIGNITE_PLUGINS__METRICS__TOKEN", METRICS);
    let mut server = Binary::spawn(program);
    let address = server.listening().await;
    let admin = superadmin(directory.path(), address).await;
    let mut sent = Sent::default();
    // What is stored of these is sealed.
    let secret = sent.canary();
    let agent = admin.create_agent("server", &secret).await;
    let device = admin.create_device(agent, "AA:BB:CC:DD:EE:FF").await;
    send_everywhere(&mut sent, &admin, agent, device).await;
    drop(Firmware::connect(address, agent, &secret).await);

    let page = admin.get("/api/admin/audit?limit=1000").await.expect(200);
    assert!(page.data()["entries"].as_array().unwrap().len() > 20, "{}", page.text);
    sent.check("the audit log", page.text.as_bytes());
    sent.check("the export", admin.get("/api/admin/audit/export").await.text.as_bytes());
    let metrics = admin.send(admin.http.get(admin.url("/metrics")).bearer_auth(METRICS)).await;
    assert!(metrics.text.contains("# EOF"), "{}", metrics.text);
    sent.check("the metrics", metrics.text.as_bytes());
    for answer in &sent.answers {
        sent.check(answer, answer.as_bytes());
    }
    for name in ["db.sqlite", "db.sqlite-wal"] {
        sent.check(name, &std::fs::read(directory.path().join("data").join(name)).unwrap());
    }
    // To its last line.
    server.signal(Signal::TERM);
    let (_, log) = server.ended().await;
    assert!(log.contains("Request answered"), "{log}");
    sent.check("the log", log.as_bytes());
}
