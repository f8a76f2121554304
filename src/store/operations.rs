//! The table of operations. Pages of it are read in [`operation_page`](super::operation_page), new rows made in
//! [`operation_rows`](super::operation_rows).
//!
//! Whoever changes an operation gives it whole, with the version they know: of two at once the second changes nothing.

use libsql::params::IntoValue as _;

use super::{Conn, Row, operation_trail};
use crate::clock::Millis;
use crate::error::Result;
use crate::model::operation::{Maker, MakerKind, Operation, OperationId, OperationKind, State, TrailEntry};

/// Operations that are deleted at once.
pub const SOME: i64 = 500;

macro_rules! select {
    ($($rest:expr),+) => {
        concat!(
            "SELECT id, CAST(kind AS BLOB), CAST(state AS BLOB), CAST(reason AS BLOB), CAST(message AS BLOB), \
             CAST(said AS BLOB), ownerID, agentID, deviceID, CAST(command AS BLOB), CAST(payload AS BLOB), \
             CAST(result AS BLOB), CAST(evidence AS BLOB), CAST(progress AS BLOB), attempts, maxAttempts, createdAt, \
             deliverBy, startedAt, endedAt, CAST(makerKind AS BLOB), makerID, CAST(makerName AS BLOB), userID, parent, \
             runTimeout, repeatable, class, notBefore, dueAt, direct, version FROM operations ",
            $($rest),+
        )
    };
}
pub(super) use select;

/// Reads the columns of `select!`.
pub(super) fn operation(row: &Row) -> Result<Operation> {
    let wrong = || crate::error::Error::internal("an operation's row holds something else");
    let count = |column| Ok::<_, crate::error::Error>(u32::try_from(row.int(column)?).unwrap_or(0));
    Ok(Operation {
        id: OperationId::from_bytes(&row.blob(0)?).ok_or_else(wrong)?,
        kind: OperationKind::from_word(&row.text(1)?).ok_or_else(wrong)?,
        state: State::from_word(&row.text(2)?).ok_or_else(wrong)?,
        reason: row.opt_text(3)?.map(Into::into),
        message: row.text(4)?,
        said: row.opt_text(5)?,
        owner: row.int(6)?,
        agent: row.opt_int(7)?,
        device: row.opt_int(8)?,
        command: row.text(9)?,
        payload: row.text(10)?,
        result: row.opt_text(11)?,
        evidence: row.opt_text(12)?,
        progress: row.opt_text(13)?,
        attempts: count(14)?,
        max_attempts: count(15)?,
        created_at: row.int(16)?,
        deliver_by: row.int(17)?,
        started_at: row.opt_int(18)?,
        ended_at: row.opt_int(19)?,
        maker: Maker {
            kind: MakerKind::from_stored(&row.text(20)?),
            id: row.opt_int(21)?,
            name: row.text(22)?,
            user: row.opt_int(23)?,
        },
        parent: row.opt_blob(24)?.and_then(|bytes| OperationId::from_bytes(&bytes)),
        run_timeout: row.int(25)?,
        repeatable: row.flag(26)?,
        class: row.int(27)?,
        not_before: row.int(28)?,
        due_at: row.opt_int(29)?,
        direct: row.flag(30)?,
        version: row.int(31)?,
    })
}

macro_rules! update {
    ($($more:literal)?) => {
        concat!(
            "UPDATE operations SET state = ?3, reason = ?4, message = ?5, said = ?6, result = ?7, evidence = ?8, \
             progress = ?9, attempts = ?10, startedAt = ?11, notBefore = ?12, dueAt = ?13, version = ?14, \
             maxAttempts = ?15",
            $($more,)?
            " WHERE key = ?1 AND version = ?2"
        )
    };
}

/// Stores an operation as it is now, in place of what it was at the version before. Answers whether it still was that.
///
/// # Errors
/// The database refuses.
pub fn save(db: &Conn, now: &Operation) -> Result<bool> {
    let mut values = Vec::from(libsql::params![
        now.id.key(),
        now.version - 1,
        now.state.word(),
        now.reason.as_deref(),
        now.message.as_str(),
        now.said.as_deref(),
        now.result.as_deref(),
        now.evidence.as_deref(),
        now.progress.as_deref(),
        now.attempts,
        now.started_at,
        now.not_before,
        now.due_at,
        now.version,
        now.max_attempts,
    ]);
    let changed = match now.ended_at {
        // The time of its end is left alone: named, it would have every index of what is live written anew.
        None => db.execute(update!(), values)?,
        Some(ended) => {
            values.push(ended.into_value());
            db.execute(update!(", endedAt = ?16"), values)?
        }
    };
    if changed == 0 {
        return Ok(false);
    }
    // On its own: it seldom changes, and two indexes would be written each time.
    let other = "UPDATE operations SET agentID = ?2 WHERE key = ?1 AND agentID IS NOT ?2";
    if now.kind == OperationKind::Wake {
        db.execute(other, libsql::params![now.id.key(), now.agent])?;
    }
    Ok(true)
}

