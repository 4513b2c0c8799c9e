//! The segments of a set, and who is in one.

use std::{any::Any, sync::Arc};

use smallvec::SmallVec;

use super::{
    big_segments::{self, BigSegments},
    evaluator::{Evaluator, Malformed},
    trace::{Place, Tracer},
    tree::{Clause, ContextKind, Keys, Members, Segment, SegmentRule},
    visited::VisitStage,
};
use crate::flag::{SetData, table::ShardedTable};
#[cfg(feature = "launchdarkly")]
use crate::{flag::Request, value::Value};

/// What the flags of one set share.
#[derive(Clone, Default)]
pub(super) struct Segments {
    pub(super) table: ShardedTable<Arc<Segment>>,
    /// The keys of the segments that were refused.
    pub(super) rejected: Arc<[Box<str>]>,
    pub(super) big: Option<Arc<dyn BigSegments>>,
    #[cfg(feature = "launchdarkly")]
    pub(super) ledger: Option<Arc<super::ledger::Ledger>>,
}

impl SetData for Segments {
    fn keeping_last_good(&self, previous: &dyn Any) -> Option<Arc<dyn SetData>> {
        let previous: &Segments = previous.downcast_ref()?;
        let mut kept = self.clone();
        let mut any = false;
        for key in self.rejected.iter().filter(|key| self.table.get(key).is_none()) {
            if let Some(segment) = previous.table.get(key) {
                kept.table.insert(Arc::from(&**key), Arc::clone(segment));
                any = true;
            }
        }
        any.then(|| Arc::new(kept) as Arc<dyn SetData>)
    }

    #[cfg(feature = "launchdarkly")]
    fn missed(&self, key: &str, request: &Request<'_>, default: &dyn Fn() -> Value) {
        if let Some(ledger) = &self.ledger {
            ledger.missed(key, request, default);
        }
    }
}

/// How far the rules of one segment have been tried.
struct Frame<'a> {
    segment: &'a Segment,
    rule: usize,
    clause: usize,
    /// Which of the clause's segments comes next.
    value: usize,
}

