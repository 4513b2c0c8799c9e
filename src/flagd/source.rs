//! Flags of a flagd server, by its gRPC sync stream.

mod environment;
mod message;
mod settings;
mod stream;
mod synced_document;

use std::{borrow::Cow, fmt, path::PathBuf, sync::Arc, time::Duration};

use tokio::time::Instant;

use self::{
    settings::SourceSettings,
    stream::{Stream, StreamFailure},
    synced_document::SyncedDocument,
};
use crate::{
    flagd::Flagd,
    source::{
        self, FlagSource, FlagUpdates, Subscription, chain,
        documents::Documents,
        network::{Backoff, Secret},
    },
};

/// Flags of a flagd server: its in-process sync protocol (`flagd.sync.v1`), where the server sends
/// the whole set on connecting and on every change.
///
/// When the stream is lost the last good flags stay in force, the source turns stale, and says so
/// once more when the grace period has passed; it connects again with growing, random pauses.
///
/// ```no_run
/// use modelgate::{Flags, flagd};
///
/// let flags = Flags::builder()
///     .source(flagd::Source::new("flagd.internal", 8015).tls(true).selector("flagSetId=models"))
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A server that offers its flags over HTTP instead is polled with
/// [`HttpSource`](crate::source::HttpSource); a file is watched with `FileSource`.
#[must_use]
pub struct Source {
    settings: SourceSettings,
    dialect: Flagd,
    /// Flags from a file instead of a server.
    offline: Option<PathBuf>,
}

impl Source {
    /// The sync service of the server at this host, ordinarily on port 8015.
    pub fn new(host: impl Into<String>, port: u16) -> Source {
        Source {
            settings: SourceSettings::new(host.into(), port),
            dialect: Flagd::new(),
            offline: None,
        }
    }

    /// The server that the environment names, in the variables of the flagd providers:
    /// `FLAGD_HOST`, `FLAGD_SYNC_PORT` or `FLAGD_PORT`, `FLAGD_TLS`, `FLAGD_SERVER_CERT_PATH`,
    /// `FLAGD_SOCKET_PATH`, `FLAGD_SOURCE_SELECTOR`, `FLAGD_PROVIDER_ID`, `FLAGD_DEADLINE_MS`,
    /// `FLAGD_STREAM_DEADLINE_MS`, `FLAGD_KEEP_ALIVE_TIME_MS`, `FLAGD_RETRY_BACKOFF_MS`,
    /// `FLAGD_RETRY_BACKOFF_MAX_MS`, `FLAGD_RETRY_GRACE_PERIOD` (seconds),
    /// `FLAGD_FATAL_STATUS_CODES` and `FLAGD_OFFLINE_FLAG_SOURCE_PATH`.
    ///
    /// # Errors
    /// When one of them is not what it should be; the error names it.
    pub fn from_environment() -> Result<Source, source::Error> {
        environment::read(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))),
        )
    }

    /// Encrypts the connection, trusting the platform's certificates.
    pub fn tls(mut self, tls: bool) -> Source {
        self.settings.tls = tls;
        self
    }

    /// Trusts the certificates in this PEM file instead of the platform's; implies
    /// [`tls`](Source::tls).
    pub fn certificate(mut self, path: impl Into<PathBuf>) -> Source {
        self.settings.tls = true;
        self.settings.certificate = Some(path.into());
        self
    }

    /// Connects to this Unix socket instead of a host and a port.
    pub fn socket(mut self, path: impl Into<PathBuf>) -> Source {
        self.settings.socket = Some(path.into());
        self
    }

    /// Connects through this proxy, `http://user:password@host:port`, by a tunnel (`CONNECT`). The
    /// environment's proxies (`HTTPS_PROXY` where [`tls`](Source::tls) is on, otherwise
    /// `HTTP_PROXY`; `NO_PROXY`) are then not looked at. A Unix socket and this machine's own
    /// addresses are never reached through the environment's.
    pub fn proxy(mut self, url: impl Into<Box<str>>) -> Source {
        self.settings.proxy = Some(Secret::new(url));
        self
    }

    /// Asks for some of the server's flags only: `flagSetId=models`, or the name of a source.
    pub fn selector(mut self, selector: impl Into<String>) -> Source {
        self.settings.selector = Some(selector.into());
        self
    }

    /// How long connecting may take; 500 milliseconds otherwise.
    pub fn deadline(mut self, deadline: Duration) -> Source {
        self.settings.deadline = deadline;
        self
    }

    /// How long a stream is kept before a new one is opened; 10 minutes otherwise, `None` for as
    /// long as it lasts.
    pub fn stream_deadline(mut self, deadline: Option<Duration>) -> Source {
        self.settings.stream_deadline = deadline;
        self
    }

    /// Asks an idle server for a sign of life at this interval. flagd refuses clients that ask more
    /// often than every 30 seconds.
    pub fn keep_alive(mut self, interval: Duration) -> Source {
        self.settings.keep_alive = Some(interval);
        self
    }

    /// How long a lost stream may take to come back before the status says that the server is away;
    /// 5 seconds otherwise.
    pub fn grace_period(mut self, grace: Duration) -> Source {
        self.settings.grace = grace;
        self
    }

    /// gRPC status codes, by name (`PERMISSION_DENIED`), after which it is not tried again.
    pub fn fatal_status_codes<C: Into<String>>(
        mut self,
        codes: impl IntoIterator<Item = C>,
    ) -> Source {
        self.settings.fatal = codes.into_iter().map(Into::into).collect();
        self
    }

    source::setters! { Source:
        /// The source's name in the status; `flagd` otherwise.
        name => settings.server.name;

        /// The pause after a failure, which doubles with each further one up to `max`; 1 and 12
        /// seconds otherwise. Each pause is cut by up to a half at random.
        retry => settings.server.retry;

        /// Compiles the flags with this dialect: another generation of `fractional`, for instance.
        dialect(Flagd) => dialect;

        /// Keeps the last good flags in this file, and starts from it. Its folder must exist.
        last_known_good => settings.server.last_known_good;
    }
}

