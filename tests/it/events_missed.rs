//! Streams of live events that go on where their reader was, as far as that is still known.

use netignite::model::event::Event;

use super::events::mark;
use super::support::events::Stream;
use super::support::wait::until;
use super::support::{Agent, Client, Scene, Server, scene};

#[tokio::test]
async fn a_stream_goes_on_from_a_list_and_from_where_it_was_without_a_gap() {
    let Scene { server, admin, agent, .. } = Scene::new("server").await;
    for path in ["/api/agents", "/api/devices"] {
        let list = admin.get(path).await.expect(200);
        assert!(!list.header("NetIgnite-Event-ID").unwrap().is_empty());
    }
    let from = admin.get("/api/agents").await.expect(200).header("NetIgnite-Event-ID").unwrap().to_owned();
    drop(Agent::connect(server.address(), agent, scene::SECRET).await);
    until("the agent to be offline", || async {
        (admin.agent_status(agent).await == "offline").then_some(())
    })
    .await;
    let mut stream = Stream::open_after(&admin, &from).await;
    let online = stream.event().await;
    assert_eq!(online.kind, "agent.online");
    assert_eq!(online.data["presence"]["state"], "online", "as it was then: {}", online.data);
    assert_eq!(stream.event().await.kind, "agent.offline");
    assert_eq!(mark(&admin, &mut stream).await, []);

    // The query says the same; the header wins.
    let mut stream = Stream::open(&admin, &format!("?lastEventID={}", online.id)).await;
    assert_eq!(stream.event().await.kind, "agent.offline");
    let request = admin.http.get(admin.url(&format!("/api/events?lastEventID={}", online.id)));
    let mut stream = Stream::of(request.header("Last-Event-ID", &from)).await;
    assert_eq!(stream.event().await.kind, "agent.online");
    server.stop().await;
}

#[tokio::test]
async fn many_that_were_missed_come_in_their_order_and_then_the_new_ones() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let from = admin.get("/api/agents").await.expect(200).header("NetIgnite-Event-ID").unwrap().to_owned();
    let mut made = Vec::new();
    for _ in 0..300 {
        made.push(admin.create_agent("server", scene::SECRET).await);
    }
    let mut stream = Stream::open_after(&admin, &from).await;
    let maker = {
        let admin = admin.clone();
        tokio::spawn(async move {
            let mut made = Vec::new();
            for _ in 0..50 {
                made.push(admin.create_agent("server", scene::SECRET).await);
            }
            made
        })
    };
    let mut seen = Vec::new();
    while seen.len() < 350 {
        seen.push(stream.event().await.data["id"].as_i64().unwrap());
    }
    made.extend(maker.await.unwrap());
    assert_eq!(seen, made);
    server.stop().await;
}

#[tokio::test]
async fn a_stream_that_cannot_go_on_begins_with_a_reset() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let stream = Stream::open(&admin, "").await;
    let id = stream.last_id.clone();
    for unknown in ["nonsense", "0", "-", "00000000000000ff-0", &format!("{id}000000"), &"9".repeat(300)] {
        let mut stream = Stream::open_after(&admin, unknown).await;
        assert_eq!(stream.event().await.kind, "reset", "{unknown}");
        assert_eq!(mark(&admin, &mut stream).await, [], "and goes on");
    }
    let mut same = Stream::open_after(&admin, &id).await;
    assert!(mark(&admin, &mut same).await.iter().all(|(kind, _)| kind == "agent.changed"));
    let directory = server.stop().await;
    let server = Server::start_in(directory, |_| {}).await;
    let admin = Client::login(server.address(), &admin.username, &admin.password).await;
    let mut stream = Stream::open_after(&admin, &id).await;
    assert_eq!(stream.event().await.kind, "reset", "after a restart");
    server.stop().await;
}

#[tokio::test]
async fn ten_thousand_events_are_kept_and_whoever_missed_more_begins_anew() {
    let Scene { server, admin, agent, .. } = Scene::new("server").await;
    let from = admin.get("/api/agents").await.expect(200).header("NetIgnite-Event-ID").unwrap().to_owned();
    let events = &server.host().events;
    let changed = || Event::AgentChanged { agent, owner: admin.user };
    let mut listening = Stream::open(&admin, "?types=agent.online").await;
    events.emit(Event::AgentOnline { agent });
    assert_eq!(listening.event().await.kind, "agent.online");
    events.emit_all((1..10_000).map(|_| changed()).collect());
    let query = format!("?types=agent.online&lastEventID={from}");
    let first = Stream::open(&admin, &query).await.event().await;
    assert_eq!(first.kind, "agent.online", "the oldest that is kept");
    events.emit(changed());
    assert_eq!(Stream::open(&admin, &query).await.event().await.kind, "reset");
    // From the one after it nothing is missing.
    let query = format!("?types=agent.changed&lastEventID={}", first.id);
    assert_eq!(Stream::open(&admin, &query).await.event().await.kind, "agent.changed");
    server.stop().await;
}
