//! Flags fetched over HTTP, again and again.

mod fetch;
#[cfg(test)]
mod tests;

use std::{
    borrow::Cow,
    fmt,
    hash::{BuildHasher, RandomState},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use self::fetch::{Answer, Fetch};
use super::{
    Compile, FlagSink, FlagSource, SourceError, Subscription, default_dialect,
    worker::{Signal, Wake, Worker, compile},
};
use crate::store::{LastKnownGood, digest};

/// Waits longer than this are not taken from a server.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Flags behind a URL, fetched at an interval on a thread of its own.
///
/// Sends the last `ETag`, so that unchanged flags cost the server next to nothing. A failure
/// leaves the last good flags in force and is tried again with growing, random pauses, or when
/// the server's `Retry-After` says. Redirects are not followed: headers may carry secrets.
///
/// With a [last-known-good file](HttpSource::last_known_good) a service starts at once with what
/// it had, also while the server is away.
///
/// ```no_run
/// use std::time::Duration;
/// use modelgate::{Flags, HttpSource};
///
/// let flags = Flags::builder()
///     .source(
///         HttpSource::poll("https://flags.example.com/models.json")
///             .header("Authorization", "Bearer …")
///             .interval(Duration::from_secs(10))
///             .last_known_good("/var/lib/service/flags.lkg"),
///     )
///     .build()?;
/// flags.wait_ready(Duration::from_secs(5))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct HttpSource {
    url: String,
    name: Cow<'static, str>,
    dialect: Box<dyn Compile>,
    headers: Vec<(String, String)>,
    user_agent: String,
    interval: Duration,
    retry: (Duration, Duration),
    timeout: Duration,
    max_bytes: u64,
    last_known_good: Option<LastKnownGood>,
}

impl HttpSource {
    /// Fetches from `url`, `http` or `https`, in the flagd format.
    pub fn poll(url: impl Into<String>) -> HttpSource {
        HttpSource {
            url: url.into(),
            name: Cow::Borrowed("http"),
            dialect: default_dialect(),
            headers: Vec::new(),
            user_agent: concat!("modelgate/", env!("CARGO_PKG_VERSION")).to_owned(),
            interval: Duration::from_secs(30),
            retry: (Duration::from_secs(1), Duration::from_secs(300)),
            timeout: Duration::from_secs(10),
            max_bytes: 64 << 20,
            last_known_good: None,
        }
    }

    /// Compiles the answers with this dialect.
    pub fn dialect(mut self, dialect: impl Compile) -> HttpSource {
        self.dialect = Box::new(dialect);
        self
    }

    /// The source's name in the status; `http` otherwise.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> HttpSource {
        self.name = name.into();
        self
    }

    /// Sends this header. Its value is shown in no log and no `Debug` output.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> HttpSource {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// What the source calls itself to the server; `modelgate/` and the version otherwise.
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> HttpSource {
        self.user_agent = user_agent.into();
        self
    }

    /// The pause between two fetches, give or take a tenth so that many services do not ask at
    /// the same moment; 30 seconds otherwise.
    pub fn interval(mut self, interval: Duration) -> HttpSource {
        self.interval = interval;
        self
    }

    /// The pause after a failure, which doubles with each further one up to `max`; 1 second and
    /// 5 minutes otherwise. Each pause is cut by up to a half at random.
    pub fn retry(mut self, first: Duration, max: Duration) -> HttpSource {
        self.retry = (first, max);
        self
    }

    /// How long one fetch may take, the body included; 10 seconds otherwise.
    pub fn timeout(mut self, timeout: Duration) -> HttpSource {
        self.timeout = timeout;
        self
    }

    /// The largest body that is read, after decompression; 64 MiB otherwise.
    pub fn max_bytes(mut self, max_bytes: u64) -> HttpSource {
        self.max_bytes = max_bytes;
        self
    }

    /// Keeps the last good document in this file, and starts from it. Its folder must exist.
    pub fn last_known_good(mut self, path: impl Into<PathBuf>) -> HttpSource {
        self.last_known_good = Some(LastKnownGood::at(path));
        self
    }
}

/// The URL's query and the headers' values may be secret.
impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource")
            .field("url", &public_part(&self.url))
            .field("name", &self.name)
            .field("headers", &self.headers.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .field("last_known_good", &self.last_known_good)
            .finish_non_exhaustive()
    }
}

/// The URL without user, password, query and fragment.
fn public_part(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = host.rsplit('@').next().unwrap_or_default();
            format!("{scheme}://{host}{path}")
        }
        None => url.to_owned(),
    }
}

