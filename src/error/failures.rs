//! The ways in which a request can fail, each with its stable word for programs.
//!
//! A row of the route table lists the ones it can end with, and the API's document says what each means. A plugin makes
//! its own with [`Failure::new`].

use super::Kind;

/// A way to fail: what happened, and the word by which programs know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The class of its errors.
    pub kind: Kind,
    /// The stable `snake_case` word.
    pub code: &'static str,
    /// What it means, in one line for people.
    pub about: &'static str,
}

impl Failure {
    /// A way to fail.
    pub const fn new(kind: Kind, code: &'static str, about: &'static str) -> Self {
        Self { kind, code, about }
    }
}

macro_rules! failures {
    ($($name:ident = $kind:ident $code:literal $about:literal;)+) => {
        $(#[doc = $about] pub const $name: Failure = Failure::new(Kind::$kind, $code, $about);)+

        /// Every failure of the host's own, by its word.
        pub const ALL: &[Failure] = &[$($name),+];

        /// What the failure of the host's own is called here, if it is one.
        pub(crate) fn name_of(kind: Kind, code: &str) -> Option<&'static str> {
            let names = [$(($name, stringify!($name))),+];
            names.into_iter().find(|(of, _)| (of.kind, of.code) == (kind, code)).map(|(_, name)| name)
        }
    };
}

