//! Fair shares of an agent's line.

use super::*;
use crate::control::command::Answered;
use crate::control::line::{Line, MAX_WAITING, Next};
use crate::control::windows::Windows;
use crate::registry::CommandEntry;
use tokio::sync::oneshot::Receiver;

const ALICE: Requester = Requester::User(1);
const BOB: Requester = Requester::User(2);

struct Asked(Vec<Receiver<Answered>>);

fn ask(
    line: &mut Line,
    entry: &'static CommandEntry,
    text: &str,
    by: Requester,
) -> Option<Receiver<Answered>> {
    line.ask(entry, text.to_owned(), by, None, 0).ok()
}

fn fill(line: &mut Line, entry: &'static CommandEntry, count: usize, by: Requester, mark: &str) -> Asked {
    Asked((0..count).filter_map(|n| ask(line, entry, &format!("{mark}{n}"), by)).collect())
}

/// All windows but the one of long commands.
const ALL: Windows = Windows { short: usize::MAX, urgent: 0, long: 0 };

/// What is sent, one after the other.
fn sent(line: &mut Line) -> Vec<String> {
    let mut all = Vec::new();
    while let Some(Next::Frame(frame)) = line.next(ALL, 0, |_| u32::try_from(all.len()).unwrap()) {
        let text = String::from_utf8_lossy(&frame[2..]).into_owned();
        all.push(text.rsplit(':').next().unwrap().to_owned());
    }
    all
}

#[test]
fn requesters_alternate_however_much_one_has_waiting() {
    let mut line = Line::default();
    let _a = fill(&mut line, &ACT, 4, ALICE, "a");
    let _b = fill(&mut line, &ACT, 2, BOB, "b");
    let _c = fill(&mut line, &ACT, 1, Requester::Operator, "c");
    assert_eq!(sent(&mut line), ["a0", "b0", "c0", "a1", "b1", "a2", "a3"]);
}

#[test]
fn in_a_full_line_whoever_has_the_most_makes_room() {
    let mut line = Line::default();
    let mut a = fill(&mut line, &ACT, MAX_WAITING + 5, ALICE, "a");
    assert_eq!(a.0.len(), MAX_WAITING, "of one's own nothing is dropped");
    let b = fill(&mut line, &ACT, MAX_WAITING, BOB, "b");
    assert_eq!(b.0.len(), MAX_WAITING / 2, "half of it is everybody's share");
    assert!(ask(&mut line, &ACT, "a more", ALICE).is_none());
    let dropped = a.0.iter_mut().filter_map(|outcome| outcome.try_recv().ok()).collect::<Vec<_>>();
    assert_eq!(dropped, vec![Err(DispatchError::Busy); MAX_WAITING / 2]);
    assert!(a.0[..MAX_WAITING / 2].iter_mut().all(|outcome| outcome.try_recv().is_err()), "the last go");
    let c = fill(&mut line, &ACT, 1, Requester::Operator, "c");
    assert_eq!(c.0.len(), 1, "somebody with nothing waiting is not refused");
    assert_eq!(sent(&mut line).len(), MAX_WAITING);
}

#[test]
fn questions_go_first_where_room_is_made_and_shared_ones_last() {
    let mut line = Line::default();
    let mut actions = fill(&mut line, &ACT, 2, ALICE, "a");
    let mut questions = fill(&mut line, &ASK, MAX_WAITING - 2, ALICE, "q");
    let last = format!("q{}", MAX_WAITING - 3);
    let mut joined = ask(&mut line, &ASK, &last, BOB).unwrap();
    let _b = fill(&mut line, &ACT, 3, BOB, "b");
    assert!(joined.try_recv().is_err(), "what Bob joined is not dropped while there is something else");
    assert!(actions.0.iter_mut().all(|outcome| outcome.try_recv().is_err()));
    let dropped: usize = questions.0.iter_mut().map(|outcome| usize::from(outcome.try_recv().is_ok())).sum();
    // One for each place but the one that Bob has of the question he joined, which is still Alice's.
    assert_eq!(dropped, 3);
    // Bob's turn for the question he joined has come long before Alice's would have.
    let order = sent(&mut line);
    let at = order.iter().position(|text| *text == last).unwrap();
    assert!(at <= 2 + 3 + 2, "{order:?}");
}

#[test]
fn a_question_is_overtaken_by_some_actions_of_others_and_all_of_ones_own() {
    let mut line = Line::default();
    let _b = fill(&mut line, &ACT, 30, BOB, "b");
    let _q = fill(&mut line, &ASK, 1, ALICE, "q");
    let order = sent(&mut line);
    let at = order.iter().position(|text| text == "q0").unwrap();
    assert!((5..15).contains(&at), "{order:?}");
    let mut line = Line::default();
    let _b = fill(&mut line, &ACT, 30, ALICE, "b");
    let _q = fill(&mut line, &ASK, 1, ALICE, "q");
    assert_eq!(sent(&mut line).last().map(String::as_str), Some("q0"));
}
