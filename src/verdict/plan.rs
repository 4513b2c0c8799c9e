//! A verdict under construction, and what it was made of.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{
    Disagreement, Metric, MetricKind, Role, Unit, Verdict, VerdictConfig,
    classes::Classes,
    live::Live,
    metric::{Distance, Loss, Observes},
    seen::Seen,
    stats::budget::ErrorBudget,
};
use crate::{compare::Comparison, version::Version};

/// What a metric looks at.
pub(super) enum Observer<P, L> {
    Failures,
    Disagreement,
    Distance(Distance<P>),
    Noise,
    Accuracy,
    Loss(Loss<P, L>),
    Late(u64),
    Live,
}

type SliceOf<P> = Arc<dyn Fn(&Comparison<P>) -> Option<String> + Send + Sync>;
type NumberOf<P> = Arc<dyn Fn(&Comparison<P>) -> Option<f64> + Send + Sync>;
type ScoreOf<P> = Arc<dyn Fn(&P) -> Option<f64> + Send + Sync>;
type Shown<P> = Arc<dyn Fn(&P) -> String + Send + Sync>;
type Redaction = Arc<dyn Fn(&mut Disagreement) + Send + Sync>;
type Kept<P> = fn(&P) -> P;

/// A number in a range, in so many bins.
pub(super) struct Watched<P> {
    pub(super) name: String,
    pub(super) range: (f64, f64),
    pub(super) of: NumberOf<P>,
}

impl<P> Watched<P> {
    pub(super) const BINS: usize = 10;
}

/// What a verdict was made of; never changes.
pub(super) struct Plan<P, L> {
    pub(super) config: VerdictConfig,
    pub(super) config_hash: String,
    pub(super) attempt: u32,
    pub(super) candidate: Version,
    pub(super) champion: Option<Version>,
    /// The champion's second name.
    pub(super) again: Option<Version>,
    /// In the order of the configuration.
    pub(super) observers: Vec<Observer<P, L>>,
    pub(super) slices: Vec<SliceOf<P>>,
    pub(super) score: Option<((f64, f64), ScoreOf<P>)>,
    pub(super) watched: Vec<Watched<P>>,
    pub(super) shown: Option<Shown<P>>,
    pub(super) redaction: Option<Redaction>,
    /// Copies an answer until its label comes; where a loss needs it.
    pub(super) keep: Option<Kept<P>>,
    pub(super) needs_labels: bool,
}

/// A [`Verdict`] under construction.
///
/// Without a metric it asks for [`failures`](Metric::failures) and
/// [`disagreement`](Metric::disagreement).
#[must_use]
pub struct VerdictBuilder<P, L = ()> {
    config: VerdictConfig,
    attempt: u32,
    again: Option<Version>,
    metrics: Vec<Metric<P, L>>,
    slices: Vec<SliceOf<P>>,
    score: Option<((f64, f64), ScoreOf<P>)>,
    watched: Vec<Watched<P>>,
    shown: Option<Shown<P>>,
    redaction: Option<Redaction>,
    keep: Option<Kept<P>>,
    expected_users: u64,
    open_labels: usize,
    label_patience: Duration,
}

impl<P, L> VerdictBuilder<P, L> {
    pub(super) fn new(candidate: &str) -> VerdictBuilder<P, L> {
        VerdictBuilder {
            config: VerdictConfig::new(candidate),
            attempt: 0,
            again: None,
            metrics: Vec::new(),
            slices: Vec::new(),
            score: None,
            watched: Vec::new(),
            shown: None,
            redaction: None,
            keep: None,
            expected_users: 100_000,
            open_labels: 100_000,
            label_patience: Duration::from_secs(30 * 86_400),
        }
    }

    /// The version that the candidate is judged against. Without it, whichever answers.
    pub fn against(mut self, champion: impl AsRef<str>) -> VerdictBuilder<P, L> {
        self.config.champion = Some(champion.as_ref().to_owned());
        self
    }

