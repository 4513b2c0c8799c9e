//! How much processor time shadows may take.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::clock::Clock;

/// How much processor time the shadows of one router may take.
///
/// ```
/// use std::time::Duration;
/// use modelgate::shadow::Budget;
///
/// let modest = Budget::cpu_percent(10.0);
/// let patient = Budget::cpu_percent(150.0).burst(Duration::from_secs(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Budget {
    /// Processor seconds a second; infinite means no limit.
    pub(super) share: f64,
    pub(super) burst: Option<Duration>,
}

impl Budget {
    /// No limit: the default. Shadow threads still run at the lowest priority.
    pub fn unlimited() -> Budget {
        Budget { share: f64::INFINITY, burst: None }
    }

    /// This share of one core, averaged over time: `10.0` is a tenth of a core, `200.0` is two.
    ///
    /// What a run takes is measured when it ends, by the thread's own processor time where the
    /// platform tells it and by the clock on the wall elsewhere. So a long run may overdraw the
    /// budget; the next ones then wait until the debt is paid off, and requests met meanwhile are
    /// counted as lost to the [`Budget`](crate::shadow::DropCause::Budget).
    pub fn cpu_percent(percent: f64) -> Budget {
        Budget { share: percent / 100.0, burst: None }
    }

    /// How much unused processor time may be saved up. By default what one second grants.
    pub fn burst(mut self, cpu_time: Duration) -> Budget {
        self.burst = Some(cpu_time);
        self
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::unlimited()
    }
}

/// The account of a [`Budget`].
///
/// A single number says it all: the moment at which, if nothing more were charged, the balance
/// would be at its cap. Time passing is income, without anybody writing it down.
#[derive(Debug)]
pub(super) struct Account {
    /// Nanoseconds of time that one nanosecond of processor time costs; 0 for no limit.
    price: f64,
    /// The cap of the balance, as the nanoseconds it takes to save up.
    cap: u64,
    /// When the balance is at its cap, in nanoseconds of monotonic time.
    full_at: AtomicU64,
}

impl Account {
    /// The account begins at its cap.
    pub(super) fn new(budget: Budget, now: Duration) -> Account {
        if budget.share == f64::INFINITY {
            return Account { price: 0.0, cap: 0, full_at: AtomicU64::new(0) };
        }
        let price = 1.0 / budget.share;
        let cap = match budget.burst {
            Some(burst) => in_time(burst, price),
            None => nanoseconds(Duration::from_secs(1)),
        };
        Account { price, cap, full_at: AtomicU64::new(nanoseconds(now)) }
    }

    /// Whether the balance is not negative. One relaxed load: a request asks this before anything
    /// is copied, and a stale answer lets one run more or less through. The clock is read only
    /// where there is a limit.
    #[inline]
    pub(super) fn has_room(&self, clock: &(impl Clock + ?Sized)) -> bool {
        self.price == 0.0
            || self.full_at.load(Ordering::Relaxed)
                <= nanoseconds(clock.monotonic()).saturating_add(self.cap)
    }

    /// Takes what a run used.
    pub(super) fn charge(&self, used: Duration, now: Duration) {
        if self.price == 0.0 {
            return;
        }
        let (cost, now) = (in_time(used, self.price), nanoseconds(now));
        // What was saved up beyond the cap is gone: hence `max`. Relaxed: the number stands for
        // itself.
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(full_at.max(now).saturating_add(cost))
        });
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn in_time(used: Duration, price: f64) -> u64 {
    // Cut to the range of the integer where it does not fit.
    (nanoseconds(used) as f64 * price) as u64
}

/// The processor time this thread has used so far.
#[cfg(unix)]
pub(super) fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0).min(999_999_999),
    )
}

/// Where no such clock is in reach the clock on the wall stands in: it never charges too little.
#[cfg(not(unix))]
pub(super) fn thread_cpu_time() -> Duration {
    use std::{sync::OnceLock, time::Instant};
    static STARTED: OnceLock<Instant> = OnceLock::new();
    STARTED.get_or_init(Instant::now).elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;

    const SECOND: Duration = Duration::from_secs(1);

    fn millis(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn a_run_that_overdraws_is_paid_off_at_the_share_granted() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::cpu_percent(10.0), clock.monotonic());
        // 100 ms are saved up at the start: a run of 150 ms leaves a debt of 50 ms.
        account.charge(millis(150), clock.monotonic());
        assert!(!account.has_room(&clock));
        clock.advance(millis(499));
        assert!(!account.has_room(&clock));
        clock.advance(millis(1));
        assert!(account.has_room(&clock));
    }

    #[test]
    fn no_more_is_saved_up_than_the_burst() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::cpu_percent(50.0).burst(millis(20)), clock.monotonic());
        clock.advance(SECOND * 3600);
        account.charge(millis(20), clock.monotonic());
        assert!(account.has_room(&clock));
        account.charge(millis(1), clock.monotonic());
        assert!(!account.has_room(&clock));
        clock.advance(millis(2));
        assert!(account.has_room(&clock));
    }

    #[test]
    fn the_long_run_average_is_the_share() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::cpu_percent(25.0), clock.monotonic());
        let mut used = Duration::ZERO;
        for _ in 0..100_000 {
            clock.advance(millis(1));
            if account.has_room(&clock) {
                account.charge(millis(7), clock.monotonic());
                used += millis(7);
            }
        }
        let share = used.as_secs_f64() / 100.0;
        assert!((0.25..0.2526).contains(&share), "{share}");
    }

    #[test]
    fn no_limit_never_runs_out() {
        let account = Account::new(Budget::unlimited(), Duration::ZERO);
        account.charge(Duration::MAX, Duration::ZERO);
        assert!(account.has_room(&ManualClock::default()));
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let account = Account::new(Budget::cpu_percent(1e-9).burst(Duration::MAX), Duration::MAX);
        account.charge(Duration::MAX, Duration::MAX);
        account.charge(Duration::MAX, Duration::ZERO);
        let late = ManualClock::default();
        late.advance(Duration::MAX);
        let _ = account.has_room(&late);
    }

    #[test]
    fn a_thread_that_works_uses_processor_time() {
        let before = thread_cpu_time();
        while thread_cpu_time() == before {
            std::hint::spin_loop();
        }
        assert!(thread_cpu_time() > before);
    }
}
