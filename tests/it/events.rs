//! Live events: what is passed on, to whom, and how a stream ends.

use std::time::{Duration, Instant};

use netignite::model::event::Event;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::support::events::{Said, Stream};
use super::support::wait::{soon, until, within};
use super::support::{Agent, Client, Scene, Server, held, raw::RawConnection, scene};

/// A new token of the client's user: its ID and its text.
async fn token_of(client: &Client, mut body: Value) -> (i64, String) {
    body["name"] = json!("a token");
    let made = client.post("/api/account/tokens", body).await.expect(201);
    (made.data()["id"].as_i64().unwrap(), made.data()["token"].as_str().unwrap().to_owned())
}

/// Makes something happen that a client sees, and waits for it: whatever comes before came first.
pub(super) async fn mark(client: &Client, stream: &mut Stream) -> Vec<(String, Value)> {
    let id = client.create_agent("server", "a secret of a mark").await;
    let mut before = Vec::new();
    loop {
        let event = stream.event().await;
        if event.kind == "agent.changed" && event.data["id"] == id {
            return before;
        }
        before.push((event.kind, event.data["id"].clone()));
    }
}

#[tokio::test]
async fn what_happens_to_agents_is_passed_on_as_lists_show_it() {
    let Scene { server, admin, agent, .. } = Scene::new("server").await;
    let mut stream = Stream::open(&admin, "").await;
    assert_eq!(stream.headers["content-type"], "text/event-stream");
    assert_eq!(stream.headers["x-accel-buffering"], "no");
    assert_eq!(stream.headers["cache-control"], "no-store");
    assert_eq!(stream.retry, Some(3000));

    let connected = Agent::connect(server.address(), agent, scene::SECRET).await;
    let online = stream.event().await;
    assert_eq!((online.kind.as_str(), &online.data["id"]), ("agent.online", &json!(agent)));
    let listed = admin.get("/api/agents").await.expect(200);
    let listed =
        listed.data().as_array().unwrap().iter().find(|listed| listed["id"] == agent).unwrap().clone();
    assert_eq!(online.data, listed, "the object of the list");
    drop(connected);
    let offline = stream.event().await;
    assert_eq!(
        (offline.kind.as_str(), &offline.data["presence"]["state"]),
        ("agent.offline", &json!("offline"))
    );

    let body =
        json!({"name": "Renamed", "description": "", "type": "server", "secret": "another good secret"});
    admin.put(&format!("/api/agents/{agent}"), body).await.expect(200);
    let changed = stream.event().await;
    assert_eq!((changed.kind.as_str(), &changed.data["name"]), ("agent.changed", &json!("Renamed")));
    assert!(!changed.data.to_string().contains("secret"), "{}", changed.data);

    let spare = admin.create_agent("microcontroller", scene::SECRET).await;
    let made = stream.event().await;
    assert_eq!((made.kind.as_str(), &made.data["id"]), ("agent.changed", &json!(spare)));
    admin.delete(&format!("/api/agents/{spare}")).await.expect(200);
    let gone = stream.event().await;
    assert_eq!((gone.kind.as_str(), gone.data), ("agent.changed", json!({"id": spare, "deleted": true})));
    server.stop().await;
}

#[tokio::test]
async fn what_happens_to_devices_is_passed_on() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let mut stream = Stream::open(&admin, "?types=device.changed").await;
    let body = json!({"name": "Renamed", "type": "nas", "description": "", "macAddress": scene::MAC, "port": 9,
        "agentID": agent});
    admin.put(&format!("/api/devices/{device}"), body).await.expect(200);
    let changed = stream.event().await;
    let shown = admin.get("/api/devices").await.expect(200).data()[0].clone();
    assert_eq!((changed.kind.as_str(), changed.data), ("device.changed", shown));
    admin.delete(&format!("/api/devices/{device}")).await.expect(200);
    assert_eq!(stream.event().await.data, json!({"id": device, "deleted": true}));
    server.stop().await;
}

