//! What editors, shells and other systems write around a text is no part of it: byte order marks, blanks and line ends
//! in files, on standard input, in variables and headers. Text in UTF-16 is named as such.

use std::path::Path;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::cli::{answer, cli, refusal, text};
use super::support::binary::{command, run, superadmin};
use super::support::raw::exchange;
use super::support::{Binary, Client, Scene};

const KEY: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const TOKEN: &str = "a token for the metrics alone";

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// Starts a server with these variables and stops it again; gives what it logged if it does not start.
async fn starts(directory: &Path, variables: &[(&str, &str)]) -> Result<(), String> {
    let mut program = command(directory, &[]);
    program.envs(variables.iter().copied());
    let server = Binary::spawn(program);
    let started = tokio::select! {
        _ = server.line(&["listening"]) => true,
        _ = server.line(&["netignite: "]) => false,
    };
    if started {
        server.signal(Signal::TERM);
    }
    let (status, log) = server.ended().await;
    if status.success() { Ok(()) } else { Err(log) }
}

#[tokio::test]
async fn a_master_keys_file_may_be_marked_and_ended_as_it_likes() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("key.txt");
    let of_file = [("NETIGNITE_SECRET_KEY_FILE", file.to_str().unwrap())];
    starts(here.path(), &[("NETIGNITE_SECRET_KEY", KEY)]).await.unwrap();
    for content in [KEY.to_owned(), format!("\u{feff}{KEY}\r\n"), format!("\u{feff} {KEY} \n\n")] {
        std::fs::write(&file, &content).unwrap();
        starts(here.path(), &of_file).await.unwrap_or_else(|e| panic!("{content:?}: {e}"));
    }
    std::fs::write(&file, utf16(KEY)).unwrap();
    let said = starts(here.path(), &of_file).await.unwrap_err();
    assert!(said.contains("UTF-16") && said.contains("key.txt") && !said.contains(KEY), "{said}");

    // A database that was sealed while the mark counted as a part of the key: of two marks one still counts.
    let older = tempfile::tempdir().unwrap();
    starts(older.path(), &[("NETIGNITE_SECRET_KEY", &format!("\u{feff}\u{feff}{KEY}"))]).await.unwrap();
    for content in [format!("\u{feff}{KEY}\r\n"), KEY.to_owned()] {
        std::fs::write(&file, &content).unwrap();
        starts(older.path(), &of_file).await.unwrap_or_else(|e| panic!("{content:?}: {e}"));
    }
    std::fs::write(&file, KEY.replace('0', "1")).unwrap();
    starts(older.path(), &of_file).await.unwrap_err();
}

#[tokio::test]
async fn the_key_file_in_the_data_directory_may_be_marked() {
    let here = tempfile::tempdir().unwrap();
    starts(here.path(), &[]).await.unwrap();
    let file = here.path().join("data/secret.key");
    let key = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("\u{feff}{}\r\n", key.trim())).unwrap();
    starts(here.path(), &[]).await.unwrap();
    std::fs::write(&file, utf16(&key)).unwrap();
    let said = starts(here.path(), &[]).await.unwrap_err();
    assert!(said.contains("UTF-16"), "{said}");
}

#[tokio::test]
async fn a_password_on_standard_input_may_be_marked() {
    let here = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(here.path()).await;
    let password = "a long password of ann’s";
    answer(here.path(), &["user", "add", "ann"], &format!("\u{feff}{password}\r\n")).await;
    Client::login(address, "ann", password).await;
    let mut child = command(here.path(), &["user", "add", "bob"]);
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stdin, &utf16(password)).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(!output.status.success() && text(&output.stderr).contains("UTF-16"), "{}", text(&output.stderr));
    server.kill().await;
}

#[tokio::test]
async fn a_configuration_file_may_be_marked_and_utf_16_is_named() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("c.json");
    let check = ["config", "check", "--config", "c.json"];
    std::fs::write(&file, "\u{feff}\r\n{\"logLevel\": \"warn\"}\r\n").unwrap();
    answer(here.path(), &check, "").await;
    std::fs::write(&file, utf16("{}")).unwrap();
    let said = refusal(here.path(), &check, "").await;
    assert!(said.contains("c.json") && said.contains("UTF-16"), "{said}");
}

