//! What an agent says: whose reply it is, what is answered to it, and what is only counted.

use std::ops::ControlFlow;
use std::sync::Arc;

use fastwebsockets::{Frame, Payload};

use super::agent::Agent;
use super::close::Why;
use super::command::Answered;
use super::core::Core;
use super::dispatch::DispatchError;
use super::frame::Incoming;
use super::message::{self, Message};
use super::state::Heard;
use crate::model::agent_about::BASE_COMMANDS;
use crate::registry::{CANCEL, CommandEntry, PROGRESS};

impl Agent {
    /// Takes in what the connection of an epoch has read; breaks off when that epoch is over.
    pub(super) fn receive(
        self: &Arc<Self>,
        core: &Core,
        epoch: u32,
        incoming: Incoming<'_>,
    ) -> ControlFlow<()> {
        let mut state = self.state.lock();
        if !state.is_current(epoch) {
            return ControlFlow::Break(());
        }
        state.last_seen = core.now();
        match incoming {
            Incoming::Message(bytes) => {
                let Some(reply) = Message::parse(bytes) else {
                    drop(state);
                    self.finish(core, epoch, Heard::Malformed, &[]);
                    return ControlFlow::Continue(());
                };
                match reply.command {
                    name if name == PROGRESS.as_bytes() => {
                        drop(state);
                        self.progressed(core, epoch, reply.id, reply.json);
                        return ControlFlow::Continue(());
                    }
                    name if name == CANCEL.as_bytes() => {
                        state.hear_of_cancel(reply.json);
                        return ControlFlow::Continue(());
                    }
                    _ => {}
                }
                let heard = state.hear(reply.id, |command| core.answers(reply.command, command));
                if matches!(heard, Heard::Reply(_)) {
                    self.pump(core, &mut state);
                }
                drop(state);
                self.finish(core, epoch, heard, reply.json);
            }
            Incoming::Ping(payload) => {
                let pong = message::frame(Frame::pong(Payload::Borrowed(payload)));
                self.send(&mut state, &pong);
            }
            Incoming::Pong => {}
            Incoming::Close(code) => {
                let answer = code.map_or_else(
                    || message::frame(Frame::close_raw(Payload::Borrowed(&[]))),
                    |code| message::frame(Frame::close(code, &[])),
                );
                self.take_offline(core, state, Why::ClosedByAgent, Some(&answer));
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    /// What a reply to a command says, in time or late.
    fn outcome(&self, epoch: u32, entry: &CommandEntry, json: &[u8]) -> Answered {
        let outcome = (entry.check_reply)(json).map_err(DispatchError::from);
        let unknown = outcome.as_ref().is_err_and(DispatchError::is_unknown_command);
        if unknown && !BASE_COMMANDS.contains(&entry.name) {
            self.does_not_know(epoch, entry.name);
            return Err(DispatchError::Unsupported);
        }
        outcome
    }

    /// Tells the callers, or counts what nobody waited for.
    fn finish(&self, core: &Core, epoch: u32, heard: Heard, json: &[u8]) {
        let tally = &core.tally;
        match heard {
            Heard::Reply(command) => {
                let outcome = self.outcome(epoch, command.entry, json);
                command.finish(&outcome);
            }
            Heard::Fine => {}
            Heard::Late(waiters) => {
                core.count(&tally.late, self.id(), "a reply came late");
                let Some((entry, waiters)) = waiters else { return };
                let outcome = self.outcome(epoch, entry, json);
                waiters.into_iter().for_each(|waiter| waiter.note_reply(outcome.clone()));
            }
            Heard::Unknown => core.count(&tally.unknown, self.id(), "a reply with an unknown ID came"),
            Heard::Malformed => core.count(&tally.malformed, self.id(), "a frame that is no message came"),
        }
    }
}
