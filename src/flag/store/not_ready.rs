//! A store that was not ready in time, and why.

use std::{error::Error, fmt};

use super::{SourceState, Status};

/// A store was not ready in time: the sources that have not delivered, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotReadyError {
    /// Name, failed attempts and last error of each.
    missing: Vec<(String, u64, Option<String>)>,
    rejected: bool,
    held_up_runtime: bool,
}

impl NotReadyError {
    pub(super) fn of(status: &Status, held_up_runtime: bool) -> NotReadyError {
        let rejected = status.has_rejected();
        let missing = status
            .sources
            .iter()
            .filter(|source| source.required)
            .filter_map(|source| match &source.state {
                SourceState::Starting { attempts, last_error } => {
                    Some((source.name.clone(), *attempts, last_error.clone()))
                }
                SourceState::Rejected { reason, attempts } if !source.has_delivered => {
                    Some((source.name.clone(), *attempts, Some(reason.clone())))
                }
                _ => None,
            })
            .collect();
        NotReadyError { missing, rejected, held_up_runtime }
    }

    /// Whether one of them is refused by its origin: waiting longer will hardly help.
    pub fn is_rejected(&self) -> bool {
        self.rejected
    }

    /// Whether the wait itself kept the sources from delivering: it held the only thread of a tokio
    /// runtime, and the runtime ran nothing meanwhile. A source whose task runs there can deliver
    /// while [`Flags::ready`](crate::Flags::ready) is awaited, or while `wait_ready` waits in
    /// tokio's `spawn_blocking`. Always `false` without the feature `tokio`.
    pub fn held_up_runtime(&self) -> bool {
        self.held_up_runtime
    }

    /// The names of the sources that have not delivered.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.missing.iter().map(|(name, ..)| &**name)
    }
}

impl fmt::Display for NotReadyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flags are not ready")?;
        for (position, (name, attempts, error)) in self.missing.iter().enumerate() {
            f.write_str(if position == 0 { ": " } else { "; " })?;
            write!(f, "source `{name}` has delivered nothing")?;
            match (attempts, error) {
                (_, None) => {}
                (1, Some(error)) => write!(f, " after 1 failed attempt ({error})")?,
                (attempts, Some(error)) => {
                    write!(f, " after {attempts} failed attempts (the last: {error})")?;
                }
            }
        }
        if self.held_up_runtime {
            f.write_str(
                "; the wait held up the only thread of the tokio runtime around it, \
                 where a source's task may have to run: await `Flags::ready` instead",
            )?;
        }
        Ok(())
    }
}

impl Error for NotReadyError {}

#[cfg(feature = "tokio")]
mod runtime_check {
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use tokio::runtime::{Handle, RuntimeFlavor};

    /// Finds out whether the runtime around a blocking wait ran anything meanwhile.
    pub(in crate::flag::store) struct RuntimeCheck(Option<Arc<AtomicBool>>);

    impl RuntimeCheck {
        /// To be made before the wait. Only a runtime with a single thread is asked: one with more
        /// runs on beside the wait.
        pub(in crate::flag::store) fn begin() -> RuntimeCheck {
            let single = Handle::try_current()
                .ok()
                .filter(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread);
            RuntimeCheck(single.map(|handle| {
                let has_run = Arc::new(AtomicBool::new(false));
                let ran = Arc::clone(&has_run);
                handle.spawn(async move { ran.store(true, Ordering::Relaxed) });
                has_run
            }))
        }

        pub(in crate::flag::store) fn was_held_up(&self) -> bool {
            self.0.as_ref().is_some_and(|has_run| !has_run.load(Ordering::Relaxed))
        }
    }
}

#[cfg(not(feature = "tokio"))]
mod runtime_check {
    /// No runtime is known.
    pub(in crate::flag::store) struct RuntimeCheck;

    impl RuntimeCheck {
        pub(in crate::flag::store) fn begin() -> RuntimeCheck {
            RuntimeCheck
        }

        pub(in crate::flag::store) fn was_held_up(&self) -> bool {
            false
        }
    }
}

pub(super) use self::runtime_check::RuntimeCheck;
