//! Distributions of durations on one logarithmic axis.

use std::fmt::Write;

use super::{
    super::{
        super::{content::Latency, figure::Micros},
        markup::{Page, Truncated, put},
    },
    At, HEIGHT, WIDTH, open_drawing,
    scale::Scale,
};

/// How many columns a distribution is drawn in.
const COLUMNS: usize = 48;

/// The largest ratio of a bucket's ends. A longer gap below a bucket comes from empty buckets that were
/// left out.
const WIDEST: f64 = 1.3;

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
    put!(page; "<div class=\"chart\"><div class=\"plot bare\">");
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
            {Truncated(&latency.version, 40)} ", " {&latency.measured} "</span> ");
    }
    put!(page; "<span>across: time, by decades; up: share of calls</span></p></div>");
}

/// The share of calls by column, as a line; the highest column reaches the top.
fn outline(latency: &Latency, across: &Scale) -> String {
    let mut columns = [0.0_f64; COLUMNS];
    let mut before = 0.0_f64;
    for (end, count) in &latency.buckets {
        // A bucket's calls are spread over all columns between its ends: with columns narrower than
        // the buckets, the line would look like a comb otherwise.
        let begin = before.max(end / WIDEST);
        before = *end;
        let [from, to] = [begin, *end].map(|at| across.place(at) * (COLUMNS - 1) as f64);
        let width = (to - from).max(1e-9);
        for (place, column) in columns.iter_mut().enumerate() {
            let middle = place as f64;
            let within = to.min(middle + 0.5) - from.max(middle - 0.5);
            *column += *count as f64 * (within.max(0.0) / width).min(1.0);
        }
    }
    let most = columns.iter().copied().fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut path = String::new();
    for (place, count) in columns.iter().enumerate() {
        let x = place as f64 / (COLUMNS - 1) as f64 * WIDTH;
        let y = HEIGHT - count / most * (HEIGHT - 8.0);
        let command = if place == 0 { 'M' } else { 'L' };
        let _ = write!(path, "{command}{} {}", At(x), At(y));
    }
    path
}