    /// The second name under which the champion is registered and shadowed, so that it is known how
    /// often it disagrees with itself and how long it takes in shadow.
    pub fn again(mut self, name: impl Into<Version>) -> VerdictBuilder<P, L> {
        self.again = Some(name.into());
        self
    }

    /// Asks this, too.
    pub fn metric(mut self, metric: Metric<P, L>) -> VerdictBuilder<P, L> {
        self.metrics.push(metric);
        self
    }

    /// What counts as one observation; the user by default.
    pub fn unit(mut self, unit: Unit) -> VerdictBuilder<P, L> {
        self.config.unit = unit;
        self
    }

    /// The probabilities of error: 5 % of a false rollback, and 5 % for each metric of a false "not
    /// worse", by default.
    pub fn budget(mut self, budget: ErrorBudget) -> VerdictBuilder<P, L> {
        self.config.budget = budget;
        self
    }

    /// Which attempt this is, from 0: each may spend half of what the one before might. Count on
    /// when the same candidate is tried again, or when its question has changed.
    pub fn attempt(mut self, attempt: u32) -> VerdictBuilder<P, L> {
        self.attempt = attempt;
        self
    }

    /// Pairs that must be scored before the candidate may advance; 100 by default.
    pub fn min_pairs(mut self, pairs: u64) -> VerdictBuilder<P, L> {
        self.config.min_pairs = pairs;
        self
    }

    /// The largest share of wanted pairs that may be missing for the candidate to advance; 0.1 by
    /// default.
    pub fn max_missing(mut self, share: f64) -> VerdictBuilder<P, L> {
        self.config.max_missing = share;
        self
    }

    /// The smallest share of labels that must have come for the candidate to advance; 0.8 by
    /// default.
    pub fn min_coverage(mut self, share: f64) -> VerdictBuilder<P, L> {
        self.config.min_coverage = share;
        self
    }

    /// How many users are expected (with [`Unit::KeyPer`], in all windows together), up to 2^26;
    /// 100,000 by default. Two bytes of memory each; with
    /// more users than expected more pairs are dropped as repeats, whatever their outcome.
    pub fn expected_users(mut self, users: u64) -> VerdictBuilder<P, L> {
        self.expected_users = users;
        self
    }

    /// How many scored pairs, and how many labels without a pair, may wait for each other; 100,000
    /// by default. The oldest makes room.
    pub fn open_labels(mut self, pairs: usize) -> VerdictBuilder<P, L> {
        self.open_labels = pairs;
        self
    }

    /// How long a pair waits for its label, by the times of the comparisons; 30 days by default.
    pub fn labels_within(mut self, patience: Duration) -> VerdictBuilder<P, L> {
        self.label_patience = patience;
        self
    }

    /// Shows the paired metrics for parts of the traffic as well: `slice` names the part a
    /// comparison is of (a country, a tenant), from the features, which must then be
    /// [recorded](crate::Shadow::record_features), or anything else in it. Slices are watched, and
    /// listed where the candidate is worse at a false discovery rate of 10 %. A hundred are told
    /// apart.
    pub fn by(
        mut self,
        name: impl Into<String>,
        slice: impl Fn(&Comparison<P>) -> Option<String> + Send + Sync + 'static,
    ) -> VerdictBuilder<P, L> {
        self.config.slices.push(name.into());
        self.slices.push(Arc::new(slice));
        self
    }

    /// The number in an answer, within this range, for the figures of agreement.
    pub fn score(
        mut self,
        range: std::ops::RangeInclusive<f64>,
        score: impl Fn(&P) -> Option<f64> + Send + Sync + 'static,
    ) -> VerdictBuilder<P, L> {
        self.score = Some(((*range.start(), *range.end()), Arc::new(score)));
        self
    }

    /// Watches whether a number (a feature, a score) moves out of its first distribution: in ten
    /// bins of this range.
    pub fn drift(
        mut self,
        name: impl Into<String>,
        range: std::ops::RangeInclusive<f64>,
        of: impl Fn(&Comparison<P>) -> Option<f64> + Send + Sync + 'static,
    ) -> VerdictBuilder<P, L> {
        let range = (*range.start(), *range.end());
        self.watched.push(Watched { name: name.into(), range, of: Arc::new(of) });
        self
    }

