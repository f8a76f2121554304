//! Password hashing and verification, away from everything else.
//!
//! Two threads of the lowest priority do the work, so that a flood of logins never takes the processor from requests
//! and agents. A bounded queue stands before them: who comes when it is full is asked to come again, and whoever hung
//! up meanwhile is skipped. The threads' working memory is given back as soon as nothing is waiting.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::oneshot;

use super::hasher::Hasher;
use super::password_rule::weakness;
use crate::error::{Error, FieldError, Kind, Result};

/// Threads that hash.
const THREADS: usize = 2;
/// Hashes that may wait at once; about a second and a half of work.
const QUEUE: usize = 64;
/// Longest password, in bytes.
pub const MAX_PASSWORD: usize = 1024;

/// What a verification found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verification {
    /// Whether the password is the right one.
    pub ok: bool,
    /// Whether the stored hash is weaker than what [`Passwords::hash`] makes now; only ever true with `ok`.
    pub needs_rehash: bool,
}

/// The password hashing threads. They end when this is dropped.
pub struct Passwords {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    closed: bool,
}

enum Job {
    /// The password, and whose it is to be if it is a new one.
    Hash(SecretString, Option<String>, oneshot::Sender<Result<String>>),
    Verify(Option<String>, SecretString, oneshot::Sender<Result<Verification>>),
}

impl Passwords {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn new() -> std::io::Result<Self> {
        // Made first: threads already started end when a later one cannot be.
        let passwords = Self { queue: Arc::default() };
        for _ in 0..THREADS {
            let queue = passwords.queue.clone();
            std::thread::Builder::new().name("password".to_owned()).spawn(move || work(&queue))?;
        }
        Ok(passwords)
    }

    /// The hash to store for a password, in PHC string format.
    ///
    /// # Errors
    /// 400 for a password over 1024 bytes; 503 with `Retry-After` when too many are waiting.
    pub async fn hash(&self, password: SecretString) -> Result<String> {
        self.hash_for(None, password).await
    }

    /// The hash of a password that `username` is to have from now on, unless it would be guessed first.
    ///
    /// # Errors
    /// As [`hash`](Self::hash), and 400 for a weak password.
    pub async fn hash_new(&self, username: &str, password: SecretString) -> Result<String> {
        self.hash_for(Some(username.to_owned()), password).await
    }

    async fn hash_for(&self, username: Option<String>, password: SecretString) -> Result<String> {
        if password.expose_secret().len() > MAX_PASSWORD {
            return Err(Error::invalid(format!("The password is longer than {MAX_PASSWORD} bytes")));
        }
        let (sender, answer) = oneshot::channel();
        self.enqueue(Job::Hash(password, username, sender))?;
        answer.await.map_err(|_| Error::internal("hashing a password failed"))?
    }

    /// Verifies a password against the stored hash. `None` stands for an unknown user: the same work is done and
    /// the answer is no.
    ///
    /// # Errors
    /// 503 with `Retry-After` when too many are waiting.
    pub async fn verify(&self, hash: Option<String>, password: SecretString) -> Result<Verification> {
        // No stored password is this long.
        let (hash, password) = match password.expose_secret().len() {
            0..=MAX_PASSWORD => (hash, password),
            _ => (None, SecretString::default()),
        };
        let (sender, answer) = oneshot::channel();
        self.enqueue(Job::Verify(hash, password, sender))?;
        answer.await.map_err(|_| Error::internal("verifying a password failed"))?
    }

    fn enqueue(&self, job: Job) -> Result<()> {
        let mut state = self.queue.state.lock();
        if state.jobs.len() >= QUEUE {
            return Err(Error::new(
                Kind::Unavailable,
                "busy",
                "Too many passwords are being checked at once. Try again in a moment.",
            )
            .retry_after(Duration::from_secs(2)));
        }
        state.jobs.push_back(job);
        drop(state);
        self.queue.ready.notify_one();
        Ok(())
    }
}