#[tokio::test]
async fn a_stream_is_of_the_types_it_asks_for() {
    let Scene { server, admin, agent, .. } = Scene::new("server").await;
    let mut stream = Stream::open(&admin, "?types=agent.offline,agent.changed").await;
    drop(Agent::connect(server.address(), agent, scene::SECRET).await);
    assert_eq!(stream.event().await.kind, "agent.offline");
    for (query, field) in [("types=agent.online,nonsense", "types"), ("types=agent", "types")] {
        let refused = admin.get(&format!("/api/events?{query}")).await.expect(400);
        assert_eq!(refused.body["errors"][0]["field"], field);
    }
    server.stop().await;
}

#[tokio::test]
async fn everyone_sees_what_they_may_see_at_that_moment() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let (other, second) =
        (server.user(&admin, "olga", "user").await, server.user(&admin, "anton", "admin").await);
    let mut streams = [
        Stream::open(&other, "?adminMode=true").await,
        Stream::open(&second, "").await,
        Stream::open(&second, "?adminMode=true").await,
    ];
    drop(Agent::connect(server.address(), agent, scene::SECRET).await);
    assert_eq!(mark(&other, &mut streams[0]).await, []);
    assert_eq!(mark(&second, &mut streams[1]).await, []);
    let seen: Vec<_> = mark(&second, &mut streams[2]).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(seen[..2], ["agent.online", "agent.offline"]);

    // A share shows the device, without its agent, as long as it lasts.
    let change = async |name: &str| {
        let body = json!({"name": name, "type": "nas", "description": "", "macAddress": scene::MAC, "port": 9,
            "agentID": agent});
        admin.put(&format!("/api/devices/{device}"), body).await.expect(200);
    };
    let path = format!("/api/devices/{device}/shares");
    let share = json!({"username": "olga", "permissions": ["view"]});
    let share = admin.post(&path, share).await.expect(201).data()["id"].clone();
    let shown = streams[0].event().await;
    assert_eq!((shown.kind.as_str(), &shown.data["shared"]), ("device.changed", &json!(true)));
    change("shared").await;
    let shown = streams[0].event().await;
    assert_eq!((shown.kind.as_str(), &shown.data["name"]), ("device.changed", &json!("shared")));
    assert_eq!(shown.data["agentID"], json!(null));
    assert_eq!((&shown.data["shared"], &shown.data["ownerName"]), (&json!(true), &json!("admin")));
    let before = streams[0].last_id.clone();
    change("shared still").await;
    assert_eq!(streams[0].event().await.data["name"], "shared still");
    admin.delete(&format!("{path}/{share}")).await.expect(200);
    let gone = streams[0].event().await;
    let deleted = json!({"id": device, "deleted": true});
    assert_eq!((gone.kind.as_str(), &gone.data), ("device.changed", &deleted));
    change("shared no more").await;
    assert_eq!(mark(&other, &mut streams[0]).await, []);
    // What was seen is asked again when it is replayed.
    let mut again = Stream::open_after(&other, &before).await;
    let seen = mark(&other, &mut again).await;
    let changed = |seen: &[(String, Value)]| seen.iter().filter(|(kind, _)| kind == "device.changed").count();
    // That it went is all that is left to see.
    assert_eq!(changed(&seen), 1, "{seen:?}");

    // All devices of an agent are shared likewise, and whoever they are shared with ends that.
    let share = json!({"username": "olga", "permissions": ["wake"]});
    let share =
        admin.post(&format!("/api/agents/{agent}/shares"), share).await.expect(201).data()["id"].clone();
    let shown = again.event().await;
    assert_eq!((&shown.data["id"], &shown.data["shared"]), (&json!(device), &json!(true)));
    other.delete(&format!("/api/shares/{share}")).await.expect(200);
    assert_eq!(again.event().await.data, deleted);
    // Whoever sees everyone's misses nothing by it.
    let seen = mark(&second, &mut streams[2]).await;
    assert_eq!(changed(&seen), 3, "{seen:?}");
    server.stop().await;
}

