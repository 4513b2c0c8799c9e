//! Flags of Flagsmith: its cloud, a server of one's own, or an Edge Proxy.

mod document;
mod fetch;
mod mend;
mod moment;
mod news;
mod pages;
mod report;
mod settings;

use std::{borrow::Cow, fmt, time::Duration};

use self::{
    document::EnvironmentDocument, fetch::Connection, report::UsageReport, settings::SourceSettings,
};
use crate::{
    flag::EvaluationCounts,
    flagsmith::Flagsmith,
    source::{self, FlagSource, FlagUpdates, KeyHandle, Subscription, network::Secret},
};

/// Flags of Flagsmith: its cloud, a server of one's own, or an Edge Proxy.
///
/// The environment document is polled, and fetched at once when Flagsmith's real-time service says
/// that it has changed. Identities are evaluated here: neither identifiers nor traits leave the
/// process. The source reports how often each feature was on and off; none of that is on the way of
/// a prediction. While the server is away the last good flags stay in force, the source is stale and
/// says why.
///
/// ```no_run
/// use modelgate::{Flags, flagsmith};
///
/// let key = std::env::var("FLAGSMITH_SERVER_KEY")?;
/// let flags = Flags::builder()
///     .source(flagsmith::Source::new(key).last_known_good("/var/lib/service/flags.lkg"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A server of one's own has its API under `/api/v1`:
///
/// ```no_run
/// # use modelgate::flagsmith;
/// let source = flagsmith::Source::new("ser.made-in-the-settings-of-the-environment")
///     .url("https://flagsmith.example.com/api/v1")
///     .realtime_url("https://realtime.example.com");
/// ```
#[must_use]
pub struct Source {
    settings: SourceSettings,
    dialect: Flagsmith,
    bootstrap: Option<String>,
}

impl Source {
    /// The flags of the environment that this server-side key belongs to: it begins with `ser.`. A
    /// client-side key may not read the environment document; the source refuses it.
    pub fn new(server_key: impl Into<Box<str>>) -> Source {
        Source {
            settings: SourceSettings::new(server_key.into()),
            dialect: Flagsmith::new(),
            bootstrap: None,
        }
    }

    /// Where the API is: of a server of one's own, or of an Edge Proxy, with its `/api/v1`. The
    /// cloud's `https://edge.api.flagsmith.com/api/v1` otherwise.
    pub fn url(mut self, url: impl Into<String>) -> Source {
        self.settings.url = url.into().into();
        self
    }

    /// Also listens to the cloud's real-time service, so that a change arrives when it is made.
    /// Polling goes on: that service says nothing of what changes for single identities.
    pub fn realtime(self) -> Source {
        self.realtime_url(settings::REALTIME)
    }

    /// Also listens to the real-time service at this URL.
    pub fn realtime_url(mut self, url: impl Into<String>) -> Source {
        self.settings.realtime = Some(url.into().into());
        self
    }

    /// The client-side key by which the real-time service knows the environment. Otherwise the key is
    /// taken from the environment document, and listening begins once the first document has arrived.
    pub fn client_key(mut self, key: impl Into<Box<str>>) -> Source {
        self.settings.client_key = Some(Secret::new(key));
        self
    }

    /// Asks the server only for what has changed, with `If-Modified-Since` and `If-None-Match`.
    ///
    /// Not otherwise: Flagsmith's own API answers such a request from a cache, and keeps saying for
    /// up to a minute that nothing has changed. For a proxy that does it better.
    pub fn conditional(mut self) -> Source {
        self.settings.conditional = true;
        self
    }

    /// The application's name and version, which Flagsmith shows beside the counts.
    pub fn application(mut self, name: impl Into<String>, version: impl Into<String>) -> Source {
        self.settings.application = Some((name.into(), version.into()));
        self
    }

    /// The pause between two reports of usage; a minute otherwise, `None` to report nothing.
    pub fn analytics(mut self, interval: Option<Duration>) -> Source {
        self.settings.analytics = interval;
        self
    }

    /// A handle that replaces the server-side key while the source runs. Take it before the source is moved
    /// into the builder. A key that does not begin with `ser.` is refused, and the old one stays.
    ///
    /// ```no_run
    /// use modelgate::{Flags, flagsmith};
    ///
    /// let source = flagsmith::Source::new("ser.old");
    /// let key = source.key_handle();
    /// let flags = Flags::builder().source(source).build()?;
    /// // Later, when the secret store has a new key:
    /// key.set("ser.new")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn key_handle(&self) -> KeyHandle {
        KeyHandle::new(&self.settings.key, settings::check_key)
    }

    source::setters! { Source:
        /// The source's name in the status; `flagsmith` otherwise.
        name => settings.server.name;

        /// The pause between two requests, give or take a tenth; a minute otherwise.
        interval => settings.interval;

        /// The pause after a failure, which doubles with each further one up to `max`; 1 second and
        /// 5 minutes otherwise. Each pause is cut by up to a half at random. A failure that is
        /// unlikely to pass, such as a key that is refused, is retried at the longest pause.
        retry => settings.server.retry;

        /// How long the real-time service may be silent before its connection counts as dead;
        /// 5 minutes otherwise.
        silence => settings.silence;

        /// How the servers are reached: timeouts, limits, proxy, certificates.
        settings => settings.http;

        /// Compiles the flags with this dialect: one of another generation, for instance.
        dialect(Flagsmith) => dialect;

        /// Starts with this environment document, as stale, until the server has answered. A
        /// last-known-good file counts before it.
        ///
        /// To go by a document alone, without a server, give it to a `FileSource`, or compile it with
        /// [`Flagsmith::compile`].
        bootstrap(document) => bootstrap;

        /// Keeps the last good flags in this file, and starts from it. Its folder must exist.
        last_known_good => settings.server.last_known_good;
    }
}

impl FlagSource for Source {
    fn name(&self) -> Cow<'static, str> {
        self.settings.server.name.clone()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        let settings = self.settings;
        settings.check()?;
        let connection = Connection::new(&settings)?;
        let network = updates.network()?;
        // Not the real-time service's: what it says keeps nothing fresh.
        updates.watch(connection.client.meter());
        let evaluations = EvaluationCounts::new();
        let mut dialect = self.dialect;
        if settings.analytics.is_some() {
            dialect = dialect.with_evaluation_counts(&evaluations);
        }
        let report = UsageReport::new(&connection.client, &settings, evaluations)?;
        let environment = EnvironmentDocument::start(
            dialect,
            settings.server.last_good(),
            self.bootstrap,
            updates,
        );
        let reporting = settings.analytics.map(|interval| {
            let retry = settings.server.retry;
            network.spawn_until(move |stopped| report.keep_sending(interval, retry, stopped))
        });
        let fetching = network.spawn(connection.follow(environment, settings));
        Ok(Subscription::on_drop(move || drop((fetching, reporting))))
    }
}

/// Shows no key.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("settings", &self.settings).finish_non_exhaustive()
    }
}
