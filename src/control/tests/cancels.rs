//! Which commands an agent is asked to end, and when: nobody waits for them any more.

use super::peer::{Agent, dispatch};
use super::*;

const ABLE: &str = "1; features=cancel,progress";

#[tokio::test(start_paused = true)]
async fn a_shared_question_is_ended_when_the_last_of_its_callers_has_gone() {
    let (control, _) = service();
    let mut agent = Agent::connect_saying(&control, 2, ABLE);
    let one = dispatch::<Ask>(&control, 2, "q").await;
    let other = dispatch::<Ask>(&control, 2, "q").await;
    let act = dispatch::<Act>(&control, 2, "a").await;
    let (sent, acts) = (agent.message().await, agent.message().await);
    assert_eq!((sent.command.as_str(), acts.command.as_str()), ("ASK", "ACT"));
    one.abort();
    agent.hears_nothing(Duration::from_millis(500)).await;
    // What cannot be ended is not touched, whoever goes.
    act.abort();
    agent.hears_nothing(Duration::from_millis(500)).await;
    other.abort();
    let cancel = agent.message().await;
    assert_eq!((cancel.command.as_str(), cancel.id, cancel.json.as_str()), ("CANCEL", sent.id, "{}"));
    // The same question asked now is another one.
    let third = dispatch::<Ask>(&control, 2, "q").await;
    let again = agent.message().await;
    assert_ne!(again.id, sent.id);
    agent
        .reply(&format!("ASK:{}:{{\"status\":\"ERROR\",\"code\":\"canceled\",\"message\":\"\"}}", sent.id))
        .await;
    agent.reply(&again.echo()).await;
    assert_eq!(third.await.unwrap(), Ok(Text::of("q")));
    assert_eq!(control.counters(), Counters::default());
}

#[tokio::test(start_paused = true)]
async fn it_is_ended_once_its_time_is_over_and_asked_for_once() {
    let (control, _) = service();
    control.start(Shutdown::new());
    let mut agent = Agent::connect_saying(&control, 2, ABLE);
    let asked = dispatch::<Ask>(&control, 2, "q").await;
    let sent = agent.message().await;
    let mut canceled = Vec::new();
    let listening = async {
        loop {
            let message = agent.message().await;
            match message.command.as_str() {
                "HEARTBEAT" => agent.reply(&message.echo()).await,
                _ => canceled.push((message.command, message.id)),
            }
        }
    };
    let over = tokio::time::timeout(Duration::from_secs(30), listening).await;
    assert!(over.is_err());
    assert_eq!(canceled, [("CANCEL".to_owned(), sent.id)]);
    assert_eq!(asked.await.unwrap(), Err(DispatchError::TimedOut));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_understand_it_is_asked_nothing() {
    let (control, _) = service();
    for about in [None, Some("1"), Some("1; features=progress")] {
        let mut agent = match about {
            Some(about) => Agent::connect_saying(&control, 2, about),
            None => Agent::connect(&control, 2),
        };
        let asked = dispatch::<Ask>(&control, 2, "q").await;
        agent.message().await;
        asked.abort();
        agent.hears_nothing(Duration::from_millis(500)).await;
    }
}
