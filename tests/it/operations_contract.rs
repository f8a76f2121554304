//! The numbers of the contract of operations, each at its bounds: attempts, deadlines, preferences, limits, retention.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Value, json};

use super::operations::{PATH, events, get, made, post_with, until_state, wake, wakeup, with};
use super::support::scene::{SECRET, Scene};
use super::support::soon;
use super::support::wait::until_equal;

#[tokio::test]
async fn what_may_be_said_of_an_operation_is_taken_up_to_its_bounds() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let within = |one: &Value| one["deliverBy"].as_i64().unwrap() - one["createdAt"].as_i64().unwrap();
    for (field, least, most) in
        [("maxAttempts", 1, 10), ("runTimeout", 1, 3600), ("deliverWithin", 1, 86_400)]
    {
        for good in [least, most] {
            let body = with(wakeup(agent), json!({field: good}));
            let one = admin.post(PATH, body).await.expect(202).data().clone();
            match field {
                "maxAttempts" => assert_eq!(one["maxAttempts"], good),
                "deliverWithin" => assert_eq!(within(&one), good * 1000),
                _ => {}
            }
        }
        for bad in [json!(least - 1), json!(most + 1), json!(-1), json!(1.5), json!("2"), json!([])] {
            for body in [wakeup(agent), wake(device)] {
                let body = with(body, json!({field: bad}));
                let refused = admin.post(PATH, body.clone()).await.expect(400);
                assert_eq!(refused.body["errors"][0]["field"], field, "{body}: {}", refused.text);
            }
        }
    }
    // What stands for what is not said.
    let command = |name: &str, payload: Value| json!({"kind": "command", "agentID": agent, "command": name, "payload": payload});
    for (body, seconds, attempts) in [
        (wakeup(agent), 300, 3),
        (wake(device), 300, 3),
        (with(wake(device), json!({"until": "online"})), 300, 3),
        (command("REBOOT", json!({})), 60, 1),
        (command("PROBE", json!({"address": "192.0.2.1"})), 300, 3),
    ] {
        let one = admin.post(PATH, body.clone()).await.expect(202).data().clone();
        assert_eq!((within(&one), &one["maxAttempts"]), (seconds * 1000, &json!(attempts)), "{body}");
        // A UUID of version 7.
        let id = one["id"].as_str().unwrap();
        assert!(id.len() == 36 && &id[14..15] == "7" && ["8", "9", "a", "b"].contains(&&id[19..20]), "{id}");
    }
    // For how long a wake looks for its device.
    let online = |more: Value| with(with(wake(device), json!({"until": "online"})), more);
    for (more, seconds) in [(json!({}), 120), (json!({"timeout": 1}), 1), (json!({"timeout": 3600}), 3600)] {
        let one = admin.post(PATH, online(more)).await.expect(202);
        assert_eq!(one.data()["payload"], json!({"until": "online", "timeout": seconds}));
    }
    for (bad, field) in [
        (json!({"timeout": 0}), "timeout"),
        (json!({"timeout": 3601}), "timeout"),
        (json!({"timeout": "1"}), "timeout"),
        (json!({"until": "later"}), "until"),
    ] {
        let refused = admin.post(PATH, online(bad)).await.expect(400);
        assert_eq!(refused.body["errors"][0]["field"], field, "{}", refused.text);
    }
    // A key.
    let most = "k".repeat(255);
    for (key, status) in [(most.clone(), 202), (format!("\"{most}\""), 202), (format!("{most}k"), 400)] {
        let kept = post_with(&admin, PATH, &wake(device), &[("Idempotency-Key", &key)]).await;
        assert_eq!(kept.status, status, "{}", kept.text);
    }
    server.stop().await;
}

