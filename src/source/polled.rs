//! A source that asks an async closure again and again.

use std::{borrow::Cow, fmt, future::Future, panic::AssertUnwindSafe, pin::pin, time::Duration};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{Either, select},
};

use super::{Error, FlagSource, FlagUpdates, Subscription, more_than_zero};
use crate::{flag::FlagSet, router::future::Runtime};

/// A source that asks an async closure for all flags, at once and then again and again: a table of
/// yours, a configuration service with a client of its own.
///
/// An error leaves what was delivered in force, and the source is stale until the closure delivers
/// again; so does a panic. A set with the [revision](FlagSet::with_revision) of the one before is
/// taken for that one. A row that is wrong need not cost the others: give the set
/// [its problem](FlagSet::with_problem).
///
/// The closure's futures are polled on a thread of the source's own; timers and sockets of the tokio
/// runtime in which the store is built work there (feature `tokio`). One that needs another runtime,
/// or is to run on its threads, is spawned there, and its task awaited here:
///
/// ```
/// use std::time::Duration;
/// use modelgate::{FlagSet, Flags, Rollout, flag::Problem, source::{self, Polled}};
///
/// #[derive(Clone)]
/// struct Pool;
///
/// impl Pool {
///     async fn rows(&self) -> Result<Vec<(String, String, f64)>, std::io::Error> {
///         Ok(vec![("ml-model-version".into(), "v2".into(), 25.0)])
///     }
/// }
///
/// async fn read(pool: Pool) -> Result<FlagSet, source::Error> {
///     let rows = pool.rows().await;
///     let rows = rows.map_err(|error| source::Error::with_source("table not read", error))?;
///     Ok(rows.into_iter().fold(FlagSet::new(), |set, (key, candidate, percent)| {
///         match Rollout::percent(candidate, percent).or("v1").flag(&key) {
///             Ok(flag) => set.with(flag),
///             // The flag's last good form stays in force, and the status names it.
///             Err(error) => set.with_problem(Problem::rejected(
///                 key, "/percent", percent.to_string(), error.to_string(),
///             )),
///         }
///     }))
/// }
///
/// # let runtime = tokio::runtime::Runtime::new()?;
/// # let tokio = runtime.handle().clone();
/// // let tokio = tokio::runtime::Handle::current();
/// let table = Polled::every(Duration::from_secs(5), "postgres", move || {
///     let task = tokio.spawn(read(Pool));
///     async move { task.await.unwrap_or_else(|end| Err(source::Error::with_source("task", end))) }
/// });
/// let flags = Flags::builder().source(table).build()?;
/// flags.wait_ready(Duration::from_secs(30))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Polled<T> {
    name: Cow<'static, str>,
    interval: Duration,
    fetch: T,
}

impl<T, R> Polled<T>
where
    T: FnMut() -> R + Send + 'static,
    R: Future<Output = Result<FlagSet, Error>> + 'static,
{
    /// Asks `fetch` so often: this long lies between an answer and the next question.
    pub fn every(interval: Duration, name: impl Into<Cow<'static, str>>, fetch: T) -> Polled<T> {
        Polled { name: name.into(), interval, fetch }
    }
}

impl<T, R> FlagSource for Polled<T>
where
    T: FnMut() -> R + Send + 'static,
    R: Future<Output = Result<FlagSet, Error>> + 'static,
{
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        let Polled { interval, mut fetch, .. } = *self;
        more_than_zero("interval", interval)?;
        let (stop, mut stopped) = oneshot::channel::<()>();
        let (wake, pause) = crossbeam_channel::bounded::<()>(0);
        let runtime = Runtime::here(None);
        std::thread::Builder::new()
            .name("modelgate-polled".into())
            .spawn(move || {
                let mut revision = None;
                loop {
                    // The closure runs inside, so that its own panic is caught as well.
                    let fetched = AssertUnwindSafe(async { fetch().await }).catch_unwind();
                    let fetched = match runtime.block_on(select(pin!(fetched), &mut stopped)) {
                        Either::Left((fetched, _)) => fetched,
                        Either::Right(_) => return,
                    };
                    match fetched {
                        Ok(Ok(set)) => deliver(&updates, set, &mut revision),
                        Ok(Err(error)) => updates.report(error),
                        Err(_) => updates.report(Error::new("the closure panicked")),
                    }
                    if pause.recv_timeout(interval)
                        != Err(crossbeam_channel::RecvTimeoutError::Timeout)
                    {
                        return;
                    }
                }
            })
            .map_err(|error| Error::with_source("thread not started", error))?;
        Ok(Subscription::on_drop(move || {
            drop(stop);
            drop(wake);
        }))
    }
}

