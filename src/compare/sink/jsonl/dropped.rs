//! The lines of runs that came to no comparison.

use std::time::SystemTime;

use serde::Serialize;

use crate::{
    compare::{
        comparison::{SCHEMA, milliseconds},
        key::KeyHash,
    },
    prediction_id::PredictionId,
    shadow::Dropped,
    version::Version,
};

/// The cause given for runs of which only the number is known.
pub(crate) const UNREPORTED: &str = "unreported";

/// A run that was dropped, as a line.
#[derive(Serialize)]
pub(super) struct DroppedLine<'a> {
    time: u64,
    schema: u32,
    prediction_id: PredictionId,
    revision: u64,
    key_hash: Option<KeyHash>,
    primary: Named<'a>,
    candidate: Named<'a>,
    dropped: &'static str,
}

#[derive(Serialize)]
struct Named<'a> {
    version: &'a Version,
}

impl DroppedLine<'_> {
    pub(super) fn of(dropped: &Dropped) -> DroppedLine<'_> {
        DroppedLine {
            time: milliseconds(dropped.time),
            schema: SCHEMA,
            prediction_id: dropped.prediction_id,
            revision: dropped.revision,
            key_hash: dropped.key_hash,
            primary: Named { version: &dropped.primary },
            candidate: Named { version: &dropped.candidate },
            dropped: dropped.cause.as_str(),
        }
    }
}

/// Runs that were dropped too many at once to be reported one by one, as a line.
#[derive(Serialize)]
pub(super) struct UnreportedLine<'a> {
    time: u64,
    schema: u32,
    candidate: Named<'a>,
    dropped: &'static str,
    runs: u64,
}

impl UnreportedLine<'_> {
    pub(super) fn of(candidate: &Version, runs: u64, now: SystemTime) -> UnreportedLine<'_> {
        let candidate = Named { version: candidate };
        let (time, schema) = (milliseconds(now), SCHEMA);
        UnreportedLine { time, schema, candidate, dropped: UNREPORTED, runs }
    }
}
