//! Connecting to whichever address of a name answers first, as RFC 8305 has it ("Happy Eyeballs"): the addresses of both
//! families take turns, each gets a short head start, and a dead one holds up nobody.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

/// The head start of an address before the next one is tried, too.
const HEAD_START: Duration = Duration::from_millis(250);
/// How many addresses of a name are tried.
const ADDRESSES: usize = 20;

/// Connects to the addresses, given in the order of preference, and gives the first connection. Attempts that come
/// second are given up.
///
/// # Errors
/// None of them could be connected to: what was wrong with each.
pub(super) async fn race<T, E, F>(
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<(SocketAddr, T), Vec<(SocketAddr, E)>>
where
    T: Send + 'static,
    E: Send + 'static,
    F: Future<Output = Result<T, E>> + Send + 'static,
{
    let mut waiting = by_turns(addresses);
    let mut running = JoinSet::new();
    let mut failed = Vec::new();
    loop {
        if let Some(address) = waiting.pop_front() {
            let attempt = connect(address);
            running.spawn(async move { (address, attempt.await) });
        }
        tokio::select! {
            ended = running.join_next() => match ended {
                Some(Ok((address, Ok(connection)))) => return Ok((address, connection)),
                Some(Ok((address, Err(e)))) => failed.push((address, e)),
                Some(Err(_)) => {}
                None if waiting.is_empty() => return Err(failed),
                None => {}
            },
            () = sleep(HEAD_START), if !waiting.is_empty() => {}
        }
    }
}

/// The addresses with the families taking turns, the most preferred one's first.
fn by_turns(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut turns = VecDeque::new();
    while turns.len() < ADDRESSES {
        let before = turns.len();
        turns.extend(preferred.next());
        turns.extend(others.next());
        if turns.len() == before {
            break;
        }
    }
    turns
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tokio::time::Instant;

    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let turns = by_turns(addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "10.0.0.1:1", "10.0.0.2:1"]));
        assert_eq!(turns, addresses(&["[::1]:1", "10.0.0.1:1", "[::2]:1", "10.0.0.2:1", "[::3]:1"]));
        assert!(by_turns(Vec::new()).is_empty());
        let many = (1..1000).map(|port| SocketAddr::from(([10, 0, 0, 1], port))).collect();
        assert_eq!(by_turns(many).len(), ADDRESSES);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_costs_its_head_start_and_a_refusal_nothing() {
        let began = Instant::now();
        let tried = Arc::new(Mutex::new(Vec::new()));
        let connect = |address: SocketAddr| {
            let tried = tried.clone();
            async move {
                tried.lock().push((address.port(), began.elapsed().as_millis()));
                match address.port() {
                    1 => std::future::pending().await,
                    2 => Err("refused"),
                    port => Ok(port),
                }
            }
        };
        let ends = addresses(&["10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "10.0.0.1:4"]);
        let (address, connection) = race(ends, connect).await.unwrap();
        assert_eq!((address.port(), connection), (3, 3));
        let tried = tried.lock().clone();
        assert_eq!(tried.iter().map(|(port, _)| *port).collect::<Vec<_>>(), [1, 2, 3]);
        assert!((250..260).contains(&tried[1].1) && tried[2].1 - tried[1].1 < 10, "{tried:?}");
    }

    #[tokio::test]
    async fn when_none_answers_each_says_why() {
        let refuse = |address: SocketAddr| async move { Err::<(), _>(address.port()) };
        let failed = race(addresses(&["10.0.0.1:7", "[::1]:8"]), refuse).await.unwrap_err();
        assert_eq!(failed.iter().map(|(_, why)| *why).collect::<Vec<_>>(), [7, 8]);
        assert!(race(Vec::new(), refuse).await.unwrap_err().is_empty());
    }
}
