//! Reading documents, and flags and segments that come one by one.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_path_to_error::Segment as Step;

use super::{
    LaunchDarkly,
    compile::Compiler,
    model::{FlagData, SegmentData},
    segment::Segments,
    tree::{LaunchDarklyFlag, Segment},
    walk::{DocumentVisitor, walk},
};
use crate::flag::{
    Costs, DocumentError, FlagSet, PartCosts, Problem, ProblemList, problem::pointer_segment,
    table::ShardedTable,
};
use crate::value::Value;

/// What flag data costs, by the sizes of the types in [`model`](super::model) and
/// [`tree`](super::tree). A flag with its counts takes 600 bytes; what is noted of its answers and the
/// hooks around it take another hundred.
const COSTS: Costs = Costs {
    depth: 2,
    wrapper: Some(("data", 1)),
    variations: Some(("variations", 120)),
    item: 800,
    kept: PartCosts { object: 158, list: 5, element: 37, name: 5, text: 5, byte: 2 },
    working: PartCosts { object: 220, list: 40, element: 90, name: 60, text: 30, byte: 1 },
};

/// What a flag of a live source takes besides, within [`COSTS`]' `item`.
#[cfg(feature = "launchdarkly")]
const NOTED: usize = 104;
#[cfg(feature = "launchdarkly")]
const _: () = assert!(
    size_of::<super::ledger::FlagObserver>() + size_of::<super::hook::HookedFlag>()
        - size_of::<LaunchDarklyFlag>()
        <= NOTED
);

pub(super) fn compile(dialect: &LaunchDarkly, text: &str) -> Result<FlagSet, DocumentError> {
    dialect.memory.compile(text, &COSTS, || read(dialect, text))
}

fn read(dialect: &LaunchDarkly, text: &str) -> Result<FlagSet, DocumentError> {
    // Mostly all is well, and the text is read only once.
    let mut good = DocumentReader::of(dialect);
    let (reading, found) = match walk(text, &mut good) {
        Ok(found) => (good, found),
        Err(_) => {
            let mut careful = ItemReader(DocumentReader::of(dialect));
            let found = walk(text, &mut careful).map_err(unreadable)?;
            (careful.0, found)
        }
    };
    if !found {
        let message = "flag data: found neither `flags` nor `segments`, expected an object of each";
        return Err(DocumentError::new(message));
    }
    let DocumentReader { flags, segments, rejected, problems, .. } = reading;
    let shared = Segments { table: segments, rejected: rejected.into(), ..dialect.no_segments() };
    Ok(flags.with_shared(shared).with_problems(problems.into_list()))
}

fn unreadable(error: serde_json::Error) -> DocumentError {
    match error.classify() {
        serde_json::error::Category::Data => {
            DocumentError::with_source("flag data is not of the expected shape", error)
        }
        _ => DocumentError::with_source("flag data is not valid JSON", error),
    }
}

/// Compiles each item as it comes.
struct DocumentReader<'c> {
    dialect: &'c LaunchDarkly,
    flags: FlagSet,
    segments: ShardedTable<Arc<Segment>>,
    rejected: Vec<Box<str>>,
    problems: ProblemList,
}

impl<'c> DocumentReader<'c> {
    fn of(dialect: &'c LaunchDarkly) -> DocumentReader<'c> {
        DocumentReader {
            dialect,
            flags: FlagSet::new(),
            segments: ShardedTable::default(),
            rejected: Vec::new(),
            problems: ProblemList::default(),
        }
    }
}

impl DocumentVisitor<'_> for DocumentReader<'_> {
    type Flag = FlagData;
    type Segment = SegmentData;

    fn flag(&mut self, key: Box<str>, data: FlagData) {
        let key = key.into();
        if let Some(flag) = compiled_flag(&key, data, &mut self.problems) {
            self.flags.insert(self.dialect.flag(key, flag));
        }
    }

    fn segment(&mut self, key: Box<str>, data: SegmentData) {
        if let Some(segment) = compiled_segment(&key, data, &mut self.problems) {
            self.segments.insert(key.into(), Arc::new(segment));
        }
    }

    fn value(&mut self, key: Box<str>, value: Value) {
        self.flag(key, FlagData::of_value(value));
    }
}

/// Compiles each item by itself, once its end is found: a malformed one must not drop its neighbours.
struct ItemReader<'c>(DocumentReader<'c>);

impl<'d> DocumentVisitor<'d> for ItemReader<'_> {
    type Flag = &'d RawValue;
    type Segment = &'d RawValue;

    fn flag(&mut self, key: Box<str>, text: &'d RawValue) {
        match item(text.get(), || key.to_string()) {
            Ok(data) => self.0.flag(key, data),
            Err(problem) => self.0.problems.push(problem),
        }
    }

    fn segment(&mut self, key: Box<str>, text: &'d RawValue) {
        match item(text.get(), || segment_name(&key)) {
            Ok(data) => self.0.segment(key, data),
            Err(problem) => {
                self.0.problems.push(problem);
                self.0.rejected.push(key);
            }
        }
    }

    fn value(&mut self, key: Box<str>, value: Value) {
        self.0.value(key, value);
    }
}

