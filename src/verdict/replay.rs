//! Judging what was recorded: the lines of `JsonlSink`, and a file of labels.

mod line;
mod output;

use std::{
    collections::HashMap,
    io::{self, BufRead},
};

use serde::{Serialize, de::DeserializeOwned};

use self::line::Line;
pub use self::output::{RecordedLabel, RecordedOutput};
use super::Verdict;
use crate::prediction_id::PredictionId;

/// A line may be so long; the rest of a longer one is skipped.
const LONGEST_LINE: usize = 64 << 20;
/// So many problems are named; further ones are counted.
const NAMED: usize = 10;

/// What a replay has read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Replayed {
    /// Lines that are not empty.
    pub lines: u64,
    /// Comparisons.
    pub comparisons: u64,
    /// Dropped runs: records of them, and the numbers in records of several.
    pub dropped: u64,
    /// Comparisons that do not say which part of the traffic they belong to by a name that the
    /// verdict asks for ([`Builder::by`](super::Builder::by)): no verdict by the
    /// context stood beside the sink that wrote them, or the context did not say. They are judged,
    /// and in no slice of that name.
    pub without_slice: u64,
    /// Lines that could not be read.
    pub malformed: u64,
    /// The first of these.
    pub problems: Vec<LineProblem>,
    /// Labels that belong to no comparison of the file.
    pub unused_labels: u64,
}

/// Why a line could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LineProblem {
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

impl Replayed {
    fn malformed(&mut self, line: u64, problem: impl ToString) {
        self.malformed += 1;
        if self.problems.len() < NAMED {
            self.problems.push(LineProblem { line, problem: problem.to_string() });
        }
    }
}

impl<P, L> Verdict<P, L>
where
    P: DeserializeOwned,
{
    /// Takes in the records of a [`JsonlSink`](crate::compare::sink::JsonlSink), of any form that
    /// it has ever written: the sums, and so the judgement, are to the bit those of a verdict that
    /// saw the same comparisons live in the same order. A line that is no record is counted and
    /// named, and stops nothing.
    ///
    /// Runs that came to no comparison are those that the file has
    /// ([`JsonlBuilder::dropped_runs`](crate::compare::sink::JsonlBuilder::dropped_runs)); without
    /// them the replay knows of no missing pair. What the sink itself lost, because its queue was
    /// full or the disk failed, is in no file: a verdict beside it saw more, by as many as
    /// [`JsonlSink::counts`](crate::compare::sink::JsonlSink::counts) says.
    ///
    /// For files whose outputs have types of their own, use
    /// [`RecordedOutput`] as `P` and [`RecordedLabel`] as `L`.
    ///
    /// # Errors
    ///
    /// [`io::Error`] when reading fails. What was read before is taken in.
    pub fn replay(&self, jsonl: impl BufRead) -> io::Result<Replayed> {
        self.replay_labelled(jsonl, HashMap::new())
    }

    /// The same, with the labels of another file: each is joined to its comparison at once, and
    /// comparisons without one count as not labelled, since no label will come later.
    ///
    /// # Errors
    ///
    /// As [`replay`](Verdict::replay).
    pub fn replay_labelled(
        &self,
        mut jsonl: impl BufRead,
        mut labels: HashMap<PredictionId, L>,
    ) -> io::Result<Replayed> {
        let mut replayed = Replayed::default();
        let labelled = !labels.is_empty();
        let mut bytes = Vec::new();
        let mut number = 0;
        while read_line(&mut jsonl, &mut bytes)? {
            number += 1;
            let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes).trim_ascii();
            if text.is_empty() {
                continue;
            }
            replayed.lines += 1;
            if bytes.len() > LONGEST_LINE {
                replayed.malformed(number, format!("longer than {LONGEST_LINE} bytes"));
                continue;
            }
            match line::parse::<P>(text) {
                Ok(Line::Comparison(comparison)) => {
                    replayed.comparisons += 1;
                    replayed.without_slice += u64::from(self.misses_slice(&comparison));
                    self.take(&comparison);
                    if let Some(label) = labels.remove(&comparison.prediction_id) {
                        self.label(comparison.prediction_id, label);
                    }
                }
                Ok(Line::Dropped(dropped)) => {
                    replayed.dropped += 1;
                    let request = (dropped.key.as_ref(), dropped.id, dropped.time);
                    self.take_dropped(
                        (&dropped.primary, &dropped.candidate),
                        dropped.cause,
                        request,
                    );
                }
                Ok(Line::Unreported(candidate, runs)) => {
                    replayed.dropped = replayed.dropped.saturating_add(runs);
                    self.take_unreported(&candidate, runs);
                }
                Err(problem) => replayed.malformed(number, problem),
            }
        }
        replayed.unused_labels = labels.len() as u64;
        if labelled {
            self.close_labels();
        }
        Ok(replayed)
    }
}

