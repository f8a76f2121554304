//! The writer's promises: one transaction a batch, each job on its own, nobody answered before the commit.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;

use futures_util::future::join_all;

use super::raw;
use super::*;
use crate::error::{Error, Kind};

async fn with_table() -> (TempDir, Store) {
    let (directory, store) = fresh().await;
    let made = store.write(|db| {
        db.batch(
            "CREATE TABLE parent (id INTEGER PRIMARY KEY);
             CREATE TABLE t (x INTEGER UNIQUE, parent INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)",
        )
        .map_err(Into::into)
    });
    made.await.unwrap();
    (directory, store)
}

fn put(db: &Conn, x: i64) -> Result<u64> {
    db.execute("INSERT INTO t (x) VALUES (?1)", [x])
}

async fn stored(store: &Store) -> BTreeSet<i64> {
    let rows = store.read(|db| db.query("SELECT x FROM t", (), |row| row.int(0))).await.unwrap();
    rows.into_iter().collect()
}

#[tokio::test]
async fn what_is_queued_becomes_one_transaction() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let before = store.stats();
    let mut jobs: Vec<_> = (0..100).map(|x| Box::pin(store.write(move |db| put(db, x)))).collect();
    jobs.iter_mut().for_each(|job| queue(job.as_mut()));
    held.release().await;
    for done in join_all(jobs).await {
        assert_eq!(done.unwrap(), 1);
    }
    let after = store.stats();
    assert_eq!((after.batches - before.batches, after.jobs - before.jobs), (1, 100));
    assert_eq!(stored(&store).await, (0..100).collect());
    store.close().await;
}

#[tokio::test]
async fn a_batch_has_an_end() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let before = store.stats();
    let mut jobs: Vec<_> = (0..600).map(|x| Box::pin(store.write(move |db| put(db, x)))).collect();
    jobs.iter_mut().for_each(|job| queue(job.as_mut()));
    held.release().await;
    join_all(jobs).await.into_iter().for_each(|done| assert_eq!(done.unwrap(), 1));
    let after = store.stats();
    assert_eq!((after.batches - before.batches, after.jobs - before.jobs), (3, 600));
    store.close().await;
}

#[tokio::test]
async fn callers_beyond_a_full_queue_wait_for_a_place() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let count = QUEUE as i64 + 100;
    let mut jobs: Vec<_> = (0..count).map(|x| Box::pin(store.write(move |db| put(db, x)))).collect();
    jobs.iter_mut().for_each(|job| queue(job.as_mut()));
    held.release().await;
    join_all(jobs).await.into_iter().for_each(|done| assert_eq!(done.unwrap(), 1));
    assert_eq!(stored(&store).await, (0..count).collect());
    store.close().await;
}

#[tokio::test]
async fn a_bad_job_undoes_its_own_work_and_no_other() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let mut first = Box::pin(store.write(|db| put(db, 1)));
    let mut refused = Box::pin(store.write(|db| {
        put(db, 2)?;
        Err::<(), _>(Error::new(Kind::Conflict, "refused", "refused"))
    }));
    let mut duplicate = Box::pin(store.write(|db| {
        put(db, 3)?;
        put(db, 1)
    }));
    let mut panicking = Box::pin(store.write(|db| {
        put(db, 4)?;
        db.query("SELECT x FROM t", (), |_| -> Result<()> { panic!("in the middle of a query") })
    }));
    let mut last = Box::pin(store.write(|db| put(db, 5)));
    queue(first.as_mut());
    queue(refused.as_mut());
    queue(duplicate.as_mut());
    queue(panicking.as_mut());
    queue(last.as_mut());
    let before = store.stats().batches;
    held.release().await;
    assert!(first.await.is_ok());
    assert_eq!(refused.await.unwrap_err().code(), "refused");
    assert_eq!(duplicate.await.unwrap_err().kind(), Kind::Internal);
    assert_eq!(panicking.await.unwrap_err().kind(), Kind::Internal);
    assert!(last.await.is_ok());
    assert_eq!(store.stats().batches - before, 1);
    assert_eq!(stored(&store).await, [1, 5].into());
    store.close().await;
}