#[tokio::test]
async fn only_the_same_that_is_live_stands_for_another() {
    let Scene { server, admin, agent, device } = Scene::new("server").await;
    let other = admin.create_agent("server", SECRET).await;
    let second = admin.create_device(agent, "AA:BB:CC:DD:EE:02").await;
    let online = |timeout: i64| with(wake(device), json!({"until": "online", "timeout": timeout}));
    let wanted = [
        wakeup(agent),
        with(wakeup(agent), json!({"payload": {"macAddress": "AA:BB:CC:DD:EE:FF", "port": 7}})),
        wakeup(other),
        json!({"kind": "command", "agentID": agent, "command": "HEARTBEAT"}),
        wake(device),
        wake(second),
        online(60),
        online(61),
    ];
    let mut ids = Vec::new();
    for body in &wanted {
        ids.push(made(&admin, with(body.clone(), json!({"dedupe": "live"}))).await);
    }
    for (body, id) in wanted.iter().zip(&ids) {
        let same = admin.post(PATH, with(body.clone(), json!({"dedupe": "live"}))).await.expect(200);
        assert_eq!(same.data()["id"], json!(id), "{body}");
        assert!(!ids.contains(&made(&admin, body.clone()).await), "unless asked for: {body}");
    }
    server.stop().await;
}

#[tokio::test]
async fn it_is_not_sent_again_after_the_time_it_had() {
    let scene = Scene::new("server").await;
    let body = with(wakeup(scene.agent), json!({"deliverWithin": 60, "runTimeout": 3600}));
    let id = made(&scene.admin, body).await;
    let mut firmware = scene.firmware().await;
    firmware.command().await;
    scene.server.host().clock.advance(Duration::from_millis(59_500));
    firmware.vanish();
    let lost = until_state(&scene.admin, &id, "timed_out").await;
    assert_eq!((&lost["reason"], &lost["attempts"]), (&json!("connection_lost"), &json!(1)), "{lost}");
    assert_eq!(events(&lost), ["created", "sent", "connection_lost", "timed_out"]);
    let mut firmware = scene.firmware().await;
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn it_is_sent_as_often_as_was_asked_each_time_after_a_longer_wait() {
    let scene = Scene::new("server").await;
    let id = made(&scene.admin, with(wakeup(scene.agent), json!({"maxAttempts": 3}))).await;
    for _ in 0..3 {
        let mut firmware = scene.firmware().await;
        assert_eq!(firmware.command().await.command, "WAKEUP");
        firmware.vanish();
        until_equal("offline", "offline".to_owned(), async || scene.admin.agent_status(scene.agent).await)
            .await;
    }
    let failed = until_state(&scene.admin, &id, "failed").await;
    assert_eq!((&failed["reason"], &failed["attempts"]), (&json!("connection_lost"), &json!(3)), "{failed}");
    let attempt = ["sent", "connection_lost", "queued"];
    let expected = [&["created"][..], &attempt, &attempt, &["sent", "connection_lost", "failed"]].concat();
    assert_eq!(events(&failed), expected);
    let at = |event: &str| {
        let trail = failed["trail"].as_array().unwrap().iter().filter(|entry| entry["event"] == event);
        trail.map(|entry| entry["at"].as_i64().unwrap()).collect::<Vec<_>>()
    };
    let waits: Vec<_> =
        at("sent")[1..].iter().zip(at("connection_lost")).map(|(sent, lost)| sent - lost).collect();
    assert!(waits[0] >= 1000 && waits[1] >= 2000, "{waits:?}");
    let mut firmware = scene.firmware().await;
    scene.assert_nothing_more(&mut firmware).await;
}

#[tokio::test]
async fn preferences_are_read_in_every_form_of_their_header() {
    let scene = Scene::new("server").await;
    let brief = with(wakeup(scene.agent), json!({"deliverWithin": 1}));
    for (values, applied) in [
        (&["wait=1000"][..], "wait=300"),
        (&["return=minimal, WAIT = \"30\";x=y"], "wait=30"),
        (&["handling=strict", "wait=30", "wait=1"], "wait=30"),
        (&["respond-async, wait=30"], "respond-async, wait=30"),
    ] {
        let headers: Vec<_> = values.iter().map(|value| ("Prefer", *value)).collect();
        let ended = soon("the end", post_with(&scene.admin, PATH, &brief, &headers)).await.expect(200);
        assert_eq!(ended.header("preference-applied"), Some(applied), "{values:?}");
        assert_eq!((&ended.data()["state"], ended.header("vary")), (&json!("expired"), Some("Prefer")));
    }
    for none in ["", "wait", "wait=", "wait=-1", "wait=soon", "wait=1.5", "return=minimal"] {
        let accepted = post_with(&scene.admin, PATH, &brief, &[("Prefer", none)]).await.expect(202);
        assert_eq!(accepted.header("preference-applied"), None, "{none:?}");
        assert_eq!((&accepted.data()["state"], accepted.header("vary")), (&json!("queued"), Some("Prefer")));
    }
}

#[tokio::test]
async fn a_user_has_a_thousand_live_operations() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let user = server.user(&admin, "ulla", "user").await;
    let mut agents = Vec::new();
    for _ in 0..21 {
        agents.push(user.create_agent("server", SECRET).await);
    }
    let each = (0..1000).map(|turn| made(&user, wakeup(agents[turn / 50])));
    let made: Vec<_> = futures_util::stream::iter(each).buffer_unordered(16).collect().await;
    let full = user.post(PATH, wakeup(agents[20])).await.expect(429);
    assert_eq!(full.code(), "too_many_operations");
    assert!(full.message().contains("1000") && full.header("retry-after").is_some(), "{}", full.text);
    // As many are listed at once unless more are asked for, and no more than so many.
    for (query, many) in [("", 100), ("?limit=500", 500)] {
        let page = user.get(&format!("{PATH}{query}")).await.expect(200);
        let listed = page.data().as_array().unwrap().len();
        assert_eq!((listed, page.header("link").is_some()), (many, true), "{query}");
    }
    // Another's are not theirs, and one that has ended makes room.
    let other = admin.create_agent("server", SECRET).await;
    admin.post(PATH, wakeup(other)).await.expect(202);
    user.post(&format!("{PATH}/{}/cancel", made[0]), json!({})).await.expect(200);
    user.post(PATH, wakeup(agents[20])).await.expect(202);
    user.post(PATH, wakeup(agents[20])).await.expect(429);
    server.stop().await;
}

