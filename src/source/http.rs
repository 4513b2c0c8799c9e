//! Flags fetched over HTTP, again and again.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt, time::Duration};

use reqwest::Url;

use super::{
    Dialect, Error, FlagSource, FlagUpdates, Subscription, default_dialect,
    documents::Documents,
    more_than_zero,
    network::{
        Backoff, Client, Conditions, Failure, Fetched, HttpSettings, Key, KeyHandle, Retry,
        jittered, public_part, url,
    },
    server_settings::ServerSettings,
};

/// Flags behind a URL, fetched at an interval on the store's network thread.
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
/// use modelgate::{Flags, source::HttpSource};
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
    server: ServerSettings,
    dialect: Box<dyn Dialect>,
    http: HttpSettings,
    key: Option<(Box<str>, Key)>,
    interval: Duration,
}

impl HttpSource {
    /// Fetches from `url`, `http` or `https`, in the flagd format.
    pub fn poll(url: impl Into<String>) -> HttpSource {
        HttpSource {
            url: url.into(),
            server: ServerSettings::new("http", Retry::seconds(1, 300)),
            dialect: default_dialect(),
            http: HttpSettings::new(),
            key: None,
            interval: Duration::from_secs(30),
        }
    }

    /// Compiles the answers with this dialect.
    pub fn dialect(mut self, dialect: impl Dialect) -> HttpSource {
        self.dialect = Box::new(dialect);
        self
    }

    /// Sends this header. Its value is shown in no log and no `Debug` output.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> HttpSource {
        self.http = self.http.header(name, value);
        self
    }

    /// Sends this header, whose value may become another while the source runs: by the handle that
    /// comes with the source. Its value is shown in no log and no `Debug` output.
    ///
    /// ```no_run
    /// use modelgate::{Flags, source::HttpSource};
    ///
    /// let source = HttpSource::poll("https://flags.example.com/models.json");
    /// let (source, token) = source.changing_header("Authorization", "Bearer old");
    /// let flags = Flags::builder().source(source).build()?;
    /// // Later, when the secret store says so:
    /// token.set("Bearer new")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn changing_header(
        mut self,
        name: impl Into<Box<str>>,
        value: impl Into<Box<str>>,
    ) -> (HttpSource, KeyHandle) {
        let key = Key::new(value);
        let handle = KeyHandle::new(&key, |_| Ok(()));
        self.key = Some((name.into(), key));
        (self, handle)
    }

    super::setters! { HttpSource:
        /// The source's name in the status; `http` otherwise.
        name => server.name;

        /// The pause between two fetches, give or take a tenth so that many services do not ask at
        /// the same moment; 30 seconds otherwise.
        interval => interval;

        /// The pause after a failure, which doubles with each further one up to `max`; 1 second and
        /// 5 minutes otherwise. Each pause is cut by up to a half at random.
        retry => server.retry;

        /// How the server is reached: timeouts, limits, headers, proxy, certificates.
        settings => http;

        /// Keeps the last good document in this file, and starts from it. Its folder must exist.
        last_known_good => server.last_known_good;
    }
}

/// The URL's query and the headers' values may be secret.
impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource")
            .field("url", &public_part(&self.url))
            .field("server", &self.server)
            .field("http", &self.http)
            .field("interval", &self.interval)
            .finish_non_exhaustive()
    }
}

impl FlagSource for HttpSource {
    fn name(&self) -> Cow<'static, str> {
        self.server.name.clone()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        self.server.check()?;
        more_than_zero("interval", self.interval)?;
        let url = url::join(&self.url, "")?;
        let key = self.key.as_ref().map(|(header, key)| (&**header, key));
        let client = Client::new(&self.http, key)?;
        let network = updates.network()?;
        updates.watch(client.meter());
        let documents = Documents::start(self.dialect, self.server.last_good(), updates);
        let backoff = Backoff::new(self.server.retry);
        let task = network.spawn(poll(url, client, documents, self.interval, backoff));
        Ok(Subscription::on_drop(move || drop(task)))
    }
}

async fn poll(
    url: Url,
    client: Client,
    mut documents: Documents,
    interval: Duration,
    mut backoff: Backoff,
) {
    let mut known = Conditions::default();
    let mut key = client.key_changes();
    loop {
        if key.take() {
            known = Conditions::default();
            backoff.reset();
        }
        let pause = match fetch(&url, &client, &mut documents, &mut known).await {
            Ok(()) => {
                backoff.reset();
                jittered(interval)
            }
            Err(failure) => {
                // A document that is not there may be published in a moment.
                match failure.is_refusal() && failure.status != Some(404) {
                    true => documents.updates.reject(failure.error),
                    false => documents.updates.report(failure.error),
                }
                backoff.pause(failure.retry_after)
            }
        };
        key.pause(pause).await;
    }
}

async fn fetch(
    url: &Url,
    client: &Client,
    documents: &mut Documents,
    known: &mut Conditions,
) -> Result<(), Failure> {
    match client.get(url, known).await? {
        Fetched::Unchanged => documents.confirm(),
        Fetched::Document { text, conditions, .. } => {
            documents.deliver(text, conditions.etag.as_deref())?;
            // Only now: the tag of a document that was refused must not make the next answer
            // "unchanged".
            *known = Conditions { etag: conditions.etag, last_modified: None };
        }
    }
    Ok(())
}