#[tokio::test]
async fn a_job_that_fails_before_it_changes_anything_harms_no_other() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let mut first = Box::pin(store.write_last(|db| put(db, 1)));
    let mut refused =
        Box::pin(store.write_last(|_| Err::<(), _>(Error::new(Kind::Conflict, "refused", "refused"))));
    let mut duplicate = Box::pin(store.write_last(|db| put(db, 1)));
    let mut panicking = Box::pin(store.write_last(|_| -> Result<()> { panic!("before a change") }));
    let mut last = Box::pin(store.write(|db| put(db, 5)));
    queue(first.as_mut());
    queue(refused.as_mut());
    queue(duplicate.as_mut());
    queue(panicking.as_mut());
    queue(last.as_mut());
    held.release().await;
    assert!(first.await.is_ok());
    assert_eq!(refused.await.unwrap_err().code(), "refused");
    assert_eq!(duplicate.await.unwrap_err().kind(), Kind::Internal);
    assert_eq!(panicking.await.unwrap_err().kind(), Kind::Internal);
    assert!(last.await.is_ok());
    assert_eq!(stored(&store).await, [1, 5].into());
    store.close().await;
}

#[tokio::test]
async fn half_of_a_job_is_never_stored_though_it_said_that_it_changes_last() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let mut good = Box::pin(store.write(|db| put(db, 1)));
    let mut half = Box::pin(store.write_last(|db| {
        put(db, 2)?;
        put(db, 2)
    }));
    queue(good.as_mut());
    queue(half.as_mut());
    held.release().await;
    assert_eq!(good.await.unwrap_err().kind(), Kind::Internal);
    assert_eq!(half.await.unwrap_err().kind(), Kind::Internal);
    assert!(store.write(|db| put(db, 3)).await.is_ok());
    assert_eq!(stored(&store).await, [3].into());
    store.close().await;
}

#[tokio::test]
async fn a_lone_bad_job_undoes_its_work() {
    let (_directory, store) = with_table().await;
    let refused = store.write(|db| {
        put(db, 1)?;
        Err::<(), _>(Error::new(Kind::Conflict, "refused", "refused"))
    });
    assert_eq!(refused.await.unwrap_err().code(), "refused");
    let panicking = store.write(|db| {
        put(db, 2)?;
        panic!("alone");
        #[allow(unreachable_code)]
        Ok(())
    });
    assert_eq!(panicking.await.unwrap_err().kind(), Kind::Internal);
    assert!(store.write(|db| put(db, 3)).await.is_ok());
    assert_eq!(stored(&store).await, [3].into());
    store.close().await;
}

#[tokio::test]
async fn a_failed_commit_fails_its_whole_batch_and_no_later_one() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let mut good = Box::pin(store.write(|db| put(db, 1)));
    // Nothing is wrong until the commit looks for the parent.
    let mut orphan = Box::pin(store.write(|db| db.execute("INSERT INTO t (x, parent) VALUES (2, 99)", ())));
    let mut refused =
        Box::pin(store.write(|_| Err::<(), _>(Error::new(Kind::Conflict, "refused", "refused"))));
    queue(good.as_mut());
    queue(orphan.as_mut());
    queue(refused.as_mut());
    held.release().await;
    assert_eq!(good.await.unwrap_err().code(), "reference_conflict");
    assert_eq!(orphan.await.unwrap_err().code(), "reference_conflict");
    assert_eq!(refused.await.unwrap_err().code(), "refused", "a job's own error says more");
    assert!(store.write(|db| put(db, 3)).await.is_ok());
    // Alone it is no different.
    let orphan = store.write(|db| db.execute("INSERT INTO t (x, parent) VALUES (4, 99)", ()));
    assert_eq!(orphan.await.unwrap_err().code(), "reference_conflict");
    assert_eq!(stored(&store).await, [3].into());
    store.close().await;
}