/// As [`save`], with what is new in its trail.
///
/// # Errors
/// The database refuses.
pub fn change(db: &Conn, now: &Operation, trail: &[TrailEntry]) -> Result<bool> {
    let saved = save(db, now)?;
    if saved {
        trail.iter().try_for_each(|entry| operation_trail::insert(db, now.id, entry))?;
    }
    Ok(saved)
}

/// The operation of an ID.
///
/// # Errors
/// The database refuses.
pub fn get(db: &Conn, id: OperationId) -> Result<Option<Operation>> {
    db.query_one(select!("WHERE key = ?1 AND id = ?2"), libsql::params![id.key(), id.as_bytes()], operation)
}

/// The operation of a key, if it is there.
///
/// # Errors
/// The database refuses.
pub fn of_key(db: &Conn, key: i64) -> Result<Option<Operation>> {
    db.query_one(select!("WHERE key = ?1"), [key], operation)
}

/// The operations of some IDs, as far as they are there.
///
/// # Errors
/// The database refuses.
pub fn of_ids(db: &Conn, ids: &[OperationId]) -> Result<Vec<Operation>> {
    let keys: Vec<_> = ids.iter().map(|id| id.key()).collect();
    let keys = serde_json::Value::from(keys).to_string();
    let mut found = db.query(select!("WHERE key IN (SELECT value FROM json_each(?1))"), [keys], operation)?;
    found.retain(|one| ids.contains(&one.id));
    Ok(found)
}

/// How many operations of an agent are live.
///
/// # Errors
/// The database refuses.
pub fn live_of_agent(db: &Conn, agent: i64) -> Result<i64> {
    db.query_int("SELECT count(*) FROM operations WHERE agentID = ?1 AND endedAt IS NULL", [agent])
}

/// How many operations that a user made, or a token of theirs, are live.
///
/// # Errors
/// The database refuses.
pub fn live_of_user(db: &Conn, user: i64) -> Result<i64> {
    db.query_int("SELECT count(*) FROM operations WHERE userID = ?1 AND endedAt IS NULL", [user])
}

/// The live operation of an agent that is this command with this payload, the oldest if there are several.
///
/// # Errors
/// The database refuses.
pub fn live_command(db: &Conn, agent: i64, command: &str, payload: &str) -> Result<Option<Operation>> {
    let sql = select!(
        "WHERE agentID = ?1 AND endedAt IS NULL AND kind = 'command' AND command = ?2 AND payload = ?3 ORDER BY key LIMIT 1"
    );
    db.query_one(sql, libsql::params![agent, command, payload], operation)
}

/// The live wake of a device that is asked for in these words, the oldest if there are several.
///
/// # Errors
/// The database refuses.
pub fn live_wake(db: &Conn, device: i64, payload: &str) -> Result<Option<Operation>> {
    let sql = select!(
        "WHERE deviceID = ?1 AND endedAt IS NULL AND kind = 'wake' AND payload = ?2 ORDER BY key LIMIT 1"
    );
    db.query_one(sql, libsql::params![device, payload], operation)
}

/// What waits for an agent and may be sent at `now`, in the order of its queue.
///
/// # Errors
/// The database refuses.
pub fn queue(db: &Conn, agent: i64, now: Millis, most: i64) -> Result<Vec<Operation>> {
    let sql = select!(
        "WHERE agentID = ?1 AND endedAt IS NULL AND state = 'queued' AND notBefore <= ?2 ORDER BY class, key LIMIT +?3"
    );
    db.query(sql, [agent, now, most], operation)
}

/// Wakes that wait for another agent of a device which this agent wakes too, the oldest first.
///
/// # Errors
/// The database refuses.
pub fn wakes_of_others(db: &Conn, agent: i64, now: Millis, most: i64) -> Result<Vec<Operation>> {
    let sql = select!(
        "WHERE endedAt IS NULL AND state = 'queued' AND kind = 'wake' AND progress IS NULL AND notBefore <= ?2 \
         AND agentID IS NOT ?1 AND deviceID IN (SELECT deviceID FROM device_fallbacks WHERE agentID = ?1 \
         UNION SELECT id FROM devices WHERE agentID = ?1) ORDER BY key LIMIT +?3"
    );
    db.query(sql, [agent, now, most], operation)
}

/// The agents of the devices that are to be woken and have more than one.
///
/// # Errors
/// The database refuses.
pub fn stand_ins(db: &Conn) -> Result<Vec<i64>> {
    let sql = "WITH waking AS (SELECT DISTINCT deviceID FROM operations WHERE endedAt IS NULL AND kind = 'wake' \
         AND progress IS NULL AND deviceID IN (SELECT deviceID FROM device_fallbacks)) \
         SELECT agentID FROM device_fallbacks WHERE deviceID IN waking \
         UNION SELECT CAST(agentID AS INTEGER) FROM devices WHERE id IN waking";
    db.query(sql, (), |row| row.int(0))
}

