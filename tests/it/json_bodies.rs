//! Bodies, agents' replies and configuration files mean what their JSON says, and nothing else.

use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};

use super::support::binary::{command, run};
use super::support::{Client, Reply, Scene, scene};

const JSON: &str = "application/json";
/// Keys with which a library of ours marks what it wants to read in another way.
const PRIVATE: [&str; 4] = [
    "$serde_json::private::RawValue",
    "$serde_json::private::Number",
    "$__toml_private_datetime",
    "___figment_tagged_item",
];

async fn post(client: &Client, path: &str, body: impl Into<Vec<u8>>) -> Reply {
    let request = client.http.post(client.url(path)).header(CONTENT_TYPE, JSON).body(body.into());
    client.send(request).await
}

#[tokio::test]
async fn a_key_of_a_librarys_own_is_a_key_like_any_other() {
    let Scene { server, admin, agent, .. } = Scene::new("server").await;
    for key in PRIVATE {
        for value in
            [json!({key: "\"smuggled\""}), json!({key: "9"}), json!({key: "[1]"}), json!({key: "\"server\""})]
        {
            for field in ["name", "type", "description", "macAddress", "port", "agentID", "address"] {
                let mut body =
                    json!({"name": "n", "type": "desktop", "macAddress": scene::MAC, "agentID": agent});
                body[field] = value.clone();
                let refused = admin.post("/api/devices", body).await.expect(400);
                assert_eq!(refused.body["errors"][0]["field"], field, "{value}: {}", refused.text);
            }
            for field in ["name", "type", "secret", "description"] {
                let mut body = json!({"name": "n", "type": "server", "secret": scene::SECRET});
                body[field] = value.clone();
                let refused = admin.post("/api/agents", body).await.expect(400);
                assert_eq!(refused.body["errors"][0]["field"], field, "{value}: {}", refused.text);
            }
            let body = json!({"username": value, "password": value});
            server.anonymous().post("/api/auth/login", body).await.expect(400);
            let body = json!({"username": {key: "\"admin\""}, "password": {key: json!(server.password).to_string()}});
            server.anonymous().post("/api/auth/login", body).await.expect(400);
            for field in ["macAddress", "port"] {
                let mut payload = json!({"macAddress": scene::MAC, "port": 9});
                payload[field] = value.clone();
                admin.command(agent, "WAKEUP", payload).await.expect(400);
            }
        }
        // Beside the fields it is one that nobody knows, wherever it stands.
        let body =
            format!(r#"{{"{key}":"{{}}","name":"n","type":"server","secret":"a long enough secret"}}"#);
        post(&admin, "/api/agents", body).await.expect(201);
        let body = format!(
            r#"{{"name":"n","{key}":1,"type":"server","secret":"a long enough secret","x":{{"{key}":"no"}}}}"#
        );
        post(&admin, "/api/agents", body).await.expect(201);
        // As the whole body it is an object without the fields that are wanted.
        let whole = json!({"name": "n", "type": "server", "secret": "a long enough secret"}).to_string();
        let refused = post(&admin, "/api/agents", json!({key: whole}).to_string()).await.expect(400);
        assert_eq!(refused.body["errors"][0]["field"], "name", "{}", refused.text);
    }
}

#[tokio::test]
async fn an_agents_reply_is_its_json_and_bounded_in_depth() {
    let scene = Scene::new("server").await;
    let mut firmware = scene.firmware().await;
    let ok = r#"{\"status\":\"OK\",\"message\":\"m\"}"#;
    for key in PRIVATE {
        for reply in
            [format!(r#"{{"{key}":"{ok}"}}"#), format!(r#"{{"status":{{"{key}":"\"OK\""}},"message":"m"}}"#)]
        {
            let wake = scene.wake();
            let command = firmware.command().await;
            firmware.reply(&command, &reply).await;
            assert_eq!(wake.answer().await.expect(502).code(), "bad_reply", "{reply}");
        }
    }
    let deep = |depth: usize| {
        format!(r#"{{"status":"OK","message":"m","more":{}1{}}}"#, "[".repeat(depth), "]".repeat(depth))
    };
    for bad in [
        deep(25_000),
        deep(200),
        r#"{"status":"OK","message":"m","status":"ERROR"}"#.to_owned(),
        r#"{"status":"OK","message":"\ud800"}"#.to_owned(),
        r#"{"status":"OK","message":"m","more":1e999}"#.to_owned(),
    ] {
        let wake = scene.wake();
        let command = firmware.command().await;
        firmware.reply(&command, &bad).await;
        assert_eq!(wake.answer().await.expect(502).code(), "bad_reply", "{:.80}", bad);
    }
    let wake = scene.wake();
    let command = firmware.command().await;
    firmware.reply(&command, &deep(20)).await;
    wake.answer().await.expect(200);
}

#[tokio::test]
async fn what_would_be_read_in_two_ways_or_lost_is_refused_and_named() {
    let Scene { server: _server, admin, agent, device, .. } = Scene::new("server").await;
    let wakeup = format!("/api/agents/{agent}/commands/WAKEUP");
    let nest =
        |open: &str, close: &str, depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
    let cases = [
        (nest("[", "]", 30_000), "deep"),
        (nest("[", "]", 100), "deep"),
        (nest("{\"a\":", "}", 8_000), "deep"),
        ("1e999".to_owned(), "number"),
        ("-1e999".to_owned(), "number"),
        ("\"\\ud800\"".to_owned(), "surrogate"),
        ("\"\\udc00x\"".to_owned(), "surrogate"),
        ("{\"a\":1,\"a\":2}".to_owned(), "second time"),
        ("{\"a\":1,\"\\u0061\":2}".to_owned(), "second time"),
        ("01".to_owned(), "JSON"),
        ("NaN".to_owned(), "JSON"),
    ];
    for (value, word) in cases {
        for (path, rest) in [
            ("/api/agents", r#""name":"n","type":"server","secret":"a long enough secret""#),
            (wakeup.as_str(), r#""macAddress":"AA:BB:CC:DD:EE:FF","port":9"#),
        ] {
            let reply = post(&admin, path, format!(r#"{{{rest},"more":{value}}}"#)).await.expect(400);
            assert_eq!(reply.code(), "invalid_payload");
            assert!(reply.message().contains(word), "{value:.40}: {}", reply.text);
        }
    }
    for twice in [
        r#"{"name":"n","name":"m","type":"server","secret":"a long enough secret"}"#,
        r#"{"name":"n","n\u0061me":"m","type":"server","secret":"a long enough secret"}"#,
    ] {
        let reply = post(&admin, "/api/agents", twice).await.expect(400);
        assert!(reply.message().contains("second time"), "{}", reply.text);
    }
    post(&admin, &wakeup, r#"{"macAddress":"AA:BB:CC:DD:EE:FF","port":9,"port":10}"#).await.expect(400);
    // A text that would be cut at its NUL.
    for (field, value) in [("name", "a\0b"), ("description", "\0"), ("secret", "a long enough\0secret")] {
        let mut body = json!({"name": "n", "type": "server", "secret": "a long enough secret"});
        body[field] = json!(value);
        let reply = admin.post("/api/agents", body).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{}", reply.text);
    }
    let mut whole = admin.get(&format!("/api/devices/{device}")).await.expect(200).data().clone();
    for field in ["name", "description", "address", "macAddress"] {
        let mut body = whole.clone();
        body[field] = json!("nas\0.lan");
        let reply = admin.put(&format!("/api/devices/{device}"), body).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], field, "{}", reply.text);
    }
    // Deep, and yet not too deep.
    whole["more"] = serde_json::from_str::<Value>(&nest("[", "]", 30)).unwrap();
    admin.put(&format!("/api/devices/{device}"), whole).await.expect(200);
}

#[tokio::test]
async fn a_bodys_byte_order_mark_is_no_part_of_it() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let login = json!({"username": "admin", "password": server.password}).to_string();
    let agent = json!({"name": "n", "type": "server", "secret": "a long enough secret"}).to_string();
    post(&server.anonymous(), "/api/auth/login", format!("\u{feff}{login}")).await.expect(200);
    post(&admin, "/api/agents", format!("\u{feff}\r\n {agent}\r\n")).await.expect(201);
    // Nothing but blanks is nothing.
    for blank in ["\r\n", " ", "\u{feff}", "\u{feff} \n"] {
        post(&server.anonymous(), "/api/auth/logout", blank).await.expect(200);
        let reply = post(&admin, "/api/agents", blank).await.expect(400);
        assert_eq!(reply.body["errors"][0]["field"], "name", "{}", reply.text);
    }
    for big_endian in [false, true] {
        let units = format!("\u{feff}{agent}");
        let units = units.encode_utf16();
        let bytes: Vec<u8> =
            units.flat_map(|unit| if big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect();
        let reply = post(&admin, "/api/agents", bytes).await.expect(400);
        assert!(reply.message().contains("UTF-16") && reply.message().contains("UTF-8"), "{}", reply.text);
    }
}

#[tokio::test]
async fn the_media_type_may_be_written_as_it_may_be_and_matters_only_where_a_body_is_taken() {
    let scene = Scene::new("server").await;
    let admin = &scene.admin;
    let agent = json!({"name": "n", "type": "server", "secret": "a long enough secret"}).to_string();
    let send = |path: String, content_type: Option<&'static str>, body: String| {
        let mut request = admin.http.post(admin.url(&path)).body(body);
        if let Some(content_type) = content_type {
            request = request.header(CONTENT_TYPE, content_type);
        }
        admin.send(request)
    };
    for good in [
        "application/json",
        "Application/JSON",
        "application/json;charset=utf-8",
        "application/json ; charset=\"UTF-8\"",
        "application/json; charset=utf8",
        "application/json; charset=us-ascii; x=y",
        "application/problem+json",
        "text/json",
    ] {
        send("/api/agents".into(), Some(good), agent.clone()).await.expect(201);
    }
    for bad in [
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "text/plain",
        "application/jsonp",
        "application/x-www-form-urlencoded",
    ] {
        send("/api/agents".into(), Some(bad), agent.clone()).await.expect(415);
    }
    send("/api/agents".into(), None, agent.clone()).await.expect(415);
    for (encoding, status) in [("identity", 201), ("", 201), ("gzip", 415), ("identity, BR", 415), ("x", 415)]
    {
        let request = admin.http.post(admin.url("/api/agents")).body(agent.clone());
        let request = request.header(CONTENT_TYPE, "application/json").header(CONTENT_ENCODING, encoding);
        let reply = admin.send(request).await.expect(status);
        assert!(status == 201 || reply.message().contains("Content-Encoding"), "{}", reply.text);
    }

    // What takes no body has nothing against one.
    let mut firmware = scene.firmware().await;
    for content_type in
        [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("nonsense")]
    {
        for body in ["x=1", "nonsense", "", "{"] {
            let waking = send(format!("/api/devices/{}/wakeup", scene.device), content_type, body.into());
            let waking = async {
                let answer = async {
                    let command = firmware.command().await;
                    firmware.reply_ok(&command).await;
                };
                tokio::join!(waking, answer).0
            };
            waking.await.expect(200);
        }
        let request = admin.http.delete(admin.url("/api/agents/4711")).body("a=b");
        let request = content_type.into_iter().fold(request, |r, t| r.header(CONTENT_TYPE, t));
        admin.send(request).await.expect(404);
    }
}

#[tokio::test]
async fn a_configuration_file_is_its_json() {
    for key in PRIVATE {
        for (config, word) in [
            (json!({"plugins": {"metrics": {key: "{\"enabled\":false}"}}}), "plugins.metrics"),
            (json!({"plugins": {key: "{}"}}), "plugins"),
            (json!({"logLevel": {key: "\"info\""}}), "logLevel"),
            (json!({"server": {key: "{\"port\":1}"}}), "server"),
            (json!({key: "{}"}), key),
        ] {
            let here = tempfile::tempdir().unwrap();
            std::fs::write(here.path().join("c.json"), config.to_string()).unwrap();
            let (status, said) = run(command(here.path(), &["config", "check", "--config", "c.json"])).await;
            assert!(!status.success() && said.contains(word), "{config}: {said}");
        }
    }
}
