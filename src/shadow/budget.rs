//! How much processor time shadows may take.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::allowance::Allowance;
use crate::clock::Clock;

/// How much processor time the shadows of one policy may take.
///
/// ```
/// use std::time::Duration;
/// use modelgate::shadow::Budget;
///
/// let default = Budget::spare_percent(10.0);
/// assert_eq!(default, Budget::default());
/// let modest = Budget::cpu_percent(10.0);
/// let patient = Budget::cpu_percent(150.0).burst(Duration::from_secs(3));
/// ```
///
/// What a run takes is measured when it ends, by its thread's own processor time where the platform
/// tells it and by the clock on the wall elsewhere; what async models and
/// [`AsyncBatched`](crate::model::AsyncBatched) do for a shadow on other threads is charged as well.
/// So a long run may overdraw the budget; the next ones then wait until the debt is paid off, and
/// requests met meanwhile are counted as dropped for the
/// [`Budget`](crate::shadow::DropCause::Budget). Threads that a candidate starts by itself, and pools
/// of its own, are not in that account: [`spare_percent`](Self::spare_percent) sees them in the
/// process as a whole.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub struct Budget {
    pub(super) share: Share,
    pub(super) burst: Option<Duration>,
}

/// Of what a budget is a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Share {
    Unlimited,
    /// Processor seconds a second.
    OfOneProcessor(f64),
    /// A part of what the process may use, while it leaves some over.
    OfTheProcess(f64),
}

impl Budget {
    /// No limit: for replays, for tests, and for machines that do nothing else.
    pub fn unlimited() -> Budget {
        Budget { share: Share::Unlimited, burst: None }
    }

    /// This share of one processor, averaged over time: `10.0` is a tenth of a processor, `200.0` is
    /// two, whatever the process may use and however busy it is.
    pub fn cpu_percent(percent: f64) -> Budget {
        Budget { share: Share::OfOneProcessor(percent / 100.0), burst: None }
    }

    /// This share of what the process may use, averaged over time, and only while something is left
    /// over. `Budget::spare_percent(10.0)` is the default.
    ///
    /// What the process may use is the number of processors it is allowed to run on, or the quota of
    /// its control group (a container's limit) where that is less; both are looked up again every ten
    /// seconds. Once half of the [`burst`](Self::burst) is spent, shadows also rest while the process
    /// as a whole uses more than 80 % of that, a tenth of a second at a time. And a run is charged
    /// for the time it stood in the system's queue for a processor (on Linux): where others want the
    /// processors as well, shadows run the less.
    pub fn spare_percent(percent: f64) -> Budget {
        Budget { share: Share::OfTheProcess(percent / 100.0), burst: None }
    }

    /// How much unused processor time may be saved up. By default what one second grants; under a
    /// quota, [`spare_percent`](Self::spare_percent) saves up no more than half of what the quota
    /// grants in one period, so that a burst alone never uses a period up.
    pub fn burst(mut self, cpu_time: Duration) -> Budget {
        self.burst = Some(cpu_time);
        self
    }

    /// The share in percent; infinite for none.
    pub(super) fn percent(&self) -> f64 {
        match self.share {
            Share::Unlimited => f64::INFINITY,
            Share::OfOneProcessor(share) | Share::OfTheProcess(share) => share * 100.0,
        }
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::spare_percent(10.0)
    }
}

/// The account of a [`Budget`].
///
/// A single number says it all: the moment at which, if nothing more were charged, the balance
/// would be at its cap. Time passing is income, without anybody writing it down.
///
/// Every number stands for itself, hence relaxed throughout.
#[derive(Debug)]
pub(super) struct Account {
    budget: Budget,
    /// Nanoseconds of time that one nanosecond of processor time costs, as the bits of a float; 0 for
    /// no limit.
    price: AtomicU64,
    /// The cap of the balance, as the nanoseconds it takes to save up.
    cap: AtomicU64,
    /// When the balance is at its cap, in nanoseconds of monotonic time.
    full_at: AtomicU64,
    /// Where the share is one of what the process leaves over.
    spare: Option<Spare>,
}

impl Account {
    /// The account begins at its cap.
    pub(super) fn new(budget: Budget, now: Duration) -> Account {
        let spare = match budget.share {
            Share::OfTheProcess(_) => Some(Spare::new()),
            Share::Unlimited | Share::OfOneProcessor(_) => None,
        };
        let account = Account {
            budget,
            price: AtomicU64::new(0),
            cap: AtomicU64::new(0),
            full_at: AtomicU64::new(nanoseconds(now)),
            spare,
        };
        account.set_terms(account.spare.as_ref().map(Spare::allowance));
        account
    }

