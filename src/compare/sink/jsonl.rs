//! A sink that writes comparisons to a file, a line of JSON each.

mod dropped;
mod file;
mod rotation;
mod writer;

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant, SystemTime},
};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use serde::Serialize;

pub(crate) use self::dropped::UNREPORTED;
use self::{
    dropped::{DroppedLine, UnreportedLine},
    file::RotatingFile,
    rotation::Rotation,
    writer::{Message, write_queued},
};
use crate::{
    compare::{
        Comparison,
        sink::{ComparisonSink, Counts, Error},
    },
    shadow::Dropped,
    version::Version,
};

/// Appends each comparison to a file, as one line of JSON.
///
/// A thread of its own, `modelgate-jsonl`, does the writing. Recording encodes the line and hands
/// it over without waiting: when the queue is full, in lines or in bytes, the line is dropped and
/// counted. An error of the file (a full disk, a folder that went away) is counted, logged once
/// when it begins and once when it ends, and never fatal: the next record opens the file again.
/// A file that was moved or removed under the sink is noticed at the next record, which begins a
/// new one. A folder that was removed is not made again: it may be the place of a volume that is
/// to come back.
///
/// # The record
///
/// These names are stable; further ones may be added. `docs/comparisons.schema.json` of the
/// repository is the JSON Schema, and [the guide](crate::guide::comparison) reads the file with
/// DuckDB and pandas.
///
/// | field | value |
/// |---|---|
/// | `time` | when the answer was given, in milliseconds since 1970-01-01 UTC |
/// | `schema` | 1, the number of this form; a record without it is of the form before, which had the same fields |
/// | `prediction_id` | 32 hexadecimal digits, the id the caller got |
/// | `revision` | the flag revision that chose both versions |
/// | `key_hash` | the user's keyed hash, 32 hexadecimal digits, or `null` |
/// | `targeting_key` | the user's key, only if the policy asks for it |
/// | `features` | the features, only if the policy asks for them |
/// | `slices` | the parts of the traffic it belongs to, by name, where a verdict tells them [apart](crate::verdict::Builder::by) |
/// | `primary` | `version`, `output` or `error` (`kind`, `message`), `service_us` (by the clock), `cpu_us` (processor time, where it is known); what a `message` says of the features is left out unless the policy asks for them |
/// | `candidate` | the same |
/// | `queue_wait_us` | how long the candidate's run waited for a thread, in microseconds |
/// | `agrees` | `true`, `false`, or `null` when nothing was compared |
/// | `distance` | a number, or `null` |
/// | `measure` | what the comparator measured |
///
/// A run that came to no comparison, where they are asked for
/// ([`dropped_runs`](JsonlBuilder::dropped_runs)), has `time`, `schema`, `prediction_id`, `revision`,
/// `key_hash`, of `primary` and `candidate` the `version`, and `dropped`: the
/// [cause](crate::shadow::DropCause), by its name. Of runs that were dropped too many at once
/// ([`dropped_unreported`](ComparisonSink::dropped_unreported)) one line has `time`, `schema`, the
/// `version` of the `candidate`, `dropped`, which is `unreported`, and `runs`, their number.
///
/// NaN and the infinities, which JSON cannot express, are `null`.
///
/// # Whole lines
///
/// Each record is one write of one whole line at the end of the file. What is written is with the
/// operating system: `kill -9` loses the records still queued, never one that was written. Where a
/// write stops half-way (the disk is full; the process is killed while a long line is copied), the
/// incomplete line is cut off, at once or, after a kill, when the file is next opened. So every line
/// that ends in a newline is a whole record. Only
/// [`flush`](JsonlSink::flush) waits for the disk, for every file that was written to since the
/// last one, so a power cut may lose more.
///
/// One file belongs to one sink at a time.
///
/// ```
/// use modelgate::compare::{Comparison, Run, sink::{ComparisonSink, JsonlSink}};
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("comparisons.jsonl");
/// let sink = JsonlSink::builder(&path).rotate(64 << 20, 4).create()?;
/// sink.record(&Comparison::new(
///     Run::new("v1", Ok(0.25), Duration::from_micros(80)),
///     Run::new("v2", Ok(0.75), Duration::from_micros(90)),
/// ));
/// sink.flush()?;
/// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct JsonlSink {
    /// `None` once dropped.
    lines: Option<Sender<Message>>,
    ended: Receiver<()>,
    writer: Option<JoinHandle<()>>,
    counts: Arc<LineCounts>,
    queue_bytes: usize,
    dropped_runs: bool,
    path: PathBuf,
    patience: Duration,
}