    /// Keeps ten of the worst disagreements and ten at random, with both answers as `show` writes
    /// them, and with the features where the policy records them.
    pub fn show_disagreements(
        mut self,
        show: impl Fn(&P) -> String + Send + Sync + 'static,
    ) -> VerdictBuilder<P, L> {
        self.shown = Some(Arc::new(show));
        self
    }

    /// Called with each disagreement before it is kept, to take out what nobody may read.
    pub fn redact(
        mut self,
        redaction: impl Fn(&mut Disagreement) + Send + Sync + 'static,
    ) -> VerdictBuilder<P, L> {
        self.redaction = Some(Arc::new(redaction));
        self
    }
}

impl<P: Clone, L> VerdictBuilder<P, L> {
    /// Makes the verdict.
    ///
    /// # Errors
    ///
    /// [`VerdictError`] naming what cannot be: a name that is empty or used twice, a margin, bound,
    /// range or budget out of its range, a loss without a margin, noise without a second champion.
    pub fn build(mut self) -> Result<Verdict<P, L>, VerdictError> {
        if self.metrics.is_empty() {
            self.metrics = vec![Metric::failures(), Metric::disagreement()];
        }
        for metric in &mut self.metrics {
            metric.config.both_in_shadow =
                metric.config.kind == MetricKind::Late && self.again.is_some();
        }
        self.check()?;
        let mut classes: Option<Box<dyn Classes<P, L>>> = None;
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
        let needs_labels = config.metrics.iter().any(|metric| metric.kind.needs_labels());
        let plan = Plan {
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
            keep: self.keep.or(losses.then_some(P::clone as Kept<P>)),
            needs_labels,
            config,
        };
        let live = Live::new(&plan.config, &plan.config_hash, self.expected_users);
        let seen = Seen::new(self.expected_users);
        let open = if needs_labels { self.open_labels } else { 0 };
        Ok(Verdict::made(plan, classes, seen, live, open, self.label_patience))
    }
}

