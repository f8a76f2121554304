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
    /// When the last one was sent.
    #[serde(default)]
    pub(super) last_packet: Option<Millis>,
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
    #[serde(rename = "told")] // as it is stored
    pub(super) could_tell: bool,
    /// Whether an agent said that it sent a packet.
    pub(super) sent: bool,
}

impl Progress {
    /// When the next packet is due: at once, 10, 20 and 40 s after the first, and every 40 s from then on. What was missed
    /// while no agent was there is not made up for.
    pub(super) fn next_packet(&self) -> Option<Millis> {
        let first = self.first_packet?;
        let passed = self.last_packet? - first;
        Some(
            first
                + match passed {
                    ..10_000 => 10_000,
                    10_000..20_000 => 20_000,
                    _ => (passed / 40_000 + 1) * 40_000,
                },
        )
    }

    /// A packet goes out, or is tried.
    pub(super) fn packet_sent(&mut self, now: Millis) {
        self.first_packet.get_or_insert(now);
        self.last_packet = Some(now);
        self.packets += 1;
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
        } else if !self.could_tell {
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
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn packets_and_looks_come_as_the_plan_has_them() {
        let mut progress = Progress::default();
        let mut sent = Vec::new();
        for now in (1000..=170_000).step_by(100) {
            // For a minute and a half no agent is there.
            let is_there = !(25_000..115_000).contains(&now);
            if is_there && progress.next_packet().is_none_or(|due| now >= due) {
                progress.packet_sent(now);
                sent.push(now);
            }
        }
        assert_eq!(sent, [1000, 11_000, 21_000, 115_000, 121_000, 161_000]);
        assert_eq!((progress.packets, progress.first_packet), (6, Some(1000)));
        let mut progress = Progress::default();
        let all = (0..=200_000).step_by(1000).filter(|now| {
            let due = progress.next_packet().is_none_or(|due| *now >= due);
            if due {
                progress.packet_sent(*now);
            }
            due
        });
        assert_eq!(all.collect::<Vec<_>>(), [0, 10_000, 20_000, 40_000, 80_000, 120_000, 160_000, 200_000]);
        let mut progress = Progress::default();
        let mut pauses = Vec::new();
        for looks in 1..10 {
            progress.looks = looks;
            pauses.push(progress.pause());
        }
        assert_eq!(pauses, [2000, 2500, 3000, 3500, 4000, 4500, 5000, 5000, 5000]);
    }

    proptest! {
        #[test]
        fn packets_keep_their_distance_however_agents_come_and_go(
            there in prop::collection::vec((any::<bool>(), 100..60_000_i64), 1..40),
        ) {
            let (mut progress, mut now) = (Progress::default(), 1000);
            let mut sent: Vec<Millis> = Vec::new();
            for (is_there, lasts) in there {
                let until = now + lasts;
                while now < until {
                    let due = progress.next_packet();
                    if is_there && due.is_none_or(|due| now >= due) {
                        progress.packet_sent(now);
                        prop_assert!(progress.next_packet().is_some_and(|next| next > now));
                        sent.push(now);
                    }
                    now += 100;
                }
            }
            prop_assert_eq!(usize::try_from(progress.packets).ok(), Some(sent.len()));
            let Some(first) = sent.first() else { return Ok(()) };
            // Never more of them by any time than if an agent had been there all the while.
            let plan = |passed: Millis| match passed {
                ..10_000 => 1,
                10_000..20_000 => 2,
                20_000..40_000 => 3,
                _ => 3 + passed / 40_000,
            };
            for (many, at) in (1..).zip(&sent) {
                prop_assert!(many <= plan(at - first), "{:?}", sent);
            }
        }
    }

    #[test]
    fn what_an_earlier_program_stored_is_read() {
        let stored = r#"{"timeout":120000,"deadline":null,"first_packet":5,"packets":1,"was_online":false,"looks":2,
            "next_look":9,"last":"not_seen","told":true,"sent":true}"#;
        let progress: Progress = serde_json::from_str(stored).unwrap();
        assert!(progress.could_tell && progress.sent && progress.last_packet.is_none());
    }

    #[test]
    fn the_most_telling_reason_is_given() {
        let mut progress = Progress { sent: true, ..Progress::default() };
        assert_eq!(progress.failure(true).0, "cannot_probe");
        progress.could_tell = true;
        assert_eq!(progress.failure(true).0, "not_seen");
        assert_eq!(progress.failure(false).0, "agent_offline");
        progress.last = Some(why::OTHER_DEVICE_ANSWERS.to_owned());
        assert_eq!(progress.failure(false).0, "other_device_answers");
    }
}
