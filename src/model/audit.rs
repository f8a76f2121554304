//! An entry of the audit log, and the words it is made of.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plugin_words::{self, PluginAction, PluginWords};
use crate::clock::Millis;

/// What was done. The wire name is the noun, a dot and the verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = add_plugins)]
pub enum Action {
    /// A user logged in, or somebody tried to.
    #[serde(rename = "auth.login")]
    AuthLogin,
    /// A user logged out.
    #[serde(rename = "auth.logout")]
    AuthLogout,
    /// A user was to confirm their current password, and it was wrong.
    #[serde(rename = "password.confirm")]
    PasswordConfirm,
    /// A user was to prove their second factor, and the code was wrong.
    #[serde(rename = "totp.prove")]
    TotpProve,
    /// A request was refused; the detail tells the error's code and the route.
    #[serde(rename = "request.refuse")]
    RequestRefuse,
    /// A device was to be woken.
    #[serde(rename = "device.wake")]
    DeviceWake,
    /// An agent was sent a command; the detail tells which.
    #[serde(rename = "agent.command")]
    AgentCommand,
    /// An operation was made, on an agent or a device; the detail tells which command.
    #[serde(rename = "operation.create")]
    OperationCreate,
    /// An operation was withdrawn; the detail tells which command.
    #[serde(rename = "operation.cancel")]
    OperationCancel,
    /// An agent's owner was shown its secret.
    #[serde(rename = "agent.reveal_secret")]
    AgentRevealSecret,
    /// An agent tried to connect with an ID or a secret that is not good.
    #[serde(rename = "agent.connect")]
    AgentConnect,
    /// An agent's connections replaced each other again and again, as if two machines used its ID and secret; the detail
    /// tells how often.
    #[serde(rename = "agent.conflict")]
    AgentConflict,
    /// The audit log was exported.
    #[serde(rename = "audit.export")]
    AuditExport,
    /// Refusals of one caller, or of all, that were too many and too different to be distinguished; the count tells how many.
    #[serde(rename = "audit.overflow")]
    AuditOverflow,
    /// Entries that were lost because too many came at once; the count tells how many.
    #[serde(rename = "audit.drop")]
    AuditDrop,
    /// An agent was made.
    #[serde(rename = "agent.create")]
    AgentCreate,
    /// An agent was changed.
    #[serde(rename = "agent.update")]
    AgentUpdate,
    /// An agent was deleted.
    #[serde(rename = "agent.delete")]
    AgentDelete,
    /// A device was made.
    #[serde(rename = "device.create")]
    DeviceCreate,
    /// A device was changed.
    #[serde(rename = "device.update")]
    DeviceUpdate,
    /// A device was deleted.
    #[serde(rename = "device.delete")]
    DeviceDelete,
    /// A user was made.
    #[serde(rename = "user.create")]
    UserCreate,
    /// A user was changed.
    #[serde(rename = "user.update")]
    UserUpdate,
    /// A user was deleted.
    #[serde(rename = "user.delete")]
    UserDelete,
    /// A user's password was changed, by the user or by whoever may manage them.
    #[serde(rename = "password.change")]
    PasswordChange,
    /// A one-time token was made that lets a user choose a new password.
    #[serde(rename = "password.reset_issue")]
    PasswordResetIssue,
    /// A user chose a new password with a one-time token.
    #[serde(rename = "password.reset")]
    PasswordReset,
    /// A user ended one of their sessions, or all others.
    #[serde(rename = "session.end")]
    SessionEnd,
    /// A login ended another session of its user, who had too many.
    #[serde(rename = "session.crowd_out")]
    SessionCrowdOut,
    /// An agent got a new secret, beside which the old one may stay good for a while.
    #[serde(rename = "agent.rotate_secret")]
    AgentRotateSecret,
    /// An agent was made by the machine it runs on, with an enrolment code.
    #[serde(rename = "agent.enrol")]
    AgentEnrol,
    /// An enrolment code was made.
    #[serde(rename = "enrolment.create")]
    EnrolmentCreate,
    /// An enrolment code was revoked.
    #[serde(rename = "enrolment.revoke")]
    EnrolmentRevoke,
    /// A user began to set up a second factor, which is not in force yet.
    #[serde(rename = "totp.begin")]
    TotpBegin,
    /// A user's second factor is in force.
    #[serde(rename = "totp.enable")]
    TotpEnable,
    /// A user's second factor was removed, by the user or by whoever may manage them.
    #[serde(rename = "totp.disable")]
    TotpDisable,
    /// A login took one of a user's recovery codes, which is used up.
    #[serde(rename = "totp.recovery")]
    TotpRecovery,
    /// All secrets were sealed with a new data key.
    #[serde(rename = "secrets.rotate_key")]
    SecretsRotateKey,
    /// The data key was wrapped with a new master key.
    #[serde(rename = "secrets.rotate_master")]
    SecretsRotateMaster,
    /// An API token was made.
    #[serde(rename = "token.create")]
    TokenCreate,
    /// An API token was revoked.
    #[serde(rename = "token.revoke")]
    TokenRevoke,
    /// A device, or all devices of an agent, were shared with a user; the detail tells with whom and for what.
    #[serde(rename = "share.create")]
    ShareCreate,
    /// A share was taken back; the detail tells from whom.
    #[serde(rename = "share.delete")]
    ShareDelete,
    /// A user removed what was shared with them; the detail tells by whom.
    #[serde(rename = "share.decline")]
    ShareDecline,
    /// The level of the log was set; the detail tells to what.
    #[serde(rename = "log_level.set")]
    LogLevelSet,
    /// A plugin did something of its own; the detail tells which plugin and what.
    #[serde(rename = "plugin.act")]
    PluginAct,
    /// What a plugin of its own says.
    #[serde(untagged)]
    #[schemars(skip)]
    Plugin(PluginAction),
}

