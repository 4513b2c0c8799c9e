//! A verdict under construction.

use std::{borrow::Borrow, fmt, hash::Hash, sync::Arc, time::Duration};

use super::{
    CloneOutput, Error, FormatOutput, Observer, Redaction, ScoreOf, SliceOf, VerdictPlan,
    WatchedNumber,
};
use crate::{
    compare::{Comparison, HasLabel},
    context::EvaluationContext,
    verdict::{
        Config, Disagreement, Metric, MetricKind, Unit, Verdict,
        classes::{ClassTable, Classes},
        live::LiveCounts,
        metric::Observes,
        stats::budget::ErrorBudget,
        user_filter::UserFilter,
    },
    version::Version,
};

/// A [`Verdict`] under construction.
///
/// Without a metric it asks for [`failures`](Metric::failures) and
/// [`disagreement`](Metric::disagreement).
#[must_use]
pub struct Builder<P, L = ()> {
    pub(super) config: Config,
    pub(super) attempt: u32,
    pub(super) again: Option<Version>,
    pub(super) metrics: Vec<Metric<P, L>>,
    pub(super) slices: Vec<(Arc<str>, SliceOf<P>)>,
    pub(super) score: Option<((f64, f64), ScoreOf<P>)>,
    pub(super) watched: Vec<WatchedNumber<P>>,
    pub(super) shown: Option<FormatOutput<P>>,
    pub(super) redaction: Option<Redaction>,
    pub(super) classes: Option<Box<dyn Classes<P, L>>>,
    pub(super) expected_users: u64,
    pub(super) open_labels: usize,
    pub(super) label_patience: Duration,
}

impl<P, L> Builder<P, L> {
    pub(in crate::verdict) fn new(candidate: &str) -> Builder<P, L> {
        Builder {
            config: Config::new(candidate),
            attempt: 0,
            again: None,
            metrics: Vec::new(),
            slices: Vec::new(),
            score: None,
            watched: Vec::new(),
            shown: None,
            redaction: None,
            classes: None,
            expected_users: 100_000,
            open_labels: 100_000,
            label_patience: Duration::from_secs(30 * 86_400),
        }
    }

    /// The version that the candidate is judged against. Without it: whichever version answered.
    pub fn against(mut self, champion: impl AsRef<str>) -> Builder<P, L> {
        self.config.champion = Some(champion.as_ref().to_owned());
        self
    }

    /// The second name under which the champion is registered and shadowed, so that the verdict learns
    /// how often it disagrees with itself and how long it takes in shadow.
    pub fn again(mut self, name: impl Into<Version>) -> Builder<P, L> {
        self.again = Some(name.into());
        self
    }

    /// Adds a metric.
    pub fn metric(mut self, metric: Metric<P, L>) -> Builder<P, L> {
        self.metrics.push(metric);
        self
    }

    /// What counts as one observation; the user by default.
    pub fn unit(mut self, unit: Unit) -> Builder<P, L> {
        self.config.unit = unit;
        self
    }

    /// The probabilities of error: 5 % of a false rollback, and 5 % for each metric of a false "not
    /// worse", by default.
    pub fn budget(mut self, budget: ErrorBudget) -> Builder<P, L> {
        self.config.budget = budget;
        self
    }

    /// The number of this attempt, from 0: each may spend half the error of the one before. Raise it by
    /// one when the same candidate is tried again, or a metric or margin has changed.
    pub fn attempt(mut self, attempt: u32) -> Builder<P, L> {
        self.attempt = attempt;
        self
    }

    /// Pairs that must be scored before the candidate may advance; 100 by default.
    pub fn min_pairs(mut self, pairs: u64) -> Builder<P, L> {
        self.config.min_pairs = pairs;
        self
    }

    /// The largest share of wanted pairs that may be missing for the candidate to advance; 0.1 by
    /// default.
    pub fn max_missing(mut self, share: f64) -> Builder<P, L> {
        self.config.max_missing = share;
        self
    }

