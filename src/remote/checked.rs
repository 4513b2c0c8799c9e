//! A model's metadata, checked against the options.

use super::{
    Builder, Error,
    builder::ExpectedTensor,
    wire::{self, Metadata, TensorInfo},
};
use crate::tensor::Dtype;

/// The name of the binary tensor data extension, by which tensors follow the JSON as bytes.
const BINARY: &str = "binary_tensor_data";

/// Metadata that was found to be as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checked {
    /// Whether the server has the binary tensor data extension.
    pub(super) binary: bool,
    /// Whether the server takes a time limit as a request parameter, which is Triton's own.
    pub(super) takes_timeout: bool,
    pub(super) inputs: Vec<TensorInfo>,
    pub(super) outputs: Vec<TensorInfo>,
    /// For a [`Classifier`](super::Classifier).
    pub(super) classifier: Option<RowFormat>,
}

/// How rows are sent, and their answers read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RowFormat {
    pub(super) input: Box<str>,
    /// Whether the server takes the rows as `f64`.
    pub(super) wide: bool,
    /// The axes of a row, if they are known: `[64]`, `[28, 28]`.
    pub(super) row: Option<Vec<usize>>,
    /// Values in a row, if that is known.
    pub(super) features: Option<usize>,
    /// Rows in a request, if the server takes a fixed number.
    pub(super) rows: Option<usize>,
    pub(super) label: Option<Box<str>>,
    pub(super) probabilities: Box<str>,
    pub(super) classes: Option<usize>,
}

impl Checked {
    pub(super) fn new(
        found: Metadata,
        options: &Builder,
        classifier: bool,
    ) -> Result<Checked, Error> {
        let name = options.called.as_ref().unwrap_or(&options.model);
        if *found.name != **name {
            return Err(Error::mismatch("name", quoted(&found.name), quoted(name)));
        }
        if let Some(version) = &options.version
            && !found.versions.is_empty()
            && !found.versions.iter().any(|found| **found == **version)
        {
            let found = found.versions.iter().map(|version| quoted(version));
            let found = found.collect::<Vec<_>>().join(", ");
            return Err(Error::mismatch("versions", found, quoted(version)));
        }
        for expected in &options.expected {
            let side = if expected.side == "inputs" { &found.inputs } else { &found.outputs };
            expected.check(side)?;
        }
        if let Some(names) = options.outputs.as_ref().filter(|_| !found.outputs.is_empty()) {
            for name in names {
                named("outputs", name, &found.outputs)?;
            }
        }
        let classifier = match classifier {
            true => Some(RowFormat::choose(&found, options)?),
            false => None,
        };
        let Metadata { server, extensions, inputs, outputs, .. } = found;
        Ok(Checked {
            binary: extensions.iter().any(|extension| extension == BINARY),
            takes_timeout: server == "triton",
            inputs,
            outputs,
            classifier,
        })
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", super::redact::bounded(name))
}

fn named<'a>(side: &str, name: &str, tensors: &'a [TensorInfo]) -> Result<&'a TensorInfo, Error> {
    tensors.iter().find(|tensor| *tensor.name == *name).ok_or_else(|| {
        let found: Vec<String> = tensors.iter().map(|tensor| quoted(&tensor.name)).collect();
        let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
        Error::mismatch(side, found, quoted(name))
    })
}

impl ExpectedTensor {
    fn check(&self, tensors: &[TensorInfo]) -> Result<(), Error> {
        let ExpectedTensor { side, name, dtype, shape } = self;
        let found = named(side, name, tensors)?;
        if wire::datatype(*dtype) != &*found.datatype {
            let field = format_args!("{side}.{name}: datatype");
            return Err(Error::mismatch(field, &found.datatype, wire::datatype(*dtype)));
        }
        // An axis that the server leaves open takes any size.
        let fits = shape.len() == found.shape.len()
            && shape.iter().zip(&found.shape).all(|(expected, found)| match expected {
                Some(size) => *found < 0 || usize::try_from(*found) == Ok(*size),
                None => *found < 0,
            });
        if !fits {
            let axes =
                shape.iter().map(|size| size.map_or("-1".to_owned(), |size| size.to_string()));
            let expected = format!("[{}]", axes.collect::<Vec<_>>().join(", "));
            let field = format_args!("{side}.{name}: shape");
            return Err(Error::mismatch(field, format_args!("{:?}", found.shape), expected));
        }
        Ok(())
    }
}

impl RowFormat {
    fn choose(found: &Metadata, options: &Builder) -> Result<RowFormat, Error> {
        let input = match (&options.input, &found.inputs[..]) {
            // The server lists no inputs, so that there is none to check the name against.
            (Some(_), []) => None,
            (Some(name), inputs) => Some(named("inputs", name, inputs)?),
            (None, []) => None,
            (None, [input]) => Some(input),
            (None, inputs) => {
                let found: Vec<String> = inputs.iter().map(|input| quoted(&input.name)).collect();
                let expected = "one input of rows, or the name of it: `input(name)`";
                return Err(Error::mismatch("inputs", found.join(", "), expected));
            }
        };
        let mut classifier = RowFormat {
            input: options.input.clone().unwrap_or_else(|| "input-0".into()),
            wide: false,
            row: options.features.map(|features| vec![features]),
            features: options.features,
            rows: None,
            label: None,
            probabilities: "".into(),
            classes: options.classes,
        };
        if let Some(input) = input {
            classifier.read_input(input, options)?;
        }
        classifier.read_outputs(&found.outputs, options)?;
        Ok(classifier)
    }

