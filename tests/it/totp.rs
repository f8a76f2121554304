//! The second factor: setting it up, logging in with it, and what becomes of it.

use std::time::Duration;

use futures_util::future::join_all;
use netignite::http::Method;
use netignite::store::data_keys;
use serde_json::{Value, json};

use super::rest_envelope::wrong_fields;
use super::rest_operator::operate;
use super::support::authenticator::Authenticator;
use super::support::{Client, Reply, Server, sqlite};

const PATH: &str = "/api/account/totp";
const STEP: Duration = Duration::from_secs(30);

/// Moves the clock to the begin of a later step, so that the step does not end while a test looks at it.
fn advance_steps(server: &Server, steps: i64) {
    let clock = &server.host().clock;
    let now = clock.now();
    let then = (now / 30_000 + steps) * 30_000 + 1;
    clock.advance(Duration::from_millis((then - now).try_into().unwrap()));
}

/// A server with a user who has a second factor, whose present code is still to be used.
struct Scene {
    server: Server,
    admin: Client,
    ann: Client,
    app: Authenticator,
    codes: Vec<String>,
}

impl Scene {
    async fn new() -> Self {
        Self::on(Server::start().await).await
    }

    async fn on(server: Server) -> Self {
        let admin = server.superadmin().await;
        let ann = server.user(&admin, "ann", "user").await;
        advance_steps(&server, 1);
        let (app, codes) = Authenticator::set_up(&server, &ann).await;
        advance_steps(&server, 1);
        Self { server, admin, ann, app, codes }
    }

    fn code(&self) -> String {
        self.app.code(self.now())
    }

    fn now(&self) -> i64 {
        self.server.host().clock.now()
    }

    /// A code that no step near the present has.
    fn wrong_code(&self) -> String {
        let near: Vec<_> = (-3..=3).map(|n| self.app.code(self.now() + n * 30_000)).collect();
        let wrong = (0..).map(|n| format!("{n:06}")).find(|code| !near.contains(code));
        wrong.expect("there are a million")
    }

    async fn log_in(&self, code: &str) -> Reply {
        log_in(&self.server, "ann", &self.ann.password, Some(code)).await
    }

    async fn left(&self) -> i64 {
        self.ann.get(PATH).await.expect(200).data()["recoveryCodesLeft"].as_i64().unwrap()
    }
}

async fn log_in(server: &Server, name: &str, password: &str, code: Option<&str>) -> Reply {
    let mut body = json!({"username": name, "password": password});
    if let Some(code) = code {
        body["code"] = json!(code);
    }
    server.anonymous().post("/api/auth/login", body).await
}

