//! Lines over a count: a difference with its band, evidence with its thresholds.

use std::fmt::Write;

use super::{
    super::{
        super::figure::Whole,
        markup::{Page, Truncated, put},
    },
    At, HEIGHT, WIDTH, open_drawing,
    scale::Scale,
};

/// A chart of lines over the number of pairs.
pub(in super::super) struct Lines<'a> {
    pub(in super::super) title: &'a str,
    /// What the chart shows, in words, for screen readers.
    pub(in super::super) reading: &'a str,
    pub(in super::super) lines: &'a [Line<'a>],
    pub(in super::super) band: Option<Band<'a>>,
    pub(in super::super) rules: &'a [Rule<'a>],
    /// Vertical marks: a count, and what began there.
    pub(in super::super) marks: &'a [(u64, String)],
    /// How a value is written on the axis.
    pub(in super::super) label: fn(f64) -> String,
}

/// One line: its name, its class in the style sheet (which dashes it), its points.
pub(in super::super) struct Line<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) class: &'static str,
    pub(in super::super) points: Vec<(u64, f64)>,
}

/// A band between two limits.
pub(in super::super) struct Band<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) points: Vec<(u64, f64, f64)>,
}

/// A horizontal line at a value.
pub(in super::super) struct Rule<'a> {
    pub(in super::super) name: &'a str,
    pub(in super::super) class: &'static str,
    pub(in super::super) at: f64,
}

/// Draws it.
pub(in super::super) fn lines(page: &mut Page, chart: &Lines<'_>) {
    let counts = chart.lines.iter().flat_map(|line| line.points.iter().map(|(count, _)| *count));
    let most = counts.max().unwrap_or(1).max(1);
    let across = Scale::linear(0.0, most as f64);
    let values = chart.lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    // A limit at the end of its range means "unknown": it does not count for the scale.
    let last = chart.band.iter().flat_map(|band| {
        let later = band.points.iter().skip(band.points.len() / 4);
        later.flat_map(|(_, low, high)| [*low, *high])
    });
    let up = Scale::over(values.chain(last).chain(chart.rules.iter().map(|rule| rule.at)));
    let x = |count: u64| At(across.place(count as f64) * WIDTH);
    let y = |value: f64| At((1.0 - up.place(value)) * HEIGHT);

    put!(page; "<div class=\"chart\"><div class=\"plot\">");
    open_drawing(page, "lines", HEIGHT, chart.title, chart.reading);
    for tick in up.ticks(4) {
        put!(page; "<path class=\"grid\" d=\"M0 " {y(tick)} "H1000\"/>");
    }
    if let Some(band) = &chart.band {
        let mut outline = String::new();
        for (place, (count, low, _)) in band.points.iter().enumerate() {
            let command = if place == 0 { 'M' } else { 'L' };
            let _ = write!(outline, "{command}{} {}", x(*count), y(*low));
        }
        for (count, _, high) in band.points.iter().rev() {
            let _ = write!(outline, "L{} {}", x(*count), y(*high));
        }
        put!(page; "<path class=\"band\" d=\"" {outline} "Z\"/>");
    }
    for (count, _) in chart.marks {
        put!(page; "<path class=\"mark\" d=\"M" {x(*count)} " 0V300\"/>");
    }
    for rule in chart.rules {
        put!(page; "<path class=\"" {rule.class} "\" d=\"M0 " {y(rule.at)} "H1000\"/>");
    }
    for line in chart.lines {
        let mut path = String::new();
        let known = line.points.iter().filter(|(_, value)| value.is_finite());
        for (place, (count, value)) in known.enumerate() {
            let command = if place == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{} {}", x(*count), y(*value));
        }
        // A single point is drawn as a line of length zero, whose round ends make it a dot.
        if line.points.len() == 1 {
            path.push_str("h0.01");
            put!(page; "<path class=\"dot\" d=\"" {path} "\"/>");
        } else {
            put!(page; "<path class=\"" {line.class} "\" d=\"" {path} "\"/>");
        }
    }
    put!(page; "</svg>");
    for tick in up.ticks(4) {
        let top = At((1.0 - up.place(tick)) * 100.0);
        put!(page; "<span class=\"y\" aria-hidden=\"true\" style=\"top:" {top} "%\">"
            {(chart.label)(tick)} "</span>");
    }
    // Pairs are counted in whole numbers.
    for tick in across.ticks(4).into_iter().filter(|tick| tick.fract() == 0.0) {
        let left = At(across.place(tick) * 100.0);
        put!(page; "<span class=\"x\" aria-hidden=\"true\" style=\"left:" {left} "%\">"
            {Whole(tick as u64)} "</span>");
    }
    put!(page; "</div><p class=\"legend\">");
    for line in chart.lines {
        legend(page, line.class, line.name);
    }
    if let Some(band) = &chart.band {
        legend(page, "band", band.name);
    }
    for rule in chart.rules.iter().filter(|rule| !rule.name.is_empty()) {
        legend(page, rule.class, rule.name);
    }
    for (count, stage) in chart.marks {
        put!(page; "<span class=\"stage-mark\">│ " {Truncated(stage, 40)} " from pair " {Whole(*count)} "</span> ");
    }
    put!(page; "<span>across: pairs</span></p></div>");
}

fn legend(page: &mut Page, class: &'static str, name: &str) {
    put!(page; "<span class=\"key\"><svg aria-hidden=\"true\" viewBox=\"0 0 1000 300\" "
        "preserveAspectRatio=\"none\"><path class=\"" {class} "\" d=\"");
    match class {
        "band" => put!(page; "M0 40H1000V260H0Z"),
        _ => put!(page; "M0 150H1000"),
    }
    put!(page; "\"/></svg>" {name} "</span> ");
}
