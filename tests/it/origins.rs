//! Which programs and pages may write with a session, by what they say of where they come from; and that the remedy in
//! a refusal works.

use serde_json::json;

use super::support::raw::exchange;
use super::support::{Client, Reply, Server};

async fn write(client: &Client, headers: &[(&str, &str)]) -> Reply {
    let agent = json!({"name": "a", "type": "server", "secret": "a long enough secret"});
    let request = client.http.post(client.url("/api/agents")).json(&agent);
    client.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// The status of a write with this `Host` and this `Origin`.
async fn status(client: &Client, session: &str, host: &str, origin: &str) -> u16 {
    let body = r#"{"name":"a","type":"server","secret":"a long enough secret"}"#;
    let request = format!(
        "POST /api/agents HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nCookie: session={session}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(client.address, &request).await.status
}

async fn session(server: &Server) -> String {
    let body = json!({"username": "admin", "password": server.password});
    let reply = server.anonymous().post("/api/auth/login", body).await.expect(200);
    let cookie = reply.header("set-cookie").unwrap();
    cookie.split(';').next().unwrap().strip_prefix("session=").unwrap().to_owned()
}

#[tokio::test]
async fn the_own_host_is_known_in_every_form() {
    let server = Server::start().await;
    let (nobody, session) = (server.anonymous(), session(&server).await);
    for (host, origin) in [
        ("home.example:18232", "ws://home.example:18232"),
        ("home.example:18232", "wss://home.example:18232"),
        // No page's origin looks like these: a library made them up.
        ("home.example:18232", "ws://home.example"),
        ("home.example:18232", "home.example:18232"),
        ("home.example:18232", "home.example"),
        ("[::1]:18232", "[::1]:18232"),
        ("home.example", "HTTP://Home.Example"),
        ("home.example", "http://home.example:80"),
        ("home.example", "https://home.example:443"),
        ("home.example:80", "http://home.example"),
        ("home.example:443", "https://home.example"),
        ("home.example.:18232", "http://home.example:18232"),
        ("home.example:18232", "http://home.example.:18232"),
        ("[::1]:18232", "http://[0:0:0:0:0:0:0:1]:18232"),
        ("[FE80::A]:18232", "http://[fe80::a]:18232"),
        ("home.example:18232", "http://home.example:18232/"),
    ] {
        assert_eq!(status(&nobody, &session, host, origin).await, 201, "{host} {origin}");
    }
    for (host, origin) in [
        ("home.example:18232", "http://home.example"),
        ("home.example:18232", "http://home.example:9090"),
        ("home.example:18232", "https://evil.example"),
        ("home.example:18232", "ws://evil.example"),
        ("home.example:18232", "evil.example"),
        ("home.example:18232", "null"),
        ("home.example:18232", "http://home.example:18232@evil.example"),
        ("home.example:18232", "http://home.example:18232.evil.example"),
        ("home.example:18232", "http://home.example..:18232"),
        ("[::1]:18232", "http://[::2]:18232"),
    ] {
        assert_eq!(status(&nobody, &session, host, origin).await, 403, "{host} {origin}");
    }
}

#[tokio::test]
async fn the_remedy_of_a_refusal_works() {
    let origins =
        ["http://home.example", "https://home.example:8443", "https://Home.example/", "http://[::1]:1"];
    let server = Server::start().await;
    let admin = server.superadmin().await;
    for origin in origins {
        let refused = write(&admin, &[("Origin", origin)]).await.expect(403);
        assert!(refused.message().contains("allowedOrigins"), "{}", refused.text);
    }
    let listed = origins.map(str::to_owned).to_vec();
    let lenient = Server::start_with(|config| config.allowed_origins = listed).await;
    let listing = lenient.superadmin().await;
    for origin in origins.into_iter().chain(["wss://home.example:8443"]) {
        write(&listing, &[("Origin", origin)]).await.expect(201);
    }
    // Whoever no list can hold reads what helps.
    for origin in ["null", "file://", "capacitor://localhost", "chrome-extension://abcdef"] {
        let refused = write(&admin, &[("Origin", origin)]).await.expect(403);
        assert!(
            refused.message().contains("without an Origin") && refused.message().contains("API token"),
            "{origin}: {}",
            refused.text
        );
        write(&admin, &[]).await.expect(201);
        let body = json!({"name": "t", "permissions": ["agents:write"]});
        let token = admin.post("/api/account/tokens", body).await.expect(201).data()["token"].clone();
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        write(&server.anonymous(), &[("Origin", origin), ("Authorization", &bearer)]).await.expect(201);
    }
    // A browser's own word is outweighed by no list, and the message does not say so.
    let refused =
        write(&listing, &[("Origin", origins[0]), ("Sec-Fetch-Site", "cross-site")]).await.expect(403);
    assert!(refused.message().contains("page of the server itself"), "{}", refused.text);
    write(&listing, &[("Origin", origins[0]), ("Sec-Fetch-Site", "same-origin")]).await.expect(201);
}