#[tokio::test]
async fn it_is_set_up_in_two_steps_and_asked_for_from_then_on() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let ann = server.user(&admin, "ann", "user").await;
    let other = Client::login(server.address(), "ann", &ann.password).await;
    let off = json!({"enabled": false, "required": false, "recoveryCodesLeft": 0});
    assert_eq!(ann.get(PATH).await.expect(200).data(), &off);
    let confirm = |code: String| ann.post("/api/account/totp/confirm", json!({"code": code}));
    assert_eq!(confirm("123456".to_owned()).await.expect(409).code(), "totp_not_begun");

    assert_eq!(ann.post(PATH, json!({})).await.expect(400).code(), "current_password_required");
    let wrong = json!({"currentPassword": "wrong"});
    assert_eq!(ann.post(PATH, wrong).await.expect(400).code(), "wrong_password");
    let body = json!({"currentPassword": ann.password});
    let first = ann.post(PATH, body.clone()).await.expect(201).data()["secret"].clone();
    let begun = ann.post(PATH, body.clone()).await.expect(201);
    let secret = begun.data()["secret"].as_str().unwrap();
    assert!(first != secret && secret.len() == 32, "160 bits, and others each time: {secret}");
    let url = format!("otpauth://totp/NetIgnite:ann?secret={secret}&issuer=NetIgnite");
    assert_eq!(begun.data()["otpauthUrl"], url);
    // It is not in force yet.
    assert_eq!(ann.get(PATH).await.expect(200).data(), &off);
    log_in(&server, "ann", &ann.password, None).await.expect(200);

    let app = Authenticator::of(secret);
    let now = server.host().clock.now();
    assert_eq!(confirm(app.code(now + 300_000)).await.expect(400).code(), "wrong_totp_code");
    let of_first = Authenticator::of(first.as_str().unwrap());
    assert_eq!(confirm(of_first.code(now)).await.expect(400).code(), "wrong_totp_code");
    let done = confirm(app.code(now)).await.expect(200);
    let codes: Vec<_> = done.data()["recoveryCodes"].as_array().unwrap().iter().collect();
    assert_eq!(codes.len(), 10);
    for (i, code) in codes.iter().enumerate() {
        assert_eq!(
            code.as_str().unwrap().replace('-', "").len(),
            16,
            "80 bits take 16 characters of base32: {code}"
        );
        assert!(!codes[..i].contains(code));
    }
    let on = json!({"enabled": true, "required": false, "recoveryCodesLeft": 10});
    assert_eq!(ann.get(PATH).await.expect(200).data(), &on);
    // Who was logged in with the password alone no longer is.
    other.get("/api/auth/session").await.expect(401);
    ann.get("/api/auth/session").await.expect(200);
    assert_eq!(ann.post(PATH, body).await.expect(409).code(), "totp_enabled");
    assert_eq!(confirm(app.code(now)).await.expect(409).code(), "totp_not_begun");

    server.host().clock.advance(STEP);
    let required = log_in(&server, "ann", &ann.password, None).await.expect(401);
    assert_eq!((required.code(), required.header("set-cookie")), ("totp_required", None));
    let blank = log_in(&server, "ann", &ann.password, Some(" ")).await.expect(401);
    assert_eq!(blank.text_without_id(), required.text_without_id());
    let wrong = log_in(&server, "ann", &ann.password, Some(&app.code(now + 300_000))).await.expect(401);
    assert_eq!((wrong.code(), wrong.header("set-cookie")), ("wrong_totp_code", None));
    let code = app.code(server.host().clock.now());
    let spaced = format!("{} {}", &code[..3], &code[3..]);
    log_in(&server, "ann", &ann.password, Some(&spaced)).await.expect(200);
    // Of a user without one a code is neither asked nor looked at.
    log_in(&server, "admin", &server.password, Some("000000")).await.expect(200);
}

