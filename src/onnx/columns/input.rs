//! One input of a table: a run of columns.

use super::super::{AxisSize, LoadError, TensorInfo, describe::shape_text};
use crate::tensor::Dtype;

/// One input: a run of columns.
pub(super) struct Input {
    pub(super) description: TensorInfo,
    pub(super) dtype: Dtype,
    pub(super) width: usize,
}

impl Input {
    pub(super) fn new(description: &TensorInfo) -> Result<Input, LoadError> {
        let wrong = |expected: &str| LoadError::Shape {
            tensor: description.name.clone(),
            found: shape_text(description.shape.as_deref()).into(),
            expected: expected.into(),
        };
        let width = match description.shape.as_deref() {
            Some([AxisSize::Fixed(count), ..]) if *count != 1 => {
                return Err(wrong("a first axis for any number of rows"));
            }
            Some([_]) => 1,
            Some([_, AxisSize::Fixed(width)]) if (1..=MOST_COLUMNS).contains(width) => *width,
            _ => return Err(wrong("[rows] or [rows, columns], with a number of columns")),
        };
        let Some(dtype) = description.dtype else {
            return Err(LoadError::Dtype {
                tensor: description.name.clone(),
                found: "?".into(),
                expected: "a type that is supported".into(),
            });
        };
        Ok(Input { description: description.clone(), dtype, width })
    }

    pub(super) fn shape(&self, rows: usize) -> Vec<usize> {
        match self.description.shape.as_deref() {
            Some([_]) => vec![rows],
            _ => vec![rows, self.width],
        }
    }
}

/// An input of more columns is a mistake in the file.
const MOST_COLUMNS: usize = 1 << 20;
