//! One line of a recorded file.
//!
//! There are two forms: the first, which had no number, and form 1, which added `schema`. Unknown
//! fields are ignored, and fields that no metric needs may be missing.

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    compare::{Agreement, Comparison, Run, Slices, key::KeyHash, measure, sink::UNREPORTED},
    model::{ErrorKind, ModelError},
    prediction_id::PredictionId,
    shadow::DropCause,
    value::Value,
    version::Version,
};

pub(super) enum Line<P> {
    Comparison(Box<Comparison<P>>),
    Dropped(DroppedRun),
    /// This many runs of this candidate, of which nothing else is known.
    Unreported(Version, u64),
}

pub(super) struct DroppedRun {
    pub(super) id: PredictionId,
    pub(super) key: Option<KeyHash>,
    pub(super) time: Duration,
    pub(super) primary: Version,
    pub(super) candidate: Version,
    pub(super) cause: &'static str,
}

#[derive(Deserialize)]
struct Record {
    prediction_id: PredictionId,
    #[serde(default)]
    time: Option<u64>,
    #[serde(default)]
    revision: Option<u64>,
    #[serde(default)]
    key_hash: Option<String>,
    #[serde(default)]
    targeting_key: Option<Box<str>>,
    #[serde(default)]
    features: Option<Value>,
    #[serde(default)]
    slices: Slices,
    primary: RecordedRun,
    candidate: RecordedRun,
    #[serde(default)]
    queue_wait_us: Option<u64>,
    #[serde(default)]
    agrees: Option<bool>,
    #[serde(default)]
    distance: Option<f64>,
    #[serde(default)]
    measure: Option<String>,
    /// Of a record of a dropped run: why.
    #[serde(default)]
    dropped: Option<String>,
}

#[derive(Deserialize)]
struct UnreportedRuns {
    candidate: RecordedRun,
    dropped: String,
    runs: u64,
}

#[derive(Deserialize)]
struct RecordedRun {
    version: Version,
    /// `null` is an output too: NaN or an infinity, which JSON cannot express.
    #[serde(default, deserialize_with = "present")]
    output: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<RecordedError>,
    #[serde(default)]
    service_us: Option<u64>,
    #[serde(default)]
    cpu_us: Option<u64>,
}

#[derive(Deserialize)]
struct RecordedError {
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

pub(super) fn parse<P: DeserializeOwned>(line: &[u8]) -> Result<Line<P>, String> {
    let record: Record = match serde_json::from_slice(line) {
        Ok(record) => record,
        // A line about several runs has none of a request's fields, so it does not parse as a record.
        Err(error) => {
            return match serde_json::from_slice(line) {
                Ok(UnreportedRuns { candidate, dropped, runs }) if dropped == UNREPORTED => {
                    Ok(Line::Unreported(candidate.version, runs))
                }
                _ => Err(error.to_string()),
            };
        }
    };
    let key = record.key_hash.as_deref().map(key_hash).transpose()?;
    let time = Duration::from_millis(record.time.unwrap_or(0));
    if let Some(cause) = &record.dropped {
        let cause = DropCause::ALL.into_iter().find(|known| known.as_str() == cause);
        return Ok(Line::Dropped(DroppedRun {
            id: record.prediction_id,
            key,
            time,
            primary: record.primary.version,
            candidate: record.candidate.version,
            cause: cause.ok_or("dropped: found an unknown cause")?.as_str(),
        }));
    }
    let mut comparison =
        Comparison::new(run(record.primary, "primary")?, run(record.candidate, "candidate")?);
    comparison.prediction_id = record.prediction_id;
    comparison.time = UNIX_EPOCH.checked_add(time).unwrap_or(UNIX_EPOCH);
    comparison.revision = record.revision.unwrap_or(0);
    comparison.key_hash = key;
    comparison.targeting_key = record.targeting_key;
    comparison.features = record.features;
    comparison.slices = record.slices;
    comparison.queue_wait = Duration::from_micros(record.queue_wait_us.unwrap_or(0));
    comparison.agreement = agreement(record.agrees, record.distance, record.measure.as_deref());
    Ok(Line::Comparison(Box::new(comparison)))
}

fn key_hash(text: &str) -> Result<KeyHash, String> {
    // The same 32 digits as an id.
    let number: PredictionId = text
        .parse()
        .map_err(|_| "key_hash: found another text than 32 hexadecimal digits".to_owned())?;
    Ok(KeyHash::from_bytes(number.as_u128().to_be_bytes()))
}

fn run<P: DeserializeOwned>(run: RecordedRun, side: &str) -> Result<Run<P>, String> {
    let outcome = match (run.error, run.output) {
        (Some(error), _) => {
            let kind = error.kind.as_deref().unwrap_or_default();
            let kind = ErrorKind::ALL.into_iter().find(|known| known.as_str() == kind);
            let message = error.message.unwrap_or_default();
            Err(ModelError::of_kind(kind.unwrap_or(ErrorKind::Failed), message))
        }
        (None, Some(output)) => Ok(serde_json::from_str(output.get())
            .map_err(|error| format!("{side}.output: {error}"))?),
        (None, None) => return Err(format!("{side}: found neither `output` nor `error`")),
    };
    let service_time = Duration::from_micros(run.service_us.unwrap_or(0));
    Ok(Run::new(run.version, outcome, service_time)
        .with_cpu_time(run.cpu_us.map(Duration::from_micros)))
}

fn agreement(agrees: Option<bool>, distance: Option<f64>, measure: Option<&str>) -> Agreement {
    let Some(agrees) = agrees else { return Agreement::not_compared() };
    let known = measure.and_then(|name| measure::ALL.into_iter().find(|known| *known == name));
    let agreement = Agreement::of(known.unwrap_or("recorded"), agrees);
    distance.map_or(agreement, |distance| agreement.with_distance(distance))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::{
        Comparator, CosineSimilarity, ProbabilityDistance, SameLabel, Tolerance, TopK,
    };

    #[test]
    fn a_record_keeps_the_measure_of_each_comparator() {
        let comparators: [&dyn Comparator<Vec<f32>>; 6] = [
            &CosineSimilarity::at_least(0.9),
            &ProbabilityDistance::argmax(),
            &ProbabilityDistance::max_distance(0.1),
            &ProbabilityDistance::total_variation(0.1),
            &TopK::set(1),
            &TopK::ordered(1),
        ];
        let (primary, candidate) = (vec![0.1, 0.9], vec![0.2, 0.8]);
        let mut agreements: Vec<_> =
            comparators.iter().map(|comparator| comparator.compare(&primary, &candidate)).collect();
        agreements.push(SameLabel.compare(&"cat", &"cat"));
        agreements.push(Tolerance::absolute(0.1).compare(&1.0, &1.0));
        for live in agreements {
            let replayed = agreement(live.agrees(), live.distance(), Some(live.measure()));
            assert_eq!(replayed.measure(), live.measure());
        }
    }
}
