//! The plan of a power command until the device is offline, without clocks and I/O: what looks mean, and why it failed.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::domain::look::Sample;
use crate::model::operation::reason;

/// Looks in a row that must not see the device.
const MISSES: u32 = 2;
/// How long after a look the next one comes; and where nothing but the lost connection tells: an agent that only lost its
/// connection is back by then.
const PAUSE: Millis = 2000;
const LONG_PAUSE: Millis = 5000;

/// How far it is. Stored with its operation, so that it goes on after a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// How long after its agent's answer the device goes down.
    pub(super) delay: Millis,
    /// For how long it is looked for after that.
    pub(super) timeout: Millis,
    /// When it was sent.
    pub(super) sent: Option<Millis>,
    /// Whether the agent answered that it does it.
    pub(super) answered: bool,
    /// When the device is to go, before which nothing proves that it did.
    pub(super) due: Millis,
    /// When it fails.
    pub(super) deadline: Millis,
    /// Looks in a row that did not see the device, and whether any of these could tell.
    pub(super) misses: u32,
    #[serde(rename = "told")] // as it is stored
    pub(super) could_tell: bool,
}

/// What proves that the device is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gone {
    /// It was looked for and not seen.
    NotSeen,
    /// The connection of its agent ended, and nobody else can look.
    Disconnected,
    /// The agent on it connected anew.
    Restarted,
}

impl Progress {
    /// It is to go, counted from `now`.
    pub(super) fn begin(&mut self, now: Millis) {
        self.due = now + self.delay;
        self.deadline = self.due + self.timeout;
    }

    /// How long it is until the next look.
    pub(super) fn pause(&self) -> Millis {
        if self.misses > 0 && !self.could_tell { LONG_PAUSE } else { PAUSE }
    }

    /// Takes in what a look brought, made while the agent on the device was gone or not. Answers what that proves.
    pub(super) fn take(&mut self, sample: Sample, agent_gone: bool) -> Option<Gone> {
        let (missed, could_tell) = match sample {
            Sample::Seen(_) => (false, false),
            // A device that answers nobody is up for as long as its agent is connected.
            Sample::NotSeen(_) => (agent_gone, true),
            Sample::CannotTell(_) => (agent_gone, false),
        };
        if !missed {
            (self.misses, self.could_tell) = (0, false);
            return None;
        }
        self.misses += 1;
        self.could_tell |= could_tell;
        let gone = if self.could_tell { Gone::NotSeen } else { Gone::Disconnected };
        (self.misses >= MISSES).then_some(gone)
    }

