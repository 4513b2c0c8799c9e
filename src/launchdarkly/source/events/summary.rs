//! How often each flag answered what: a `summary` event in the making.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::{flag::EvaluationCount, launchdarkly::SummaryEntry, value::Value};

/// While nothing can be sent, counts are kept of this many flags, versions and variations; the answers
/// of further ones are dropped and counted. A counter takes some hundred bytes.
const MOST_COUNTERS: usize = 50_000;

/// Counts since the last payload.
#[derive(Default)]
pub(super) struct Summary {
    /// Milliseconds since 1970.
    start: u64,
    end: u64,
    features: BTreeMap<Box<str>, Feature>,
    counters: usize,
    dropped: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Feature {
    default: Value,
    context_kinds: BTreeSet<Box<str>>,
    #[serde(serialize_with = "listed")]
    counters: BTreeMap<SummaryKey, Counter>,
}

/// The version of the flag, unless there is no such flag, and the place of the variation.
type SummaryKey = (Option<u64>, Option<usize>);

struct Counter {
    value: Value,
    count: u64,
}

/// The summary as the vendor reads it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'s> {
    kind: &'static str,
    start_date: u64,
    end_date: u64,
    features: &'s BTreeMap<Box<str>, Feature>,
}

#[derive(Serialize)]
struct SummaryLine<'s> {
    value: &'s Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    variation: Option<usize>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unknown: bool,
    count: u64,
}

fn listed<S: Serializer>(
    counters: &BTreeMap<SummaryKey, Counter>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(counters.len()))?;
    for (&(version, variation), Counter { value, count }) in counters {
        let unknown = version.is_none();
        list.serialize_element(&SummaryLine { value, version, variation, unknown, count: *count })?;
    }
    list.end()
}

impl Summary {
    /// A summary of what is counted from now on, in milliseconds since 1970.
    pub(super) fn from(start: u64) -> Summary {
        Summary { start, end: start, ..Summary::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// Nothing was counted before this.
    pub(super) fn start_at(&mut self, start: u64) {
        self.start = start;
    }

    pub(super) fn end_at(&mut self, end: u64) {
        self.end = end;
    }

    /// How many answers were dropped, as there were too many flags, versions and variations.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The answers of a flag.
    pub(super) fn add(&mut self, counted: EvaluationCount, entry: SummaryEntry<'_>) {
        // What has no variation answered with the caller's default.
        let value = counted.value.unwrap_or_else(|| entry.default.clone());
        let which = (Some(counted.version.unwrap_or_default()), counted.variation);
        self.count(&counted.flag, which, value, counted.count, entry);
    }

    /// The answers of a flag that is not there.
    pub(super) fn add_missed(&mut self, key: &str, count: u64, entry: SummaryEntry<'_>) {
        self.count(key, (None, None), entry.default.clone(), count, entry);
    }

    fn count(
        &mut self,
        key: &str,
        which: SummaryKey,
        value: Value,
        count: u64,
        entry: SummaryEntry<'_>,
    ) {
        let known = self.features.get(key).is_some_and(|one| one.counters.contains_key(&which));
        if !known && self.counters >= MOST_COUNTERS {
            self.dropped = self.dropped.saturating_add(count);
            return;
        }
        let feature = self.features.entry(key.into()).or_insert_with(|| Feature {
            default: entry.default,
            context_kinds: BTreeSet::new(),
            counters: BTreeMap::new(),
        });
        feature.context_kinds.extend(entry.kinds.into_iter().map(Box::from));
        let counters = &mut self.counters;
        let counter = feature.counters.entry(which).or_insert_with(|| {
            *counters += 1;
            Counter { value, count: 0 }
        });
        counter.count = counter.count.saturating_add(count);
    }
}

impl Serialize for Summary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Event {
            kind: "summary",
            start_date: self.start,
            end_date: self.end,
            features: &self.features,
        }
        .serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(flag: &str, variation: usize) -> EvaluationCount {
        EvaluationCount {
            flag: flag.into(),
            version: Some(1),
            variation: Some(variation),
            variant: None,
            value: Some(Value::from(true)),
            on: None,
            count: 2,
        }
    }

    #[test]
    fn what_is_counted_goes_on_being_counted_where_there_is_no_room_for_more() {
        let mut summary = Summary::from(0);
        let entry = || SummaryEntry { default: Value::Null, kinds: vec!["user"] };
        for variation in 0..MOST_COUNTERS {
            summary.add(answer("m", variation), entry());
        }
        assert_eq!(summary.dropped(), 0);
        summary.add(answer("m", 0), entry());
        summary.add(answer("n", 0), entry());
        summary.add_missed("absent", 3, entry());
        assert_eq!(summary.features["m"].counters[&(Some(1), Some(0))].count, 4);
        assert_eq!((summary.features.len(), summary.dropped()), (1, 5));
    }
}
