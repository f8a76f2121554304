//! What is kept of the database, and that it is never older than what was acknowledged.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// Counts users, and how often it was asked to.
fn counting(asked: &Arc<AtomicUsize>) -> impl FnOnce(&Conn) -> Result<Vec<u8>> + Send + 'static {
    let asked = asked.clone();
    move |db| {
        asked.fetch_add(1, Ordering::SeqCst);
        Ok(users::count(db)?.to_string().into_bytes())
    }
}

fn add_user(db: &Conn) -> Result<()> {
    let sql = "INSERT INTO users (username, password_hash, role) \
               VALUES ('u' || (SELECT count(*) FROM users), '', 'user')";
    db.execute(sql, ()).map(drop)
}

async fn users_in(memo: &Memo<u8, Vec<u8>>, key: u8, asked: &Arc<AtomicUsize>) -> usize {
    let text = memo.get(1, key, counting(asked)).await.unwrap();
    String::from_utf8(text.to_vec()).unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_answer_is_read_once_and_anew_after_a_write() {
    let (_directory, store) = fresh().await;
    let (memo, asked) = (Memo::new(store.clone()), Arc::default());
    for expected in 0..3 {
        for _ in 0..3 {
            assert_eq!(users_in(&memo, 0, &asked).await, expected);
        }
        assert_eq!(asked.load(Ordering::SeqCst), expected + 1);
        store.write(add_user).await.unwrap();
    }
    users_in(&memo, 1, &asked).await;
    users_in(&memo, 1, &asked).await;
    assert_eq!(asked.load(Ordering::SeqCst), 4, "another key has its own answer");
    store.close().await;
    assert!(memo.get(1, 9, counting(&asked)).await.is_err(), "a closed database answers nothing new");
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let (_directory, store) = fresh().await;
    let (memo, asked) = (Memo::new(store.clone()), Arc::default());
    for key in 0..17 {
        users_in(&memo, key, &asked).await;
    }
    users_in(&memo, 16, &asked).await;
    assert_eq!(asked.load(Ordering::SeqCst), 17, "the newest is kept");
    users_in(&memo, 0, &asked).await;
    assert_eq!(asked.load(Ordering::SeqCst), 18, "the oldest made room");
    for _ in 0..2 {
        let large = memo.get(1, 99, |_| Ok(vec![0; 256 * 1024 + 1])).await.unwrap();
        assert_eq!(large.len(), 256 * 1024 + 1);
        users_in(&memo, 99, &asked).await;
        store.write(|_| Ok(())).await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 20, "what is too large is not kept");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_gets_an_older_answer_than_was_acknowledged() {
    let (_directory, store) = fresh().await;
    let memo = Arc::new(Memo::new(store.clone()));
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (memo, acknowledged) = (memo.clone(), acknowledged.clone());
            tokio::spawn(async move {
                let asked = Arc::default();
                while acknowledged.load(Ordering::SeqCst) < 200 {
                    let at_least = acknowledged.load(Ordering::SeqCst);
                    let found = users_in(&memo, 0, &asked).await;
                    assert!(found >= at_least, "{found} users, but {at_least} were acknowledged");
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for _ in 0..200 {
        store.write(add_user).await.unwrap();
        acknowledged.fetch_add(1, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
    store.close().await;
}

#[tokio::test]
async fn what_was_asked_lately_is_read_anew_after_a_write() {
    let (_directory, store) = fresh().await;
    let (recent, asked): (Recent<u8, Vec<u8>>, Arc<AtomicUsize>) = Default::default();
    let users = async |key, keep: bool| {
        let found = recent.get(&store, key, counting(&asked), |_| keep).await.unwrap();
        String::from_utf8(found.to_vec()).unwrap().parse::<usize>().unwrap()
    };
    for expected in 0..3 {
        for _ in 0..3 {
            assert_eq!(users(Some(0), true).await, expected);
        }
        assert_eq!(asked.load(Ordering::SeqCst), expected + 1);
        store.write(add_user).await.unwrap();
    }
    for (key, keep) in [(Some(1), false), (None, true)] {
        let before = asked.load(Ordering::SeqCst);
        users(key, keep).await;
        users(key, keep).await;
        assert_eq!(asked.load(Ordering::SeqCst), before + 2, "{key:?} is not kept");
    }
}
