//! Operations as they are stored, changed and found.

use super::fresh;
use crate::model::operation::{Maker, MakerKind, Operation, OperationIds, OperationKind, State, TrailEntry};
use crate::store::idempotency_keys::{self, Request};
use crate::store::operation_page::{Filter, InState, Of, page};
use crate::store::{operation_rows, operation_trail, operations};

const NOW: i64 = 1_790_000_000_000;

fn operation(ids: &OperationIds, owner: i64, agent: i64, device: Option<i64>) -> Operation {
    let kind = if device.is_some() { OperationKind::Wake } else { OperationKind::Command };
    Operation {
        id: ids.next(NOW),
        kind,
        state: State::Queued,
        reason: None,
        message: "It waits".into(),
        said: None,
        owner,
        agent: Some(agent),
        device,
        command: "WAKEUP".into(),
        payload: "{}".into(),
        result: None,
        evidence: None,
        attempts: 0,
        max_attempts: 3,
        created_at: NOW,
        deliver_by: NOW + 300_000,
        started_at: None,
        ended_at: None,
        maker: Maker { kind: MakerKind::Token, id: Some(7), name: "a\0b".into(), user: Some(owner) },
        parent: Some(ids.next(NOW)),
        run_timeout: 5000,
        repeatable: true,
        class: 0,
        not_before: 0,
        due_at: Some(NOW + 300_000),
        progress: None,
        direct: false,
        version: 0,
    }
}

fn everything() -> Filter {
    Filter { before: i64::MAX, limit: 100, ..Filter::default() }
}

#[tokio::test]
async fn what_is_stored_is_read_back_and_changed_by_whoever_knows_it() {
    let (_directory, store) = fresh().await;
    let ids = OperationIds::default();
    let new = operation(&ids, 1, 2, Some(3));
    let stored = store
        .write(move |db| {
            operation_rows::insert(db, &new)?;
            assert_eq!(operations::get(db, new.id)?.as_ref(), Some(&new));
            let changed = Operation {
                state: State::Succeeded,
                reason: Some("a_word".into()),
                said: Some("☃".into()),
                agent: Some(4),
                result: Some("{}".into()),
                evidence: Some("{}".into()),
                progress: Some("{}".into()),
                attempts: 1,
                started_at: Some(NOW + 1),
                ended_at: Some(NOW + 2),
                due_at: None,
                not_before: 9,
                version: 1,
                ..new.clone()
            };
            assert!(operations::save(db, &changed)?);
            assert!(!operations::save(db, &changed)?, "somebody else changed it before");
            assert_eq!(operations::get(db, new.id)?.as_ref(), Some(&changed));
            for message in ["first", "second"] {
                operation_trail::insert(db, new.id, &TrailEntry::new(NOW, "looked", message))?;
            }
            let trail = operation_trail::of(db, new.id)?;
            assert_eq!(trail.iter().map(|e| e.message.as_str()).collect::<Vec<_>>(), ["first", "second"]);
            assert_eq!(operations::delete_before(db, 0, NOW)?, (0, None));
            let (deleted, next) = operations::delete_before(db, 0, NOW + 3)?;
            assert_eq!(deleted, 1);
            assert!(next.is_some_and(|next| next > new.id.key()));
            operation_trail::of(db, new.id)
        })
        .await
        .unwrap();
    assert_eq!(stored, [], "the trail goes with its operation");
}

#[tokio::test]
async fn pages_are_of_whom_they_are_asked_of_newest_first() {
    let (_directory, store) = fresh().await;
    let ids = OperationIds::default();
    let mut all = Vec::new();
    for turn in 0..12 {
        let mut one = operation(&ids, 1 + turn % 2, 10 + turn % 3, (turn % 4 == 0).then_some(20));
        if turn >= 6 {
            one.state = if turn % 2 == 0 { State::Succeeded } else { State::Failed };
            one.ended_at = Some(NOW);
        }
        all.push(one);
    }
    let found = {
        let all = all.clone();
        store
            .write(move |db| {
                operation_rows::insert_all(db, &all)?;
                let mut found = Vec::new();
                for of in [Of::All, Of::Owner(1), Of::Agent(11), Of::Device(20)] {
                    for state in [
                        InState::Any,
                        InState::Live,
                        InState::One(State::Queued),
                        InState::One(State::Failed),
                        InState::One(State::Succeeded),
                    ] {
                        found.push((of, state, page(db, of, &Filter { state, ..everything() })?));
                    }
                }
                assert_eq!(operations::live_of_agent(db, 10)?, 2);
                assert_eq!(operations::live_of_user(db, 1)?, 3);
                assert_eq!(operations::queue(db, 10, NOW, 9)?.len(), 2);
                assert_eq!(operations::first_due(db)?, Some(NOW + 300_000));
                Ok(found)
            })
            .await
            .unwrap()
    };
    for (of, state, found) in found {
        let mut wanted: Vec<_> = all
            .iter()
            .filter(|one| match of {
                Of::All => true,
                Of::Owner(owner) => one.owner == owner,
                Of::Agent(agent) => one.agent == Some(agent),
                Of::Device(device) => one.device == Some(device),
            })
            .filter(|one| match state {
                InState::Any => true,
                InState::Live => one.is_live(),
                InState::One(state) => one.state == state,
            })
            .cloned()
            .collect();
        wanted.reverse();
        assert_eq!(found, wanted, "{of:?} {state:?}");
    }
}

#[tokio::test]
async fn many_are_added_as_each_alone() {
    let (_directory, store) = fresh().await;
    let ids = OperationIds::default();
    for count in [1, 15, 16, 17, 40] {
        let one = |n: i64| Operation {
            reason: (n % 2 == 0).then_some("no_answer".into()),
            said: (n % 3 == 0).then(|| format!("said {n}")),
            result: (n % 5 == 0).then(|| format!("{{\"n\":{n}}}")),
            parent: (n % 7 == 0).then(|| ids.next(NOW)),
            direct: n % 2 == 1,
            version: n,
            ..operation(&ids, n, 2, (n % 4 == 0).then_some(n))
        };
        let all: Vec<_> = (0..count).map(one).collect();
        let wanted = all.clone();
        let found = store.write(move |db| {
            operation_rows::insert_all(db, &all)?;
            operations::of_ids(db, &all.iter().map(|one| one.id).collect::<Vec<_>>())
        });
        assert_eq!(found.await.unwrap(), wanted, "{count}");
    }
}

#[tokio::test]
async fn a_request_is_kept_for_its_time() {
    let (_directory, store) = fresh().await;
    let id = OperationIds::default().next(NOW);
    let request = Request {
        user: 1,
        method: "POST".into(),
        path: "/api/operations".into(),
        key: "k".into(),
        body: [7; 32],
    };
    store
        .write(move |db| {
            assert_eq!(idempotency_keys::find(db, &request, 0)?, None);
            idempotency_keys::put(db, &request, id, NOW)?;
            assert_eq!(idempotency_keys::find(db, &request, NOW)?, Some(([7; 32], id)));
            assert_eq!(idempotency_keys::find(db, &request, NOW + 1)?, None);
            assert_eq!(idempotency_keys::find(db, &Request { user: 2, ..request.clone() }, 0)?, None);
            assert_eq!(idempotency_keys::delete_before(db, NOW)?, 0);
            assert_eq!(idempotency_keys::delete_before(db, NOW + 1)?, 1);
            Ok(())
        })
        .await
        .unwrap();
}
