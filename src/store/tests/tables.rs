//! What the tables refuse and what goes with what.

use secrecy::ExposeSecret;

use super::*;
use crate::model::agent::AgentKind;
use crate::model::permission::Role;
use crate::store::agents::NewAgent;
use crate::store::devices::{DeviceKind, NewDevice};
use crate::store::sessions::SessionRow;
use crate::store::users::{NewUser, Owned};

fn user(db: &Conn, name: &str) -> Result<i64> {
    let hash = format!("hash of {name}");
    users::insert(
        db,
        &NewUser { username: name.into(), password_hash: hash.into(), role: Role::User, created_at: 1 },
    )
}

fn agent(db: &Conn, owner: i64) -> Result<i64> {
    agents::insert(
        db,
        &NewAgent {
            name: "agent".into(),
            kind: AgentKind::Microcontroller,
            description: "d\0d".into(),
            secret: "a secret".to_owned().into(),
            owner,
        },
    )
}

fn device(db: &Conn, owner: i64, agent_id: i64) -> Result<i64> {
    devices::insert(
        db,
        &NewDevice {
            name: "device".into(),
            kind: DeviceKind::Printer,
            description: None,
            mac_address: "AA:BB:CC:DD:EE:FF".into(),
            port: 9,
            agent_id,
            owner,
            address: Some("10.0.0.7".into()),
            options: Default::default(),
            secure_on: Default::default(),
        },
    )
}

fn session(user: i64, key: u8) -> SessionRow {
    SessionRow {
        key: [key; 32],
        user,
        created: 1,
        last_used: 2,
        expires: i64::from(key) * 100,
        address: Some("::1".into()),
        user_agent: None,
    }
}

#[tokio::test]
async fn the_first_admin_is_user_1_and_the_only_first() {
    let (_directory, store) = fresh().await;
    assert!(store.write(|db| users::insert_first_admin(db, "hash", 1)).await.unwrap());
    assert!(!store.write(|db| users::insert_first_admin(db, "other", 1)).await.unwrap());
    let admin = store.read(|db| users::by_name(db, "admin")).await.unwrap().unwrap();
    assert_eq!((admin.id, admin.role), (1, Role::Superadmin));
    assert_eq!(admin.password_hash.expose_secret(), "hash");
    assert_eq!(store.read(users::superadmins).await.unwrap(), 1);
    assert_eq!(store.read(users::count).await.unwrap(), 1);
    assert_eq!(store.write(|db| user(db, "second")).await.unwrap(), 2);
    store.close().await;
}

#[tokio::test]
async fn a_user_name_is_taken_once() {
    let (_directory, store) = fresh().await;
    let (ann, bob) = store.write(|db| Ok((user(db, "ann")?, user(db, "bob")?))).await.unwrap();
    assert!(store.read(|db| users::by_name(db, "Ann")).await.unwrap().is_none(), "compared exactly");
    for alike in ["Ann", "\u{ff41}nn", "a\u{200b}nn", "ann "] {
        let taken = store.write(move |db| user(db, alike)).await.unwrap_err();
        assert_eq!(taken.code(), "username_taken", "{alike:?}");
    }
    let taken = store.write(|db| user(db, "ann")).await.unwrap_err();
    assert_eq!((taken.code(), taken.message()), ("username_taken", "Username is already taken"));
    let renamed = |id: i64, name: &'static str| {
        store.write(move |db| {
            let mut row = users::get(db, id)?.unwrap();
            row.username = name.into();
            users::update(db, &row)
        })
    };
    assert_eq!(renamed(bob, "ann").await.unwrap_err().code(), "username_taken");
    assert!(renamed(ann, "ann").await.unwrap());
    assert!(renamed(bob, "robert").await.unwrap());
    assert!(store.read(|db| users::by_name(db, "bob")).await.unwrap().is_none());
    store.close().await;
}

