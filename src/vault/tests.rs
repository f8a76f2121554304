//! Keys that fit and keys that do not, and every point at which a change of the master key can stop.

#![allow(clippy::unwrap_used)]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use secrecy::ExposeSecret;
use tempfile::{TempDir, tempdir};

use super::key::Key;
use super::master::{MasterKey, Weak};
use super::*;

const PLACE: Place = Place { table: "agents", column: "secret", row: 7 };
const A: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const B: &str = "Zm9yIHRlc3RzIG9ubHksIG5vdCBmb3IgeW91";

/// What the environment gives, from pairs of a variable and its value.
fn given(variables: &[(&str, &str)]) -> Result<Given, KeyError> {
    let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| OsString::from(v));
    Given::read(find)
}

fn in_variable(key: &str) -> Given {
    given(&[("NETIGNITE_SECRET_KEY", key)]).unwrap()
}

fn open(directory: &TempDir, given: &Given, stored: &[WrappedKey]) -> Result<Vault, KeyError> {
    Vault::open(directory.path(), given, stored)
}

/// A vault with one data key, that key as it is stored, and something sealed with it.
fn filled(directory: &TempDir, given: &Given) -> (Vault, Vec<WrappedKey>, Vec<u8>) {
    let vault = open(directory, given, &[]).unwrap();
    let stored = vec![WrappedKey { id: 1, wrapped: vault.make_data_key(1).unwrap() }];
    let sealed = vault.seal(1, PLACE, b"hidden").unwrap();
    vault.settle().unwrap();
    (vault, stored, sealed)
}

fn opens(directory: &TempDir, given: &Given, stored: &[WrappedKey], sealed: &[u8]) {
    let vault = open(directory, given, stored).unwrap();
    vault.settle().unwrap();
    assert_eq!(&**vault.unseal(PLACE, sealed).unwrap(), b"hidden");
}

/// The line with which a vault does not open; it tells no key.
fn refusal(directory: &TempDir, given: &Given, stored: &[WrappedKey]) -> String {
    let line = open(directory, given, stored).unwrap_err().to_string();
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(!line.contains(A) && !line.contains(B), "{line}");
    line
}

fn files(directory: &TempDir) -> Vec<String> {
    let names = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_key_file_is_made_once_and_for_its_owner_alone() {
    let directory = tempdir().unwrap();
    let (_, stored, sealed) = filled(&directory, &Given::default());
    let path = directory.path().join("secret.key");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.len(), 45, "32 bytes in base64, and a line's end");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    opens(&directory, &Given::default(), &stored, &sealed);
    assert_eq!(fs::read_to_string(&path).unwrap(), text);
    assert_eq!(files(&directory), ["secret.key"]);
    // The same text in the environment is the same key.
    fs::remove_file(&path).unwrap();
    opens(&directory, &in_variable(&text), &stored, &sealed);
    assert!(files(&directory).is_empty(), "a key that is given is written nowhere");
}

#[test]
fn without_the_key_nothing_is_made_and_the_line_says_where_it_was_looked_for() {
    let directory = tempdir().unwrap();
    let (_, stored, _) = filled(&directory, &Given::default());
    let path = directory.path().join("secret.key");
    fs::remove_file(&path).unwrap();
    let line = refusal(&directory, &Given::default(), &stored);
    for word in ["secret.key is missing", "NETIGNITE_SECRET_KEY_FILE", "from a backup"] {
        assert!(line.contains(word), "{line}");
    }
    assert!(files(&directory).is_empty());

    fs::write(&path, A).unwrap();
    let line = refusal(&directory, &Given::default(), &stored);
    assert!(line.contains("secret.key holds another master key"), "{line}");
    assert_eq!(fs::read_to_string(&path).unwrap(), A);

    let line = refusal(&directory, &in_variable(B), &stored);
    assert!(line.contains("than NETIGNITE_SECRET_KEY holds") && line.contains("secret.key, too"), "{line}");
}

