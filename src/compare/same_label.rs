//! Comparing predicted classes.

use super::{Agreement, Comparator, measure};

/// A prediction that names a class.
pub trait HasLabel {
    /// The type by which a class is named.
    type Label: PartialEq + ?Sized;

    /// The class predicted.
    fn label(&self) -> &Self::Label;
}

macro_rules! is_its_own_label {
    ($($type:ty),*) => {
        $(impl HasLabel for $type {
            type Label = $type;
            fn label(&self) -> &$type {
                self
            }
        })*
    };
}
is_its_own_label!(bool, i32, i64, u32, u64, usize, str, String, &'static str);

/// Agrees when both answers name the same class. It measures no distance.
///
/// ```
/// use modelgate::compare::{Comparator, SameLabel};
///
/// assert_eq!(SameLabel.compare(&"fraud", &"fraud").agrees(), Some(true));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct SameLabel;

impl<P: HasLabel> Comparator<P> for SameLabel {
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        Agreement::of(measure::LABEL, primary.label() == candidate.label())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_agree_only_when_equal() {
        assert_eq!(SameLabel.compare(&3_i64, &3).agrees(), Some(true));
        assert_eq!(SameLabel.compare(&"a".to_owned(), &"b".to_owned()).agrees(), Some(false));
    }
}
