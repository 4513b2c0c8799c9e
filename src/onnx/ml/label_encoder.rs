//! `LabelEncoder`: each element replaced by the value of its key. `CategoryMapper`: the same between
//! texts and integers, either way.

use std::{collections::HashMap, hash::Hash, mem};

use tract_onnx::{
    pb::NodeProto,
    tract_hir::internal::{DatumType, IntoTValue, TValue, TVec, Tensor, TractResult, bail, tvec},
};

use super::{
    NodeError,
    attributes::{Attributes, Values},
    operator::{Fact, FromNode, Operator, input},
    rows,
};

#[derive(Debug)]
pub(super) struct LabelEncoder {
    keys: Keys,
    values: Values,
    /// What an unknown element becomes: one element of the type of the values.
    default: Values,
    /// The way back, of [`CategoryMapper`] and of the first version of the operator: the type of the
    /// input says which way.
    back: Option<Box<LabelEncoder>>,
}

/// The place of each key. The specification does not say which counts of a key that is given twice;
/// as in ONNX Runtime it is the first, but the last in an encoder of [two ways](LabelEncoder::both_ways).
#[derive(Debug)]
enum Keys {
    Texts(HashMap<Box<str>, usize>),
    Ints(HashMap<i64, usize>),
    /// By [`bits`].
    Floats(HashMap<u64, usize>),
}

/// Floats that count as one key have the same bits: any NaN, and zeros of either sign.
fn bits(value: f64) -> u64 {
    match value {
        value if value.is_nan() => f64::NAN.to_bits(),
        0.0 => 0,
        value => value.to_bits(),
    }
}

impl Keys {
    fn new(values: Values) -> Keys {
        fn first<K: Eq + Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
            let mut places = HashMap::new();
            for (place, key) in keys.enumerate() {
                places.entry(key).or_insert(place);
            }
            places
        }
        match values {
            Values::Texts(texts) => Keys::Texts(first(texts.into_iter().map(Box::from))),
            Values::I64(ints) => Keys::Ints(first(ints.into_iter())),
            Values::I32(ints) => Keys::Ints(first(ints.into_iter().map(i64::from))),
            Values::I16(ints) => Keys::Ints(first(ints.into_iter().map(i64::from))),
            Values::U8(ints) => Keys::Ints(first(ints.into_iter().map(i64::from))),
            Values::F32(floats) => {
                Keys::Floats(first(floats.into_iter().map(|key| bits(f64::from(key)))))
            }
            Values::F64(floats) => Keys::Floats(first(floats.into_iter().map(bits))),
        }
    }
}

/// The one of these attributes that is there.
fn one_of(attributes: &Attributes<'_>, kind: &str) -> Result<Option<Values>, NodeError> {
    let texts = attributes.texts(&format!("{kind}_strings"))?;
    let ints = attributes.ints(&format!("{kind}_int64s"))?;
    let floats = attributes.floats(&format!("{kind}_floats"))?;
    let tensor = attributes.tensor(&format!("{kind}_tensor"))?;
    match (texts.is_empty(), ints, floats, tensor) {
        (true, [], [], tensor) => Ok(tensor),
        (false, [], [], None) => {
            Ok(Some(Values::Texts(texts.into_iter().map(str::to_owned).collect())))
        }
        (true, ints, [], None) => Ok(Some(Values::I64(ints.to_vec()))),
        (true, [], floats, None) => Ok(Some(Values::F32(floats.to_vec()))),
        _ => Err(NodeError::damaged(format!("found several of its `{kind}_..` lists"))),
    }
}