#[tokio::test]
async fn what_is_no_code_is_named() {
    let Scene { server, ann, .. } = Scene::new().await;
    for code in [json!(123456), json!(["123456"]), json!({})] {
        let body = json!({"username": "ann", "password": ann.password, "code": code});
        let reply = server.anonymous().post("/api/auth/login", body).await.expect(400);
        assert_eq!(wrong_fields(&reply), ["code"]);
    }
    for code in [Value::Null, json!(""), json!(123456)] {
        let body = json!({"code": code, "currentPassword": ann.password});
        assert_eq!(wrong_fields(&ann.delete_with(PATH, body.clone()).await.expect(400)), ["code"]);
        assert_eq!(wrong_fields(&ann.post("/api/account/totp/confirm", body).await.expect(400)), ["code"]);
    }
    // What can be neither of the two kinds is refused before anything is tried or counted.
    for code in ["12345", "1234567", "a guess at one", &"9".repeat(60_000)] {
        let reply = log_in(&server, "ann", &ann.password, Some(code)).await.expect(400);
        assert_eq!(wrong_fields(&reply), ["code"]);
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_a_step_around_its_time() {
    let scene = Scene::new().await;
    // What confirmed the factor was used by that.
    let before = scene.app.code(scene.now() - 30_000);
    assert_eq!(scene.log_in(&before).await.expect(401).code(), "wrong_totp_code");
    let code = scene.code();
    scene.log_in(&code).await.expect(200);
    scene.log_in(&code).await.expect(401);
    // The next one is good already, and ends the one before it.
    advance_steps(&scene.server, 2);
    let (present, next) = (scene.code(), scene.app.code(scene.now() + 30_000));
    scene.log_in(&next).await.expect(200);
    for used in [&next, &present] {
        assert_eq!(scene.log_in(used).await.expect(401).code(), "wrong_totp_code");
    }
    // A step late is in time, two are too late, and two early too early.
    advance_steps(&scene.server, 4);
    let far = [-2, 2].map(|n| scene.app.code(scene.now() + n * 30_000));
    for code in far {
        scene.log_in(&code).await.expect(401);
    }
    scene.log_in(&scene.app.code(scene.now() - 30_000)).await.expect(200);
    scene.log_in(&scene.code()).await.expect(200);
}

#[tokio::test]
async fn of_many_who_come_with_one_code_one_gets_in() {
    let scene = Scene::new().await;
    for code in [scene.code(), scene.codes[0].clone()] {
        let replies = join_all((0..8).map(|_| scene.log_in(&code))).await;
        let entered = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(entered, 1, "{replies:?}");
        assert_eq!(replies.iter().filter(|reply| reply.code() == "wrong_totp_code").count(), 7);
        // What was wrong shall not slow down the second half of the test.
        scene.server.host().clock.advance(Duration::from_secs(300));
    }
    assert_eq!(scene.left().await, 9);
}

#[tokio::test]
async fn a_recovery_code_lets_in_once_however_it_is_typed() {
    let scene = Scene::new().await;
    let typed = [
        scene.codes[0].clone(),
        scene.codes[1].to_lowercase(),
        scene.codes[2].replace('-', ""),
        format!(" {} ", scene.codes[3].replace('-', " ")),
    ];
    for (n, code) in typed.iter().enumerate() {
        scene.log_in(code).await.expect(200);
        assert_eq!(scene.log_in(code).await.expect(401).code(), "wrong_totp_code");
        assert_eq!(scene.left().await, 9 - i64::try_from(n).unwrap());
    }
    // Another user's are not one's own.
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    let (_, of_bob) = Authenticator::set_up(&scene.server, &bob).await;
    scene.log_in(&of_bob[0]).await.expect(401);
    log_in(&scene.server, "bob", &bob.password, Some(&scene.codes[4])).await.expect(401);
    // The app's codes are as good as before.
    scene.log_in(&scene.code()).await.expect(200);
}

#[tokio::test]
async fn a_wrong_password_gets_the_same_answer_with_any_code() {
    let scene = Scene::new().await;
    let nobody = log_in(&scene.server, "nobody", "wrong", None).await.expect(401);
    for code in [None, Some(scene.code()), Some(scene.codes[0].clone()), Some(scene.wrong_code())] {
        let reply = log_in(&scene.server, "ann", "wrong", code.as_deref()).await.expect(401);
        assert_eq!(reply.text_without_id(), nobody.text_without_id());
    }
    // A good code beside it was not used up.
    scene.log_in(&scene.code()).await.expect(200);
    assert_eq!(scene.left().await, 10);
}

#[tokio::test]
async fn wrong_codes_are_counted_for_their_user_from_everywhere() {
    let trusting = |config: &mut netignite::config::Config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    };
    let scene = Scene::on(Server::start_with(trusting).await).await;
    let bob = scene.server.user(&scene.admin, "bob", "user").await;
    let (of_bob, _) = Authenticator::set_up(&scene.server, &bob).await;
    let from = |n: u32, name: &'static str, password: String, code: Option<String>| {
        let nobody = scene.server.anonymous();
        let body = json!({"username": name, "password": password, "code": code});
        let request = nobody.http.post(nobody.url("/api/auth/login")).json(&body);
        async move { nobody.send(request.header("X-Forwarded-For", format!("192.0.2.{n}"))).await }
    };
    let (password, wrong) = (scene.ann.password.clone(), scene.wrong_code());
    for n in 0..9 {
        from(n, "ann", password.clone(), Some(wrong.clone())).await.expect(401);
        // The password alone neither counts nor makes what was counted forgotten.
        let reply = from(n, "ann", password.clone(), None).await.expect(401);
        assert_eq!(reply.code(), "totp_required");
    }
    from(10, "ann", password.clone(), Some("0123-4567-89AB-CDEF".to_owned())).await.expect(401);
    for code in [scene.code(), scene.codes[0].clone()] {
        let reply = from(11, "ann", password.clone(), Some(code)).await.expect(429);
        let wait: u64 = reply.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=300).contains(&wait), "{wait}");
    }
    assert_eq!(scene.left().await, 10, "nothing was tried");
    // Turning it off is no way round.
    let body = json!({"currentPassword": password, "code": scene.code()});
    scene.ann.delete_with(PATH, body).await.expect(429);
    // Others go on, and so does who is logged in.
    scene.server.host().clock.advance(STEP);
    let code = of_bob.code(scene.now());
    from(11, "bob", bob.password.clone(), Some(code)).await.expect(200);
    scene.ann.get("/api/devices").await.expect(200);
    scene.server.host().clock.advance(Duration::from_secs(300));
    from(11, "ann", password, Some(scene.code())).await.expect(200);
}

