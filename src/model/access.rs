//! Whom an action is open to.

use super::permission::Permission;

/// Who may call a route, and so begin what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone, without a session.
    Public,
    /// Any valid session, and any valid token whatever its permissions.
    SignedIn,
    /// Any valid session, and no token: what gives access is changed by people alone.
    Session,
    /// As [`Session`](Self::Session), also of a user who must set up a second factor first: what that takes.
    SettingUp,
    /// A valid session whose role has all of these permissions, for its own things or for everyone's; or a valid token
    /// that has them besides.
    Needs(&'static [Permission]),
    /// As [`Needs`](Self::Needs), and no token.
    SessionNeeds(&'static [Permission]),
    /// The local operator alone.
    Operator,
    /// An agent, by its ID and secret, with a WebSocket handshake.
    Agent,
}

impl Access {
    /// The permissions that are asked for.
    pub fn permissions(self) -> &'static [Permission] {
        match self {
            Self::Needs(permissions) | Self::SessionNeeds(permissions) => permissions,
            Self::Public
            | Self::SignedIn
            | Self::Session
            | Self::SettingUp
            | Self::Operator
            | Self::Agent => &[],
        }
    }

    /// Whether an API token can be let in.
    pub fn takes_tokens(self) -> bool {
        matches!(self, Self::SignedIn | Self::Needs(_))
    }
}
