//! Pages of operations, the newest first.
//!
//! A page comes out of one index: of everyone's, of an owner, of an agent or of a device; what is live has indexes of its
//! own, so that it is found at once among a million that have ended. Where a caller sees those of several devices, their
//! pages are merged by whoever asks.

use super::Conn;
use super::operations::{operation, select};
use crate::error::Result;
use crate::model::operation::{Operation, OperationKind, State};

/// Whose operations a page is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Everyone's.
    All,
    /// An owner's.
    Owner(i64),
    /// An agent's.
    Agent(i64),
    /// A device's.
    Device(i64),
}

/// Which states are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InState {
    /// Any.
    #[default]
    Any,
    /// Those that are still to end.
    Live,
    /// One.
    One(State),
}

/// What is asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// In which state.
    pub state: InState,
    /// Of which kind; none for all.
    pub kind: Option<OperationKind>,
    /// Of this owner alone.
    pub owner: Option<i64>,
    /// Of this agent alone.
    pub agent: Option<i64>,
    /// Of this device alone.
    pub device: Option<i64>,
    /// With keys from this on.
    pub from: i64,
    /// With keys before this.
    pub before: i64,
    /// How many.
    pub limit: i64,
}

/// What is left to compare once an index has found whose they are.
macro_rules! rest {
    ($whose:literal, $state:literal) => {
        select!(
            "WHERE ",
            $whose,
            $state,
            " AND key >= ?2 AND key < ?3 AND (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR kind = ?5) \
             AND (?6 IS NULL OR ownerID = ?6) AND (?7 IS NULL OR agentID = ?7) AND (?8 IS NULL OR deviceID = ?8) \
             ORDER BY key DESC LIMIT +?9"
        )
    };
}

/// A statement for each set of states that has indexes of its own.
macro_rules! statements {
    ($whose:literal) => {
        [
            rest!($whose, ""),
            rest!($whose, " AND endedAt IS NULL"),
            rest!($whose, " AND state = ?4 AND state IN ('failed', 'timed_out', 'expired', 'canceled')"),
        ]
    };
}

/// A page.
///
/// # Errors
/// The database refuses.
pub fn page(db: &Conn, of: Of, filter: &Filter) -> Result<Vec<Operation>> {
    let (statements, whose) = match of {
        // The parameter is compared with nothing.
        Of::All => (statements!("?1 = 0"), 0),
        Of::Owner(owner) => (statements!("ownerID = ?1"), owner),
        Of::Agent(agent) => (statements!("agentID = ?1"), agent),
        Of::Device(device) => (statements!("deviceID = ?1"), device),
    };
    let [any, live, badly] = statements;
    let (sql, state) = match filter.state {
        InState::Any => (any, None),
        InState::Live => (live, None),
        InState::One(state @ (State::Queued | State::Running)) => (live, Some(state.word())),
        InState::One(state @ State::Succeeded) => (any, Some(state.word())),
        InState::One(state) => (badly, Some(state.word())),
    };
    let Filter { kind, owner, agent, device, from, before, limit, .. } = *filter;
    let params = libsql::params![
        whose,
        from,
        before,
        state,
        kind.map(OperationKind::word),
        owner,
        agent,
        device,
        limit
    ];
    db.query(sql, params, operation)
}
