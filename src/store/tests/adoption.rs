//! Taking over a database of the original server, whatever it holds.

use std::fs;
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use secrecy::ExposeSecret;

use super::raw::{self, backups, blank_original, dump, kept, one, run};
use super::*;
use crate::model::permission::Role;
use crate::store::devices::NewDevice;

/// Rows with everything odd that the original, or somebody's hand, may have stored.
const ODD: &str = r#"
    INSERT INTO users VALUES
        (1, 'admin', '$2b$10$x', 'admin', '[]'),
        (3, 'bob', '', 'user', ''),
        (4, 'carol', 'h', 'admin', '[1, "2", null, {"a": 1}, [3], 9.5, 99, 20, true, -7]'),
        (5, X'ff00fe', X'00ff', 'user', 'no json'),
        (6, 'nul' || char(0) || 'name', 'h', 'user', '{"1": 2}'),
        (7, CAST(X'c328' AS TEXT), 'h', 'user', 'null'),
        (8, '', 'h', 'user', X'5b315d');
    INSERT INTO password_resets VALUES
        ('token', 1, 5), (NULL, 3, 6), (NULL, 3, 6), ('dangling', 4711, 7), ('odd', 'abc', 1.5);
    INSERT INTO agents VALUES
        (1, 'mine', 'server', '', 'secret-1', 1),
        (2, 'empty secret', 'server', 'd', '', 1),
        (3, 'of a deleted user', 'microcontroller', 'd', 's', 99),
        (4, 'with' || char(0) || 'nul', 'server', CAST(X'ff' AS TEXT), CAST(X'c328' AS TEXT), 3),
        (5, X'00', 'server', X'', X'80ff', 'junk'),
        (6, 'fractional owner', 'server', 'd', 'a:b:c', 1.5);
    INSERT INTO devices VALUES
        (1, 'plain', 'nas', 'd', '00:11:22:33:44:55', 9, 1, 1),
        (2, 'no description', 'server', NULL, '00-11-22-33-44-55', 7, 1, 1),
        (3, 'bad mac', 'laptop', '', 'zz', 9.7, 1, 1),
        (4, 'no mac', 'laptop', 'd', '', 'abc', 1, 1),
        (5, 'port as text', 'laptop', 'd', X'00ff', ' 22 ', 1, 1),
        (6, 'port as bytes', 'laptop', 'd', 'x', X'3938', 1, 1),
        (7, 'port out of range', 'laptop', 'd', 'x', 70000, 1, 1),
        (8, 'negative port', 'laptop', 'd', 'x', -0.5, 1, 1),
        (9, 'huge port', 'laptop', 'd', 'x', 1e300, 1, 1),
        (10, 'infinite port', 'laptop', 'd', 'x', 9e999, 1, 1),
        (11, 'port 0', 'laptop', 'd', 'x', 0, 1, 1),
        (12, 'port that is no UTF-8', 'laptop', 'd', 'x', CAST(X'ff' AS TEXT), 1, 1),
        (20, 'own', 'desktop', 'd', 'x', 9, 1, 4),
        (21, 'on another''s agent', 'printer', 'd', 'x', 9, 3, 1),
        (22, 'on a deleted agent', 'printer', 'd', 'x', 9, 30, 1),
        (23, 'of a deleted user', 'printer', 'd', 'x', 9, 1, 98),
        (24, 'agent is junk', 'printer', 'd', 'x', 9, 'abc', 1),
        (25, 'agent beyond counting', 'printer', 'd', 'x', 9, 9007199254740993, 1);
    INSERT OR REPLACE INTO sqlite_sequence VALUES ('users', 12), ('agents', 6), ('devices', 50);
    DELETE FROM sqlite_sequence WHERE name = 'users' AND seq = 8;
"#;

/// An original database with odd rows in a directory of its own; what it held.
fn odd() -> (TempDir, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let db = blank_original(&database_path(directory.path()));
    run(&db, ODD);
    let before = dump(&db);
    assert_eq!(before.len(), 7 + 5 + 2 * 6 + 18);
    (directory, before)
}

async fn adopt_and_close(directory: &Path) {
    Store::open(directory, Given::default()).await.unwrap().close().await;
}

#[tokio::test]
async fn takes_the_original_over_value_by_value() {
    let directory = tempfile::tempdir().unwrap();
    fs::copy(raw::fixture(), database_path(directory.path())).unwrap();
    let before = dump(&raw::read_only(&raw::fixture()));
    assert_eq!(before.len(), 4 + 2 * 4 + 2);
    adopt_and_close(directory.path()).await;

    let db = raw::open(&database_path(directory.path()));
    assert_eq!(dump(&db), kept(&before));
    assert_eq!(one(&db, "PRAGMA integrity_check"), "ok");
    assert_eq!(one(&db, "PRAGMA journal_mode"), "wal");
    assert_eq!(one(&db, "SELECT group_concat(id) FROM users WHERE superadmin"), "1");
    let sequences = "SELECT group_concat(name || seq) FROM (SELECT * FROM sqlite_sequence ORDER BY name)";
    assert_eq!(one(&db, sequences), "agents5,data_keys1,devices9,users4");
}

