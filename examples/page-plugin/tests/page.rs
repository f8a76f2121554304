//! The page as a browser uses it: through the login, with a button that wakes.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::{AtomicU32, Ordering};

use netignite::prelude::*;
use netignite::testkit::TestServer;
// Its plugin is found when it is linked.
use page_plugin as _;

#[tokio::test]
async fn a_button_wakes() {
    let server = TestServer::fresh([]).await;
    let away = server.nobody().get("/buttons").await;
    assert_eq!((away.status, away.header("location")), (303, "/?next=%2Fbuttons"));

    let admin = server.admin().await;
    let wakes = Arc::new(AtomicU32::new(0));
    let counted = wakes.clone();
    let agent = server.fake_agent(&admin, move |command, _| {
        if command == "WAKEUP" {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        r#"{"status":"OK","message":"sent"}"#.to_owned()
    });
    let agent = agent.await;
    let device = admin.device(agent.id, "AA:BB:CC:DD:EE:FF").await.to_string();
    let page = admin.get("/buttons").await;
    assert!(page.text().contains(&format!("value=\"{device}\"")), "{page}");
    assert!(page.header("content-security-policy").contains("style-src 'self'"));

    let woken = admin.submit("/buttons", &[("device", &device)]).await;
    assert_eq!((woken.status, woken.header("location")), (303, "/buttons"), "{woken}");
    assert_eq!(wakes.load(Ordering::Relaxed), 1);
    // Whoever was signed out meanwhile comes back to the page.
    let away = server.nobody().submit("/buttons", &[("device", &device)]).await;
    assert_eq!((away.status, away.header("location")), (303, "/?next=%2Fbuttons"), "{away}");
    let refused = admin.submit("/buttons", &[("device", "none")]).await;
    assert_eq!(
        (refused.status, refused.header("content-type")),
        (400, "text/html; charset=utf-8"),
        "{refused}"
    );
    assert_eq!(wakes.load(Ordering::Relaxed), 1);

    let audit = admin.get("/api/admin/audit?action=buttons.press").await;
    assert!(audit.text().contains("buttons.press"), "{audit}");
    let navigation = admin.get("/api/navigation").await.text();
    assert!(navigation.contains(r#"{"path":"/buttons","title":"Buttons"}"#), "{navigation}");
    let permissions = admin.get("/api/permissions").await.text();
    assert!(permissions.contains("buttons:press"), "{permissions}");
}

#[test]
fn everything_is_in_the_program() {
    netignite::testkit::assert_registered(env!("CARGO_MANIFEST_DIR"));
}
