//! The time that threads and the process have spent on processors.

use std::{cell::Cell, time::Duration};

/// The processor time that the calling thread has used so far; `None` where the platform does not
/// tell.
///
/// Unlike the clocks on the wall, this one is read by a system call: ask where somebody will look at
/// the answer.
#[cfg(unix)]
pub(crate) fn of_this_thread() -> Option<Duration> {
    Some(read(rustix::time::ClockId::ThreadCPUTime))
}

#[cfg(not(unix))]
pub(crate) fn of_this_thread() -> Option<Duration> {
    None
}

/// The processor time that the calling thread has used so far, for what is charged to a budget:
/// where no such clock is in reach the clock on the wall stands in, which never charges too little.
pub(crate) fn to_charge() -> Duration {
    of_this_thread().unwrap_or_else(|| {
        static STARTED: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        STARTED.get_or_init(std::time::Instant::now).elapsed()
    })
}

thread_local! {
    static ELSEWHERE: Cell<bool> = const { Cell::new(false) };
}

/// Says that what is being measured on this thread is computed on other threads as well, or for
/// others as well: what this thread uses says nothing then.
pub(crate) fn is_spent_elsewhere() {
    ELSEWHERE.set(true);
}

/// Does the work, and measures, if `wanted`, the processor time that this thread uses for it; `None`
/// where the platform does not tell, or the work [is done elsewhere](is_spent_elsewhere).
#[inline]
pub(crate) fn measure<T>(wanted: bool, work: impl FnOnce() -> T) -> (T, Option<Duration>) {
    if !wanted {
        return (work(), None);
    }
    let outer = ELSEWHERE.replace(false);
    let before = of_this_thread();
    let result = work();
    let after = of_this_thread();
    let used = match (before, after, ELSEWHERE.replace(outer)) {
        (Some(before), Some(after), false) => Some(after.saturating_sub(before)),
        _ => None,
    };
    (result, used)
}

/// The processor time that all threads of the process have used so far. Where there is no such
/// clock nothing is known of the process.
#[cfg(unix)]
pub(crate) fn of_the_process() -> Duration {
    read(rustix::time::ClockId::ProcessCPUTime)
}

#[cfg(not(unix))]
pub(crate) fn of_the_process() -> Duration {
    Duration::ZERO
}

#[cfg(unix)]
fn read(clock: rustix::time::ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or(0),
        u32::try_from(time.tv_nsec).unwrap_or(0).min(999_999_999),
    )
}

/// How long the calling thread has stood in the system's queue for a processor so far: the second
/// number of `schedstat`, of a kernel that keeps it; zero elsewhere.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn queued() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat");
    let waited = text.ok().and_then(|text| text.split(' ').nth(1)?.parse().ok());
    Duration::from_nanos(waited.unwrap_or(0))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn queued() -> Duration {
    Duration::ZERO
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_uses_processor_time() {
        let before = to_charge();
        while to_charge() == before {
            std::hint::spin_loop();
        }
        assert!(to_charge() > before);
    }

    #[cfg(unix)]
    #[test]
    fn what_is_computed_elsewhere_has_no_time_of_this_thread() {
        assert_eq!(measure(false, || 1), (1, None));
        let (inner, outer) = measure(true, || measure(true, is_spent_elsewhere).1);
        assert_eq!(inner, None);
        assert!(outer.is_some(), "a part that was measured by itself says nothing of the whole");
        assert_eq!(measure(true, is_spent_elsewhere).1, None);
        assert!(measure(true, || ()).1.is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_thread_that_sleeps_uses_none_to_speak_of() {
        let before = of_this_thread().unwrap();
        // Parked until the other thread has worked for ten milliseconds.
        let own = std::thread::current();
        let worker = std::thread::spawn(move || {
            let begun = of_this_thread().unwrap();
            while of_this_thread().unwrap() - begun < Duration::from_millis(10) {
                std::hint::spin_loop();
            }
            own.unpark();
        });
        std::thread::park_timeout(Duration::from_secs(60));
        worker.join().unwrap();
        assert!(of_this_thread().unwrap() - before < Duration::from_millis(5));
    }
}
