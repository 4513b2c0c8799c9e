//! Compiling flags and segments from their data.

use std::{collections::hash_map::Entry, fmt::Write, sync::Arc};

use super::{
    model::{
        ClauseData, FlagData, LenientInteger, RolloutData, SegmentData, SegmentRuleData, ServeData,
        TargetData,
    },
    operator::Test,
    reference::{attribute, kind},
    tree::{
        Attribute, Bucket, Clause, ContextKind, KeyMap, KeySet, Keys, LaunchDarklyFlag, Members,
        Prerequisite, Rollout, Rule, Segment, SegmentRule, Serve, Share, Targets, Tracking,
        Variation,
    },
};
use crate::{
    flag::{Problem, ProblemList},
    hash::{Names, Sha1},
    value::Value,
};

/// How many warnings one flag or segment may have: a hundred thousand rules may all be wrong alike, and
/// the first few show how.
const MAX_WARNINGS: usize = 20;

/// Compiles one flag or segment, and warns about what will not do what it seems to.
pub(super) struct Compiler<'c> {
    /// What the warnings are about.
    name: &'c str,
    warnings: &'c mut ProblemList,
    left: usize,
}

impl<'c> Compiler<'c> {
    pub(super) fn new(name: &'c str, warnings: &'c mut ProblemList) -> Compiler<'c> {
        Compiler { name, warnings, left: MAX_WARNINGS }
    }

    /// `key` is the one that the flag stands under, for data that does not repeat it.
    pub(super) fn flag(&mut self, key: &Arc<str>, data: FlagData) -> LaunchDarklyFlag {
        let mut tracking = tracking(&data);
        let key = match data.key {
            Some(own) if *own != **key => own.into(),
            _ => Arc::clone(key),
        };
        let variations: Arc<[Value]> = data.variations.unwrap_or_default().into();
        let salt = data.salt.unwrap_or_default();
        let mut serving =
            Serving { count: variations.len(), prefix: prefix(&key, &salt), compiler: self };
        let off = data
            .off_variation
            .map(|variation| serving.variation(variation, || "/offVariation".to_owned()));
        let targets = serving
            .targets(data.targets.unwrap_or_default(), data.context_targets.unwrap_or_default());
        let rules = data.rules.unwrap_or_default().into_iter().enumerate().map(|(index, rule)| {
            let clauses = rule.clauses.unwrap_or_default();
            let path = || format!("/rules/{index}");
            Rule {
                id: rule.id.unwrap_or_default(),
                tracked: rule.track_events.unwrap_or_default(),
                clauses: serving.compiler.clauses(clauses, path),
                serve: serving.serve(rule.variation, rule.rollout, path),
            }
        });
        let rules: Box<[Rule]> = rules.collect();
        let ServeData { variation, rollout } = data.fallthrough.unwrap_or_default();
        let fallthrough = serving.serve(variation, rollout, || "/fallthrough".to_owned());
        let prerequisites = data.prerequisites.unwrap_or_default().into_iter();
        let prerequisites = prerequisites.map(|prerequisite| Prerequisite {
            key: prerequisite.key.unwrap_or_default(),
            variation: prerequisite.variation.unwrap_or_default().0,
        });
        let experiment = |serve: &Serve| match serve {
            Serve::Variation(_) => false,
            Serve::Rollout(rollout) => rollout.experiment,
        };
        tracking.some = experiment(&fallthrough)
            || rules.iter().any(|rule| rule.tracked || experiment(&rule.serve));
        let client_side = match data.client_side_availability {
            Some(availability) => availability.using_environment_id,
            None => data.client_side,
        };
        LaunchDarklyFlag {
            key,
            on: data.on.unwrap_or_default(),
            off,
            prerequisites: prerequisites.collect(),
            targets,
            rules,
            fallthrough,
            variations,
            version: data.version.map_or(0, natural),
            tracking,
            client_side: client_side.unwrap_or_default(),
        }
    }

    pub(super) fn segment(&mut self, key: &str, data: SegmentData) -> Segment {
        let key = data.key.unwrap_or_else(|| key.into());
        let prefix = prefix(&key, &data.salt.unwrap_or_default());
        let rules = data.rules.unwrap_or_default().into_iter().enumerate();
        let rules = rules.map(|(index, rule)| self.segment_rule(&prefix, index, rule)).collect();
        let members = if data.unbounded.unwrap_or_default() {
            let name =
                data.generation.map(|LenientInteger(generation)| format!("{key}.g{generation}"));
            if name.is_none() {
                self.warn(|| "/generation".to_owned(), "nothing", "the generation of its list");
            }
            Members::Big { kind: kind(data.unbounded_context_kind), name: name.map(Into::into) }
        } else {
            Members::Listed {
                included: keys(data.included_contexts, data.included),
                excluded: keys(data.excluded_contexts, data.excluded),
            }
        };
        Segment { key, members, rules }
    }

    fn segment_rule(&mut self, prefix: &Sha1, index: usize, rule: SegmentRuleData) -> SegmentRule {
        let path = || format!("/rules/{index}");
        let share = rule.weight.filter(|weight| *weight >= 0.0).map(|weight| {
            let by = (rule.bucket_by, rule.rollout_context_kind);
            let bucket = self.bucket(*prefix, by, || format!("/rules/{index}/bucketBy"));
            (weight / WHOLE, Box::new(bucket))
        });
        SegmentRule { clauses: self.clauses(rule.clauses.unwrap_or_default(), path), share }
    }

    fn clauses(&mut self, clauses: Vec<ClauseData>, path: impl Fn() -> String) -> Box<[Clause]> {
        let clauses = clauses.into_iter().enumerate();
        clauses
            .map(|(index, clause)| self.clause(clause, || format!("{}/clauses/{index}", path())))
            .collect()
    }

    fn clause(&mut self, clause: ClauseData, path: impl Fn() -> String) -> Clause {
        let negate = clause.negate.unwrap_or_default();
        let operator = clause.op.unwrap_or_default();
        let values = clause.values.unwrap_or_default();
        if *operator == *"segmentMatch" {
            let keys = values.into_iter().filter_map(|value| match value {
                Value::Text(key) => Some(key),
                _ => None,
            });
            return Clause::Segments { keys: keys.collect(), negate };
        }
        let of_kind = given(clause.context_kind);
        let attribute = attribute(&clause.attribute.unwrap_or_default(), of_kind.is_some());
        if let Attribute::Invalid(reference) = attribute {
            let path = || format!("{}/attribute", path());
            self.warn(path, &format!("`{}`", shortened(&reference)), "an attribute reference");
            return Clause::Invalid { reference };
        }
        let (test, useless) = Test::new(operator, values);
        if let Test::Unknown(name) = &test {
            let path = || format!("{}/op", path());
            self.warn(path, &format!("`{}`", shortened(name)), "an operator");
        } else if useless > 0 {
            let values =
                if useless == 1 { "a value".to_owned() } else { format!("{useless} values") };
            let found = format!("{values} that `{}` can never meet", test.name());
            self.warn(|| format!("{}/values", path()), &found, "values that fit the operator");
        }
        match attribute {
            Attribute::Kind => Clause::Kinds { test, negate },
            attribute => Clause::Attribute { kind: kind(of_kind), attribute, test, negate },
        }
    }

    fn bucket(
        &mut self,
        prefix: Sha1,
        (by, of_kind): (Option<Box<str>>, Option<Box<str>>),
        path: impl FnOnce() -> String,
    ) -> Bucket {
        let of_kind = given(of_kind);
        // An empty one names nothing, as the vendor's SDKs read it.
        let by = match by.filter(|by| !by.is_empty()) {
            None => Attribute::Key,
            Some(by) => attribute(&by, of_kind.is_some()),
        };
        if let Attribute::Invalid(reference) = &by {
            self.warn(path, &format!("`{}`", shortened(reference)), "an attribute reference");
        }
        Bucket { kind: kind(of_kind), by, prefix }
    }

    fn warn(&mut self, path: impl FnOnce() -> String, found: &str, expected: &str) {
        if let Some(left) = self.left.checked_sub(1) {
            self.left = left;
            self.warnings.push(Problem::warning(self.name, path(), found, expected));
        }
    }
}

