//! What a session survives, what ends it, and what of it is stored.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use secrecy::ExposeSecret;
use tempfile::TempDir;

use super::*;
use crate::model::permission::Role;
use crate::store::users::{self, NewUser};
use crate::vault::Given;

struct Fixture {
    _directory: TempDir,
    store: Store,
    clock: Clock,
    sessions: Sessions,
    user: i64,
}

async fn fixture() -> Fixture {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Given::default()).await.unwrap();
    let user = new_user(&store, "someone").await;
    let clock = Clock::default();
    let sessions = Sessions::load(store.clone(), clock.clone()).await.unwrap();
    Fixture { _directory: directory, store, clock, sessions, user }
}

async fn new_user(store: &Store, name: &str) -> i64 {
    let name = name.to_owned();
    store
        .write(move |db| {
            let new = NewUser {
                username: name,
                password_hash: String::new().into(),
                role: Role::User,
                created_at: 1,
            };
            users::insert(db, &new)
        })
        .await
        .unwrap()
}

/// What the audit log keeps of a login.
fn login() -> audit::Entry {
    audit::Entry::new(0, audit::Actor::Nobody, audit::Action::AuthLogin, None)
}

impl Fixture {
    async fn issue(&self) -> Issued {
        self.sessions.issue(self.user, None, Some("a browser"), login()).await.unwrap()
    }

    fn find(&self, issued: &Issued) -> Option<Session> {
        self.sessions.find(issued.token.expose_secret())
    }

    async fn end_all(&self, except: Option<Digest>) {
        let (user, key) = (self.user, except.map(|key| key.0));
        self.store.write(move |db| sessions::delete_of_user(db, user, key.as_ref())).await.unwrap();
        self.sessions.forget_all_of(user, except);
    }

    async fn rows(&self) -> Vec<SessionRow> {
        self.store.read(sessions::load_all).await.unwrap()
    }

