//! Flags of an Unleash server, or of Unleash Edge.

mod data;
mod delta;
mod fetch;
mod impact;
mod report;
mod settings;

use std::{borrow::Cow, fmt, time::Duration};

use self::{
    data::Data,
    fetch::Connection,
    report::{PendingCounts, UsageReport},
    settings::SourceSettings,
};
use crate::{
    flag::EvaluationCounts,
    source::{self, FlagSource, FlagUpdates, KeyHandle, Subscription},
    unleash::{ImpactMetrics, Unleash},
};

/// Flags of an Unleash server, or of Unleash Edge: polled, or streamed where the server offers it.
///
/// The source registers its application and reports how often each toggle was on, off, and which
/// variant it gave. None of that is on the way of a prediction, and a server that hangs on it delays
/// nothing else. While the server is away the last good flags stay in force, the source is stale and
/// says why.
///
/// ```no_run
/// use modelgate::{Flags, unleash};
///
/// let token = std::env::var("UNLEASH_API_TOKEN")?;
/// let flags = Flags::builder()
///     .source(unleash::Source::new("https://unleash.example.com/api", token).app_name("fraud"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct Source {
    settings: SourceSettings,
    dialect: Unleash,
    impact: ImpactMetrics,
    bootstrap: Option<String>,
}

impl Source {
    /// The flags that this backend token may see, from the server whose API is at `url`:
    /// `https://unleash.example.com/api`.
    pub fn new(url: impl Into<String>, token: impl Into<Box<str>>) -> Source {
        Source {
            settings: SourceSettings::new(url.into(), token.into()),
            dialect: Unleash::new(),
            impact: ImpactMetrics::new(),
            bootstrap: None,
        }
    }

    /// The application's name, by which the server lists it and strategies may ask for it; that of
    /// the [dialect](Source::dialect) otherwise, or else `modelgate`.
    pub fn app_name(mut self, name: impl Into<String>) -> Source {
        self.settings.app_name = Some(name.into());
        self
    }

    /// What tells this process from others of the same application; drawn at random otherwise.
    pub fn instance_id(mut self, id: impl Into<String>) -> Source {
        self.settings.instance_id = id.into();
        self
    }

    /// Has changes streamed by servers that offer it, Unleash Edge and Unleash Enterprise; others
    /// are polled.
    pub fn streaming(mut self) -> Source {
        self.settings.streams = true;
        self
    }

    /// Has each poll bring only what has changed, of servers that offer it, Unleash Edge and Unleash
    /// Enterprise. The others, which have no such answer, are asked for everything, with ETag.
    pub fn deltas(mut self) -> Source {
        self.settings.deltas = true;
        self
    }

    /// Only the flags of this project; may be called again for more.
    pub fn project(mut self, project: impl Into<String>) -> Source {
        self.settings.filters.push(("project", project.into()));
        self
    }

    /// Only the flags whose names begin with this prefix.
    pub fn name_prefix(mut self, prefix: impl Into<String>) -> Source {
        self.settings.filters.push(("namePrefix", prefix.into()));
        self
    }

    /// Only the flags with this tag, `type:value`; may be called again for more.
    pub fn tag(mut self, tag: impl Into<String>) -> Source {
        self.settings.filters.push(("tag", tag.into()));
        self
    }

    /// The pause between two reports of usage; a minute otherwise, `None` to report nothing and
    /// not to register either.
    pub fn metrics(mut self, interval: Option<Duration>) -> Source {
        self.settings.metrics = interval;
        self
    }

    /// Reports, along with usage, what these routers count: the server shows it beside the flags as
    /// impact metrics. Labels are completed by `appName` and, where the token says it,
    /// `environment`. Nothing is reported while [`metrics`](Source::metrics) is `None`.
    ///
    /// ```no_run
    /// use modelgate::{ModelRouter, model_fn, unleash::{ImpactMetrics, self}};
    ///
    /// let impact = ImpactMetrics::new();
    /// let token = std::env::var("UNLEASH_API_TOKEN")?;
    /// let source = unleash::Source::new("https://unleash.example.com/api", token)
    ///     .impact_metrics(&impact);
    /// let router = ModelRouter::<[f32], f32>::builder("ml-model-version")
    ///     .model("v1", model_fn(|features: &[f32]| Ok(features.iter().sum())))
    ///     .fallback("v1")
    ///     .source(source)
    ///     .impact_metrics("fraud", &impact)
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn impact_metrics(mut self, metrics: &ImpactMetrics) -> Source {
        self.impact = metrics.clone();
        self
    }

    /// A handle that replaces the token while the source runs. Take it before the source is moved into
    /// the builder.
    pub fn token_handle(&self) -> KeyHandle {
        KeyHandle::new(&self.settings.token, |_| Ok(()))
    }

    source::setters! { Source:
        /// The source's name in the status; `unleash` otherwise.
        name => settings.server.name;

        /// The pause between two requests, give or take a tenth; 15 seconds otherwise. The server
        /// itself notices changes once a second.
        interval => settings.interval;

        /// The pause after a failure, which doubles with each further one up to `max`; 1 second and
        /// 5 minutes otherwise. Each pause is cut by up to a half at random.
        retry => settings.server.retry;

        /// How long a stream may be silent before it counts as dead; a minute otherwise. The server
        /// sends a sign of life every 30 seconds.
        silence => settings.silence;

        /// How the server is reached: timeouts, limits, proxy, certificates.
        settings => settings.http;

        /// Compiles the flags with this dialect: one that knows custom strategies, for instance.
        dialect(Unleash) => dialect;

        /// Starts with these client features, as stale, until the server has answered. A last-known-good
        /// file counts before them.
        bootstrap(features) => bootstrap;

        /// Keeps the last good flags in this file, and starts from it. Its folder must exist.
        last_known_good => settings.server.last_known_good;
    }
}

impl FlagSource for Source {
    fn name(&self) -> Cow<'static, str> {
        self.settings.server.name.clone()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        let mut settings = self.settings;
        settings.check()?;
        if settings.app_name.is_none() {
            settings.app_name = self.dialect.app_name().map(str::to_owned);
        }
        let connection = Connection::new(&settings)?;
        let network = updates.network()?;
        updates.watch(connection.client.meter());
        let evaluations = EvaluationCounts::new();
        let mut dialect = self.dialect.with_app_name(settings.app_name());
        if settings.metrics.is_some() {
            dialect = dialect.with_evaluation_counts(&evaluations);
        }
        let counted = PendingCounts {
            evaluations,
            impact: self.impact,
            strategies: dialect.strategies().map(str::to_owned).collect(),
        };
        let report = UsageReport::new(&connection, &settings, counted)?;
        let data = Data::start(dialect, settings.server.last_good(), self.bootstrap, updates);
        let reporting = settings.metrics.map(|interval| {
            network.spawn_until(move |stopped| report.keep_sending(interval, stopped))
        });
        let fetching = network.spawn(connection.follow(data, settings));
        Ok(Subscription::on_drop(move || drop((fetching, reporting))))
    }
}

/// Shows no token.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("settings", &self.settings).finish_non_exhaustive()
    }
}
