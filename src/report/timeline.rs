//! A metric at successive looks, thinned to what a chart can show.

use super::content::{Point, Series};

/// The most points a line keeps.
const MOST: usize = 200;

/// Looks at several metrics. When a line is full, every other point goes and from then on every
/// other look is kept: the line stays even, whatever its length.
#[derive(Clone, Debug)]
pub(crate) struct Timeline {
    series: Vec<Series>,
    looks: u64,
    stride: u64,
}

impl Default for Timeline {
    fn default() -> Timeline {
        Timeline { series: Vec::new(), looks: 0, stride: 1 }
    }
}

impl Timeline {
    /// One look at all metrics: each a series without points, and its point.
    pub(crate) fn look(&mut self, metrics: impl IntoIterator<Item = (Series, Point)>) {
        let kept = self.looks.is_multiple_of(self.stride);
        self.looks = self.looks.saturating_add(1);
        let mut longest = 0;
        for (header, point) in metrics {
            let place = self.series.iter().position(|known| known.metric == header.metric);
            let series = match place.and_then(|place| self.series.get_mut(place)) {
                Some(series) => series,
                None => {
                    self.series.push(header);
                    let Some(series) = self.series.last_mut() else { return };
                    series
                }
            };
            // The last point is always the newest look: it is replaced until one is kept.
            if series.points.last().is_some_and(|last| last.pairs == point.pairs) {
                series.points.pop();
            } else if !kept && series.points.len() > 1 {
                series.points.pop();
            }
            series.points.push(point);
            longest = longest.max(series.points.len());
        }
        if longest > MOST {
            self.stride = self.stride.saturating_mul(2);
            for series in &mut self.series {
                thin(&mut series.points);
            }
        }
    }

    /// The lines so far.
    pub(crate) fn series(&self) -> Vec<Series> {
        self.series.clone()
    }
}

/// Every other point goes, the last stays.
fn thin(points: &mut Vec<Point>) {
    let last = points.len().wrapping_sub(1);
    let mut place = 0;
    points.retain(|_| {
        let stays = place % 2 == 0 || place == last;
        place += 1;
        stays
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_stays_short_even_and_ends_with_the_newest_look() {
        let mut timeline = Timeline::default();
        for pairs in 1..=100_000 {
            let header = Series { metric: "failures".to_owned(), ..Series::default() };
            let point = Point {
                pairs,
                estimate: 0.0,
                interval: None,
                ln_e_worse: 0.0,
                ln_e_not_worse: 0.0,
            };
            timeline.look([(header, point)]);
        }
        let series = timeline.series();
        let points = &series[0].points;
        assert!(points.len() <= MOST && points.len() > MOST / 3, "{}", points.len());
        assert_eq!((points[0].pairs, points[points.len() - 1].pairs), (1, 100_000));
        assert!(points.windows(2).all(|pair| pair[0].pairs < pair[1].pairs));
    }
}
