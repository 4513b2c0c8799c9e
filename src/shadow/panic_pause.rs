//! Leaving a candidate alone that panics again and again.
//!
//! A panic is caught, but not before the process's panic hook has seen it. The usual one prints a
//! message and, where `RUST_BACKTRACE` asks for it, a backtrace: milliseconds under locks that every
//! panic and everything printed to the standard error takes, those of live requests among them. A
//! library has no business replacing the hook. So it bounds how often it is called.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// So many panics in a row are let pass.
const PATIENCE: u32 = 3;

/// The first pause; each further panic doubles it.
const FIRST: Duration = Duration::from_secs(1);

const LONGEST: Duration = Duration::from_secs(300);

/// The low bits that count panics in a row; those above say until when to rest.
const COUNT_BITS: u32 = 8;
const COUNT: u64 = (1 << COUNT_BITS) - 1;

/// Panics in a row and, in milliseconds of monotonic time, the end of the pause, in one word: two
/// threads that end runs at once leave the state that one of them meant.
#[derive(Debug, Default)]
pub(super) struct PanicPause(AtomicU64);

impl PanicPause {
    /// Whether the candidate is to be left alone now.
    #[inline]
    pub(super) fn is_on(&self, now: impl FnOnce() -> Duration) -> bool {
        // Relaxed: the word stands for itself, and one that is read late lets one run through.
        match self.0.load(Ordering::Relaxed) >> COUNT_BITS {
            0 => false,
            until => milliseconds(now()) < until,
        }
    }

    pub(super) fn panicked(&self, now: Duration) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| {
            let count = (state & COUNT).saturating_add(1).min(COUNT);
            Some(match pause(count) {
                Duration::ZERO => count,
                pause => (milliseconds(now.saturating_add(pause)) << COUNT_BITS) | count,
            })
        });
    }

    /// It has answered, or is another model now.
    pub(super) fn end(&self) {
        if self.0.load(Ordering::Relaxed) != 0 {
            self.0.store(0, Ordering::Relaxed);
        }
    }
}

/// The pause after so many panics in a row.
fn pause(count: u64) -> Duration {
    let beyond = u32::try_from(count).unwrap_or(u32::MAX).checked_sub(PATIENCE);
    beyond.map_or(Duration::ZERO, |beyond| {
        FIRST.saturating_mul(2_u32.saturating_pow(beyond)).min(LONGEST)
    })
}

/// Never 0, which stands for no pause.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).clamp(1, u64::MAX >> COUNT_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_begin_after_three_panics_double_and_have_an_end() {
        let seconds: Vec<u64> = (1..=20).map(|count| pause(count).as_secs()).collect();
        assert_eq!(seconds[..6], [0, 0, 1, 2, 4, 8]);
        assert_eq!(seconds[10..14], [256, 300, 300, 300]);
        assert_eq!(pause(u64::MAX), LONGEST);
    }

    #[test]
    fn a_pause_ends_by_time_or_by_an_answer() {
        let rest = PanicPause::default();
        let at = Duration::from_millis;
        (0..3).for_each(|_| rest.panicked(at(500)));
        assert!(rest.is_on(|| at(1_499)) && !rest.is_on(|| at(1_500)));
        rest.panicked(at(1_600));
        assert!(rest.is_on(|| at(3_599)) && !rest.is_on(|| at(3_600)));
        rest.panicked(at(4_000));
        rest.end();
        assert!(!rest.is_on(|| at(4_001)));
        rest.panicked(at(5_000));
        assert!(!rest.is_on(|| at(5_001)), "an answer makes it the first of a row again");
        (0..1_000).for_each(|_| rest.panicked(Duration::MAX));
        assert!(rest.is_on(|| at(6_000)));
    }
}
