//! Commands that tests register: on a real agent, and on the server's side.

use netignite::agent::AgentConfig;

use super::*;

/// An operation as it is now.
async fn operation(admin: &netignite::testkit::Client, id: &str) -> JsonValue {
    admin.get(&format!("/api/operations/{id}")).await.data()
}

#[tokio::test]
async fn a_command_that_runs_on_the_real_agent_is_canceled_and_ends() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let begin = async |seconds: u64| {
        let body = json!({"kind": "command", "agentID": agent.id, "command": "COUNT_DOWN", "payload": {"seconds": seconds}});
        let id = admin.post("/api/operations", body).await.data()["id"].as_str().unwrap().to_owned();
        until("the command to run", async || {
            (operation(&admin, &id).await["state"] == "running").then_some(())
        })
        .await;
        id
    };
    let id = begin(50).await;
    let began = Instant::now();
    // It may be running before its frame was written; then it is asked again.
    let canceled = until("the end", async || {
        let reply = admin.post(&format!("/api/operations/{id}/cancel"), json!({})).await;
        (reply.status == 200).then_some(reply)
    })
    .await;
    assert_eq!(canceled.data()["state"], "canceled", "{canceled}");
    assert!(began.elapsed() < Duration::from_secs(30));
    // The agent has room and serves on.
    let id = begin(1).await;
    until("the other's end", async || (operation(&admin, &id).await["state"] == "succeeded").then_some(()))
        .await;
}

#[tokio::test]
async fn a_real_agent_has_the_tests_configuration() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let picky = |agent: i64| format!("/api/agents/{agent}/commands/PICKY");
    let plain = server.real_agent(&admin).await;
    let refused = admin.post(&picky(plain.id), json!({"word": "a"})).await;
    assert_eq!(
        (refused.status, &refused.json()["code"]),
        (409, &json!("command_not_supported")),
        "{refused}"
    );

    let configuration = json!({"allow": ["PICKY"], "commands": {"PICKY": {"word": "please"}}});
    let agent = server.real_agent_with(&admin, configuration).await;
    let taken = admin.post(&picky(agent.id), json!({"word": "please"})).await;
    assert_eq!(taken.status, 200, "{taken}");

    for (wrong, named) in [
        (json!({"allow": ["PICKI"]}), "PICKY"),
        (json!({"commands": {"PICKY": {"wrod": "x"}}}), "commands.PICKY.wrod"),
        (json!({"alow": []}), "allow"),
    ] {
        let refused = std::panic::AssertUnwindSafe(server.real_agent_with(&admin, wrong));
        let refused = futures_util::FutureExt::catch_unwind(refused).await.unwrap_err();
        let said = refused.downcast_ref::<String>().unwrap();
        assert!(said.contains(named), "{said}");
    }
}

#[test]
fn an_agents_sections_are_shown_without_their_secrets() {
    let section = json!({"word": "please", "key": "swordfish", "password": "sesame"});
    let config: AgentConfig = serde_json::from_value(json!({"commands": {"PICKY": section}})).unwrap();
    let shown = config.check().unwrap().commands["PICKY"].clone();
    assert_eq!(shown, json!({"word": "please", "key": "[redacted]", "password": "[redacted]"}));
}

