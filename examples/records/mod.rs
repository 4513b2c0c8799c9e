//! What the programs over files of comparisons share: their arguments, their files, and what is said
//! of lines that could not be read.

use std::{
    fs::File,
    io::{BufRead, BufReader},
};

use indicatif::{ProgressBar, ProgressStyle};
use modelgate::verdict::{LineProblem, Replayed, Unit};

/// Arguments, one after the other. `--name=value` is `--name value`.
pub struct Arguments<I> {
    rest: I,
    /// The option that was met last, and the value that came with it.
    name: String,
    given: Option<String>,
}

impl<I: Iterator<Item = String>> Arguments<I> {
    pub fn new(rest: I) -> Arguments<I> {
        Arguments { rest, name: String::new(), given: None }
    }

    /// The next option or file.
    pub fn next(&mut self) -> Option<String> {
        let argument = self.rest.next()?;
        (self.name, self.given) = match argument.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name.to_owned(), Some(value.to_owned()))
            }
            _ => (argument, None),
        };
        Some(self.name.clone())
    }

    /// The value of the option that was met last.
    pub fn value(&mut self) -> Result<String, String> {
        let value = self.given.take().or_else(|| self.rest.next());
        value.ok_or_else(|| format!("{}: found nothing, expected a value", self.name))
    }
}

/// What counts once: `key` or `request`.
pub fn unit(text: &str) -> Result<Unit, String> {
    match text {
        "key" => Ok(Unit::Key),
        "request" => Ok(Unit::Request),
        other => Err(format!("--unit: found `{other}`, expected key or request")),
    }
}

/// A file, with a bar on stderr that shows how far it has been read.
pub fn open(path: &str) -> Result<impl BufRead + use<>, String> {
    let file = File::open(path).map_err(|error| format!("{path}: {error}"))?;
    let length = file.metadata().map(|metadata| metadata.len()).unwrap_or(0);
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
    let bar = ProgressBar::new(length).with_message(path.to_owned());
    if let Ok(style) = style {
        bar.set_style(style);
    }
    Ok(BufReader::with_capacity(1 << 20, bar.wrap_read(file)))
}

/// Names lines that could not be read, and says how many there were.
pub fn tell_of_problems(path: &str, replayed: &Replayed) {
    if replayed.malformed > 0 {
        eprintln!("{path}: {} of {} lines unreadable", replayed.malformed, replayed.lines);
    }
    name_problems(path, &replayed.problems);
    if replayed.without_slice > 0 {
        eprintln!(
            "{} comparisons do not say their slice: no verdict by the context stood beside the sink",
            replayed.without_slice
        );
    }
    if replayed.unused_labels > 0 {
        eprintln!("{} labels belong to no comparison", replayed.unused_labels);
    }
}

/// Names lines that could not be read.
pub fn name_problems(path: &str, problems: &[LineProblem]) {
    for problem in problems {
        eprintln!("{path}:{}: {}", problem.line, problem.problem);
    }
}