pub(super) fn with_flag(
    dialect: &LaunchDarkly,
    set: &FlagSet,
    key: &str,
    text: &str,
) -> Result<FlagSet, Problem> {
    let mut problems = problems_of_others(set, key);
    let name = key.into();
    let compile = || {
        let data = item(text, || key.to_owned())?;
        Ok(compiled_flag(&name, data, &mut problems))
    };
    let set = match dialect.memory.compile_item(key, text, &COSTS, compile)? {
        Some(flag) => set.clone().with(dialect.flag(name, flag)),
        None => set.clone().without(key),
    };
    let set = if set.shared::<Segments>().is_none() {
        set.with_shared(dialect.no_segments())
    } else {
        set
    };
    Ok(set.with_problems(problems.into_list()))
}

pub(super) fn with_segment(
    dialect: &LaunchDarkly,
    set: &FlagSet,
    key: &str,
    text: &str,
) -> Result<FlagSet, Problem> {
    let name = segment_name(key);
    let mut problems = problems_of_others(set, &name);
    let compile = || {
        let data = item(text, || name.clone())?;
        Ok(compiled_segment(key, data, &mut problems))
    };
    let compiled = dialect.memory.compile_item(&name, text, &COSTS, compile)?;
    Ok(changed(dialect, set, key, compiled).with_problems(problems.into_list()))
}

pub(super) fn without_segment(dialect: &LaunchDarkly, set: &FlagSet, key: &str) -> FlagSet {
    let problems = problems_of_others(set, &segment_name(key));
    changed(dialect, set, key, None).with_problems(problems.into_list())
}

/// The set with another form of one segment, or without it.
fn changed(dialect: &LaunchDarkly, set: &FlagSet, key: &str, segment: Option<Segment>) -> FlagSet {
    let mut shared = match set.shared::<Segments>() {
        Some(segments) => segments.clone(),
        None => dialect.no_segments(),
    };
    if shared.rejected.iter().any(|rejected| **rejected == *key) {
        let others = shared.rejected.iter().filter(|rejected| ***rejected != *key);
        shared.rejected = others.cloned().collect();
    }
    match segment {
        Some(segment) => shared.table.insert(Arc::from(key), Arc::new(segment)),
        None => {
            shared.table.remove(key);
        }
    }
    set.clone().with_shared(shared)
}

/// What is wrong with the other flags and segments of a set.
fn problems_of_others(set: &FlagSet, name: &str) -> ProblemList {
    set.problems().iter().filter(|problem| problem.key != name).cloned().collect()
}

/// What problems call a segment. No flag has a name with a slash.
fn segment_name(key: &str) -> String {
    format!("segments/{key}")
}

/// Compiles one flag; `None` when the data only says that it was deleted.
fn compiled_flag(
    key: &Arc<str>,
    data: FlagData,
    problems: &mut ProblemList,
) -> Option<LaunchDarklyFlag> {
    let deleted = data.deleted.unwrap_or_default();
    (!deleted).then(|| Compiler::new(key, problems).flag(key, data))
}

/// Compiles one segment; `None` when the data only says that it was deleted.
fn compiled_segment(key: &str, data: SegmentData, problems: &mut ProblemList) -> Option<Segment> {
    if data.deleted.unwrap_or_default() {
        return None;
    }
    Some(Compiler::new(&segment_name(key), problems).segment(key, data))
}

fn item<'d, T: Deserialize<'d>>(
    text: &'d str,
    name: impl FnOnce() -> String,
) -> Result<T, Problem> {
    serde_json::from_str(text).map_err(|error| problem::<T>(&name(), text, &error))
}

/// What is wrong, and where: the data is read once more, slowly.
#[cold]
fn problem<'d, T: Deserialize<'d>>(
    name: &str,
    text: &'d str,
    error: &serde_json::Error,
) -> Problem {
    let mut path = String::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    if let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        for step in error.path() {
            match step {
                Step::Seq { index } => path.push_str(&format!("/{index}")),
                Step::Map { key } => path.push_str(&format!("/{}", pointer_segment(key))),
                Step::Enum { .. } | Step::Unknown => {}
            }
        }
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let (found, expected) = match message.rsplit_once(", expected ") {
        // A type of ours says nothing to whoever wrote the data.
        Some((found, expected)) if expected.starts_with("struct ") => (found, "an object"),
        Some((found, "f32")) => (found, "a number"),
        Some((found, expected)) => (found, expected),
        None => (message, "data of this shape"),
    };
    let found = found.strip_prefix("invalid type: ").unwrap_or(found);
    let found = match found.get(..found.floor_char_boundary(80)) {
        Some(start) if start.len() < found.len() => format!("{start}..."),
        _ => found.to_owned(),
    };
    Problem::rejected(name, path, found, expected)
}