    /// The smallest share of labels that must have come for the candidate to advance; 0.8 by
    /// default.
    pub fn min_coverage(mut self, share: f64) -> Builder<P, L> {
        self.config.min_coverage = share;
        self
    }

    /// How many users are expected (with [`Unit::KeyPer`], in all windows together), up to 2^26;
    /// 100,000 by default. Each takes two to four bytes of memory. With more users than expected, more
    /// of their pairs are left out as repeats, whatever their outcome.
    pub fn expected_users(mut self, users: u64) -> Builder<P, L> {
        self.expected_users = users;
        self
    }

    /// How many scored pairs, and how many labels without a pair, may wait for each other; 100,000
    /// by default. The oldest makes room.
    pub fn open_labels(mut self, pairs: usize) -> Builder<P, L> {
        self.open_labels = pairs;
        self
    }

    /// How long a pair waits for its label, by the times of the comparisons; 30 days by default.
    pub fn labels_within(mut self, patience: Duration) -> Builder<P, L> {
        self.label_patience = patience;
        self
    }

    /// Shows the paired metrics for parts of the traffic as well: `slice` names the part that a
    /// request belongs to (its country, its tenant), from its context. Slices are watched, and
    /// listed where the candidate is worse at a false discovery rate of 10 %. At most a
    /// hundred slices are kept apart.
    ///
    /// `slice` is called on the request's thread, for requests with a shadow: when it is handed
    /// over, or, by an async router, before the version answers. What it says is part of the
    /// [comparison](crate::compare::Comparison::slices), so that the records of a
    /// [`JsonlSink`](crate::compare::sink::JsonlSink) beside the verdict can be
    /// [replayed](Verdict::replay) with their slices: name nothing in it that a record may not
    /// hold. A run that came to no comparison is in no slice.
    ///
    /// ```
    /// use modelgate::verdict::{Metric, Verdict};
    ///
    /// let verdict = Verdict::<f32>::builder("v2")
    ///     .metric(Metric::failures())
    ///     .by("country", |context| Some(context.attribute("country")?.as_str()?.to_owned()))
    ///     .build()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by(
        self,
        name: impl Into<String>,
        slice: impl Fn(&dyn EvaluationContext) -> Option<String> + Send + Sync + 'static,
    ) -> Builder<P, L> {
        self.sliced(name.into(), SliceOf::Context(Arc::new(slice)))
    }

    /// The same from the comparison, on the shadow side: from the features, where they are
    /// [recorded](crate::Shadow::record_features), or anything else in it.
    pub fn by_comparison(
        self,
        name: impl Into<String>,
        slice: impl Fn(&Comparison<P>) -> Option<String> + Send + Sync + 'static,
    ) -> Builder<P, L> {
        self.sliced(name.into(), SliceOf::Comparison(Arc::new(slice)))
    }

    fn sliced(mut self, name: String, slice: SliceOf<P>) -> Builder<P, L> {
        self.slices.push((name.as_str().into(), slice));
        self.config.slices.push(name);
        self
    }

    /// The number in an answer, within this range, for the figures of agreement.
    pub fn score(
        mut self,
        range: std::ops::RangeInclusive<f64>,
        score: impl Fn(&P) -> Option<f64> + Send + Sync + 'static,
    ) -> Builder<P, L> {
        self.score = Some(((*range.start(), *range.end()), Arc::new(score)));
        self
    }

    /// Watches whether the distribution of a number (a feature, a score) moves away from that of its
    /// first thousand values, over ten bins of this range.
    pub fn drift(
        mut self,
        name: impl Into<String>,
        range: std::ops::RangeInclusive<f64>,
        of: impl Fn(&Comparison<P>) -> Option<f64> + Send + Sync + 'static,
    ) -> Builder<P, L> {
        let range = (*range.start(), *range.end());
        self.watched.push(WatchedNumber { name: name.into(), range, of: Arc::new(of) });
        self
    }

    /// Keeps ten of the worst disagreements and ten at random, with both answers as `show` writes
    /// them, and with the features where the policy records them.
    pub fn show_disagreements(
        mut self,
        show: impl Fn(&P) -> String + Send + Sync + 'static,
    ) -> Builder<P, L> {
        self.shown = Some(Arc::new(show));
        self
    }

    /// Called with each disagreement before it is kept, to remove what nobody may read.
    pub fn redact(
        mut self,
        redaction: impl Fn(&mut Disagreement) + Send + Sync + 'static,
    ) -> Builder<P, L> {
        self.redaction = Some(Arc::new(redaction));
        self
    }
}