impl FlagSource for Source {
    fn name(&self) -> Cow<'static, str> {
        self.settings.server.name.clone()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, source::Error> {
        if let Some(path) = self.offline {
            #[cfg(feature = "file")]
            return Box::new(crate::source::FileSource::watch(path).dialect(self.dialect))
                .subscribe(updates);
            #[cfg(not(feature = "file"))]
            return Err(source::Error::new(format!(
                "flags of the file {} need the feature `file`",
                path.display()
            )));
        }
        self.settings.check()?;
        let network = updates.network()?;
        let stream = {
            let _inside = network.enter();
            Stream::new(&self.settings)?
        };
        updates.watch(stream.meter());
        let dialect = self.dialect.clone();
        let name = self.settings.server.name.clone();
        let sent = SyncedDocument::new(name, self.dialect);
        let documents = Documents::start(Box::new(sent), self.settings.server.last_good(), updates);
        let task = network.spawn(follow(stream, dialect, documents, Arc::new(self.settings)));
        Ok(Subscription::on_drop(move || drop(task)))
    }
}

async fn follow(
    stream: Stream,
    dialect: Flagd,
    mut documents: Documents,
    settings: Arc<SourceSettings>,
) {
    let retry = settings.server.retry;
    let mut backoff = Backoff::new(retry);
    loop {
        let before = documents.delivered();
        let opened = Instant::now();
        let ended = stream.follow(&dialect, &mut documents).await;
        // A stream has worked once it has brought flags.
        let was_well = documents.delivered() != before;
        if was_well {
            backoff.reset();
        }
        let failure = match ended {
            // Nothing is wrong, and a deadline of nothing is no reason to open streams in a loop.
            Ok(()) if was_well && opened.elapsed() >= retry.first => continue,
            Ok(()) if was_well => {
                documents.pause(backoff.pause(None)).await;
                continue;
            }
            // The whole set comes first on every stream: one that brought none is no server's that
            // is well, or was given no time to be one.
            Ok(()) => StreamFailure::of_nothing(),
            Err(failure) => failure,
        };
        let fatal = settings.fatal.contains(&failure.code);
        let again = backoff.failures() > 0;
        let cause = chain(&failure.error);
        if fatal {
            let text = format!("{} is fatal: not tried again", failure.code);
            documents.updates.reject(source::Error::with_source(text, failure.error));
            return;
        }
        if matches!(&*failure.code, "UNAUTHENTICATED" | "PERMISSION_DENIED") {
            documents.updates.reject(failure.error);
        } else {
            documents.updates.report(failure.error);
        }
        if !again {
            documents.grace(settings.grace, cause);
        }
        documents.pause(backoff.pause(None)).await;
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source")
            .field("settings", &self.settings)
            .field("offline", &self.offline)
            .finish_non_exhaustive()
    }
}
