//! The inputs and outputs of a graph, described without a type of any engine.

use std::fmt;

use crate::tensor::Dtype;

/// One input or output of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorInfo {
    /// Its name.
    pub name: Box<str>,
    /// Its element type; `None` when the file states none, or one that [`Dtype`] lacks.
    pub dtype: Option<Dtype>,
    /// The size of each axis; `None` when the file does not even state how many there are.
    pub shape: Option<Vec<AxisSize>>,
}

impl fmt::Display for TensorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match self.dtype {
            Some(dtype) => write!(f, ": {dtype}")?,
            None => f.write_str(": ?")?,
        }
        f.write_str(&shape_text(self.shape.as_deref()))
    }
}

pub(super) fn shape_text(shape: Option<&[AxisSize]>) -> String {
    match shape {
        None => "[..]".to_owned(),
        Some(axes) => {
            format!("[{}]", axes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The size of one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AxisSize {
    /// Always this many.
    Fixed(usize),
    /// Any size, but the same for every axis of this name.
    Named(Box<str>),
    /// Not stated.
    Free,
}

impl AxisSize {
    /// The size in a `TensorShapeProto.Dimension` with this `dim_value` or `dim_param`.
    pub(super) fn new(value: Option<i64>, param: Option<&str>) -> AxisSize {
        match (value, param) {
            (Some(size), _) => usize::try_from(size).map_or(AxisSize::Free, AxisSize::Fixed),
            // Some exporters write a question mark where they know no name.
            (None, Some(name)) if !name.is_empty() && name != "?" => AxisSize::Named(name.into()),
            _ => AxisSize::Free,
        }
    }

    pub(super) fn fixed(&self) -> Option<usize> {
        match self {
            AxisSize::Fixed(size) => Some(*size),
            AxisSize::Named(_) | AxisSize::Free => None,
        }
    }
}

impl fmt::Display for AxisSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AxisSize::Fixed(size) => fmt::Display::fmt(size, f),
            AxisSize::Named(name) => f.write_str(name),
            AxisSize::Free => f.write_str("?"),
        }
    }
}

/// The element type that has this number in `TensorProto.DataType` of `onnx.proto`.
pub(super) fn dtype(number: i32) -> Option<Dtype> {
    match number {
        1 => Some(Dtype::F32),
        2 => Some(Dtype::U8),
        3 => Some(Dtype::I8),
        4 => Some(Dtype::U16),
        5 => Some(Dtype::I16),
        6 => Some(Dtype::I32),
        7 => Some(Dtype::I64),
        8 => Some(Dtype::Text),
        9 => Some(Dtype::Bool),
        10 => Some(Dtype::F16),
        11 => Some(Dtype::F64),
        12 => Some(Dtype::U32),
        13 => Some(Dtype::U64),
        _ => None,
    }
}
