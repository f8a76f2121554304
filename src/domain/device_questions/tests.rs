#![allow(clippy::unwrap_used)]

use super::*;

fn target(address: &str) -> Target {
    Target { address: Some(address.parse().unwrap()), mac: None }
}

fn answered(online: Online, passed_on: bool) -> Answered {
    Answered { agent: 7, target: target("192.0.2.1"), online, at: Instant::now(), passed_on }
}

fn keep(questions: &DeviceQuestions, device: i64, answered: Answered) {
    questions.state.lock().keep(device, answered);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_reused_for_ten_seconds_and_for_the_same_question_only() {
    let questions = DeviceQuestions::default();
    keep(&questions, 1, answered(Online::Online, true));
    tokio::time::advance(FRESH - Duration::from_millis(1)).await;
    assert_eq!(questions.known(1, 7, &target("192.0.2.1")), Some(Online::Online));
    assert_eq!(questions.known(1, 8, &target("192.0.2.1")), None);
    assert_eq!(questions.known(1, 7, &target("192.0.2.2")), None);
    assert_eq!(questions.known(2, 7, &target("192.0.2.1")), None);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(questions.known(1, 7, &target("192.0.2.1")), None);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_nobody_waited_for_is_kept_for_the_next_question_once() {
    let questions = DeviceQuestions::default();
    keep(&questions, 1, answered(Online::Offline, false));
    tokio::time::advance(KEPT - Duration::from_millis(1)).await;
    assert_eq!(questions.known(1, 7, &target("192.0.2.1")), Some(Online::Offline));
    assert_eq!(questions.known(1, 7, &target("192.0.2.1")), None);
}

#[tokio::test(start_paused = true)]
async fn a_device_that_is_woken_is_forgotten() {
    let questions = DeviceQuestions::default();
    keep(&questions, 1, answered(Online::Offline, true));
    questions.forget_device(1);
    assert_eq!(questions.known(1, 7, &target("192.0.2.1")), None);
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_bounded_and_makes_room_by_age() {
    let questions = DeviceQuestions::default();
    for device in 0..20_000 {
        keep(&questions, device, answered(Online::Online, true));
    }
    assert_eq!(questions.state.lock().answers.len(), REMEMBERED);
    tokio::time::advance(FRESH).await;
    keep(&questions, 30_000, answered(Online::Online, true));
    assert_eq!(questions.state.lock().answers.len(), 1);
}

#[test]
fn users_take_turns_and_a_single_device_comes_first_of_its_users() {
    let mut queue = Queue::default();
    let (found, _waits) = tokio::sync::mpsc::unbounded_channel();
    for device in 0..3 {
        queue.add(Requester::User(1), (device, target("192.0.2.1")), false, found.clone());
    }
    for device in 2..5 {
        queue.add(Requester::User(2), (device, target("192.0.2.1")), false, found.clone());
    }
    queue.add(Requester::User(2), (4, target("192.0.2.1")), true, found.clone());
    let order: Vec<_> = std::iter::from_fn(|| queue.next()).map(|(_, device, _)| device).collect();
    assert_eq!(order, [0, 4, 1, 3, 2]);
}
