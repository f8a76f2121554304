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
    /// A valid session whose role has the permission, for its own things or for everyone's; or a valid token that has
    /// it besides.
    Needs(Permission),
    /// The local operator alone.
    Operator,
}