impl<'a> Frame<'a> {
    fn new(segment: &'a Segment) -> Frame<'a> {
        Frame { segment, rule: 0, clause: 0, value: 0 }
    }

    fn step(&mut self, clause_holds: bool) {
        self.value = 0;
        if clause_holds {
            self.clause += 1;
        } else {
            (self.rule, self.clause) = (self.rule + 1, 0);
        }
    }
}

impl<'a, T: Tracer<'a>> Evaluator<'a, T> {
    fn segment(&self, key: &str) -> Option<&'a Segment> {
        self.set.shared::<Segments>()?.table.get(key).map(|segment| &**segment)
    }

    /// Whether the context is in one of these segments; those that do not exist have no members.
    #[inline(never)]
    pub(super) fn is_in_any_segment(&mut self, keys: &'a [Box<str>]) -> Result<bool, Malformed> {
        for key in keys {
            if let Some(segment) = self.segment(key)
                && self.is_in(segment)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the context is in a segment. Segments in the rules of segments are entered one after
    /// the other, with a stack of our own: data may nest them as deep as it likes.
    fn is_in(&mut self, segment: &'a Segment) -> Result<bool, Malformed> {
        if let Some(answer) = self.begin(segment)? {
            return Ok(answer);
        }
        let mut frames: SmallVec<[Frame<'a>; 4]> = SmallVec::new();
        frames.push(Frame::new(segment));
        let mut answer = false;
        while let Some(frame) = frames.last_mut() {
            let Some(rule) = frame.segment.rules.get(frame.rule) else {
                answer = self.end(frame.segment, false);
                frames.pop();
                continue;
            };
            self.tracer.at(Place::Rule(frame.rule));
            let holds = match rule.clauses.get(frame.clause) {
                None if self.takes_in(rule)? => {
                    answer = self.end(frame.segment, true);
                    frames.pop();
                    continue;
                }
                None => false,
                Some(Clause::Segments { keys, negate }) => match self.next(frame, keys)? {
                    Next::Decided(any) => {
                        let holds = any != *negate;
                        self.tracer.clause(frame.clause, "segmentMatch", holds);
                        holds
                    }
                    Next::Enter(inner) => {
                        frames.push(Frame::new(inner));
                        continue;
                    }
                },
                Some(clause) => self.clause(frame.clause, clause)?,
            };
            frame.step(holds);
        }
        Ok(answer)
    }

    /// The segment's answer if its rules need not be tried; otherwise it is open from now on.
    fn begin(&mut self, segment: &'a Segment) -> Result<Option<bool>, Malformed> {
        match self.segments.stage(segment) {
            VisitStage::Done(answer) => return Ok(Some(answer)),
            VisitStage::Open => {
                self.tracer.note(|| format!("segment `{}` refers to itself", segment.key));
                return Err(Malformed);
            }
            VisitStage::New => {}
        }
        if let Some(answer) = self.listed(segment) {
            self.tracer.note(|| {
                let listed = if answer { "is a member of" } else { "is excluded from" };
                format!("the context {listed} segment `{}`", segment.key)
            });
            return Ok(Some(answer));
        }
        self.segments.open(segment);
        self.tracer.enters("segments", &segment.key);
        Ok(None)
    }

    fn end(&mut self, segment: &'a Segment, answer: bool) -> bool {
        self.segments.close(segment, answer);
        self.tracer.leaves();
        answer
    }

    /// Goes on with the segments of a clause until one answers yes, none is left, or one has to be
    /// entered; that one is asked again when it is through.
    fn next(&mut self, frame: &mut Frame<'a>, keys: &'a [Box<str>]) -> Result<Next<'a>, Malformed> {
        while let Some(key) = keys.get(frame.value) {
            if let Some(segment) = self.segment(key) {
                match self.begin(segment)? {
                    Some(true) => return Ok(Next::Decided(true)),
                    Some(false) => {}
                    None => return Ok(Next::Enter(segment)),
                }
            }
            frame.value += 1;
        }
        Ok(Next::Decided(false))
    }

    /// What the segment's lists say; `None`: nothing, the rules decide.
    fn listed(&mut self, segment: &'a Segment) -> Option<bool> {
        match &segment.members {
            Members::Listed { included, excluded } => {
                if self.is_among(included) {
                    Some(true)
                } else if self.is_among(excluded) {
                    Some(false)
                } else {
                    None
                }
            }
            Members::Big { kind, name } => self.listed_in_store(kind, name.as_deref()),
        }
    }

    fn is_among(&self, keys: &'a [Keys]) -> bool {
        keys.iter().any(|keys| {
            self.individual(&keys.kind).is_some_and(|individual| keys.keys.contains(individual.key))
        })
    }

    fn listed_in_store(&mut self, kind: &'a ContextKind, name: Option<&str>) -> Option<bool> {
        let Some(name) = name else {
            self.note_status(big_segments::Status::NotConfigured);
            return Some(false);
        };
        let Some(individual) = self.individual(kind) else { return Some(false) };
        let store = self.set.shared::<Segments>().and_then(|segments| segments.big.as_deref());
        let Some(store) = store else {
            self.note_status(big_segments::Status::NotConfigured);
            return None;
        };
        let answer = store.membership(name, individual.key);
        self.note_status(answer.status);
        answer.member
    }

    fn note_status(&mut self, status: big_segments::Status) {
        self.big_segments = self.big_segments.max(Some(status));
    }

    /// Whether a rule whose clauses hold takes this context in: whether it is of the rule's share.
    fn takes_in(&mut self, rule: &'a SegmentRule) -> Result<bool, Malformed> {
        let Some((share, bucket)) = &rule.share else { return Ok(true) };
        let (place, _) = self.bucket(bucket)?;
        self.tracer.bucket(place, 0.0, *share);
        Ok(place < *share)
    }
}

/// What comes next for a clause of segments.
enum Next<'a> {
    Decided(bool),
    Enter(&'a Segment),
}
