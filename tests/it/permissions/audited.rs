//! What succeeds and writes leaves one entry in the audit log: every route of the table, whoever made it.

use serde_json::Value;

use super::case::{Admin, Case, Operator, Superadmin, User, With};
use super::rules::RULES;
use super::world::World;

/// Routes that write and that nobody here can call with success; each has a test of its own that looks at the log.
const ELSEWHERE: [&str; 14] = [
    "DELETE /api/account/sessions",
    "DELETE /api/account/totp",
    "DELETE /api/admin/users/{}/totp",
    "POST /api/account/totp",
    "POST /api/account/totp/confirm",
    "POST /api/agents/enrol",
    "POST /api/agents/{}/commands/{}",
    "POST /api/auth/reset-password",
    "POST /api/devices/{}/reboot",
    "POST /api/devices/{}/shutdown",
    "POST /api/devices/{}/sleep",
    "POST /api/devices/{}/wakeup",
    "POST /api/operations",
    "POST /api/operations/{}/cancel",
];

/// The newest entries of what was done.
async fn done(world: &World) -> Vec<Value> {
    let page = world.client(Superadmin).get("/api/admin/audit?outcome=done&limit=1000").await.expect(200);
    page.data()["entries"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn whatever_writes_leaves_one_entry() {
    let world = World::new().await;
    let mut elsewhere = Vec::new();
    for rule in RULES.iter().filter(|rule| !rule.route.starts_with("GET")) {
        let case = [Superadmin, Operator].into_iter().flat_map(|caller| {
            let owners = [Superadmin, Admin, User].into_iter();
            owners.map(move |owner| Case { caller, with: With::Session, owner, admin_mode: false })
        });
        let Some(case) = { case }.find(|case| rule.expected(*case).is_some_and(|status| status < 400)) else {
            elsewhere.push(rule.route);
            continue;
        };
        let thing = world.make(rule.target, case.owner).await;
        let before = done(&world).await.first().map(|entry| entry["id"].clone());
        let reply = world.call(rule.route, case, thing).await;
        assert_eq!(Some(reply.status), rule.expected(case), "{}: {}", rule.route, reply.text);
        let mut left: Vec<_> = done(&world).await;
        left.truncate(left.iter().position(|entry| Some(&entry["id"]) == before.as_ref()).expect("it stays"));
        if rule.route.starts_with("POST /api/auth/log") {
            // These are called with a session of their own, made for the call.
            left.pop();
        }
        assert_eq!(left.len(), 1, "{} by {case:?}: {left:?}", rule.route);
        let expected = if case.caller == Operator { "operator" } else { "user" };
        let login = rule.route == "POST /api/auth/login";
        assert!(login || left[0]["actor"] == expected, "{}: {left:?}", rule.route);
    }
    elsewhere.sort_unstable();
    assert_eq!(elsewhere, ELSEWHERE);
}