failures! {
    // Of any request.
    INTERNAL = Internal "internal" "The server failed; its log says more";
    INVALID_PAYLOAD = Invalid "invalid_payload" "The body or the query is not what is expected; `errors` names the fields";
    INVALID_ID = Invalid "invalid_id" "An ID is no positive whole number";
    INVALID_HOST = Invalid "invalid_host" "The request names no host, or several";
    HOST_NOT_ALLOWED = Forbidden "host_not_allowed" "The server does not answer to this host: `allowedHosts`";
    REQUEST_TIMEOUT = TooSlow "request_timeout" "The body did not arrive in time";
    PAYLOAD_TOO_LARGE = TooLarge "payload_too_large" "The body is larger than allowed";
    UNSUPPORTED_MEDIA_TYPE = Unreadable "unsupported_media_type" "The body is not announced as JSON in UTF-8";
    CROSS_SITE = Forbidden "cross_site" "A page of another site asks for a change: `allowedOrigins`";
    BUSY = Unavailable "busy" "The server has as much under way as it may";
    TOO_MANY_CONNECTIONS = Unavailable "too_many_connections" "There is no place for another connection";
    SHUTTING_DOWN = Unavailable "shutting_down" "The server is stopping";
    NOT_FOUND = NotFound "not_found" "There is no such thing, or it is not within the caller's reach";
    METHOD_NOT_ALLOWED = NotOffered "method_not_allowed" "The path does not have this method";

    // Of the database.
    STORAGE_FULL = Unavailable "storage_full" "The disk of the server is full";
    STORAGE_FAILED = Unavailable "storage_failed" "The disk of the server fails, or cannot be written";
    DATABASE_BUSY = Unavailable "database_busy" "Another program keeps the database locked";
    DATABASE_DAMAGED = Unavailable "database_damaged" "The database is damaged";
    DATA_LOST = Unavailable "data_lost" "The database or a key is gone from the data directory";
    REFERENCE_CONFLICT = Conflict "reference_conflict" "Something named is gone, or what is to be deleted is in use";

    // Of who calls.
    UNAUTHENTICATED = Unauthenticated "unauthenticated" "There is no session, or it has ended";
    INVALID_TOKEN = Unauthenticated "invalid_token" "The API token is mistyped, expired or revoked, or its user is gone";
    FORBIDDEN = Forbidden "forbidden" "The caller does not have the permission";
    SESSION_REQUIRED = Forbidden "session_required" "A person does this with a session, and no API token can";
    TOTP_SETUP_REQUIRED = Forbidden "totp_setup_required" "The caller must set up a second factor first";
    RIGHTS_CHANGED = Forbidden "rights_changed" "The caller's role was changed meanwhile";
    TOO_MANY_CHANGES = TooMany "too_many_changes" "The caller makes too many changes in a short time";
    TOO_MANY_ANSWERS = Unavailable "too_many_answers" "Too many answers to this user are still under way";
    TOO_MANY_STREAMS = TooMany "too_many_streams" "The user has as many event streams as one may have";

    // Of logging in and of what it takes.
    TOO_MANY_ATTEMPTS = TooMany "too_many_attempts" "There were too many wrong attempts";
    NO_MATCHING_CREDENTIALS = Unauthenticated "no_matching_credentials" "The user's name or the password is wrong";
    TOTP_REQUIRED = Unauthenticated "totp_required" "The password is right, and a code of the second factor is missing";
    WRONG_LOGIN_CODE = Unauthenticated "wrong_totp_code" "The code of the second factor is wrong or was used before";
    WRONG_TOTP_CODE = Invalid "wrong_totp_code" "The code of the second factor is wrong or was used before";
    TOTP_ENABLED = Conflict "totp_enabled" "A second factor is in force already";
    TOTP_NOT_BEGUN = Conflict "totp_not_begun" "No second factor was begun, or too long ago";
    TOTP_NOT_ENABLED = Conflict "totp_not_enabled" "No second factor is in force";
    CURRENT_PASSWORD_REQUIRED = Invalid "current_password_required" "The current password is missing";
    WRONG_PASSWORD = Invalid "wrong_password" "The current password is wrong";
    PASSWORD_CHANGED = Conflict "password_changed" "The password was changed by someone else meanwhile";
    INVALID_RESET_TOKEN = Invalid "invalid_reset_token" "The reset token is wrong, expired or used";

    // Of users and tokens.
    USERNAME_TAKEN = Conflict "username_taken" "Another user has this name";
    USER_CHANGED = Conflict "user_changed" "The user was renamed by someone else meanwhile";
    USER_OWNS_THINGS = Conflict "user_owns_things" "The user still owns agents or devices";
    LAST_SUPERADMIN = Conflict "last_superadmin" "The last superadmin stays";
    NO_SUPERADMIN = Conflict "no_superadmin" "There is no superadmin to own what the local operator makes";
    NO_MATCHING_USER = Invalid "no_matching_user" "There is no such user";
    TOO_MANY_TOKENS = Conflict "too_many_tokens" "The user has as many tokens as a user may";
    NO_MATCHING_DEVICE = Invalid "no_matching_device" "A device is not there, or not within the user's reach";

    // Of agents, devices and shares.
    QUOTA_REACHED = Conflict "quota_reached" "The owner has as many of these as a user may";
    AGENT_IN_USE = Conflict "agent_in_use" "Devices still name the agent";
    NO_MATCHING_AGENT = Invalid "no_matching_agent" "The agent is not there, or not the device's owner's";
    ROTATION_UNDER_WAY = Conflict "rotation_under_way" "The agent is just being given a new secret";
    TOO_MANY_ENROLMENT_CODES = Conflict "too_many_enrolment_codes" "The owner has as many enrolment codes as a user may";
    INVALID_ENROLMENT_CODE = Forbidden "invalid_enrolment_code" "The enrolment code is wrong, expired or used";
    NOT_SHARED = Forbidden "not_shared" "The device is shared with the caller for less than this";
    SHARED_WITH_OWNER = Invalid "shared_with_owner" "The user owns what is to be shared with them";
    TOO_MANY_SHARES = Conflict "too_many_shares" "There are as many shares as there may be";
    NO_MAC_ADDRESS = Conflict "no_mac_address" "What is stored as the device's MAC address is none";
    NO_PORT = Conflict "no_port" "What is stored as the device's port is none";
    NO_SECURE_ON = Conflict "no_secure_on" "The stored SecureOn password cannot be sent";
    DEVICE_CHANGED = Conflict "device_changed" "The device was changed while it was being woken";

    NO_HOST_AGENT = Conflict "no_host_agent" "The device has no agent of its own, which alone can do this";

    // Of commands.
    UNKNOWN_COMMAND = NotFound "unknown_command" "The server has no command of this name";
    COMMAND_REFUSED = Conflict "command_refused" "The server’s side of the command refuses it";
    COMMAND_NOT_SUPPORTED = Conflict "command_not_supported" "The agent does not have the command";
    AGENT_OFFLINE = Unavailable "agent_offline" "The agent is not connected";
    AGENT_BUSY = Unavailable "agent_busy" "Too many commands wait for the agent";
    AGENT_DISCONNECTED = Unavailable "agent_disconnected" "The agent was gone before it answered";
    AGENT_TIMEOUT = TimedOut "agent_timeout" "The agent did not answer in time";
    COMMAND_FAILED = AgentFailed "command_failed" "The agent said no";
    BAD_REPLY = AgentFailed "bad_reply" "The agent answered something that is no reply to the command";

    // Of operations.
    OPERATION_ENDED = Conflict "operation_ended" "The operation is over";
    OPERATION_RUNNING = Conflict "operation_running" "The operation was sent and cannot be taken back";
    NOT_ALLOWED = Forbidden "not_allowed" "The caller may see the operation, and not withdraw it";
    IDEMPOTENCY_KEY_REUSED = Reused "idempotency_key_reused" "Another request was sent under this Idempotency-Key";

    // Of waking until a device is seen.
    NOT_SEEN = TimedOut "not_seen" "The packet was sent, and the device was not seen in time";
    OTHER_DEVICE_ANSWERS = TimedOut "other_device_answers" "Another device answers at the device's address";
    CANNOT_PROBE = TimedOut "cannot_probe" "The agent has no means of telling whether the device is up";
    NO_AGENT_IN_TIME = TimedOut "agent_offline" "None of the device's agents was connected in time";
    NO_PACKET_SENT = TimedOut "command_failed" "The agent could not send the packet";
    CANCELED = TimedOut "canceled" "The operation was withdrawn";
    NOT_ALLOWED_ANY_MORE = TimedOut "not_allowed" "The caller may no longer do this with the device";
    DEVICE_DELETED = TimedOut "device_deleted" "The device was deleted meanwhile";
    NOT_ENDED = TimedOut "not_ended" "The server stops, and goes on with the operation when it starts again";

    // Of power commands until a device is seen no more.
    STILL_SEEN = TimedOut "still_seen" "The device was still there in the end";
    NOT_SENT_IN_TIME = TimedOut "agent_offline" "The agent on the device was not connected in time";
    NO_TURN_IN_TIME = TimedOut "agent_busy" "The agent on the device was busy with other commands for too long";
    NOT_DONE = TimedOut "command_failed" "The agent on the device said no";
    NO_REPLY = TimedOut "bad_reply" "The agent on the device answered something that is no reply to the command";
    NOT_SENT = TimedOut "command_not_supported" "The agent on the device does not have the command";
    DEVICE_CHANGED_MEANWHILE = TimedOut "device_changed" "The device has another agent by then";
    TOO_MANY_OPERATIONS = TooMany "too_many_operations" "As many operations are under way as may be";

    // Of the server's keys.
    DAMAGED_SECRET = Conflict "damaged_secret" "A stored secret cannot be opened";
    MASTER_KEY_NOT_CHANGED = Conflict "master_key_not_changed" "The new master key cannot be used";

    // Of an agent's connection.
    UPGRADE_REQUIRED = OtherProtocol "upgrade_required" "The path is for WebSockets";
    INVALID_HANDSHAKE = Invalid "invalid_handshake" "The WebSocket handshake is malformed";
    FOREIGN_ORIGIN = Forbidden "foreign_origin" "A page of another site connects";
    STOPPING = Unavailable "stopping" "The server is stopping";
    NOT_AN_AGENTS_DOOR = Invalid "invalid_payload" "Agents connect to the server's network address";
}

/// What a command that was sent to an agent can end with.
pub const OF_COMMANDS: &[Failure] = &[
    COMMAND_NOT_SUPPORTED,
    AGENT_OFFLINE,
    AGENT_BUSY,
    AGENT_DISCONNECTED,
    AGENT_TIMEOUT,
    COMMAND_FAILED,
    BAD_REPLY,
];
