//! What is reported to LaunchDarkly, and how often.

mod context;
mod diagnostic;
mod dual_reads;
mod outbox;
mod payload;
mod report;
mod summary;

use std::time::Duration;

use self::context::Privacy;
pub use self::dual_reads::DualReads;
pub(super) use self::{
    diagnostic::{Vitals, first as first_diagnostic, keep_sending as keep_diagnosing},
    report::EventReport,
};
use crate::{prediction_id::PredictionId, source::network::Address};

/// The queue's places are allocated at once: some 50 bytes each.
const MOST_CAPACITY: usize = 1_000_000;

/// What a [`Source`](super::Source) reports to LaunchDarkly, and how often.
///
/// | event | sent for |
/// |---|---|
/// | `summary` | every answer that a router or [`Flags`](crate::Flags) went by: a count for each flag, version and variation |
/// | `index` | every context, once in 5 minutes |
/// | `feature`, `debug` | single answers of the flags, rules and experiments that ask for it |
/// | `identify`, `custom` | what the service [reports](super::Client) |
/// | `migration_op` | the comparisons of a shadow, where [`DualReads`] is one of the sinks |
/// | diagnostics | the client itself: its settings, and what it had to drop |
///
/// # What leaves the process
///
/// A summary holds no context. The others do: the keys of its kinds always, its attributes only
/// [if you say so](Events::all_attributes_private), and then without those that are private: for
/// [all contexts](Events::private_attribute), or for
/// [the one that says so](crate::Context::with_private). The vendor's own clients send all
/// attributes unless configured not to.
///
/// # What it costs a request
///
/// Counting takes no lock and allocates nothing. For `index` events, the kinds and keys of a context
/// are hashed and looked up among those seen before, without a lock; the first answer to a
/// context in 5 minutes, and every answer that is reported by itself, makes an owned copy of the
/// context and offers it to a queue. When that is full the copy is not made, and the loss is counted
/// and logged. A flag with prerequisites, and a flag that may ask for single answers, is evaluated
/// a second time, for what the prerequisites answered and for the reason.
/// [`contexts(false)`](Events::contexts) leaves only the counting.
///
/// # What routers report
///
/// A router has a fallback version instead of a default: its summaries say `null`. The flags that it
/// asks for and that are not there it does not report; those read through [`Flags`](crate::Flags) are
/// counted as unknown.
///
/// # What is lost
///
/// A payload that fails is sent again after a second under the same id, by which the service tells
/// repetitions, and again with every later flush; meanwhile counts add up, and the queue fills.
/// One that may have arrived and could not be confirmed for 5 minutes is given up: better a count
/// too few than one twice. A key that is refused ends all reporting until there is a
/// [new one](super::Source::key_handle), diagnostics for good, and nothing else. What is
/// there when the store is dropped is sent within 2 seconds, or lost; nobody waits for it.
///
/// ```no_run
/// use modelgate::launchdarkly;
///
/// # let key = "";
/// let events = launchdarkly::Events::new()
///     .all_attributes_private(false)
///     .private_attribute("email")
///     .private_attribute("/address/street");
/// let source = launchdarkly::Source::new(key).events(events);
/// let counted_nowhere = launchdarkly::Source::new(key).events(None);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Events {
    pub(super) url: Option<Address>,
    pub(super) interval: Duration,
    pub(super) capacity: usize,
    pub(super) contexts: bool,
    pub(super) omit_anonymous: bool,
    pub(super) privacy: Privacy,
    pub(super) gzip: bool,
    pub(super) retry: Duration,
    pub(super) diagnostics: Option<Duration>,
}

impl Default for Events {
    fn default() -> Events {
        Events::new()
    }
}

impl Events {
    /// Everything in the table of [`Events`], with keys and without attributes.
    pub fn new() -> Events {
        Events {
            url: None,
            interval: Duration::from_secs(5),
            capacity: 10_000,
            contexts: true,
            omit_anonymous: false,
            privacy: Privacy::default(),
            gzip: true,
            retry: Duration::from_secs(1),
            diagnostics: Some(Duration::from_secs(900)),
        }
    }

    /// The base URL of the service that takes events. Otherwise it is LaunchDarkly's own, or the
    /// [Relay Proxy](super::Source::relay); with other
    /// [base URLs](super::Source::base_urls) nothing is sent anywhere unless it is
    /// given.
    pub fn url(mut self, url: impl Into<String>) -> Events {
        self.url = Some(url.into().into());
        self
    }

    /// The pause between two payloads; 5 seconds otherwise.
    pub fn flush_interval(mut self, interval: Duration) -> Events {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// How many events with a context may wait for the next payload, at most a million; 10,000
    /// otherwise. Further ones are dropped and counted.
    pub fn capacity(mut self, events: usize) -> Events {
        self.capacity = events.clamp(1, MOST_CAPACITY);
        self
    }

    /// Whether events are sent that have a context: `index`, `feature`, `debug`, `identify` and `custom`;
    /// `true` otherwise. Those of [`DualReads`] are sent all the same where the source is given them.
    pub fn contexts(mut self, contexts: bool) -> Events {
        self.contexts = contexts;
        self
    }

    /// Whether `index` and `identify` events leave out contexts that are anonymous; `false` otherwise. Of
    /// several kinds those that are not are still sent, and so are the other events, in which an anonymous
    /// context has no attributes.
    pub fn omit_anonymous(mut self, omit: bool) -> Events {
        self.omit_anonymous = omit;
        self
    }

    /// Whether contexts are sent without any of their attributes, `name` included, except for kind,
    /// key and `anonymous`; `true` otherwise. The attributes' names are sent all the same, as the
    /// vendor's clients do.
    pub fn all_attributes_private(mut self, private: bool) -> Events {
        self.privacy.all = private;
        self
    }

    /// Sends contexts without this attribute: a name, or a path into an object such as
    /// `/address/street`. May be called again for more. Of use where not
    /// [all are private](Events::all_attributes_private).
    pub fn private_attribute(mut self, attribute: impl AsRef<str>) -> Events {
        self.privacy.add(attribute.as_ref());
        self
    }

    /// Whether payloads are compressed; `true` otherwise.
    pub fn gzip(mut self, gzip: bool) -> Events {
        self.gzip = gzip;
        self
    }

    /// The pause before a payload that failed is sent again; 1 second otherwise.
    pub fn retry(mut self, pause: Duration) -> Events {
        self.retry = pause;
        self
    }

    /// The pause between two diagnostic events, at least a minute; 15 minutes otherwise, `None` to
    /// send none. They describe this client and how it fares, no flag and no context.
    pub fn diagnostics(mut self, interval: Option<Duration>) -> Events {
        self.diagnostics = interval.map(|interval| interval.max(Duration::from_secs(60)));
        self
    }
}

/// A UUID of version 4: unique, and good for nothing else.
pub(super) fn uuid() -> String {
    let id = PredictionId::generate().as_u128();
    let (high, low) = ((id >> 64) as u64, id as u64);
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xfff,
        0x8000 | low >> 48 & 0x3fff,
        low & 0xffff_ffff_ffff,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capacity_beyond_all_memory_is_cut() {
        let events = Events::new().capacity(usize::MAX);
        let ledger = crate::launchdarkly::Ledger::new(events.contexts, events.capacity);
        assert_eq!(ledger.take().count(), 0);
    }

    #[test]
    fn ids_are_uuids_of_their_own() {
        let [first, second] = [(), ()].map(|()| uuid());
        assert_ne!(first, second);
        assert_eq!(first.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        assert!(first.chars().all(|c| c.is_ascii_hexdigit() || c == '-'), "{first}");
    }
}
