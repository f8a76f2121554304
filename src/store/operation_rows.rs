//! New rows of the table of operations: one, or many with few statements.

use std::sync::LazyLock;

use libsql::Value;
use libsql::params::Params;

use super::Conn;
use crate::error::Result;
use crate::model::operation::Operation;

/// The columns, in the order of [`values`].
const COLUMNS: usize = 33;
/// Rows of one statement: each costs as much beside its rows as some of them do.
const ROWS: usize = 16;

macro_rules! insert {
    ($($rest:literal)?) => {
        concat!(
            "INSERT INTO operations (key, id, kind, state, reason, message, said, ownerID, agentID, deviceID, command, \
             payload, result, evidence, progress, attempts, maxAttempts, createdAt, deliverBy, startedAt, endedAt, \
             makerKind, makerID, makerName, userID, parent, runTimeout, repeatable, class, notBefore, dueAt, direct, \
             version) VALUES ",
            $($rest)?
        )
    };
}

static MANY: LazyLock<String> = LazyLock::new(|| {
    let row = format!("({})", ["?"; COLUMNS].join(","));
    insert!().to_owned() + &vec![row; ROWS].join(",")
});

/// Adds an operation.
///
/// # Errors
/// The database refuses.
pub fn insert(db: &Conn, new: &Operation) -> Result<()> {
    let sql = insert!("(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
    db.execute(sql, Params::Positional(values(new).into()))?;
    Ok(())
}

/// Adds operations.
///
/// # Errors
/// The database refuses; then some may have been added.
pub fn insert_all(db: &Conn, new: &[Operation]) -> Result<()> {
    let (whole, rest) = new.as_chunks::<ROWS>();
    for some in whole {
        // Said to be parameters already, they are not copied into some once more.
        let mut params = Vec::with_capacity(ROWS * COLUMNS);
        some.iter().for_each(|one| params.extend(values(one)));
        db.execute(MANY.as_str(), Params::Positional(params))?;
    }
    rest.iter().try_for_each(|one| insert(db, one))
}

fn values(new: &Operation) -> [Value; COLUMNS] {
    let text = |text: &str| Value::Text(text.to_owned());
    let opt_text = |text: Option<&str>| text.map_or(Value::Null, |text| Value::Text(text.to_owned()));
    let opt_int = |number: Option<i64>| number.map_or(Value::Null, Value::Integer);
    [
        Value::Integer(new.id.key()),
        Value::Blob(new.id.as_bytes().to_vec()),
        text(new.kind.word()),
        text(new.state.word()),
        opt_text(new.reason.as_deref()),
        text(&new.message),
        opt_text(new.said.as_deref()),
        Value::Integer(new.owner),
        opt_int(new.agent),
        opt_int(new.device),
        text(&new.command),
        text(&new.payload),
        opt_text(new.result.as_deref()),
        opt_text(new.evidence.as_deref()),
        opt_text(new.progress.as_deref()),
        Value::Integer(new.attempts.into()),
        Value::Integer(new.max_attempts.into()),
        Value::Integer(new.created_at),
        Value::Integer(new.deliver_by),
        opt_int(new.started_at),
        opt_int(new.ended_at),
        text(new.maker.kind.word()),
        opt_int(new.maker.id),
        text(&new.maker.name),
        opt_int(new.maker.user),
        new.parent.map_or(Value::Null, |parent| Value::Blob(parent.as_bytes().to_vec())),
        Value::Integer(new.run_timeout),
        Value::Integer(new.repeatable.into()),
        Value::Integer(new.class),
        Value::Integer(new.not_before),
        opt_int(new.due_at),
        Value::Integer(new.direct.into()),
        Value::Integer(new.version),
    ]
}