impl FlagSource for HttpSource {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn subscribe(self: Box<Self>, sink: FlagSink) -> Result<Subscription, SourceError> {
        let fetch =
            Fetch::new(&self.url, self.headers, &self.user_agent, self.timeout, self.max_bytes)?;
        let agent = fetch.agent();
        let mut poller = Poller {
            name: self.name,
            fetch,
            dialect: self.dialect,
            last_known_good: self.last_known_good,
            unsaved: None,
            good: None,
            sink,
        };
        poller.start_from_file();
        let (interval, retry) = (self.interval, self.retry);
        let signal = Arc::new(Signal::default());
        // Long enough to end a request in flight, too short to hold up a shutdown.
        let patience = Duration::from_millis(100);
        let worker = Worker::start("modelgate-http", signal, patience, move |signal| {
            let mut failures = 0_u32;
            loop {
                let pause = match poller.poll() {
                    Ok(()) => {
                        failures = 0;
                        scaled(interval, 0.9 + 0.2 * random())
                    }
                    Err(_) if signal.is_stopping() => break,
                    Err(failure) => {
                        poller.sink.report(failure.error);
                        let pause = pause_after(retry, failures, failure.retry_after);
                        failures = failures.saturating_add(1);
                        pause
                    }
                };
                if signal.wait(pause) == Wake::Stop {
                    break;
                }
            }
        })
        .map_err(|error| SourceError::with_source("thread could not be started", error))?
        .interrupted_by(move || agent.shutdown());
        Ok(Subscription::on_drop(move || drop(worker)))
    }
}

/// The pause after a failure that had this many before it, at random between a half and the whole
/// of its length; longer if the server says so.
fn pause_after(
    (first, max): (Duration, Duration),
    failures: u32,
    retry_after: Option<Duration>,
) -> Duration {
    let doubled = first.saturating_mul(2_u32.saturating_pow(failures.min(30)));
    let pause = scaled(doubled.min(max), 0.5 + 0.5 * random());
    pause.max(retry_after.unwrap_or_default().min(MAX_RETRY_AFTER))
}

fn scaled(duration: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(duration.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// A number in `0..1`, good enough to keep services from asking in step: the standard library
/// seeds each hasher anew.
fn random() -> f64 {
    (RandomState::new().hash_one(0_u8) >> 11) as f64 / (1_u64 << 53) as f64
}

struct Poller {
    name: Cow<'static, str>,
    fetch: Fetch,
    dialect: Box<dyn Compile>,
    last_known_good: Option<LastKnownGood>,
    /// A good document that could not be saved yet.
    unsaved: Option<String>,
    /// The digest of the document in force.
    good: Option<String>,
    sink: FlagSink,
}

/// A fetch that failed.
struct Failure {
    error: SourceError,
    retry_after: Option<Duration>,
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        Failure { error, retry_after: None }
    }
}

impl Poller {
    fn start_from_file(&mut self) {
        let Some(file) = &self.last_known_good else { return };
        let ignored = |error: Box<dyn std::error::Error + Send + Sync>| {
            SourceError::with_source("last-known-good file ignored", error)
        };
        let saved = match file.load() {
            Ok(None) => return,
            Ok(Some(saved)) => saved,
            Err(error) => return self.sink.report(ignored(Box::new(error))),
        };
        match compile(&*self.dialect, saved.text()) {
            Ok(set) => {
                let sum = digest(saved.text());
                let set = named(set, None, &sum);
                let reason = "from the last-known-good file, not confirmed by the server yet";
                if self.sink.replace_stale(set, Some(saved.age()), reason) {
                    self.good = Some(sum);
                }
            }
            Err(error) => self.sink.report(ignored(Box::new(error))),
        }
    }

    fn poll(&mut self) -> Result<(), Failure> {
        match self.fetch.get()? {
            Answer::Unchanged => self.sink.confirm(),
            Answer::Failed { status, retry_after } => {
                let error = SourceError::new(format!("server answered {status}"));
                return Err(Failure { error, retry_after });
            }
            Answer::Document { text, etag } => {
                let sum = digest(&text);
                if self.good.as_ref() == Some(&sum) {
                    self.sink.confirm();
                } else {
                    let set = compile(&*self.dialect, &text)?;
                    if self.sink.replace(named(set, etag.as_deref(), &sum)) {
                        self.good = Some(sum);
                        self.unsaved = self.last_known_good.is_some().then_some(text);
                    }
                }
                // Only now: the tag of a document that was refused must not make the next answer
                // "unchanged".
                self.fetch.remember(etag);
            }
        }
        self.save();
        Ok(())
    }

    /// A service does not suffer from a full disk before its next start: only logged.
    fn save(&mut self) {
        let (Some(file), Some(text)) = (&self.last_known_good, &self.unsaved) else { return };
        match file.save(text) {
            Ok(()) => self.unsaved = None,
            Err(error) => tracing::warn!(
                target: "modelgate::source",
                source = &*self.name,
                error = super::chain(&error),
                "last good flags not saved"
            ),
        }
    }
}

fn named(set: crate::flag::FlagSet, etag: Option<&str>, sum: &str) -> crate::flag::FlagSet {
    match (set.revision(), etag) {
        (Some(_), _) => set,
        (None, Some(etag)) => set.with_revision(etag),
        (None, None) => {
            let short = sum.get(..12).unwrap_or(sum);
            set.with_revision(format!("sha256:{short}"))
        }
    }
}
