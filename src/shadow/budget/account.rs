//! The account of a budget: what time pays in, what runs take out.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use super::{super::allowance::Allowance, Budget, Limit, spare::Spare};
use crate::{clock::Clock, cpu_time};

/// The account of a [`Budget`].
///
/// A single number says it all: the moment at which, if nothing more were charged, the balance
/// would be at its cap. Time passing is income, without anybody writing it down.
///
/// Every number stands for itself, hence relaxed throughout.
#[derive(Debug)]
pub(in crate::shadow) struct Account {
    budget: Budget,
    /// Nanoseconds of time that one nanosecond of processor time costs, as the bits of a float; 0 for
    /// no limit.
    price: AtomicU64,
    /// The cap of the balance, as the nanoseconds it takes to save up.
    cap: AtomicU64,
    /// When the balance is at its cap, in nanoseconds of monotonic time.
    full_at: AtomicU64,
    /// Nanoseconds of processor time that are still free.
    free: AtomicU64,
    /// Where the share is one of what the process leaves over.
    spare: Option<Spare>,
}

impl Account {
    /// The account begins at its cap.
    pub(in crate::shadow) fn new(budget: Budget, now: Duration) -> Account {
        let spare = match budget.share {
            Limit::OfTheProcess(_) => Some(Spare::new()),
            Limit::Unlimited | Limit::OfOneProcessor(_) => None,
        };
        let free = match (&spare, budget.burst) {
            (Some(_), None) => FREE,
            _ => Duration::ZERO,
        };
        let account = Account {
            budget,
            free: AtomicU64::new(nanoseconds(free)),
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
            (Limit::Unlimited, _) => return,
            (Limit::OfTheProcess(share), Some(Allowance { processors, .. })) => share * processors,
            (Limit::OfOneProcessor(share) | Limit::OfTheProcess(share), _) => share,
        };
        // A quota has nothing to give away.
        if allowance.is_some_and(|allowance| allowance.period.is_some()) {
            self.free.store(0, Ordering::Relaxed);
        }
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
    pub(in crate::shadow) fn has_room(&self, clock: &(impl Clock + ?Sized)) -> bool {
        self.price.load(Ordering::Relaxed) == 0
            || self.full_at.load(Ordering::Relaxed)
                <= nanoseconds(clock.monotonic()).saturating_add(self.cap.load(Ordering::Relaxed))
    }

    /// Takes what a run used.
    pub(in crate::shadow) fn charge(&self, used: Duration, now: Duration) {
        let price = self.price();
        if price == 0.0 {
            return;
        }
        let used = self.beyond_the_free(used);
        let (cost, now) = (in_time(used, price), nanoseconds(now));
        // What was saved up beyond the cap is gone: hence `max`.
        let _ = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            Some(full_at.max(now).saturating_add(cost))
        });
    }

    /// What of this is not free.
    fn beyond_the_free(&self, used: Duration) -> Duration {
        if self.free.load(Ordering::Relaxed) == 0 {
            return used;
        }
        let mut rest = nanoseconds(used);
        let _ = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| {
            rest = nanoseconds(used).saturating_sub(free);
            Some(free.saturating_sub(nanoseconds(used)))
        });
        Duration::from_nanos(rest)
    }

    /// Whether a run may begin, asked by the thread that would run it: what [`has_room`] says, and
    /// that the process leaves something over.
    ///
    /// [`has_room`]: Self::has_room
    pub(in crate::shadow) fn may_run(&self, clock: &(impl Clock + ?Sized)) -> bool {
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

    /// How long it takes until there is room again; `None` where there is room.
    pub(in crate::shadow) fn until_room(&self, clock: &(impl Clock + ?Sized)) -> Option<Duration> {
        if self.price.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let room = nanoseconds(clock.monotonic()).saturating_add(self.cap.load(Ordering::Relaxed));
        let debt = self.full_at.load(Ordering::Relaxed).saturating_sub(room);
        (debt > 0).then(|| Duration::from_nanos(debt))
    }
}

/// What a run on this thread uses.
pub(in crate::shadow) struct Meter {
    used: Duration,
    /// Only where waiting for a processor raises the price.
    queued: Option<Duration>,
}

impl Meter {
    /// Reads the thread's clocks.
    pub(in crate::shadow) fn start(account: &Account) -> Meter {
        let queued = account.spare.is_some().then(cpu_time::queued);
        Meter { used: cpu_time::to_charge(), queued }
    }