#[tokio::test]
async fn a_token_sees_what_its_permissions_and_devices_allow() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let second = admin.create_device(agent, scene::MAC).await;
    let (_, restricted) =
        token_of(&admin, json!({"permissions": ["devices:read"], "deviceIDs": [second]})).await;
    let (_, agents) = token_of(&admin, json!({"permissions": ["agents:read"]})).await;
    let open = async |token: &str| {
        let anonymous = server.anonymous();
        Stream::of(anonymous.http.get(anonymous.url("/api/events")).bearer_auth(token)).await
    };
    let (mut restricted, mut agents) = (open(&restricted).await, open(&agents).await);
    for id in [device, second] {
        let body = json!({"name": "Renamed", "type": "nas", "description": "", "macAddress": scene::MAC, "port": 9,
            "agentID": agent});
        admin.put(&format!("/api/devices/{id}"), body).await.expect(200);
    }
    assert_eq!(restricted.event().await.data["id"], second);
    assert_eq!(mark(&admin, &mut agents).await, [], "no devices");
    server.stop().await;
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_may_no_longer() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let begun = Instant::now();
    let user = server.user(&admin, "ulla", "user").await;
    let (token_id, token) = token_of(&user, json!({"permissions": ["agents:read"]})).await;
    let anonymous = server.anonymous();
    let mut by_token = Stream::of(anonymous.http.get(anonymous.url("/api/events")).bearer_auth(token)).await;
    let mut by_session = Stream::open(&user, "").await;
    user.delete(&format!("/api/account/tokens/{token_id}")).await.expect(200);
    let revoked = Instant::now();
    by_token.ended().await;
    assert!(revoked.elapsed() < Duration::from_secs(5), "a generous second: {:?}", revoked.elapsed());
    let more = tokio::time::timeout(Duration::from_millis(700), by_session.next()).await;
    assert!(more.is_err(), "another's token ended it: {more:?}");
    user.post("/api/auth/logout", json!({})).await.expect(200);
    by_session.ended().await;
    // Of an admin who is none any more.
    let second = server.user(&admin, "anton", "admin").await;
    let mut wide = Stream::open(&second, "?adminMode=true").await;
    let body = json!({"username": "anton", "role": "user", "favorites": []});
    admin.put(&format!("/api/admin/users/{}", second.user), body).await.expect(200);
    wide.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(60));
    server.stop().await;
}

