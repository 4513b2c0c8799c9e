//! What a model reads: its features by name, in its own order.

mod error;
mod field;

use std::ops::RangeInclusive;

use crate::hash::{NameSet, Names};

pub use self::error::SchemaError;
use self::field::{Field, FieldType};
use super::{
    Features, SchemaModel,
    value::{Name, Quoted},
};
use crate::ModelError;

/// What a model reads: the names of its features in its own order, what each may hold, and which
/// other names it ignores.
///
/// A map is put into the model's order whatever order its sender wrote it in. What does not fit is
/// refused by name: a feature that is missing, unknown, repeated, no number, not finite, beyond
/// `f32`, or outside its range.
///
/// ```
/// use modelgate::{Features, features::Schema};
///
/// let schema = Schema::new(["age", "income"])?
///     .range("age", 0.0..=150.0)?
///     .also_accept(["postcode"]); // another version reads it
///
/// let sent = Features::named([("income", 30_000.0), ("postcode", 8001.0), ("age", 200.0)]);
/// assert_eq!(
///     schema.row(&sent).unwrap_err().to_string(),
///     "features.age: found 200, expected a number from 0 to 150",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schema {
    fields: Box<[Field]>,
    places: Names<Box<str>, usize>,
    ignored: NameSet<Box<str>>,
    shape: Box<[usize]>,
}

impl Schema {
    /// The features of these names, in the model's order; each any finite number.
    ///
    /// # Errors
    ///
    /// When there is no name, or one is given twice.
    pub fn new<N: Into<Box<str>>>(
        names: impl IntoIterator<Item = N>,
    ) -> Result<Schema, SchemaError> {
        let fields: Box<[Field]> = names
            .into_iter()
            .map(|name| Field {
                name: name.into(),
                kind: FieldType::Number,
                range: None,
                optional: false,
            })
            .collect();
        if fields.is_empty() {
            return Err(SchemaError::new("names", "none", "at least one"));
        }
        let mut places = Names::default();
        for (place, field) in fields.iter().enumerate() {
            if places.insert(field.name.clone(), place).is_some() {
                return Err(SchemaError::new(
                    "names",
                    format_args!("{} twice", Quoted(&field.name)),
                    "each name once",
                ));
            }
        }
        let shape = Box::new([fields.len()]);
        Ok(Schema { fields, places, ignored: NameSet::default(), shape })
    }

    /// With this feature held to a range, both ends included.
    ///
    /// # Errors
    ///
    /// When there is no such feature, or the range is empty or not of numbers.
    pub fn range(mut self, name: &str, range: RangeInclusive<f32>) -> Result<Schema, SchemaError> {
        let (low, high) = range.into_inner();
        if low.is_nan() || high.is_nan() || low > high {
            return Err(SchemaError::new(
                format_args!("range of {}", Quoted(name)),
                format_args!("{low}..={high}"),
                "a range that holds a number",
            ));
        }
        self.field(name)?.range = Some((low, high));
        Ok(self)
    }

    /// With these features held to whole numbers.
    ///
    /// # Errors
    ///
    /// When there is no such feature.
    pub fn integers<'a>(
        self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Schema, SchemaError> {
        self.of_kind(names, FieldType::Integer)
    }

    /// With these features held to booleans: `true` and `false`, or 1 and 0.
    ///
    /// # Errors
    ///
    /// When there is no such feature.
    pub fn booleans<'a>(
        self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Schema, SchemaError> {
        self.of_kind(names, FieldType::Boolean)
    }

    /// With these features left out where a sender has none: absent, or `null`. The model then reads
    /// NaN, and must be one that knows what to do with it (for an `onnx::Classifier`:
    /// `NonFiniteInput::Missing`).
    ///
    /// # Errors
    ///
    /// When there is no such feature.
    pub fn optional<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Schema, SchemaError> {
        for name in names {
            self.field(name)?.optional = true;
        }
        Ok(self)
    }

    /// With these names accepted and ignored: other versions read them. Any other name that is not
    /// the model's is refused.
    #[must_use]
    pub fn also_accept<N: Into<Box<str>>>(mut self, names: impl IntoIterator<Item = N>) -> Schema {
        self.ignored.extend(names.into_iter().map(Into::into));
        self
    }

    /// With the row standing for an array of this shape, `[8, 8]` for an image of 64 pixels.
    ///
    /// # Errors
    ///
    /// When the shape has not as many places as there are features.
    pub fn shaped(mut self, shape: impl Into<Box<[usize]>>) -> Result<Schema, SchemaError> {
        let shape = shape.into();
        let product = shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if product != Some(self.fields.len()) {
            return Err(SchemaError::new(
                "shape",
                format_args!("{shape:?}"),
                format_args!("one of {} places", self.fields.len()),
            ));
        }
        self.shape = shape;
        Ok(self)
    }