/// Puts the set in force, unless it is the one that is.
fn deliver(updates: &FlagUpdates, set: FlagSet, revision: &mut Option<String>) {
    let new = set.revision().map(str::to_owned);
    if new.is_some() && new == *revision {
        updates.confirm();
    } else if updates.replace(set) {
        *revision = new;
    }
}

impl<T> fmt::Debug for Polled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polled")
            .field("name", &self.name)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::{
        flag::{
            Flag, Problem,
            store::{Flags, SourceState},
        },
        source::testing::PATIENCE,
    };

    #[test]
    fn a_bad_row_an_error_and_a_panic_leave_the_last_good_flags_in_force() {
        let step = Arc::new(AtomicUsize::new(0));
        let asked = Arc::clone(&step);
        let polled = Polled::every(Duration::from_millis(1), "table", move || {
            let step = asked.load(Ordering::SeqCst);
            assert!(step != 3, "a closure that panics");
            async move {
                let good = FlagSet::new().with(Flag::constant("a", 1)).with_revision("one");
                match step {
                    0 => Ok(good),
                    1 => Ok(FlagSet::new()
                        .with(Flag::constant("b", 2))
                        .with_problem(Problem::rejected("a", "/percent", "130", "0 to 100"))),
                    2 => Err(Error::new("no connection")),
                    _ => Ok(FlagSet::new().with(Flag::constant("a", 4))),
                }
            }
        });
        let flags = Flags::builder().source(polled).build().unwrap();
        flags.wait_ready(PATIENCE).unwrap();
        let user = crate::Context::new("user");
        let read = |key: &str| flags.integer(key, &user, 0);
        assert_eq!((read("a"), read("b")), (1, 0));
        // The same revision again and again publishes nothing.
        let asks = flags.snapshot().revision();
        assert_eq!(asks, 1);

        step.store(1, Ordering::SeqCst);
        let problems =
            |of: usize| flags.wait_until(PATIENCE, |status| status.sources[0].problems.len() == of);
        assert!(problems(1));
        assert_eq!((read("a"), read("b")), (1, 2));

        for (at, words) in [(2, "no connection"), (3, "the closure panicked")] {
            step.store(at, Ordering::SeqCst);
            assert!(flags.wait_until(PATIENCE, |status| matches!(
                &status.sources[0].state,
                SourceState::Stale { reason, .. } if reason.contains(words)
            )));
            assert_eq!((read("a"), read("b")), (1, 2));
        }
        step.store(4, Ordering::SeqCst);
        assert!(problems(0));
        assert_eq!((read("a"), read("b")), (4, 0));
    }

    #[test]
    fn an_interval_past_the_end_of_time_asks_once() {
        let (asked, asks) = std::sync::mpsc::channel();
        let polled = Polled::every(Duration::MAX, "once", move || {
            asked.send(()).unwrap();
            async { Ok(FlagSet::new()) }
        });
        let flags = Flags::builder().source(polled).build().unwrap();
        flags.wait_ready(PATIENCE).unwrap();
        // A chance to ask again.
        (0..1000).for_each(|_| std::thread::yield_now());
        drop(flags);
        // Ends with the thread, which has the other end.
        assert_eq!(asks.iter().count(), 1);
    }

    #[test]
    fn a_store_that_goes_ends_a_question_that_nobody_answers() {
        let (dropped, is_dropped) = std::sync::mpsc::channel::<()>();
        let polled = Polled::every(Duration::from_secs(3600), "silent", move || {
            let dropped = dropped.clone();
            async move {
                std::future::pending::<()>().await;
                drop(dropped);
                Ok(FlagSet::new())
            }
        });
        drop(Flags::builder().source(polled).build().unwrap());
        // The thread, its closure and its future go.
        assert!(
            is_dropped
                .recv_timeout(PATIENCE)
                .is_err_and(|error| { error == std::sync::mpsc::RecvTimeoutError::Disconnected })
        );
        let never = Polled::every(Duration::ZERO, "never", || async { Ok(FlagSet::new()) });
        let error = Flags::builder().source(never).build().unwrap_err();
        assert_eq!(error.source_name(), "never");
    }
}
