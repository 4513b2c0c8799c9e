//! The attributes of a node, checked.

use tract_onnx::pb::{AttributeProto, NodeProto, TensorProto, tensor_proto::DataType};

use super::NodeError;

/// The attributes of a node. Absent lists are empty; a value of another type than the
/// specification's is an error.
pub(super) struct Attributes<'a>(&'a NodeProto);

/// `AttributeProto.AttributeType`.
#[derive(Clone, Copy)]
enum AttributeType {
    Float = 1,
    Int = 2,
    Text = 3,
    Tensor = 4,
    Floats = 6,
    Ints = 7,
    Texts = 8,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(node: &'a NodeProto) -> Attributes<'a> {
        Attributes(node)
    }

    fn find(
        &self,
        name: &str,
        kind: AttributeType,
    ) -> Result<Option<&'a AttributeProto>, NodeError> {
        let Some(found) = self.0.attribute.iter().find(|attribute| attribute.name == name) else {
            return Ok(None);
        };
        // The oldest files omit the type.
        if found.r#type != 0 && found.r#type != kind as i32 {
            return Err(NodeError::damaged(format!("its attribute `{name}` has another type")));
        }
        Ok(Some(found))
    }

    pub(super) fn int(&self, name: &str, default: i64) -> Result<i64, NodeError> {
        Ok(self.find(name, AttributeType::Int)?.map_or(default, |found| found.i))
    }

    pub(super) fn float(&self, name: &str, default: f32) -> Result<f32, NodeError> {
        Ok(self.find(name, AttributeType::Float)?.map_or(default, |found| found.f))
    }

    pub(super) fn text(&self, name: &str, default: &'a str) -> Result<&'a str, NodeError> {
        self.find(name, AttributeType::Text)?.map_or(Ok(default), |found| text(name, &found.s))
    }

    pub(super) fn ints(&self, name: &str) -> Result<&'a [i64], NodeError> {
        Ok(self.find(name, AttributeType::Ints)?.map_or(&[], |found| &found.ints))
    }

    pub(super) fn floats(&self, name: &str) -> Result<&'a [f32], NodeError> {
        Ok(self.find(name, AttributeType::Floats)?.map_or(&[], |found| &found.floats))
    }

    pub(super) fn texts(&self, name: &str) -> Result<Vec<&'a str>, NodeError> {
        let found = self.find(name, AttributeType::Texts)?;
        let texts = found.map_or(&[][..], |found| &found.strings);
        texts.iter().map(|bytes| text(name, bytes)).collect()
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<Values>, NodeError> {
        match self.find(name, AttributeType::Tensor)?.map(|found| found.t.as_ref()) {
            None => Ok(None),
            Some(Some(tensor)) => values(name, tensor).map(Some),
            Some(None) => {
                Err(NodeError::damaged(format!("its attribute `{name}` holds no tensor")))
            }
        }
    }

    /// Numbers given as floats, or as a tensor under `name_as_tensor`.
    pub(super) fn numbers(&self, name: &str) -> Result<Vec<f64>, NodeError> {
        match self.tensor(&format!("{name}_as_tensor"))? {
            Some(values) => values.floats(name),
            None => Ok(self.floats(name)?.iter().copied().map(f64::from).collect()),
        }
    }
}

fn text<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, NodeError> {
    std::str::from_utf8(bytes)
        .map_err(|_| NodeError::damaged(format!("its attribute `{name}` is not UTF-8")))
}

/// The elements of a tensor.
#[derive(Clone, Debug)]
pub(super) enum Values {
    F32(Vec<f32>),
    F64(Vec<f64>),
    I64(Vec<i64>),
    I32(Vec<i32>),
    I16(Vec<i16>),
    U8(Vec<u8>),
    Texts(Vec<String>),
}

impl Values {
    pub(super) fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::F64(values) => values.len(),
            Values::I64(values) => values.len(),
            Values::I32(values) => values.len(),
            Values::I16(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::Texts(values) => values.len(),
        }
    }

    /// The elements, if they are 64-bit integers.
    pub(super) fn ints(self) -> Option<Box<[i64]>> {
        match self {
            Values::I64(values) => Some(values.into()),
            _ => None,
        }
    }

    /// The elements, if they are floats.
    pub(super) fn floats(self, name: &str) -> Result<Vec<f64>, NodeError> {
        match self {
            Values::F32(values) => Ok(values.into_iter().map(f64::from).collect()),
            Values::F64(values) => Ok(values),
            _ => Err(NodeError::damaged(format!("its attribute `{name}` holds no floats"))),
        }
    }
}

/// The elements of a tensor of this name.
pub(super) fn values(name: &str, tensor: &TensorProto) -> Result<Values, NodeError> {
    let damaged = |what: &str| NodeError::damaged(format!("its attribute `{name}` {what}"));
    if !tensor.external_data.is_empty() {
        return Err(damaged("keeps its values in another file"));
    }
    let raw = &tensor.raw_data[..];
    macro_rules! numbers {
        ($variant:ident, $type:ty, $field:ident) => {{
            let (chunks, rest) = raw.as_chunks::<{ size_of::<$type>() }>();
            if !rest.is_empty() {
                return Err(damaged("is cut short"));
            }
            Values::$variant(if raw.is_empty() {
                // Small types are stored in the field of a larger one.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                tensor.$field.iter().map(|value| *value as $type).collect()
            } else {
                chunks.iter().map(|bytes| <$type>::from_le_bytes(*bytes)).collect()
            })
        }};
    }
    let values = match DataType::try_from(tensor.data_type) {
        Ok(DataType::Float) => numbers!(F32, f32, float_data),
        Ok(DataType::Double) => numbers!(F64, f64, double_data),
        Ok(DataType::Int64) => numbers!(I64, i64, int64_data),
        Ok(DataType::Int32) => numbers!(I32, i32, int32_data),
        Ok(DataType::Int16) => numbers!(I16, i16, int32_data),
        Ok(DataType::Uint8) => numbers!(U8, u8, int32_data),
        Ok(DataType::String) => Values::Texts(
            tensor
                .string_data
                .iter()
                .map(|bytes| text(name, bytes).map(str::to_owned))
                .collect::<Result<_, _>>()?,
        ),
        _ => {
            return Err(NodeError::Unsupported(
                "an attribute has an element type that is not read",
            ));
        }
    };
    Ok(values)
}
