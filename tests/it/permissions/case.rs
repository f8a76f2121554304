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
    /// Someone who shares the device or agent that is called for with everyone.
    Sharer(Share),
    /// The owner of what does not exist.
    NoOne,
}

/// What the sharer gave everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Share {
    /// To see it.
    View,
    /// To wake it.
    Wake,
    /// To wake the devices of its agent.
    OfAgent,
    /// To wake it, until a moment ago.
    Expired,
}

pub(super) use Who::{
    Admin, Demoted, Forger, NoOne, Nobody, Operator, OtherAdmin, OtherUser, Superadmin, User,
};

/// Everyone who owns things.
pub(super) const OWNERS: [Who; 6] = [User, OtherUser, Admin, OtherAdmin, Superadmin, Demoted];

/// The sharer of everything that is shared.
pub(super) const SHARERS: [Who; 4] = [
    Who::Sharer(Share::View),
    Who::Sharer(Share::Wake),
    Who::Sharer(Share::OfAgent),
    Who::Sharer(Share::Expired),
];

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
    /// A token for the devices that are shared with the caller.
    TokenOnShared,
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
            _ if self.is_restricted() => ["devices:read", "devices:wake"].contains(&permission),
            _ => true,
        }
    }

    /// Whether a token is shown that is good for some devices alone.
    fn is_restricted(self) -> bool {
        matches!(self.with, With::TokenOnIt | With::TokenOnAnother | With::TokenOnShared)
    }

    /// Whether the call is about everyone's things.
    fn means_anyones(self) -> bool {
        self.caller == Operator || self.admin_mode && self.caller.is_admin() && !self.is_restricted()
    }

    /// Whether the caller reaches the owner's agents and devices as the owner does.
    pub(super) fn reaches(self) -> bool {
        match self.owner {
            NoOne => false,
            _ if self.means_anyones() => true,
            _ => self.is_own() && !matches!(self.with, With::TokenOnAnother | With::TokenOnShared),
        }
    }

    /// Whether the caller sees the device.
    pub(super) fn sees(self) -> bool {
        self.reaches() || self.has_share(&[Share::View, Share::Wake, Share::OfAgent])
    }

    /// Whether the caller may wake the device.
    pub(super) fn wakes(self) -> bool {
        self.reaches() || self.has_share(&[Share::Wake, Share::OfAgent])
    }

    /// Whether the owner gave the caller one of these.
    fn has_share(self, which: &[Share]) -> bool {
        let Who::Sharer(share) = self.owner else { return false };
        which.contains(&share) && !matches!(self.with, With::TokenOnIt | With::TokenOnAnother)
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
            // Whoever is logged in may change themselves; to a token its user is one like others.
            Admin | OtherAdmin | Superadmin => self.is_own() && !self.is_token() || !self.owner.is_admin(),
            _ => false,
        }
    }
}
