//! Evaluating a flag: prerequisites, targets, rules, fallthrough.

use super::{
    detail::{Detail, ErrorKind, Reason, ReasonKind},
    evaluator::{Evaluator, Malformed},
    hook::HookedFlag,
    trace::{Place, TraceRecorder, Tracer, Untraced},
    tree::{LaunchDarklyFlag, Prerequisite, Rollout, Rule, Serve, Variation},
};
use crate::{
    flag::{self, ErrorCode, Evaluate, Evaluation, EvaluationTrace, Flag, FlagSet, Request},
    value::Map,
};

/// The vendor's flags have none.
static NO_METADATA: Map = Map::new();

/// What a flag came to.
#[derive(Clone, Copy)]
pub(super) struct Evaluated<'a> {
    pub(super) variation: Option<u32>,
    pub(super) why: Cause<'a>,
    /// Whether a rollout chose the variation.
    split: bool,
}

#[derive(Clone, Copy)]
pub(super) enum Cause<'a> {
    Off,
    PrerequisiteFailed(&'a str),
    TargetMatch,
    RuleMatch { index: usize, rule: &'a Rule, in_experiment: bool },
    Fallthrough { in_experiment: bool },
    Error(ErrorKind),
}

pub(super) const MALFORMED: Evaluated<'static> =
    Evaluated { variation: None, why: Cause::Error(ErrorKind::MalformedFlag), split: false };

/// A prerequisite that was looked at, and what it served.
#[cfg_attr(
    not(feature = "launchdarkly"),
    allow(dead_code, reason = "the source reports, and it is a feature")
)]
pub(super) struct PrerequisiteVisit<'a> {
    pub(super) flag: &'a LaunchDarklyFlag,
    /// The flag that requires it.
    pub(super) of: &'a LaunchDarklyFlag,
    /// What it was looked up by.
    pub(super) key: &'a str,
    pub(super) variation: Option<u32>,
    /// `None` where it had been evaluated before.
    pub(super) evaluated: Option<Evaluated<'a>>,
}

impl<'a> Evaluated<'a> {
    /// The same in the vendor's own terms.
    pub(super) fn detail(&self, flag: &'a LaunchDarklyFlag) -> Detail<'a> {
        let reason = match self.why {
            Cause::Off => Reason::new(ReasonKind::Off),
            Cause::PrerequisiteFailed(key) => Reason {
                prerequisite_key: Some(key),
                ..Reason::new(ReasonKind::PrerequisiteFailed)
            },
            Cause::TargetMatch => Reason::new(ReasonKind::TargetMatch),
            Cause::RuleMatch { index, rule, in_experiment } => Reason {
                rule_index: Some(index),
                rule_id: Some(&*rule.id).filter(|id| !id.is_empty()),
                in_experiment,
                ..Reason::new(ReasonKind::RuleMatch)
            },
            Cause::Fallthrough { in_experiment } => {
                Reason { in_experiment, ..Reason::new(ReasonKind::Fallthrough) }
            }
            Cause::Error(kind) => Reason::error(kind),
        };
        let index = self.variation.map(|index| index as usize);
        Detail {
            value: index.and_then(|index| flag.variations.get(index)),
            variation_index: index,
            reason,
        }
    }
}

impl LaunchDarklyFlag {
    /// The rules of a flag, with or without hooks around them, if they are of this dialect.
    #[inline]
    pub(super) fn of(flag: &Flag) -> Option<&LaunchDarklyFlag> {
        match flag.rules::<LaunchDarklyFlag>() {
            Some(flag) => Some(flag),
            None => LaunchDarklyFlag::inside(flag),
        }
    }

    #[cold]
    fn inside(flag: &Flag) -> Option<&LaunchDarklyFlag> {
        flag.rules::<HookedFlag>().map(|hooked| &hooked.flag)
    }

    pub(super) fn off(&self, why: Cause<'static>) -> Evaluated<'static> {
        served(self.off, why)
    }

    pub(super) fn failed<'a>(&self, prerequisite: &'a Prerequisite) -> Evaluated<'a> {
        served(self.off, Cause::PrerequisiteFailed(&prerequisite.key))
    }
}

/// What a flag that is off serves.
fn served<'a>(off: Option<Variation>, why: Cause<'a>) -> Evaluated<'a> {
    match off {
        Some(None) => MALFORMED,
        Some(variation) => Evaluated { variation, why, split: false },
        None => Evaluated { variation: None, why, split: false },
    }
}

