//! A report from files alone: the records of a `JsonlSink`, and labels that arrived later.

use std::{
    collections::{BTreeMap, HashMap},
    io::{self, BufRead, Cursor, Read},
};

use serde::Deserialize;

use super::{
    Builder, Report,
    content::{Histogram, Latency},
};
use crate::{
    prediction_id::PredictionId,
    verdict::{self, Metric, RecordedLabel, RecordedOutput, Replayed, Unit, Verdict},
};

/// A report of recorded comparisons, and what was read for it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Recorded {
    /// The report.
    pub report: Report,
    /// How many lines were read, and which of them are not records.
    pub replayed: Replayed,
}

/// Why there is no report of some records.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecordsError {
    /// Reading failed.
    Io(io::Error),
    /// The records could not be judged.
    Verdict(verdict::Error),
}

impl std::fmt::Display for RecordsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RecordsError::Io(_) => f.write_str("the records cannot be read"),
            RecordsError::Verdict(_) => f.write_str("the records cannot be judged"),
        }
    }
}

impl std::error::Error for RecordsError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            RecordsError::Io(error) => Some(error),
            RecordsError::Verdict(error) => Some(error),
        }
    }
}

impl From<io::Error> for RecordsError {
    fn from(error: io::Error) -> RecordsError {
        RecordsError::Io(error)
    }
}

impl Report {
    /// A report of the records of a [`JsonlSink`](crate::compare::sink::JsonlSink), in any version of
    /// its format, with labels by prediction id where there are any.
    ///
    /// The candidate is that of the first record. `unit` says what counts as one observation: with
    /// [`Unit::Key`], records without a user's key are counted but not judged, and [`Unit::Request`]
    /// assumes that no user comes back. Failures and disagreement are judged, and accuracy if there are
    /// labels, by the metrics' default roles and margins. A line that is not a record is skipped and
    /// listed; a file without any record gives a report that says so.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use modelgate::{report::Report, verdict::Unit};
    ///
    /// let records = br#"{"time":1,"prediction_id":"00000000000000000000000000000001","revision":1,
    /// "key_hash":null,"primary":{"version":"v1","output":3,"service_us":80},"candidate":{"version":
    /// "v2","output":3,"service_us":90},"queue_wait_us":1,"agrees":true,"distance":null,
    /// "measure":"label"}"#;
    /// let line: Vec<u8> = records.iter().copied().filter(|byte| *byte != b'\n').collect();
    /// let recorded =
    ///     Report::of_records("ml-model-version", Unit::Key, line.as_slice(), HashMap::new())?;
    /// assert_eq!(recorded.replayed.comparisons, 1);
    /// # Ok::<(), modelgate::report::RecordsError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`RecordsError`], if reading or judging fails.
    pub fn of_records(
        title: impl Into<String>,
        unit: Unit,
        mut jsonl: impl BufRead,
        labels: HashMap<PredictionId, RecordedLabel>,
    ) -> Result<Recorded, RecordsError> {
        let mut builder = Report::builder(title);
        let (begin, first) = first_record(&mut jsonl)?;
        let Some(first) = first else {
            let replayed = Replayed::default();
            return Ok(Recorded { report: builder.build(), replayed });
        };
        let mut verdict =
            Verdict::<RecordedOutput, RecordedLabel>::builder(first.candidate.version)
                .unit(unit)
                .metric(Metric::failures())
                .metric(Metric::disagreement())
                .recorded_classes()
                .show_disagreements(shown);
        if !labels.is_empty() {
            verdict = verdict.metric(Metric::recorded_accuracy()).open_labels(labels.len());
        }
        let verdict = verdict.build().map_err(RecordsError::Verdict)?;
        let mut timed = Timed::new(Cursor::new(begin).chain(jsonl));
        let replayed = verdict.replay_labelled(&mut timed, labels)?;
        builder = builder.verdict(&verdict);
        timed.times.fill(&mut builder);
        Ok(Recorded { report: builder.build(), replayed })
    }
}

fn shown(output: &RecordedOutput) -> String {
    match (output.label(), output.number()) {
        (Some(label), _) => label.as_str().to_owned(),
        (None, Some(number)) => number.to_string(),
        (None, None) => "an output that is no class and no number".to_owned(),
    }
}

/// The fields of a record that the report needs and the verdict does not.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    time: u64,
    primary: Side,
    candidate: Side,
    #[serde(default)]
    distance: Option<f64>,
}

#[derive(Deserialize)]
struct Side {
    version: String,
    #[serde(default)]
    service_us: Option<f64>,
    #[serde(default)]
    cpu_us: Option<f64>,
}

/// Reads up to the first record that names its candidate, and returns all bytes that were read.
fn first_record(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, Option<Record>)> {
    const SOUGHT: usize = 4 << 20;
    let mut read = Vec::new();
    while read.len() < SOUGHT {
        let start = read.len();
        if reader.read_until(b'\n', &mut read)? == 0 {
            break;
        }
        let line = read.get(start..).unwrap_or_default();
        if let Ok(record) = serde_json::from_slice(line) {
            return Ok((read, Some(record)));
        }
    }
    Ok((read, None))
}