#[tokio::test]
async fn a_secret_named_by_a_variable_may_be_marked() {
    let here = tempfile::tempdir().unwrap();
    let file = here.path().join("token.txt");
    let program = |variable: (&str, &str)| {
        let mut program = command(here.path(), &[]);
        program.env("NETIGNITE_PLUGINS__METRICS__ENABLED", "true").env(variable.0, variable.1);
        program
    };
    std::fs::write(&file, format!("\u{feff}{TOKEN}\r\n")).unwrap();
    for variable in [
        ("NETIGNITE_PLUGINS__METRICS__TOKEN_FILE", file.to_str().unwrap().to_owned()),
        ("NETIGNITE_PLUGINS__METRICS__TOKEN", format!("\u{feff}{TOKEN}\r\n")),
    ] {
        let mut server = Binary::spawn(program((variable.0, &variable.1)));
        let address = server.listening().await;
        for sent in [TOKEN.to_owned(), format!("\u{feff}{TOKEN}"), format!(" {TOKEN}\t")] {
            let request =
                format!("GET /metrics HTTP/1.1\r\nHost: home\r\nAuthorization: Bearer {sent}\r\n\r\n");
            assert_eq!(exchange(address, &request).await.status, 200, "{sent:?}");
        }
        server.kill().await;
    }
    std::fs::write(&file, utf16(TOKEN)).unwrap();
    let variable = ("NETIGNITE_PLUGINS__METRICS__TOKEN_FILE", file.to_str().unwrap());
    let (status, said) = run(program(variable)).await;
    assert!(!status.success() && said.contains("UTF-16") && said.contains("token.txt"), "{said}");
}

#[tokio::test]
async fn tokens_and_codes_may_have_come_along_with_something() {
    let Scene { server, admin, .. } = Scene::new("server").await;
    let body = json!({"name": "t", "permissions": ["devices:read"]});
    let token = admin.post("/api/account/tokens", body).await.expect(201).data()["token"].clone();
    let token = token.as_str().unwrap();
    for sent in [format!("Bearer {token}"), format!("Bearer \u{feff}{token}"), format!("bearer\t{token} ")] {
        let request = format!("GET /api/devices HTTP/1.1\r\nHost: home\r\nAuthorization: {sent}\r\n\r\n");
        assert_eq!(exchange(server.address(), &request).await.status, 200, "{sent:?}");
    }
    let nobody = server.anonymous();
    for (before, after) in [("\u{feff}", "\r\n"), (" ", "\u{a0}"), ("\u{200b}", "")] {
        let made = admin.post("/api/agents/enrolment-codes", json!({"type": "server"})).await.expect(201);
        let code = made.data()["code"].as_str().unwrap().replace('-', "\u{2013}");
        let body = json!({"name": "n", "code": format!("{before}{code}{after}")});
        nobody.post("/api/agents/enrol", body).await.expect(201);
    }
    let bob = server.user(&admin, "bob", "user").await;
    let path = format!("/api/admin/users/{}/password-reset", bob.user);
    let reset = admin.post(&path, json!({})).await.expect(201).data()["token"].clone();
    let body = json!({"token": format!("\u{feff}{}\r\n", reset.as_str().unwrap()), "password": "a new long password"});
    nobody.post("/api/auth/reset-password", body).await.expect(200);
}

#[tokio::test]
async fn a_code_in_a_file_may_be_marked() {
    let here = tempfile::tempdir().unwrap();
    let (server, address) = Binary::serve(here.path()).await;
    let admin = superadmin(here.path(), address).await;
    let made = admin.post("/api/agents/enrolment-codes", json!({"type": "server"})).await.expect(201);
    let code = made.data()["code"].as_str().unwrap();
    let url = format!("http://{address}");
    let enroll = ["agent", "enroll", "--server", &url, "--code-file", "code.txt", "--json"];
    std::fs::write(here.path().join("code.txt"), utf16(code)).unwrap();
    let said = refusal(here.path(), &enroll, "").await;
    assert!(said.contains("UTF-16"), "{said}");
    std::fs::write(here.path().join("code.txt"), format!("\u{feff}{code} \r\n")).unwrap();
    let output = cli(here.path(), &enroll, "").await;
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(serde_json::from_slice::<Value>(&output.stdout).unwrap()["id"].is_number());
    server.kill().await;
}
