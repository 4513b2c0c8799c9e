//! Charts: SVG without text, stretched to the width of the page, and labels in HTML beside it, which
//! stay readable on screens of any size.
//!
//! Each chart has a title and a description that say in words what it shows.

mod bars;
mod forest;
mod latency;
mod lines;
mod scale;

pub(super) use self::{
    bars::bars,
    forest::{forest_bar, forest_scale},
    latency::latency,
    lines::{Band, Line, Lines, Rule, lines},
};

use super::markup::{Page, put};

/// The inner size of every chart, in units of its own; the page stretches it.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 300.0;

/// Opens a drawing with its name and its reading.
fn open_drawing(page: &mut Page, class: &'static str, height: f64, title: &str, reading: &str) {
    let id = page.next_id();
    put!(page; "<svg role=\"img\" class=\"" {class} "\" viewBox=\"0 0 1000 " {height}
        "\" preserveAspectRatio=\"none\" aria-labelledby=\"t" {id} " d" {id} "\">"
        "<title id=\"t" {id} "\">" {title} "</title><desc id=\"d" {id} "\">" {reading} "</desc>");
}

/// A coordinate, with two decimals: a hundredth of a unit is less than a pixel.
struct At(f64);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let value = if self.0.is_finite() { (self.0 * 100.0).round() / 100.0 } else { 0.0 };
        // No `-0`.
        write!(f, "{}", value + 0.0)
    }
}