#[tokio::test]
async fn keeps_the_oddest_values_and_the_copy_is_the_original() {
    let (directory, before) = odd();
    let schema = raw::schema(&raw::read_only(&raw::fixture()));
    adopt_and_close(directory.path()).await;

    let db = raw::open(&database_path(directory.path()));
    assert_eq!(dump(&db), kept(&before));
    assert_eq!(one(&db, "PRAGMA integrity_check"), "ok");

    let [copy] = &backups(directory.path())[..] else { panic!("one copy") };
    assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(copy.file_name().unwrap().to_str().unwrap().starts_with("db.sqlite.before-v1-20"));
    let copy = raw::open(copy);
    assert_eq!(dump(&copy), before);
    assert_eq!(raw::schema(&copy), schema);
    assert_eq!(one(&copy, "PRAGMA user_version"), "0");
    assert_eq!(one(&copy, "PRAGMA integrity_check"), "ok");
    assert_eq!(one(&copy, "SELECT max(seq) FROM sqlite_sequence WHERE name = 'devices'"), "50");
}

#[tokio::test]
async fn ends_with_the_schema_of_a_new_database() {
    let (adopted, _) = odd();
    adopt_and_close(adopted.path()).await;
    let (new, store) = fresh().await;
    store.close().await;
    let new = raw::open(&database_path(new.path()));
    let adopted = raw::open(&database_path(adopted.path()));
    assert_eq!(raw::schema(&adopted), raw::schema(&new));
    for pragma in ["PRAGMA user_version", "PRAGMA application_id"] {
        assert_eq!(one(&adopted, pragma), one(&new, pragma));
        assert_ne!(one(&new, pragma), "0");
    }
}

#[tokio::test]
async fn a_second_start_changes_and_copies_nothing() {
    let (directory, before) = odd();
    adopt_and_close(directory.path()).await;
    adopt_and_close(directory.path()).await;
    assert_eq!(backups(directory.path()).len(), 1);
    assert_eq!(dump(&raw::open(&database_path(directory.path()))), kept(&before));
}

#[tokio::test]
async fn reads_what_is_odd_without_stumbling() {
    let (directory, _) = odd();
    let store = Store::open(directory.path(), Given::default()).await.unwrap();
    let (users, agents, secrets, devices) = store
        .read(|db| {
            let agents = agents::list(db, Whose::Anyones)?;
            let secrets =
                agents.iter().map(|agent| agents::secret(db, agent.id)).collect::<Result<Vec<_>>>()?;
            Ok((users::list(db)?, agents, secrets, devices::list(db, &Whose::Anyones.into())?))
        })
        .await
        .unwrap();

    let roles: Vec<_> = users.iter().map(|user| user.role).collect();
    let user = Role::User;
    assert_eq!(roles, [Role::Superadmin, user, Role::Admin, user, user, user, user]);
    let favorites: Vec<_> = users.iter().map(|user| user.favorites.as_slice()).collect();
    assert_eq!(favorites, [&[][..], &[], &[1, 99, 20, -7], &[], &[], &[], &[1]]);
    assert_eq!(users[4].username, "nul\0name");
    assert_eq!(users[5].username, "\u{fffd}(");

    assert_eq!(agents[3].name, "with\0nul");
    let secrets: Vec<_> = secrets.iter().flatten().map(|secret| secret.expose_secret()).collect();
    assert_eq!(secrets, ["secret-1", "", "s", "\u{fffd}(", "\u{fffd}\u{fffd}", "a:b:c"]);

    let ports: Vec<_> = devices.iter().map(|device| device.port).collect();
    let expected = [
        Some(9),
        Some(7),
        Some(9),
        None,
        Some(22),
        Some(98),
        Some(70_000),
        Some(0),
        Some(i64::MAX),
        None,
        Some(0),
        None,
    ];
    assert_eq!(ports[..12], expected);
    let mut wakeable = Vec::new();
    for id in devices[..12].iter().map(|device| device.id) {
        let row =
            store.read(move |db| devices::to_wake(db, &Whose::Anyones.into(), id)).await.unwrap().unwrap();
        wakeable.extend(row.port.map(NonZeroU16::get));
    }
    assert_eq!(wakeable, [9, 7, 9, 22, 98]);
    assert_eq!(devices[1].description, None);
    assert_eq!(devices[3].mac_address, "");

    let account = store.read(|db| users::account(db, 4, 0)).await.unwrap().unwrap();
    assert_eq!(account.favorites, [20], "only what is there and the user's own is shown");
    let credentials = store.read(agents::all_credentials).await.unwrap();
    let usable: Vec<_> = credentials.iter().map(|c| (c.id, c.digest.is_some())).collect();
    assert_eq!(usable, [(1, true), (2, false), (3, true), (4, true), (5, true), (6, true)]);
    let own = store.read(|db| agents::list(db, Whose::User(1))).await.unwrap();
    assert_eq!(own.iter().map(|agent| agent.id).collect::<Vec<_>>(), [1, 2], "1.5 is not user 1");
    store.close().await;
}

