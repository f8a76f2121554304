//! Who reads much takes turns: of one user's long reads one runs at a time, the others wait in their order, so that the
//! reader of long ones goes round among the users.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::OwnedMutexGuard;

type TurnLock = Arc<tokio::sync::Mutex<()>>;

/// The lines of those who read.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<i64, TurnLock>>);

/// One's turn, until this is dropped.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    user: i64,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for one's turn.
    pub(super) async fn of(&self, user: i64) -> Turn<'_> {
        let line = self.0.lock().entry(user).or_default().clone();
        // Made before waiting, so that whoever gives up leaves no line behind either.
        let mut turn = Turn { turns: self, user, guard: None };
        turn.guard = Some(line.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut lines = self.turns.0.lock();
        if lines.get(&self.user).is_some_and(|line| Arc::strong_count(line) == 1) {
            lines.remove(&self.user);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    async fn waits<F: Future>(mut future: Pin<&mut F>) -> bool {
        poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn one_user_waits_for_oneself_alone_and_leaves_nothing_behind() {
        let turns = Turns::default();
        let first = turns.of(1).await;
        let other = turns.of(2).await;
        let mut second = Box::pin(turns.of(1));
        assert!(waits(second.as_mut()).await);
        drop(first);
        let second = second.await;
        // One who gives up waiting.
        let mut third = Box::pin(turns.of(1));
        assert!(waits(third.as_mut()).await);
        drop(third);
        drop((second, other));
        assert!(turns.0.lock().is_empty());
    }
}
