//! Queries in the forms that clients write them in: nothing in them silently means something else.

use serde_json::{Value, json};

use super::support::{Scene, scene};

#[tokio::test]
async fn ids_may_be_repeated_listed_or_bracketed_and_never_mean_all() {
    let Scene { server: _server, admin, agent, device, .. } = Scene::new("server").await;
    let others = [
        admin.create_agent("server", scene::SECRET).await,
        admin.create_agent("server", scene::SECRET).await,
    ];
    let more = [admin.create_device(agent, scene::MAC).await, admin.create_device(agent, scene::MAC).await];
    for (path, a, b, c) in [
        ("/api/agents/status", agent, others[0], others[1]),
        ("/api/devices/status", device, more[0], more[1]),
    ] {
        let asked = async |query: String| {
            let reply = admin.get(&format!("{path}{query}")).await.expect(200);
            let mut ids: Vec<i64> =
                reply.data().as_object().unwrap().keys().map(|id| id.parse().unwrap()).collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(asked(String::new()).await, [a, b, c]);
        for query in [
            format!("?ids={a}&ids={b}"),
            format!("?ids[]={a}&ids[]={b}"),
            format!("?ids%5B%5D={a}&ids%5b%5d={b}"),
            format!("?ids[0]={a}&ids[1]={b}"),
            format!("?ids={a},{b}"),
            format!("?ids={a}%2C%20{b}"),
            format!("?ids={a}&x=1&ids={b},junk,{b}"),
            format!("?ids[]={a},{b}"),
            format!("?ids=&ids={a}&ids[]={b}"),
        ] {
            assert_eq!(asked(query.clone()).await, [a, b], "{query}");
        }
        assert_eq!(asked(format!("?ids[]={c}")).await, [c]);
        for none in [
            "?ids=",
            "?ids",
            "?ids[]=",
            "?ids[]",
            "?ids%5B%5D=",
            "?ids=junk",
            "?ids[]=junk&ids=",
            "?ids[x]=y",
        ] {
            assert_eq!(asked(none.to_owned()).await, Vec::<i64>::new(), "{none}");
        }
    }
}

#[tokio::test]
async fn only_favorites_is_yes_or_no() {
    let Scene { server: _server, admin, device, .. } = Scene::new("server").await;
    for (value, shown) in [("true", 0), ("True", 0), ("1", 0), ("false", 1), ("0", 1), ("", 1)] {
        let reply = admin.get(&format!("/api/devices?onlyFavorites={value}")).await.expect(200);
        assert_eq!(reply.data().as_array().map(Vec::len), Some(shown), "{value}: {}", reply.text);
    }
    for junk in ["onlyFavorites=maybe", "onlyFavorites=2", "onlyFavorites=true&onlyFavorites=false"] {
        let reply = admin.get(&format!("/api/devices?{junk}")).await.expect(400);
        assert!(reply.message().contains("onlyFavorites"), "{junk}: {}", reply.text);
    }
    // What the route does not know it passes over.
    let reply = admin.get("/api/devices?_=1700000000&sort=name").await.expect(200);
    assert_eq!(reply.data()[0]["id"], json!(device));
}

#[tokio::test]
async fn times_in_seconds_are_named_and_not_taken_for_1970() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let now = server.host().clock.now();
    let entries = async |query: String| {
        let reply = admin.get(&format!("/api/admin/audit?{query}")).await.expect(200);
        reply.data()["entries"].as_array().map_or(0, Vec::len)
    };
    assert!(entries(format!("since={}", now - 3_600_000)).await > 0);
    assert_eq!(entries(format!("since={}", now + 3_600_000)).await, 0);
    assert!(entries("since=0".into()).await > 0);
    for key in ["since", "until"] {
        for seconds in [now / 1000, now / 1000 + 86_400, 1_000_000_000] {
            let reply = admin.get(&format!("/api/admin/audit?{key}={seconds}")).await.expect(400);
            assert_eq!(reply.body["errors"][0]["field"], key);
            assert!(
                reply.message().contains("milliseconds") && reply.message().contains("seconds"),
                "{}",
                reply.text
            );
        }
        for finer in [now * 1000, now * 1_000_000] {
            let reply = admin.get(&format!("/api/admin/audit?{key}={finer}")).await.expect(400);
            assert!(reply.message().contains("milliseconds"), "{}", reply.text);
        }
    }
    // The same in bodies.
    let token = |expires: Value| json!({"name": "t", "permissions": ["devices:read"], "expiresAt": expires});
    for (expires, good) in
        [(now + 86_400_000, true), ((now + 86_400_000) / 1000, false), ((now + 86_400_000) * 1000, false)]
    {
        let reply = admin.post("/api/account/tokens", token(json!(expires))).await;
        assert_eq!(reply.status, if good { 201 } else { 400 }, "{}", reply.text);
        assert!(good || reply.message().contains("milliseconds"), "{}", reply.text);
    }
}

#[tokio::test]
async fn a_filter_that_comes_twice_is_named() {
    let Scene { server: _server, admin, .. } = Scene::new("server").await;
    for (query, field) in [
        ("since=0&since=1893456000000", "since"),
        ("action=agent.&action=device.", "action"),
        ("limit=1&limit=1", "limit"),
    ] {
        let reply = admin.get(&format!("/api/admin/audit?{query}")).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{}", reply.text);
    }
}

#[tokio::test]
async fn a_key_that_is_nearly_ids_does_not_mean_all() {
    let Scene { server: _server, admin, agent, .. } = Scene::new("server").await;
    for path in ["/api/agents/status", "/api/devices/status"] {
        for query in ["IDS=1", "%20ids=1", "id=1", "Ids[]=1", "ids%20=1"] {
            let reply = admin.get(&format!("{path}?{query}")).await.expect(400);
            assert!(reply.message().contains("ids"), "{}", reply.text);
        }
        admin.get(&format!("{path}?idle=1&x={agent}")).await.expect(200);
    }
}

#[tokio::test]
async fn a_key_that_is_nearly_a_filter_does_not_mean_all() {
    let Scene { server: _server, admin, device, .. } = Scene::new("server").await;
    let timeline = format!("/api/devices/{device}/timeline");
    for (path, query, field) in [
        ("/api/operations", "state[]=live", "state"),
        ("/api/operations", "agentid=1", "agentID"),
        ("/api/operations", "%20kind=wake", "kind"),
        ("/api/operations", "limit=1&limit=2", "limit"),
        ("/api/devices", "q[]=nothing", "q"),
        ("/api/devices", "agentID[0]=4711", "agentID"),
        ("/api/devices", "Shared=true", "shared"),
        ("/api/devices", "onlyfavorites=true", "onlyFavorites"),
        ("/api/devices", "onlyFavorites[]=true", "onlyFavorites"),
        ("/api/devices", "%20presence=true", "presence"),
        ("/api/agents", "ownerid=4711", "ownerID"),
        ("/api/agents", "type=server&type=server", "type"),
        (&timeline, "limit=1&limit=2", "limit"),
        (&timeline, "Limit=1", "limit"),
        (&timeline, "cursor[]=x", "cursor"),
    ] {
        let reply = admin.get(&format!("{path}?{query}")).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{path}?{query}: {}", reply.text);
    }
    for path in ["/api/operations", "/api/devices", "/api/agents", &timeline] {
        admin.get(&format!("{path}?_=1700000000&stateful=1&x[]=1")).await.expect(200);
    }
}
