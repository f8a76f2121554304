//! What the contract says of every route: who may call it, and with what answer.

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
}

pub(super) use Who::{Admin, Forger, Nobody, OtherAdmin, OtherUser, Superadmin, User};

pub(super) const CALLERS: [Who; 7] = [Nobody, Forger, User, OtherUser, Admin, OtherAdmin, Superadmin];
pub(super) const OWNERS: [Who; 5] = [User, OtherUser, Admin, OtherAdmin, Superadmin];

impl Who {
    pub(super) fn is_admin(self) -> bool {
        matches!(self, Admin | OtherAdmin | Superadmin)
    }

    pub(super) fn has_session(self) -> bool {
        !matches!(self, Nobody | Forger)
    }

    pub(super) fn role(self) -> &'static str {
        if self.is_admin() { "admin" } else { "user" }
    }
}

/// One call: by whom, for whose thing, with `adminMode=true` or without.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) caller: Who,
    pub(super) owner: Who,
    pub(super) admin_mode: bool,
}

impl Case {
    pub(super) fn is_own(self) -> bool {
        self.caller == self.owner
    }

    /// Whether the caller reaches the owner's agents and devices.
    pub(super) fn reaches(self) -> bool {
        self.is_own() || self.admin_mode && self.caller.is_admin()
    }

    /// Whether the caller may change this user.
    pub(super) fn may_edit_user(self) -> bool {
        match self.caller {
            Superadmin => true,
            Admin | OtherAdmin => self.is_own() || !self.owner.is_admin(),
            _ => false,
        }
    }
}

/// What a route is called for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Target {
    Nothing,
    Agent,
    Device,
    /// A user of the owner's kind: the owner in person where nothing is destroyed.
    User,
    /// A user of the owner's role, made for this call.
    SpareUser,
    /// An API token of the owner's.
    Token,
}

/// What the contract says of a route.
pub(super) struct Rule {
    pub(super) route: &'static str,
    pub(super) target: Target,
    /// The status of the answer to anyone with a session; none where the contract leaves it open.
    pub(super) status: fn(Case) -> Option<u16>,
    pub(super) door: Door,
}

/// What a route asks of everyone before it looks at who it is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Door {
    Open,
    Session,
    /// A token of its own, which no session stands in for.
    Token,
}

impl Rule {
    pub(super) const fn new(route: &'static str, target: Target, status: fn(Case) -> Option<u16>) -> Self {
        Self { route, target, status, door: Door::Session }
    }

    pub(super) const fn public(route: &'static str) -> Self {
        Self { route, target: Target::Nothing, status: |_| Some(200), door: Door::Open }
    }
}

/// `good` where the thing is within reach; else it does not exist.
macro_rules! reached {
    ($good:literal) => {
        |case| Some(if case.reaches() { $good } else { 404 })
    };
}

/// Every route, with placeholders unnamed.
pub(super) const RULES: &[Rule] = &[
    Rule::public("POST /api/auth/login"),
    Rule::public("POST /api/auth/logout"),
    Rule::new("GET /api/auth/session", Target::Nothing, |_| Some(200)),
    Rule::new("GET /api/agents", Target::Agent, |_| Some(200)),
    Rule::new("POST /api/agents", Target::Nothing, |_| Some(201)),
    Rule::new("GET /api/agents/status", Target::Agent, |_| Some(200)),
    Rule::new("GET /api/agents/{}", Target::Agent, reached!(200)),
    Rule::new("PUT /api/agents/{}", Target::Agent, reached!(200)),
    Rule::new("DELETE /api/agents/{}", Target::Agent, reached!(200)),
    // Within reach, and not connected.
    Rule::new("POST /api/agents/{}/commands/{}", Target::Agent, reached!(503)),
    Rule::new("GET /api/devices", Target::Device, |_| Some(200)),
    // A device's agent must belong to the device's owner, who is the caller: admin mode changes nothing.
    Rule::new("POST /api/devices", Target::Agent, |case| Some(if case.is_own() { 201 } else { 400 })),
    Rule::new("GET /api/devices/status", Target::Device, |_| Some(200)),
    Rule::new("GET /api/devices/{}", Target::Device, reached!(200)),
    Rule::new("PUT /api/devices/{}", Target::Device, reached!(200)),
    Rule::new("DELETE /api/devices/{}", Target::Device, reached!(200)),
    Rule::new("POST /api/devices/{}/wakeup", Target::Device, reached!(503)),
    Rule::new("GET /api/commands", Target::Nothing, |_| Some(200)),
    // Outside admin mode the path's ID means nothing: one changes oneself.
    Rule::new("PUT /api/account/{}", Target::User, |case| {
        let foreign = case.admin_mode && case.caller.is_admin();
        Some(if !foreign || case.may_edit_user() { 200 } else { 403 })
    }),
    Rule::new("GET /api/account/tokens", Target::Token, |_| Some(200)),
    Rule::new("POST /api/account/tokens", Target::Nothing, |_| Some(201)),
    // One's own, whatever the mode.
    Rule::new("DELETE /api/account/tokens/{}", Target::Token, |case| {
        Some(if case.is_own() { 200 } else { 404 })
    }),
    Rule::new("GET /api/admin/users/{}/tokens", Target::Token, admins_only),
    // For the local operator alone.
    Rule::new("POST /api/admin/users/{}/tokens", Target::User, |_| Some(403)),
    Rule::new("DELETE /api/admin/users/{}/tokens/{}", Target::Token, |case| {
        Some(if case.may_edit_user() { 200 } else { 403 })
    }),
    Rule::new("GET /api/admin/users", Target::User, admins_only),
    Rule::new("POST /api/admin/users", Target::Nothing, |case| {
        Some(if case.caller.is_admin() { 201 } else { 403 })
    }),
    Rule::new("GET /api/admin/users/{}", Target::User, admins_only),
    Rule::new("PUT /api/admin/users/{}", Target::User, |case| {
        Some(if case.may_edit_user() { 200 } else { 403 })
    }),
    Rule::new("DELETE /api/admin/users/{}", Target::SpareUser, |case| {
        // The spare of a superadmin's kind is the one superadmin, whom nobody deletes.
        match (case.owner, case.may_edit_user()) {
            (_, false) => Some(403),
            (Superadmin, true) => None,
            (_, true) => Some(200),
        }
    }),
    Rule::new("POST /api/admin/secrets/rotate-key", Target::Nothing, admins_only),
    // Only whoever owns the machine.
    Rule::new("POST /api/admin/secrets/rotate-master-key", Target::Nothing, |_| Some(403)),
    Rule::public("GET /livez"),
    Rule::public("GET /readyz"),
    Rule::new("GET /api/health", Target::Nothing, |_| Some(200)),
    Rule { route: "GET /metrics", target: Target::Nothing, status: |_| Some(401), door: Door::Token },
];

pub(super) fn admins_only(case: Case) -> Option<u16> {
    Some(if case.caller.is_admin() { 200 } else { 403 })
}