#[derive(Debug, Default)]
struct LineCounts {
    recorded: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
    /// The bytes of the lines in the queue.
    waiting: AtomicUsize,
}

/// The memory of a queue is taken when it is made, however few lines wait in it.
const LONGEST_QUEUE: usize = 1_000_000;

/// The settings of a [`JsonlSink`]; made by [`JsonlSink::builder`].
#[derive(Clone, Debug)]
#[must_use]
pub struct JsonlBuilder {
    path: PathBuf,
    queue: usize,
    queue_bytes: usize,
    rotation: Option<Rotation>,
    mode: u32,
    dropped_runs: bool,
    patience: Duration,
}

impl JsonlSink {
    /// Appends to the file at this path, which is created if need be; it grows without limit.
    ///
    /// # Errors
    ///
    /// [`Error`] when the file cannot be opened or the thread cannot be started.
    pub fn create(path: impl AsRef<Path>) -> Result<JsonlSink, Error> {
        JsonlSink::builder(path).create()
    }

    /// A sink with settings other than the defaults.
    pub fn builder(path: impl AsRef<Path>) -> JsonlBuilder {
        JsonlBuilder {
            path: path.as_ref().to_owned(),
            queue: 8192,
            queue_bytes: 64 << 20,
            rotation: None,
            mode: 0o600,
            dropped_runs: false,
            patience: Duration::from_secs(5),
        }
    }

    /// Waits until all that was recorded is on the disk.
    ///
    /// # Errors
    ///
    /// [`Error`] when that took longer than the builder's `patience`, when a record has been
    /// lost to an error of the file since the last flush, when the file has been removed since it
    /// was written to, or when the disk does not confirm.
    pub fn flush(&self) -> Result<(), Error> {
        let until = Instant::now() + self.patience.min(Duration::from_secs(86_400));
        let late = || {
            Error::timed_out(format!(
                "`{}` was not flushed within {:?}",
                self.path.display(),
                self.patience
            ))
        };
        let ended = || Error::new("the writer ended", "its thread is gone");
        let (reply, done) = bounded(1);
        let lines = self.lines.as_ref().ok_or_else(ended)?;
        lines.send_deadline(Message::Flush(reply), until).map_err(|_| late())?;
        match done.recv_deadline(until) {
            Ok(result) => result.map_err(|error| {
                Error::new(format!("cannot write `{}`", self.path.display()), error)
            }),
            Err(RecvTimeoutError::Timeout) => Err(late()),
            Err(RecvTimeoutError::Disconnected) => Err(ended()),
        }
    }

    /// Hands a line to the writer if there is room for it.
    fn enqueue(&self, line: Vec<u8>) -> bool {
        let length = line.len();
        let waiting = &self.counts.waiting;
        // Reserved first, so that many threads at once cannot pass the limit together.
        let before = waiting.fetch_add(length, Ordering::Relaxed);
        let has_room = before.saturating_add(length) <= self.queue_bytes;
        let sent = has_room
            && self.lines.as_ref().is_some_and(|it| it.try_send(Message::Line(line)).is_ok());
        if !sent {
            waiting.fetch_sub(length, Ordering::Relaxed);
        }
        sent
    }

    /// Encodes a record as a line, and enqueues it.
    fn write(&self, record: &impl Serialize) {
        let Ok(mut line) = serde_json::to_vec(record) else {
            self.counts.failed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        line.push(b'\n');
        if !self.enqueue(line) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Records written, dropped because the queue was full, and lost to an error.
    pub fn counts(&self) -> Counts {
        Counts {
            recorded: self.counts.recorded.load(Ordering::Relaxed),
            dropped: self.counts.dropped.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed),
        }
    }
}

impl JsonlBuilder {
    /// How many lines may wait to be written; 8192 by default.
    pub fn queue(mut self, lines: usize) -> JsonlBuilder {
        self.queue = lines;
        self
    }

    /// How many bytes of lines may wait to be written; 64 MiB by default. A record that does not
    /// fit any more, or that is longer by itself, is dropped and counted.
    pub fn queue_bytes(mut self, bytes: usize) -> JsonlBuilder {
        self.queue_bytes = bytes;
        self
    }

    /// Begins a new file before this one would grow past `bytes`. The old ones are called
    /// `path.1` (the newest), `path.2` and so on; `keep` of them are kept, and `usize::MAX` keeps
    /// all. A record longer than `bytes` has a file to itself. Where the path is a symbolic link
    /// the old files stand beside the file that it leads to, on that file's volume.
    ///
    /// Each rotation renames the files that are kept: thousands of them are better kept elsewhere.
    pub fn rotate(mut self, bytes: u64, keep: usize) -> JsonlBuilder {
        self.rotation = Some(Rotation { bytes, keep });
        self
    }