/// Passes lines on, and collects the times in them.
struct Timed<R> {
    inner: R,
    line: Vec<u8>,
    times: Times,
}

impl<R: BufRead> Timed<R> {
    fn new(inner: R) -> Timed<R> {
        Timed { inner, line: Vec::new(), times: Times::default() }
    }
}

impl<R: BufRead> Read for Timed<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let taken = available.len().min(into.len());
        for (to, from) in into.iter_mut().zip(available) {
            *to = *from;
        }
        self.consume(taken);
        Ok(taken)
    }
}

impl<R: BufRead> BufRead for Timed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, taken: usize) {
        // Returns what is buffered already, without another read.
        if let Ok(available) = self.inner.fill_buf() {
            let mut taken = available.get(..taken).unwrap_or(available);
            while let Some(end) = taken.iter().position(|byte| *byte == b'\n') {
                let (rest_of_line, rest) = taken.split_at(end + 1);
                self.line.extend_from_slice(rest_of_line);
                self.times.note(&self.line);
                self.line.clear();
                taken = rest;
            }
            self.line.extend_from_slice(taken);
        }
        self.inner.consume(taken);
    }
}

/// Service times by version and place, and the newest moment there was.
#[derive(Default)]
struct Times {
    newest: u64,
    by_version: BTreeMap<(String, &'static str), Buckets>,
    distances: Vec<f64>,
}

/// Counts durations in buckets of a tenth of a decade, in microseconds.
#[derive(Default)]
struct Buckets {
    counts: BTreeMap<i32, u64>,
    longest: f64,
}

/// How many distances are kept for the histogram: enough for its shape, however many there are.
const DISTANCES: usize = 100_000;
const BARS: usize = 40;
const PER_DECADE: f64 = 20.0;

impl Times {
    fn note(&mut self, line: &[u8]) {
        let Ok(record) = serde_json::from_slice::<Record>(line) else { return };
        self.newest = self.newest.max(record.time);
        let Record { primary, candidate, distance, .. } = record;
        self.side(
            primary,
            "answering a caller, by the clock",
            "answering a caller, processor time",
        );
        self.side(candidate, "in shadow, by the clock", "in shadow, processor time");
        // Equal answers are counted elsewhere; in the histogram they would dwarf all others.
        let kept = distance.filter(|distance| distance.is_finite() && *distance != 0.0);
        let kept = kept.filter(|_| self.distances.len() < DISTANCES);
        self.distances.extend(kept);
    }

    fn side(&mut self, side: Side, clock: &'static str, processor: &'static str) {
        for (time, place) in [(side.service_us, clock), (side.cpu_us, processor)] {
            if let Some(time) = time.filter(|time| time.is_finite() && *time >= 0.0) {
                self.by_version.entry((side.version.clone(), place)).or_default().note(time);
            }
        }
    }

    fn fill(self, builder: &mut Builder) {
        if self.newest > 0 {
            builder.content.at_ms = Some(self.newest);
        }
        // Finer than the buckets that the verdict has kept of the same records.
        builder.content.latency.clear();
        let times = self.by_version.into_iter();
        builder
            .content
            .latency
            .extend(times.map(|((version, measured), buckets)| buckets.latency(version, measured)));
        if let Some(agreement) = &mut builder.content.agreement {
            agreement.differences = histogram(&self.distances).or(agreement.differences.take());
        }
    }
}

impl Buckets {
    fn note(&mut self, micros: f64) {
        self.longest = self.longest.max(micros);
        // Records state whole microseconds: 0 means less than one.
        let bucket = (micros.max(0.5).log10() * PER_DECADE).floor() as i32;
        *self.counts.entry(bucket).or_default() += 1;
    }

    fn latency(&self, version: String, measured: &str) -> Latency {
        let end = |bucket: i32| 10_f64.powf(f64::from(bucket + 1) / PER_DECADE);
        let total: u64 = self.counts.values().sum();
        let quantile = |share: f64| {
            let mut left = (share * total as f64).ceil() as u64;
            for (bucket, count) in &self.counts {
                left = left.saturating_sub(*count);
                if left == 0 {
                    return end(*bucket).min(self.longest);
                }
            }
            self.longest
        };
        Latency {
            version,
            measured: measured.to_owned(),
            count: total,
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p99_us: quantile(0.99),
            max_us: self.longest,
            buckets: self.counts.iter().map(|(bucket, count)| (end(*bucket), *count)).collect(),
        }
    }
}

fn histogram(distances: &[f64]) -> Option<Histogram> {
    let from = distances.iter().copied().fold(f64::INFINITY, f64::min).min(0.0);
    let to = distances.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if distances.is_empty() || to <= from {
        return None;
    }
    let mut counts = vec![0; BARS];
    for distance in distances {
        let place = ((distance - from) / (to - from) * BARS as f64) as usize;
        if let Some(count) = counts.get_mut(place.min(BARS - 1)) {
            *count += 1;
        }
    }
    Some(Histogram { of: "Distances between the two answers".to_owned(), from, to, counts })
}
