//! Reading values that nobody should have stored.

use proptest::prelude::*;

use super::*;
use libsql::{OpenFlags, Value};

fn memory() -> Conn {
    Conn::open(Path::new(":memory:"), OpenFlags::default()).unwrap()
}

/// `value` as it is read from a column, selected as a number and as bytes.
fn read<T>(value: &Value, map: fn(&Row, i32) -> Result<T>) -> T {
    let sql = "SELECT CAST(?1 AS BLOB)";
    memory().query_one(sql, [value.clone()], |row| map(row, 0)).unwrap().unwrap()
}

#[test]
fn numbers_are_read_from_whatever_holds_them() {
    for (value, expected) in [
        (Value::Null, None),
        (Value::Integer(i64::MIN), Some(i64::MIN)),
        (Value::Real(9.99), Some(9)),
        (Value::Real(-9.99), Some(-9)),
        (Value::Real(1e300), Some(i64::MAX)),
        (Value::Real(f64::NEG_INFINITY), None),
        (Value::Text("22".into()), Some(22)),
        (Value::Text(" -7.5\n".into()), Some(-7)),
        (Value::Text("9007199254740993".into()), Some(9_007_199_254_740_993)),
        (Value::Text("22 or so".into()), None),
        (Value::Text("NaN".into()), None),
        (Value::Text(String::new()), None),
        (Value::Blob(b"80".to_vec()), Some(80)),
        (Value::Blob(vec![0xff, 0]), None),
    ] {
        assert_eq!(read(&value, Row::opt_int), expected, "{value:?}");
        assert_eq!(read(&value, Row::int), expected.unwrap_or(0), "{value:?}");
    }
}

#[test]
fn a_column_selected_as_text_is_an_error_and_no_panic() {
    let db = memory();
    for sql in
        ["SELECT 'text' AS name", "SELECT CAST(X'ff' AS TEXT) AS name", "SELECT 'a' || char(0) AS name"]
    {
        for outcome in [
            db.query(sql, (), |row| row.text(0).map(drop)),
            db.query(sql, (), |row| row.int(0).map(drop)),
            db.query(sql, (), |row| row.blob(0).map(drop)),
        ] {
            let error = outcome.unwrap_err();
            assert!(error.to_string().contains("column 0 (name) holds text"), "{error}");
        }
    }
    assert_eq!(db.query_one("SELECT 1", (), |row| row.opt_text(7)).unwrap().unwrap(), None, "no such column");
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Real),
        any::<String>().prop_map(Value::Text),
        proptest::collection::vec(any::<u8>(), 0..40).prop_map(Value::Blob),
    ]
}

proptest! {
    #[test]
    fn any_value_in_any_column_is_read_by_every_table(
        values in proptest::collection::vec(any_value(), 8),
        raw_text in proptest::collection::vec(any::<u8>(), 0..20),
    ) {
        let db = memory();
        db.batch(include_str!("../migrations/0001_schema.sql")).unwrap();
        db.batch(include_str!("../migrations/0002_people.sql")).unwrap();
        db.batch("PRAGMA foreign_keys = OFF").unwrap();
        let not_null = |i: usize| match &values[i] {
            Value::Null => Value::Blob(raw_text.clone()),
            value => value.clone(),
        };
        db.execute(
            "INSERT INTO devices VALUES (1, ?1, ?2, ?3, CAST(?4 AS TEXT), ?5, ?6, ?7, ?8)",
            vec![not_null(0), not_null(1), values[2].clone(), Value::Blob(raw_text.clone()), not_null(4),
                 not_null(5), not_null(6), values[7].clone()],
        ).unwrap();
        db.execute(
            "INSERT INTO agents VALUES (1, ?1, ?2, ?3, CAST(?4 AS TEXT), ?5, ?6, ?7)",
            vec![not_null(0), not_null(1), not_null(2), Value::Blob(raw_text.clone()), not_null(4),
                 values[5].clone(), values[6].clone()],
        ).unwrap();
        db.batch(include_str!("../migrations/0006_device_options.sql")).unwrap();
        db.execute(
            "UPDATE devices SET hostAgentID = ?1, probePorts = ?2, broadcastAddress = ?3, watchInterval = ?4",
            vec![values[0].clone(), values[1].clone(), values[2].clone(), values[3].clone()],
        ).unwrap();
        db.execute(
            "INSERT INTO users VALUES (1, ?1, CAST(?2 AS TEXT), ?3, ?4, ?5)",
            vec![not_null(0), Value::Blob(raw_text.clone()), not_null(2), not_null(3), not_null(4)],
        ).unwrap();
        db.execute(
            "INSERT INTO sessions VALUES (?1, ?2, ?3, ?4, ?5, ?6, CAST(?7 AS TEXT))",
            vec![Value::Blob(raw_text.clone()), Value::Integer(1), Value::Integer(1), Value::Integer(1),
                 Value::Integer(1), values[6].clone(), Value::Blob(raw_text.clone())],
        ).unwrap();
        db.batch(include_str!("../migrations/0008_device_presence.sql")).unwrap();
        db.batch(include_str!("../migrations/0010_lists.sql")).unwrap();
        page::fill(&db).unwrap();
        db.batch(include_str!("../migrations/0010_lists_by.sql")).unwrap();
        db.batch(include_str!("../migrations/0011_user_times.sql")).unwrap();
        prop_assert_eq!(devices::list(&db, &Whose::Anyones.into()).unwrap().len(), 1);
        prop_assert_eq!(agents::list(&db, Whose::Anyones).unwrap().len(), 1);
        prop_assert_eq!(agents::all_credentials(&db).unwrap().len(), 1);
        prop_assert_eq!(users::list(&db).unwrap().len(), 1);
        prop_assert!(users::account(&db, 1, 0).unwrap().is_some());
        prop_assert_eq!(users::all_listed(&db, 0).unwrap().len(), 1);
        sessions::load_all(&db).unwrap();
    }

    #[test]
    fn any_text_comes_back_as_it_was_stored(text in any::<String>()) {
        let db = memory();
        let read = db.query_one("SELECT CAST(?1 AS BLOB)", [text.clone()], |row| row.text(0)).unwrap();
        prop_assert_eq!(read, Some(text));
    }
}