impl FromNode for LabelEncoder {
    fn from_node(node: &NodeProto) -> Result<LabelEncoder, NodeError> {
        let attributes = Attributes::of(node);
        let (keys, values) = match (one_of(&attributes, "keys")?, one_of(&attributes, "values")?) {
            (Some(keys), Some(values)) => (keys, values),
            (None, None) => return LabelEncoder::of_classes(&attributes),
            _ => {
                return Err(NodeError::damaged(
                    "found keys without values, or values without keys",
                ));
            }
        };
        let (count, length) = (keys.len(), values.len());
        if count != length {
            return Err(NodeError::damaged(format!("found {count} keys and {length} values")));
        }
        let default = default(&attributes, &values)?;
        Ok(LabelEncoder { keys: Keys::new(keys), values, default, back: None })
    }
}

/// What an unknown element becomes.
fn default(attributes: &Attributes<'_>, values: &Values) -> Result<Values, NodeError> {
    let int = || attributes.int("default_int64", -1);
    let float = || attributes.float("default_float", -0.0);
    let tensor = attributes.tensor("default_tensor")?;
    let default = match (values, tensor) {
        (Values::Texts(_), None) => {
            Values::Texts(vec![attributes.text("default_string", "_Unused")?.to_owned()])
        }
        (Values::I64(_), None) => Values::I64(vec![int()?]),
        (Values::I32(_), None) => Values::I32(vec![-1]),
        (Values::I16(_), None) => Values::I16(vec![-1]),
        (Values::F32(_), None) => Values::F32(vec![float()?]),
        (Values::F64(_), None) => Values::F64(vec![-0.0]),
        (Values::U8(_), _) => return Err(NodeError::damaged("found values of 8-bit integers")),
        (_, Some(tensor)) => tensor,
    };
    if mem::discriminant(values) != mem::discriminant(&default) {
        return Err(NodeError::damaged("its `default_tensor` has another type than its values"));
    }
    match default.len() {
        1 => Ok(default),
        count => Err(NodeError::damaged(format!("found {count} values in its `default_tensor`"))),
    }
}

impl LabelEncoder {
    /// The first version of the operator: texts and the numbers of their places.
    fn of_classes(attributes: &Attributes<'_>) -> Result<LabelEncoder, NodeError> {
        let classes = attributes.texts("classes_strings")?;
        if classes.is_empty() {
            return Err(NodeError::damaged("found no keys"));
        }
        let count = i64::try_from(classes.len()).unwrap_or(i64::MAX);
        LabelEncoder::both_ways(attributes, &classes, (0..count).collect())
    }

    /// From texts to integers, or from integers to texts. There are as many of the one as of the other.
    fn both_ways(
        attributes: &Attributes<'_>,
        texts: &[&str],
        ints: Vec<i64>,
    ) -> Result<LabelEncoder, NodeError> {
        let back = LabelEncoder {
            keys: Keys::Ints(ints.iter().copied().zip(0..).collect()),
            values: Values::Texts(texts.iter().map(|text| (*text).to_owned()).collect()),
            default: Values::Texts(vec![attributes.text("default_string", "_Unused")?.to_owned()]),
            back: None,
        };
        Ok(LabelEncoder {
            keys: Keys::Texts(texts.iter().copied().map(Box::from).zip(0..).collect()),
            values: Values::I64(ints),
            default: Values::I64(vec![attributes.int("default_int64", -1)?]),
            back: Some(Box::new(back)),
        })
    }

    /// The direction that takes this type.
    fn for_type(&self, dtype: DatumType) -> TractResult<&LabelEncoder> {
        match &self.back {
            _ if self.takes(dtype) => Ok(self),
            Some(back) if back.takes(dtype) => Ok(back),
            _ => bail!("found {dtype:?}, expected the type of the keys"),
        }
    }

    fn dtype(&self) -> DatumType {
        match &self.values {
            Values::F32(_) => DatumType::F32,
            Values::F64(_) => DatumType::F64,
            Values::I64(_) => DatumType::I64,
            Values::I32(_) => DatumType::I32,
            Values::I16(_) => DatumType::I16,
            Values::U8(_) => DatumType::U8,
            Values::Texts(_) => DatumType::String,
        }
    }