    /// The sessions as a server finds them that starts now.
    async fn restarted(&self) -> Sessions {
        Sessions::load(self.store.clone(), self.clock.clone()).await.unwrap()
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const DAYS: fn(u64) -> Duration = |days| MINUTE * 60 * 24 * u32::try_from(days).unwrap();

#[tokio::test]
async fn a_token_is_long_random_and_stored_as_a_hash_alone() {
    let fixture = fixture().await;
    let (one, two) = (fixture.issue().await, fixture.issue().await);
    assert_ne!(one.token.expose_secret(), two.token.expose_secret());
    let bytes = URL_SAFE_NO_PAD.decode(one.token.expose_secret()).unwrap();
    assert_eq!(bytes.len(), 32);
    let rows = fixture.rows().await;
    let expected: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(one.token.expose_secret()).into();
    assert!(rows.iter().any(|row| row.key == expected));
    assert!(rows.iter().all(|row| row.key[..] != bytes[..]));
    assert!(!format!("{one:?}").contains(one.token.expose_secret()));
}

#[tokio::test]
async fn it_is_found_until_it_is_ended_and_after_a_restart() {
    let fixture = fixture().await;
    let issued = fixture.issue().await;
    let found = fixture.find(&issued).unwrap();
    assert_eq!((found.user, found.key), (fixture.user, issued.key));
    assert!(fixture.sessions.find("junk").is_none());
    assert!(fixture.sessions.find(&"x".repeat(TOKEN_LENGTH)).is_none());

    let restarted = fixture.restarted().await;
    assert_eq!(restarted.find(issued.token.expose_secret()).unwrap().user, fixture.user);

    fixture.sessions.end(issued.key).await.unwrap();
    fixture.sessions.end(issued.key).await.unwrap();
    assert!(fixture.find(&issued).is_none());
    assert!(fixture.rows().await.is_empty());
}

#[tokio::test]
async fn thirty_days_run_from_the_last_use() {
    let fixture = fixture().await;
    let (used, unused) = (fixture.issue().await, fixture.issue().await);
    fixture.clock.advance(DAYS(20));
    let found = fixture.find(&used).unwrap();
    assert!(found.expires - used.expires >= 20 * DAY);
    fixture.clock.advance(DAYS(20));
    assert!(fixture.find(&unused).is_none());
    assert!(fixture.sessions.get(unused.key).is_none());
    assert!(fixture.find(&used).is_some());

    fixture.sessions.flush().await;
    let restarted = fixture.restarted().await;
    assert!(restarted.find(used.token.expose_secret()).is_some(), "its use was written");
    assert_eq!(fixture.rows().await.len(), 1, "the expired one was deleted");
}

#[tokio::test]
async fn its_use_is_written_at_most_once_in_five_minutes() {
    let fixture = fixture().await;
    let issued = fixture.issue().await;
    let created = fixture.rows().await[0].last_used;
    fixture.clock.advance(MINUTE * 4);
    fixture.find(&issued).unwrap();
    assert_eq!(fixture.sessions.behind.pending(), 0);
    assert_eq!(fixture.rows().await[0].last_used, created);
    fixture.clock.advance(MINUTE);
    fixture.find(&issued).unwrap();
    fixture.find(&issued).unwrap();
    assert_eq!(fixture.sessions.behind.pending(), 1);
    fixture.sessions.flush().await;
    let row = &fixture.rows().await[0];
    assert!(row.last_used >= created + 5 * 60 * 1000);
    assert_eq!(row.expires, row.last_used + LIFETIME);
}

#[tokio::test]
async fn the_browsers_cookie_is_due_once_a_day() {
    let fixture = fixture().await;
    let issued = fixture.issue().await;
    assert!(!fixture.find(&issued).unwrap().cookie_due);
    fixture.clock.advance(DAYS(1));
    assert!(fixture.find(&issued).unwrap().cookie_due);
    fixture.sessions.cookie_sent(issued.key);
    assert!(!fixture.find(&issued).unwrap().cookie_due);
}

#[tokio::test]
async fn all_of_a_user_end_but_one() {
    let fixture = fixture().await;
    let (keep, other) = (fixture.issue().await, fixture.issue().await);
    let stranger = new_user(&fixture.store, "stranger").await;
    let theirs = fixture.sessions.issue(stranger, None, None, login()).await.unwrap();
    fixture.end_all(Some(keep.key)).await;
    assert!(fixture.find(&keep).is_some() && fixture.find(&theirs).is_some());
    assert!(fixture.find(&other).is_none());
    fixture.end_all(None).await;
    assert!(fixture.find(&keep).is_none() && fixture.find(&theirs).is_some());
    assert_eq!(fixture.rows().await.len(), 1);
}

#[tokio::test]
async fn a_user_has_a_hundred_and_the_longest_unused_goes() {
    let fixture = fixture().await;
    let mut issued = Vec::new();
    for _ in 0..MAX_OF_USER {
        issued.push(fixture.issue().await);
        fixture.clock.advance(Duration::from_millis(10));
    }
    fixture.find(&issued[0]).unwrap();
    fixture.clock.advance(Duration::from_millis(10));
    let last = fixture.issue().await;
    assert!(fixture.find(&last).is_some() && fixture.find(&issued[0]).is_some());
    assert!(fixture.find(&issued[1]).is_none() && fixture.find(&issued[2]).is_some());
    assert_eq!(fixture.rows().await.len(), MAX_OF_USER);
}

#[tokio::test]
async fn expired_ones_are_forgotten_when_someone_logs_in() {
    let fixture = fixture().await;
    fixture.issue().await;
    fixture.clock.advance(DAYS(31));
    let fresh = fixture.issue().await;
    assert_eq!(fixture.sessions.kept.read().by_key.len(), 1);
    fixture.sessions.flush().await;
    assert_eq!(fixture.rows().await.len(), 1);
    assert!(fixture.find(&fresh).is_some());
}

#[tokio::test]
async fn a_user_who_is_no_more_gets_none() {
    let fixture = fixture().await;
    assert!(fixture.sessions.issue(fixture.user + 1, None, None, login()).await.is_err());
    assert!(fixture.sessions.kept.read().by_key.is_empty());
}

#[test]
fn user_agents_are_cut_at_a_character() {
    assert_eq!(cut("abc", 5), "abc");
    assert_eq!(cut("aäb", 2), "a");
}
