//! The Agent Control Service (being written).
#![allow(missing_docs)]

use crate::registry::Command;

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

pub struct Control;

impl Control {
    pub async fn dispatch<C: Command>(
        &self,
        agent: i64,
        payload: &C::Payload,
    ) -> Result<C::Reply, DispatchError> {
        let _ = (agent, payload);
        todo!()
    }
}
