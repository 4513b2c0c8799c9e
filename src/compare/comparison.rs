//! One pair of answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer, ser::SerializeStruct};

use super::{Agreement, key::KeyHash};
use crate::{model::ModelError, prediction_id::PredictionId, value::Value, version::Version};

/// What two versions made of one request.
///
/// The user's targeting key and the features are left out unless the
/// [`Shadow`](crate::Shadow) policy asks for them.
///
/// Serializes as [`JsonlSink`](crate::compare::sink::JsonlSink) writes it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison<P> {
    /// The answer that the caller got.
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
    /// How long the model took, measured alike on both sides.
    pub service_time: Duration,
}

impl<P> Run<P> {
    /// A side.
    pub fn new(
        version: impl Into<Version>,
        outcome: Result<P, ModelError>,
        service_time: Duration,
    ) -> Run<P> {
        Run { version: version.into(), outcome, service_time }
    }
}

impl<P> Comparison<P> {
    /// A comparison of these two sides, with a new id and nothing else filled in: for tests of
    /// your own sinks.
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
            primary,
            candidate,
            queue_wait: Duration::ZERO,
            agreement: Agreement::not_compared(),
        }
    }
}

/// Times as whole numbers: a duration beyond `u64` cannot come from a clock.
fn whole(time: u128) -> u64 {
    u64::try_from(time).unwrap_or(u64::MAX)
}

/// Since 1970-01-01 UTC; a time before that cannot come from a router's clock.
fn milliseconds(time: SystemTime) -> u64 {
    whole(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis())
}

impl<P: Serialize> Serialize for Comparison<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let optional =
            usize::from(self.targeting_key.is_some()) + usize::from(self.features.is_some());
        let mut record = serializer.serialize_struct("Comparison", 10 + optional)?;
        record.serialize_field("time", &milliseconds(self.time))?;
        record.serialize_field("prediction_id", &self.prediction_id)?;
        record.serialize_field("revision", &self.revision)?;
        record.serialize_field("key_hash", &self.key_hash)?;
        if let Some(key) = &self.targeting_key {
            record.serialize_field("targeting_key", key)?;
        }
        if let Some(features) = &self.features {
            record.serialize_field("features", features)?;
        }
        record.serialize_field("primary", &self.primary)?;
        record.serialize_field("candidate", &self.candidate)?;
        record.serialize_field("queue_wait_us", &whole(self.queue_wait.as_micros()))?;
        record.serialize_field("agrees", &self.agreement.agrees())?;
        record.serialize_field("distance", &self.agreement.distance())?;
        record.serialize_field("measure", self.agreement.measure())?;
        record.end()
    }
}

impl<P: Serialize> Serialize for Run<P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut side = serializer.serialize_struct("Side", 3)?;
        side.serialize_field("version", &self.version)?;
        match &self.outcome {
            Ok(output) => side.serialize_field("output", output)?,
            Err(error) => side.serialize_field("error", &Failure(error))?,
        }
        side.serialize_field("service_us", &whole(self.service_time.as_micros()))?;
        side.end()
    }
}

struct Failure<'a>(&'a ModelError);

impl Serialize for Failure<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut failure = serializer.serialize_struct("Failure", 2)?;
        failure.serialize_field("kind", self.0.kind().as_str())?;
        failure.serialize_field("message", &self.0.to_string())?;
        failure.end()
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
            r#"{"time":1700000000123,"prediction_id":"00000000000000000000000000000001","#
                .to_owned()
                + r#""revision":7,"key_hash":null,"#
                + r#""primary":{"version":"v1","output":0.25,"service_us":80},"#
                + r#""candidate":{"version":"v2","error":{"kind":"error","#
                + r#""message":"model failed"},"service_us":90},"#
                + r#""queue_wait_us":12,"agrees":null,"distance":null,"measure":"none"}"#
        );
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
}
