//! The local operator: whoever owns the data directory calls the same API through its Unix socket.

use netignite::http::Method;
use netignite::http::client::{Target, request};
use netignite::local_socket;
use serde_json::{Value, json};

use super::support::{Client, Server};

/// A call through the socket: the answer's status and body.
pub(super) async fn operate(server: &Server, method: Method, path: &str, body: Value) -> (u16, Value) {
    let socket = Target::Unix(server.data().join(local_socket::NAME));
    let (status, body) = request(&socket, method, path, Some(&body)).await.unwrap();
    (status.as_u16(), body)
}

#[tokio::test]
async fn the_operator_manages_every_user_without_a_password() {
    let server = Server::start().await;
    let admin = server.superadmin().await;
    let body = json!({"username": "carol", "password": "a long enough password", "role": "admin"});
    let (status, answer) = operate(&server, Method::POST, "/api/admin/users", body).await;
    assert_eq!(status, 201, "{answer}");
    let carol = format!("/api/admin/users/{}", answer["data"]);
    let (status, answer) = operate(&server, Method::GET, "/api/admin/users", Value::Null).await;
    assert_eq!((status, answer["data"].as_array().unwrap().len()), (200, 2));

    let password = "reset by the operator";
    let (status, answer) =
        operate(&server, Method::PUT, "/api/admin/users/1", json!({"password": password})).await;
    assert_eq!(status, 200, "{answer}");
    admin.get("/api/auth/session").await.expect(401);
    assert!(!server.data().join("initial_admin_credentials").exists());
    Client::login(server.address(), "admin", password).await;

    assert_eq!(operate(&server, Method::PUT, &carol, json!({"role": "user"})).await.0, 200);
    assert_eq!(operate(&server, Method::DELETE, &carol, json!({})).await.0, 200);
    let (status, answer) = operate(&server, Method::DELETE, "/api/admin/users/1", json!({})).await;
    assert_eq!((status, &answer["code"]), (409, &json!("last_superadmin")));
}

#[tokio::test]
async fn the_operator_reaches_everyones_things_and_owns_none() {
    let server = Server::start().await;
    let superadmin = server.superadmin().await;
    let ann = server.user(&superadmin, "ann", "user").await;
    let agent = ann.create_agent("server", "a secret of an agent").await;
    let device = ann.create_device(agent, "AA:BB:CC:DD:EE:FF").await;
    let (status, answer) = operate(&server, Method::GET, &format!("/api/agents/{agent}"), Value::Null).await;
    assert_eq!((status, &answer["data"]["ownerID"]), (200, &json!(ann.user)));
    assert!(answer["data"].get("secret").is_none());
    let (status, _) =
        operate(&server, Method::POST, &format!("/api/devices/{device}/wakeup"), json!({})).await;
    assert_eq!(status, 503);
    let (_, answer) = operate(&server, Method::GET, "/api/devices?onlyFavorites=true", Value::Null).await;
    assert_eq!(answer["data"], json!([]));
    // It has no session and no account.
    assert_eq!(operate(&server, Method::GET, "/api/auth/session", Value::Null).await.0, 401);
    // What it makes is the superadmin's.
    let body = json!({"name": "a", "type": "server", "secret": "made by the operator"});
    let (status, answer) = operate(&server, Method::POST, "/api/agents", body).await;
    assert_eq!(status, 201);
    let made = superadmin.get(&format!("/api/agents/{}", answer["data"])).await.expect(200);
    assert_eq!(made.data()["secret"], "made by the operator");
}
