//! What the contract says of every route: who may call it, and with what answer.

use super::case::{Case, NoOne, Operator, Superadmin};

/// What a route is called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
    /// A session of the owner's.
    Session,
    /// An enrolment code of the owner's.
    EnrolmentCode,
    /// A share of a device of the owner's with a guest.
    DeviceShare,
    /// A share of an agent of the owner's with a guest.
    AgentShare,
}

impl Target {
    /// Whether it is shared where the owner is a sharer.
    pub(super) fn is_shareable(self) -> bool {
        matches!(self, Self::Agent | Self::Device | Self::DeviceShare | Self::AgentShare)
    }
}

/// What a route asks of everyone before it looks at what is called for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Door {
    Open,
    /// A session or a token, whatever it allows.
    SignedIn,
    /// A session and no token.
    Session,
    /// This permission, of a token too.
    Needs(&'static str),
    /// This permission, and no token.
    SessionNeeds(&'static str),
    /// The local operator.
    Operator,
    /// A token of its own, which nothing else stands in for.
    OwnToken,
}

/// What the contract says of a route.
pub(super) struct Rule {
    pub(super) route: &'static str,
    pub(super) door: Door,
    pub(super) target: Target,
    /// The status of the answer to whoever is let in at the door; none where the contract leaves it open.
    status: fn(Case) -> Option<u16>,
}

impl Rule {
    const fn new(door: Door, route: &'static str, target: Target, status: fn(Case) -> Option<u16>) -> Self {
        Self { route, door, target, status }
    }

    const fn public(route: &'static str) -> Self {
        Self::new(Door::Open, route, Target::Nothing, |_| Some(200))
    }

    /// Whether the caller is turned away before anybody looks at what is called for, and how.
    fn turned_away(&self, case: Case) -> Option<u16> {
        match self.door {
            Door::Open | Door::OwnToken => None,
            _ if !case.is_known() => Some(401),
            Door::Session if case.is_token() => Some(403),
            Door::Operator if case.caller != Operator => Some(403),
            Door::Needs(permission) if !case.has(permission) => Some(403),
            Door::SessionNeeds(permission) if case.is_token() || !case.has(permission) => Some(403),
            _ => None,
        }
    }

    /// The status of the answer; none where the contract leaves it open.
    pub(super) fn expected(&self, case: Case) -> Option<u16> {
        self.turned_away(case).or_else(|| (self.status)(case))
    }
}

/// `good` where the thing is within reach; else it does not exist.
macro_rules! reached {
    ($good:literal) => {
        |case| Some(if case.reaches() { $good } else { 404 })
    };
}

/// `good` where the device is within reach as its owner's; who only sees it reads that it is shared.
macro_rules! owned {
    ($good:literal) => {
        |case| Some(if case.reaches() { $good } else { seen(case) })
    };
}

/// The refusal of what a share does not allow.
fn seen(case: Case) -> u16 {
    if case.sees() { 403 } else { 404 }
}

/// `good` for those who may manage users, if there is such a user.
macro_rules! managed {
    ($may:expr, $good:literal) => {
        |case| {
            Some(match case.owner {
                _ if !case.caller.is_admin() => 403,
                NoOne => 404,
                _ if !$may(case) => 403,
                _ => $good,
            })
        }
    };
}

fn always(_: Case) -> bool {
    true
}

fn may_reset(case: Case) -> Option<u16> {
    let status: fn(Case) -> Option<u16> = managed!(Case::may_edit_user, 201);
    status(case)
}

fn may_remove_totp(case: Case) -> Option<u16> {
    let status: fn(Case) -> Option<u16> = managed!(Case::may_edit_user, 409);
    status(case)
}

/// The operator has no account of its own.
fn with_account(case: Case, good: u16) -> Option<u16> {
    Some(if case.caller == Operator { 400 } else { good })
}

/// Every route, with placeholders unnamed.
pub(super) const RULES: &[Rule] = &[
    Rule::public("POST /api/auth/login"),
    Rule::public("POST /api/auth/logout"),
    // What anyone may try, with a token that nobody gave.
    Rule::new(Door::Open, "POST /api/auth/reset-password", Target::Nothing, |_| Some(400)),
    Rule::new(Door::Session, "GET /api/auth/session", Target::Nothing, |case| {
        Some(if case.caller == Operator { 401 } else { 200 })
    }),
    Rule::new(Door::Needs("agents:read"), "GET /api/agents", Target::Agent, |_| Some(200)),
    Rule::new(Door::Needs("agents:write"), "POST /api/agents", Target::Nothing, |_| Some(201)),
    Rule::new(Door::Needs("agents:read"), "GET /api/agents/status", Target::Agent, |_| Some(200)),
    Rule::new(Door::Needs("agents:write"), "GET /api/agents/enrolment-codes", Target::EnrolmentCode, |_| {
        Some(200)
    }),
    Rule::new(Door::Needs("agents:write"), "POST /api/agents/enrolment-codes", Target::Nothing, |_| {
        Some(201)
    }),
    Rule::new(
        Door::Needs("agents:write"),
        "DELETE /api/agents/enrolment-codes/{}",
        Target::EnrolmentCode,
        reached!(200),
    ),
    // What anyone may try, with a code that nobody gave.
    Rule::new(Door::Open, "POST /api/agents/enrol", Target::Nothing, |_| Some(403)),
    Rule::new(Door::Needs("agents:read"), "GET /api/agents/{}", Target::Agent, reached!(200)),
    Rule::new(Door::Needs("agents:write"), "PUT /api/agents/{}", Target::Agent, reached!(200)),
    Rule::new(Door::Needs("agents:write"), "DELETE /api/agents/{}", Target::Agent, reached!(200)),
    // Whoever may not see another user's secret cannot have one made either.
    Rule::new(Door::Needs("agents:write"), "POST /api/agents/{}/secret", Target::Agent, |case| {
        Some(match case {
            _ if !case.has("agents:secret") => 403,
            Case { caller: Operator, .. } if case.owner != NoOne => 200,
            _ if case.is_own() => 200,
            _ => 404,
        })
    }),
    // Within reach, and not connected.
    Rule::new(Door::Needs("agents:command"), "POST /api/agents/{}/commands/{}", Target::Agent, reached!(503)),
    Rule::new(Door::Needs("devices:read"), "GET /api/devices", Target::Device, |_| Some(200)),
    // A device's agent must belong to the device's owner, who is the caller, or the superadmin where the operator
    // calls: admin mode changes nothing.
    Rule::new(Door::Needs("devices:write"), "POST /api/devices", Target::Agent, |case| {
        let own = case.is_own() || (case.caller, case.owner) == (Operator, Superadmin);
        Some(if own { 201 } else { 400 })
    }),
    Rule::new(Door::Needs("devices:read"), "GET /api/devices/status", Target::Device, |_| Some(200)),
    Rule::new(Door::Needs("devices:read"), "GET /api/devices/{}", Target::Device, |case| {
        Some(if case.sees() { 200 } else { 404 })
    }),
    Rule::new(Door::Needs("devices:write"), "PUT /api/devices/{}", Target::Device, owned!(200)),
    Rule::new(Door::Needs("devices:write"), "DELETE /api/devices/{}", Target::Device, owned!(200)),
    Rule::new(Door::Needs("devices:wake"), "POST /api/devices/{}/wakeup", Target::Device, |case| {
        Some(if case.wakes() { 503 } else { seen(case) })
    }),
    // No agent runs on it.
    Rule::new(Door::Needs("devices:power"), "POST /api/devices/{}/shutdown", Target::Device, owned!(409)),
    Rule::new(Door::Needs("devices:power"), "POST /api/devices/{}/reboot", Target::Device, owned!(409)),
    Rule::new(Door::Needs("devices:power"), "POST /api/devices/{}/sleep", Target::Device, owned!(409)),
    Rule::new(Door::Needs("devices:read"), "GET /api/devices/{}/timeline", Target::Device, |case| {
        Some(if case.sees() { 200 } else { 404 })
    }),
    Rule::new(Door::Needs("devices:share"), "GET /api/devices/{}/shares", Target::Device, owned!(200)),
    Rule::new(Door::Needs("devices:share"), "POST /api/devices/{}/shares", Target::Device, owned!(201)),
    Rule::new(
        Door::Needs("devices:share"),
        "DELETE /api/devices/{}/shares/{}",
        Target::DeviceShare,
        owned!(200),
    ),
    Rule::new(Door::Needs("devices:share"), "GET /api/agents/{}/shares", Target::Agent, reached!(200)),
    Rule::new(Door::Needs("devices:share"), "POST /api/agents/{}/shares", Target::Agent, reached!(201)),
    Rule::new(
        Door::Needs("devices:share"),
        "DELETE /api/agents/{}/shares/{}",
        Target::AgentShare,
        reached!(200),
    ),
    // Whoever a share is with removes it, too; here everyone's are with a guest.
    Rule::new(Door::Needs("devices:share"), "GET /api/shares", Target::DeviceShare, |_| Some(200)),
    Rule::new(Door::Needs("devices:share"), "DELETE /api/shares/{}", Target::DeviceShare, reached!(200)),
    // What is seen there is in `events`.
    Rule::new(Door::SignedIn, "GET /api/events", Target::Nothing, |_| Some(200)),
    Rule::new(Door::SignedIn, "GET /api/operations", Target::Nothing, |_| Some(200)),
    Rule::new(Door::SignedIn, "POST /api/operations", Target::Device, |case| {
        Some(match case {
            case if !case.has("devices:wake") => 403,
            case if case.wakes() => 503,
            case => seen(case),
        })
    }),
    // Whose operations are seen and withdrawn by whom is in `operations`: there is none of these IDs.
    Rule::new(Door::SignedIn, "GET /api/operations/{}", Target::Nothing, |_| Some(400)),
    Rule::new(Door::SignedIn, "POST /api/operations/{}/cancel", Target::Nothing, |_| Some(400)),
    Rule::new(Door::SignedIn, "GET /api/commands", Target::Nothing, |_| Some(200)),
    Rule::new(Door::SignedIn, "GET /api/permissions", Target::Nothing, |_| Some(200)),
    Rule::new(Door::SignedIn, "GET /api/navigation", Target::Nothing, |_| Some(200)),
    // Outside admin mode the path's ID means nothing: one changes oneself.
    Rule::new(Door::Session, "PUT /api/account/{}", Target::User, |case| {
        Some(match case.owner {
            _ if !case.is_foreign_account() => 200,
            NoOne => 404,
            _ if case.may_edit_user() => 200,
            _ => 403,
        })
    }),
    Rule::new(Door::Session, "GET /api/account/sessions", Target::Session, |case| with_account(case, 200)),
    Rule::new(Door::Session, "DELETE /api/account/sessions/{}", Target::Session, |case| {
        with_account(case, if case.is_own() { 200 } else { 404 })
    }),
    // It would end what the other calls here are made with.
    Rule::new(Door::Session, "DELETE /api/account/sessions", Target::Nothing, |case| {
        if case.caller == Operator { Some(400) } else { None }
    }),
    Rule::new(Door::Session, "GET /api/account/tokens", Target::Token, |case| with_account(case, 200)),
    Rule::new(Door::Session, "POST /api/account/tokens", Target::Nothing, |case| with_account(case, 201)),
    // One's own, whatever the mode.
    Rule::new(Door::Session, "DELETE /api/account/tokens/{}", Target::Token, |case| {
        with_account(case, if case.is_own() { 200 } else { 404 })
    }),
    Rule::new(Door::Session, "GET /api/account/totp", Target::Nothing, |case| with_account(case, 200)),
    // Nothing is changed by any of these, whose bodies are empty.
    Rule::new(Door::Session, "POST /api/account/totp", Target::Nothing, |_| Some(400)),
    Rule::new(Door::Session, "POST /api/account/totp/confirm", Target::Nothing, |_| Some(400)),
    Rule::new(Door::Session, "DELETE /api/account/totp", Target::Nothing, |_| Some(400)),
    // One's own is not removed this way; and there is none.
    Rule::new(Door::SessionNeeds("users:write"), "DELETE /api/admin/users/{}/totp", Target::User, |case| {
        match case {
            _ if case.is_own() => Some(403),
            _ => may_remove_totp(case),
        }
    }),
    Rule::new(
        Door::Needs("users:read"),
        "GET /api/admin/users/{}/tokens",
        Target::Token,
        managed!(always, 200),
    ),
    Rule::new(Door::Operator, "POST /api/admin/users/{}/tokens", Target::User, managed!(always, 201)),
    Rule::new(
        Door::Needs("users:write"),
        "DELETE /api/admin/users/{}/tokens/{}",
        Target::Token,
        managed!(Case::may_edit_user, 200),
    ),
    Rule::new(Door::Needs("users:read"), "GET /api/admin/users", Target::User, admins_only),
    Rule::new(Door::Needs("users:write"), "POST /api/admin/users", Target::Nothing, |case| {
        Some(if case.caller.is_admin() { 201 } else { 403 })
    }),
    Rule::new(Door::Needs("users:read"), "GET /api/admin/users/{}", Target::User, managed!(always, 200)),
    Rule::new(
        Door::Needs("users:write"),
        "PUT /api/admin/users/{}",
        Target::User,
        managed!(Case::may_edit_user, 200),
    ),
    Rule::new(Door::Needs("users:write"), "DELETE /api/admin/users/{}", Target::SpareUser, |case| {
        match (case.owner, case.may_edit_user()) {
            // The spare of a superadmin's kind is the one superadmin, whom nobody deletes. Whether one may delete
            // oneself is not a matter of permission.
            (Superadmin, true) => None,
            (owner, true) if owner == case.caller => None,
            (NoOne, _) if case.caller.is_admin() => Some(404),
            (_, may) => Some(if may { 200 } else { 403 }),
        }
    }),
    Rule::new(Door::Needs("audit:read"), "GET /api/admin/audit", Target::Nothing, admins_only),
    Rule::new(Door::Needs("audit:read"), "GET /api/admin/audit/export", Target::Nothing, admins_only),
    Rule::new(Door::Needs("server:admin"), "GET /api/admin/server", Target::Nothing, admins_only),
    Rule::new(Door::Needs("server:admin"), "GET /api/admin/log-level", Target::Nothing, admins_only),
    Rule::new(Door::Needs("server:admin"), "PUT /api/admin/log-level", Target::Nothing, admins_only),
    // One's own password is not changed this way.
    Rule::new(
        Door::SessionNeeds("users:write"),
        "POST /api/admin/users/{}/password-reset",
        Target::User,
        |case| match case {
            _ if case.is_own() => Some(403),
            _ => may_reset(case),
        },
    ),
    Rule::new(
        Door::Needs("server:admin"),
        "POST /api/admin/secrets/rotate-key",
        Target::Nothing,
        admins_only,
    ),
    // Only whoever owns the machine.
    Rule::new(Door::Operator, "POST /api/admin/secrets/rotate-master-key", Target::Nothing, |_| Some(200)),
    // The page and its files, which hold nothing of anyone's; what is asked for here is none of them.
    Rule::public("GET /"),
    Rule::new(Door::Open, "GET /{}", Target::Nothing, |_| Some(404)),
    Rule::public("GET /api/openapi.json"),
    Rule::public("GET /api/docs"),
    Rule::new(Door::Open, "GET /api/docs/{}", Target::Nothing, |_| Some(404)),
    Rule::public("GET /livez"),
    Rule::public("GET /readyz"),
    Rule::new(Door::SignedIn, "GET /api/health", Target::Nothing, |_| Some(200)),
    // Who calls makes no difference where no WebSocket is asked for.
    Rule::new(Door::OwnToken, "GET /api/agent-control-service", Target::Nothing, |case| {
        Some(if case.caller == Operator { 400 } else { 426 })
    }),
    Rule::new(Door::OwnToken, "GET /metrics", Target::Nothing, |_| Some(401)),
];

fn admins_only(case: Case) -> Option<u16> {
    Some(if case.caller.is_admin() { 200 } else { 403 })
}
