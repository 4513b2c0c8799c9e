//! Flags of LaunchDarkly, streamed or polled, and the events that report their use.

mod data;
mod events;
mod identity;
mod sdk;
mod settings;
mod stream;

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use self::{
    data::Data,
    events::EventReport,
    sdk::{ClientState, Flush, Reporting, SourceLink},
    settings::SourceSettings,
};
pub use self::{
    events::{DualReads, Events},
    sdk::Client,
};
use crate::{
    launchdarkly::LaunchDarkly,
    source::{
        self, FlagSource, FlagUpdates, KeyHandle, Subscription,
        network::{Retry, url},
    },
};

/// Flags of LaunchDarkly, or of a Relay Proxy: streamed, or polled.
///
/// A change of a flag reaches the next prediction within milliseconds of reaching the socket. While
/// the stream is away the last good flags stay in force, the source is stale and says why, and the
/// flags are polled; it connects again with growing, random pauses. An SDK key that is refused is
/// tried again [seldom](Source::retry_refused).
///
/// How often each flag answered what is reported, and more where LaunchDarkly asks for it:
/// [`Events`] says what leaves the process, and what it costs. None of it can delay a
/// prediction or another source.
///
/// ```no_run
/// use modelgate::{Flags, launchdarkly};
///
/// let key = std::env::var("LAUNCHDARKLY_SDK_KEY")?;
/// let flags = Flags::builder()
///     .source(launchdarkly::Source::new(key).last_known_good("/var/lib/service/flags.lkg"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Source {
    settings: SourceSettings,
    dialect: LaunchDarkly,
    dual_reads: Vec<DualReads>,
    client_state: Arc<ClientState>,
}

impl Source {
    /// The flags of the environment that this SDK key belongs to.
    pub fn new(sdk_key: impl Into<Box<str>>) -> Source {
        let settings = SourceSettings::new(sdk_key.into());
        Source {
            client_state: ClientState::new(&settings.key),
            settings,
            dialect: LaunchDarkly::new(),
            dual_reads: Vec::new(),
        }
    }

    /// Takes the flags from a Relay Proxy at this URL, or from a private instance whose services
    /// share one. A Relay Proxy serves the stream and takes events: there is then nothing to poll.
    pub fn relay(mut self, url: impl Into<String>) -> Source {
        self.settings.stream_url = url.into().into();
        self.settings.default_events_url = Some(self.settings.stream_url.clone());
        self.settings.poll_url = None;
        self
    }

    /// The base URLs of a private instance: of its stream, and of its polling service. Its events
    /// have [a URL of their own](Events::url), without which none are sent.
    pub fn base_urls(mut self, stream: impl Into<String>, poll: impl Into<String>) -> Source {
        self.settings.stream_url = stream.into().into();
        self.settings.poll_url = Some(poll.into().into());
        self.settings.default_events_url = None;
        self
    }

    /// Polls at this interval, at least 30 seconds, instead of streaming.
    pub fn polling(mut self, interval: Duration) -> Source {
        self.settings.streams = false;
        self.settings.interval = interval.max(settings::LEAST_INTERVAL);
        self
    }

    /// Asks for the flags of this payload filter only. A key that none can have (other characters than
    /// letters, digits, `.`, `_` and `-`, or one of those three at its beginning) is not sent: all flags
    /// come, and the source's status and the log say why.
    pub fn payload_filter(mut self, key: impl Into<String>) -> Source {
        self.settings.filter = Some(key.into());
        self
    }

    /// The pause after a refusal, of the key for instance, which doubles with each further one up to
    /// `max`; 5 minutes and an hour otherwise, as LaunchDarkly's own SDKs have it. Each pause is
    /// cut by up to a half at random. The status says
    /// [rejected](crate::flag::store::SourceState::Rejected) meanwhile, and a
    /// [new key](Source::key_handle) is tried at once.
    pub fn retry_refused(mut self, first: Duration, max: Duration) -> Source {
        self.settings.retry_refused = Retry { first, max };
        self
    }

    /// Names the program, and its version, with every request. A tag that LaunchDarkly does not take (1 to
    /// 64 letters, digits, `.`, `_` and `-`) is not sent, which the source's status and the log say.
    pub fn application(mut self, id: impl Into<String>, version: impl Into<String>) -> Source {
        self.settings.identity.application = Some(id.into());
        self.settings.identity.application_version = Some(version.into());
        self
    }

