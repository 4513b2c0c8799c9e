//! Chooses the input and outputs by which a graph is a classifier.

use super::{
    AxisSize, BatchAxis, Document, LoadError, Loader, TensorInfo, describe::shape_text,
    engine::Outputs,
};
use crate::tensor::Dtype;

/// The outputs that are used.
#[derive(Default)]
pub(super) struct Selection {
    /// The label's output; without one, the label is the index of the largest probability.
    pub(super) label: Option<Box<str>>,
    probabilities: Box<str>,
}

impl Selection {
    pub(super) fn choose(document: &Document, options: &Loader) -> Result<Selection, LoadError> {
        let outputs = &document.outputs;
        let named = |name: &str| outputs.iter().find(|output| *output.name == *name);
        let label = match &options.label_output {
            Some(name) => Some(named(name).ok_or_else(|| no_output(name, outputs))?),
            None => ["label", "output_label"].into_iter().find_map(named).or_else(|| {
                let labels =
                    |output: &&TensorInfo| matches!(output.dtype, Some(Dtype::I64 | Dtype::Text));
                outputs.iter().find(labels)
            }),
        };
        if let Some(label) = label {
            check_label(label)?;
        }
        let probabilities = match &options.probabilities_output {
            Some(name) => named(name).ok_or_else(|| no_output(name, outputs))?,
            None => ["probabilities", "output_probability"]
                .into_iter()
                .find_map(named)
                .or_else(|| {
                    let scores = |output: &&TensorInfo| {
                        output.dtype == Some(Dtype::F32)
                            && output.shape.as_ref().is_none_or(|axes| axes.len() == 2)
                    };
                    outputs.iter().find(scores)
                })
                .ok_or_else(|| {
                    no_output_text("an output of type f32 and shape [rows, classes]", outputs)
                })?,
        };
        if let Some(dtype) = probabilities.dtype
            && dtype != Dtype::F32
        {
            return Err(dtype_error(probabilities, "f32"));
        }
        let label = label.map(|label| label.name.clone());
        Ok(Selection { label, probabilities: probabilities.name.clone() })
    }

    /// The outputs to ask the engine for.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names = Vec::with_capacity(2);
        names.extend(self.label.as_deref());
        names.push(&*self.probabilities);
        names
    }

    /// The name of the output of the probabilities.
    pub(super) fn probabilities(&self) -> &str {
        &self.probabilities
    }

    /// The number of outputs that are used.
    pub(super) fn places(&self) -> usize {
        self.probabilities_place() + 1
    }

    /// The index of the probabilities among the outputs that are used.
    pub(super) fn probabilities_place(&self) -> usize {
        usize::from(self.label.is_some())
    }

    /// Checks the outputs of a first run, and returns the number of classes.
    pub(super) fn prove(&self, outputs: &Outputs, rows: usize) -> Result<usize, LoadError> {
        let place = self.probabilities_place();
        let shape = outputs.shape(place);
        let wrong = |tensor: &str, shape: &[usize], expected: &str| LoadError::Shape {
            tensor: tensor.into(),
            found: format!("{shape:?}").into(),
            expected: expected.into(),
        };
        if outputs.f32s(place).is_none() {
            return Err(LoadError::Dtype {
                tensor: self.probabilities.clone(),
                found: outputs.type_name(place).into(),
                expected: "f32".into(),
            });
        }
        let classes = match shape {
            [count, classes] if *count == rows && *classes > 0 => *classes,
            _ => {
                let expected = format!("[{rows}, classes] for {rows} rows");
                return Err(wrong(&self.probabilities, shape, &expected));
            }
        };
        match &self.label {
            None if classes < 2 => {
                let expected = "at least 2 classes, or an output that holds the label";
                return Err(wrong(&self.probabilities, shape, expected));
            }
            None => {}
            Some(label) => {
                if outputs.len(0) != rows {
                    let expected = format!("[{rows}] for {rows} rows");
                    return Err(wrong(label, outputs.shape(0), &expected));
                }
                if outputs.label(0, rows, 0).is_none() {
                    return Err(LoadError::Dtype {
                        tensor: label.clone(),
                        found: outputs.type_name(0).into(),
                        expected: "i64 or text".into(),
                    });
                }
            }
        }
        Ok(classes)
    }
}

fn check_label(label: &TensorInfo) -> Result<(), LoadError> {
    match label.dtype {
        None | Some(Dtype::I64 | Dtype::I32 | Dtype::Text) => Ok(()),
        Some(_) => Err(dtype_error(label, "i64 or text")),
    }
}

