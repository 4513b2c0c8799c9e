//! One feature of a table: which values it may hold, and how they are written into its input.

use crate::{
    features::{FeatureValue, Quoted},
    onnx::{
        NonFiniteInput,
        sidecar::{Feature, FeatureType},
    },
    tensor::{Data, Dtype, F16},
};

/// One feature of a table.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: Box<str>,
    dtype: Dtype,
    kind: FeatureType,
    range: Option<(f32, f32)>,
    values: Vec<Box<str>>,
    pub(super) optional: bool,
    non_finite: NonFiniteInput,
}

/// 2^53: beyond it not every whole number is exact in a [`FeatureValue::Number`], which is an `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl Column {
    /// A column of which only the type is known.
    pub(super) fn plain(name: Box<str>, dtype: Dtype, non_finite: NonFiniteInput) -> Column {
        let kind = match dtype {
            Dtype::F32 | Dtype::F64 | Dtype::F16 => FeatureType::Number,
            Dtype::I64
            | Dtype::I32
            | Dtype::I16
            | Dtype::I8
            | Dtype::U64
            | Dtype::U32
            | Dtype::U16
            | Dtype::U8 => FeatureType::Integer,
            Dtype::Bool => FeatureType::Boolean,
            Dtype::Text => FeatureType::Text,
        };
        Column { name, dtype, kind, range: None, values: Vec::new(), optional: false, non_finite }
    }

    /// The same column as a sidecar describes it. The error holds the field, what was found there
    /// and what was expected.
    pub(super) fn described(
        self,
        feature: Feature,
    ) -> Result<Column, (&'static str, String, String)> {
        let text = self.dtype == Dtype::Text;
        let float = matches!(self.dtype, Dtype::F32 | Dtype::F64 | Dtype::F16);
        let kind = match (feature.r#type, self.kind) {
            (None, own) => own,
            (Some(stated), own) if stated == own => own,
            (Some(stated @ (FeatureType::Integer | FeatureType::Boolean)), FeatureType::Number) => {
                stated
            }
            (Some(FeatureType::Boolean), FeatureType::Integer) => FeatureType::Boolean,
            (Some(stated), _) => {
                let expected = format!("a type that fits an input of {}", self.dtype);
                return Err(("type", stated.to_string(), expected));
            }
        };
        if feature.optional && !float {
            let expected = format!("false, as {} has no value for a missing one", self.dtype);
            return Err(("optional", "true".to_owned(), expected));
        }
        if !feature.values.is_empty() && !text {
            return Err(("values", "a list".to_owned(), "none but for texts".to_owned()));
        }
        if let Some((low, high)) = feature.range
            && (text || low.is_nan() || high.is_nan() || low > high)
        {
            let expected = "a range that holds a number, of a feature that is one".to_owned();
            return Err(("range", format!("[{low}, {high}]"), expected));
        }
        if let (Some((low, high)), FeatureType::Integer) = (feature.range, kind)
            && low.ceil() > high
        {
            let expected = "a range that holds a whole number".to_owned();
            return Err(("range", format!("[{low}, {high}]"), expected));
        }
        let Feature { name, range, values, optional, .. } = feature;
        Ok(Column { name, kind, range, values, optional, ..self })
    }

    /// Whether the value may go to the model; the error is what was expected.
    pub(super) fn check(&self, value: &FeatureValue) -> Result<(), String> {
        let fits = match (value, self.kind) {
            (FeatureValue::Null, _) => self.optional,
            (FeatureValue::Text(text), FeatureType::Text) => {
                self.values.is_empty() || self.values.contains(text)
            }
            (_, FeatureType::Text) => false,
            (FeatureValue::Bool(_), FeatureType::Boolean) => true,
            (FeatureValue::Number(number), _) => return self.check_number(*number),
            _ => false,
        };
        if fits { Ok(()) } else { Err(self.expectation()) }
    }

    fn check_number(&self, number: f64) -> Result<(), String> {
        let float = matches!(self.dtype, Dtype::F32 | Dtype::F64 | Dtype::F16);
        if !number.is_finite() {
            let missing = number.is_nan() && self.optional;
            let allowed = missing || self.non_finite.allows(&[number], f64::is_finite, f64::is_nan);
            return if float && allowed { Ok(()) } else { Err("a finite number".to_owned()) };
        }
        let (low, high) = match self.dtype {
            Dtype::F32 => (f64::from(f32::MIN), f64::from(f32::MAX)),
            Dtype::I64 => (-EXACT, EXACT),
            Dtype::I32 => (f64::from(i32::MIN), f64::from(i32::MAX)),
            // The largest finite 16-bit float.
            Dtype::F16 => (-65_504.0, 65_504.0),
            Dtype::I16 => (f64::from(i16::MIN), f64::from(i16::MAX)),
            Dtype::I8 => (f64::from(i8::MIN), f64::from(i8::MAX)),
            Dtype::U64 => (0.0, EXACT),
            Dtype::U32 => (0.0, f64::from(u32::MAX)),
            Dtype::U16 => (0.0, f64::from(u16::MAX)),
            Dtype::U8 => (0.0, 255.0),
            _ => (f64::MIN, f64::MAX),
        };
        if number < low || number > high {
            return Err(format!("a number from {low} to {high}"));
        }
        let of_kind = match self.kind {
            FeatureType::Number => true,
            FeatureType::Integer => number.fract() == 0.0,
            FeatureType::Boolean => number == 0.0 || number == 1.0,
            FeatureType::Text => false,
        };
        let in_range =
            self.range.is_none_or(|(low, high)| f64::from(low) <= number && number <= high.into());
        if of_kind && in_range { Ok(()) } else { Err(self.expectation()) }
    }

    pub(super) fn expectation(&self) -> String {
        let kind = match self.kind {
            FeatureType::Number => "a number",
            FeatureType::Integer => "a whole number",
            FeatureType::Boolean => "a boolean",
            FeatureType::Text => "a text",
        };
        match (self.range, &self.values[..]) {
            (Some((low, high)), _) => format!("{kind} from {low} to {high}"),
            (None, []) => kind.to_owned(),
            (None, values) => {
                const SHOWN: usize = 8;
                let shown: Vec<String> =
                    values.iter().take(SHOWN).map(|value| Quoted(value).to_string()).collect();
                let more = if values.len() > SHOWN { ", ..." } else { "" };
                format!("one of {}{more}", shown.join(", "))
            }
        }
    }

    /// A value that passes its own check, for a first row.
    pub(super) fn example(&self) -> FeatureValue {
        match (self.kind, self.values.first(), self.range) {
            (FeatureType::Text, Some(value), _) => FeatureValue::Text(value.clone()),
            (FeatureType::Text, None, _) => FeatureValue::Text("".into()),
            (FeatureType::Integer | FeatureType::Boolean, _, Some(range)) => {
                FeatureValue::Number(whole(0.0, range))
            }
            (_, _, Some((low, high))) => FeatureValue::Number(0.0_f32.clamp(low, high).into()),
            _ => FeatureValue::Number(0.0),
        }
    }

    /// A random value that passes its own check; `share` draws uniformly from 0 to 1.
    #[cfg(all(feature = "onnx", feature = "ort"))]
    pub(super) fn random(&self, share: &mut dyn FnMut() -> f64) -> FeatureValue {
        const LETTERS: &[u8] = b"eeetttaaooiinnsshrdlu  .,;!?-ABC012\n";
        if self.optional && share() < 0.1 {
            return FeatureValue::Null;
        }
        let place = |share: f64, count: usize| ((share * count as f64) as usize).min(count - 1);
        let integer = !matches!(self.dtype, Dtype::F32 | Dtype::F64 | Dtype::F16);
        let (low, high) = match (self.range, integer) {
            (Some((low, high)), _) => (f64::from(low), f64::from(high)),
            (None, true) => (0.0, 10.0),
            (None, false) => (-100.0, 100.0),
        };
        let number = low + share() * (high - low);
        match self.kind {
            FeatureType::Text if !self.values.is_empty() => {
                let at = place(share(), self.values.len());
                self.values.get(at).map_or(FeatureValue::Null, |v| FeatureValue::Text(v.clone()))
            }
            FeatureType::Text => {
                let length = place(share(), 80);
                let letter = |at: usize| LETTERS.get(at).copied().map_or('e', char::from);
                let text: String =
                    (0..length).map(|_| letter(place(share(), LETTERS.len()))).collect();
                FeatureValue::Text(text.into())
            }
            FeatureType::Boolean => {
                let drawn = f64::from(u8::from(share() < 0.5));
                FeatureValue::Number(self.range.map_or(drawn, |range| whole(drawn, range)))
            }
            FeatureType::Integer => {
                FeatureValue::Number(whole(number, self.range.unwrap_or((0.0, 10.0))))
            }
            // Rounded to the precision that a 32-bit input has.
            FeatureType::Number => FeatureValue::Number(f64::from(number as f32).clamp(low, high)),
        }
    }

    /// Appends a checked value to its input's data.
    // The check has made sure that it is whole and within the type.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(super) fn push(&self, value: &FeatureValue, into: &mut Data) {
        let number = match value {
            FeatureValue::Number(number) => *number,
            FeatureValue::Bool(value) => f64::from(u8::from(*value)),
            _ => f64::NAN,
        };
        match into {
            Data::F32(values) => values.push(number as f32),
            Data::F64(values) => values.push(number),
            Data::I64(values) => values.push(number as i64),
            Data::I32(values) => values.push(number as i32),
            Data::F16(values) => values.push(F16::from_f32(number as f32)),
            Data::I16(values) => values.push(number as i16),
            Data::I8(values) => values.push(number as i8),
            Data::U64(values) => values.push(number as u64),
            Data::U32(values) => values.push(number as u32),
            Data::U16(values) => values.push(number as u16),
            Data::U8(values) => values.push(number as u8),
            Data::Bool(values) => values.push(number == 1.0),
            Data::Text(values) => values.push(match value {
                FeatureValue::Text(text) => text.clone(),
                _ => "".into(),
            }),
        }
    }
}

