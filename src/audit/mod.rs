//! The audit log: who did what, to what, from where, when, and with which outcome.
//!
//! A change and its entry are one transaction: [`Call::change`](crate::http::Call::change) writes both. Entries hold
//! names and IDs and nothing that a person or program typed besides: no payload, no secret, no header.

mod entry;

pub use entry::{Action, Actor, Entry, Outcome, Subject, SubjectKind};