    /// The permissions of a file that is created; `0o600` by default, its owner's alone, because
    /// records may be about persons. A file that exists keeps its own, and hands them on to the
    /// next when it is rotated.
    #[cfg(unix)]
    pub fn mode(mut self, mode: u32) -> JsonlBuilder {
        self.mode = mode;
        self
    }

    /// Writes a line for each run that was [dropped](crate::shadow::Dropped) as well, so that a
    /// [replay](crate::verdict::Verdict::replay) knows of it: `schema`, `time`, `prediction_id`,
    /// `revision` and `key_hash` as in a record, `primary` and `candidate` with their `version` alone, and
    /// `dropped`, the cause. Off by default: such a line is no comparison.
    ///
    /// What this sink itself could not take or write is in no line: it is in
    /// [`counts`](JsonlSink::counts), and only there.
    pub fn dropped_runs(mut self) -> JsonlBuilder {
        self.dropped_runs = true;
        self
    }

    /// How long [`flush`](JsonlSink::flush) and dropping the sink wait for the writer; 5
    /// seconds by default.
    pub fn patience(mut self, patience: Duration) -> JsonlBuilder {
        self.patience = patience;
        self
    }

    /// Opens the file and starts the writer.
    ///
    /// # Errors
    ///
    /// [`Error`] naming what cannot be: a setting, the file, the thread.
    pub fn create(self) -> Result<JsonlSink, Error> {
        if !(1..=LONGEST_QUEUE).contains(&self.queue) {
            return Err(Error::invalid(format!(
                "queue: found {}, expected 1 to {LONGEST_QUEUE} lines",
                self.queue
            )));
        }
        if self.queue_bytes == 0 {
            return Err(Error::invalid("queue_bytes: found 0, expected at least 1"));
        }
        if let Some(Rotation { bytes, keep }) = self.rotation
            && (bytes == 0 || keep == 0)
        {
            return Err(Error::invalid(format!(
                "rotate: found {bytes} bytes and {keep} files to keep, expected at least 1 of each"
            )));
        }
        let file = RotatingFile::open(self.path.clone(), self.rotation, self.mode)
            .map_err(|error| Error::new(format!("cannot open `{}`", self.path.display()), error))?;
        let (lines, queue) = bounded(self.queue);
        let (end, ended) = bounded(1);
        let counts = Arc::new(LineCounts::default());
        let writer = std::thread::Builder::new()
            .name("modelgate-jsonl".into())
            .spawn({
                let counts = counts.clone();
                move || {
                    write_queued(file, &queue, &counts);
                    // Nobody listens unless the sink is being dropped.
                    let _ = end.try_send(());
                }
            })
            .map_err(|error| Error::new("cannot start the thread `modelgate-jsonl`", error))?;
        Ok(JsonlSink {
            lines: Some(lines),
            ended,
            writer: Some(writer),
            counts,
            queue_bytes: self.queue_bytes,
            dropped_runs: self.dropped_runs,
            path: self.path,
            patience: self.patience,
        })
    }
}

impl<P: Serialize> ComparisonSink<P> for JsonlSink {
    fn record(&self, comparison: &Comparison<P>) {
        self.write(comparison);
    }

    fn dropped(&self, dropped: &Dropped) {
        if self.dropped_runs {
            self.write(&DroppedLine::of(dropped));
        }
    }

    fn dropped_unreported(&self, candidate: &Version, runs: u64) {
        if self.dropped_runs {
            self.write(&UnreportedLine::of(candidate, runs, SystemTime::now()));
        }
    }

    fn flush(&self) -> Result<(), Error> {
        JsonlSink::flush(self)
    }

    fn counts(&self) -> Counts {
        JsonlSink::counts(self)
    }
}

/// Writes what is queued, waiting for no longer than the builder's `patience`.
impl Drop for JsonlSink {
    fn drop(&mut self) {
        self.lines = None;
        let ended = self.ended.recv_timeout(self.patience);
        // A writer that hangs, on a network disk for instance, is not waited for: it ends when it can.
        if !matches!(ended, Err(RecvTimeoutError::Timeout))
            && let Some(writer) = self.writer.take()
        {
            let _ = writer.join();
        }
    }
}

impl fmt::Debug for JsonlSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonlSink")
            .field("path", &self.path)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
