//! [`ColumnRegressor`]: the named columns of a table in, one number out.

use std::{fmt, sync::Arc};

use super::{
    ColumnPlans, Document, LoadError, Loader, Sidecar, TensorInfo, plans::ReadNumber, schema,
};
use crate::{
    features::Features,
    model::{Acceptance, Model, ModelError},
    onnx::numbers,
};

/// A regressor whose inputs are the columns of a table, of numbers or strings: it takes [`Features`]
/// and gives one number.
///
/// What [`ColumnClassifier`](super::ColumnClassifier) says of names, types and sidecars holds here
/// too; golden rows have the number that is right: `{"features": {"rooms": 3}, "outputs": [249.7]}`.
///
/// ```no_run
/// use modelgate::{Features, Model, features::FeatureValue, onnx};
///
/// let model = onnx::ColumnRegressor::load("rent.onnx")?;
/// let values: [(&str, FeatureValue); 2] = [("rooms", 3.0.into()), ("district", "north".into())];
/// let rent: f32 = model.predict(&Features::named(values))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ColumnRegressor(Arc<ColumnPlans<ReadNumber>>);

impl ColumnRegressor {
    /// Loads the regressor in a file, with every option at its default.
    ///
    /// # Errors
    ///
    /// [`LoadError`], which says what is wrong with the file and what to do.
    #[cfg(feature = "onnx")]
    pub fn load(path: impl AsRef<std::path::Path>) -> Result<ColumnRegressor, LoadError> {
        crate::onnx::Classifier::builder().load_column_regressor(path)
    }

    /// The names of the features, in the order of a row without names.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.0.column_names()
    }

    /// What the file takes.
    pub fn inputs(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.0.descriptions()
    }

    /// The output that is read.
    pub fn output(&self) -> &TensorInfo {
        &self.0.reader.output
    }

    /// The SHA-256 of the file, in lower-case hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.0.sha256
    }

    /// As [`Regressor::acceptance`](crate::onnx::Regressor::acceptance).
    pub fn acceptance(&self) -> Acceptance<Features, f32> {
        let (rows, tolerance) = (self.0.golden.iter().cloned(), self.0.tolerance);
        Acceptance::new().golden(rows, move |expected: &f32, found: &f32| {
            numbers::within(tolerance, std::slice::from_ref(expected), std::slice::from_ref(found))
        })
    }

    pub(in crate::onnx) fn prepare(
        document: Document,
        options: &Loader,
        sha256: Box<str>,
        sidecar: Option<Sidecar>,
    ) -> Result<ColumnRegressor, LoadError> {
        let mut declared = schema::declared(&document, sidecar, &sha256)?;
        declared.check_no_classes()?;
        let output = numbers::number_output(&document, options)?;
        let names = [output.name.clone()];
        let reader = ReadNumber { output };
        let mut table =
            ColumnPlans::prepare(&document, options, sha256, &mut declared, &names, reader)?;
        for (place, row) in std::mem::take(&mut declared.golden).into_iter().enumerate() {
            let [number] = row.outputs[..] else {
                let found = format!("{} numbers", row.outputs.len());
                let field = format_args!("golden[{place}].outputs");
                return Err(declared.wrong(field, found, "the one number that is right"));
            };
            table.golden.push((row.features, number));
        }
        table.prove(&declared)?.map_err(|error| {
            declared.wrong("golden[0]", error, "features that the model answers")
        })?;
        let model = ColumnRegressor(Arc::new(table));
        model.acceptance().accept(&model).map_err(LoadError::Golden)?;
        Ok(model)
    }

    /// Compares the answers of two engines on random rows.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(in crate::onnx) fn verify(&self, reference: &ColumnRegressor) -> Result<(), LoadError> {
        use crate::onnx::verify;

        let rows = verify::column_rows(|count, share| self.0.random_rows(count, share));
        let rows: Vec<&Features> = rows.iter().collect();
        let tolerance = self.0.tolerance;
        verify::compare(
            (self, reference),
            &rows,
            |found: &f32, expected: &f32| verify::near(*found, *expected, tolerance),
            |row| format!("{:?}", row.values()),
            f32::to_string,
        )
    }
}

impl Model<Features, f32> for ColumnRegressor {
    fn predict(&self, features: &Features) -> Result<f32, ModelError> {
        self.0.one(&self.0.row(features)?)
    }

    fn predict_batch(&self, rows: &[&Features]) -> Vec<Result<f32, ModelError>> {
        self.0.many(rows.iter().map(|row| self.0.row(row)))
    }
}

impl fmt::Debug for ColumnRegressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColumnRegressor")
            .field("features", &self.0.columns.len())
            .field("sha256", &self.0.sha256)
            .finish_non_exhaustive()
    }
}
