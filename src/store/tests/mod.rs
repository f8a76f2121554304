//! The database through its own door, and the odd databases it must take over.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod adoption;
mod batches;
mod interruption;
mod memo;
mod opening;
mod operations;
mod raw;
mod rows;
mod sealing;
mod tables;

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc as blocking;
use std::task::{Context, Waker};

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::migrate::NEWEST;
use super::*;

/// A new database in a directory of its own.
async fn fresh() -> (TempDir, Store) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), Given::default()).await.unwrap();
    (directory, store)
}

/// A writer that is busy until it is released; what is queued meanwhile becomes one batch.
struct Held {
    release: blocking::Sender<()>,
    job: tokio::task::JoinHandle<Result<()>>,
}

async fn hold_writer(store: &Store) -> Held {
    let (release, released) = blocking::channel();
    let (started, running) = oneshot::channel();
    let store = store.clone();
    let job = tokio::spawn(async move {
        store
            .write(move |_| {
                let _ = started.send(());
                released.recv().unwrap();
                Ok(())
            })
            .await
    });
    running.await.unwrap();
    Held { release, job }
}

impl Held {
    async fn release(self) {
        self.release.send(()).unwrap();
        self.job.await.unwrap().unwrap();
    }
}

/// Puts the job of a read or write into its queue.
fn queue<T>(job: Pin<&mut impl Future<Output = T>>) {
    assert!(job.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}