    fn read_input(&mut self, input: &TensorInfo, options: &Builder) -> Result<(), Error> {
        let name = &input.name;
        self.input = name.clone();
        self.wide = match wire::dtype(&input.datatype) {
            Some(Dtype::F32) => false,
            Some(Dtype::F64) => true,
            _ => {
                let field = format_args!("inputs.{name}: datatype");
                return Err(Error::mismatch(field, &input.datatype, "FP32 or FP64"));
            }
        };
        let wrong = |expected: String| {
            let field = format_args!("inputs.{name}: shape");
            Err(Error::mismatch(field, format_args!("{:?}", input.shape), expected))
        };
        let [rows, row @ ..] = &input.shape[..] else {
            return wrong("[rows, features]".to_owned());
        };
        if row.is_empty() || *rows == 0 || row.contains(&0) {
            return wrong("[rows, features]".to_owned());
        }
        self.rows = usize::try_from(*rows).ok();
        let sizes: Option<Vec<usize>> =
            row.iter().map(|size| usize::try_from(*size).ok()).collect();
        match (sizes, options.features) {
            (Some(sizes), expected) => {
                let product = sizes.iter().try_fold(1_usize, |all, size| all.checked_mul(*size));
                if product.is_none() || expected.is_some_and(|expected| product != Some(expected)) {
                    let expected = expected.map_or("fewer".to_owned(), |count| count.to_string());
                    return wrong(format!("{expected} values in a row"));
                }
                self.features = product;
                self.row = Some(sizes);
            }
            (None, _) if row.len() == 1 => {}
            (None, _) => return wrong("a known number of values in a row".to_owned()),
        }
        Ok(())
    }

    fn read_outputs(&mut self, outputs: &[TensorInfo], options: &Builder) -> Result<(), Error> {
        let by_name = |names: &[&str]| {
            names.iter().find_map(|name| outputs.iter().find(|output| *output.name == **name))
        };
        let is = |output: &TensorInfo, of: &[Dtype]| {
            wire::dtype(&output.datatype).is_some_and(|dtype| of.contains(&dtype))
        };
        const LABELS: &[Dtype] = &[Dtype::I64, Dtype::I32, Dtype::Text];
        const FLOATS: &[Dtype] = &[Dtype::F32, Dtype::F64];
        let label = match &options.label_output {
            Some(_) if outputs.is_empty() => None,
            Some(name) => Some(named("outputs", name, outputs)?),
            None => by_name(&["label", "output_label", "predict"])
                .or_else(|| outputs.iter().find(|output| is(output, LABELS))),
        };
        if let Some(label) = label.filter(|label| !is(label, LABELS)) {
            let field = format_args!("outputs.{}: datatype", label.name);
            return Err(Error::mismatch(field, &label.datatype, "INT64, INT32 or BYTES"));
        }
        self.label = label.map(|label| label.name.clone()).or(options.label_output.clone());
        let probabilities = match &options.probabilities_output {
            Some(name) if outputs.is_empty() => {
                self.probabilities = name.clone();
                return Ok(());
            }
            Some(name) => named("outputs", name, outputs)?,
            None => by_name(&["probabilities", "output_probability", "predict_proba"])
                .or_else(|| {
                    let two = |output: &&TensorInfo| is(output, FLOATS) && output.shape.len() == 2;
                    outputs.iter().find(two)
                })
                .ok_or_else(|| {
                    let found: Vec<String> = outputs.iter().map(ToString::to_string).collect();
                    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
                    let expected = "an output of probabilities, or the name of it: \
                                    `probabilities_output(name)`";
                    Error::mismatch("outputs", super::redact::bounded(&found), expected)
                })?,
        };
        let name = &probabilities.name;
        if !is(probabilities, FLOATS) {
            let field = format_args!("outputs.{name}: datatype");
            return Err(Error::mismatch(field, &probabilities.datatype, "FP32 or FP64"));
        }
        self.probabilities = name.clone();
        let field = format_args!("outputs.{name}: shape");
        let shape = format!("{:?}", probabilities.shape);
        let [_, classes] = probabilities.shape[..] else {
            return Err(Error::mismatch(field, shape, "[rows, classes]"));
        };
        if let Ok(classes) = usize::try_from(classes) {
            if classes == 0 || options.classes.is_some_and(|expected| expected != classes) {
                let expected = options.classes.unwrap_or(1);
                let expected = format_args!("[rows, classes] with {expected} classes");
                return Err(Error::mismatch(field, shape, expected));
            }
            self.classes = Some(classes);
        }
        if self.label.is_none() && self.classes == Some(1) {
            let expected = "at least 2 classes, or an output that holds the label";
            return Err(Error::mismatch(field, shape, expected));
        }
        Ok(())
    }
}