    fn of_kind<'a>(
        mut self,
        names: impl IntoIterator<Item = &'a str>,
        kind: FieldType,
    ) -> Result<Schema, SchemaError> {
        for name in names {
            self.field(name)?.kind = kind;
        }
        Ok(self)
    }

    fn field(&mut self, name: &str) -> Result<&mut Field, SchemaError> {
        let place = self.places.get(name).copied();
        place
            .and_then(|place| self.fields.get_mut(place))
            .ok_or_else(|| SchemaError::new("feature", Quoted(name), "one of the schema's names"))
    }

    /// Whether a feature may be left out.
    #[cfg(any(feature = "onnx", feature = "ort"))]
    pub(crate) fn has_optional(&self) -> bool {
        self.fields.iter().any(|field| field.optional)
    }

    /// The number of features in a row.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Always false: a schema has at least one feature.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The shape that a row stands for: `[n]` unless [`shaped`](Self::shaped) said otherwise.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The names, in the model's order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.fields.iter().map(|field| &*field.name)
    }

    /// The row that these features make, in the model's order.
    ///
    /// # Errors
    ///
    /// [`ModelError::invalid_input`], naming the feature, what was found and what was expected.
    pub fn row(&self, features: &Features) -> Result<Vec<f32>, ModelError> {
        let mut row = Vec::new();
        self.row_into(features, &mut row)?;
        Ok(row)
    }

    /// [`row`](Self::row), into a vector that may already have the room; what it held is replaced.
    ///
    /// # Errors
    ///
    /// As [`row`](Self::row); the vector's contents are then of no meaning.
    pub fn row_into(&self, features: &Features, row: &mut Vec<f32>) -> Result<(), ModelError> {
        row.clear();
        row.resize(self.len(), UNSET);
        self.fill(features, row)
    }

    /// Fills a row of as many [`UNSET`] as there are features.
    pub(super) fn fill(&self, features: &Features, row: &mut [f32]) -> Result<(), ModelError> {
        if features.is_named() {
            self.fill_named(features, row)
        } else {
            self.fill_ordered(features, row)
        }
    }

    fn fill_ordered(&self, features: &Features, row: &mut [f32]) -> Result<(), ModelError> {
        if features.len() != self.len() {
            let values = if features.len() == 1 { "value" } else { "values" };
            return Err(ModelError::wrong_form(
                "features",
                format_args!("{} {values}", features.len()),
                format_args!("{} values", self.len()),
            ));
        }
        for (place, ((field, value), slot)) in
            self.fields.iter().zip(features.values()).zip(row).enumerate()
        {
            *slot = field.read(value).map_err(|expected| {
                let field = format_args!("features[{place}] ({})", field.name);
                ModelError::invalid_input(field, value, expected)
            })?;
        }
        Ok(())
    }

    fn fill_named(&self, features: &Features, row: &mut [f32]) -> Result<(), ModelError> {
        // A map in the model's own order is read without hashing: each name is looked for first
        // where it would then stand.
        let mut next = 0_usize;
        for (name, value) in features.entries() {
            let place = match self.fields.get(next) {
                Some(field) if *field.name == *name => Some(next),
                _ => self.places.get(name).copied(),
            };
            let Some((place, (field, slot))) = place
                .and_then(|place| Some((place, (self.fields.get(place)?, row.get_mut(place)?))))
            else {
                if self.ignored.contains(name) {
                    continue;
                }
                return Err(unknown(name));
            };
            if !slot.is_nan() {
                return Err(ModelError::wrong_form(Name(name), "a second value", "each name once"));
            }
            *slot = field
                .read(value)
                .map_err(|expected| ModelError::invalid_input(Name(name), value, expected))?;
            next = place.saturating_add(1);
        }
        let unset = |(value, field): (&f32, &Field)| value.is_nan() && !field.optional;
        match row.iter().zip(&self.fields).position(unset) {
            Some(place) => Err(self.missing(place)),
            None => Ok(()),
        }
    }

    #[cold]
    fn missing(&self, place: usize) -> ModelError {
        match self.fields.get(place) {
            Some(field) => {
                ModelError::wrong_form(Name(&field.name), "nothing", field.expectation())
            }
            None => ModelError::wrong_form("features", "nothing", "a value for every name"),
        }
    }

    /// A row that fits, from numbers between 0 and 1.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(crate) fn random_row(&self, share: &mut dyn FnMut() -> f64) -> Vec<f32> {
        let value = |field: &Field| {
            if field.optional && share() < 0.1 {
                return f32::NAN;
            }
            let (low, high) = field.range.unwrap_or((-100.0, 100.0));
            let (from, to) = (f64::from(low), f64::from(high));
            let value = from + share() * (to - from);
            match field.kind {
                FieldType::Number => (value as f32).clamp(low, high),
                FieldType::Boolean => f32::from(u8::from(share() < 0.5)),
                // Halves to the nearest; a range without a whole number has none to give.
                FieldType::Integer => {
                    (value.round() as f32).clamp(low.ceil(), high.floor().max(low.ceil()))
                }
            }
        };
        self.fields.iter().map(value).collect()
    }

    /// A model that reads rows, as a model that reads [`Features`].
    pub fn model<M>(self, model: M) -> SchemaModel<M> {
        SchemaModel::new(self, model)
    }
}

/// What stands in a row where no value was put yet: only a value that is left out is NaN.
pub(super) const UNSET: f32 = f32::NAN;

#[cold]
fn unknown(name: &str) -> ModelError {
    ModelError::unknown_name(Name(name), "only names of the schema")
}
