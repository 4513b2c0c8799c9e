//! One input of a graph that takes a table: one or more adjacent columns of it.

use super::super::{AxisSize, LoadError, TensorInfo, describe::shape_text};
use crate::tensor::Dtype;

/// One input, which takes `width` adjacent columns.
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

/// More columns than any table has: such a file is damaged, and would make loading allocate for them.
const MOST_COLUMNS: usize = 1 << 20;