impl<'a, T: Tracer<'a>> Evaluator<'a, T> {
    #[inline]
    pub(super) fn evaluated(&mut self, flag: &'a LaunchDarklyFlag) -> Evaluated<'a> {
        if !self.has_context() {
            self.missing_key = true;
            return Evaluated { why: Cause::Error(ErrorKind::UserNotSpecified), ..MALFORMED };
        }
        if !flag.on {
            return flag.off(Cause::Off);
        }
        if !flag.prerequisites.is_empty()
            && let Some(evaluated) = self.prerequisites(flag)
        {
            return evaluated;
        }
        self.decide(flag)
    }

    /// What a flag serves that is on, and whose prerequisites hold.
    #[inline]
    pub(super) fn decide(&mut self, flag: &'a LaunchDarklyFlag) -> Evaluated<'a> {
        self.tracer.at(Place::Top);
        for targets in &flag.targets {
            if let Some(individual) = self.individual(&targets.kind)
                && let Some(variation) = targets.variations.get(individual.key)
            {
                self.tracer.note(|| "the context's key is a target".to_owned());
                return self.serve_variation(variation, Cause::TargetMatch);
            }
        }
        for (index, rule) in flag.rules.iter().enumerate() {
            self.tracer.at(Place::Rule(index));
            match self.matches(rule) {
                Ok(false) => {}
                Ok(true) => {
                    let why = |in_experiment| Cause::RuleMatch { index, rule, in_experiment };
                    return self.serve(&rule.serve, why);
                }
                Err(Malformed) => return MALFORMED,
            }
        }
        self.tracer.at(Place::Fallthrough);
        self.serve(&flag.fallthrough, |in_experiment| Cause::Fallthrough { in_experiment })
    }

    #[inline]
    fn matches(&mut self, rule: &'a Rule) -> Result<bool, Malformed> {
        for (index, clause) in rule.clauses.iter().enumerate() {
            if !self.clause(index, clause)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    #[inline]
    fn serve(&mut self, serve: &'a Serve, why: impl FnOnce(bool) -> Cause<'a>) -> Evaluated<'a> {
        match serve {
            Serve::Variation(variation) => self.serve_variation(*variation, why(false)),
            Serve::Rollout(rollout) => match self.share(rollout) {
                Ok((variation @ Some(_), in_experiment)) => {
                    Evaluated { variation, why: why(in_experiment), split: true }
                }
                _ => MALFORMED,
            },
        }
    }

    #[inline]
    fn serve_variation(&mut self, variation: Variation, why: Cause<'a>) -> Evaluated<'a> {
        match variation {
            Some(_) => Evaluated { variation, why, split: false },
            None => MALFORMED,
        }
    }

    /// The variation of the context's share of a rollout.
    #[inline]
    fn share(&mut self, rollout: &'a Rollout) -> Result<(Variation, bool), Malformed> {
        let (bucket, has_context) = self.bucket(&rollout.bucket)?;
        let mut from = 0.0;
        let mut chosen = None;
        for share in &rollout.shares {
            if bucket < share.end {
                chosen = Some((share, share.end));
                break;
            }
            from = share.end;
        }
        // Where the weights fall short of the whole, the last share has the rest.
        let rest = || rollout.shares.last().map(|share| (share, 1.0));
        let (share, to) = chosen.or_else(rest).ok_or(Malformed)?;
        self.tracer.bucket(bucket, from, to);
        Ok((share.variation, rollout.experiment && has_context && !share.untracked))
    }

    pub(super) fn detail(&mut self, flag: &'a LaunchDarklyFlag) -> Detail<'a> {
        let evaluated = self.evaluated(flag);
        self.detailed(flag, &evaluated)
    }

    /// What the flag came to, in the vendor's own terms.
    pub(super) fn detailed(
        &self,
        flag: &'a LaunchDarklyFlag,
        evaluated: &Evaluated<'a>,
    ) -> Detail<'a> {
        let detail = evaluated.detail(flag);
        let reason = Reason { big_segments_status: self.big_segments, ..detail.reason };
        Detail { reason, ..detail }
    }

    #[inline]
    pub(super) fn evaluation(&mut self, flag: &'a LaunchDarklyFlag) -> Evaluation<'a> {
        let evaluated = self.evaluated(flag);
        self.neutral(flag, &evaluated)
    }

    /// What the flag came to, in neutral terms.
    #[inline]
    pub(super) fn neutral(
        &self,
        flag: &'a LaunchDarklyFlag,
        evaluated: &Evaluated<'a>,
    ) -> Evaluation<'a> {
        let (reason, error) = match evaluated.why {
            _ if evaluated.split => (flag::Reason::Split, None),
            Cause::Off | Cause::PrerequisiteFailed(_) => (flag::Reason::Disabled, None),
            Cause::TargetMatch | Cause::RuleMatch { .. } => (flag::Reason::TargetingMatch, None),
            Cause::Fallthrough { .. } => (flag::Reason::Default, None),
            Cause::Error(kind) => (flag::Reason::Error, Some(code(kind))),
        };
        Evaluation {
            value: evaluated.variation.and_then(|index| flag.variations.get(index as usize)),
            variant: None,
            reason,
            error,
            metadata: &NO_METADATA,
            on: None,
            missing_key: self.missing_key,
            truncates: true,
            outcome: match evaluated.why {
                // The vendor's clients do not even ask for such a context.
                Cause::Error(ErrorKind::UserNotSpecified) => u32::MAX,
                _ => evaluated.variation.map_or(0, |index| index.saturating_add(1)),
            },
        }
    }
}

impl<'a> Evaluator<'a, TraceRecorder> {
    pub(super) fn explanation(
        mut self,
        flag: &'a LaunchDarklyFlag,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        let evaluation = self.evaluation(flag);
        if let Some(status) = self.big_segments {
            self.tracer.note(|| format!("big segments: {status}"));
        }
        (evaluation, self.tracer.trace)
    }
}

fn code(kind: ErrorKind) -> ErrorCode {
    match kind {
        ErrorKind::ClientNotReady | ErrorKind::FlagNotFound => ErrorCode::FlagNotFound,
        ErrorKind::MalformedFlag => ErrorCode::ParseError,
        ErrorKind::UserNotSpecified => ErrorCode::TargetingKeyMissing,
        ErrorKind::WrongType => ErrorCode::TypeMismatch,
    }
}

impl Evaluate for LaunchDarklyFlag {
    fn evaluate<'a>(&'a self, request: &Request<'a>, set: &'a FlagSet) -> Evaluation<'a> {
        Evaluator::new(request.context, request.key_override, set, Untraced).evaluation(self)
    }

    fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        set: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        Evaluator::new(request.context, request.key_override, set, TraceRecorder::default())
            .explanation(self)
    }

    fn metadata(&self) -> &Map {
        &NO_METADATA
    }
}