#[test]
fn a_file_that_is_no_key_is_refused_and_left_alone() {
    for (content, why) in [
        ("", "is empty"),
        ("\n", "is empty"),
        ("too short", "shorter than 32"),
        ("abababababababababababababababababab", "fewer than 8 different"),
        (&"0123456789abcdef".repeat(300), "longer than 4096"),
    ] {
        let directory = tempdir().unwrap();
        let path = directory.path().join("secret.key");
        fs::write(&path, content).unwrap();
        let line = refusal(&directory, &Given::default(), &[]);
        assert!(line.contains("secret.key") && line.contains(why), "{line}");
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        // Named by the variable it is as little of a key.
        let named = given(&[("NETIGNITE_SECRET_KEY_FILE", path.to_str().unwrap())]);
        let line = match named {
            Ok(given) => refusal(&directory, &given, &[]),
            Err(e) => e.to_string(),
        };
        assert!(line.contains("NETIGNITE_SECRET_KEY_FILE") && line.contains(why), "{line}");
    }
    let directory = tempdir().unwrap();
    fs::create_dir(directory.path().join("secret.key")).unwrap();
    assert!(refusal(&directory, &Given::default(), &[]).contains("make it a plain file"));
}

#[test]
fn others_lose_the_right_to_read_the_file() {
    let directory = tempdir().unwrap();
    let (_, stored, sealed) = filled(&directory, &Given::default());
    let path = directory.path().join("secret.key");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    opens(&directory, &Given::default(), &stored, &sealed);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_environment_is_read_with_care() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("named");
    fs::write(&file, format!("{A}\n")).unwrap();
    let file = file.to_str().unwrap();
    let both = given(&[("NETIGNITE_SECRET_KEY", A), ("NETIGNITE_SECRET_KEY_FILE", file)]).unwrap_err();
    assert!(both.to_string().contains("both set"), "{both}");
    let gone = given(&[("NETIGNITE_SECRET_KEY_FILE", "/nowhere/key")]).unwrap_err().to_string();
    assert!(gone.contains("NETIGNITE_SECRET_KEY_FILE (/nowhere/key)"), "{gone}");
    // Empty counts as not set.
    let (_, stored, sealed) = filled(&directory, &in_variable(A));
    let named = given(&[("NETIGNITE_SECRET_KEY", ""), ("NETIGNITE_SECRET_KEY_FILE", file)]).unwrap();
    opens(&directory, &named, &stored, &sealed);
    assert!(given(&[("NETIGNITE_SECRET_KEY", "")]).unwrap().current.is_none());
}

#[test]
fn weak_keys_are_refused_and_made_ones_are_not() {
    for (text, weak) in [
        ("", Weak::Empty),
        (" \n", Weak::Empty),
        ("correct horse battery staple", Weak::Short),
        ("☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃☃", Weak::Repetitive),
    ] {
        assert_eq!(MasterKey::from_text(text).err(), Some(weak));
    }
    for _ in 0..100 {
        let made = MasterKey::random().unwrap();
        assert!(made.same(&MasterKey::from_text(made.text()).unwrap()));
        assert!(!made.same(&MasterKey::random().unwrap()));
    }
}

#[test]
fn a_change_of_the_file_can_stop_anywhere() {
    let directory = tempdir().unwrap();
    let (vault, stored, sealed) = filled(&directory, &Given::default());
    let old = fs::read_to_string(directory.path().join("secret.key")).unwrap();
    let new = vault.prepare_master(None).unwrap();
    assert_eq!(files(&directory), ["secret.key", "secret.key.new"]);
    let wrapped_anew = vec![WrappedKey { id: 1, wrapped: vault.wrap_anew(&new, 1).unwrap() }];

    // Stopped while the new key was written, and before the commit: the old key goes on.
    let new_path = directory.path().join("secret.key.new");
    let whole = fs::read(&new_path).unwrap();
    for length in [0, 10, 40, whole.len()] {
        fs::write(&new_path, &whole[..length]).unwrap();
        opens(&directory, &Given::default(), &stored, &sealed);
        assert_eq!(files(&directory), ["secret.key"]);
        assert_eq!(fs::read_to_string(directory.path().join("secret.key")).unwrap(), old);
    }
    // After the commit: the next start puts the new one in place.
    fs::write(&new_path, &whole).unwrap();
    opens(&directory, &Given::default(), &wrapped_anew, &sealed);
    assert_eq!(files(&directory), ["secret.key"]);
    assert_eq!(fs::read(directory.path().join("secret.key")).unwrap(), whole);
    // Now the old wrapping is nobody's.
    refusal(&directory, &Given::default(), &stored);
}

#[test]
fn a_key_whose_file_could_not_be_put_in_place_survives_the_next_change() {
    let directory = tempdir().unwrap();
    let (vault, _, sealed) = filled(&directory, &Given::default());
    // The vault takes up the new key, and the file stays beside.
    let first = vault.prepare_master(None).unwrap();
    let kept = fs::read(directory.path().join("secret.key.new")).unwrap();
    *vault.master.write() = first.0;
    let second = vault.prepare_master(None).unwrap();
    assert_eq!(fs::read(directory.path().join("secret.key")).unwrap(), kept);
    let stored = vec![WrappedKey { id: 1, wrapped: vault.wrap_anew(&second, 1).unwrap() }];
    vault.adopt(second);
    opens(&directory, &Given::default(), &stored, &sealed);
}

