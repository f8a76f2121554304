//! How connections begin and end: one word each, and the close code where the peer gets one.

/// A close frame's code and reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Close {
    /// The code as RFC 6455 numbers them; 4000 and up are ours.
    pub(super) code: u16,
    /// A word for the peer.
    pub(super) reason: &'static str,
}

/// Why an agent is in the state it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Has not connected since the server started.
    Never,
    /// Connected.
    Connected,
    /// A newer connection took over.
    Replaced,
    /// Its secret was changed.
    SecretChanged,
    /// It was handed a new secret and is to log in with it.
    SecretRotated,
    /// It was deleted.
    Deleted,
    /// No frame for 75 seconds.
    Silent,
    /// The server stops.
    Stopping,
    /// The agent closed the connection in order.
    ClosedByAgent,
    /// The connection broke.
    Lost,
    /// The agent broke the WebSocket protocol.
    Protocol,
    /// A text message was not UTF-8.
    NotUtf8,
    /// A message was larger than 64 KiB.
    TooBig,
    /// The agent did not read what was sent to it.
    Stalled,
    /// The connection ended before its upgrade was complete.
    UpgradeFailed,
}

impl Why {
    /// The stable word for programs.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Never => "never_connected",
            Self::Connected => "connected",
            Self::Replaced => "replaced",
            Self::SecretChanged => "secret_changed",
            Self::SecretRotated => "secret_rotated",
            Self::Deleted => "deleted",
            Self::Silent => "silent",
            Self::Stopping => "server_stopping",
            Self::ClosedByAgent => "closed_by_agent",
            Self::Lost => "connection_lost",
            Self::Protocol => "protocol_error",
            Self::NotUtf8 => "invalid_utf8",
            Self::TooBig => "message_too_big",
            Self::Stalled => "stalled",
            Self::UpgradeFailed => "upgrade_failed",
        }
    }

    /// The close frame the peer gets, if any: a lost or stalled peer would not read one, and one that closed is
    /// answered with its own code.
    pub(super) fn close(self) -> Option<Close> {
        let code = match self {
            Self::Stopping => 1001,
            Self::Protocol => 1002,
            Self::NotUtf8 => 1007,
            Self::TooBig => 1009,
            Self::SecretRotated => 1012,
            Self::Replaced => 4001,
            Self::SecretChanged => 4002,
            Self::Deleted => 4003,
            Self::Silent => 4004,
            Self::Never
            | Self::Connected
            | Self::ClosedByAgent
            | Self::Lost
            | Self::Stalled
            | Self::UpgradeFailed => return None,
        };
        Some(Close { code, reason: self.word() })
    }
}