impl<P, L> VerdictBuilder<P, L> {
    fn check(&self) -> Result<(), VerdictError> {
        let config = &self.config;
        let name = |field: &'static str, name: &str, expected| {
            let wrong = || VerdictError::new(field, format!("`{name}`"), expected);
            if name.is_empty() { Err(wrong()) } else { Ok(()) }
        };
        name("candidate", &config.candidate, "the name of a version")?;
        let champion = config.champion.as_deref();
        champion.map_or(Ok(()), |it| name("against", it, "the name of a version"))?;
        let again = self.again.as_ref().map(Version::as_str);
        for (field, version) in [("against", champion), ("again", again)] {
            if version == Some(config.candidate.as_str()) {
                let expected = "another version than the candidate";
                return Err(VerdictError::new(field, format!("`{}`", config.candidate), expected));
            }
        }
        if again.is_some() && again == champion {
            let found = format!("`{}`", again.unwrap_or_default());
            return Err(VerdictError::new("again", found, "a second name of the champion"));
        }
        for (field, share, expected) in [
            ("budget.rollback", config.budget.rollback, "a number above 0 and below 1"),
            ("budget.promote", config.budget.promote, "a number above 0 and below 1"),
        ] {
            if !(share > 0.0 && share < 1.0) {
                return Err(VerdictError::new(field, share, expected));
            }
        }
        for (field, share) in
            [("max_missing", config.max_missing), ("min_coverage", config.min_coverage)]
        {
            if !(0.0..=1.0).contains(&share) {
                return Err(VerdictError::new(field, share, "a number from 0 to 1"));
            }
        }
        if !(1..=Seen::MOST).contains(&self.expected_users) {
            let expected = "1 to 67108864 users";
            return Err(VerdictError::new("expected_users", self.expected_users, expected));
        }
        if !(1..=10_000_000).contains(&self.open_labels) {
            return Err(VerdictError::new("open_labels", self.open_labels, "1 to 10000000 pairs"));
        }
        if config.unit == Unit::KeyPer(0) {
            return Err(VerdictError::new("unit", "a window of 0 ms", "a window of 1 ms or more"));
        }
        let ranges = self.watched.iter().map(|watched| watched.range);
        for range in ranges.chain(self.score.as_ref().map(|(range, _)| *range)) {
            check_range("range", range)?;
        }
        for (place, metric) in self.metrics.iter().enumerate() {
            let metric = &metric.config;
            name("metric", &metric.name, "a name")?;
            let again = self.metrics.iter().skip(place + 1);
            if again.into_iter().any(|other| other.config.name == metric.name) {
                let found = format!("`{}` twice", metric.name);
                return Err(VerdictError::new("metric", found, "each name once"));
            }
            self.check_metric(metric)?;
        }
        Ok(())
    }

    fn check_metric(&self, metric: &super::MetricConfig) -> Result<(), VerdictError> {
        let wrong = |what: &str, found: String, expected| {
            Err(VerdictError::new(
                "metric",
                format!("{what} of `{}`: {found}", metric.name),
                expected,
            ))
        };
        if !(metric.bound > 0.0 && metric.bound.is_finite()) {
            return wrong("bound", metric.bound.to_string(), "a finite number above 0");
        }
        if let Some(margin) = metric.margin {
            let most = match metric.kind {
                MetricKind::Disagreement | MetricKind::Distance => metric.bound,
                MetricKind::Outcome => f64::MAX,
                _ => metric.bound / 2.0,
            };
            if !(0.0..=most).contains(&margin) {
                let expected = "from 0 to half the bound (a limit: to the bound)";
                return wrong("margin", margin.to_string(), expected);
            }
        }
        if metric.kind == MetricKind::Loss && metric.role != Role::Watch && metric.margin.is_none()
        {
            return wrong("margin", "none".to_owned(), "how much more loss counts as not worse");
        }
        if metric.kind == MetricKind::Noise && self.again.is_none() {
            return wrong("champion", "one name".to_owned(), "a second one (`again`)");
        }
        if metric.kind == MetricKind::Late
            && metric.role == Role::Guardrail
            && !metric.both_in_shadow
        {
            let expected = "`signal`, or the champion in shadow as well (`again`)";
            return wrong("role", "guardrail".to_owned(), expected);
        }
        if let Some(ratio) = metric.ratio
            && !(ratio > 0.0 && ratio < 1e4)
        {
            return wrong("ratio", ratio.to_string(), "above 0 and below 10000");
        }
        if metric.kind == MetricKind::Disagreement
            && metric.role == Role::Guardrail
            && metric.margin.is_none()
        {
            return wrong("limit", "none".to_owned(), "`at_most`, to be a guardrail");
        }
        metric.range.map_or(Ok(()), |range| check_range("metric (range)", range))
    }
}

fn check_range(field: &'static str, (low, high): (f64, f64)) -> Result<(), VerdictError> {
    if low.is_finite() && high.is_finite() && low < high {
        Ok(())
    } else {
        Err(VerdictError::new(field, format!("{low} to {high}"), "two finite numbers, in order"))
    }
}

impl<P, L> fmt::Debug for VerdictBuilder<P, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerdictBuilder")
            .field("config", &self.config)
            .field("metrics", &self.metrics)
            .finish_non_exhaustive()
    }
}

/// A verdict cannot be made as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictError {
    field: &'static str,
    found: String,
    expected: &'static str,
}

impl VerdictError {
    #[cold]
    fn new(field: &'static str, found: impl fmt::Display, expected: &'static str) -> VerdictError {
        VerdictError { field, found: found.to_string(), expected }
    }

    /// The setting that is wrong.
    pub fn field(&self) -> &str {
        self.field
    }
}

impl fmt::Display for VerdictError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: found {}, expected {}", self.field, self.found, self.expected)
    }
}

impl Error for VerdictError {}