    fn takes(&self, dtype: DatumType) -> bool {
        match &self.keys {
            Keys::Texts(_) => dtype == DatumType::String,
            Keys::Ints(_) => dtype.is_integer() || dtype == DatumType::TDim,
            Keys::Floats(_) => dtype.is_float(),
        }
    }

    fn encode(
        &self,
        shape: &[usize],
        places: impl Iterator<Item = Option<usize>>,
    ) -> TractResult<Tensor> {
        macro_rules! encode {
            ($values:expr, $default:expr) => {{
                let Some(default) = $default.first() else { bail!("there is no default") };
                let value = |place: Option<usize>| place.and_then(|place| $values.get(place));
                places.map(|place| value(place).unwrap_or(default).clone()).collect::<Vec<_>>()
            }};
        }
        match (&self.values, &self.default) {
            (Values::Texts(values), Values::Texts(default)) => {
                rows::text_tensor(shape, encode!(values, default))
            }
            (Values::F32(values), Values::F32(default)) => {
                Tensor::from_shape(shape, &encode!(values, default))
            }
            (Values::F64(values), Values::F64(default)) => {
                Tensor::from_shape(shape, &encode!(values, default))
            }
            (Values::I64(values), Values::I64(default)) => {
                Tensor::from_shape(shape, &encode!(values, default))
            }
            (Values::I32(values), Values::I32(default)) => {
                Tensor::from_shape(shape, &encode!(values, default))
            }
            (Values::I16(values), Values::I16(default)) => {
                Tensor::from_shape(shape, &encode!(values, default))
            }
            _ => bail!("the default has another type than the values"),
        }
    }
}

impl Operator for LabelEncoder {
    fn name(&self) -> &'static str {
        "LabelEncoder"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        let fact = input(inputs, 0)?;
        let dtype = self.for_type(fact.dtype)?.dtype();
        Ok(tvec!(Fact { dtype, shape: fact.shape.clone() }))
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        let input = input(inputs, 0)?;
        let encoder = self.for_type(input.datum_type())?;
        let shape = input.shape();
        let encoded = match &encoder.keys {
            Keys::Texts(keys) => {
                let texts = rows::texts(input)?.iter();
                encoder.encode(shape, texts.map(|text| keys.get(text.as_str()).copied()))
            }
            Keys::Ints(keys) => {
                let ints = rows::i64s(input)?;
                encoder.encode(shape, ints.iter().map(|key| keys.get(key).copied()))
            }
            Keys::Floats(keys) => {
                let floats = rows::f64s(input)?;
                encoder.encode(shape, floats.iter().map(|key| keys.get(&bits(*key)).copied()))
            }
        }?;
        Ok(tvec!(encoded.into_tvalue()))
    }
}

#[derive(Debug)]
pub(super) struct CategoryMapper(LabelEncoder);

impl FromNode for CategoryMapper {
    fn from_node(node: &NodeProto) -> Result<CategoryMapper, NodeError> {
        let attributes = Attributes::of(node);
        let (texts, ints) = (attributes.texts("cats_strings")?, attributes.ints("cats_int64s")?);
        if texts.is_empty() || texts.len() != ints.len() {
            return Err(NodeError::damaged(format!(
                "found {} `cats_strings` and {} `cats_int64s`, expected as many of the one as of the \
                 other",
                texts.len(),
                ints.len()
            )));
        }
        LabelEncoder::both_ways(&attributes, &texts, ints.to_vec()).map(CategoryMapper)
    }
}

impl Operator for CategoryMapper {
    fn name(&self) -> &'static str {
        "CategoryMapper"
    }

    fn outputs(&self, inputs: &[Fact]) -> TractResult<TVec<Fact>> {
        self.0.outputs(inputs)
    }

    fn run(&self, inputs: &[TValue]) -> TractResult<TVec<TValue>> {
        self.0.run(inputs)
    }
}