    /// What time costs, and how much may be saved up.
    fn set_terms(&self, allowance: Option<Allowance>) {
        let share = match (self.budget.share, allowance) {
            (Share::Unlimited, _) => return,
            (Share::OfTheProcess(share), Some(Allowance { processors, .. })) => share * processors,
            (Share::OfOneProcessor(share) | Share::OfTheProcess(share), _) => share,
        };
        let price = 1.0 / share;
        let second = nanoseconds(Duration::from_secs(1));
        let cap = match (self.budget.burst, allowance) {
            (Some(burst), _) => in_time(burst, price),
            (None, Some(Allowance { processors, period: Some(period) })) => {
                in_time(period.mul_f64(processors / 2.0), price).min(second)
            }
            (None, _) => second,
        };
        self.price.store(price.to_bits(), Ordering::Relaxed);
        self.cap.store(cap, Ordering::Relaxed);
    }

    fn price(&self) -> f64 {
        f64::from_bits(self.price.load(Ordering::Relaxed))
    }

    /// Whether the balance is not negative. Two relaxed loads: a request asks this before anything
    /// is copied, and a stale answer lets one run more or less through. The clock is read only
    /// where there is a limit.
    #[inline]
    pub(super) fn has_room(&self, clock: &(impl Clock + ?Sized)) -> bool {
        self.price.load(Ordering::Relaxed) == 0
            || self.full_at.load(Ordering::Relaxed)
                <= nanoseconds(clock.monotonic()).saturating_add(self.cap.load(Ordering::Relaxed))
    }

    /// Takes what a run used.
    pub(super) fn charge(&self, used: Duration, now: Duration) {
        let price = self.price();
        if price == 0.0 {
            return;
        }
        let (cost, now) = (in_time(used, price), nanoseconds(now));
        // What was saved up beyond the cap is gone: hence `max`.
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(full_at.max(now).saturating_add(cost))
        });
    }

    /// Whether a run may begin, asked by the thread that would run it: what [`has_room`] says, and
    /// that the process leaves something over.
    ///
    /// [`has_room`]: Self::has_room
    pub(super) fn may_run(&self, clock: &(impl Clock + ?Sized)) -> bool {
        if !self.has_room(clock) {
            return false;
        }
        let Some(spare) = &self.spare else { return true };
        if let Some(changed) = spare.look_again() {
            self.set_terms(Some(changed));
        }
        let (now, cap) = (nanoseconds(clock.monotonic()), self.cap.load(Ordering::Relaxed));
        // With half of the burst in hand the process is not asked: a handful of shadows, in a test
        // say, does not depend on what else goes on.
        if self.full_at.load(Ordering::Relaxed) <= now.saturating_add(cap / 2) {
            return true;
        }
        if spare.is_left_over() {
            return true;
        }
        let rested = now.saturating_add(cap).saturating_add(nanoseconds(REST));
        self.full_at.fetch_max(rested, Ordering::Relaxed);
        false
    }

    /// The time since it was last asked that this thread stood in the system's queue for a
    /// processor, where that is to be charged as well.
    pub(super) fn queued(&self) -> Duration {
        match &self.spare {
            Some(_) => thread_queue_time(),
            None => Duration::ZERO,
        }
    }
}

/// How long shadows rest when the process leaves nothing over.
const REST: Duration = Duration::from_millis(100);

/// The part of its allowance above which a process leaves nothing over.
const BUSY: f64 = 0.8;

/// Two looks at the process are at least so far apart.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The allowance is read again after so long: a container's limit can be changed while it runs.
const READ_EVERY: Duration = Duration::from_secs(10);

/// What the process as a whole uses of what it may use. Asked on shadow threads only.
#[derive(Debug)]
struct Spare(Mutex<Look>);

#[derive(Debug)]
struct Look {
    allowance: Allowance,
    read: Instant,
    seen: Instant,
    used: Duration,
    left_over: bool,
}

impl Spare {
    fn new() -> Spare {
        let now = Instant::now();
        Spare(Mutex::new(Look {
            allowance: Allowance::read(),
            read: now,
            seen: now,
            used: process_cpu_time(),
            left_over: true,
        }))
    }

    fn allowance(&self) -> Allowance {
        self.0.lock().allowance
    }

