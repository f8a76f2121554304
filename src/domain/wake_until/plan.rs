//! The plan of a wake until online, without clocks and I/O: when packets and looks are due, and why it failed.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::model::device_presence::why;
use crate::model::operation::reason;

/// How far a wake is. Stored with its operation, so that it goes on after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// For how long the device is looked for, from when an agent was there.
    pub(super) timeout: Millis,
    /// When it fails.
    pub(super) deadline: Option<Millis>,
    /// When the first packet was sent.
    pub(super) first_packet: Option<Millis>,
    /// How many were sent, or tried.
    pub(super) packets: u32,
    /// Whether the device was up before.
    pub(super) was_online: Option<bool>,
    /// How often was looked.
    pub(super) looks: u32,
    /// When it is looked again.
    pub(super) next_look: Millis,
    /// Why the last look did not see it.
    pub(super) last: Option<String>,
    /// Whether any look could tell.
    pub(super) told: bool,
    /// Whether an agent said that it sent a packet.
    pub(super) sent: bool,
}

impl Progress {
    /// When the next packet is due: at once, 10, 20 and 40 s after the first, and every 40 s from then on.
    pub(super) fn next_packet(&self) -> Option<Millis> {
        let first = self.first_packet?;
        Some(
            first
                + match self.packets {
                    0 => 0,
                    1 => 10_000,
                    2 => 20_000,
                    sent => Millis::from(sent - 2) * 40_000,
                },
        )
    }

    /// How long after a look the next one comes: 2 s at first, and up to 5 s.
    pub(super) fn pause(&self) -> Millis {
        (2000 + Millis::from(self.looks.saturating_sub(1)) * 500).min(5000)
    }

    /// The most telling reason why the device was not seen, and what it means for people.
    pub(super) fn failure(&self, agent_online: bool) -> (&'static str, &'static str) {
        if self.last.as_deref() == Some(why::OTHER_DEVICE_ANSWERS) {
            (
                reason::OTHER_DEVICE_ANSWERS,
                "Another device answers at its address: give the device its new address",
            )
        } else if !agent_online {
            (reason::AGENT_OFFLINE, "None of its agents was connected at the end: it may have woken unseen")
        } else if !self.sent {
            (reason::COMMAND_FAILED, "The agent sent no magic packet: ask the owner of the agent why")
        } else if !self.told {
            (
                reason::CANNOT_PROBE,
                "The agent has no means of telling whether it is up: give the device its address",
            )
        } else {
            (reason::NOT_SEEN, "The magic packet was sent, and nothing answered for it in time")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_and_looks_come_as_the_plan_has_them() {
        let mut progress = Progress { first_packet: Some(1000), ..Progress::default() };
        let mut due = Vec::new();
        for packets in 0..6 {
            progress.packets = packets;
            due.extend(progress.next_packet());
        }
        assert_eq!(due, [1000, 11_000, 21_000, 41_000, 81_000, 121_000]);
        let mut pauses = Vec::new();
        for looks in 1..10 {
            progress.looks = looks;
            pauses.push(progress.pause());
        }
        assert_eq!(pauses, [2000, 2500, 3000, 3500, 4000, 4500, 5000, 5000, 5000]);
    }

    #[test]
    fn the_most_telling_reason_is_given() {
        let mut progress = Progress { sent: true, ..Progress::default() };
        assert_eq!(progress.failure(true).0, "cannot_probe");
        progress.told = true;
        assert_eq!(progress.failure(true).0, "not_seen");
        assert_eq!(progress.failure(false).0, "agent_offline");
        progress.last = Some(why::OTHER_DEVICE_ANSWERS.to_owned());
        assert_eq!(progress.failure(false).0, "other_device_answers");
    }
}
