//! The histogram.

use super::{
    super::{
        super::{content::Histogram, figure::Short},
        markup::{Page, put},
    },
    At, HEIGHT, WIDTH, open_drawing,
};

/// Draws a histogram over its bounds.
pub(in super::super) fn bars(page: &mut Page, histogram: &Histogram, title: &str, reading: &str) {
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1);
    let step = WIDTH / histogram.counts.len().max(1) as f64;
    put!(page; "<div class=\"chart\"><div class=\"plot low\">");
    open_drawing(page, "bars", HEIGHT, title, reading);
    for (place, count) in histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        // However small, a bin that is not empty stays visible.
        let height = (*count as f64 / most as f64 * HEIGHT).max(3.0);
        put!(page; "<path class=\"bar\" d=\"M" {At(place as f64 * step)} " 300v-" {At(height)} "h"
            {At(step * 0.9)} "v" {At(height)} "z\"/>");
    }
    put!(page; "</svg>");
    let middle = f64::midpoint(histogram.from, histogram.to);
    for (left, value) in [(0, histogram.from), (50, middle), (100, histogram.to)] {
        put!(page; "<span class=\"x\" aria-hidden=\"true\" style=\"left:" {left} "%\">"
            {Short(value)} "</span>");
    }
    put!(page; "</div></div>");
}