    /// The allowance, when it was time to read it again.
    fn look_again(&self) -> Option<Allowance> {
        let mut look = self.0.lock();
        let now = Instant::now();
        if now.saturating_duration_since(look.read) < READ_EVERY {
            return None;
        }
        look.read = now;
        look.allowance = Allowance::read();
        Some(look.allowance)
    }

    fn is_left_over(&self) -> bool {
        let mut look = self.0.lock();
        let now = Instant::now();
        let passed = now.saturating_duration_since(look.seen);
        if passed >= LOOK_EVERY {
            let used = process_cpu_time();
            let rate = used.saturating_sub(look.used).as_secs_f64() / passed.as_secs_f64();
            look.left_over = rate <= BUSY * look.allowance.processors;
            look.seen = now;
            look.used = used;
        }
        look.left_over
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
pub(crate) fn thread_cpu_time() -> Duration {
    cpu_time(rustix::time::ClockId::ThreadCPUTime)
}

/// The processor time that all threads of the process have used so far.
#[cfg(unix)]
fn process_cpu_time() -> Duration {
    cpu_time(rustix::time::ClockId::ProcessCPUTime)
}

#[cfg(unix)]
fn cpu_time(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0).min(999_999_999),
    )
}

/// Where there is no such clock nothing is known of the process, and it always leaves some over.
#[cfg(not(unix))]
fn process_cpu_time() -> Duration {
    Duration::ZERO
}

/// How long this thread has stood in the queue for a processor since this was last called on it:
/// the second number of `schedstat`, of a kernel that keeps it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn thread_queue_time() -> Duration {
    thread_local! {
        static SEEN: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
    }
    let text = std::fs::read_to_string("/proc/thread-self/schedstat");
    let waited = text.ok().and_then(|text| text.split(' ').nth(1)?.parse().ok()).unwrap_or(0);
    let before = SEEN.replace(waited);
    Duration::from_nanos(waited.saturating_sub(before))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn thread_queue_time() -> Duration {
    Duration::ZERO
}

/// Where no such clock is in reach the clock on the wall stands in: it never charges too little.
#[cfg(not(unix))]
pub(crate) fn thread_cpu_time() -> Duration {
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
    fn the_default_is_bounded_by_what_the_process_may_use() {
        let account = Account::new(Budget::default(), Duration::ZERO);
        let allowed = Allowance::read().processors;
        assert!((account.price() * 0.1 * allowed - 1.0).abs() < 1e-9, "{account:?}");
        let clock = ManualClock::default();
        // What ten seconds grant, spent at once, is paid off in ten seconds less what was saved up.
        account.charge(Duration::from_secs(1).mul_f64(allowed), clock.monotonic());
        assert!(!account.has_room(&clock));
        clock.advance(SECOND * 10);
        assert!(account.has_room(&clock));
    }

    #[test]
    fn a_quota_sets_the_price_and_bounds_the_burst_by_half_a_period() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::default(), clock.monotonic());
        let (processors, period) = (0.5, Some(millis(100)));
        account.set_terms(Some(Allowance { processors, period }));
        // A tenth of half a processor, and 25 of the 50 ms a period grants.
        account.charge(millis(25), clock.monotonic());
        assert!(account.has_room(&clock));
        account.charge(millis(5), clock.monotonic());
        assert!(!account.has_room(&clock));
        clock.advance(millis(99));
        assert!(!account.has_room(&clock));
        clock.advance(millis(1));
        assert!(account.has_room(&clock));
        // A limit that was raised while the process ran.
        account.set_terms(Some(Allowance { processors: 8.0, period: None }));
        account.charge(millis(100), clock.monotonic());
        assert!(account.has_room(&clock));
    }

    #[test]
    fn a_process_that_leaves_nothing_over_lets_shadows_rest() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::default(), clock.monotonic());
        let spare = account.spare.as_ref().unwrap();
        let busy = |left_over| {
            let mut look = spare.0.lock();
            look.left_over = left_over;
            // Nobody looks at the real process meanwhile.
            look.seen = Instant::now() + SECOND * 3600;
            look.read = look.seen;
        };
        busy(false);
        assert!(account.may_run(&clock), "with the whole burst in hand nobody asks");
        let burst = 0.1 * Allowance::read().processors;
        account.charge(SECOND.mul_f64(burst * 0.6), clock.monotonic());
        assert!(!account.may_run(&clock));
        busy(true);
        clock.advance(millis(99));
        assert!(!account.may_run(&clock), "it rests for a tenth of a second");
        clock.advance(millis(1));
        assert!(account.may_run(&clock));
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