#[tokio::test]
async fn an_operation_keeps_the_agents_word_for_why_it_failed() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent_with(&admin, json!({"allow": ["PICKY"]})).await;
    let body = json!({"kind": "command", "agentID": agent.id, "command": "PICKY", "payload": {"word": "x"}});
    let id = admin.post("/api/operations", body).await.data()["id"].as_str().unwrap().to_owned();
    let wanted = json!({"agentCode": "wrong_word"});
    until("the operation to fail", async || {
        let ended = operation(&admin, &id).await;
        (ended["state"] == "failed" && ended["evidence"] == wanted).then_some(())
    })
    .await;

    // So does the one that records a call that was answered at once.
    let path = format!("/api/agents/{}/commands/PICKY", agent.id);
    assert_eq!(admin.post(&path, json!({"word": "y"})).await.json()["agentCode"], "wrong_word");
    until("the call's record", async || {
        let all = admin.get("/api/operations").await.data();
        let found = all.as_array().unwrap().iter().find(|one| one["payload"] == json!({"word": "y"}));
        found.is_some_and(|one| one["evidence"] == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_servers_side_of_a_command_completes_it_refuses_it_and_keeps_its_reply() {
    let _turn = turn().await;
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let id = agent.id;
    until("the agent", async || admin.get("/api/agents").await.text().contains("online").then_some(())).await;
    let path = format!("/api/agents/{id}/commands/GUARDED");
    let kept = guarded::KEPT.load(SeqCst);
    let done = admin.post(&path, json!({"want": "it"})).await;
    assert_eq!(done.data()["message"], format!("it for {id} by {id}"), "{done}");
    let body = |want: &str| json!({"kind": "command", "agentID": id, "command": "GUARDED", "payload": {"want": want}});
    let post = async |want: &str| {
        let headers = [("content-type", "application/json"), ("prefer", "wait=20")];
        admin.send(Method::POST, "/api/operations", &headers, body(want).to_string().into()).await
    };
    let made = post("it").await;
    assert_eq!(made.data()["result"]["message"], format!("it for {id} by {id}"), "{made}");
    assert_eq!(made.data()["payload"]["want"], format!("it for {id}"));
    assert_eq!(guarded::KEPT.load(SeqCst), kept + 2);

    for (want, code, words) in [
        ("no", "unwanted", "GUARDED was refused: Nobody wants that"),
        ("panic", "internal", "the server’s log"),
        ("forever", "internal", "the server’s log"),
        ("too much", "invalid_payload", "want: expected 100 characters"),
    ] {
        for refused in [admin.post(&path, json!({"want": want})).await, post(want).await] {
            assert_eq!(refused.status, 409, "{refused}");
            let body = refused.json();
            assert_eq!(
                (&body["code"], &body["agentCode"]),
                (&json!("command_refused"), &json!(code)),
                "{refused}"
            );
            assert!(refused.text().contains(words), "{refused}");
        }
    }
    let failed = admin.post(&path, json!({"want": "in vain"})).await;
    assert_eq!((failed.status, &failed.json()["agentCode"]), (502, &json!("in_vain")), "{failed}");
    let failed = post("in vain").await;
    assert_eq!(failed.data()["state"], "failed", "{failed}");
    assert!(failed.text().contains("It was for nothing"), "{failed}");
    assert_eq!(admin.post(&path, json!({"want": "x".repeat(101)})).await.status, 400);
    assert_eq!(guarded::KEPT.load(SeqCst), kept + 2);
}

#[tokio::test]
async fn the_servers_side_of_a_command_has_tables_of_its_own_and_no_others() {
    let _turn = turn().await;
    let log = heard::begin();
    let directory = Arc::new(Directory::new());
    let mut id = 0;
    for round in 1..=2 {
        let server = TestServer::fresh_in(directory.clone(), []).await;
        let admin = server.admin().await;
        let agent = server.real_agent(&admin).await;
        let path = format!("/api/agents/{}/commands/GUARDED", agent.id);
        if round == 2 {
            // What the agent of the first round said is kept, and is not this one's.
            assert_ne!(agent.id, id);
            let kept = server
                .host()
                .store
                .read_table(Unit::Command("GUARDED"), |table| {
                    table.query("SELECT said FROM command_guarded_replies ORDER BY id", [])
                })
                .await
                .unwrap();
            let said: Vec<_> = kept.iter().map(|row| row.text(0)).collect();
            assert_eq!(said, ["0 replies, at last ", "block"]);
        }
        let none = admin.post(&path, json!({"want": "how many"})).await;
        assert_eq!(none.data()["message"], format!("0 replies, at last  by {}", agent.id), "{none}");
        if round == 1 {
            id = agent.id;
            let foreign = admin.post(&path, json!({"want": "foreign"})).await;
            assert_eq!(
                (foreign.status, &foreign.json()["agentCode"]),
                (409, &json!("internal")),
                "{foreign}"
            );
            assert!(!foreign.text().contains("users"), "{foreign}");
            log.until("the command GUARDED may use only what is named command_guarded_").await;
            let slow = admin.post(&path, json!({"want": "block"})).await;
            assert_eq!(slow.status, 200, "{slow}");
            log.until("the server’s side of GUARDED blocked its thread for").await;
        }
        server.stop().await;
    }
}

#[tokio::test]
async fn what_goes_wrong_with_a_command_has_a_code_of_its_own() {
    let _turn = turn().await;
    let log = heard::begin();
    let server = TestServer::fresh([]).await;
    let admin = server.admin().await;
    let agent = server.real_agent(&admin).await;
    let path = format!("/api/agents/{}/commands/FAULTY", agent.id);
    for (how, code, words) in [
        ("panic", "command_panicked", "log says more"),
        ("panic elsewhere", "command_panicked", "log says more"),
        ("code", "command_panicked", "log says more"),
        ("config", "command_panicked", "log says more"),
        ("large", "reply_too_large", "65536 at most"),
        ("other", "out_of_order", "out of order"),
    ] {
        let failed = admin.post(&path, json!({"how": how})).await;
        let body = failed.json();
        assert_eq!(
            (failed.status, &body["code"], &body["agentCode"]),
            (502, &json!("command_failed"), &json!(code)),
            "{failed}"
        );
        assert!(failed.text().contains(words), "{failed}");

        let made =
            json!({"kind": "command", "agentID": agent.id, "command": "FAULTY", "payload": {"how": how}});
        let headers = [("content-type", "application/json"), ("prefer", "wait=20")];
        let made = admin.send(Method::POST, "/api/operations", &headers, made.to_string().into()).await;
        assert_eq!(made.data()["evidence"], json!({"agentCode": code}), "{made}");
    }
    log.until("a-z, 0-9 and _, and \\\"Out Of Order\\\" is none").await;
    log.until("register_command! does not name plugin_kit::faulty::Config: write `config = ").await;
}
