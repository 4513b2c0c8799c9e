//! Reading documents, and flags and segments that come one by one.

use std::sync::Arc;

use serde::Deserialize;
use serde_path_to_error::Segment as Step;

use super::{
    big_segments::BigSegments,
    compile::Compiler,
    model::{DocumentData, FlagData, SegmentData},
    segment::Segments,
    trace::escaped,
    tree::{LaunchDarklyFlag, Segment},
};
use crate::flag::{DocumentError, Flag, FlagProblem, FlagSet};

/// What flag sets of this dialect keep beside their flags.
type Big = Option<Arc<dyn BigSegments>>;

pub(super) fn compile(big: &Big, text: &str) -> Result<FlagSet, DocumentError> {
    let mut document = read(text)?;
    if let (None, None, Some(data)) = (&document.flags, &document.segments, document.data) {
        document = read(data.get())?;
    }
    let DocumentData { flags, segments, .. } = document;
    if flags.is_none() && segments.is_none() {
        let message = "flag data: found neither `flags` nor `segments`, expected an object of each";
        return Err(DocumentError::new(message));
    }
    let mut problems = Vec::new();
    let mut rejected = Vec::new();
    let mut shared = Segments { big: big.clone(), ..Segments::default() };
    for (key, text) in segments.unwrap_or_default().0 {
        match segment(&key, text.get(), &mut problems) {
            Ok(Some(segment)) => shared.table.insert(Arc::from(&*key), Arc::new(segment)),
            Ok(None) => {}
            Err(problem) => {
                problems.push(problem);
                rejected.push(key);
            }
        }
    }
    shared.rejected = rejected.into();
    let mut compiled = Vec::new();
    for (key, text) in flags.unwrap_or_default().0 {
        match flag(&key, text.get(), &mut problems) {
            Ok(Some(flag)) => compiled.push(Flag::new(key, flag)),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    let set: FlagSet = compiled.into_iter().collect();
    Ok(set.with_shared(shared).with_problems(problems))
}

pub(super) fn with_flag(
    big: &Big,
    set: &FlagSet,
    key: &str,
    text: &str,
) -> Result<FlagSet, FlagProblem> {
    let mut problems = kept_problems(set, key);
    let set = match flag(key, text, &mut problems)? {
        Some(flag) => set.clone().with(Flag::new(key, flag)),
        None => set.clone().without(key),
    };
    let set = if set.shared::<Segments>().is_none() {
        set.with_shared(Segments { big: big.clone(), ..Segments::default() })
    } else {
        set
    };
    Ok(set.with_problems(problems))
}

pub(super) fn with_segment(
    big: &Big,
    set: &FlagSet,
    key: &str,
    text: &str,
) -> Result<FlagSet, FlagProblem> {
    let mut problems = kept_problems(set, &segment_name(key));
    let compiled = segment(key, text, &mut problems)?;
    Ok(changed(big, set, key, compiled).with_problems(problems))
}

pub(super) fn without_segment(big: &Big, set: &FlagSet, key: &str) -> FlagSet {
    let problems = kept_problems(set, &segment_name(key));
    changed(big, set, key, None).with_problems(problems)
}

/// The set with another form of one segment, or without it.
fn changed(big: &Big, set: &FlagSet, key: &str, segment: Option<Segment>) -> FlagSet {
    let mut shared = match set.shared::<Segments>() {
        Some(segments) => segments.clone(),
        None => Segments { big: big.clone(), ..Segments::default() },
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

fn kept_problems(set: &FlagSet, name: &str) -> Vec<FlagProblem> {
    set.problems().iter().filter(|problem| problem.key != name).cloned().collect()
}

/// What problems call a segment. No flag has a name with a slash.
fn segment_name(key: &str) -> String {
    format!("segments/{key}")
}

fn read(text: &str) -> Result<DocumentData<'_>, DocumentError> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            DocumentError::with_source("flag data is not of the expected shape", error)
        }
        _ => DocumentError::with_source("flag data is not valid JSON", error),
    })
}

/// Compiles one flag; `None` when the data only says that it was deleted.
fn flag(
    key: &str,
    text: &str,
    problems: &mut Vec<FlagProblem>,
) -> Result<Option<LaunchDarklyFlag>, FlagProblem> {
    let data: FlagData = item(text, || key.to_owned())?;
    if data.deleted.unwrap_or_default() {
        return Ok(None);
    }
    Ok(Some(Compiler::new(key, problems).flag(key, data)))
}

/// Compiles one segment; `None` when the data only says that it was deleted.
fn segment(
    key: &str,
    text: &str,
    problems: &mut Vec<FlagProblem>,
) -> Result<Option<Segment>, FlagProblem> {
    let data: SegmentData = item(text, || segment_name(key))?;
    if data.deleted.unwrap_or_default() {
        return Ok(None);
    }
    let before = problems.len();
    let compiled = Compiler::new(key, problems).segment(key, data);
    for problem in problems.iter_mut().skip(before) {
        problem.key = segment_name(key);
    }
    Ok(Some(compiled))
}

fn item<'d, T: Deserialize<'d>>(
    text: &'d str,
    name: impl FnOnce() -> String,
) -> Result<T, FlagProblem> {
    serde_json::from_str(text).map_err(|error| problem::<T>(&name(), text, &error))
}

/// What is wrong, and where: the data is read once more, slowly.
#[cold]
fn problem<'d, T: Deserialize<'d>>(
    name: &str,
    text: &'d str,
    error: &serde_json::Error,
) -> FlagProblem {
    let mut path = String::new();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    if let Err(error) = serde_path_to_error::deserialize::<_, T>(&mut deserializer) {
        for step in error.path() {
            match step {
                Step::Seq { index } => path.push_str(&format!("/{index}")),
                Step::Map { key } => path.push_str(&format!("/{}", escaped(key))),
                Step::Enum { .. } | Step::Unknown => {}
            }
        }
    }
    let message = error.to_string();
    let message = message.split(" at line ").next().unwrap_or_default();
    let (found, expected) = match message.rsplit_once(", expected ") {
        Some((found, expected)) => (found, expected),
        None => (message, "data of this shape"),
    };
    let found = found.strip_prefix("invalid type: ").unwrap_or(found);
    let found = match found.get(..found.floor_char_boundary(80)) {
        Some(start) if start.len() < found.len() => format!("{start}..."),
        _ => found.to_owned(),
    };
    FlagProblem::rejected(name, path, found, expected)
}