    /// Why it failed, and what that means for people.
    pub(super) fn failure(&self) -> (&'static str, String) {
        let seconds = self.timeout / 1000;
        let message = if self.answered {
            format!(
                "The device was still there {seconds} s after it was to go, though its agent answered that it does it: look \
                 on the device what holds it up"
            )
        } else {
            format!(
                "The device was still there after {seconds} s, and its agent did not answer: look whether the agent on the \
                 device works, and try again"
            )
        };
        (reason::STILL_SEEN, message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::model::device_presence::{SeenBy, why};

    const SEEN: Sample = Sample::Seen(SeenBy::Icmp);
    const NOT_SEEN: Sample = Sample::NotSeen(why::NOT_SEEN);
    const GONE: bool = true;
    const CANNOT_TELL: Sample = Sample::CannotTell(why::AGENT_OFFLINE);

    fn proved(looks: &[(Sample, bool)]) -> Vec<Option<Gone>> {
        let mut progress = Progress::default();
        looks.iter().map(|(sample, gone)| progress.take(*sample, *gone)).collect()
    }

    #[test]
    fn what_an_earlier_program_stored_is_read() {
        let stored = r#"{"delay":0,"timeout":120000,"sent":5,"answered":true,"due":6,"deadline":7,"misses":1,"told":true}"#;
        let progress: Progress = serde_json::from_str(stored).unwrap();
        assert!(progress.could_tell && progress.answered && progress.misses == 1);
    }

    #[test]
    fn two_looks_in_a_row_prove_that_a_device_is_gone() {
        let gone = Some(Gone::NotSeen);
        assert_eq!(
            proved(&[(NOT_SEEN, GONE), (SEEN, GONE), (NOT_SEEN, GONE), (NOT_SEEN, GONE)])[2..],
            [None, gone]
        );
        assert_eq!(proved(&[(NOT_SEEN, !GONE), (NOT_SEEN, !GONE), (NOT_SEEN, !GONE)]), [None, None, None]);
        assert_eq!(proved(&[(CANNOT_TELL, GONE), (NOT_SEEN, GONE)]), [None, gone]);
        assert_eq!(proved(&[(CANNOT_TELL, GONE), (CANNOT_TELL, GONE)]), [None, Some(Gone::Disconnected)]);
    }

    fn look() -> impl Strategy<Value = (Sample, bool)> {
        let other = Sample::NotSeen(why::OTHER_DEVICE_ANSWERS);
        let blind = Sample::CannotTell(why::CANNOT_PROBE);
        (prop::sample::select(vec![SEEN, NOT_SEEN, CANNOT_TELL, other, blind]), any::<bool>())
    }

    proptest! {
        #[test]
        fn a_device_is_gone_after_two_misses_in_a_row_and_not_before(
            looks in prop::collection::vec(look(), 0..30),
        ) {
            let is_miss = |(sample, gone): &(Sample, bool)| *gone && !matches!(sample, Sample::Seen(_));
            for (at, proved) in proved(&looks).into_iter().enumerate() {
                let misses = looks[..=at].iter().rev().take_while(|look| is_miss(look)).collect::<Vec<_>>();
                prop_assert_eq!(proved.is_some(), misses.len() >= 2, "{:?}", &looks[..=at]);
                // That it was looked for is said where somebody could tell.
                let could_tell = misses.iter().any(|(sample, _)| matches!(sample, Sample::NotSeen(_)));
                let how = if could_tell { Gone::NotSeen } else { Gone::Disconnected };
                prop_assert!(proved.is_none_or(|proved| proved == how));
            }
        }

        #[test]
        fn it_is_looked_for_as_long_as_was_asked_once_it_was_to_go(
            delay in 0..90_000_000_i64, timeout in 1000..3_600_000_i64, sent in 0..i64::MAX / 2, took in 0..60_000_i64,
        ) {
            let mut progress = Progress { delay, timeout, ..Progress::default() };
            progress.begin(sent);
            prop_assert_eq!((progress.due, progress.deadline), (sent + delay, sent + delay + timeout));
            // The answer begins it anew: it goes down so long after it.
            progress.begin(sent + took);
            prop_assert_eq!(progress.deadline - progress.due, timeout);
            prop_assert_eq!(progress.due, sent + took + delay);
            prop_assert!((PAUSE..=LONG_PAUSE).contains(&progress.pause()));
        }
    }

    #[test]
    fn a_failure_says_whether_the_agent_had_answered() {
        let mut progress = Progress { timeout: 60_000, ..Progress::default() };
        let failures = [false, true].map(|answered| {
            progress.answered = answered;
            progress.failure()
        });
        assert!(failures.iter().all(|(why, message)| *why == "still_seen" && message.contains(" 60 s")));
        assert!(failures[0].1.contains("its agent did not answer"), "{failures:?}");
        assert!(failures[1].1.contains("its agent answered that it does it"), "{failures:?}");
    }

    #[test]
    fn a_lost_connection_alone_is_given_time_to_come_back() {
        let mut progress = Progress::default();
        let mut pauses = Vec::new();
        for sample in [SEEN, CANNOT_TELL, NOT_SEEN] {
            progress.take(sample, GONE);
            pauses.push(progress.pause());
        }
        assert_eq!(pauses, [2000, 5000, 2000]);
    }
}
