//! Axes whose size a file leaves open, and the sizes that the caller gives them.

use std::{fmt, ops::RangeInclusive};

use super::{AxisSize, LoadError, TensorInfo};

/// The sizes that an open axis may have; see [`Loader::axis`](super::Loader::axis).
///
/// Made from a number, from several, or from a range:
///
/// ```
/// use modelgate::onnx::AxisSizes;
///
/// assert_eq!(AxisSizes::from(320), AxisSizes::Fixed(320));
/// assert_eq!(AxisSizes::from([320, 640]), AxisSizes::AnyOf(vec![320, 640]));
/// assert_eq!(AxisSizes::from(1..=512), AxisSizes::Between(1, 512));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AxisSizes {
    /// Always this size: the graph is prepared for it.
    Fixed(usize),
    /// One of these: the graph is prepared for each.
    AnyOf(Vec<usize>),
    /// From the first to the second, both included: the graph is prepared for any size, and other
    /// sizes are refused.
    Between(usize, usize),
}

impl From<usize> for AxisSizes {
    fn from(size: usize) -> AxisSizes {
        AxisSizes::Fixed(size)
    }
}

impl<const COUNT: usize> From<[usize; COUNT]> for AxisSizes {
    fn from(sizes: [usize; COUNT]) -> AxisSizes {
        AxisSizes::AnyOf(sizes.into())
    }
}

impl From<Vec<usize>> for AxisSizes {
    fn from(sizes: Vec<usize>) -> AxisSizes {
        AxisSizes::AnyOf(sizes)
    }
}

impl From<RangeInclusive<usize>> for AxisSizes {
    fn from(sizes: RangeInclusive<usize>) -> AxisSizes {
        AxisSizes::Between(*sizes.start(), *sizes.end())
    }
}

impl AxisSizes {
    pub(super) fn allows(&self, size: usize) -> bool {
        match self {
            AxisSizes::Fixed(fixed) => *fixed == size,
            AxisSizes::AnyOf(sizes) => sizes.contains(&size),
            AxisSizes::Between(least, most) => (*least..=*most).contains(&size),
        }
    }

    /// The sizes that the graph is prepared for.
    pub(super) fn prepared(&self) -> &[usize] {
        match self {
            AxisSizes::AnyOf(sizes) => sizes,
            AxisSizes::Fixed(_) | AxisSizes::Between(..) => &[],
        }
    }

    /// Whether no tensor could have these sizes.
    fn is_invalid(&self) -> bool {
        match self {
            AxisSizes::Fixed(size) => *size == 0,
            AxisSizes::AnyOf(sizes) => sizes.is_empty() || sizes.contains(&0),
            AxisSizes::Between(least, most) => least > most,
        }
    }
}

impl fmt::Display for AxisSizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AxisSizes::Fixed(size) => write!(f, "{size}"),
            AxisSizes::AnyOf(sizes) => {
                let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
                f.write_str(&sizes.join(" or "))
            }
            AxisSizes::Between(least, most) => write!(f, "{least} to {most}"),
        }
    }
}

/// An axis, shared by some inputs, whose sizes the caller has given.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) name: Box<str>,
    /// Where it occurs: the index of an input, and of the axis in its shape.
    pub(super) places: Vec<(usize, usize)>,
    pub(super) sizes: AxisSizes,
}

impl Axis {
    /// Finds the axis with this name, or at this index of an input: `x[2]`.
    pub(super) fn find(
        name: &str,
        sizes: &AxisSizes,
        inputs: &[TensorInfo],
    ) -> Result<Axis, LoadError> {
        let wrong = |found: String, expected: String| LoadError::Option {
            option: "axis",
            found: found.into(),
            expected: expected.into(),
        };
        if sizes.is_invalid() {
            let expected = "at least one size, each of at least 1".to_owned();
            return Err(wrong(format!("no size for `{name}`"), expected));
        }
        let mut places = Vec::new();
        for (place, input) in inputs.iter().enumerate() {
            for (axis, size) in input.shape.iter().flatten().enumerate() {
                let named = matches!(size, AxisSize::Named(known) if **known == *name);
                if !named && *name != *placed(&input.name, axis) {
                    continue;
                }
                if let Some(fixed) = size.fixed().filter(|fixed| !sizes.allows(*fixed)) {
                    let expected = format!("{fixed}, as the file says");
                    return Err(wrong(format!("{sizes} for `{name}`"), expected));
                }
                places.push((place, axis));
            }
        }
        if places.is_empty() {
            let known = open(inputs, 0);
            let expected = match &known[..] {
                [] => "none, as the file says the size of every axis".to_owned(),
                known => format!("one of the axes that the file leaves open: {}", list(known)),
            };
            return Err(wrong(format!("`{name}`"), expected));
        }
        Ok(Axis { name: name.into(), places, sizes: sizes.clone() })
    }
}

/// The names of the inputs' open axes, each once, starting at axis `from` of every input.
pub(super) fn open(inputs: &[TensorInfo], from: usize) -> Vec<Box<str>> {
    let mut names: Vec<Box<str>> = Vec::new();
    for input in inputs {
        for (place, axis) in input.shape.iter().flatten().enumerate().skip(from) {
            let name = match axis {
                AxisSize::Fixed(_) => continue,
                AxisSize::Named(name) => name.clone(),
                AxisSize::Free => placed(&input.name, place),
            };
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names
}

pub(super) fn list(names: &[Box<str>]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn placed(input: &str, axis: usize) -> Box<str> {
    format!("{input}[{axis}]").into()
}

/// Whether a symbolic size depends on this name: `floor(height/2)` depends on `height`.
pub(super) fn mentions(expression: &str, name: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | ':');
    let around = |at: usize| {
        let (before, after) =
            (expression.get(..at), expression.get(at.saturating_add(name.len())..));
        let edge = |c: Option<char>| c.is_none_or(|c| !is_part(c));
        edge(before.and_then(|text| text.chars().next_back()))
            && edge(after.and_then(|text| text.chars().next()))
    };
    !name.is_empty() && expression.match_indices(name).any(|(at, _)| around(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_depends_on_whole_names_only() {
        assert!(mentions("height", "height"));
        assert!(mentions("floor(height/2 - 1/2) + 1", "height"));
        assert!(!mentions("height_2*3", "height"));
        assert!(!mentions("old.height", "height"));
        assert!(!mentions("width", "height"));
    }
}