impl Drop for Passwords {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.closed = true;
        state.jobs.clear();
        drop(state);
        self.queue.ready.notify_all();
    }
}

fn work(queue: &Queue) {
    // On Linux this is the calling thread's own priority. Going down is always allowed.
    if let Err(e) = rustix::process::setpriority_process(None, 19) {
        tracing::debug!("password threads run at ordinary priority: {e}");
    }
    let mut hasher = None;
    while let Some(job) = next(queue, &mut hasher) {
        // A panic would take the thread along, and with the last thread every login.
        if catch_unwind(AssertUnwindSafe(|| run(job, &mut hasher))).is_err() {
            hasher = None;
        }
    }
}

fn next(queue: &Queue, hasher: &mut Option<Hasher>) -> Option<Job> {
    let mut state = queue.state.lock();
    loop {
        if state.closed {
            return None;
        }
        if let Some(job) = state.jobs.pop_front() {
            return Some(job);
        }
        if let Some(mut idle) = hasher.take() {
            parking_lot::MutexGuard::unlocked(&mut state, || idle.release());
            continue;
        }
        queue.ready.wait(&mut state);
    }
}

fn run(job: Job, hasher: &mut Option<Hasher>) {
    let ready = match hasher {
        Some(ready) => Ok(ready),
        None => Hasher::new().map(|new| hasher.insert(new)),
    };
    // A send fails only when the caller has given up.
    match job {
        Job::Hash(password, username, answer) if !answer.is_closed() => {
            let password = password.expose_secret();
            let weak = username.and_then(|username| weakness(&username, password));
            let _ = answer.send(match weak {
                Some(why) => {
                    Err(Error::invalid_fields("Invalid payload", vec![FieldError::new("password", why)]))
                }
                None => ready.and_then(|h| h.hash(password.as_bytes())),
            });
        }
        Job::Verify(hash, password, answer) if !answer.is_closed() => {
            let password = password.expose_secret().as_bytes();
            let _ = answer.send(ready.and_then(|h| h.verify(hash.as_deref(), password)));
        }
        Job::Hash(..) | Job::Verify(..) => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_hash() {
        let passwords = Passwords::new().unwrap();
        let hash = passwords.hash(secret("a good one")).await.unwrap();
        let right = passwords.verify(Some(hash.clone()), secret("a good one")).await.unwrap();
        assert_eq!(right, Verification { ok: true, needs_rehash: false });
        let wrong = passwords.verify(Some(hash), secret("another")).await.unwrap();
        assert!(!wrong.ok);
    }

    #[tokio::test]
    async fn long_passwords_are_bounded() {
        let passwords = Passwords::new().unwrap();
        let long = "x".repeat(MAX_PASSWORD + 1);
        let refused = passwords.hash(secret(&long)).await.unwrap_err();
        assert_eq!(refused.kind(), Kind::Invalid);
        // bcrypt would cut both to the same 72 bytes.
        let stored = bcrypt::hash(&long, 4).unwrap();
        assert!(!passwords.verify(Some(stored), secret(&long)).await.unwrap().ok);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_recovers() {
        let passwords = Arc::new(Passwords::new().unwrap());
        let flood: Vec<_> = (0..4 * QUEUE)
            .map(|_| {
                let passwords = passwords.clone();
                tokio::spawn(async move { passwords.hash(secret("flood")).await })
            })
            .collect();
        let mut busy = 0;
        for attempt in flood {
            match attempt.await.unwrap() {
                Ok(_) => {}
                Err(e) => {
                    assert_eq!((e.kind(), e.code()), (Kind::Unavailable, "busy"));
                    assert!(e.retry_delay().is_some());
                    busy += 1;
                }
            }
        }
        assert!(busy > 0, "the queue is bounded");
        assert!(passwords.hash(secret("after")).await.is_ok());
    }
}
