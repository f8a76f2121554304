//! The wall clock, which tests can move, and the time that the server has lived through.
//!
//! For times that are stored or shown: session lifetimes, `since`. Time-outs never use it; they are measured with the
//! monotonic clock of tokio.
//!
//! A wall clock can be wrong by years: a battery is empty, a small machine starts in 1970, somebody mistypes a year.
//! Whatever is deleted for its age is gone for good, so that it goes by another clock: the time *lived through*. It is
//! kept in the database, runs with the monotonic clock, and follows the wall clock where that differs, but never by
//! more than twelve times what passes. After a month switched off it catches up in three days; one start in
//! 2040 moves it by hours.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// Milliseconds since the Unix epoch.
pub type Millis = i64;

/// How much faster than time passes the time lived through follows the wall clock.
const CATCH_UP: Millis = 12;
/// 2026-01-01: a clock that shows less was never set.
const NEVER_SET_BEFORE: Millis = 1_767_225_600_000;
/// By how much the two clocks may differ without being worth a word.
const TOLERANCE: Millis = 60 * 60 * 1000;

/// Two readings that are further apart, in milliseconds, were held up between each other.
const IN_ONE_GO: Millis = 200;

/// The wall clock. Clones move together.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    started: Instant,
    /// What tests have added to the wall clock.
    wall: AtomicI64,
    /// What tests have added to the monotonic clock.
    passed: AtomicI64,
    lived: Mutex<Lived>,
    /// The time of a simulated network, in place of the system's clocks.
    #[cfg(test)]
    simulated: Option<Simulated>,
}

/// A time that is simulated.
#[cfg(test)]
#[derive(Debug)]
struct Simulated {
    /// What it has come to; none where that is not known, as on a thread outside of the simulation.
    now: fn() -> Option<Duration>,
    /// The latest that was known, in milliseconds.
    last: AtomicI64,
}

/// What the clocks show at one moment. See [`Clock::moment`].
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// As [`Clock::now`].
    pub now: Millis,
    /// As [`Clock::lived`].
    pub lived: Millis,
    /// As [`Clock::elapsed`].
    pub elapsed: Millis,
}

/// A time that passes evenly. See [`Clock::course`].
#[derive(Debug, Clone)]
pub struct Course {
    clock: Clock,
    from: Millis,
    begun: Millis,
}

impl Course {
    /// What it has come to.
    pub fn now(&self) -> Millis {
        self.from.saturating_add(self.clock.uptime() - self.begun)
    }
}

#[cfg(target_os = "linux")]
fn since_boot() -> Millis {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::try_from(now).map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX))
}

/// Elsewhere the time that the machine slept is not known.
#[cfg(not(target_os = "linux"))]
fn since_boot() -> Millis {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    i64::try_from(START.elapsed().as_millis()).unwrap_or(i64::MAX)
}

/// A reading of the time lived through.
#[derive(Debug, Default)]
struct Lived {
    at: Millis,
    /// The monotonic clock then.
    elapsed: Millis,
}

impl Default for Clock {
    fn default() -> Self {
        let clock = Inner {
            started: Instant::now(),
            wall: AtomicI64::new(0),
            passed: AtomicI64::new(0),
            lived: Mutex::default(),
            #[cfg(test)]
            simulated: None,
        };
        let clock = Self(Arc::new(clock));
        clock.0.lived.lock().at = clock.wall().max(NEVER_SET_BEFORE);
        clock
    }
}

#[cfg(test)]
impl Clock {
    /// A clock that follows a simulated time, which began at `began`.
    pub(crate) fn simulated(began: Millis, now: fn() -> Option<Duration>) -> Self {
        let simulated = Some(Simulated { now, last: AtomicI64::new(0) });
        let (wall, passed, lived) = Default::default();
        let clock = Self(Arc::new(Inner { started: Instant::now(), wall, passed, lived, simulated }));
        clock.set_by(began);
        clock.resume(clock.wall());
        clock
    }

    fn simulated_time(&self) -> Option<Millis> {
        let Simulated { now, last } = self.0.simulated.as_ref()?;
        let now = now().map_or(0, |now| i64::try_from(now.as_millis()).unwrap_or(i64::MAX));
        Some(last.fetch_max(now, Relaxed).max(now))
    }
}

impl Clock {
    /// Now, in milliseconds since the Unix epoch. A wall clock that was never set counts for nothing: then it is the
    /// time lived through.
    pub fn now(&self) -> Millis {
        let wall = self.wall();
        if wall < NEVER_SET_BEFORE { self.lived() } else { wall }
    }

    /// What the wall clock shows.
    fn wall(&self) -> Millis {
        #[cfg(test)]
        if let Some(simulated) = self.simulated_time() {
            return simulated.saturating_add(self.0.wall.load(Relaxed));
        }
        let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(real.as_millis()).unwrap_or(i64::MAX).saturating_add(self.0.wall.load(Relaxed))
    }

    /// The milliseconds since the start, whatever the wall clock shows.
    pub fn elapsed(&self) -> Millis {
        #[cfg(test)]
        if let Some(simulated) = self.simulated_time() {
            return simulated.saturating_add(self.0.passed.load(Relaxed));
        }
        let real = i64::try_from(self.0.started.elapsed().as_millis()).unwrap_or(i64::MAX);
        real.saturating_add(self.0.passed.load(Relaxed))
    }