/// Compiles what serves one of a flag's variations.
struct Serving<'s, 'c> {
    compiler: &'s mut Compiler<'c>,
    /// How many variations there are.
    count: usize,
    prefix: Sha1,
}

impl Serving<'_, '_> {
    fn variation(
        &mut self,
        LenientInteger(index): LenientInteger,
        path: impl FnOnce() -> String,
    ) -> Variation {
        let variation = u32::try_from(index).ok().filter(|index| (*index as usize) < self.count);
        if variation.is_none() {
            let expected = match self.count {
                0 => "a flag with variations".to_owned(),
                count => format!("the place of a variation, 0 to {}", count - 1),
            };
            self.compiler.warn(path, &index.to_string(), &expected);
        }
        variation
    }

    /// A fixed variation goes before a rollout; data without either is malformed once it is reached.
    fn serve(
        &mut self,
        variation: Option<LenientInteger>,
        rollout: Option<RolloutData>,
        path: impl Fn() -> String,
    ) -> Serve {
        match (variation, rollout) {
            (Some(variation), _) => {
                Serve::Variation(self.variation(variation, || format!("{}/variation", path())))
            }
            (None, Some(rollout)) => {
                let path = || format!("{}/rollout", path());
                Serve::Rollout(Box::new(self.rollout(rollout, path)))
            }
            (None, None) => {
                self.compiler.warn(path, "nothing to serve", "a variation or a rollout");
                Serve::Variation(None)
            }
        }
    }

