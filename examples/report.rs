//! A page about a file of comparisons, as `JsonlSink` writes it:
//!
//! ```sh
//! cargo run --example report -- comparisons.jsonl --labels labels.csv -o report.html
//! ```
//!
//! A line of the labels is `prediction_id,label`. Where the output's name ends in `.json` it is the
//! same content as data. A user is one piece of evidence; `--unit request` takes every line for a
//! user of its own, for services that know no users.

mod records;

use std::{collections::HashMap, error::Error, process::ExitCode};

use modelgate::{
    report::{Recorded, Report},
    verdict::{Unit, read_labels},
};

use self::records::{Arguments, name_problems, open, tell_of_problems, unit};

const USAGE: &str = "usage: report COMPARISONS.jsonl [--labels LABELS.csv] [--unit key|request] [--title TEXT] \
     -o REPORT.html";

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

struct Options {
    comparisons: String,
    labels: Option<String>,
    unit: Unit,
    title: Option<String>,
    output: String,
}

impl Options {
    fn of(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            comparisons: String::new(),
            labels: None,
            unit: Unit::Key,
            title: None,
            output: String::new(),
        };
        let mut arguments = Arguments::new(arguments);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.value();
            match argument.as_str() {
                "--labels" => options.labels = Some(value()?),
                "--unit" => options.unit = unit(&value()?)?,
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
        name_problems(path, &file.problems);
        labels = file.labels;
    }
    let path = &options.comparisons;
    let title = options.title.clone().unwrap_or_else(|| path.clone());
    let Recorded { report, replayed, .. } =
        Report::of_records(title, options.unit, open(path)?, labels)?;
    tell_of_problems(path, &replayed);
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
