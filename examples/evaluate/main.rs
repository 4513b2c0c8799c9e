//! Answers flag questions from standard input: why did this user get v2?
//!
//! Reads JSON lines, one question each, and writes one JSON line for each:
//!
//! ```text
//! echo '{"id": 1, "dialect": "flagd", "environment_file": "examples/flags.json",
//!   "context": {"targetingKey": "user-42"}, "flag": "ml-model-version"}' | tr -d '\n' |
//!   cargo run --example evaluate -- --explain
//! ```

mod flagd;
mod flagsmith;
mod launchdarkly;
mod unleash;

use std::{
    collections::HashMap,
    env,
    error::Error,
    fs,
    io::{self, BufRead, Write},
    process::ExitCode,
};

use modelgate::{FlagSet, clock::SystemClock};
use serde_json::{Value as Json, json};

const HELP: &str = "\
Evaluates flags: JSON lines in, JSON lines out.

Usage: evaluate [--explain] < questions.jsonl

A question: {\"id\", \"dialect\", \"environment\": {...} or \"environment_file\": \"path\",
             \"context\": {...}, \"flag\": \"key\", \"options\": {...}}
An answer:  {\"id\", \"value\", \"variant\", \"reason\", \"error_code\", \"metadata\"},
            or {\"id\", \"error\"} when the question cannot be answered;
            from launchdarkly with \"variation_index\", and \"reason\" is the vendor's object.

Dialects and their options:
  flagd   type            boolean, string, integer, float or object (otherwise any)
          default         the caller's default value
          static_context  attributes that every context has unless it brings its own
          fractional      v1, v2 or v3 (the default)
  launchdarkly
          value_type      bool, int, double, string or any (the default)
          default         the caller's default value
  unleash app_name        the appName of every context that does not bring its own
          environment     the environment of every context that does not bring its own
          host_name       this host's name, for the strategy applicationHostname
          A question may have a \"kind\": enabled or variant, otherwise both are answered:
          {\"id\", \"enabled\", \"variant\": {\"name\", \"payload\", \"enabled\", \"feature_enabled\"}}
  flagsmith  The environment is an environment document or an evaluation context; the context is
          {\"identity\": {\"identifier\", \"key\", \"traits\": {...}}}. Answers enabled, value, variant,
          reason and metadata; a question of \"kind\": \"segments\" the segments instead.
          generation      flag-dependencies (the default) or before-flag-dependencies
          variant_order   id (the default) or document

  --explain  adds \"trace\": each operator, attribute and bucket on the way
  --help     shows this
";

fn main() -> ExitCode {
    let mut explain = false;
    for argument in env::args().skip(1) {
        match argument.as_str() {
            "--explain" => explain = true,
            "--help" | "-h" => {
                print!("{HELP}");
                return ExitCode::SUCCESS;
            }
            other => {
                eprintln!("argument `{other}`: expected --explain or --help");
                return ExitCode::from(2);
            }
        }
    }
    match run(&mut io::stdin().lock(), &mut io::stdout().lock(), explain) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the answers has enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers every line of `questions`.
pub fn run(questions: &mut dyn BufRead, answers: &mut dyn Write, explain: bool) -> io::Result<()> {
    let mut evaluator = Evaluator::new(explain);
    let mut line = Vec::new();
    loop {
        line.clear();
        if questions.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        writeln!(answers, "{}", evaluator.answer(&line))?;
        answers.flush()?;
    }
}

/// Answers questions, and keeps what it compiled for the next one.
pub struct Evaluator {
    explain: bool,
    clock: SystemClock,
    compiled: HashMap<(String, String), FlagSet>,
    files: HashMap<String, String>,
}

type Answer<T> = Result<T, Box<dyn Error>>;

impl Evaluator {
    pub fn new(explain: bool) -> Evaluator {
        let (clock, compiled, files) = Default::default();
        Evaluator { explain, clock, compiled, files }
    }

    /// The answer to one line.
    pub fn answer(&mut self, line: &[u8]) -> Json {
        let question: Json = match serde_json::from_slice(line) {
            Ok(question) => question,
            Err(error) => return json!({"id": null, "error": format!("invalid JSON: {error}")}),
        };
        let id = question.get("id").cloned().unwrap_or_default();
        match self.evaluate(&question) {
            Ok(mut answer) => {
                answer["id"] = id;
                answer
            }
            Err(error) => json!({"id": id, "error": describe(&*error)}),
        }
    }

    fn evaluate(&mut self, question: &Json) -> Answer<Json> {
        if !question.is_object() {
            return Err(wrong("question", question, "an object").into());
        }
        match text(question, "dialect")? {
            "flagd" => flagd::answer(self, question),
            "flagsmith" => flagsmith::answer(self, question),
            "launchdarkly" => launchdarkly::answer(self, question),
            "unleash" => unleash::answer(self, question),
            other => {
                let expected = "flagd, flagsmith, launchdarkly, unleash";
                Err(format!("dialect: found `{other}`, expected one of: {expected}").into())
            }
        }
    }

    /// The question's environment, compiled once for all questions that share it.
    fn compiled(
        &mut self,
        question: &Json,
        dialect: &str,
        compile: impl FnOnce(&str) -> Answer<FlagSet>,
    ) -> Answer<&FlagSet> {
        let text = match (question.get("environment"), question.get("environment_file")) {
            (Some(environment @ Json::Object(_)), None) => environment.to_string(),
            (None, Some(Json::String(path))) => self.file(path)?,
            (Some(other), None) => return Err(wrong("environment", other, "an object").into()),
            (None, Some(other)) => {
                return Err(wrong("environment_file", other, "the path of a file").into());
            }
            (Some(_), Some(_)) => {
                return Err("environment and environment_file: expected one of them".into());
            }
            (None, None) => return Err("environment: found nothing, expected an object".into()),
        };
        let key = (dialect.to_owned(), text);
        if !self.compiled.contains_key(&key) {
            let flags = compile(&key.1)?;
            self.compiled.insert(key.clone(), flags);
        }
        self.compiled.get(&key).ok_or_else(|| "environment: lost".into())
    }

    fn file(&mut self, path: &str) -> Answer<String> {
        if let Some(text) = self.files.get(path) {
            return Ok(text.clone());
        }
        let text = fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
        self.files.insert(path.to_owned(), text.clone());
        Ok(text)
    }
}

fn text<'q>(question: &'q Json, field: &str) -> Answer<&'q str> {
    match question.get(field) {
        Some(Json::String(text)) => Ok(text),
        Some(other) => Err(wrong(field, other, "text").into()),
        None => Err(format!("{field}: found nothing, expected text").into()),
    }
}

fn wrong(field: &str, found: &Json, expected: &str) -> String {
    let mut found = found.to_string();
    if found.chars().count() > 60 {
        found = found.chars().take(60).chain("...".chars()).collect();
    }
    format!("{field}: found {found}, expected {expected}")
}

/// An error with its causes, on one line.
fn describe(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
