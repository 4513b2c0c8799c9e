//! Flags in a file that is watched.

#[cfg(test)]
mod tests;
mod watch;

use std::{
    borrow::Cow,
    fmt,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sha2::{Digest, Sha256};

use self::watch::Watch;
use super::{
    Dialect, Error, FlagSource, FlagUpdates, Subscription, compile, default_dialect,
    more_than_zero,
    worker::{Signal, Wake, Worker},
};

/// Flags in a file, read again whenever it changes.
///
/// Notices an edit, a rename over the file, and the exchange of a symbolic link on the way to it
/// (which is how Kubernetes updates a ConfigMap); and looks at the content now and then in case
/// the platform's notices fail. A file that does not parse, half-written for instance, or that is
/// deleted, leaves the last good flags in force, and the status says so. The file, and its
/// folder, may also appear after the start.
///
/// The first read happens while the store is built, so that a service with a good file is ready
/// at once.
///
/// ```
/// use modelgate::{Flags, source::FileSource};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("flags.json");
/// std::fs::write(&path, r#"{"flags": {}}"#)?;
/// let flags = Flags::builder().source(FileSource::watch(&path)).build()?;
/// assert!(flags.is_ready());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub struct FileSource {
    path: PathBuf,
    name: Cow<'static, str>,
    dialect: Box<dyn Dialect>,
    poll_interval: Duration,
    settle: Duration,
    max_bytes: u64,
    /// Whether the platform is asked for notices.
    notices: bool,
    thread: &'static str,
}

impl FileSource {
    /// Watches the file at `path`, in the flagd format: JSON, or YAML when its name ends in `.yaml` or
    /// `.yml` (feature `yaml`). A relative path is taken from the folder that the process is in now.
    pub fn watch(path: impl AsRef<Path>) -> FileSource {
        let path = path.as_ref();
        FileSource {
            path: std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
            name: Cow::Borrowed("file"),
            dialect: default_dialect(),
            poll_interval: Duration::from_secs(5),
            settle: Duration::from_millis(20),
            max_bytes: 64 << 20,
            notices: true,
            thread: "modelgate-file",
        }
    }

    /// Compiles the file with this dialect.
    pub fn dialect(mut self, dialect: impl Dialect) -> FileSource {
        self.dialect = Box::new(dialect);
        self
    }

    /// The source's name in the status; `file` otherwise.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> FileSource {
        self.name = name.into();
        self
    }

    /// How often the content is compared without a notice from the platform; 5 seconds
    /// otherwise.
    pub fn poll_interval(mut self, interval: Duration) -> FileSource {
        self.poll_interval = interval;
        self
    }

    /// How long the file must have been left alone before it is read, so that one edit is one
    /// update; 20 milliseconds otherwise.
    pub fn settle(mut self, settle: Duration) -> FileSource {
        self.settle = settle;
        self
    }

    /// The largest file that is read; 64 MiB otherwise.
    pub fn max_bytes(mut self, max_bytes: u64) -> FileSource {
        self.max_bytes = max_bytes;
        self
    }
}

impl fmt::Debug for FileSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileSource")
            .field("path", &self.path)
            .field("name", &self.name)
            .field("poll_interval", &self.poll_interval)
            .field("settle", &self.settle)
            .field("max_bytes", &self.max_bytes)
            .finish_non_exhaustive()
    }
}

impl FlagSource for FileSource {
    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn subscribe(self: Box<Self>, updates: FlagUpdates) -> Result<Subscription, Error> {
        more_than_zero("poll_interval", self.poll_interval)?;
        let signal = Arc::new(Signal::default());
        // Watched before it is read: a change in between is not missed.
        let mut watch = Watch::start(&self.path, self.notices, Arc::clone(&signal));
        let mut reader = Reader {
            path: self.path,
            dialect: self.dialect,
            max_bytes: self.max_bytes,
            good: None,
            updates,
        };
        reader.read();
        let (poll_interval, settle) = (self.poll_interval, self.settle);
        let worker = Worker::start(self.thread, signal, Duration::from_secs(1), move |signal| {
            loop {
                match signal.wait(poll_interval) {
                    Wake::Stop => break,
                    Wake::Timeout => {}
                    Wake::Event => {
                        if wait_for_quiet(signal, settle) == Wake::Stop {
                            break;
                        }
                    }
                }
                watch.follow();
                reader.read();
            }
        })
        .map_err(|error| Error::with_source("thread could not be started", error))?;
        Ok(Subscription::on_drop(move || drop(worker)))
    }
}

/// Waits until nothing has happened for `settle`, but no longer than ten times that: a file that
/// never rests is read as it is.
fn wait_for_quiet(signal: &Signal, settle: Duration) -> Wake {
    for _ in 0..10 {
        match signal.wait(settle) {
            Wake::Event => {}
            other => return other,
        }
    }
    Wake::Timeout
}

struct Reader {
    path: PathBuf,
    dialect: Box<dyn Dialect>,
    max_bytes: u64,
    /// The digest of the content that is in force.
    good: Option<[u8; 32]>,
    updates: FlagUpdates,
}

impl Reader {
    fn read(&mut self) {
        if let Err(error) = self.try_read() {
            let file = format!("file `{}`", self.path.display());
            self.updates.report(Error::with_source(file, error));
        }
    }

    fn try_read(&mut self) -> Result<(), Error> {
        let text = read(&self.path, self.max_bytes)?;
        let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        if self.good == Some(digest) {
            self.updates.confirm();
            return Ok(());
        }
        let text = crate::dialect::without_mark(&text);
        let mut set = match is_yaml(&self.path) {
            true => compile(&*self.dialect, &json_of(text)?)?,
            false => compile(&*self.dialect, text)?,
        };
        if set.revision().is_none() {
            let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
            set = set.with_revision(format!("sha256:{short}"));
        }
        if self.updates.replace(set) {
            self.good = Some(digest);
        }
        Ok(())
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("yaml") || end.eq_ignore_ascii_case("yml"))
}

/// The same document as JSON, which is what dialects read.
#[cfg(feature = "yaml")]
fn json_of(yaml: &str) -> Result<String, Error> {
    serde_saphyr::from_str::<crate::value::Value>(yaml)
        .map(|document| document.to_string())
        .map_err(|error| Error::with_source("not YAML", error))
}

#[cfg(not(feature = "yaml"))]
fn json_of(_: &str) -> Result<String, Error> {
    Err(Error::new("YAML, which needs the feature `yaml`"))
}

fn read(path: &Path, max_bytes: u64) -> Result<String, Error> {
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Error::new("missing"),
        _ => Error::with_source("cannot be read", error),
    };
    // Looked at before it is opened: opening a pipe waits for its other end.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(Error::new("not a regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > max_bytes {
        return Err(Error::new(format!("found more than {max_bytes} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| Error::with_source("not UTF-8", error))
}
