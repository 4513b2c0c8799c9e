//! Distributions of durations on one logarithmic axis.

use std::fmt::Write;

use super::{
    super::{
        super::{content::Latency, figure::Micros},
        markup::{Cut, Page, put},
    },
    At, HEIGHT, WIDTH, open_drawing,
    scale::Scale,
};

/// How many places a distribution is drawn at.
const COLUMNS: usize = 48;

/// Dashes tell lines apart where colours cannot.
const CLASSES: [&str; 4] = ["line", "line second", "line third", "line fourth"];

/// Draws the distributions that have buckets.
pub(in super::super) fn latency(page: &mut Page, all: &[Latency], reading: &str) {
    let drawn = || all.iter().filter(|latency| !latency.buckets.is_empty()).zip(CLASSES);
    let ends = || drawn().flat_map(|(latency, _)| latency.buckets.iter());
    let low = ends().map(|(end, _)| *end).fold(f64::INFINITY, f64::min);
    let high = ends().map(|(end, _)| *end).fold(0.0, f64::max);
    if !(low.is_finite() && high > 0.0) {
        return;
    }
    let across = Scale::logarithmic(low / 1.6, high * 1.6);
    put!(page; "<div class=\"chart\"><div class=\"plot\">");
    open_drawing(page, "lines", HEIGHT, "Service times on a logarithmic axis", reading);
    for tick in across.ticks(8) {
        let x = At(across.place(tick) * WIDTH);
        put!(page; "<path class=\"grid\" d=\"M" {x} " 0V300\"/>");
    }
    for (latency, class) in drawn() {
        put!(page; "<path class=\"" {class} "\" d=\"" {outline(latency, &across)} "\"/>");
    }
    put!(page; "</svg>");
    for tick in across.ticks(5) {
        let left = At(across.place(tick) * 100.0);
        put!(page; "<span class=\"x\" aria-hidden=\"true\" style=\"left:" {left} "%\">"
            {Micros(tick)} "</span>");
    }
    put!(page; "</div><p class=\"legend\">");
    for (latency, class) in drawn() {
        put!(page; "<span class=\"key\"><svg aria-hidden=\"true\" viewBox=\"0 0 1000 300\" "
            "preserveAspectRatio=\"none\"><path class=\"" {class} "\" d=\"M0 150H1000\"/></svg>"
            {Cut(&latency.version, 40)} ", " {&latency.measured} "</span> ");
    }
    put!(page; "<span>across: time, by decades; up: share of calls</span></p></div>");
}

/// The share of calls by column, as a line; the highest column reaches the top.
fn outline(latency: &Latency, across: &Scale) -> String {
    let mut columns = [0_u64; COLUMNS];
    for (end, count) in &latency.buckets {
        let place = (across.place(*end) * (COLUMNS - 1) as f64).round() as usize;
        if let Some(column) = columns.get_mut(place) {
            *column = column.saturating_add(*count);
        }
    }
    let most = columns.iter().copied().max().unwrap_or(0).max(1) as f64;
    let mut path = String::new();
    for (place, count) in columns.iter().enumerate() {
        let x = place as f64 / (COLUMNS - 1) as f64 * WIDTH;
        let y = HEIGHT - *count as f64 / most * (HEIGHT - 8.0);
        let command = if place == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", At(x), At(y));
    }
    path
}
