//! The database's threads in step with a simulated time.
//!
//! While nothing happens in a simulation its time runs on to whatever comes next, and it knows nothing of threads: a job
//! would take no time, or all of it, as the system pleases. So the simulation stands still while a thread does a job, and
//! what a job takes is drawn from dice and passes in simulated time: before it, in a line where it is a write, and after
//! it, until its caller hears of it. Threads, jobs, SQL and the file are the real ones.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::sleep;

use super::{Conn, Queue, Store};
use crate::clock::Clock;
use crate::error::{Error, Kind, Result};

/// The disk of a simulation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Disk {
    /// The longest that it takes for a write.
    pub(crate) slowest: Duration,
    /// How many of a thousand writes it refuses.
    pub(crate) refuses: u32,
}

pub(super) struct InStep {
    clock: Clock,
    dice: Mutex<fastrand::Rng>,
    disk: Mutex<Disk>,
    /// Whoever writes, in order.
    line: tokio::sync::Mutex<()>,
}

impl InStep {
    /// How long something takes: most often no time at all.
    fn pause(&self) -> Duration {
        let (mut dice, disk) = (self.dice.lock(), self.disk.lock());
        if dice.u32(..4) > 0 { Duration::ZERO } else { disk.slowest.mul_f32(dice.f32()) }
    }

    fn refuses(&self) -> bool {
        self.dice.lock().u32(..1000) < self.disk.lock().refuses
    }

    async fn pass(&self) {
        let pause = self.pause();
        if !pause.is_zero() {
            sleep(pause).await;
        }
    }

    pub(super) async fn read<T, F>(&self, queue: &Queue, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        self.pass().await;
        let result = self.run(queue, job);
        self.pass().await;
        result
    }

    /// Has a thread do a job, for which the simulation stands still.
    fn run<T, F>(&self, queue: &Queue, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Conn) -> Result<T> + Send + 'static,
    {
        // The thread knows of the time only what is known already.
        self.clock.now();
        pollster::block_on(queue.run(job))
    }
}

/// As the writer does, also if its caller goes away.
pub(super) async fn write<T, F>(store: &Store, job: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce(&Conn) -> Result<T> + Send + 'static,
{
    let store = store.clone();
    let done = tokio::spawn(async move {
        let Some(in_step) = store.0.in_step.get() else {
            return Err(Error::internal("nothing to keep step with"));
        };
        let line = in_step.line.lock().await;
        in_step.pass().await;
        if in_step.refuses() {
            return Err(Error::new(Kind::Unavailable, "storage_full", "The simulated disk is full"));
        }
        let result = in_step.run(&store.0.writing, job);
        drop(line);
        in_step.pass().await;
        result
    });
    done.await.map_err(Error::internal)?
}

impl Store {
    /// Keeps step with the time of the simulation from now on.
    pub(crate) fn keep_step(&self, clock: Clock, disk: Disk, dice: fastrand::Rng) {
        let in_step = InStep {
            clock,
            dice: Mutex::new(dice),
            disk: Mutex::new(disk),
            line: tokio::sync::Mutex::default(),
        };
        assert!(self.0.in_step.set(in_step).is_ok(), "it keeps step already");
    }

    /// Has another disk from now on.
    pub(crate) fn set_disk(&self, disk: Disk) {
        if let Some(in_step) = self.0.in_step.get() {
            *in_step.disk.lock() = disk;
        }
    }

    /// Waits until the threads are gone, after whatever was queued.
    pub(crate) fn end(&self) {
        self.0.reading.end();
        self.0.reading_long.end();
        self.0.writing.end();
    }
}
