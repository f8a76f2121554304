//! The audit log: who did what, to what, from where, when, and with which outcome.
//!
//! A change and its entry are one transaction: `domain::By::change` writes both. What changes
//! nothing, such as a command or a refusal, is given to the [`Recorder`], which writes it behind the back of whoever did
//! it and counts what repeats itself (`tally`). `refusal` says what the log tells of an error, `domain::audit_retention` deletes what is
//! too old or, as `surplus` says, too much; nothing else deletes, and nothing changes an entry.
//!
//! Entries hold names and IDs of what is stored and nothing that a person or program typed besides: no payload, no
//! secret, no header, no user name that nobody has, which may be a mistyped password. Agents that come and go are not
//! here: that is presence.

mod pace;
mod recorder;
pub mod refusal;
pub mod surplus;
mod tally;

pub use crate::model::audit::{Action, Actor, AuditOutcome, Entry, Noted, Refusal, Subject, SubjectKind};
pub use pace::Pace;
pub use recorder::Recorder;