impl Action {
    /// Something that a plugin does: its name is the plugin's, a dot and a verb. What happened is a sentence.
    ///
    /// ```
    /// # use netignite::prelude::*;
    /// const PUBLISHED: Action = Action::of_plugin("visitors.publish", "Who came was published.");
    /// ```
    pub const fn of_plugin(name: &'static str, about: &'static str) -> Self {
        Self::Plugin(PluginAction { name, about })
    }

    /// The wire names of all actions, each with what it means.
    pub fn described() -> Vec<(String, String)> {
        plugin_words::described(&schemars::schema_for!(Self))
    }
}

fn add_plugins(schema: &mut schemars::Schema) {
    let all = PluginWords::all().into_iter().flat_map(|words| words.actions);
    plugin_words::add(
        schema,
        all.filter_map(|action| match action {
            Action::Plugin(of) => Some((of.name, of.about)),
            _ => None,
        }),
    );
}

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AuditOutcome {
    /// It was done.
    Done,
    /// The server did not allow it.
    Refused,
    /// It was allowed and did not succeed.
    Failed,
}

/// The kind of thing something was done to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    /// An agent.
    Agent,
    /// A device.
    Device,
    /// A user.
    User,
    /// An API token.
    Token,
    /// A session, by its public ID.
    Session,
    /// An enrolment code.
    Enrolment,
}

/// What something was done to, by the name it had then.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The kind of thing.
    pub kind: SubjectKind,
    /// Its ID, if it has one.
    pub id: Option<i64>,
    /// Its name; empty if it has none, or if the name is to be looked up when the entry is written.
    pub name: String,
}

/// Who did it, by the name they had then.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Somebody who did not prove who they are.
    Nobody,
    /// A user, in a session.
    User {
        /// The user's ID.
        id: i64,
        /// The user's name.
        name: String,
    },
    /// A program, with an API token.
    Token {
        /// The token's ID.
        id: i64,
        /// The token's name.
        name: String,
        /// The user whose token it is.
        user: i64,
    },
    /// An agent.
    Agent {
        /// The agent's ID.
        id: i64,
        /// The agent's name.
        name: String,
        /// The user whose agent it is.
        user: i64,
    },
    /// Whoever owns the data directory, through the local socket or the command line.
    Operator,
    /// The server, by itself.
    Server,
    /// A plugin of the server, by itself.
    Plugin {
        /// The plugin's name.
        name: &'static str,
    },
}

/// An entry to be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// When; the last time, if it happened more than once.
    pub at: Millis,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// On what; none where there is no such thing.
    pub subject: Option<Subject>,
    /// From where; none for the local operator.
    pub address: Option<IpAddr>,
    /// What became of it.
    pub outcome: AuditOutcome,
    /// More words of ours, such as an error's code: never anything a client sent.
    pub detail: Option<String>,
    /// How many times it happened.
    pub count: i64,
}

impl Entry {
    /// That `actor` did `action` once, on nothing in particular, and it was done.
    pub fn new(at: Millis, actor: Actor, action: Action, address: Option<IpAddr>) -> Self {
        Self {
            at,
            actor,
            action,
            subject: None,
            address,
            outcome: AuditOutcome::Done,
            detail: None,
            count: 1,
        }
    }

    /// Notes what it was done to.
    pub fn on(&mut self, kind: SubjectKind, id: impl Into<Option<i64>>, name: impl Into<String>) {
        self.subject = Some(Subject { kind, id: id.into(), name: name.into() });
    }
}

/// What an error knows of what was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What was to be done.
    pub action: Action,
    /// On what, by its ID.
    pub subject: Option<(SubjectKind, i64)>,
}

/// An entry that was noted and is still to be written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Noted {
    /// The entry. A name that its subject lacks is looked up when it is written.
    pub entry: Entry,
    /// Whether it is written only if its subject is there: who asks for what does not exist was refused nothing.
    pub only_if_there: bool,
}
