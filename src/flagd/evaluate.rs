//! Evaluating a compiled flag.

mod condition;

use super::{
    coercion::{parse, whole},
    expression::evaluate,
    fractional::Chosen,
    operand::Scope,
    trace::{TraceRecorder, Tracer, Untraced},
    tree::{Attribute, Body, Branches, ComputedRule, FlagdFlag, Outcome, Rule, Split},
    variant_name,
};
use crate::{
    clock::Clock,
    context::EvaluationContext,
    flag::{ErrorCode, Evaluate, Evaluation, EvaluationTrace, FlagSet, Reason, Request},
    value::{Map, ShortText, ValueRef},
};

/// A rule that cannot be evaluated for this context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EvaluationFailed;

/// The inputs and the state of one evaluation.
pub(super) struct Evaluator<'a, W> {
    pub(super) flag: &'a FlagdFlag,
    pub(super) context: &'a dyn EvaluationContext,
    /// The targeting key as the rules read it: an empty one is text as well.
    pub(super) key: Option<&'a str>,
    pub(super) clock: &'a dyn Clock,
    pub(super) missing_key: bool,
    /// How many list elements the operators have visited.
    pub(super) visited: u32,
    pub(super) tracer: W,
}

// The functions on the path of common rules are `inline(always)`: as separate functions they copy
// their results to one another, and a flag with a rule and a split costs a tenth more instructions
// (`benches/instructions.sh`).
impl<'a, W: Tracer> Evaluator<'a, W> {
    #[inline]
    fn new(flag: &'a FlagdFlag, request: &Request<'a>, tracer: W) -> Evaluator<'a, W> {
        Evaluator {
            flag,
            context: request.context,
            key: request.key_override.or_else(|| request.context.targeting_key()),
            clock: request.clock,
            missing_key: false,
            visited: 0,
            tracer,
        }
    }

    /// Reads an attribute of the rule's data.
    #[inline(always)]
    pub(super) fn read(&mut self, attribute: &'a Attribute) -> Option<ValueRef<'a>> {
        let value = match attribute {
            Attribute::Named(name) => self.named(name),
            Attribute::Key => self.key(),
            other => self.read_other(other),
        };
        self.tracer.read(|| attribute.path(), value);
        value
    }

    // Not inlined, to keep the code for the attributes that rules usually read small.
    #[inline(never)]
    fn read_other(&self, attribute: &'a Attribute) -> Option<ValueRef<'a>> {
        match attribute {
            Attribute::Nested(path) => {
                at_path(self.named(&path.name)?, path.segments.iter().map(|segment| &**segment))
            }
            Attribute::Timestamp => Some(ValueRef::Int(self.timestamp())),
            Attribute::FlagKey => Some(ValueRef::Text(&self.flag.key)),
            _ => None,
        }
    }

    /// An attribute of the context, or else of the source's static context.
    #[inline]
    pub(super) fn named(&self, name: &str) -> Option<ValueRef<'a>> {
        match self.context.attribute(name) {
            Some(value) => Some(value),
            None => self.fixed(name),
        }
    }

    #[inline]
    fn fixed(&self, name: &str) -> Option<ValueRef<'a>> {
        let context = &self.flag.settings.static_context;
        if context.is_empty() { None } else { context.get(name).map(|value| value.borrow()) }
    }

    #[inline]
    pub(super) fn key(&self) -> Option<ValueRef<'a>> {
        match self.key {
            Some(key) => Some(ValueRef::Text(key)),
            None => self.named("targetingKey"),
        }
    }

    pub(super) fn timestamp(&self) -> i64 {
        i64::try_from(self.clock.unix().as_secs()).unwrap_or(i64::MAX)
    }

    #[inline(always)]
    fn outcome(&self, outcome: Outcome) -> Evaluation<'a> {
        match outcome {
            Outcome::Variant(index) => self.serve(index, Reason::TargetingMatch),
            Outcome::Default => self.default(Reason::Default),
            Outcome::Unknown => self.error(ErrorCode::General),
        }
    }

    #[inline]
    fn default(&self, reason: Reason) -> Evaluation<'a> {
        match self.flag.default {
            Outcome::Variant(index) => self.serve(index, reason),
            Outcome::Default => self.answer(Reason::Default),
            Outcome::Unknown => self.error(ErrorCode::General),
        }
    }

    #[inline]
    fn serve(&self, index: u32, reason: Reason) -> Evaluation<'a> {
        match self.flag.variants.get(index as usize) {
            Some(variant) => Evaluation {
                value: Some(&variant.value),
                variant: Some(&variant.name),
                ..self.answer(reason)
            },
            None => self.error(ErrorCode::General),
        }
    }

    #[cold]
    fn error(&self, code: ErrorCode) -> Evaluation<'a> {
        Evaluation { error: Some(code), ..self.answer(Reason::Error) }
    }

    #[inline]
    fn answer(&self, reason: Reason) -> Evaluation<'a> {
        Evaluation {
            value: None,
            variant: None,
            reason,
            error: None,
            metadata: &self.flag.metadata,
            on: None,
            missing_key: self.missing_key,
            outcome: 0,
            truncates: true,
        }
    }

    #[inline(always)]
    fn flag(&mut self) -> Evaluation<'a> {
        let flag = self.flag;
        match &flag.body {
            Body::Targeted(rule) => match self.rule(rule) {
                Ok(outcome) => self.outcome(outcome),
                Err(EvaluationFailed) => self.error(ErrorCode::ParseError),
            },
            Body::Static => self.default(Reason::Static),
            Body::Disabled => self.answer(Reason::Disabled),
            Body::Broken => {
                self.tracer.note(|| "the flag's targeting cannot be compiled".to_owned());
                self.error(ErrorCode::ParseError)
            }
        }
    }

    #[inline(always)]
    fn rule(&mut self, rule: &'a Rule) -> Result<Outcome, EvaluationFailed> {
        let mut rule = rule;
        loop {
            match rule {
                Rule::If(branches) => rule = self.branch(branches)?,
                Rule::Split(split) => {
                    let outcome = match self.quick(split) {
                        Some(outcome) => outcome,
                        None => self.slow(split)?,
                    };
                    self.tracer.decided(self.flag.name(outcome));
                    return Ok(outcome);
                }
                Rule::Serve(outcome) => {
                    self.tracer.decided(self.flag.name(*outcome));
                    return Ok(*outcome);
                }
                Rule::Computed(rule) => {
                    let outcome = self.compute(rule)?;
                    self.tracer.decided(self.flag.name(outcome));
                    return Ok(outcome);
                }
            }
        }
    }

    #[inline(always)]
    fn branch(&mut self, branches: &'a Branches) -> Result<&'a Rule, EvaluationFailed> {
        self.tracer.entered(branches.place, "if");
        for (condition, rule) in &branches.branches {
            if self.holds(condition)? {
                return Ok(rule);
            }
        }
        Ok(&branches.otherwise)
    }

    #[inline(never)]
    fn compute(&mut self, rule: &'a ComputedRule) -> Result<Outcome, EvaluationFailed> {
        let value = evaluate(&rule.expression, self, Scope::Data)?;
        match value.borrow() {
            // The core evaluates what a branch comes to once more. Data never becomes a rule here.
            map @ ValueRef::Map(_) if rule.branch && is_rule(map) => Err(EvaluationFailed),
            value => self.flag.named(value),
        }
    }

    /// A split by a targeting key that is there, among constant shares.
    #[inline(always)]
    fn quick(&mut self, split: &'a Split) -> Option<Outcome> {
        let shares = split.by_key()?;
        let hash = self.key_hash(split)?;
        self.tracer.entered(split.place, "fractional");
        Some(match self.place(split, shares, hash) {
            Some(share) => split.outcomes.get(share).copied().unwrap_or(Outcome::Default),
            None => Outcome::Default,
        })
    }

    #[cold]
    fn slow(&mut self, split: &'a Split) -> Result<Outcome, EvaluationFailed> {
        self.tracer.entered(split.place, "fractional");
        Ok(match self.general(split, Scope::Data)? {
            Chosen::Share(share) => split.outcomes.get(share).copied().unwrap_or(Outcome::Default),
            Chosen::Value(value) => self.flag.named(value.borrow())?,
        })
    }

    /// Everything the rules can read, as one object. Allocates.
    pub(super) fn everything(&self) -> Map {
        let mut data = self.flag.settings.static_context.clone();
        self.context.visit_attributes(&mut |name, value| {
            data.insert(name, value.to_value());
        });
        if let Some(key) = self.key {
            data.insert("targetingKey", key);
        }
        data.insert("$flagd", self.flagd());
        data
    }

    pub(super) fn flagd(&self) -> Map {
        let mut flagd = Map::new();
        flagd.insert("flagKey", &*self.flag.key);
        flagd.insert("timestamp", self.timestamp());
        flagd
    }
}

