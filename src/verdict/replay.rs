//! Judging recorded comparisons: the lines of a `JsonlSink`, and a file of labels.

mod line;
mod output;

use std::{
    collections::{HashMap, hash_map::Entry},
    io::{self, BufRead},
};

use serde::{Serialize, de::DeserializeOwned};

use self::line::Line;
pub use self::output::{RecordedLabel, RecordedOutput};
use super::Verdict;
use crate::prediction_id::PredictionId;

/// Longer lines are refused, and never held in memory whole.
const LONGEST_LINE: usize = 64 << 20;
/// The first so many problems are described, the others only counted.
const DESCRIBED: usize = 10;

/// What a replay has read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Replayed {
    /// Lines read, without empty ones.
    pub lines: u64,
    /// Lines that are comparisons.
    pub comparisons: u64,
    /// Runs that came to no comparison: the records of one, and the numbers in records of several.
    pub dropped: u64,
    /// Comparisons without the part of a slice that the verdict asks for
    /// ([`Builder::by`](super::Builder::by)): no such verdict was attached when they were
    /// recorded, or it named no part for the request's context. They are judged, but in no slice of that
    /// name.
    pub without_slice: u64,
    /// Lines that could not be read.
    pub malformed: u64,
    /// What is wrong with the first of these.
    pub problems: Vec<LineProblem>,
    /// Labels that belong to no comparison of the file.
    pub unused_labels: u64,
}

/// Why a line could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LineProblem {
    /// The number of the line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: String,
}

/// Counts a line that could not be read, and describes it if it is among the first.
fn note_problem(
    (malformed, problems): (&mut u64, &mut Vec<LineProblem>),
    line: u64,
    problem: impl ToString,
) {
    *malformed += 1;
    if problems.len() < DESCRIBED {
        problems.push(LineProblem { line, problem: problem.to_string() });
    }
}

impl Replayed {
    fn note_problem(&mut self, line: u64, problem: impl ToString) {
        note_problem((&mut self.malformed, &mut self.problems), line, problem);
    }
}

impl LabelFile {
    fn note_problem(&mut self, line: u64, problem: impl ToString) {
        note_problem((&mut self.malformed, &mut self.problems), line, problem);
    }
}

impl<P, L> Verdict<P, L>
where
    P: DeserializeOwned,
{
    /// Scores the records of a [`JsonlSink`](crate::compare::sink::JsonlSink), of any form that it has
    /// ever written. The sums, and so the judgement, are bit for bit those of a verdict that saw the
    /// same comparisons live in the same order. A line that is no record is counted and described,
    /// and stops nothing.
    ///
    /// Of runs that came to no comparison it knows those that the file has
    /// ([`JsonlBuilder::dropped_runs`](crate::compare::sink::JsonlBuilder::dropped_runs)); without
    /// them no pair is missing. What the sink itself lost, because its queue was full or the disk
    /// failed, is in no file; [`JsonlSink::counts`](crate::compare::sink::JsonlSink::counts) says how
    /// much.
    ///
    /// Where the type of the outputs is not at hand, use [`RecordedOutput`] as `P` and
    /// [`RecordedLabel`] as `L`.
    ///
    /// ```
    /// use modelgate::verdict::{RecordedLabel, RecordedOutput, Unit, Verdict};
    ///
    /// let verdict = Verdict::<RecordedOutput, RecordedLabel>::builder("v2")
    ///     .unit(Unit::Request) // the record below names no user
    ///     .build()?;
    /// let file = r#"{"time":1700000000000,"schema":1,"prediction_id":"00000000000000000000000000000001",
    ///     "primary":{"version":"v1","output":"cat"},"candidate":{"version":"v2","output":"dog"},
    ///     "agrees":false,"measure":"label"}"#.replace('\n', "");
    /// let replayed = verdict.replay(file.as_bytes())?;
    /// assert_eq!((replayed.comparisons, replayed.malformed), (1, 0));
    /// println!("{}", verdict.judge());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`io::Error`] when reading fails. What was read before it is scored.
    pub fn replay(&self, jsonl: impl BufRead) -> io::Result<Replayed> {
        self.replay_labelled(jsonl, HashMap::new())
    }

    /// The same, with labels from another file. Each is joined to its comparison at once; comparisons
    /// without one count as expired, since no label will come later.
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
            let text = trimmed(&bytes);
            if text.is_empty() {
                continue;
            }
            replayed.lines += 1;
            let parsed = whole(&bytes).and_then(|()| line::parse::<P>(text));
            match parsed {
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
                Err(problem) => replayed.note_problem(number, problem),
            }
        }
        replayed.unused_labels = labels.len() as u64;
        if labelled {
            self.close_labels();
        }
        Ok(replayed)
    }
}

/// Reads a line with its newline, and no more than one buffer beyond [`LONGEST_LINE`] of it. Returns
/// whether there was one.
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

/// The line without its newline, a byte order mark and white space around it.
fn trimmed(line: &[u8]) -> &[u8] {
    line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii()
}

/// Refuses a line of which the end was not read.
fn whole(line: &[u8]) -> Result<(), String> {
    match line.len() > LONGEST_LINE {
        true => Err(format!("longer than {LONGEST_LINE} bytes")),
        false => Ok(()),
    }
}

/// Labels from a file.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct LabelFile {
    /// The labels by prediction, of several for the same one the first.
    pub labels: HashMap<PredictionId, RecordedLabel>,
    /// Second labels for the same prediction.
    pub duplicates: u64,
    /// Lines that could not be read.
    pub malformed: u64,
    /// What is wrong with the first of these.
    pub problems: Vec<LineProblem>,
}

/// Reads a CSV file of labels, a line `prediction_id,label` each. It may have a header, a byte order
/// mark, quoted fields and further columns.
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
        let line = trimmed(&bytes);
        if line.is_empty() {
            continue;
        }
        match whole(&bytes).and_then(|()| label_of(line, number == 1)) {
            Ok(None) => {}
            Ok(Some((id, label))) => match file.labels.entry(id) {
                Entry::Vacant(vacant) => {
                    vacant.insert(label);
                }
                Entry::Occupied(_) => file.duplicates += 1,
            },
            Err(problem) => file.note_problem(number, problem),
        }
    }
    Ok(file)
}

/// The id and the label of a line; `None` for a first line that names the columns.
fn label_of(line: &[u8], is_first: bool) -> Result<Option<(PredictionId, RecordedLabel)>, String> {
    let text = std::str::from_utf8(line).map_err(|_| "not UTF-8".to_owned())?;
    let fields = fields(text);
    let (Some(id), Some(label)) = (fields.first(), fields.get(1)) else {
        return Err("found one column, expected `prediction_id,label`".to_owned());
    };
    match id.trim().parse::<PredictionId>() {
        Ok(_) if label.trim().is_empty() => Err("found no label".to_owned()),
        Ok(id) => Ok(Some((id, RecordedLabel::from(label.as_str())))),
        Err(_) if is_first && !id.bytes().any(|byte| byte.is_ascii_digit()) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
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
