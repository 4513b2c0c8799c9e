//! Where comparisons go: the sink trait, and the sinks of this crate.

mod channel;
mod fan_out;
mod jsonl;
mod log;
mod memory;

use std::{error::Error as StdError, fmt, io, sync::Arc};

pub use self::{
    channel::ChannelSink,
    jsonl::{JsonlBuilder, JsonlSink},
    log::TracingSink,
    memory::MemorySink,
};
pub(crate) use self::{fan_out::FanOut, jsonl::UNREPORTED};
use super::{Comparison, Slices};
use crate::{context::EvaluationContext, shadow::Dropped, version::Version};

/// Where comparisons go: a log, a file, a queue, a database of yours.
///
/// Called on the shadow side, never on the path of a request, except by joined shadows. A sink that
/// blocks holds up a shadow thread, and the panic of one is caught and counted; neither touches an
/// answer. Any closure `Fn(&Comparison<P>)` is a sink; its argument type has to be written out.
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use modelgate::compare::{Comparison, sink::ComparisonSink};
///
/// #[derive(Default)]
/// struct Disagreements(AtomicU64);
///
/// impl<P> ComparisonSink<P> for Disagreements {
///     fn record(&self, comparison: &Comparison<P>) {
///         if comparison.agreement.agrees() == Some(false) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait ComparisonSink<P>: Send + Sync {
    /// Takes a comparison. It should return soon: leave slow work to a thread of your own.
    fn record(&self, comparison: &Comparison<P>);

    /// Hears of a run that was wanted and came to no comparison, and why: for sinks that judge a
    /// candidate by more than its answers. By default it does nothing.
    ///
    /// Each wanted run reaches a sink once: by [`record`](Self::record) or by this. A candidate
    /// that panicked is recorded, with the panic as its outcome.
    ///
    /// Called on the shadow side, like `record`: runs that a request had to drop wait for this call in a
    /// bounded queue. Of those that found it full a sink hears only the number, by
    /// [`dropped_unreported`](Self::dropped_unreported).
    fn dropped(&self, dropped: &Dropped) {
        let _ = dropped;
    }

    /// Hears how many further runs of this candidate came to no comparison, of which
    /// [`dropped`](Self::dropped) could not tell because too many came at once. They are among
    /// [`shadow::Stats::unreported_drops`](crate::shadow::Stats::unreported_drops). By default it does
    /// nothing.
    fn dropped_unreported(&self, candidate: &Version, runs: u64) {
        let _ = (candidate, runs);
    }

    /// Names the parts of the traffic that a request belongs to, for sinks that tell them apart by
    /// the request's context, which is gone when the comparison is there: what is said here is in
    /// [`Comparison::slices`], for every sink of the router. By default it names none.
    ///
    /// Called on the request's own thread, for requests with a shadow: when it is handed over, or,
    /// by an async router, before the version answers. It should do no more than look up an attribute.
    fn slices(&self, context: &dyn EvaluationContext) -> Slices {
        let _ = context;
        Slices::default()
    }

    /// Waits, for a bounded time, until everything recorded so far has reached its destination.
    ///
    /// # Errors
    ///
    /// A [`Error`] when that took too long or failed.
    fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    /// What became of the comparisons so far; zeros for a sink that does not count.
    fn counts(&self) -> Counts {
        Counts::default()
    }
}

impl<P, F> ComparisonSink<P> for F
where
    F: Fn(&Comparison<P>) + Send + Sync,
{
    fn record(&self, comparison: &Comparison<P>) {
        self(comparison);
    }
}

/// The methods of a pointer to a sink: those of the sink.
macro_rules! of_the_pointee {
    () => {
        fn record(&self, comparison: &Comparison<P>) {
            (**self).record(comparison);
        }
        fn dropped(&self, dropped: &Dropped) {
            (**self).dropped(dropped);
        }
        fn dropped_unreported(&self, candidate: &Version, runs: u64) {
            (**self).dropped_unreported(candidate, runs);
        }
        fn slices(&self, context: &dyn EvaluationContext) -> Slices {
            (**self).slices(context)
        }
        fn flush(&self) -> Result<(), Error> {
            (**self).flush()
        }
        fn counts(&self) -> Counts {
            (**self).counts()
        }
    };
}

impl<P, S: ComparisonSink<P> + ?Sized> ComparisonSink<P> for Arc<S> {
    of_the_pointee!();
}

// Not for every `Box<S>`: a box of a closure is a closure already.
impl<P> ComparisonSink<P> for Box<dyn ComparisonSink<P>> {
    of_the_pointee!();
}

/// What became of the comparisons given to a sink.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Stored, written or passed on.
    pub recorded: u64,
    /// Dropped for want of room.
    pub dropped: u64,
    /// Lost to an error or a panic.
    pub failed: u64,
}

/// A sink could not be opened or flushed.
#[derive(Debug)]
pub struct Error {
    message: String,
    kind: io::ErrorKind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// The sink failed, for this reason.
    #[cold]
    pub fn new(
        message: impl Into<String>,
        source: impl Into<Box<dyn StdError + Send + Sync>>,
    ) -> Error {
        let source = source.into();
        let kind = source.downcast_ref::<io::Error>().map_or(io::ErrorKind::Other, |e| e.kind());
        Error { message: message.into(), kind, source: Some(source) }
    }

    /// The sink did not finish in time.
    #[cold]
    pub fn timed_out(message: impl Into<String>) -> Error {
        Error { message: message.into(), kind: io::ErrorKind::TimedOut, source: None }
    }

    #[cold]
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error { message: message.into(), kind: io::ErrorKind::InvalidInput, source: None }
    }

    /// The kind of failure, as an I/O error's; [`Other`](io::ErrorKind::Other) for a source that is none.
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// Whether the sink did not finish in time.
    pub fn is_timeout(&self) -> bool {
        self.kind == io::ErrorKind::TimedOut
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
