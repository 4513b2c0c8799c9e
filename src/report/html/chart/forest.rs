//! The forest plot: every metric's difference, interval and margin, each on a scale of its own.

use super::{
    super::{
        super::content::{Metric, Unit},
        markup::{Page, put},
    },
    At, WIDTH, open_drawing,
    scale::Scale,
};

/// The most margins that the plot extends to each side: a wider interval ends in an arrow.
const MARGINS: f64 = 12.0;

/// How far the plot reaches on each side of zero for this metric: over its estimate and interval,
/// and over its margin at least.
fn reach(metric: &Metric) -> f64 {
    let off = |value: f64| (value - zero(metric)).abs();
    let shown = metric.interval.map_or(0.0, |(low, high)| off(low).max(off(high)));
    let shown = 1.15 * shown.max(metric.estimate.map_or(0.0, off));
    let shown = if shown.is_finite() { shown } else { 0.0 };
    match metric.margin.map(|margin| margin - zero(metric)) {
        Some(margin) if margin > 0.0 => shown.clamp(2.0 * margin, MARGINS * margin),
        _ if shown > 0.0 => shown,
        _ => 1.0,
    }
}

/// The value that means no difference.
fn zero(metric: &Metric) -> f64 {
    match metric.unit {
        Unit::Ratio => 1.0,
        Unit::Share | Unit::Part | Unit::Number => 0.0,
    }
}

/// The words above the plot.
pub(in super::super) fn forest_scale(page: &mut Page) {
    put!(page; "<div class=\"forest-scale\" aria-hidden=\"true\">"
        "<span class=\"end\">◂ candidate better</span><span class=\"at\">0</span>"
        "<span class=\"end\">worse ▸</span></div>");
}

/// One metric's bar. `reading` says it in words.
pub(in super::super) fn forest_bar(page: &mut Page, metric: &Metric, reading: &str) {
    let (reach, zero) = (reach(metric), zero(metric));
    let scale = Scale::linear(-reach, reach);
    let x = |value: f64| At(scale.place(value - zero) * WIDTH);
    open_drawing(page, "forest", 40.0, &metric.name, reading);
    put!(page; "<path class=\"zero\" d=\"M" {x(zero)} " 0V40\"/>");
    if let Some(margin) = metric.margin.filter(|margin| *margin > zero) {
        put!(page; "<path class=\"margin\" d=\"M" {x(margin)} " 0V40\"/>");
    }
    if let Some((low, high)) = metric.interval {
        put!(page; "<path class=\"interval\" d=\"M" {x(low)} " 20H" {x(high)} "\"/>");
        // Ends: a stop where the limit is shown, an arrow where it lies beyond the plot.
        match low - zero < -reach {
            true => put!(page; "<path class=\"arrow\" d=\"M0 20l14 -12v24z\"/>"),
            false => put!(page; "<path class=\"interval\" d=\"M" {x(low)} " 12v16\"/>"),
        }
        match high - zero > reach {
            true => put!(page; "<path class=\"arrow\" d=\"M1000 20l-14 -12v24z\"/>"),
            false => put!(page; "<path class=\"interval\" d=\"M" {x(high)} " 12v16\"/>"),
        }
    }
    // An estimate beyond the plot has no dot: the arrow stands for it.
    let inside = |estimate: &f64| (estimate - zero).abs() <= reach;
    if let Some(estimate) = metric.estimate.filter(inside) {
        put!(page; "<path class=\"dot\" d=\"M" {x(estimate)} " 20h0.01\"/>");
    }
    put!(page; "</svg>");
}