#[tokio::test]
async fn ten_wrong_codes_from_an_address_are_ten_failed_logins() {
    let scene = Scene::new().await;
    for _ in 0..10 {
        scene.log_in(&scene.wrong_code()).await.expect(401);
    }
    for code in [None, Some(scene.code())] {
        let reply = log_in(&scene.server, "ann", &scene.ann.password, code.as_deref()).await.expect(429);
        assert!(reply.header("retry-after").is_some());
    }
}

#[tokio::test]
async fn it_is_turned_off_with_password_and_code() {
    let scene = Scene::new().await;
    let Scene { server, ann, .. } = &scene;
    let off = |password: Option<&str>, code: String| {
        ann.delete_with(PATH, json!({"currentPassword": password, "code": code}))
    };
    let reply = off(None, scene.code()).await.expect(400);
    assert_eq!(reply.code(), "current_password_required");
    assert_eq!(off(Some("wrong"), scene.code()).await.expect(400).code(), "wrong_password");
    let reply = off(Some(&ann.password), scene.wrong_code()).await.expect(400);
    assert_eq!(reply.code(), "wrong_totp_code");
    log_in(server, "ann", &ann.password, None).await.expect(401);
    // A code that was refused with a wrong password is not used up.
    off(Some(&ann.password), scene.code()).await.expect(200);
    log_in(server, "ann", &ann.password, None).await.expect(200);
    let reply = off(Some(&ann.password), scene.code()).await.expect(409);
    assert_eq!(reply.code(), "totp_not_enabled");
    assert_eq!(scene.left().await, 0);

    // And on again, with another seed; then off with a recovery code.
    let (app, codes) = Authenticator::set_up(server, ann).await;
    server.host().clock.advance(STEP);
    scene.log_in(&scene.code()).await.expect(401);
    scene.log_in(&scene.codes[0]).await.expect(401);
    scene.log_in(&app.code(scene.now())).await.expect(200);
    off(Some(&ann.password), codes[0].clone()).await.expect(200);
    log_in(server, "ann", &ann.password, None).await.expect(200);
}

#[tokio::test]
async fn a_new_password_is_no_way_round() {
    let scene = Scene::new().await;
    let Scene { server, admin, ann, .. } = &scene;
    let asks = async |password: &str| {
        let reply = log_in(server, "ann", password, None).await.expect(401);
        assert_eq!(reply.code(), "totp_required");
    };
    let own = json!({"username": "ann", "favorites": [], "currentPassword": ann.password,
        "password": "her own new password"});
    ann.put("/api/account/me", own).await.expect(200);
    asks("her own new password").await;
    let user = format!("/api/admin/users/{}", ann.user);
    admin.put(&user, json!({"password": "the admin's new password"})).await.expect(200);
    asks("the admin's new password").await;
    let issued = admin.post(&format!("{user}/password-reset"), json!({})).await.expect(201);
    let body = json!({"token": issued.data()["token"], "password": "one after a reset"});
    server.anonymous().post("/api/auth/reset-password", body).await.expect(200);
    asks("one after a reset").await;
    log_in(server, "ann", "one after a reset", Some(&scene.code())).await.expect(200);
}

