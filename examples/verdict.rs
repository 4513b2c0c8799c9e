//! Is the candidate better? Asked of a file of comparisons, as `JsonlSink` writes it:
//!
//! ```text
//! cargo run --release --example verdict -- comparisons.jsonl --labels labels.csv
//! ```
//!
//! A line of the labels is `prediction_id,label`. With `--json` one object is printed, with
//! `overall` and `metrics`. Without a file it makes up three candidates, a bad, an equal and a
//! better one, and shows what is said of each.

#[path = "verdict/made_up.rs"]
mod made_up;
#[path = "verdict/options.rs"]
pub mod options;
mod records;

use std::{
    error::Error,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    process::ExitCode,
};

use modelgate::verdict::{
    Judgement, Metric, RecordedLabel, RecordedOutput, Replayed, Verdict, read_labels,
};
use serde::Serialize;

use self::{
    options::Options,
    records::{name_problems, open, tell_of_problems},
};

fn main() -> ExitCode {
    let options = match Options::of(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    let done = match options.files.is_empty() {
        true => made_up::show(),
        false => judge(&options, &mut io::stdout()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(flatten)]
    judgement: &'a Judgement,
    read: &'a [Read],
}

/// What was read of one file.
#[derive(Serialize)]
struct Read {
    file: String,
    #[serde(flatten)]
    replayed: Replayed,
}

/// Judges the files, and prints it.
pub fn judge(options: &Options, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let labels = match &options.labels {
        Some(path) => Some(read_labels(open(path)?)?),
        None => None,
    };
    let candidate = match &options.candidate {
        Some(candidate) => candidate.clone(),
        None => first_candidate(&options.files)?,
    };
    let mut builder = Verdict::<RecordedOutput, RecordedLabel>::builder(candidate)
        .unit(options.unit)
        .budget(options.budget)
        .min_pairs(options.min_pairs)
        .open_labels(10_000_000.min(labels.as_ref().map_or(1, |file| file.labels.len().max(1))));
    if let Some(champion) = &options.against {
        builder = builder.against(champion);
    }
    let mut metrics = vec![Metric::failures(), Metric::disagreement()];
    if labels.is_some() {
        metrics.push(Metric::recorded_accuracy());
    }
    let asked = options.margins.iter().map(|(name, _)| name);
    for name in asked.chain(options.roles.iter().map(|(name, _)| name)) {
        if !metrics.iter().any(|metric| metric.name() == name) {
            return Err(format!("no metric is called `{name}` (accuracy needs labels)").into());
        }
    }
    for metric in metrics {
        builder = builder.metric(options.adjusted(metric));
    }
    let verdict = builder.build()?;
    let mut remaining = labels.as_ref().map(|file| file.labels.clone()).unwrap_or_default();
    let mut read = Vec::new();
    for (place, path) in options.files.iter().enumerate() {
        let reader = open(path)?;
        // All labels go with the last file; those that came early wait for their comparison.
        let labels = if place + 1 == options.files.len() {
            std::mem::take(&mut remaining)
        } else {
            Default::default()
        };
        let replayed = verdict.replay_labelled(reader, labels)?;
        read.push(Read { file: path.clone(), replayed });
    }
    if let Some(path) = &options.evidence {
        std::fs::write(path, serde_json::to_string_pretty(&verdict.evidence())?)?;
    }
    let judgement = verdict.judge();
    if options.json {
        let printed = Printed { judgement: &judgement, read: &read };
        writeln!(out, "{}", serde_json::to_string(&printed)?)?;
    } else {
        writeln!(out, "{judgement}")?;
    }
    for Read { file, replayed } in &read {
        tell_of_problems(file, replayed);
    }
    if let (Some(file), Some(path)) = (labels, &options.labels) {
        name_problems(path, &file.problems);
    }
    Ok(())
}

/// The candidate of the first record.
fn first_candidate(files: &[String]) -> Result<String, String> {
    for path in files {
        let failed = |error| format!("{path}: {error}");
        let file = BufReader::new(File::open(path).map_err(failed)?);
        for line in file.split(b'\n') {
            let line = line.map_err(failed)?;
            let record: Option<serde_json::Value> = serde_json::from_slice(&line).ok();
            let version = record.as_ref().and_then(|record| record.pointer("/candidate/version"));
            if let Some(version) = version.and_then(serde_json::Value::as_str) {
                return Ok(version.to_owned());
            }
        }
    }
    let files = files.join(", ");
    Err(format!("{files}: no record names a candidate: is this a file of comparisons?"))
}