fn dtype_error(tensor: &TensorInfo, expected: &str) -> LoadError {
    LoadError::Dtype {
        tensor: tensor.name.clone(),
        found: tensor.dtype.map_or_else(|| "?".to_owned(), |dtype| dtype.to_string()).into(),
        expected: expected.into(),
    }
}

pub(super) fn no_output(name: &str, outputs: &[TensorInfo]) -> LoadError {
    no_output_text(&format!("`{name}`"), outputs)
}

fn no_output_text(expected: &str, outputs: &[TensorInfo]) -> LoadError {
    LoadError::NoSuchOutput {
        expected: expected.into(),
        found: outputs.iter().map(|output| output.name.clone()).collect(),
    }
}

/// The shape of one row, and the number of rows if the file fixes it.
pub(super) fn row_shape(
    document: &Document,
    options: &Loader,
) -> Result<(Box<[usize]>, Option<usize>), LoadError> {
    options.check_axes_are_fixed()?;
    let inputs = &document.inputs;
    let no_input = |expected: String| LoadError::NoSuchInput {
        expected: expected.into(),
        found: inputs.iter().map(|input| input.name.clone()).collect(),
    };
    if let Some(name) = &options.input
        && !inputs.iter().any(|input| input.name == *name)
    {
        return Err(no_input(format!("`{name}`")));
    }
    let [input] = &inputs[..] else {
        return Err(no_input(
            "one input of rows (a table of columns is loaded with `load_columns` or \
             `load_column_regressor`, any other graph of several with `load_graph`)"
                .to_owned(),
        ));
    };
    if input.dtype != Some(Dtype::F32) {
        return Err(dtype_error(input, "f32"));
    }
    let wrong = |expected: &str| LoadError::Shape {
        tensor: input.name.clone(),
        found: shape_text(input.shape.as_deref()).into(),
        expected: expected.into(),
    };
    let Some([first, rest @ ..]) = input.shape.as_deref() else {
        return Err(wrong("[rows, features]"));
    };
    if rest.is_empty() {
        return Err(wrong("[rows, features]: a first axis for the rows"));
    }
    let fixed = match first {
        AxisSize::Fixed(0) => return Err(wrong("room for at least one row")),
        AxisSize::Fixed(count) => Some(*count),
        _ => None,
    };
    if let (Some(count), BatchAxis::Pinned(asked)) = (fixed, options.batch)
        && count != asked
    {
        return Err(wrong(&format!("[{asked}, features], as the batch is pinned")));
    }
    if fixed.is_some() && options.batch == BatchAxis::Symbolic {
        return Err(wrong("a first axis of any size, as the batch is symbolic"));
    }
    let mut shape = vec![1];
    for (place, axis) in rest.iter().enumerate() {
        shape.push(match (axis, place, options.features) {
            (AxisSize::Fixed(0), ..) => return Err(wrong("at least one value in a row")),
            (AxisSize::Fixed(size), ..) => *size,
            (_, 0, Some(features)) if rest.len() == 1 => features,
            _ if rest.len() == 1 => {
                return Err(wrong("a known number of values in a row: say it with `features(n)`"));
            }
            (axis, ..) => {
                let name = match axis {
                    AxisSize::Named(name) => name.to_string(),
                    _ => format!("{}[{}]", input.name, place + 1),
                };
                return Err(wrong(&format!(
                    "a known size of `{name}`: say it with `axis(\"{name}\", size)`"
                )));
            }
        });
    }
    let product = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
    let Some(product) = product.filter(|product| *product <= MOST_FEATURES) else {
        return Err(wrong("at most 2^24 values in a row"));
    };
    let rows = match (fixed, options.batch) {
        (Some(count), _) | (None, BatchAxis::Pinned(count)) => count,
        _ => 1,
    };
    let values = rows.checked_mul(product).filter(|values| *values <= MOST_VALUES);
    if values.is_none() || rows > MOST_ROWS {
        return Err(wrong("at most 65,536 rows, and 2^26 values, in a batch"));
    }
    if let Some(features) = options.features
        && features != product
    {
        return Err(wrong(&format!("{features} values in a row")));
    }
    Ok((shape.into(), fixed))
}

/// More values than a row can have: such a file is damaged, and the first row of zeros would take the
/// memory for it.
const MOST_FEATURES: usize = 1 << 24;

/// As many rows as the file fixes, or the caller pins, are run at loading.
const MOST_VALUES: usize = 1 << 26;
const MOST_ROWS: usize = 1 << 16;
