//! What a comparator finds.

use super::measure;

/// Whether two answers agree, and how far apart they are.
///
/// ```
/// use modelgate::compare::Agreement;
///
/// let agreement = Agreement::of("cents", false).with_distance(12.0);
/// assert_eq!(agreement.agrees(), Some(false));
/// assert_eq!(agreement.distance(), Some(12.0));
/// assert_eq!(Agreement::not_compared().agrees(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    agrees: Option<bool>,
    distance: Option<f64>,
    measure: &'static str,
}

impl Agreement {
    /// Whether the answers agree by this measure, which is a short, stable name for records.
    pub fn of(measure: &'static str, agrees: bool) -> Agreement {
        Agreement { agrees: Some(agrees), distance: None, measure }
    }

    /// Nothing was compared: one side failed, or no comparator is set.
    pub fn not_compared() -> Agreement {
        Agreement { agrees: None, distance: None, measure: measure::NONE }
    }

    /// With the distance between the answers, in the measure's own unit. NaN is no distance.
    #[must_use]
    pub fn with_distance(mut self, distance: f64) -> Agreement {
        self.distance = (!distance.is_nan()).then_some(distance);
        self
    }

    /// Whether the answers agree; `None` when they were not compared.
    pub fn agrees(&self) -> Option<bool> {
        self.agrees
    }

    /// How far apart the answers are; `None` when the measure has no distance.
    pub fn distance(&self) -> Option<f64> {
        self.distance
    }

    /// The name of what was measured.
    pub fn measure(&self) -> &'static str {
        self.measure
    }
}

/// For closures that know only yes or no; the measure is called `custom`.
impl From<bool> for Agreement {
    fn from(agrees: bool) -> Agreement {
        Agreement::of(measure::CUSTOM, agrees)
    }
}
