//! How much processor time shadows may take.

mod account;
mod spare;

use std::time::Duration;

pub(super) use self::account::{Account, Meter};

/// How much processor time the shadows of one policy may take.
///
/// ```
/// use std::time::Duration;
/// use modelgate::shadow::Budget;
///
/// let default = Budget::spare_percent(0.5);
/// assert_eq!(default, Budget::default());
/// let of_one_processor = Budget::cpu_percent(10.0);
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
    pub(super) share: Limit,
    pub(super) burst: Option<Duration>,
}

/// Of what a budget is a share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Limit {
    Unlimited,
    /// Processor seconds a second.
    OfOneProcessor(f64),
    /// A part of what the process may use, while it leaves some over.
    OfTheProcess(f64),
}

impl Budget {
    /// No limit: for replays, for tests, and for machines that do nothing else.
    pub fn unlimited() -> Budget {
        Budget { share: Limit::Unlimited, burst: None }
    }

    /// This share of one processor, averaged over time: `10.0` is a tenth of a processor, `200.0` is
    /// two, whatever the process may use and however busy it is.
    pub fn cpu_percent(percent: f64) -> Budget {
        Budget { share: Limit::OfOneProcessor(percent / 100.0), burst: None }
    }

    /// This share of what the process may use, averaged over time, and only while something is left
    /// over. `Budget::spare_percent(0.5)` is the default.
    ///
    /// What the process may use is the number of processors it is allowed to run on, or the quota of
    /// its control group (a container's limit) where that is less; both are looked up again every ten
    /// seconds. Once half of the [`burst`](Self::burst) is spent, shadows also rest while the process
    /// as a whole uses more than 80 % of that, a tenth of a second at a time.
    ///
    /// And a run that had to stand in the system's queue for a processor, after it had begun, is
    /// charged twenty times what it used (on Linux): somebody else wanted that processor, perhaps a
    /// live request. So on a machine that is busy shadows get a twentieth of this share.
    ///
    /// The default is what keeps the 99th percentile of live answers where it is: it is met by about
    /// as many requests in a hundred as shadows are running percent of the time. Where answers may
    /// take a little longer now and then, or processors stand idle, 10 % compare twenty times as much.
    ///
    /// Besides, without a quota and a burst of one's own, the first 200 ms of processor time are free,
    /// so that a demonstration or a test of a few requests sees all of its comparisons.
    pub fn spare_percent(percent: f64) -> Budget {
        Budget { share: Limit::OfTheProcess(percent / 100.0), burst: None }
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
            Limit::Unlimited => f64::INFINITY,
            Limit::OfOneProcessor(share) | Limit::OfTheProcess(share) => share * 100.0,
        }
    }
}

impl Default for Budget {
    fn default() -> Budget {
        Budget::spare_percent(0.5)
    }
}
