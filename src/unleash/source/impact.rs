//! What routers count, in the form of the server's impact metrics.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use crate::unleash::{ImpactMetric, ImpactValue};

/// Figures that cannot be sent are merged into the next for at most this many series.
const MOST_SERIES: usize = 10_000;

/// Figures that are to be sent, together with those that could not be sent before.
#[derive(Clone, Debug, Default)]
pub(super) struct Impact {
    /// Of the application, the same for all.
    labels: BTreeMap<&'static str, String>,
    metrics: BTreeMap<&'static str, Metric>,
}

#[derive(Clone, Debug)]
struct Metric {
    help: &'static str,
    kind: &'static str,
    samples: BTreeMap<BTreeMap<&'static str, String>, ImpactValue>,
}

/// One metric as the server takes it.
#[derive(Serialize)]
pub(super) struct Reported<'i> {
    name: &'static str,
    help: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    samples: Vec<Sample<'i>>,
}

#[derive(Serialize)]
struct Sample<'i> {
    labels: Labels<'i>,
    #[serde(flatten)]
    figure: Figure<'i>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Figure<'i> {
    Count { value: u64 },
    Amount { value: f64 },
    Distribution { count: u64, sum: f64, buckets: Vec<Bucket<'i>> },
}

#[derive(Serialize)]
struct Bucket<'i> {
    #[serde(serialize_with = "bound")]
    le: &'i f64,
    count: u64,
}

/// Those of the application, then those of the sample.
struct Labels<'i>(&'i BTreeMap<&'static str, String>, &'i BTreeMap<&'static str, String>);

impl Serialize for Labels<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().chain(self.1))
    }
}

/// The last bound is infinite, which JSON has no number for.
fn bound<S: Serializer>(bound: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    match bound.is_finite() {
        true => serializer.serialize_f64(*bound),
        false => serializer.serialize_str("+Inf"),
    }
}

impl Impact {
    pub(super) fn new(app_name: &str, environment: Option<&str>) -> Impact {
        let labels = [("appName", Some(app_name)), ("environment", environment)];
        let labels = labels.into_iter().filter_map(|(key, value)| Some((key, value?.to_owned())));
        Impact { labels: labels.collect(), metrics: BTreeMap::new() }
    }

    /// Another environment is reported from now on.
    pub(super) fn set_environment(&mut self, environment: Option<String>) {
        match environment {
            Some(environment) => self.labels.insert("environment", environment),
            None => self.labels.remove("environment"),
        };
    }

    pub(super) fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    /// How many metrics there are.
    pub(super) fn len(&self) -> usize {
        self.metrics.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().copied()
    }

    pub(super) fn clear(&mut self) {
        self.metrics.clear();
    }

    /// What there is, which is then no longer here.
    pub(super) fn take(&mut self) -> Impact {
        self.split_off(0)
    }

    /// The metrics from this place on, which are then no longer here.
    pub(super) fn split_off(&mut self, place: usize) -> Impact {
        let first = self.metrics.keys().nth(place).copied();
        let metrics = first.map(|first| self.metrics.split_off(first)).unwrap_or_default();
        Impact { labels: self.labels.clone(), metrics }
    }

    /// Adds metrics that are not here: those that were split off.
    pub(super) fn append(&mut self, mut other: Impact) {
        self.metrics.append(&mut other.metrics);
    }

    pub(super) fn add(&mut self, news: Vec<ImpactMetric>) {
        let mut series: usize = self.metrics.values().map(|metric| metric.samples.len()).sum();
        for ImpactMetric { name, help, labels, value } in news {
            let kind = kind(&value);
            let metric = || Metric { help, kind, samples: BTreeMap::new() };
            let samples = &mut self.metrics.entry(name).or_insert_with(metric).samples;
            let labels: BTreeMap<&'static str, String> = labels.into_iter().collect();
            match samples.get_mut(&labels) {
                Some(held) => held.merge(value),
                None if series >= MOST_SERIES => {}
                None => {
                    samples.insert(labels, value);
                    series += 1;
                }
            }
        }
    }

    pub(super) fn reported(&self) -> Vec<Reported<'_>> {
        let sample = |(labels, value)| Sample {
            labels: Labels(&self.labels, labels),
            figure: figure(value),
        };
        let reported = self.metrics.iter().map(|(name, metric)| Reported {
            name,
            help: metric.help,
            kind: metric.kind,
            samples: metric.samples.iter().map(sample).collect(),
        });
        reported.collect()
    }
}

