//! [`TextClassifier`]: a text in, classes out.

use std::fmt;

use smallvec::smallvec;

use super::{
    ColumnClassifier, ColumnPlans, Document, LoadError, Loader, ReadClasses, Sidecar, TensorInfo,
    plans::Row,
};
use crate::{
    features::FeatureValue,
    model::{Acceptance, Classification, Label, Model, ModelError},
    tensor::Dtype,
};

/// A text classifier in an ONNX file: one string in, [`Classification`] out.
///
/// This is what scikit-learn's `CountVectorizer` or `TfidfVectorizer` followed by a classifier
/// becomes when it is exported with a string input: a spam filter, a router of support tickets.
///
/// ```no_run
/// use modelgate::{Model, onnx};
///
/// let model = onnx::TextClassifier::load("spam.onnx")?;
/// let scores = model.predict("Win a free prize today")?;
/// println!("{}", scores.label);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A [sidecar](Loader::sidecar) may name the classes and hold golden rows, whose `features` are the
/// text alone: `{"features": ["Win a free prize"], "label": "spam"}`. A table that has text in one
/// of its columns is a [`ColumnClassifier`].
#[derive(Clone)]
pub struct TextClassifier(ColumnClassifier);

impl TextClassifier {
    /// Loads the classifier in a file, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    #[cfg(feature = "onnx")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<TextClassifier, LoadError> {
        crate::onnx::Classifier::builder().load_text(path)
    }

    /// Loads the classifier in these bytes, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the bytes and what to do.
    #[cfg(feature = "onnx")]
    pub fn from_bytes(bytes: &[u8]) -> Result<TextClassifier, LoadError> {
        crate::onnx::Classifier::builder().text_from_bytes(bytes)
    }

    pub(in crate::onnx) fn prepare(
        document: Document,
        options: &Loader,
        sha256: Box<str>,
        sidecar: Option<Sidecar>,
    ) -> Result<TextClassifier, LoadError> {
        let [input] = &document.inputs[..] else {
            return Err(LoadError::NoSuchInput {
                expected: "one input of texts (a table of columns is loaded with `load_columns`)"
                    .into(),
                found: document.inputs.iter().map(|input| input.name.clone()).collect(),
            });
        };
        if input.dtype != Some(Dtype::Text) {
            return Err(LoadError::Dtype {
                tensor: input.name.clone(),
                found: input.dtype.map_or_else(|| "?".into(), |dtype| dtype.to_string().into()),
                expected: "text".into(),
            });
        }
        let name = input.name.clone();
        let columns = ColumnClassifier::prepare(document, options, sha256, sidecar)?;
        if columns.0.columns.len() != 1 {
            return Err(LoadError::Shape {
                tensor: name,
                found: format!("{} texts a row", columns.0.columns.len()).into(),
                expected: "1; several are loaded with `load_columns`".into(),
            });
        }
        Ok(TextClassifier(columns))
    }

    /// The number of classes, and so of probabilities.
    pub fn classes(&self) -> usize {
        self.0.classes()
    }

    /// As [`Classifier::class_labels`](crate::onnx::Classifier::class_labels).
    pub fn class_labels(&self) -> Option<&[Label]> {
        self.0.class_labels()
    }

    /// What the file takes.
    pub fn input(&self) -> Option<&TensorInfo> {
        self.0.inputs().next()
    }

    /// The SHA-256 of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        self.0.sha256()
    }

    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(in crate::onnx) fn columns(&self) -> &ColumnClassifier {
        &self.0
    }

    /// This model as one of [`Features`](crate::Features), whose single feature is the text, under
    /// the name that the sidecar gives it or else the input's.
    pub fn into_columns(self) -> ColumnClassifier {
        self.0
    }

    /// As [`Classifier::acceptance`](crate::onnx::Classifier::acceptance).
    pub fn acceptance(&self) -> Acceptance<str, Classification> {
        let ColumnPlans { golden, tolerance, .. } = &*self.0.0;
        let rows = golden.iter().filter_map(|(features, expected)| {
            let text = match features.values().first() {
                Some(FeatureValue::Text(text)) => text.clone(),
                _ => return None,
            };
            Some((text, expected.clone()))
        });
        Acceptance::new().golden(rows, crate::onnx::schema::golden_within(*tolerance))
    }
}

impl Model<str, Classification> for TextClassifier {
    fn predict(&self, text: &str) -> Result<Classification, ModelError> {
        let value = FeatureValue::Text(text.into());
        let table = &*self.0.0;
        table.one(&row(table, &value)?)
    }

    fn predict_batch(&self, texts: &[&str]) -> Vec<Result<Classification, ModelError>> {
        let values: Vec<FeatureValue> =
            texts.iter().map(|text| FeatureValue::Text((*text).into())).collect();
        let table = &*self.0.0;
        table.many(values.iter().map(|value| row(table, value)))
    }
}

fn row<'a>(
    table: &ColumnPlans<ReadClasses>,
    value: &'a FeatureValue,
) -> Result<Row<'a>, ModelError> {
    if let Some(column) = table.columns.first() {
        column
            .check(value)
            .map_err(|expected| ModelError::invalid_input("text", value, expected))?;
    }
    Ok(smallvec![value])
}

impl fmt::Debug for TextClassifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TextClassifier")
            .field("classes", &self.classes())
            .field("sha256", &self.sha256())
            .finish_non_exhaustive()
    }
}
