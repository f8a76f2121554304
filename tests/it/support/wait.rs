//! Waiting for something to become true, with a deadline and never for a fixed time.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

/// How long a test waits for what should take milliseconds. Generous: the machine may be busy.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What `future` gives, which must come within [`PATIENCE`].
pub async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    within(PATIENCE, what, future).await
}

/// What `future` gives, which must come within `limit`.
pub async fn within<F: Future>(limit: Duration, what: &str, future: F) -> F::Output {
    match tokio::time::timeout(limit, future).await {
        Ok(output) => output,
        Err(_) => panic!("waited {limit:?} in vain for {what}"),
    }
}

/// Asks `probe` again and again until it gives something, which must be within [`PATIENCE`].
pub async fn until<T, F, Fut>(what: &str, mut probe: F) -> T
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Option<T>>,
{
    let mut probes = 0_u32;
    let probing = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            probes += 1;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, probing).await {
        Ok(found) => found,
        Err(_) => panic!("waited {PATIENCE:?} in vain for {what}, and looked {probes} times"),
    }
}

/// Asks `probe` until it gives `wanted`; the panic tells what it gave last.
pub async fn until_equal<T, F, Fut>(what: &str, wanted: T, mut probe: F)
where
    T: PartialEq + Debug,
    F: FnMut() -> Fut,
    Fut: Future<Output = T>,
{
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let found = probe().await;
        if found == wanted {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: still {found:?}, wanted {wanted:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
