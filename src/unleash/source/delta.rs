//! Polling for what has changed, of servers that say it.

use tokio::time::Instant;

use super::{data::Data, fetch::AGAIN};
use crate::source::network::{Conditions, Failure};

/// Requests that fail this often in a row are tried without deltas.
const TOO_OFTEN: u32 = 5;

/// Where polling for changes has got to.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    /// The tag of what is in force, while that came as deltas.
    pub(super) known: Conditions,
    failures: u32,
    /// After they were given up, when they are tried again.
    again: Option<Instant>,
}

impl Deltas {
    /// Whether deltas are worth asking for.
    pub(super) fn is_supported(&self) -> bool {
        self.again.is_none_or(|moment| moment <= Instant::now())
    }

    /// What is in force did not come as deltas: the next begins with everything.
    pub(super) fn forget(&mut self) {
        self.known = Conditions::default();
    }

    /// Puts an answer in force. Without a tag of ours it must begin with everything.
    ///
    /// # Errors
    /// When the answer is none that is understood; what was there stays.
    pub(super) fn apply(
        &mut self,
        data: &mut Data,
        text: &str,
        etag: Option<String>,
    ) -> Result<(), Failure> {
        let is_first = self.known.etag.is_none();
        // Whatever is wrong with it, the next must not build on it.
        self.forget();
        if is_first {
            data.begin_events();
        }
        // Old numbers are those of another server, or of one that was set back.
        if data.apply(text)? {
            self.known.etag = etag;
        }
        self.succeeded();
        Ok(())
    }

    pub(super) fn succeeded(&mut self) {
        (self.failures, self.again) = (0, None);
    }

    /// Whether, after this failure, everything is to be asked for instead.
    pub(super) fn fail(&mut self, failure: &Failure) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures >= TOO_OFTEN
            || match failure.status {
                Some(408 | 429) => false,
                Some(status) => status < 500 || status == 501,
                None => false,
            }
    }

    /// Gives deltas up for a while.
    pub(super) fn give_up(&mut self) {
        self.forget();
        self.failures = 0;
        self.again = Instant::now().checked_add(AGAIN);
    }
}
