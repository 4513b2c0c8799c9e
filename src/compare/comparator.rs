//! The comparator trait.

use std::sync::Arc;

use super::Agreement;

/// Says whether a candidate's answer agrees with the primary's.
///
/// Called on the shadow side when both versions answered. A comparator that panics yields
/// [`Agreement::not_compared`], and the panic is counted.
///
/// Any closure of this form is a comparator; its argument types have to be written out:
///
/// ```
/// use modelgate::compare::{Agreement, Comparator};
///
/// let same_sign = |primary: &f64, candidate: &f64| -> Agreement {
///     Agreement::of("sign", (*primary < 0.0) == (*candidate < 0.0))
/// };
/// assert_eq!(same_sign.compare(&1.0, &-1.0).agrees(), Some(false));
/// ```
pub trait Comparator<P>: Send + Sync {
    /// Compares the two answers.
    fn compare(&self, primary: &P, candidate: &P) -> Agreement;
}

impl<P, F> Comparator<P> for F
where
    F: Fn(&P, &P) -> Agreement + Send + Sync,
{
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        self(primary, candidate)
    }
}

impl<P, C: Comparator<P> + ?Sized> Comparator<P> for Arc<C> {
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        (**self).compare(primary, candidate)
    }
}

// Not for every `Box<C>`: a box of a closure is a closure already.
impl<P> Comparator<P> for Box<dyn Comparator<P>> {
    fn compare(&self, primary: &P, candidate: &P) -> Agreement {
        (**self).compare(primary, candidate)
    }
}
