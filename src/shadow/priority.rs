//! How much shadow threads yield to the rest of the process.

/// How shadow threads compete with the rest of the service for processors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Priority {
    /// They run when nobody else wants to: `SCHED_IDLE` on Linux, the lowest the platform lends
    /// elsewhere. On a machine that is busy throughout, shadows then hardly run at all, and are
    /// lost to the queue's bound or the deadline.
    #[default]
    Lowest,
    /// They compete as equals.
    Normal,
}

impl Priority {
    /// Gives the calling thread this priority, as far as the platform allows.
    pub(super) fn apply(self) {
        if self == Priority::Lowest
            && let Err(error) = lowest()
        {
            tracing::debug!(
                target: "modelgate::shadow",
                error,
                "a shadow thread keeps the normal priority"
            );
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn lowest() -> Result<(), String> {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadPriority, ThreadSchedulePolicy,
        set_thread_priority_and_policy, thread_native_id,
    };
    let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
    set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, idle)
        .or_else(|_| ThreadPriority::Min.set_for_current().map_err(|error| format!("{error:?}")))
}

#[cfg(all(unix, not(any(target_os = "linux", target_os = "android"))))]
fn lowest() -> Result<(), String> {
    thread_priority::ThreadPriority::Min.set_for_current().map_err(|error| format!("{error:?}"))
}

#[cfg(not(unix))]
fn lowest() -> Result<(), String> {
    Err("no priorities on this platform".to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use thread_priority::{
        NormalThreadSchedulePolicy, ThreadSchedulePolicy, thread_schedule_policy,
    };

    use super::*;

    #[test]
    fn the_lowest_priority_is_the_idle_class() {
        let policy = std::thread::spawn(|| {
            Priority::Lowest.apply();
            thread_schedule_policy().unwrap()
        });
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        assert_eq!(policy.join().unwrap(), idle);
    }
}