#[tokio::test]
async fn a_transaction_that_sqlite_gives_up_fails_its_whole_batch() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let mut before = Box::pin(store.write(|db| put(db, 1)));
    // What a full disk does, too: the whole transaction is rolled back beneath the job.
    let mut fatal = Box::pin(store.write(|db| db.execute("INSERT OR ROLLBACK INTO t (x) VALUES (1)", ())));
    let mut after = Box::pin(store.write(|db| put(db, 2)));
    queue(before.as_mut());
    queue(fatal.as_mut());
    queue(after.as_mut());
    held.release().await;
    assert!(before.await.is_err());
    assert!(fatal.await.is_err());
    assert!(after.await.is_err());
    assert!(stored(&store).await.is_empty());
    assert!(store.write(|db| put(db, 3)).await.is_ok());
    assert_eq!(stored(&store).await, [3].into());
    store.close().await;
}

#[tokio::test]
async fn a_full_database_says_so_and_recovers() {
    let (_directory, store) = with_table().await;
    let limit = |sql: &'static str| store.write(move |db| db.batch(sql).map_err(Into::into));
    limit("PRAGMA max_page_count = 1").await.unwrap();
    let held = hold_writer(&store).await;
    let big = |x: i64| {
        store.write(move |db| {
            db.execute("CREATE TABLE IF NOT EXISTS big (x)", ())?;
            db.execute("INSERT INTO big VALUES (zeroblob(100000 + ?1))", [x])
        })
    };
    let mut first = Box::pin(big(1));
    let mut second = Box::pin(big(2));
    queue(first.as_mut());
    queue(second.as_mut());
    held.release().await;
    for full in [first.await, second.await] {
        let full = full.unwrap_err();
        assert_eq!((full.kind(), full.code()), (Kind::Unavailable, "storage_full"));
        assert!(full.log_detail().unwrap().contains("db.sqlite"), "{full}");
    }
    limit("PRAGMA max_page_count = 100000").await.unwrap();
    assert!(big(3).await.is_ok());
    store.close().await;
}

#[tokio::test]
async fn callers_are_answered_after_the_commit() {
    let (directory, store) = with_table().await;
    let path = database_path(directory.path());
    for round in 0..50 {
        let held = hold_writer(&store).await;
        let mut jobs: Vec<_> = (0..4)
            .map(|i| {
                let x = round * 4 + i;
                let path = path.clone();
                let answer = store.write(move |db| put(db, x));
                Box::pin(async move {
                    answer.await.unwrap();
                    // On another connection, in the moment of the answer.
                    let found =
                        raw::one(&raw::read_only(&path), &format!("SELECT count(*) FROM t WHERE x = {x}"));
                    assert_eq!(found, "1");
                })
            })
            .collect();
        jobs.iter_mut().for_each(|job| queue(job.as_mut()));
        held.release().await;
        join_all(jobs).await;
    }
    store.close().await;
}

#[tokio::test]
async fn a_job_runs_even_if_its_caller_went_away() {
    let (_directory, store) = with_table().await;
    let held = hold_writer(&store).await;
    let mut abandoned = Box::pin(store.write(|db| put(db, 1)));
    queue(abandoned.as_mut());
    drop(abandoned);
    held.release().await;
    store.write(|db| put(db, 2)).await.unwrap();
    assert_eq!(stored(&store).await, [1, 2].into());
    store.close().await;
}

#[tokio::test]
async fn a_read_sees_every_answered_write() {
    let (_directory, store) = with_table().await;
    for x in 0..200 {
        store.write(move |db| put(db, x)).await.unwrap();
        let found = store.read(move |db| db.query_int("SELECT count(*) FROM t WHERE x = ?1", [x])).await;
        assert_eq!(found.unwrap(), 1);
    }
    store.close().await;
}