impl<P, L> Builder<P, L>
where
    P: HasLabel,
    P::Label: ToOwned<Owned: Eq + Hash + Send + Sync> + Eq + Hash + fmt::Display + 'static,
    L: Borrow<P::Label>,
{
    /// Counts pairs of classes, the champion's and the candidate's, for the report's table of
    /// agreement. [`accuracy`](Metric::accuracy) counts them anyway.
    pub fn classes(self) -> Builder<P, L> {
        self.with_classes(Box::new(ClassTable::<P::Label>::default()))
    }
}

impl<P, L> Builder<P, L> {
    pub(in crate::verdict) fn with_classes(
        mut self,
        classes: Box<dyn Classes<P, L>>,
    ) -> Builder<P, L> {
        self.classes = Some(classes);
        self
    }
}

impl<P: Clone, L> Builder<P, L> {
    /// Builds the verdict.
    ///
    /// # Errors
    ///
    /// [`Error`] naming the setting that cannot be: a name that is empty or used twice, a margin, bound,
    /// range or budget out of its range, a loss without a margin, noise without a second champion.
    pub fn build(mut self) -> Result<Verdict<P, L>, Error> {
        if self.metrics.is_empty() {
            self.metrics = vec![Metric::failures(), Metric::disagreement()];
        }
        for metric in &mut self.metrics {
            metric.config.both_in_shadow =
                metric.config.kind == MetricKind::Late && self.again.is_some();
        }
        self.check()?;
        let mut classes = self.classes;
        let mut observers = Vec::new();
        let mut config = self.config;
        for Metric { config: metric, observes } in self.metrics {
            observers.push(match (metric.kind, observes) {
                (MetricKind::Failures, _) => Observer::Failures,
                (MetricKind::Disagreement, _) => Observer::Disagreement,
                (MetricKind::Noise, _) => Observer::Noise,
                (MetricKind::Late, _) => Observer::Late(metric.limit_us.unwrap_or(u64::MAX)),
                (_, Observes::Distance(distance)) => Observer::Distance(distance),
                (_, Observes::Loss(loss)) => Observer::Loss(loss),
                (_, Observes::Classes(table)) => {
                    classes = Some(table);
                    Observer::Accuracy
                }
                _ => Observer::Live,
            });
            config.metrics.push(metric);
        }
        let losses = observers.iter().any(|observer| matches!(observer, Observer::Loss(_)));
        let compares_classes =
            observers.iter().any(|observer| matches!(observer, Observer::Accuracy));
        let needs_labels = config.metrics.iter().any(|metric| metric.kind.needs_labels());
        let plan = VerdictPlan {
            config_hash: config.hash(),
            attempt: self.attempt,
            candidate: Version::new(&config.candidate),
            champion: config.champion.as_ref().map(Version::new),
            again: self.again,
            observers,
            slices: self.slices,
            score: self.score,
            watched: self.watched,
            shown: self.shown,
            redaction: self.redaction,
            keep: losses.then_some(P::clone as CloneOutput<P>),
            needs_labels,
            compares_classes,
            config,
        };
        let live = LiveCounts::new(&plan.config, &plan.config_hash, self.expected_users);
        let seen = UserFilter::new(self.expected_users);
        let open = if needs_labels { self.open_labels } else { 0 };
        Ok(Verdict::from_parts(plan, classes, seen, live, open, self.label_patience))
    }
}

impl<P, L> fmt::Debug for Builder<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("config", &self.config)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}