#[tokio::test]
async fn who_manages_a_user_removes_it_and_nobody_their_own() {
    let scene = Scene::new().await;
    let Scene { server, admin, ann, .. } = &scene;
    let path = |user: i64| format!("/api/admin/users/{user}/totp");
    let carol = server.user(admin, "carol", "admin").await;
    let dave = server.user(admin, "dave", "admin").await;
    for client in [&carol, &dave, admin] {
        Authenticator::set_up(server, client).await;
    }
    for (by, user) in [
        (ann, ann.user),
        (ann, carol.user),
        (&carol, dave.user),
        (&carol, 1),
        (&carol, carol.user),
        (admin, 1),
    ] {
        by.delete(&path(user)).await.expect(403);
    }
    admin.delete(&path(4711)).await.expect(404);
    let token = json!({"name": "a program", "permissions": ["users:write", "users:grant"]});
    let token = admin.post("/api/account/tokens", token).await.expect(201).data()["token"].clone();
    let program = server.anonymous();
    let request = program.http.delete(program.url(&path(ann.user))).bearer_auth(token.as_str().unwrap());
    assert_eq!(program.send(request).await.expect(403).code(), "session_required");

    carol.delete(&path(ann.user)).await.expect(200);
    assert_eq!(carol.delete(&path(ann.user)).await.expect(409).code(), "totp_not_enabled");
    log_in(server, "ann", &ann.password, None).await.expect(200);
    assert_eq!(scene.left().await, 0);
    admin.delete(&path(carol.user)).await.expect(200);
    let (status, answer) = operate(server, Method::DELETE, &path(1), json!({})).await;
    assert_eq!(status, 200, "{answer}");
    log_in(server, "admin", &server.password, None).await.expect(200);
}

#[tokio::test]
async fn what_is_done_with_it_is_in_the_audit_log() {
    let scene = Scene::new().await;
    scene.log_in(&scene.codes[0]).await.expect(200);
    scene.log_in(&scene.codes[0]).await.expect(401);
    scene.admin.delete(&format!("/api/admin/users/{}/totp", scene.ann.user)).await.expect(200);
    let directory = scene.server.stop().await;
    let query = "SELECT ifnull(actorName, actor) || ' ' || action || ' ' || targetName || ' ' || outcome \
                 FROM audit WHERE action LIKE 'totp.%' AND outcome = 'done' ORDER BY id";
    let noted = sqlite::texts(&directory.path().join("db.sqlite"), query).await;
    let expected = [
        "ann totp.begin ann done",
        "ann totp.enable ann done",
        "ann totp.recovery ann done",
        "admin totp.disable ann done",
    ];
    assert_eq!(noted, expected);
}

#[tokio::test]
async fn it_survives_restarts_and_new_keys() {
    let scene = Scene::new().await;
    scene.admin.post("/api/admin/secrets/rotate-key", json!({})).await.expect(200);
    scene.log_in(&scene.code()).await.expect(200);
    let (server, password) = (Server::start_in(scene.server.stop().await, |_| {}).await, scene.ann.password);
    let now = server.host().clock.now();
    let used = scene.app.code(now);
    server.host().store.write(data_keys::rotate).await.unwrap();
    // The clock of the test's first server was ahead of this one's.
    log_in(&server, "ann", &password, Some(&used)).await.expect(401);
    advance_steps(&server, 4);
    let later = scene.app.code(server.host().clock.now());
    log_in(&server, "ann", &password, Some(&later)).await.expect(200);
    log_in(&server, "ann", &password, Some(&scene.codes[0])).await.expect(200);
}

#[tokio::test]
async fn a_seed_that_cannot_be_opened_leaves_the_recovery_codes() {
    let scene = Scene::new().await;
    let directory = scene.server.stop().await;
    let damage = "UPDATE second_factors SET seed = X'00112233445566778899'";
    sqlite::execute(&directory.path().join("db.sqlite"), damage).await;
    let server = Server::start_in(directory, |_| {}).await;
    server.host().clock.advance(2 * STEP);
    let code = scene.app.code(server.host().clock.now());
    let reply = log_in(&server, "ann", &scene.ann.password, Some(&code)).await.expect(401);
    assert_eq!(reply.code(), "wrong_totp_code");
    log_in(&server, "ann", &scene.ann.password, Some(&scene.codes[0])).await.expect(200);
}