#[tokio::test]
async fn a_read_sees_one_state_of_the_database() {
    let (_directory, store) = with_table().await;
    let (seen, first_seen) = oneshot::channel();
    let (go_on, written) = blocking::channel::<()>();
    let reading = tokio::spawn({
        let store = store.clone();
        async move {
            store
                .read(move |db| {
                    let before = db.query_int("SELECT count(*) FROM t", ())?;
                    seen.send(()).unwrap();
                    written.recv().unwrap();
                    Ok((before, db.query_int("SELECT count(*) FROM t", ())?))
                })
                .await
        }
    });
    first_seen.await.unwrap();
    store.write(|db| put(db, 1)).await.unwrap();
    go_on.send(()).unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), (0, 0));
    assert_eq!(stored(&store).await.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_panicking_or_failing_read_harms_no_other() {
    let (_directory, store) = with_table().await;
    for _ in 0..10 {
        let panicked =
            store.read(|db| db.query("SELECT 1", (), |_| -> Result<()> { panic!("reading") })).await;
        assert_eq!(panicked.unwrap_err().kind(), Kind::Internal);
        let refused = store.read(|_| Err::<(), _>(Error::not_found("nothing"))).await;
        assert_eq!(refused.unwrap_err().message(), "nothing");
    }
    assert!(stored(&store).await.is_empty());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_share_commits() {
    let (_directory, store) = with_table().await;
    let next = Arc::new(AtomicUsize::new(0));
    let before = store.stats();
    let callers = (0..32).map(|_| {
        let (store, next) = (store.clone(), next.clone());
        tokio::spawn(async move {
            for _ in 0..20 {
                let x = next.fetch_add(1, Ordering::Relaxed) as i64;
                store.write(move |db| put(db, x)).await.unwrap();
            }
        })
    });
    join_all(callers).await.into_iter().for_each(|done| done.unwrap());
    let after = store.stats();
    assert_eq!(after.jobs - before.jobs, 640);
    assert!(after.batches - before.batches <= 320, "{after:?}: at least two share a commit on average");
    assert_eq!(stored(&store).await.len(), 640);
    store.close().await;
}

#[tokio::test]
async fn a_statement_may_be_used_inside_itself() {
    let (_directory, store) = with_table().await;
    let found = store.read(move |db| {
        const SQL: &str = "SELECT ?1 UNION ALL SELECT ?1 + 1";
        let found = db.query(SQL, [10], |outer| {
            let outer = outer.int(0)?;
            db.query(SQL, [outer * 10], |inner| Ok((outer, inner.int(0)?)))
        })?;
        assert!(db.query(SQL, (), |row| row.int(0)).is_err(), "a missing parameter is not the former one");
        Ok(found)
    });
    let expected = [[(10, 100), (10, 101)], [(11, 110), (11, 111)]];
    assert_eq!(found.await.unwrap(), expected);
    store.close().await;
}

#[tokio::test]
async fn long_reads_do_not_hold_up_short_ones() {
    let (_directory, store) = fresh().await;
    // As many as would take every reader, of as many users.
    let (mut go, mut blocked) = (Vec::new(), Vec::new());
    for user in 1..=16 {
        let (sender, gone) = std::sync::mpsc::channel::<()>();
        let long = store.clone();
        go.push(sender);
        blocked.push(tokio::spawn(async move {
            let read = long.read_long(user, move |_| {
                let _ = gone.recv();
                Ok(())
            });
            read.await
        }));
    }
    let others: Vec<_> = (0..100)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move { store.read_long(n % 3, users::count).await })
        })
        .collect();
    let short = async {
        for _ in 0..100 {
            store.read(users::count).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), short).await.expect("a reader is left for short reads");
    assert!(blocked.iter().all(|blocked| !blocked.is_finished()));
    drop(go);
    for blocked in blocked {
        blocked.await.unwrap().unwrap();
    }
    for other in others {
        other.await.unwrap().unwrap();
    }
}
