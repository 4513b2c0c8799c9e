//! Is the candidate better, worse, equal, or not known yet?
//!
//! A [`Verdict`] collects what the shadows answered and says so at any time. The guide
//! [explains it](crate::guide::verdict) from the beginning. Below it are three parts, each usable alone:
//!
//! - [`stats`]: the numbers, pure functions;
//! - [`Tally`]: what was counted, whole numbers that add up over processes and restarts;
//! - [`judge`]: from a [`Config`] and a [`Tally`] to a [`Judgement`], the same bits for the
//!   same sums.

mod classes;
mod config;
mod disagreements;
mod evidence;
mod finding;
mod handle;
mod id_map;
mod judge;
mod judgement;
mod labels;
mod live;
mod metric;
mod plan;
mod replay;
mod state;
pub mod stats;
mod tally;
mod timeline;
mod user_filter;

pub(crate) use self::{config::hex, evidence::TOLERANCE as EVIDENCE_TOLERANCE, judge::grouped};
pub use self::{
    config::{Config, MetricConfig, MetricKind, Unit},
    disagreements::{Disagreement, Disagreements},
    evidence::{Evidence, EvidenceMismatch},
    finding::{Finding, Overall, Role},
    handle::{GuardJudgement, OutcomeReceipt, Verdict},
    judge::{agreement_figures, expected_pairs, judge, judge_within},
    judgement::{
        AgreementFigures, DriftJudgement, Health, Judgement, LabelHealth, MetricJudgement,
        SampleRatio, SliceJudgement, Thresholds,
    },
    labels::LabelOutcome,
    metric::Metric,
    plan::{Builder, Error},
    replay::{LabelFile, LineProblem, RecordedLabel, RecordedOutput, Replayed, read_labels},
    tally::{
        AgreementCounts, ArmCounts, ClassCoverage, DriftCounts, KeySample, LabelCounts,
        MetricCounts, OutcomeCounts, PairCounts, ScoreCounts, StageCounts, Tally, TallyMismatch,
        TimeCounts,
    },
    timeline::{MetricTimeline, StageMark, TimelinePoint},
};