/// Reads a line with its end, as far as it is not too long. Answers whether there was one.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = available.iter().position(|byte| *byte == b'\n').map(|place| place + 1);
        let length = end.unwrap_or(available.len());
        if line.len() <= LONGEST_LINE {
            line.extend(available.iter().take(length));
        }
        reader.consume(length);
        if end.is_some() {
            return Ok(true);
        }
    }
}

/// Labels from a file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LabelFile {
    /// By prediction; the first of several for the same one.
    pub labels: HashMap<PredictionId, RecordedLabel>,
    /// Second labels for the same prediction.
    pub duplicates: u64,
    /// Lines that could not be read.
    pub malformed: u64,
    /// The first of these.
    pub problems: Vec<LineProblem>,
}

/// Reads lines `prediction_id,label`. A header, a byte order mark, quotes and further columns are
/// put up with.
///
/// ```
/// use modelgate::verdict::read_labels;
///
/// let file = "prediction_id,label\n00000000000000000000000000000001,cat\nnonsense,3\n";
/// let labels = read_labels(file.as_bytes())?;
/// assert_eq!((labels.labels.len(), labels.malformed), (1, 1));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// [`io::Error`] when reading fails.
pub fn read_labels(mut csv: impl BufRead) -> io::Result<LabelFile> {
    let mut file = LabelFile::default();
    let mut bytes = Vec::new();
    let mut number = 0;
    while read_line(&mut csv, &mut bytes)? {
        number += 1;
        let line = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes).trim_ascii();
        if line.is_empty() {
            continue;
        }
        let mut wrong = |problem: String| {
            file.malformed += 1;
            if file.problems.len() < NAMED {
                file.problems.push(LineProblem { line: number, problem });
            }
        };
        let Ok(text) = std::str::from_utf8(line) else {
            wrong("not UTF-8".to_owned());
            continue;
        };
        let fields = fields(text);
        let (Some(id), Some(label)) = (fields.first(), fields.get(1)) else {
            wrong("found one column, expected `prediction_id,label`".to_owned());
            continue;
        };
        match id.trim().parse::<PredictionId>() {
            Ok(_) if label.trim().is_empty() => wrong("found no label".to_owned()),
            Ok(id) => {
                let label = RecordedLabel::from(label.as_str());
                if let std::collections::hash_map::Entry::Vacant(place) = file.labels.entry(id) {
                    place.insert(label);
                } else {
                    file.duplicates += 1;
                }
            }
            // The first line may name the columns.
            Err(_) if number == 1 && !id.bytes().any(|byte| byte.is_ascii_digit()) => {}
            Err(error) => wrong(error.to_string()),
        }
    }
    Ok(file)
}

/// The fields of a line of CSV: quoted ones may hold commas, and `""` for a quote.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                push(&mut fields, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => push(&mut fields, other),
        }
    }
    fields
}

fn push(fields: &mut [String], char: char) {
    if let Some(field) = fields.last_mut() {
        field.push(char);
    }
}