    fn rollout(&mut self, rollout: RolloutData, path: impl Fn() -> String) -> Rollout {
        let experiment = rollout.kind.as_deref() == Some("experiment");
        let prefix = match rollout.seed {
            Some(LenientInteger(seed)) => {
                let mut prefix = Sha1::new();
                // Writing to a hash cannot fail.
                let _ = write!(prefix, "{seed}.");
                prefix
            }
            None => self.prefix,
        };
        // The members of an experiment are always told apart by their keys.
        let by = rollout.bucket_by.filter(|_| !experiment);
        let of_kind = (by, rollout.context_kind);
        let bucket = self.compiler.bucket(prefix, of_kind, || format!("{}/bucketBy", path()));
        let mut end = 0.0;
        let shares = rollout.variations.unwrap_or_default().into_iter().enumerate();
        let shares = shares.map(|(index, share)| {
            end += share.weight.unwrap_or_default() / WHOLE;
            let path = || format!("{}/variations/{index}/variation", path());
            Share {
                variation: self.variation(share.variation.unwrap_or_default(), path),
                end,
                untracked: share.untracked.unwrap_or_default(),
            }
        });
        let shares = shares.collect::<Box<[_]>>();
        if shares.is_empty() {
            self.compiler.warn(|| format!("{}/variations", path()), "nothing", "variations");
        }
        Rollout { experiment, bucket, shares }
    }

