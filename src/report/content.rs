//! The content of a report as data, from which the page is drawn and which `Report::json` serialises.

use serde::Serialize;

/// Everything that a page shows. A section without data is `None` or empty, and the page says so.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Content {
    /// The version of this document's format.
    pub(crate) schema: u32,
    /// What is being rolled out: usually the flag's key.
    pub(crate) title: String,
    pub(crate) champion: Option<String>,
    pub(crate) candidate: Option<String>,
    /// The moment it describes, in milliseconds since 1970-01-01 UTC.
    pub(crate) at_ms: Option<u64>,
    pub(crate) headline: Headline,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) series: Vec<Series>,
    pub(crate) agreement: Option<Agreement>,
    pub(crate) disagreements: Option<Disagreements>,
    pub(crate) latency: Vec<Latency>,
    pub(crate) versions: Vec<Version>,
    pub(crate) shadows: Vec<Shadow>,
    pub(crate) sources: Vec<Source>,
    pub(crate) health: Vec<Check>,
    pub(crate) users: Vec<Count>,
    pub(crate) history: Vec<Event>,
    pub(crate) decision: Option<Decision>,
}

/// The page in one sentence.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Headline {
    pub(crate) sentence: String,
    pub(crate) standing: Standing,
}

/// How good or bad a state is. Shown as a word and a shape, never as a colour alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Standing {
    Good,
    Bad,
    Caution,
    #[default]
    Neutral,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Rollout {
    pub(crate) phase: String,
    /// In percent of the users whom the flag names.
    pub(crate) share: f64,
    pub(crate) attempt: u64,
    /// Why the rollout waits, or that it proceeds.
    pub(crate) advancing: String,
    pub(crate) replicas: Option<String>,
    pub(crate) state_age_seconds: Option<f64>,
    pub(crate) stages: Vec<StageRow>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct StageRow {
    pub(crate) name: String,
    pub(crate) progress: Progress,
    /// When the stage was entered, how much of its time has passed, what comes next.
    pub(crate) note: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Progress {
    Done,
    Current,
    ToCome,
    /// Where it was rolled back.
    Stopped,
    NotReached,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Gate {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    /// `passed`, `holds`, `not applicable`.
    pub(crate) outcome: String,
    pub(crate) reason: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Metric {
    pub(crate) name: String,
    /// `guardrail`, `signal` or `watched`.
    pub(crate) role: String,
    pub(crate) finding: String,
    pub(crate) standing: Standing,
    pub(crate) champion: Option<f64>,
    pub(crate) candidate: Option<f64>,
    pub(crate) estimate: Option<f64>,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) margin: Option<f64>,
    pub(crate) unit: Unit,
    pub(crate) pairs: u64,
    pub(crate) expected_pairs: Option<u64>,
    /// Natural logarithms of the evidence and of what it must reach.
    pub(crate) worse: Option<EvidenceBar>,
    pub(crate) not_worse: Option<EvidenceBar>,
    pub(crate) sentence: String,
}

/// The unit of a metric's values, which decides how they are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Shares between 0 and 1: percent, differences in points.
    Share,
    /// A share that is not a difference of two: percent.
    Part,
    /// Numbers in a unit of the metric's own.
    #[default]
    Number,
    /// Ratios: 1 means no difference.
    Ratio,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct EvidenceBar {
    pub(crate) ln_e: f64,
    pub(crate) threshold: f64,
}

/// A metric at successive looks.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Series {
    pub(crate) metric: String,
    pub(crate) margin: Option<f64>,
    pub(crate) unit: Unit,
    pub(crate) thresholds: Option<(f64, f64)>,
    pub(crate) points: Vec<Point>,
    /// Where stages began: pairs, and the stage's name.
    pub(crate) stages: Vec<(u64, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Point {
    pub(crate) pairs: u64,
    pub(crate) estimate: f64,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) ln_e_worse: f64,
    pub(crate) ln_e_not_worse: f64,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Agreement {
    pub(crate) pairs: u64,
    pub(crate) disagreed: u64,
    pub(crate) interval: Option<(f64, f64)>,
    /// How often the champion disagrees with itself.
    pub(crate) noise_floor: Option<f64>,
    /// The classes of the confusion table, in its order.
    pub(crate) classes: Vec<String>,
    /// Counts by the champion's class (rows) and the candidate's (columns).
    pub(crate) confusion: Vec<Vec<u64>>,
    /// The most frequent pairs of different classes, if there are too many classes for a table.
    pub(crate) commonest: Vec<(String, String, u64)>,
    /// Score differences: bins of equal width between the bounds.
    pub(crate) differences: Option<Histogram>,
    pub(crate) figures: Vec<Figure>,
    /// With labels: both right, only the champion, only the candidate, neither.
    pub(crate) right_and_wrong: Option<[u64; 4]>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Histogram {
    /// What is counted.
    pub(crate) of: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) counts: Vec<u64>,
}

/// A named number with what it means.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) meaning: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Disagreements {
    pub(crate) worst: Vec<Disagreement>,
    pub(crate) at_random: Vec<Disagreement>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Disagreement {
    pub(crate) prediction_id: String,
    pub(crate) champion: String,
    pub(crate) candidate: String,
    pub(crate) distance: Option<f64>,
    pub(crate) label: Option<String>,
    pub(crate) features: Option<String>,
}

/// Durations of one version at one place.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Latency {
    pub(crate) version: String,
    /// Where and how it was measured.
    pub(crate) measured: String,
    pub(crate) count: u64,
    pub(crate) p50_us: f64,
    pub(crate) p90_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) max_us: f64,
    /// The upper ends of the buckets in microseconds, and the number of calls in each.
    pub(crate) buckets: Vec<(f64, u64)>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Version {
    pub(crate) version: String,
    pub(crate) state: String,
    pub(crate) standing: Standing,
    pub(crate) answered: u64,
    pub(crate) replaced: Vec<Count>,
    pub(crate) failures: Vec<Count>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Shadow {
    pub(crate) candidate: String,
    pub(crate) wanted: u64,
    pub(crate) completed: u64,
    pub(crate) dropped: Vec<Count>,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) standing: Standing,
    pub(crate) age_seconds: Option<f64>,
    pub(crate) flags: u64,
    pub(crate) problems: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) standing: Standing,
    pub(crate) word: String,
    pub(crate) detail: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) count: u64,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) at_ms: u64,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) cause: String,
    pub(crate) sentence: String,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Decision {
    pub(crate) config_hash: String,
    pub(crate) settings: Vec<(String, String)>,
    /// What a script needs to compute the finding again.
    pub(crate) evidence: serde_json::Value,
}
