//! The answers of two versions to one request.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Agreement, Slices, key::KeyHash};
use crate::{model::ModelError, prediction_id::PredictionId, value::Value, version::Version};

/// What two versions answered to one request.
///
/// The user's targeting key and the features are left out unless the
/// [`Shadow`](crate::Shadow) policy asks for them.
///
/// Serializes as [`JsonlSink`](crate::compare::sink::JsonlSink) writes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison<P> {
    /// The id of the answer that the caller got.
    pub prediction_id: PredictionId,
    /// When the answer was given.
    pub time: SystemTime,
    /// The flag revision that chose both versions.
    pub revision: u64,
    /// The user's keyed hash; `None` when nothing identified the caller.
    pub key_hash: Option<KeyHash>,
    /// The user's targeting key, if the policy asks for it.
    pub targeting_key: Option<Box<str>>,
    /// The features, if the policy asks for them.
    pub features: Option<Value>,
    /// The parts of the traffic that the request belongs to, as the
    /// [sinks](crate::compare::sink::ComparisonSink::slices) tell them apart.
    pub slices: Slices,
    /// The version that answered the caller.
    pub primary: Run<P>,
    /// The version that ran in its shadow.
    pub candidate: Run<P>,
    /// How long the candidate's run waited for a thread; not part of its service time.
    pub queue_wait: Duration,
    /// What the comparator found.
    pub agreement: Agreement,
}

/// One version's part in a [`Comparison`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Run<P> {
    /// The version.
    pub version: Version,
    /// What it answered, or why it did not.
    pub outcome: Result<P, ModelError>,
    /// How long the model took by the wall clock, measured alike for both versions. Where a shadow had
    /// to share its processor, the others' time is in it.
    pub service_time: Duration,
    /// The processor time that the model took on the thread that called it: this can be compared
    /// between an answer and its shadow, as long as a model computes on that thread alone. What your
    /// model has other threads or machines do is not in it.
    ///
    /// `None` where it is not known: on a platform that does not tell, for an async model, for a row of
    /// a batch, for a model of this crate that computes on threads of its own, and for an answer
    /// during which the shadows' budget had no room.
    pub cpu_time: Option<Duration>,
}

impl<P> Run<P> {
    /// One version's run, with no processor time known.
    pub fn new(
        version: impl Into<Version>,
        outcome: Result<P, ModelError>,
        service_time: Duration,
    ) -> Run<P> {
        Run { version: version.into(), outcome, service_time, cpu_time: None }
    }

    /// With the processor time it took.
    #[must_use]
    pub fn with_cpu_time(mut self, cpu_time: impl Into<Option<Duration>>) -> Run<P> {
        self.cpu_time = cpu_time.into();
        self
    }
}

impl<P> Comparison<P> {
    /// A comparison of these two runs, with a new id and nothing else filled in: for tests of your own
    /// sinks.
    ///
    /// ```
    /// use std::time::Duration;
    /// use modelgate::compare::{Agreement, Comparison, Run};
    ///
    /// let mut comparison = Comparison::new(
    ///     Run::new("v1", Ok(0.25), Duration::from_micros(80)),
    ///     Run::new("v2", Ok(0.75), Duration::from_micros(90)),
    /// );
    /// comparison.agreement = Agreement::of("score", false).with_distance(0.5);
    /// ```
    pub fn new(primary: Run<P>, candidate: Run<P>) -> Comparison<P> {
        Comparison {
            prediction_id: PredictionId::generate(),
            time: UNIX_EPOCH,
            revision: 0,
            key_hash: None,
            targeting_key: None,
            features: None,
            slices: Slices::default(),
            primary,
            candidate,
            queue_wait: Duration::ZERO,
            agreement: Agreement::not_compared(),
        }
    }
}

/// The number of the form in which comparisons are written. Fields may be added to a form; a field
/// that changes its meaning makes a new one.
pub(super) const SCHEMA: u32 = 1;

/// Saturating: no clock gives a duration beyond `u64`.
fn whole(time: u128) -> u64 {
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// Since 1970-01-01 UTC; 0 for a time before that, which no router's clock gives.
pub(super) fn milliseconds(time: SystemTime) -> u64 {
    whole(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis())
}

impl<P: Serialize> Serialize for Comparison<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let optional =
            [self.targeting_key.is_some(), self.features.is_some(), !self.slices.is_empty()];
        let optional = optional.map(usize::from).iter().sum::<usize>();
        let mut record = serializer.serialize_struct("Comparison", 11 + optional)?;
        record.serialize_field("time", &milliseconds(self.time))?;
        record.serialize_field("schema", &SCHEMA)?;
        record.serialize_field("prediction_id", &self.prediction_id)?;
        record.serialize_field("revision", &self.revision)?;
        record.serialize_field("key_hash", &self.key_hash)?;
        if let Some(key) = &self.targeting_key {
            record.serialize_field("targeting_key", key)?;
        }
        if let Some(features) = &self.features {
            record.serialize_field("features", features)?;
        }
        if !self.slices.is_empty() {
            record.serialize_field("slices", &self.slices)?;
        }
        // Where the features are recorded, an error may quote them.
        let shows_features = self.features.is_some();
        record.serialize_field("primary", &RunRecord { run: &self.primary, shows_features })?;
        record.serialize_field("candidate", &RunRecord { run: &self.candidate, shows_features })?;
        record.serialize_field("queue_wait_us", &whole(self.queue_wait.as_micros()))?;
        record.serialize_field("agrees", &self.agreement.agrees())?;
        record.serialize_field("distance", &self.agreement.distance())?;
        record.serialize_field("measure", self.agreement.measure())?;
        record.end()
    }
}