    /// The targets in the order in which they are tried; neighbours of one kind become one.
    fn targets(&mut self, users: Vec<TargetData>, contexts: Vec<TargetData>) -> Box<[Targets]> {
        let mut groups: Vec<(ContextKind, Targeted)> = Vec::new();
        let mut add = |target: TargetData, variation| {
            let of_kind = kind(target.context_kind);
            let keys = target.values.unwrap_or_default().into_iter();
            let entries = keys.map(|key| (key, variation));
            match groups.last_mut() {
                Some((last, group)) if *last == of_kind => group.extend(entries),
                _ => groups.push((of_kind, entries.collect())),
            }
        };
        let index = |target: &TargetData| target.variation.unwrap_or_default();
        if contexts.is_empty() {
            for (place, target) in users.into_iter().enumerate() {
                let variation =
                    self.variation(index(&target), || format!("/targets/{place}/variation"));
                add(target, variation);
            }
        } else {
            // An empty entry for users stands for the older list's entries of its variation.
            let mut by_variation: Names<i64, Vec<TargetData>> = Names::default();
            for target in users {
                by_variation.entry(index(&target).0).or_default().push(target);
            }
            for (place, target) in contexts.into_iter().enumerate() {
                let path = || format!("/contextTargets/{place}/variation");
                let variation = self.variation(index(&target), path);
                let is_empty = target.values.as_ref().is_none_or(Vec::is_empty);
                let for_users = matches!(target.context_kind.as_deref(), None | Some("" | "user"));
                if !(is_empty && for_users) {
                    add(target, variation);
                } else if let Entry::Occupied(entry) = by_variation.entry(index(&target).0) {
                    for target in entry.remove() {
                        add(target, variation);
                    }
                }
            }
        }
        groups
            .into_iter()
            .map(|(kind, entries)| Targets { kind, variations: KeyMap::new(entries) })
            .collect()
    }
}

/// What the flag itself says of its tracking; its rules are still to be asked.
fn tracking(data: &FlagData) -> Tracking {
    Tracking {
        all: data.track_events.unwrap_or_default(),
        fallthrough: data.track_events_fallthrough.unwrap_or_default(),
        some: false,
        debug_until: data.debug_events_until_date.map_or(0, natural),
        sampling_ratio: data.sampling_ratio.map_or(1, natural),
        in_summaries: !data.exclude_from_summaries.unwrap_or_default(),
    }
}

/// A number that cannot be negative; one that is counts as 0.
fn natural(LenientInteger(number): LenientInteger) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// Keys with a variation of their own.
type Targeted = Vec<(Box<str>, Variation)>;

/// The weight of everybody: weights are thousandths of a percent.
const WHOLE: f32 = 100_000.0;

/// The hash of what stands before the value of an attribute.
fn prefix(key: &str, salt: &str) -> Sha1 {
    let mut prefix = Sha1::new();
    for part in [key, ".", salt, "."] {
        prefix.write(part.as_bytes());
    }
    prefix
}

/// The keys that a segment lists: those by kind first, then those of users.
fn keys(contexts: Option<Vec<TargetData>>, users: Option<Vec<Box<str>>>) -> Box<[Keys]> {
    let mut by_kind: Vec<(ContextKind, Vec<Box<str>>)> = Vec::new();
    let mut places: Names<Box<str>, usize> = Names::default();
    let users = TargetData { context_kind: None, values: users, variation: None };
    for target in contexts.unwrap_or_default().into_iter().chain([users]) {
        let keys = target.values.unwrap_or_default();
        let name = given(target.context_kind).unwrap_or_else(|| "user".into());
        match places.entry(name) {
            Entry::Occupied(place) => {
                if let Some((_, held)) = by_kind.get_mut(*place.get()) {
                    held.extend(keys);
                }
            }
            Entry::Vacant(place) => {
                by_kind.push((kind(Some(place.key().clone())), keys));
                place.insert(by_kind.len() - 1);
            }
        }
    }
    let keys = by_kind.into_iter().filter(|(_, keys)| !keys.is_empty());
    keys.map(|(kind, keys)| Keys { kind, keys: KeySet::new(keys) }).collect()
}

/// A name that is there: an empty one counts as absent.
fn given(name: Option<Box<str>>) -> Option<Box<str>> {
    name.filter(|name| !name.is_empty())
}

fn shortened(text: &str) -> &str {
    text.get(..text.floor_char_boundary(40)).unwrap_or(text)
}
