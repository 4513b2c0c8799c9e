//! Features as callers send them, and the [`Schema`] that puts them in a model's order.

mod model;
pub(crate) mod row;
mod schema;
mod serde;
mod value;

pub(crate) use self::row::Features;
#[cfg(any(feature = "onnx", feature = "ort"))]
pub(crate) use self::value::{Name, Quoted};
pub use self::{
    model::SchemaModel,
    schema::{Schema, SchemaError},
    value::FeatureValue,
};