/// What stands at the end of a path.
pub(super) fn at_path<'s, 'p>(
    start: ValueRef<'s>,
    mut path: impl Iterator<Item = &'p str>,
) -> Option<ValueRef<'s>> {
    path.try_fold(start, member)
}

/// The member of an object, or the element of a list, that one segment of a path names: a segment
/// that is no number is the first element.
fn member<'s>(value: ValueRef<'s>, segment: &str) -> Option<ValueRef<'s>> {
    match value {
        ValueRef::Map(map) => map.member(segment),
        ValueRef::List(list) => {
            let index = match segment.parse() {
                Ok(index) => index,
                Err(_) => whole(parse(segment).unwrap_or(0.0)),
            };
            list.element(usize::try_from(index).ok()?)
        }
        _ => None,
    }
}

/// Whether an engine would take this value for a rule where there may be one: an object of one
/// member, or a list with such an object in it.
pub(super) fn is_rule(value: ValueRef<'_>) -> bool {
    match value {
        ValueRef::Map(map) => {
            let mut members = 0_usize;
            map.visit(&mut |_, _| members += 1);
            members == 1
        }
        ValueRef::List(list) => {
            (0..list.len()).any(|index| list.element(index).is_some_and(is_rule))
        }
        _ => false,
    }
}

impl FlagdFlag {
    /// The variant that a rule's value names.
    fn named(&self, value: ValueRef<'_>) -> Result<Outcome, EvaluationFailed> {
        Ok(match value {
            ValueRef::Null => Outcome::Default,
            ValueRef::Text(name) if !variant_name::is_escaped(name) => self.variant(name),
            other => {
                let mut name = ShortText::default();
                variant_name::write(other, &mut name).map_err(|_| EvaluationFailed)?;
                self.variant(name.as_str())
            }
        })
    }

    pub(super) fn variant(&self, name: &str) -> Outcome {
        super::tree::variant(&self.variants, name)
    }

    fn name(&self, outcome: Outcome) -> ValueRef<'_> {
        match outcome {
            Outcome::Variant(index) => {
                let variant = self.variants.get(index as usize);
                variant.map_or(ValueRef::Null, |variant| ValueRef::Text(&variant.name))
            }
            Outcome::Default | Outcome::Unknown => ValueRef::Null,
        }
    }
}

impl Evaluate for FlagdFlag {
    fn evaluate<'a>(&'a self, request: &Request<'a>, _: &'a FlagSet) -> Evaluation<'a> {
        Evaluator::new(self, request, Untraced).flag()
    }

    fn explain<'a>(
        &'a self,
        request: &Request<'a>,
        _: &'a FlagSet,
    ) -> (Evaluation<'a>, EvaluationTrace) {
        let mut evaluator = Evaluator::new(self, request, TraceRecorder::new(self));
        let evaluation = evaluator.flag();
        (evaluation, evaluator.tracer.trace)
    }

    fn metadata(&self) -> &Map {
        &self.metadata
    }
}
