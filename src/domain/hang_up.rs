//! Whether whoever asked has hung up, while what they asked for goes on without them.
//!
//! A handler that writes runs to its end whoever goes. What is of no use to anybody then, such as waiting for a command that
//! can be ended, asks here. It costs nothing: the task that takes such a handler over polls it, and is known by a mark.

use std::future::poll_fn;
use std::task::Poll;

tokio::task_local! {
    static HUNG_UP: ();
}

/// Does the rest of what somebody asked for who has hung up.
pub(crate) async fn without_caller<T>(rest: impl Future<Output = T>) -> T {
    HUNG_UP.scope((), rest).await
}

/// Waits until whoever asked has hung up.
pub(super) async fn hung_up() {
    let gone = || HUNG_UP.try_with(|()| ()).is_ok();
    // Whoever takes over polls what it took over: nothing need wake it.
    poll_fn(|_| if gone() { Poll::Ready(()) } else { Poll::Pending }).await;
}