#[tokio::test]
async fn a_user_has_twenty_streams_and_gets_them_back() {
    let server = Server::start_with(|config| {
        config.limits.answers = 4;
        config.limits.answers_per_user = 2;
    })
    .await;
    let admin = server.superadmin().await;
    let other = server.user(&admin, "olga", "user").await;
    let mut streams = Vec::new();
    for _ in 0..20 {
        streams.push(Stream::open(&admin, "").await);
    }
    let refused = admin.get("/api/events").await.expect(429);
    assert_eq!(refused.code(), "too_many_streams");
    assert!(refused.header("retry-after").is_some());
    // They take nobody's answers, not even one's own.
    admin.get("/api/agents").await.expect(200);
    drop(Stream::open(&other, "").await);
    streams.pop();
    until("a place", || async {
        let response = admin.http.get(admin.url("/api/events")).send().await.unwrap();
        (response.status() == 200).then_some(())
    })
    .await;
    // Whoever asks for the head alone keeps no place.
    streams.clear();
    for _ in 0..30 {
        let response = admin.http.head(admin.url("/api/events")).send().await.unwrap();
        assert!([200, 429].contains(&response.status().as_u16()));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_does_not_keep_up_gets_overflow_and_goes_on_later() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let mut fast = Stream::open(&admin, "").await;
    let cookie = {
        let login = server.anonymous().http.post(admin.url("/api/auth/login"));
        let body = json!({"username": admin.username, "password": admin.password});
        let answer = login.json(&body).send().await.unwrap();
        answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
    };
    let mut slow = RawConnection::open(server.address()).await;
    let address = server.address();
    slow.send(format!("GET /api/events HTTP/1.1\r\nHost: {address}\r\nCookie: {cookie}\r\n\r\n")).await;
    while !String::from_utf8_lossy(&slow.leftover).contains("retry: 3000") {
        assert!(slow.fill().await);
    }
    // What the system takes for a reader that does not read is some megabytes.
    let body = json!({"name": "n".repeat(100), "description": "d".repeat(1000), "type": "server",
        "secret": scene::SECRET});
    let agent = admin.post("/api/agents", body).await.expect(201).id();
    assert_eq!(fast.event().await.kind, "agent.changed");
    for _ in 0..80 {
        for _ in 0..100 {
            server.host().events.emit(Event::AgentChanged { agent, owner: admin.user });
        }
        for _ in 0..100 {
            assert_eq!(fast.event().await.kind, "agent.changed");
        }
    }
    let read = async { while !slow.leftover.ends_with(b"0\r\n\r\n") && slow.fill().await {} };
    within(Duration::from_secs(60), "the end of the slow stream", read).await;
    let said = String::from_utf8_lossy(&slow.leftover).into_owned();
    assert!(said.contains("event: overflow\n"), "{}", &said[said.len().saturating_sub(300)..]);
    assert!(said.ends_with("0\r\n\r\n"), "an orderly end");
    let events = said.matches("event: agent.changed").count();
    assert!(events < 8000, "{events} events came");
    let last = said.rsplit("id: ").next().unwrap().lines().next().unwrap().trim().to_owned();
    // Whoever kept up missed nothing, and the slow one gets the rest.
    let mut again = Stream::open_after(&admin, &last).await;
    for _ in 0..8001 - events {
        assert_eq!(again.event().await.kind, "agent.changed");
    }
    assert_eq!(mark(&admin, &mut again).await, []);
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_takes_nothing_loses_its_place_though_little_happens() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut streams = Vec::new();
    for _ in 0..19 {
        streams.push(Stream::open(&admin, "").await);
    }
    // Its window is soon full. What is sent beyond waits in the server's socket, which has room for long.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(1).unwrap();
    let mut deaf = socket.connect(server.address()).await.unwrap();
    let cookie = held::session(&admin).await;
    let request = format!("GET /api/events HTTP/1.1\r\nHost: a\r\n{cookie}\r\n\r\n");
    deaf.write_all(request.as_bytes()).await.unwrap();
    soon("the beginning of its answer", deaf.readable()).await.unwrap();
    admin.get("/api/events").await.expect(429);
    for _ in 0..60 {
        admin.create_agent("server", scene::SECRET).await;
    }
    within(Duration::from_secs(100), "its place", async {
        loop {
            let response = admin.http.get(admin.url("/api/events")).send().await.unwrap();
            if response.status() == 200 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
    .await;
    drop(deaf);
    server.stop().await;
}

#[tokio::test]
async fn a_quiet_stream_shows_every_fifteen_seconds_that_it_is_alive() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut stream = Stream::open(&admin, "?types=agent.online").await;
    let first = stream.last_id.clone();
    admin.create_agent("server", scene::SECRET).await;
    let begun = Instant::now();
    assert_eq!(within(Duration::from_secs(25), "a comment", stream.next()).await, Said::Comment);
    assert!((10..=20).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    assert_ne!(stream.last_id, first, "it goes on where it is, though it saw nothing");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_ends_streams_at_once_and_orderly() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let mut stream = Stream::open(&admin, "").await;
    let begun = Instant::now();
    let stopping = tokio::spawn(server.stop());
    assert_eq!(stream.ended().await, Vec::<String>::new());
    soon("the stop", stopping).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn nobody_listens_without_a_session() {
    let server = Server::start().await;
    let refused = server.anonymous().get("/api/events").await.expect(401);
    assert_eq!(refused.message(), "No session found");
    server.stop().await;
}