#[test]
fn a_key_of_the_operators_is_changed_with_the_one_to_come() {
    let directory = tempdir().unwrap();
    let (vault, stored, sealed) = filled(&directory, &in_variable(A));
    let line = vault.prepare_master(None).map(drop).unwrap_err().to_string();
    assert!(line.contains("NETIGNITE_NEW_SECRET_KEY") && line.contains("openssl"), "{line}");
    assert!(vault.prepare_master(Some("weak")).is_err());
    assert!(vault.prepare_master(Some(&format!(" {A} "))).is_err(), "the same key");
    let new = vault.prepare_master(Some(B)).unwrap();
    let wrapped_anew = vec![WrappedKey { id: 1, wrapped: vault.wrap_anew(&new, 1).unwrap() }];
    assert_eq!(vault.adopt(new), "NETIGNITE_SECRET_KEY");
    // While both are set, either side of the commit opens.
    let both = given(&[("NETIGNITE_SECRET_KEY", A), ("NETIGNITE_NEW_SECRET_KEY", B)]).unwrap();
    opens(&directory, &both, &stored, &sealed);
    opens(&directory, &both, &wrapped_anew, &sealed);
    opens(&directory, &in_variable(B), &wrapped_anew, &sealed);
    let line = refusal(&directory, &in_variable(A), &wrapped_anew);
    assert!(line.contains("the new one"), "{line}");
    assert!(files(&directory).is_empty());
}

#[test]
fn readers_open_what_was_sealed_before_a_change() {
    let directory = tempdir().unwrap();
    let (vault, _, sealed) = filled(&directory, &Given::default());
    vault.make_data_key(2).unwrap();
    assert_eq!(&**vault.unseal(PLACE, &sealed).unwrap(), b"hidden");
    let sealed = vault.seal(2, PLACE, b"later").unwrap();
    assert_eq!(&**vault.unseal(PLACE, &sealed).unwrap(), b"later");
    assert_eq!(vault.seal(3, PLACE, b"never"), Err(SealError::UnknownKey(3)));
}

#[test]
fn a_damaged_data_key_is_distinguished_from_a_wrong_master_key() {
    let directory = tempdir().unwrap();
    let (_, mut stored, _) = filled(&directory, &Given::default());
    *stored[0].wrapped.last_mut().unwrap() ^= 1;
    assert!(refusal(&directory, &Given::default(), &stored).contains("data key 1"));
}

#[test]
fn nothing_shows_a_key() {
    let directory = tempdir().unwrap();
    let given = in_variable(A);
    let (vault, ..) = filled(&directory, &given);
    assert!(!format!("{given:?} {vault:?}").contains(A));
    assert_eq!(given.current.unwrap().keys().unwrap()[0].text(), A);
    assert!(
        super::tests::given(&[("NETIGNITE_NEW_SECRET_KEY", B)]).unwrap().next().unwrap().expose_secret() == B
    );
}

proptest! {
    #[test]
    fn what_is_sealed_opens_in_its_place_alone(
        plain in proptest::collection::vec(any::<u8>(), 0..300),
        row in any::<i64>(),
        other in any::<i64>(),
        at in any::<prop::sample::Index>(),
    ) {
        let key = Key::random(9).unwrap();
        let place = Place { row, ..PLACE };
        let sealed = key.seal(place, &plain).unwrap();
        prop_assert_eq!(sealed.len(), 5 + 24 + plain.len() + 16);
        prop_assert_eq!(&**key.unseal(place, &sealed).unwrap(), &plain);
        prop_assert_ne!(key.seal(place, &plain).unwrap(), sealed.clone(), "a nonce is used once");
        let elsewhere = [
            Place { row: other, ..place },
            Place { column: "oldSecret", ..place },
            Place { table: "agent", column: "ssecret", ..place },
        ];
        for elsewhere in elsewhere.into_iter().filter(|p| *p != place) {
            prop_assert_eq!(key.unseal(elsewhere, &sealed).unwrap_err(), SealError::Damaged);
        }
        let mut altered = sealed.clone();
        altered[at.index(sealed.len())] ^= 1;
        prop_assert!(key.unseal(place, &altered).is_err());
        prop_assert!(key.unseal(place, &sealed[..at.index(sealed.len())]).is_err());
    }
}