#[tokio::test]
async fn sending_everything_back_as_it_reads_changes_nothing() {
    let (directory, before) = odd();
    let store = Store::open(directory.path(), Given::default()).await.unwrap();
    store
        .write(|db| {
            for user in users::list(db)? {
                assert!(users::update(db, &user)?);
            }
            for agent in agents::list(db, Whose::Anyones)? {
                assert!(agents::update(db, &agent)?);
            }
            for device in devices::list(db, &Whose::Anyones.into())? {
                assert!(devices::update(db, &device)?);
            }
            Ok(())
        })
        .await
        .unwrap();
    store.close().await;
    assert_eq!(dump(&raw::open(&database_path(directory.path()))), kept(&before));
}

#[tokio::test]
async fn rows_that_point_to_nothing_stay_editable_and_deletable() {
    let (directory, _) = odd();
    let store = Store::open(directory.path(), Given::default()).await.unwrap();
    for id in 21..=25 {
        let renamed = store.write(move |db| {
            let mut device = devices::get(db, &Whose::Anyones.into(), id)?.unwrap();
            device.name = format!("renamed {id}");
            device.port = Some(4000);
            device.address = Some("10.0.0.1".into());
            devices::update(db, &device)?;
            Ok(devices::get(db, &Whose::Anyones.into(), id)? == Some(device))
        });
        assert!(renamed.await.unwrap(), "device {id}");
    }
    // To another agent: only to one of the owner's own.
    let moved = |device: i64, agent: i64| {
        store.write(move |db| {
            let mut device = devices::get(db, &Whose::Anyones.into(), device)?.unwrap();
            device.agent_id = agent;
            devices::update(db, &device)
        })
    };
    assert_eq!(moved(22, 3).await.unwrap_err().code(), "no_matching_agent");
    assert_eq!(moved(22, 31).await.unwrap_err().code(), "no_matching_agent");
    assert!(moved(22, 2).await.unwrap());
    // An agent of a deleted user.
    let secret = store.write(|db| {
        assert!(agents::set_secret(db, 3, &"another secret".to_owned().into())?);
        Ok(agents::secret(db, 3)?.unwrap())
    });
    assert_eq!(secret.await.unwrap().expose_secret(), "another secret");
    for id in 20..=25 {
        assert!(store.write(move |db| devices::delete(db, id)).await.unwrap());
    }
    assert!(store.write(|db| agents::delete(db, 3)).await.unwrap());
    store.close().await;
}

#[tokio::test]
async fn no_number_is_given_twice() {
    let (directory, _) = odd();
    let store = Store::open(directory.path(), Given::default()).await.unwrap();
    let (user, agent, device) = store
        .write(|db| {
            let user = users::insert(
                db,
                &users::NewUser {
                    username: "new".into(),
                    password_hash: "h".to_owned().into(),
                    role: Role::User,
                    created_at: 1,
                },
            )?;
            let agent = agents::insert(
                db,
                &agents::NewAgent {
                    name: "new".into(),
                    kind: crate::model::agent::AgentKind::Server,
                    description: String::new(),
                    secret: "12345678".to_owned().into(),
                    owner: user,
                },
            )?;
            let device = devices::insert(
                db,
                &NewDevice {
                    name: "new".into(),
                    kind: devices::DeviceKind::Nas,
                    description: None,
                    mac_address: "00:11:22:33:44:55".into(),
                    port: 9,
                    agent_id: agent,
                    owner: user,
                    address: None,
                    options: Default::default(),
                    secure_on: Default::default(),
                },
            )?;
            Ok((user, agent, device))
        })
        .await
        .unwrap();
    // Beyond the deleted user 4711 of a password reset, the deleted agent 30 that a device names, and the last device
    // that was ever counted; the junk beyond counting counts for nothing.
    assert_eq!((user, agent, device), (4712, 31, 51));
    store.close().await;
}