/// Without what an error says of the features.
impl<P: Serialize> Serialize for Run<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RunRecord { run: self, shows_features: false }.serialize(serializer)
    }
}

/// A run as records carry it.
struct RunRecord<'a, P> {
    run: &'a Run<P>,
    shows_features: bool,
}

impl<P: Serialize> Serialize for RunRecord<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let RunRecord { run, shows_features } = *self;
        let fields = 3 + usize::from(run.cpu_time.is_some());
        let mut record = serializer.serialize_struct("Run", fields)?;
        record.serialize_field("version", &run.version)?;
        match &run.outcome {
            Ok(output) => record.serialize_field("output", output)?,
            Err(error) => {
                record.serialize_field("error", &ErrorRecord { error, shows_features })?
            }
        }
        record.serialize_field("service_us", &whole(run.service_time.as_micros()))?;
        if let Some(time) = run.cpu_time {
            record.serialize_field("cpu_us", &whole(time.as_micros()))?;
        }
        record.end()
    }
}

struct ErrorRecord<'a> {
    error: &'a ModelError,
    shows_features: bool,
}

impl Serialize for ErrorRecord<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("Error", 2)?;
        record.serialize_field("kind", self.error.kind().as_str())?;
        let message = match self.shows_features {
            true => self.error.detailed().to_string(),
            false => self.error.redacted().to_string(),
        };
        record.serialize_field("message", &message)?;
        record.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::key::KeyHasher;

    fn example() -> Comparison<f64> {
        let mut comparison = Comparison::new(
            Run::new("v1", Ok(0.25), Duration::from_micros(80)),
            Run::new("v2", Err(ModelError::new("no such table")), Duration::from_micros(90)),
        );
        comparison.prediction_id = PredictionId::from_u128(1);
        comparison.time = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        comparison.revision = 7;
        comparison.queue_wait = Duration::from_micros(12);
        comparison
    }

    #[test]
    fn a_record_has_the_documented_fields_and_no_key_or_features_unless_asked() {
        let json = serde_json::to_string(&example()).unwrap();
        assert_eq!(
            json,
            r#"{"time":1700000000123,"schema":1,"prediction_id":"00000000000000000000000000000001","#
                .to_owned()
                + r#""revision":7,"key_hash":null,"#
                + r#""primary":{"version":"v1","output":0.25,"service_us":80},"#
                + r#""candidate":{"version":"v2","error":{"kind":"error","#
                + r#""message":"model failed: no such table"},"service_us":90},"#
                + r#""queue_wait_us":12,"agrees":null,"distance":null,"measure":"none"}"#
        );
    }

    #[test]
    fn a_run_carries_its_processor_time_where_it_is_known() {
        let mut comparison = example();
        comparison.primary = comparison.primary.with_cpu_time(Duration::from_micros(79));
        let json = serde_json::to_value(&comparison).unwrap();
        assert_eq!(json["primary"]["cpu_us"], 79);
        assert!(json["candidate"].get("cpu_us").is_none());
    }

    #[test]
    fn a_record_carries_key_and_features_when_asked() {
        let mut comparison = example();
        let hasher = KeyHasher::new([7; 32]).unwrap();
        comparison.key_hash = Some(hasher.hash("user-42"));
        comparison.targeting_key = Some("user-42".into());
        comparison.features = Some(Value::List(vec![1.0_f64.into()]));
        let json: serde_json::Value =
            serde_json::from_str(&serde_json::to_string(&comparison).unwrap()).unwrap();
        assert_eq!(json["targeting_key"], "user-42");
        assert_eq!(json["features"][0], 1.0);
        assert_eq!(json["key_hash"], hasher.hash("user-42").to_string());
    }

    #[test]
    fn errors_quote_features_only_where_the_features_are_recorded_as_well() {
        let mut comparison = example();
        let found = ModelError::invalid_input("features.income", 123_456, "less");
        comparison.primary.outcome = Err(found);
        let panic = std::panic::catch_unwind(|| panic!("income of 123456")).unwrap_err();
        comparison.candidate.outcome = Err(ModelError::panicked(panic));
        let json = serde_json::to_value(&comparison).unwrap();
        assert_eq!(json["primary"]["error"]["message"], "features.income: expected less");
        assert_eq!(json["candidate"]["error"]["message"], "model panicked");
        comparison.features = Some(Value::from(123_456));
        let json = serde_json::to_string(&comparison).unwrap();
        assert!(json.contains("features.income: found 123456, expected less"), "{json}");
        assert!(json.contains("model panicked: income of 123456"), "{json}");
    }
}
