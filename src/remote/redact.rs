//! Cleans a server's error messages of the features that they may quote.

use crate::tensor::{Data, Tensor};

/// The length, in characters, that messages are cut to.
pub(super) const LONGEST: usize = 512;

/// The first part of a message, on one line.
pub(super) fn bounded(said: &str) -> Box<str> {
    let mut text: String = said
        .chars()
        .take(LONGEST)
        .map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect();
    if said.chars().nth(LONGEST).is_some() {
        // Cut before a number, not inside it: half of one would not be recognised as a feature.
        while text.ends_with(is_of_number) {
            text.pop();
        }
        text.push('…');
    }
    text.into()
}

/// Removes features from a message, as servers often quote what they were sent: every number with a
/// fraction or an exponent, and every whole number that is among the features. If strings were sent,
/// the whole message is removed.
pub(super) fn without_features(said: &str, inputs: &[(Box<str>, Tensor)]) -> Box<str> {
    if inputs.iter().any(|(_, tensor)| matches!(tensor.data(), Data::Text(_))) {
        return "".into();
    }
    let mut kept = String::with_capacity(said.len());
    let mut rest = said;
    while let Some(start) = rest.find(is_of_number) {
        let (before, from) = rest.split_at(start);
        let (number, after) = from.split_at(from.find(|c| !is_of_number(c)).unwrap_or(from.len()));
        kept.push_str(before);
        rest = after;
        // The letters and signs of numbers occur in words too.
        let digits = number.chars().any(|letter| letter.is_ascii_digit());
        let plain = number.trim_end_matches('.');
        let shown = match plain.parse::<u64>() {
            _ if !digits => true,
            Ok(whole) => !is_sent(whole as f64, inputs),
            Err(_) => false,
        };
        kept.push_str(if shown { number } else { "#" });
    }
    kept.push_str(rest);
    kept.into()
}

fn is_of_number(letter: char) -> bool {
    letter.is_ascii_digit() || matches!(letter, '.' | '+' | '-' | 'e' | 'E')
}

fn is_sent(whole: f64, inputs: &[(Box<str>, Tensor)]) -> bool {
    inputs.iter().any(|(_, tensor)| match tensor.data() {
        Data::F32(values) => values.iter().any(|value| f64::from(*value) == whole),
        Data::F64(values) => values.contains(&whole),
        Data::I64(values) => values.iter().any(|value| *value as f64 == whole),
        Data::I32(values) => values.iter().any(|value| f64::from(*value) == whole),
        Data::F16(values) => values.iter().any(|value| f64::from(value.to_f32()) == whole),
        Data::U64(values) => values.iter().any(|value| *value as f64 == whole),
        Data::I16(values) => values.iter().any(|value| f64::from(*value) == whole),
        Data::I8(values) => values.iter().any(|value| f64::from(*value) == whole),
        Data::U32(values) => values.iter().any(|value| f64::from(*value) == whole),
        Data::U16(values) => values.iter().any(|value| f64::from(*value) == whole),
        Data::U8(values) => values.iter().any(|value| f64::from(*value) == whole),
        Data::Bool(_) | Data::Text(_) => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(data: impl Into<Data>) -> Vec<(Box<str>, Tensor)> {
        vec![("x".into(), Tensor::vector(data))]
    }

    #[test]
    fn numbers_that_may_be_features_are_not_repeated() {
        let sent = inputs(vec![51_234.0_f32, 7.25]);
        let said = "expected shape [1,64], got [51234, 7.25e0, -3.5] at line 8.";
        assert_eq!(
            &*without_features(said, &sent),
            "expected shape [1,64], got [#, #, #] at line 8."
        );
        let texts = inputs(vec![Box::<str>::from("Anna")]);
        assert_eq!(&*without_features("no user Anna", &texts), "");
    }

    #[test]
    fn words_with_letters_of_numbers_stay() {
        let sent = inputs(vec![1.0_f32]);
        assert_eq!(&*without_features("Error: see E-mail", &sent), "Error: see E-mail");
    }

    #[test]
    fn long_explanations_are_cut_before_a_number() {
        let said = format!("{}12345", "x".repeat(LONGEST - 2));
        assert_eq!(&*bounded(&said), format!("{}…", "x".repeat(LONGEST - 2)));
        assert_eq!(&*bounded("a\nb"), "a b");
    }
}