#[tokio::test]
async fn a_user_is_changed_as_a_whole() {
    let (_directory, store) = fresh().await;
    let id = store.write(|db| user(db, "ann")).await.unwrap();
    let read = store
        .write(move |db| {
            let mut row = users::get(db, id)?.unwrap();
            assert_eq!((row.role, row.favorites.as_slice()), (Role::User, &[][..]));
            row.role = Role::Superadmin;
            row.favorites = vec![3, 1, 3];
            row.password_hash = "new".to_owned().into();
            users::update(db, &row)?;
            users::get(db, id)
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((read.role, read.favorites), (Role::Superadmin, vec![3, 1, 3]));
    assert_eq!(read.password_hash.expose_secret(), "new");
    let stored = store
        .read(move |db| db.query_one("SELECT CAST(favorites AS BLOB) FROM users", (), |row| row.text(0)))
        .await
        .unwrap();
    assert_eq!(stored.unwrap(), "[3,1,3]");
    let missing = store.write(|db| {
        let mut row = users::list(db)?.remove(0);
        row.id = 99;
        users::update(db, &row)
    });
    assert!(!missing.await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn what_is_still_used_cannot_be_deleted() {
    let (_directory, store) = fresh().await;
    let (user_id, agent_id, device_id) = store
        .write(|db| {
            let user = user(db, "ann")?;
            let agent = agent(db, user)?;
            Ok((user, agent, device(db, user, agent)?))
        })
        .await
        .unwrap();
    let owned = store.read(move |db| users::owned_counts(db, user_id)).await.unwrap();
    assert_eq!(owned, Owned { agents: 1, devices: 1 });
    assert_eq!(store.read(move |db| agents::device_count(db, agent_id)).await.unwrap(), 1);

    let code = |e: crate::error::Error| e.code();
    assert_eq!(
        store.write(move |db| agents::delete(db, agent_id)).await.map_err(code),
        Err("reference_conflict")
    );
    assert_eq!(
        store.write(move |db| users::delete(db, user_id)).await.map_err(code),
        Err("reference_conflict")
    );
    assert!(store.write(move |db| devices::delete(db, device_id)).await.unwrap());
    assert!(store.write(move |db| agents::delete(db, agent_id)).await.unwrap());
    assert!(!store.write(move |db| agents::delete(db, agent_id)).await.unwrap());
    assert!(store.write(move |db| users::delete(db, user_id)).await.unwrap());
    assert!(!store.write(move |db| users::delete(db, user_id)).await.unwrap());
    assert!(store.write(move |db| agent(db, user_id)).await.is_err(), "an agent of nobody");
    store.close().await;
}

#[tokio::test]
async fn a_device_goes_through_its_owners_agents_alone() {
    let (_directory, store) = fresh().await;
    let (ann, bob, anns, bobs) = store
        .write(|db| {
            let (ann, bob) = (user(db, "ann")?, user(db, "bob")?);
            Ok((ann, bob, agent(db, ann)?, agent(db, bob)?))
        })
        .await
        .unwrap();
    let refused = store.write(move |db| device(db, ann, bobs)).await.unwrap_err();
    assert_eq!(refused.code(), "no_matching_agent");
    assert_eq!(refused.message(), "No matching agent found for the given AgentID");
    assert!(store.write(move |db| device(db, ann, 99)).await.is_err());
    let id = store.write(move |db| device(db, ann, anns)).await.unwrap();
    let moved = store.write(move |db| {
        let mut row = devices::get(db, &Whose::Anyones.into(), id)?.unwrap();
        row.agent_id = bobs;
        // The owner of a device does not change, whatever the row says.
        row.owner = bob;
        devices::update(db, &row)
    });
    assert_eq!(moved.await.unwrap_err().code(), "no_matching_agent");

    assert!(store.read(move |db| devices::get(db, &Whose::User(bob).into(), id)).await.unwrap().is_none());
    assert!(store.read(move |db| agents::get(db, Whose::User(bob), anns)).await.unwrap().is_none());
    assert_eq!(store.read(move |db| devices::list(db, &Whose::User(bob).into())).await.unwrap(), []);
    assert_eq!(store.read(|db| devices::list(db, &Whose::Anyones.into())).await.unwrap().len(), 1);
    let shown = store.read(move |db| agents::get(db, Whose::User(ann), anns)).await.unwrap().unwrap();
    assert_eq!((shown.description.as_str(), shown.kind), ("d\0d", AgentKind::Microcontroller));
    assert!(!format!("{shown:?}").contains("a secret"));
    store.close().await;
}

#[tokio::test]
async fn a_device_is_changed_as_a_whole() {
    let (_directory, store) = fresh().await;
    store
        .write(|db| {
            let owner = user(db, "ann")?;
            let (one, two) = (agent(db, owner)?, agent(db, owner)?);
            let id = device(db, owner, one)?;
            let mut row = devices::get(db, &Whose::User(owner).into(), id)?.unwrap();
            assert_eq!((row.port, row.address.as_deref()), (Some(9), Some("10.0.0.7")));
            row.name = "renamed".into();
            row.kind = DeviceKind::Nas;
            row.description = Some(String::new());
            row.mac_address = "00:00:00:00:00:01".into();
            row.port = Some(65_535);
            row.agent_id = two;
            row.address = None;
            assert!(devices::update(db, &row)?);
            assert_eq!(devices::get(db, &Whose::User(owner).into(), id)?, Some(row.clone()));
            row.description = None;
            assert!(devices::update(db, &row)?);
            assert_eq!(devices::get(db, &Whose::User(owner).into(), id)?, Some(row));
            Ok(())
        })
        .await
        .unwrap();
    store.close().await;
}

#[tokio::test]
async fn favourites_are_shown_if_they_are_ones_own() {
    let (_directory, store) = fresh().await;
    let shown = store.write(|db| {
        let (ann, bob) = (user(db, "ann")?, user(db, "bob")?);
        let (anns, bobs) = (agent(db, ann)?, agent(db, bob)?);
        let (own, foreign) = (device(db, ann, anns)?, device(db, bob, bobs)?);
        let second = device(db, ann, anns)?;
        let mut row = users::get(db, ann)?.unwrap();
        row.favorites = vec![second, foreign, 4711, own];
        users::update(db, &row)?;
        assert_eq!(users::get(db, ann)?.unwrap().favorites, row.favorites, "the others are kept");
        Ok((users::account(db, ann, 0)?.unwrap().favorites, vec![second, own]))
    });
    let (shown, expected) = shown.await.unwrap();
    assert_eq!(shown, expected);
    let everyone = store.read(|db| users::all_listed(db, 0)).await.unwrap();
    let favorites: Vec<_> =
        everyone.into_iter().map(|listed| (listed.account.username, listed.account.favorites)).collect();
    assert_eq!(favorites, [("ann".to_owned(), expected), ("bob".to_owned(), vec![])]);
    assert!(store.read(|db| users::account(db, 99, 0)).await.unwrap().is_none());
    store.close().await;
}

#[tokio::test]
async fn sessions_come_and_go_with_their_user() {
    let (_directory, store) = fresh().await;
    store
        .write(|db| {
            let (ann, bob) = (user(db, "ann")?, user(db, "bob")?);
            for key in 1..=4 {
                assert!(sessions::insert(db, &session(ann, key))?);
            }
            assert!(sessions::insert(db, &session(bob, 5))?);
            assert!(!sessions::insert(db, &session(99, 6))?, "of nobody");
            assert_eq!(sessions::load_all(db)?[0], session(ann, 1));

            assert!(sessions::touch(db, &[1; 32], 70, 700)?);
            assert!(!sessions::touch(db, &[9; 32], 70, 700)?);
            let touched = SessionRow { last_used: 70, expires: 700, ..session(ann, 1) };
            assert_eq!(sessions::load_all(db)?[0], touched);

            assert!(sessions::delete(db, &[2; 32])?);
            assert!(!sessions::delete(db, &[2; 32])?);
            assert_eq!(sessions::delete_expired(db, 300)?, 1);
            assert_eq!(sessions::delete_of_user(db, ann, Some(&[1; 32]))?, 1);
            let left = |db: &Conn| -> Result<Vec<u8>> {
                Ok(sessions::load_all(db)?.iter().map(|s| s.key[0]).collect())
            };
            assert_eq!(left(db)?, [1, 5]);
            assert_eq!(sessions::delete_of_user(db, ann, None)?, 1);
            let sql = "INSERT INTO password_resets (hash, userID, expires) VALUES (X'00', ?1, 0)";
            db.execute(sql, [bob])?;
            assert!(users::delete(db, bob)?);
            assert_eq!(left(db)?, [] as [u8; 0]);
            assert_eq!(db.query_int("SELECT count(*) FROM password_resets", ())?, 0);
            Ok(())
        })
        .await
        .unwrap();
    store.close().await;
}