#[tokio::test]
async fn what_has_ended_is_kept_for_ninety_days() {
    let scene = Scene::new("server").await;
    let host = scene.server.host();
    let canceled = made(&scene.admin, wakeup(scene.agent)).await;
    scene.admin.post(&format!("{PATH}/{canceled}/cancel"), json!({})).await.expect(200);
    let waiting = made(&scene.admin, wakeup(scene.agent)).await;
    let pass = async |days: u64| {
        host.clock.advance(Duration::from_secs(days * 24 * 60 * 60));
        let admin = scene.server.superadmin().await;
        until_state(&admin, &waiting, "expired").await;
        (netignite::domain::operation::retention::prune(host).await.unwrap(), admin)
    };
    let (deleted, admin) = pass(89).await;
    assert_eq!((deleted, &get(&admin, &canceled).await["state"]), (0, &json!("canceled")));
    let (deleted, admin) = pass(2).await;
    assert_eq!(deleted, 1);
    admin.get(&format!("{PATH}/{canceled}")).await.expect(404);
    // It is as old, and ended two days ago.
    assert_eq!(get(&admin, &waiting).await["state"], "expired");
}

/// A machine that is busy just then may be late: once in time is enough.
#[tokio::test]
async fn what_is_done_directly_is_recorded_within_a_second() {
    let scene = Scene::new("server").await;
    let serving = tokio::spawn(scene.firmware().await.serve());
    let recorded = async || scene.admin.get(PATH).await.expect(200).data().as_array().unwrap().len();
    let mut taken = Vec::new();
    for call in 1..=5 {
        let pending = if call % 2 == 0 { scene.wake() } else { scene.wake_mac("AA:BB:CC:DD:EE:01") };
        pending.answer().await.expect(200);
        let answered = Instant::now();
        until_equal("the operation that records it", call, &recorded).await;
        taken.push(answered.elapsed());
        if taken[call - 1] < Duration::from_secs(1) {
            break;
        }
    }
    assert!(taken.iter().any(|time| *time < Duration::from_secs(1)), "{taken:?}");
    serving.abort();
}
