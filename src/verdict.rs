//! Is the candidate better, worse, equal, or not known yet?
//!
//! A verdict is made of three parts, each usable alone:
//!
//! - [`stats`]: the numbers, pure functions;
//! - [`Tally`]: what was counted, whole numbers that add up over processes and restarts;
//! - [`judge`]: from a [`VerdictConfig`] and a [`Tally`] to a [`Judgement`], the same bits for the
//!   same sums.

mod config;
mod finding;
mod judge;
mod judgement;
pub mod stats;
mod tally;

pub use self::{
    config::{MetricConfig, MetricKind, Unit, VerdictConfig},
    finding::{Finding, Overall, Role},
    judge::{agreement_figures, judge, judge_within},
    judgement::{
        AgreementFigures, DriftJudgement, Health, Judgement, LabelHealth, MetricJudgement,
        SampleRatio, SliceJudgement, Thresholds,
    },
    tally::{
        AgreementCounts, ArmCounts, ClassCoverage, Counts, DriftCounts, KeySample, LabelCounts,
        OutcomeCounts, PairCounts, ScoreCounts, StageCounts, Tally, TallyMismatch, TimeCounts,
    },
};