fn kind(value: &ImpactValue) -> &'static str {
    match value {
        ImpactValue::Counter(_) => "counter",
        ImpactValue::Gauge(_) => "gauge",
        ImpactValue::Histogram { .. } => "histogram",
    }
}

fn figure(value: &ImpactValue) -> Figure<'_> {
    match value {
        ImpactValue::Counter(value) => Figure::Count { value: *value },
        ImpactValue::Gauge(value) => Figure::Amount { value: *value },
        ImpactValue::Histogram { count, sum, buckets } => Figure::Distribution {
            count: *count,
            sum: *sum,
            buckets: buckets.iter().map(|(le, count)| Bucket { le, count: *count }).collect(),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn counter(version: &str, count: u64) -> ImpactMetric {
        let labels = vec![("router", "fraud".to_owned()), ("version", version.to_owned())];
        let value = ImpactValue::Counter(count);
        ImpactMetric { name: "answers_total", help: "Answers.", labels, value }
    }

    fn histogram(count: u64, sum: f64) -> ImpactMetric {
        let buckets = vec![(0.5, count - 1), (f64::INFINITY, count)];
        let value = ImpactValue::Histogram { count, sum, buckets };
        ImpactMetric { name: "seconds", help: "Seconds.", labels: Vec::new(), value }
    }

    #[test]
    fn figures_are_written_as_the_server_takes_them() {
        let mut impact = Impact::new("fraud", Some("production"));
        let labels = vec![("candidate", "v2".to_owned())];
        let value = ImpactValue::Gauge(0.25);
        let share = ImpactMetric { name: "share", help: "Share.", labels, value };
        impact.add(vec![counter("v1", 3), histogram(2, 0.75), share]);
        let of_app = json!({"appName": "fraud", "environment": "production"});
        let written = serde_json::to_value(impact.reported()).unwrap();
        assert_eq!(
            written,
            json!([
                {"name": "answers_total", "help": "Answers.", "type": "counter", "samples": [
                    {"labels": {"appName": "fraud", "environment": "production",
                                "router": "fraud", "version": "v1"}, "value": 3}]},
                {"name": "seconds", "help": "Seconds.", "type": "histogram", "samples": [
                    {"labels": of_app, "count": 2, "sum": 0.75, "buckets": [
                        {"le": 0.5, "count": 1}, {"le": "+Inf", "count": 2}]}]},
                {"name": "share", "help": "Share.", "type": "gauge", "samples": [
                    {"labels": {"appName": "fraud", "environment": "production",
                                "candidate": "v2"}, "value": 0.25}]},
            ])
        );
    }

    #[test]
    fn what_could_not_be_sent_is_added_to_what_comes_later() {
        let mut impact = Impact::new("fraud", None);
        impact.add(vec![counter("v1", 3), histogram(2, 0.75)]);
        let unsent = impact.take();
        assert!(impact.is_empty() && impact.reported().is_empty());
        impact = unsent;
        impact.add(vec![counter("v1", 4), counter("v2", 1), histogram(3, 1.0)]);
        let written = serde_json::to_value(impact.reported()).unwrap();
        let samples = |place: usize| written[place]["samples"].as_array().unwrap().clone();
        assert_eq!(samples(0)[0]["value"], 7);
        assert_eq!(samples(0)[1]["value"], 1);
        assert_eq!((&samples(1)[0]["count"], &samples(1)[0]["sum"]), (&json!(5), &json!(1.75)));
        assert_eq!(
            samples(1)[0]["buckets"],
            json!([
            {"le": 0.5, "count": 3}, {"le": "+Inf", "count": 5}])
        );
    }

    #[test]
    fn a_server_that_is_away_for_long_costs_bounded_memory() {
        let mut impact = Impact::new("fraud", None);
        impact.add((0..MOST_SERIES + 10).map(|n| counter(&n.to_string(), 1)).collect());
        impact.add(vec![counter("0", 1)]);
        let kept = &impact.metrics["answers_total"].samples;
        assert_eq!(kept.len(), MOST_SERIES);
        assert!(kept.values().any(|value| *value == ImpactValue::Counter(2)));
    }
}