    /// Reads only what the thread uses: for short work, which is charged at the usual price.
    pub(in crate::shadow) fn of_short_work() -> Meter {
        Meter { used: cpu_time::to_charge(), queued: None }
    }

    /// Charges what was used since the start.
    pub(in crate::shadow) fn charge(self, account: &Account, clock: &(impl Clock + ?Sized)) {
        let used = cpu_time::to_charge().saturating_sub(self.used);
        let queued = self.queued.map_or(Duration::ZERO, |q| cpu_time::queued().saturating_sub(q));
        account.charge(to_pay(used, queued), clock.monotonic());
    }
}

/// What is charged for a run that used so much, and stood in the queue for a processor so long.
///
/// Whoever had the processor meanwhile wanted it while the shadow had it, too, and may have been a
/// live request. Shorter waits than [`UNNOTICED`] are the kernel's own work.
fn to_pay(used: Duration, queued: Duration) -> Duration {
    match queued > UNNOTICED {
        true => used.saturating_add(queued).saturating_mul(CONTENDED),
        false => used,
    }
}

/// So many times dearer is a run that shared its processor with others.
const CONTENDED: u32 = 20;

const UNNOTICED: Duration = Duration::from_micros(20);

/// Processor time that is free once, so that the first few runs of a router are compared.
const FREE: Duration = Duration::from_millis(200);

/// How long shadows rest when the process leaves nothing over.
const REST: Duration = Duration::from_millis(100);

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn in_time(used: Duration, price: f64) -> u64 {
    // Cut to the range of the integer where it does not fit.
    (nanoseconds(used) as f64 * price) as u64
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
        assert!((account.price() * 0.005 * allowed - 1.0).abs() < 1e-9, "{account:?}");
        let clock = ManualClock::default();
        // What ten seconds grant, spent at once, is paid off in ten seconds less what was saved up.
        account.charge(FREE + millis(50).mul_f64(allowed), clock.monotonic());
        assert!(!account.has_room(&clock));
        clock.advance(SECOND * 10);
        assert!(account.has_room(&clock));
    }

    #[test]
    fn a_quota_sets_the_price_and_bounds_the_burst_by_half_a_period() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::spare_percent(10.0), clock.monotonic());
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
        spare.pretend(false);
        assert!(account.may_run(&clock), "with the whole burst in hand nobody asks");
        let burst = 0.005 * Allowance::read().processors;
        account.charge(FREE + SECOND.mul_f64(burst * 0.6), clock.monotonic());
        assert!(!account.may_run(&clock));
        spare.pretend(true);
        clock.advance(millis(99));
        assert!(!account.may_run(&clock), "it rests for a tenth of a second");
        clock.advance(millis(1));
        assert!(account.may_run(&clock));
    }

    #[test]
    fn the_first_runs_are_free_but_not_under_a_quota() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::default(), clock.monotonic());
        account.charge(millis(120), clock.monotonic());
        account.charge(millis(80), clock.monotonic());
        assert_eq!(account.full_at.load(Ordering::Relaxed), nanoseconds(clock.monotonic()));
        account.charge(SECOND, clock.monotonic());
        assert!(!account.has_room(&clock));
        let account = Account::new(Budget::default(), clock.monotonic());
        account.set_terms(Some(Allowance { processors: 0.5, period: Some(millis(100)) }));
        account.charge(millis(10), clock.monotonic());
        assert!(!account.has_room(&clock));
    }

    #[test]
    fn a_run_that_shared_its_processor_is_charged_twenty_times() {
        let micros = Duration::from_micros;
        assert_eq!(to_pay(millis(2), Duration::ZERO), millis(2));
        assert_eq!(to_pay(millis(2), micros(20)), millis(2));
        assert_eq!(to_pay(millis(2), micros(200)), millis(44));
        assert_eq!(to_pay(Duration::MAX, Duration::MAX), Duration::MAX);
    }

    #[test]
    fn the_time_until_there_is_room_is_the_debt() {
        let clock = ManualClock::default();
        let account = Account::new(Budget::cpu_percent(10.0), clock.monotonic());
        assert_eq!(account.until_room(&clock), None);
        account.charge(millis(150), clock.monotonic());
        assert_eq!(account.until_room(&clock), Some(millis(500)));
        clock.advance(millis(500));
        assert_eq!(account.until_room(&clock), None);
        let unlimited = Account::new(Budget::unlimited(), Duration::ZERO);
        unlimited.charge(Duration::MAX, Duration::ZERO);
        assert_eq!(unlimited.until_room(&clock), None);
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
}