    /// The milliseconds since the machine was started, the time that it slept included, whatever the wall clock shows.
    pub fn uptime(&self) -> Millis {
        #[cfg(test)]
        if self.0.simulated.is_some() {
            return self.elapsed();
        }
        since_boot().saturating_add(self.0.passed.load(Relaxed))
    }

    /// By how much the wall clock is ahead of [`uptime`](Self::uptime): that changes when it is set, and does not when
    /// the machine sleeps. None where the two could not be read in one go.
    pub fn ahead(&self) -> Option<Millis> {
        let before = self.uptime();
        let now = self.now();
        let uptime = self.uptime();
        (uptime - before < IN_ONE_GO).then_some(now - uptime)
    }

    /// A time that is `from` now and passes evenly, however the wall clock is set meanwhile.
    pub fn course(&self, from: Millis) -> Course {
        Course { clock: self.clone(), from, begun: self.uptime() }
    }

    /// The time lived through.
    pub fn lived(&self) -> Millis {
        self.lived_at(self.wall(), self.elapsed())
    }

    /// All of it at once, for whoever wants more than one: reading the system's clocks costs more than all else here.
    pub fn moment(&self) -> Moment {
        let (wall, elapsed) = (self.wall(), self.elapsed());
        let lived = self.lived_at(wall, elapsed);
        Moment { now: if wall < NEVER_SET_BEFORE { lived } else { wall }, lived, elapsed }
    }

    fn lived_at(&self, wall: Millis, elapsed: Millis) -> Millis {
        let mut lived = self.0.lived.lock();
        let passed = (elapsed - lived.elapsed).max(0);
        let natural = lived.at.saturating_add(passed);
        let most = passed.saturating_mul(CATCH_UP);
        let behind = wall.max(NEVER_SET_BEFORE).saturating_sub(natural);
        lived.at = natural.saturating_add(behind.clamp(-most, most));
        lived.elapsed = elapsed.max(lived.elapsed);
        lived.at
    }

    /// Goes on with the time lived through where an earlier start ended.
    pub fn resume(&self, lived: Millis) {
        let elapsed = self.elapsed();
        *self.0.lived.lock() = Lived { at: lived.max(NEVER_SET_BEFORE), elapsed };
    }

    /// Until when what has ended may be deleted for good. Nothing may while the wall clock is behind what the server
    /// has lived through.
    pub fn settled(&self) -> Option<Millis> {
        let (lived, wall) = (self.lived(), self.wall());
        (wall >= lived.saturating_sub(TOLERANCE)).then(|| lived.min(wall))
    }

    /// By how much the wall clock is ahead of what the server has lived through, if that is worth a word; less than 0 if
    /// it is behind.
    pub fn doubt(&self) -> Option<Millis> {
        let ahead = self.wall() - self.lived();
        (ahead.abs() > TOLERANCE).then_some(ahead)
    }

    /// Lets time pass.
    #[doc(hidden)]
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(0);
        self.0.passed.fetch_add(by, Relaxed);
        self.0.wall.fetch_add(by, Relaxed);
    }

    /// Sets the wall clock forward, or back, while no time passes.
    #[doc(hidden)]
    pub fn set_by(&self, by: Millis) {
        self.0.wall.fetch_add(by, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Millis = 60 * 60 * 1000;
    const DAY: Millis = 24 * HOUR;
    const HOURS: fn(u64) -> Duration = |hours| Duration::from_secs(hours * 60 * 60);

    #[test]
    fn a_clock_that_agrees_is_lived_through() {
        let clock = Clock::default();
        clock.advance(HOURS(24 * 31));
        assert!((clock.now() - clock.lived()).abs() < 1000);
        assert!(clock.settled().is_some() && clock.doubt().is_none());
    }

    #[test]
    fn a_jump_is_followed_slowly_and_forgotten_when_it_was_wrong() {
        let clock = Clock::default();
        let begun = clock.now();
        clock.set_by(14 * 365 * DAY);
        clock.advance(HOURS(1));
        let lived = clock.lived() - begun;
        assert!((12 * HOUR..=14 * HOUR).contains(&lived), "{lived}");
        assert!(clock.doubt().is_some_and(|ahead| ahead > 13 * 365 * DAY));
        clock.set_by(-14 * 365 * DAY);
        assert_eq!(clock.settled(), None, "it shows less than was lived through");
        clock.advance(HOURS(2));
        assert!((clock.now() - clock.lived()).abs() < 1000);
    }

    #[test]
    fn a_month_switched_off_is_caught_up() {
        let clock = Clock::default();
        clock.resume(clock.now() - 30 * DAY);
        assert!(clock.settled().is_some_and(|until| until < clock.now() - 29 * DAY));
        clock.advance(HOURS(3 * 24));
        assert!((clock.now() - clock.lived()).abs() < 1000);
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_believed() {
        let clock = Clock::default();
        let before = clock.now();
        clock.set_by(-clock.now());
        assert!((clock.now() - before).abs() < 1000);
        assert_eq!(clock.settled(), None);
    }
}
