//! Operations stay true in any order of events.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::model::operation::{Maker, MakerKind, OperationIds, OperationKind};

const NOW: Millis = 1_790_000_000_000;

fn new(repeatable: bool, max_attempts: u32) -> Operation {
    Operation {
        id: OperationIds::default().next(NOW),
        kind: OperationKind::Command,
        state: State::Queued,
        reason: None,
        message: String::new(),
        said: None,
        owner: 1,
        agent: Some(1),
        device: None,
        command: "WAKEUP".into(),
        payload: "{}".into(),
        result: None,
        evidence: None,
        attempts: 0,
        max_attempts,
        created_at: NOW,
        deliver_by: NOW + 30_000,
        started_at: None,
        ended_at: None,
        maker: Maker { kind: MakerKind::User, id: Some(1), name: "a".into(), user: Some(1) },
        parent: None,
        run_timeout: 5000,
        repeatable,
        class: 0,
        not_before: 0,
        due_at: Some(NOW + 30_000),
        progress: None,
        direct: false,
        version: 0,
    }
}

fn input() -> impl Strategy<Value = Input> {
    prop_oneof![
        3 => Just(Input::Turn),
        1 => Just(Input::Unsent),
        1 => (1..4_i64).prop_map(Input::Chosen),
        1 => Just(Input::Answered(Reply::Done("{}".into()))),
        1 => Just(Input::Answered(Reply::No("no".into(), None))),
        1 => Just(Input::Answered(Reply::Nonsense)),
        2 => Just(Input::Lost(reason::CONNECTION_LOST)),
        1 => Just(Input::Lost(reason::SERVER_RESTARTED)),
        1 => Just(Input::TimedOut),
        2 => any::<bool>().prop_map(Input::Tick),
        1 => Just(Input::Cancel),
        1 => Just(Input::CancelSent),
        1 => Just(Input::Answered(Reply::Canceled)),
        1 => Just(Input::Refused(reason::NOT_ALLOWED.into(), "no")),
        1 => Just(Input::Impossible(reason::COMMAND_NOT_SUPPORTED.into(), "no".into())),
    ]
}

proptest! {
    #[test]
    fn in_any_order_of_events_an_operation_stays_true(
        repeatable: bool,
        max in 1..4_u32,
        events in prop::collection::vec((input(), 0..8000_i64, prop::bool::weighted(0.05)), 0..40),
    ) {
        let mut op = new(repeatable, if repeatable { max } else { 1 });
        let (mut now, mut sent, mut last) = (NOW, 0_u32, NOW);
        for (input, after, is_set_back) in events {
            now += if is_set_back { -after } else { after };
            let Some(Step { after: next, trail }) = step(&op, &input, now, last) else { continue };
            let times = trail.iter().map(|entry| entry.at).chain(next.ended_at);
            let times: Vec<_> = [last].into_iter().chain(times).collect();
            prop_assert!(times.is_sorted(), "{:?}", times);
            last = times[times.len() - 1];
            prop_assert_eq!(next.version, op.version + 1);
            prop_assert!(!trail.is_empty(), "every change is in the trail");
            prop_assert_eq!(next.is_live(), next.ended_at.is_none());
            prop_assert_eq!(next.is_live(), next.due_at.is_some(), "nothing stays live for ever");
            prop_assert!(next.attempts <= next.max_attempts);
            if !op.is_live() {
                prop_assert_eq!(op.state, State::TimedOut, "what has ended stays so");
                prop_assert!(matches!(input, Input::Answered(_)));
            }
            match (op.state, next.state) {
                (State::Queued, State::Running) => sent += 1,
                (State::Running, State::Queued) if input == Input::Unsent => sent -= 1,
                _ => {}
            }
            if !repeatable {
                prop_assert!(sent <= 1, "sent twice");
            }
            if matches!(next.state, State::Expired) {
                prop_assert_eq!(sent, 0, "it was sent");
            }
            if matches!(next.state, State::Succeeded | State::TimedOut)
                || next.state == State::Failed && !matches!(input, Input::Impossible(..))
            {
                prop_assert!(sent > 0, "it was never sent");
            }
            op = next;
        }
        // Time alone ends whatever is left.
        for _ in 0..2 {
            now += 60_000;
            if let Some(ended) = step(&op, &Input::Tick(true), now, last) {
                op = ended.after;
            }
        }
        prop_assert!(!op.is_live());
    }
}

#[test]
fn attempts_wait_longer_each_time() {
    let mut op = new(true, 3);
    let mut waits = Vec::new();
    for _ in 0..2 {
        op = step(&op, &Input::Turn, NOW, NOW).unwrap().after;
        op = step(&op, &Input::Lost(reason::CONNECTION_LOST), NOW, NOW).unwrap().after;
        waits.push((op.state, op.not_before - NOW));
    }
    assert_eq!(waits, [(State::Queued, 1000), (State::Queued, 2000)]);
    op = step(&op, &Input::Turn, NOW, NOW).unwrap().after;
    op = step(&op, &Input::Lost(reason::CONNECTION_LOST), NOW, NOW).unwrap().after;
    assert_eq!((op.state, op.reason.as_deref()), (State::Failed, Some("connection_lost")));
}
