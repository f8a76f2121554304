//! One call: by whom, with what, for whose thing, in which mode.

/// Who calls, and whose the thing is that is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Who {
    Nobody,
    /// Someone with a cookie the server never gave.
    Forger,
    User,
    OtherUser,
    Admin,
    OtherAdmin,
    Superadmin,
    /// Someone who was an admin when their token was made, and is a user now.
    Demoted,
    /// The local operator, through the socket.
    Operator,
    /// The owner of what does not exist.
    NoOne,
}

pub(super) use Who::{
    Admin, Demoted, Forger, NoOne, Nobody, Operator, OtherAdmin, OtherUser, Superadmin, User,
};

/// Everyone who owns things.
pub(super) const OWNERS: [Who; 6] = [User, OtherUser, Admin, OtherAdmin, Superadmin, Demoted];

impl Who {
    pub(super) fn is_admin(self) -> bool {
        matches!(self, Admin | OtherAdmin | Superadmin | Operator)
    }

    pub(super) fn has_session(self) -> bool {
        !matches!(self, Nobody | Forger | Operator)
    }

    pub(super) fn role(self) -> &'static str {
        if self.is_admin() { "admin" } else { "user" }
    }
}

/// What the caller shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum With {
    /// A session, or whatever the caller has in its place.
    Session,
    /// A token with every permission that its user had when it was made.
    FullToken,
    /// A token with this permission alone.
    TokenFor(&'static str),
    /// A token for the caller's device, which is the one called for where the thing is the caller's own.
    TokenOnIt,
    /// A token for another device of the caller's.
    TokenOnAnother,
    ExpiredToken,
    RevokedToken,
    TokenOfDeletedUser,
    /// A token in the right form that the server never gave.
    UnknownToken,
    /// A token with one character wrong.
    MistypedToken,
}

/// What no server accepts.
pub(super) const BAD_TOKENS: [With; 5] = [
    With::ExpiredToken,
    With::RevokedToken,
    With::TokenOfDeletedUser,
    With::UnknownToken,
    With::MistypedToken,
];

/// One call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) caller: Who,
    pub(super) with: With,
    pub(super) owner: Who,
    /// Whether `adminMode=true` is asked for.
    pub(super) admin_mode: bool,
}

impl Case {
    pub(super) fn is_own(self) -> bool {
        self.caller == self.owner
    }

    pub(super) fn is_token(self) -> bool {
        self.with != With::Session
    }

    /// Whether the server can know who calls.
    pub(super) fn is_known(self) -> bool {
        match self.with {
            With::Session => !matches!(self.caller, Nobody | Forger),
            with => !BAD_TOKENS.contains(&with),
        }
    }

    /// Whether what the caller shows has the permission, whatever their role says.
    pub(super) fn has(self, permission: &str) -> bool {
        match self.with {
            With::TokenFor(only) => only == permission,
            With::TokenOnIt | With::TokenOnAnother => ["devices:read", "devices:wake"].contains(&permission),
            _ => true,
        }
    }

    /// Whether the call is about everyone's things.
    fn means_anyones(self) -> bool {
        let restricted = matches!(self.with, With::TokenOnIt | With::TokenOnAnother);
        self.caller == Operator || self.admin_mode && self.caller.is_admin() && !restricted
    }

    /// Whether the caller reaches the owner's agents and devices.
    pub(super) fn reaches(self) -> bool {
        match self.owner {
            NoOne => false,
            _ if self.means_anyones() => true,
            _ => self.is_own() && self.with != With::TokenOnAnother,
        }
    }

    /// Whether the account page is about the owner, not about the caller.
    pub(super) fn is_foreign_account(self) -> bool {
        self.means_anyones()
    }

    /// Whether the caller may change this user.
    pub(super) fn may_edit_user(self) -> bool {
        match self.caller {
            Operator => true,
            Superadmin if self.has("users:grant") => true,
            Admin | OtherAdmin | Superadmin => self.is_own() || !self.owner.is_admin(),
            _ => false,
        }
    }
}
