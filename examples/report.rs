//! A page about a file of comparisons, as `JsonlSink` writes it:
//!
//! ```sh
//! cargo run --example report -- comparisons.jsonl --labels labels.csv -o report.html
//! ```
//!
//! A line of the labels is `prediction_id,label`. Where the output's name ends in `.json` it is the
//! same content as data.

use std::{
    collections::HashMap,
    error::Error,
    fs::File,
    io::{BufRead, BufReader},
    process::ExitCode,
};

use indicatif::{ProgressBar, ProgressStyle};
use modelgate::{
    report::{Recorded, Report},
    verdict::read_labels,
};

const USAGE: &str =
    "usage: report COMPARISONS.jsonl [--labels LABELS.csv] [--title TEXT] -o REPORT.html";

fn main() -> ExitCode {
    let options = match Options::of(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match report(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Default)]
struct Options {
    comparisons: String,
    labels: Option<String>,
    title: Option<String>,
    output: String,
}

impl Options {
    fn of(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or_else(|| format!("{argument}: found nothing, expected a value"))
            };
            match argument.as_str() {
                "--labels" => options.labels = Some(value()?),
                "--title" => options.title = Some(value()?),
                "-o" | "--output" => options.output = value()?,
                flag if flag.starts_with('-') => return Err(format!("{flag}: not an option")),
                _ if options.comparisons.is_empty() => options.comparisons = argument,
                other => return Err(format!("{other}: found a second file, expected one")),
            }
        }
        match (options.comparisons.is_empty(), options.output.is_empty()) {
            (true, _) => Err("found no file of comparisons".to_owned()),
            (_, true) => Err("-o: found nothing, expected where to write the report".to_owned()),
            _ => Ok(options),
        }
    }
}

fn report(options: &Options) -> Result<(), Box<dyn Error>> {
    let mut labels = HashMap::new();
    if let Some(path) = &options.labels {
        let file = read_labels(open(path)?)?;
        for problem in &file.problems {
            eprintln!("{path}:{}: {}", problem.line, problem.problem);
        }
        labels = file.labels;
    }
    let path = &options.comparisons;
    let title = options.title.clone().unwrap_or_else(|| path.clone());
    let Recorded { report, replayed, .. } = Report::of_records(title, open(path)?, labels)?;
    for problem in &replayed.problems {
        eprintln!("{path}:{}: {}", problem.line, problem.problem);
    }
    match options.output.ends_with(".json") {
        true => std::fs::write(&options.output, report.json())?,
        false => report.write(&options.output)?,
    }
    println!("{}", report.headline());
    println!(
        "{}: {} comparisons, {} of {} lines unreadable",
        options.output, replayed.comparisons, replayed.malformed, replayed.lines
    );
    Ok(())
}

/// A file, with a bar on stderr that shows how far it has been read.
fn open(path: &str) -> Result<impl BufRead, String> {
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let length = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(length).with_message(path.to_owned());
    if let Ok(style) = style {
        bar.set_style(style);
    }
    Ok(BufReader::with_capacity(1 << 20, bar.wrap_read(file)))
}