    /// Names the library, and its version, that wraps this one, with every request.
    pub fn wrapper(mut self, name: impl Into<String>, version: Option<&str>) -> Source {
        let name = Some(name.into()).filter(|name| !name.is_empty());
        let version = version.filter(|version| !version.is_empty()).map(str::to_owned);
        self.settings.identity.wrapper = name.map(|name| (name, version));
        self
    }

    /// A client for custom events, and for evaluation in LaunchDarkly's own terms. Take it before the
    /// source is moved into the builder.
    pub fn client(&self) -> Client {
        Client::new(Arc::clone(&self.client_state))
    }

    /// A handle that replaces the SDK key while the source runs. Take it before the source is moved into
    /// the builder.
    ///
    /// ```no_run
    /// use modelgate::{Flags, launchdarkly};
    ///
    /// let source = launchdarkly::Source::new("sdk-old");
    /// let key = source.key_handle();
    /// let flags = Flags::builder().source(source).build()?;
    /// // Later, when the secret store has a new key:
    /// key.set("sdk-new")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key_handle(&self) -> KeyHandle {
        KeyHandle::new(&self.settings.key, |_| Ok(()))
    }

    /// What is reported of the flags' use; [`Events::new`] otherwise, `None` to report
    /// nothing.
    pub fn events(mut self, events: impl Into<Option<Events>>) -> Source {
        self.settings.events = events.into();
        self
    }

    /// Reports these comparisons too; may be called again for more.
    pub fn dual_reads(mut self, dual_reads: &DualReads) -> Source {
        self.dual_reads.push(dual_reads.clone());
        self
    }

    source::setters! { Source:
        /// The source's name in the status; `launchdarkly` otherwise.
        name => settings.server.name;

        /// The pause after a failure, which doubles with each further one up to `max`; 1 and 30
        /// seconds otherwise. Each pause is cut by up to a half at random.
        retry => settings.server.retry;

        /// How long a stream may be silent before it counts as dead; 5 minutes otherwise. LaunchDarkly
        /// sends a sign of life every 3.
        silence => settings.silence;

        /// How the servers are reached: timeouts, limits, proxy, certificates.
        settings => settings.http;

        /// Compiles the flags with this dialect: one that knows a store of big segments, for instance.
        dialect(LaunchDarkly) => dialect;

        /// Keeps the last good flags in this file, and starts from it. Its folder must exist.
        last_known_good => settings.server.last_known_good;
    }
}

impl FlagSource for Source {
    fn name(&self) -> Cow<'static, str> {
        self.settings.server.name.clone()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        self.settings.check()?;
        let connection = stream::Connection::new(&self.settings)?;
        let network = updates.network()?;
        updates.watch(connection.meter());
        let mut dialect = self.dialect;
        let hooks = dialect.hooks();
        let mut reporting = None;
        let mut tasks = Vec::new();
        if let (Some(url), Some(events)) = (self.settings.events_url(), &self.settings.events) {
            let (client, vitals) = (connection.client.clone(), Arc::clone(&connection.vitals));
            if let (Some(interval), Some(first)) =
                (events.diagnostics, events::first_diagnostic(&self.settings))
            {
                let (client, vitals) = (client.clone(), Arc::clone(&vitals));
                let url = url::join(url, "/diagnostic")?;
                let diagnosing = events::keep_diagnosing(client, url, first, vitals, interval);
                tasks.push(network.spawn(diagnosing));
            }
            let name = self.settings.server.name.clone();
            let (flushes, requested) = Flush::channel();
            let report = EventReport::new(
                client,
                url,
                events.clone(),
                self.dual_reads,
                vitals,
                name,
                requested,
            )?;
            let (counts, ledger) = report.noting();
            reporting = Some(Reporting { ledger: Arc::clone(&ledger), flushes });
            dialect = dialect.with_evaluation_counts(&counts).with_ledger(ledger);
            tasks.push(network.spawn_until(move |stopped| report.keep_sending(stopped)));
        }
        self.client_state.connect(SourceLink { hooks, reporting });
        let warnings = self.settings.problems();
        let data = Data::start(dialect, self.settings.server.last_good(), warnings, updates);
        tasks.push(network.spawn(stream::follow(connection, data, self.settings)));
        Ok(Subscription::on_drop(move || drop(tasks)))
    }
}

/// Shows no key.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("settings", &self.settings).finish_non_exhaustive()
    }
}
