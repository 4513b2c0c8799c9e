//! The forest plot: every metric's difference and interval on one scale, that of its own margin.

use super::{
    super::{
        super::content::{Metric, Unit},
        markup::{Page, put},
    },
    At, WIDTH, open_drawing,
    scale::Scale,
};

/// How many margins the plot shows on each side of zero.
const MARGINS: f64 = 4.0;

/// What one unit of the plot is for this metric: its margin or, without one, a quarter of what
/// there is to show.
fn unit(metric: &Metric) -> f64 {
    let off = |value: f64| (value - zero(metric)).abs();
    let shown = metric.interval.map_or(0.0, |(low, high)| off(low).max(off(high)));
    let shown = shown.max(metric.estimate.map_or(0.0, off));
    match metric.margin.map(|margin| margin - zero(metric)) {
        Some(margin) if margin > 0.0 => margin,
        _ if shown > 0.0 && shown.is_finite() => shown / (MARGINS - 1.0),
        _ => 1.0,
    }
}

/// The value that means no difference.
fn zero(metric: &Metric) -> f64 {
    match metric.unit {
        Unit::Ratio => 1.0,
        Unit::Share | Unit::Number => 0.0,
    }
}

fn scale() -> Scale {
    Scale::linear(-MARGINS, MARGINS)
}

/// The words above the plot.
pub(in super::super) fn forest_scale(page: &mut Page) {
    let left = |units: f64| At(scale().place(units) * 100.0);
    put!(page; "<div class=\"forest-scale\" aria-hidden=\"true\">"
        "<span class=\"end\">◂ candidate better</span><span class=\"at\" style=\"left:" {left(0.0)}
        "%\">0</span><span class=\"at\" style=\"left:" {left(1.0)} "%\">margin</span>"
        "<span class=\"end\">worse ▸</span></div>");
}

/// One metric's bar. `reading` says it in words.
pub(in super::super) fn forest_bar(page: &mut Page, metric: &Metric, reading: &str) {
    let (unit, zero) = (unit(metric), zero(metric));
    let x = |value: f64| At(scale().place((value - zero) / unit) * WIDTH);
    open_drawing(page, "forest", 40.0, &metric.name, reading);
    put!(page; "<path class=\"zero\" d=\"M" {x(zero)} " 0V40\"/>");
    if metric.margin.is_some_and(|margin| margin > zero) {
        put!(page; "<path class=\"margin\" d=\"M" {x(zero + unit)} " 0V40\"/>");
    }
    if let Some((low, high)) = metric.interval {
        put!(page; "<path class=\"interval\" d=\"M" {x(low)} " 20H" {x(high)} "\"/>");
        // Ends: a stop where the limit is shown, an arrow where it lies beyond the plot.
        let beyond = MARGINS * unit;
        match low - zero < -beyond {
            true => put!(page; "<path class=\"arrow\" d=\"M0 20l14 -12v24z\"/>"),
            false => put!(page; "<path class=\"interval\" d=\"M" {x(low)} " 12v16\"/>"),
        }
        match high - zero > beyond {
            true => put!(page; "<path class=\"arrow\" d=\"M1000 20l-14 -12v24z\"/>"),
            false => put!(page; "<path class=\"interval\" d=\"M" {x(high)} " 12v16\"/>"),
        }
    }
    if let Some(estimate) = metric.estimate {
        put!(page; "<path class=\"dot\" d=\"M" {x(estimate)} " 20h0.01\"/>");
    }
    put!(page; "</svg>");
}
