//! What a classifier answers.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::{
    compare::{HasLabel, HasProbabilities, Numeric},
    value::Value,
};

/// A classifier's answer: the class it chose and the probability of each class.
///
/// As JSON: `{"label": 3, "probabilities": [0.01, ...]}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Classification {
    /// The class chosen.
    pub label: Label,
    /// The probability of each class, in the model's order of classes.
    pub probabilities: Vec<f32>,
}

/// The name of a class.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Label {
    /// A class known by a number.
    Int(i64),
    /// A class known by a name.
    Text(Box<str>),
}

impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
        // Not derived: trying one form after the other cannot read the numbers of
        // `serde_json/arbitrary_precision`.
        match Value::deserialize(deserializer)? {
            Value::Int(class) => Ok(Label::Int(class)),
            Value::Text(class) => Ok(Label::Text(class)),
            other => Err(D::Error::custom(format!(
                "found {}, expected the number or the name of a class",
                other.type_name()
            ))),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Label::Int(number) => fmt::Display::fmt(number, f),
            Label::Text(name) => f.write_str(name),
        }
    }
}

impl From<i64> for Label {
    fn from(number: i64) -> Label {
        Label::Int(number)
    }
}

impl From<&str> for Label {
    fn from(name: &str) -> Label {
        Label::Text(name.into())
    }
}

impl Classification {
    /// The probability of one class, by its name; `classes` are the model's, in the order of the
    /// probabilities (`onnx::Classifier::class_labels`). `None` when there is no such class.
    ///
    /// ```
    /// use modelgate::{Classification, model::Label};
    ///
    /// let classes = ["ham", "spam"].map(Label::from);
    /// let scores = Classification { label: Label::from("spam"), probabilities: vec![0.2, 0.8] };
    /// assert_eq!(scores.probability_of(&Label::from("ham"), &classes), Some(0.2));
    /// assert_eq!(scores.probability_of(&Label::from("eggs"), &classes), None);
    /// ```
    pub fn probability_of(&self, class: &Label, classes: &[Label]) -> Option<f32> {
        let place = classes.iter().position(|known| known == class)?;
        self.probabilities.get(place).copied()
    }

    /// A comparison for golden rows: the same label, and no probability further than `tolerance`
    /// from the expected one. The error says what differs.
    ///
    /// ```
    /// use modelgate::{Classification, model::Label};
    ///
    /// let expected = Classification { label: Label::Int(1), probabilities: vec![0.2, 0.8] };
    /// let found = Classification { label: Label::Int(1), probabilities: vec![0.3, 0.7] };
    /// let compare = Classification::within(1e-5);
    /// assert_eq!(compare(&expected, &expected), Ok(()));
    /// assert_eq!(
    ///     compare(&expected, &found).unwrap_err(),
    ///     "probabilities[0]: found 0.3, expected 0.2 within 0.00001",
    /// );
    /// ```
    pub fn within(
        tolerance: f32,
    ) -> impl Fn(&Classification, &Classification) -> Result<(), String> + Send + Sync + Clone + 'static
    {
        move |expected, found| {
            if expected.label != found.label {
                return Err(format!("label: found {}, expected {}", found.label, expected.label));
            }
            let (wanted, got) = (&expected.probabilities, &found.probabilities);
            if wanted.len() != got.len() {
                return Err(format!(
                    "probabilities: found {} values, expected {} values",
                    got.len(),
                    wanted.len()
                ));
            }
            for (index, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                let near = (wanted - got).abs() <= tolerance;
                if !near {
                    return Err(format!(
                        "probabilities[{index}]: found {got}, expected {wanted} within {tolerance}"
                    ));
                }
            }
            Ok(())
        }
    }
}

impl HasLabel for Classification {
    type Label = Label;
    fn label(&self) -> &Label {
        &self.label
    }
}

impl HasProbabilities for Classification {
    fn probabilities(&self) -> &[f32] {
        &self.probabilities
    }
}

/// The scores of an answer are its probabilities.
impl Numeric for Classification {
    fn score(&self, index: usize) -> Option<f64> {
        self.probabilities.get(index).copied().map(f64::from)
    }
}

/// The place of the largest value; the first of equals, as scikit-learn has it. A NaN never wins.
#[cfg_attr(not(any(feature = "onnx", feature = "ort")), allow(dead_code))]
pub(crate) fn argmax(values: &[f32]) -> Option<usize> {
    let mut best: Option<(usize, f32)> = None;
    for (index, value) in values.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|(_, largest)| *value > largest) {
            best = Some((index, *value));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_number_or_a_name_in_json() {
        let scores = Classification { label: Label::Int(3), probabilities: vec![0.5] };
        let json = serde_json::to_string(&scores).unwrap();
        assert_eq!(json, r#"{"label":3,"probabilities":[0.5]}"#);
        assert_eq!(serde_json::from_str::<Classification>(&json).unwrap(), scores);
        assert_eq!(serde_json::to_string(&Label::from("cat")).unwrap(), r#""cat""#);
    }

    #[test]
    fn a_probability_that_is_not_a_number_is_never_near() {
        let nan = Classification { label: Label::Int(0), probabilities: vec![f32::NAN] };
        assert!(Classification::within(1.0)(&nan, &nan).is_err());
    }

    #[test]
    fn the_first_of_equal_probabilities_wins_and_nan_never_does() {
        assert_eq!(argmax(&[0.5, 0.5]), Some(0));
        assert_eq!(argmax(&[f32::NAN, 0.1, 0.9]), Some(2));
        assert_eq!(argmax(&[f32::NAN]), None);
    }
}
