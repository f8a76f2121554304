//! Sending a command to an agent and waiting for its reply.

/// Why a command brought no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DispatchError {
    /// The payload cannot be sent: not an object, or larger than a frame may be.
    Payload(String),
    /// The agent is not connected.
    Offline,
    /// Too many commands wait for the agent.
    Busy,
    /// The connection ended before the reply.
    Disconnected,
    /// No reply in time.
    TimedOut,
    /// The agent said no, with its message.
    Failed(String),
    /// The agent answered nonsense; the text is for the log.
    BadReply(String),
}
