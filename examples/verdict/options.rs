//! What was asked for.

use modelgate::verdict::{Metric, MetricKind, Unit, stats::budget::ErrorBudget};

use super::records::{Arguments, unit};

pub const USAGE: &str = "usage: verdict [comparisons.jsonl...] [options]
  --labels FILE          lines `prediction_id,label`: judges accuracy as well
  --json                 prints one JSON object instead of text
  --candidate VERSION    the version to judge; the first record's by default
  --against VERSION      the version to judge it against; whichever answered by default
  --margin NAME=VALUE    how much worse counts as not worse (0.01 is a point);
                         for `disagreement`, the most allowed
  --role NAME=ROLE       guardrail, signal or watch
  --alpha VALUE          the probability of each kind of error; 0.05 by default
  --unit key|request     what counts once; the user (`key`) by default
  --min-pairs N          pairs before it may advance; 100 by default
  --evidence FILE        writes the judgement with all that it was made from";

pub struct Options {
    pub files: Vec<String>,
    pub labels: Option<String>,
    pub json: bool,
    pub candidate: Option<String>,
    pub against: Option<String>,
    pub margins: Vec<(String, f64)>,
    pub roles: Vec<(String, String)>,
    pub budget: ErrorBudget,
    pub unit: Unit,
    pub min_pairs: u64,
    pub evidence: Option<String>,
}

impl Options {
    pub fn of(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut arguments = Arguments::new(arguments);
        let mut options = Options {
            files: Vec::new(),
            labels: None,
            json: false,
            candidate: None,
            against: None,
            margins: Vec::new(),
            roles: Vec::new(),
            budget: ErrorBudget::default(),
            unit: Unit::Key,
            min_pairs: 100,
            evidence: None,
        };
        while let Some(name) = arguments.next() {
            let mut value = || arguments.value();
            match name.as_str() {
                "--json" => options.json = true,
                "--labels" => options.labels = Some(value()?),
                "--candidate" => options.candidate = Some(value()?),
                "--against" => options.against = Some(value()?),
                "--evidence" => options.evidence = Some(value()?),
                "--margin" => {
                    let (metric, margin) = pair(&name, &value()?)?;
                    options.margins.push((metric, number(&name, &margin)?));
                }
                "--role" => {
                    let (metric, role) = pair(&name, &value()?)?;
                    if !["guardrail", "signal", "watch"].contains(&role.as_str()) {
                        return Err(format!(
                            "--role: found `{role}`, expected guardrail, signal or watch"
                        ));
                    }
                    options.roles.push((metric, role));
                }
                "--alpha" => {
                    let alpha = number(&name, &value()?)?;
                    options.budget = ErrorBudget { rollback: alpha, promote: alpha };
                }
                "--min-pairs" => {
                    let pairs = value()?;
                    options.min_pairs = pairs
                        .parse()
                        .map_err(|_| format!("{name}: found `{pairs}`, expected a whole number"))?;
                }
                "--unit" => options.unit = unit(&value()?)?,
                other if other.starts_with("--") => return Err(format!("unknown option {other}")),
                _ => options.files.push(name),
            }
        }
        let judges = options.labels.is_some() || options.json || options.evidence.is_some();
        if options.files.is_empty() && judges {
            return Err("found no file of comparisons".to_owned());
        }
        Ok(options)
    }

    /// The metric with the margin and role asked for.
    pub fn adjusted<P, L>(&self, mut metric: Metric<P, L>) -> Metric<P, L> {
        let name = metric.name().to_owned();
        for (_, margin) in self.margins.iter().filter(|(of, _)| *of == name) {
            metric = match metric.kind() {
                MetricKind::Disagreement => metric.at_most(*margin),
                _ => metric.margin(*margin),
            };
        }
        for (_, role) in self.roles.iter().filter(|(of, _)| *of == name) {
            metric = match role.as_str() {
                "guardrail" => metric.guardrail(),
                "signal" => metric.signal(),
                _ => metric.watch(),
            };
        }
        metric
    }
}

fn pair(option: &str, text: &str) -> Result<(String, String), String> {
    let wrong = || format!("{option}: found `{text}`, expected NAME=VALUE");
    let (name, value) = text.split_once('=').ok_or_else(wrong)?;
    Ok((name.to_owned(), value.to_owned()))
}

fn number(option: &str, text: &str) -> Result<f64, String> {
    text.parse().map_err(|_| format!("{option}: found `{text}`, expected a number"))
}