/// The whole number of a range that is nearest to this one; where the range holds none, the one
/// above its lower end.
fn whole(number: f64, (low, high): (f32, f32)) -> f64 {
    let (low, high) = (f64::from(low).ceil(), f64::from(high).floor());
    number.round().clamp(low, high.max(low))
}

/// Empty data of a type, with room for so many elements.
pub(super) fn with_capacity(dtype: Dtype, count: usize) -> Data {
    match dtype {
        Dtype::F32 => Data::F32(Vec::with_capacity(count)),
        Dtype::F64 => Data::F64(Vec::with_capacity(count)),
        Dtype::I64 => Data::I64(Vec::with_capacity(count)),
        Dtype::I32 => Data::I32(Vec::with_capacity(count)),
        Dtype::F16 => Data::F16(Vec::with_capacity(count)),
        Dtype::I16 => Data::I16(Vec::with_capacity(count)),
        Dtype::I8 => Data::I8(Vec::with_capacity(count)),
        Dtype::U64 => Data::U64(Vec::with_capacity(count)),
        Dtype::U32 => Data::U32(Vec::with_capacity(count)),
        Dtype::U16 => Data::U16(Vec::with_capacity(count)),
        Dtype::U8 => Data::U8(Vec::with_capacity(count)),
        Dtype::Bool => Data::Bool(Vec::with_capacity(count)),
        Dtype::Text => Data::Text(Vec::with_capacity(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_example_passes_the_check_of_its_own_column() {
        for (dtype, feature) in [
            (Dtype::I64, r#"{"name": "rooms", "type": "integer", "range": [0.5, 3.2]}"#),
            (Dtype::F32, r#"{"name": "rooms", "type": "integer", "range": [-3.5, -0.5]}"#),
            (Dtype::F32, r#"{"name": "member", "type": "boolean", "range": [0.2, 1]}"#),
            (Dtype::F32, r#"{"name": "price", "range": [0.25, 0.75]}"#),
        ] {
            let plain = Column::plain("it".into(), dtype, NonFiniteInput::Refused);
            let column = plain.described(serde_json::from_str(feature).unwrap()).unwrap();
            assert_eq!(column.check(&column.example()), Ok(()), "{feature}");
            #[cfg(all(feature = "onnx", feature = "ort"))]
            for draw in 0..10 {
                let random = column.random(&mut || f64::from(draw) / 10.0);
                assert_eq!(column.check(&random), Ok(()), "{feature}");
            }
        }
    }
}
