//! How many failures are too many, for how long, and that nobody else is slowed down.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;

fn throttle() -> (Throttle, Clock) {
    let clock = Clock::default();
    (Throttle::new(clock.clone()), clock)
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

async fn fail(throttle: &Throttle, account: &str, from: Option<IpAddr>, times: usize) {
    for _ in 0..times {
        throttle.attempt(account, from).await.unwrap().failed();
    }
}

async fn refused(throttle: &Throttle, account: &str, from: Option<IpAddr>) -> Option<Duration> {
    match throttle.attempt(account, from).await {
        Ok(_) => None,
        Err(e) => {
            assert_eq!(e.kind(), Kind::TooMany);
            e.retry_delay()
        }
    }
}

#[tokio::test]
async fn ten_failures_for_an_account_from_an_address_until_the_window_has_passed() {
    let (throttle, clock) = throttle();
    let here = address("192.0.2.1");
    fail(&throttle, "admin", here, 1).await;
    clock.advance(Duration::from_secs(60));
    fail(&throttle, "admin", here, 9).await;
    let wait = refused(&throttle, "admin", here).await.unwrap();
    assert!(wait <= Duration::from_secs(240) && wait > Duration::from_secs(235), "{wait:?}");
    assert_eq!(refused(&throttle, "bob", here).await, None, "another account");
    assert_eq!(refused(&throttle, "admin", address("192.0.2.2")).await, None, "another address");
    clock.advance(wait);
    fail(&throttle, "admin", here, 1).await;
    assert!(refused(&throttle, "admin", here).await.is_some(), "nine of the ten still count");
    clock.advance(WINDOW);
    assert_eq!(refused(&throttle, "admin", here).await, None);
}

#[tokio::test]
async fn fifty_failures_from_an_address_whatever_the_accounts() {
    let (throttle, clock) = throttle();
    let here = address("192.0.2.1");
    for i in 0..PER_ADDRESS {
        fail(&throttle, &format!("user{i}"), here, 1).await;
    }
    assert!(refused(&throttle, "someone", here).await.is_some());
    assert_eq!(refused(&throttle, "someone", address("192.0.2.2")).await, None);
    clock.advance(WINDOW);
    assert_eq!(refused(&throttle, "someone", here).await, None);
}

#[tokio::test]
async fn a_success_clears_the_account_but_not_the_address() {
    let (throttle, _clock) = throttle();
    let here = address("192.0.2.1");
    for _ in 0..5 {
        fail(&throttle, "admin", here, 9).await;
        throttle.attempt("admin", here).await.unwrap().succeeded();
    }
    fail(&throttle, "admin", here, 5).await;
    assert!(refused(&throttle, "admin", here).await.is_some(), "fifty failures from this address");
}

#[tokio::test]
async fn successes_never_count() {
    let (throttle, _clock) = throttle();
    for _ in 0..200 {
        throttle.attempt("admin", address("192.0.2.1")).await.unwrap().succeeded();
    }
    assert!(throttle.shared.windows.lock().is_empty(), "and leave nothing behind");
}

#[tokio::test]
async fn guesses_sent_at_once_count_like_those_sent_one_by_one() {
    let (throttle, _clock) = throttle();
    let throttle = Arc::new(throttle);
    let guesses: Vec<_> = (0..1000)
        .map(|_| {
            let throttle = throttle.clone();
            tokio::spawn(async move {
                let Ok(attempt) = throttle.attempt("admin", address("192.0.2.1")).await else {
                    return 0;
                };
                tokio::task::yield_now().await;
                attempt.failed();
                1
            })
        })
        .collect();
    let mut looked_at = 0;
    for guess in guesses {
        looked_at += guess.await.unwrap();
    }
    assert_eq!(looked_at, PER_ACCOUNT);
}

#[tokio::test]
async fn many_good_logins_at_once_all_come_through() {
    let (throttle, _clock) = throttle();
    let throttle = Arc::new(throttle);
    let logins: Vec<_> = (0..200)
        .map(|_| {
            let throttle = throttle.clone();
            tokio::spawn(async move {
                let attempt = throttle.attempt("admin", address("192.0.2.1")).await?;
                tokio::task::yield_now().await;
                attempt.succeeded();
                Ok::<_, Error>(())
            })
        })
        .collect();
    for login in logins {
        login.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn an_abandoned_attempt_is_given_back() {
    let (throttle, _clock) = throttle();
    for _ in 0..100 {
        drop(throttle.attempt("admin", address("192.0.2.1")).await.unwrap());
    }
    assert!(throttle.shared.windows.lock().is_empty());
}

#[tokio::test]
async fn ipv6_counts_by_64_and_mapped_ipv4_as_ipv4() {
    let (throttle, _clock) = throttle();
    for i in 0..10 {
        fail(&throttle, "admin", address(&format!("2001:db8:0:1::{i}")), 1).await;
        fail(&throttle, "bob", address("::ffff:192.0.2.1"), 1).await;
    }
    assert!(refused(&throttle, "admin", address("2001:db8:0:1:ffff::1")).await.is_some());
    assert_eq!(refused(&throttle, "admin", address("2001:db8:0:2::1")).await, None);
    assert!(refused(&throttle, "bob", address("192.0.2.1")).await.is_some());
}

#[tokio::test]
async fn a_clock_that_is_set_neither_locks_out_nor_lets_in() {
    let (throttle, clock) = throttle();
    let here = address("192.0.2.1");
    fail(&throttle, "admin", here, 10).await;
    for by in [-100, 200] {
        clock.set_by(by * millis(WINDOW));
        assert!(refused(&throttle, "admin", here).await.is_some_and(|wait| wait <= WINDOW));
    }
    clock.advance(WINDOW);
    assert_eq!(refused(&throttle, "admin", here).await, None);
}

#[tokio::test]
async fn the_number_of_keys_is_bounded_and_the_oldest_go() {
    let (throttle, clock) = throttle();
    for i in 0..2 * MAX_KEYS as u32 {
        if i % 1000 == 0 {
            clock.advance(Duration::from_millis(10));
        }
        fail(&throttle, "admin", Some(IpAddr::from(i.to_be_bytes())), 1).await;
    }
    let windows = throttle.shared.windows.lock();
    assert!(windows.len() <= MAX_KEYS, "{}", windows.len());
    let newest = IpAddr::from((2 * MAX_KEYS as u32 - 1).to_be_bytes());
    assert!(windows.contains_key(&Key::Address(Some(newest))));
    assert!(!windows.contains_key(&Key::Address(Some(IpAddr::from(0_u32.to_be_bytes())))));
}

#[tokio::test]
async fn many_addresses_wipe_out_no_count() {
    let (throttle, _clock) = throttle();
    let guesser = Some(IpAddr::from([192, 0, 2, 1]));
    fail(&throttle, "admin", guesser, PER_ACCOUNT).await;
    for _ in 0..PER_ACCOUNT {
        throttle.attempt_code(7).await.unwrap().failed();
    }
    for i in 0..2 * MAX_KEYS as u32 {
        fail(&throttle, "admin", Some(IpAddr::from((0x0a00_0000 + i).to_be_bytes())), 1).await;
    }
    assert!(throttle.shared.windows.lock().len() <= MAX_KEYS);
    assert!(refused(&throttle, "admin", guesser).await.is_some());
    assert!(throttle.attempt_code(7).await.is_err());
}
