//! A second factor that the configuration wants of a role: nothing is open before it is set up.

use std::time::Duration;

use netignite::config::{Config, RoleWord};
use netignite::rest::{Access, Method};
use serde_json::json;

use super::support::authenticator::Authenticator;
use super::support::binary::{command, run};
use super::support::{Client, Reply, Server};

const PATH: &str = "/api/account/totp";

fn of_admins(config: &mut Config) {
    config.auth.require_totp = vec![RoleWord::Admin];
}

async fn with_token(client: &Client, token: &str, path: &str) -> Reply {
    let program = Client::anonymous(client.address);
    let request = program.http.get(program.url(path)).bearer_auth(token);
    program.send(request).await
}

async fn token_of(client: &Client) -> String {
    let body = json!({"name": "a program", "permissions": ["devices:read"]});
    let reply = client.post("/api/account/tokens", body).await.expect(201);
    reply.data()["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn nothing_is_open_before_but_setting_it_up() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let (token, password) = (token_of(&admin).await, server.password.clone());
    let ann = server.user(&admin, "ann", "user").await;
    let carol = server.user(&admin, "carol", "admin").await;
    let server = Server::start_in(server.stop().await, of_admins).await;
    let at_new = |client: Client| Client { address: server.address(), ..client };
    let (admin, ann, carol) = (at_new(admin), at_new(ann), at_new(carol));

    // Whoever is logged in already is asked, too, and whoever logs in gets in.
    let fresh = Client::login(server.address(), "admin", &password).await;
    let mut open = Vec::new();
    for client in [&admin, &fresh, &carol] {
        for route in netignite::api::table()
            .iter()
            .filter(|route| !matches!(route.access, Access::Public | Access::Agent))
        {
            let path = route.path.replace("{id}", "1").replace("{name}", "WAKEUP").replace("{tokenID}", "1");
            let reply = client.request(route.method.clone(), &path, None).await;
            if reply.code() != "totp_setup_required" && route.access != Access::Operator {
                open.push(format!("{} {path}", route.method));
                continue;
            }
            reply.expect(403);
        }
    }
    open.sort_unstable();
    open.dedup();
    let expected = [
        "DELETE /api/account/totp",
        "GET /api/account/totp",
        "GET /api/auth/session",
        "POST /api/account/totp",
        "POST /api/account/totp/confirm",
    ];
    assert_eq!(open, expected);
    assert_eq!(fresh.get("/api/health").await.expect(403).code(), "totp_setup_required");
    for path in ["/api/devices", "/api/commands"] {
        let reply = with_token(&admin, &token, path).await.expect(403);
        assert_eq!(reply.code(), "totp_setup_required", "a program of theirs");
    }
    let session = fresh.get("/api/auth/session").await.expect(200);
    assert_eq!(session.data()["totpSetupRequired"], true);
    let state = json!({"enabled": false, "required": true, "recoveryCodesLeft": 0});
    assert_eq!(fresh.get(PATH).await.expect(200).data(), &state);
    // Of users nothing is asked.
    ann.get("/api/devices").await.expect(200);
    assert_eq!(ann.get("/api/auth/session").await.expect(200).data()["totpSetupRequired"], false);

    // One who only begins has none.
    let begin = json!({"currentPassword": password});
    fresh.post(PATH, begin).await.expect(201);
    fresh.get("/api/devices").await.expect(403);
    let (app, _) = Authenticator::set_up(&server, &fresh).await;
    fresh.get("/api/admin/users").await.expect(200);
    assert_eq!(fresh.get("/api/auth/session").await.expect(200).data()["totpSetupRequired"], false);
    with_token(&admin, &token, "/api/devices").await.expect(200);
    carol.get("/api/devices").await.expect(403);

    // Without it everything is closed again, and a user who becomes an admin is asked from the next request on.
    server.host().clock.advance(Duration::from_secs(30));
    let body = json!({"currentPassword": password, "code": app.code(server.host().clock.now())});
    fresh.put(&format!("/api/admin/users/{}", ann.user), json!({"role": "admin"})).await.expect(200);
    ann.get("/api/devices").await.expect(403);
    fresh.delete_with(PATH, body).await.expect(200);
    fresh.get("/api/devices").await.expect(403);
    with_token(&admin, &token, "/api/devices").await.expect(403);
    fresh.post("/api/auth/logout", json!({})).await.expect(200);
}

#[tokio::test]
async fn the_local_operator_is_not_asked() {
    let server = Server::start_with(of_admins).await;
    let (status, answer) =
        super::rest_operator::operate(&server, Method::GET, "/api/admin/users", json!({})).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test]
async fn roles_are_named_as_they_are() {
    let here = tempfile::tempdir().unwrap();
    for (roles, good) in [("admin", true), ("user,admin", true), ("superadmin", false), ("[]", true)] {
        let mut check = command(here.path(), &["config", "check"]);
        check.env("NETIGNITE_AUTH__REQUIRE_TOTP", roles);
        let (status, said) = run(check).await;
        assert_eq!(status.success(), good, "{roles}: {said}");
        let refused = said.contains("auth.requireTotp: expected a list of the roles");
        assert_eq!(refused, !good, "{roles}: {said}");
    }
}
