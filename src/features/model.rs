//! A model of rows, behind a schema.

use smallvec::SmallVec;

use super::{Features, Schema, schema::UNSET};
use crate::{Model, ModelError};

/// A model that reads rows, behind a [`Schema`]: it takes [`Features`]. Made by [`Schema::model`].
///
/// ```
/// use modelgate::{Features, Model, features::Schema, model_fn};
///
/// let ratio = model_fn(|row: &[f32]| Ok(row[0] / row[1]));
/// let model = Schema::new(["debt", "income"])?.model(ratio);
/// let features = Features::named([("income", 4.0), ("debt", 1.0)]);
/// assert_eq!(model.predict(&features)?, 0.25);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct SchemaModel<M> {
    schema: Schema,
    model: M,
}

impl<M> SchemaModel<M> {
    /// This model, behind this schema.
    pub fn new(schema: Schema, model: M) -> SchemaModel<M> {
        SchemaModel { schema, model }
    }

    /// The schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The model behind it.
    pub fn model(&self) -> &M {
        &self.model
    }
}

#[cfg(any(feature = "onnx", feature = "ort"))]
impl Schema {
    /// [`model`](Self::model) for an ONNX model, whose width is known and checked.
    ///
    /// # Errors
    ///
    /// When the schema has not as many features as the model's rows have values.
    pub fn onnx_model(
        self,
        model: crate::onnx::Classifier,
    ) -> Result<SchemaModel<crate::onnx::Classifier>, super::SchemaError> {
        if self.len() == model.input_len() {
            return Ok(self.model(model));
        }
        Err(super::SchemaError::new(
            "names",
            self.len(),
            format_args!("{}, as the model's rows have", model.input_len()),
        ))
    }
}

impl<P, M: Model<[f32], P>> Model<Features, P> for SchemaModel<M> {
    fn predict(&self, features: &Features) -> Result<P, ModelError> {
        // Rows of ordinary width stay on the stack.
        let mut row: SmallVec<[f32; 128]> = SmallVec::from_elem(UNSET, self.schema.len());
        self.schema.fill(features, &mut row)?;
        self.model.predict(&row)
    }

    fn predict_batch(&self, rows: &[&Features]) -> Vec<Result<P, ModelError>> {
        let width = self.schema.len();
        let mut values = vec![UNSET; rows.len().saturating_mul(width)];
        let read: Vec<Result<(), ModelError>> = rows
            .iter()
            .zip(values.chunks_mut(width.max(1)))
            .map(|(features, row)| self.schema.fill(features, row))
            .collect();
        let good: Vec<&[f32]> = values
            .chunks(width.max(1))
            .zip(&read)
            .filter_map(|(row, read)| read.is_ok().then_some(row))
            .collect();
        // Asked about no row at all a model may panic, for what was its callers' mistake.
        let mut answers = match good.is_empty() {
            true => Vec::new(),
            false => self.model.predict_batch(&good),
        };
        if answers.len() != good.len() {
            // Nobody can say which answer is whose.
            answers = good.iter().map(|row| self.model.predict(row)).collect();
        }
        let mut answers = answers.into_iter();
        let lost = || Err(ModelError::new("the answer was lost"));
        let mut answer = |()| answers.next().unwrap_or_else(lost);
        read.into_iter().map(|read| read.and_then(&mut answer)).collect()
    }
}