#[tokio::test]
async fn tables_that_the_original_never_made_are_made() {
    for missing in
        [&["devices"][..], &["devices", "agents", "password_resets"], &["users", "password_resets"]]
    {
        let (directory, before) = odd();
        let db = raw::open(&database_path(directory.path()));
        run(&db, "PRAGMA foreign_keys = OFF");
        for table in missing {
            run(&db, &format!("DROP TABLE {table}"));
        }
        drop(db);
        adopt_and_close(directory.path()).await;
        let mut kept = kept(&before);
        kept.retain(|line| !missing.contains(&line.split(' ').next().unwrap()));
        let db = raw::open(&database_path(directory.path()));
        assert_eq!(dump(&db), kept, "without {missing:?}");
        let tables = "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema \
                      WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name)";
        let (new_directory, store) = fresh().await;
        store.close().await;
        assert_eq!(one(&db, tables), one(&raw::open(&database_path(new_directory.path())), tables));
    }
}

#[tokio::test]
async fn the_superadmin_is_user_1_else_the_first_admin_else_nobody() {
    for (prepare, expected) in [
        ("SELECT 1", "1"),
        ("DELETE FROM users WHERE id = 1", "4"),
        ("UPDATE users SET role = 'user' WHERE id = 1", "4"),
        ("INSERT INTO users VALUES (-3, 'below', 'h', 'admin', '')", "1"),
        ("UPDATE users SET role = 'user'", "NULL"),
        ("DELETE FROM users", "NULL"),
    ] {
        let (directory, _) = odd();
        run(&raw::open(&database_path(directory.path())), &format!("PRAGMA foreign_keys = OFF; {prepare}"));
        adopt_and_close(directory.path()).await;
        let db = raw::open(&database_path(directory.path()));
        assert_eq!(one(&db, "SELECT group_concat(id) FROM users WHERE superadmin"), expected, "{prepare}");
    }
}

#[tokio::test]
async fn a_write_ahead_log_beside_the_original_is_read() {
    let (source, _) = odd();
    let path = database_path(source.path());
    let db = raw::open(&path);
    run(
        &db,
        "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
         INSERT INTO users VALUES (11, 'in the log only', 'h', 'user', '[]');",
    );
    let before = dump(&db);
    // As a killed server leaves them: nothing written back, and no index of the log.
    let directory = tempfile::tempdir().unwrap();
    let adopted = database_path(directory.path());
    fs::copy(&path, &adopted).unwrap();
    fs::copy(path.with_extension("sqlite-wal"), adopted.with_extension("sqlite-wal")).unwrap();
    assert!(fs::metadata(adopted.with_extension("sqlite-wal")).unwrap().len() > 0);

    adopt_and_close(directory.path()).await;
    assert_eq!(dump(&raw::open(&adopted)), kept(&before));
    let [copy] = &backups(directory.path())[..] else { panic!("one copy") };
    assert_eq!(dump(&raw::open(copy)), before);
}

#[tokio::test]
async fn a_transaction_that_was_cut_off_is_rolled_back_first() {
    let (source, before) = odd();
    let path = database_path(source.path());
    let db = raw::open(&path);
    // So little memory that the file is overwritten before the commit that never comes.
    run(&db, "PRAGMA cache_size = 1; BEGIN; UPDATE users SET favorites = printf('%.4000c', 'x')");
    run(
        &db,
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
              INSERT INTO users SELECT 100 + i, 'u' || i, printf('%.2000c', 'x'), 'user', '' FROM n",
    );
    let directory = tempfile::tempdir().unwrap();
    let adopted = database_path(directory.path());
    fs::copy(&path, &adopted).unwrap();
    fs::copy(path.with_extension("sqlite-journal"), adopted.with_extension("sqlite-journal")).unwrap();
    assert_ne!(fs::read(&adopted).unwrap(), fs::read(raw::fixture()).unwrap());

    adopt_and_close(directory.path()).await;
    let db = raw::open(&adopted);
    assert_eq!(dump(&db), kept(&before));
    assert_eq!(one(&db, "PRAGMA integrity_check"), "ok");
}

#[tokio::test]
async fn a_copy_never_replaces_an_earlier_one() {
    let (directory, before) = odd();
    let path = database_path(directory.path());
    for _ in 0..3 {
        // Back to the original, with the copy: the documented way.
        if let Some(copy) = backups(directory.path()).first() {
            fs::copy(copy, &path).unwrap();
        }
        adopt_and_close(directory.path()).await;
    }
    let copies = backups(directory.path());
    assert_eq!(copies.len(), 3);
    for copy in copies {
        assert_eq!(dump(&raw::open(&copy)), before);
    }
}
