//! What is done to rows before a classifier, or to scores after it.

use std::sync::Arc;

use tract_onnx::pb::{GraphProto, NodeProto};

use crate::onnx::ml::{
    attributes::{Values, values},
    operator::{Operator, RowChange},
};

/// A change of rows that stay as wide as they are.
#[derive(Debug)]
pub(super) enum Change {
    Operator(Arc<dyn Operator>),
    Arithmetic(Arithmetic),
}

impl Change {
    pub(super) fn of(operator: Arc<dyn Operator>) -> Option<Change> {
        operator.as_change()?;
        Some(Change::Operator(operator))
    }

    pub(super) fn apply(&self, values: &mut [f32], width: usize) {
        match self {
            Change::Operator(operator) => {
                if let Some(operator) = operator.as_change() {
                    operator.change(values, width);
                }
            }
            Change::Arithmetic(arithmetic) => arithmetic.change(values, width),
        }
    }
}

/// A row and a constant one, value by value: how scalers are exported, too.
#[derive(Debug)]
pub(super) struct Arithmetic {
    calculation: Calculation,
    constants: Box<[f32]>,
}

#[derive(Clone, Copy, Debug)]
enum Calculation {
    Add,
    Subtract,
    Multiply,
    Divide,
}

impl Arithmetic {
    /// Reads a node whose second input is a constant row of this width, or one number.
    pub(super) fn read(node: &NodeProto, graph: &GraphProto, width: usize) -> Option<Arithmetic> {
        let calculation = match &*node.op_type {
            "Add" => Calculation::Add,
            "Sub" => Calculation::Subtract,
            "Mul" => Calculation::Multiply,
            "Div" => Calculation::Divide,
            _ => return None,
        };
        let name = node.input.get(1)?;
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == *name)?;
        let Ok(Values::F32(constants)) = values(name, tensor) else { return None };
        let width = i64::try_from(width).ok()?;
        let expected = match &tensor.dims[..] {
            [] | [1] | [1, 1] => 1,
            [count] | [1, count] if *count == width => *count,
            _ => return None,
        };
        let fits = usize::try_from(expected).is_ok_and(|expected| expected == constants.len());
        fits.then(|| Arithmetic { calculation, constants: constants.into() })
    }

    /// A loop of its own for each calculation.
    #[inline(always)]
    fn each(&self, values: &mut [f32], width: usize, calculate: impl Fn(f32, f32) -> f32) {
        if let [constant] = self.constants[..] {
            values.iter_mut().for_each(|value| *value = calculate(*value, constant));
            return;
        }
        for row in values.chunks_exact_mut(width.max(1)) {
            for (value, constant) in row.iter_mut().zip(&self.constants) {
                *value = calculate(*value, *constant);
            }
        }
    }
}

impl RowChange for Arithmetic {
    fn change(&self, values: &mut [f32], width: usize) {
        match self.calculation {
            Calculation::Add => self.each(values, width, |value, constant| value + constant),
            Calculation::Subtract => self.each(values, width, |value, constant| value - constant),
            Calculation::Multiply => self.each(values, width, |value, constant| value * constant),
            Calculation::Divide => self.each(values, width, |value, constant| value / constant),
        }
    }
}