/// What is live of an agent.
///
/// # Errors
/// The database refuses.
pub fn all_live_of_agent(db: &Conn, agent: i64) -> Result<Vec<Operation>> {
    db.query(select!("WHERE agentID = ?1 AND endedAt IS NULL ORDER BY key"), [agent], operation)
}

/// What is live of a device.
///
/// # Errors
/// The database refuses.
pub fn all_live_of_device(db: &Conn, device: i64) -> Result<Vec<Operation>> {
    db.query(select!("WHERE deviceID = ?1 AND endedAt IS NULL ORDER BY key"), [device], operation)
}

/// What is live and was made by a user, or a token of theirs.
///
/// # Errors
/// The database refuses.
pub fn all_live_of_user(db: &Conn, user: i64) -> Result<Vec<Operation>> {
    db.query(select!("WHERE userID = ?1 AND endedAt IS NULL ORDER BY key"), [user], operation)
}

/// The agents of what is live, each once.
///
/// # Errors
/// The database refuses.
pub fn agents_with_live(db: &Conn) -> Result<Vec<i64>> {
    let sql = "SELECT DISTINCT agentID FROM operations WHERE endedAt IS NULL AND agentID IS NOT NULL";
    db.query(sql, (), |row| row.int(0))
}

/// Some of what is running and has no driver of its own, with keys greater than `after`, in their order.
///
/// # Errors
/// The database refuses.
pub fn running(db: &Conn, after: i64) -> Result<Vec<Operation>> {
    let sql = select!(
        "WHERE endedAt IS NULL AND key > ?1 AND state = 'running' AND progress IS NULL ORDER BY key LIMIT +?2"
    );
    db.query(sql, [after, SOME], operation)
}

/// Every live wake that goes on until the device is seen.
///
/// # Errors
/// The database refuses.
pub fn live_wakes(db: &Conn) -> Result<Vec<Operation>> {
    let sql = select!("WHERE endedAt IS NULL AND kind = 'wake' AND progress IS NOT NULL ORDER BY key");
    db.query(sql, (), operation)
}

/// Every live power command that goes on until the device is seen no more.
///
/// # Errors
/// The database refuses.
pub fn live_power(db: &Conn) -> Result<Vec<Operation>> {
    let sql = select!("WHERE endedAt IS NULL AND kind = 'command' AND progress IS NOT NULL ORDER BY key");
    db.query(sql, (), operation)
}

/// When something is due to happen first.
///
/// # Errors
/// The database refuses.
pub fn first_due(db: &Conn) -> Result<Option<Millis>> {
    let sql = "SELECT dueAt FROM operations WHERE dueAt IS NOT NULL ORDER BY dueAt LIMIT 1";
    Ok(db.query_one(sql, (), |row| row.opt_int(0))?.flatten())
}

/// Some of those to which something was due to happen by `now`, the longest due first.
///
/// # Errors
/// The database refuses.
pub fn due(db: &Conn, now: Millis) -> Result<Vec<Operation>> {
    let sql = select!("WHERE dueAt IS NOT NULL AND dueAt <= ?1 ORDER BY dueAt LIMIT +?2");
    db.query(sql, [now, SOME], operation)
}

/// How many operations of each owner there are that have ended.
///
/// # Errors
/// The database refuses.
pub fn counts(db: &Conn) -> Result<Vec<(i64, i64)>> {
    let sql = "SELECT ownerID, count(*) - (SELECT count(*) FROM operations AS live \
               WHERE live.ownerID = operations.ownerID AND live.endedAt IS NULL) FROM operations GROUP BY ownerID";
    db.query(sql, (), |row| Ok((row.int(0)?, row.int(1)?)))
}

/// Deletes, of some operations with keys from `from` on, those that ended before `before`. Answers how many that were,
/// and from which key on to go on, if there may be more.
///
/// # Errors
/// The database refuses.
pub fn delete_before(db: &Conn, from: i64, before: Millis) -> Result<(u64, Option<i64>)> {
    let sql = "SELECT max(key) FROM (SELECT key FROM operations WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT +?3)";
    let bound = OperationId::first_key(before);
    let Some(last) = db.query_one(sql, [from, bound, SOME], |row| row.opt_int(0))?.flatten() else {
        return Ok((0, None));
    };
    let sql = "DELETE FROM operations WHERE key BETWEEN ?1 AND ?2 AND endedAt < ?3";
    Ok((db.execute(sql, [from, last, before])?, Some(last + 1)))
}

/// Deletes some of the `surplus` oldest operations of an owner that have ended, and tells how many.
///
/// # Errors
/// The database refuses.
pub fn delete_oldest(db: &Conn, owner: i64, surplus: i64) -> Result<u64> {
    let sql = "DELETE FROM operations WHERE key IN (SELECT key FROM operations \
               WHERE ownerID = ?1 AND endedAt IS NOT NULL ORDER BY key LIMIT +?2)";
    db.execute(sql, [owner, surplus.min(SOME)])
}
