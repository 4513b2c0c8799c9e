//! How often two versions agree, and where they differ.

use super::super::{
    super::{
        content::{Agreement, Content, Disagreement},
        figure::{Percent, Short, Whole},
    },
    chart,
    markup::{Page, Truncated, put},
};

/// How many characters of a text from a model or a caller are shown.
const LONGEST: usize = 60;

pub(super) fn agreement(page: &mut Page, content: &Content) {
    let Some(found) = &content.agreement else { return };
    let share = found.disagreed as f64 / found.pairs.max(1) as f64;
    put!(page; "<dl class=\"figures\"><div><dt>Pairs compared</dt><dd>" {Whole(found.pairs)}
        "</dd></div><div><dt>Disagreed</dt><dd>" {Whole(found.disagreed)} " (" {Percent(share)}
        ")</dd></div>");
    if let Some((low, high)) = found.interval {
        put!(page; "<div><dt>Between</dt><dd>" {Percent(low)} " and " {Percent(high)} "</dd></div>");
    }
    put!(page; "<div><dt>Noise floor</dt><dd>");
    match found.noise_floor {
        Some(noise) => put!(page; {Percent(noise)} " (the champion against itself)"),
        None => put!(page; "not measured"),
    }
    put!(page; "</dd></div>");
    for figure in &found.figures {
        put!(page; "<div><dt>" {&figure.name} "</dt><dd>" {Short(figure.value)} "<small>"
            {&figure.meaning} "</small></dd></div>");
    }
    put!(page; "</dl>");
    confusion(page, found);
    commonest(page, found);
    if let Some(histogram) = &found.differences {
        let total: u64 = histogram.counts.iter().sum();
        put!(page; "<h3>" {&histogram.of} "</h3>");
        let reading = format!(
            "{} pairs that differ, between {} and {}; pairs without a difference are left out",
            Whole(total),
            Short(histogram.from),
            Short(histogram.to)
        );
        chart::bars(page, histogram, &histogram.of, &reading);
        put!(page; "<p class=\"legend\"><span>" {reading} "</span></p>");
    }
    if let Some([both, champion, candidate, neither]) = found.right_and_wrong {
        put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Right and wrong\">"
            "<table class=\"narrow\"><caption>Right and wrong, by label</caption><thead><tr><td></td>"
            "<th scope=\"col\" class=\"number\">candidate right</th><th scope=\"col\" class=\"number\">candidate wrong</th></tr></thead>"
            "<tbody><tr><th scope=\"row\">champion right</th><td class=\"number\">" {Whole(both)}
            "</td><td class=\"number\">" {Whole(champion)} "</td></tr><tr><th scope=\"row\">"
            "champion wrong</th><td class=\"number\">" {Whole(candidate)} "</td><td class=\"number\">"
            {Whole(neither)} "</td></tr></tbody></table></div>");
    }
}

fn confusion(page: &mut Page, found: &Agreement) {
    if found.confusion.is_empty() {
        return;
    }
    let most = found.confusion.iter().flatten().copied().max().unwrap_or(0).max(1) as f64;
    put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Confusion table\">"
        "<table class=\"confusion\"><caption>What the champion said (rows) and the candidate (columns)"
        "</caption><thead><tr><td></td>");
    for class in &found.classes {
        put!(page; "<th scope=\"col\">" {Truncated(class, 16)} "</th>");
    }
    put!(page; "</tr></thead><tbody>");
    for (place, (class, row)) in found.classes.iter().zip(&found.confusion).enumerate() {
        put!(page; "<tr><th scope=\"row\">" {Truncated(class, 16)} "</th>");
        for (column, count) in row.iter().enumerate() {
            let weight = (*count as f64 / most).sqrt();
            let same = if column == place { "number same" } else { "number" };
            put!(page; "<td class=\"" {same} "\" style=\"--w:" {(weight * 100.0).round() / 100.0}
                "\">" {Whole(*count)} "</td>");
        }
        put!(page; "</tr>");
    }
    put!(page; "</tbody></table></div>");
}

fn commonest(page: &mut Page, found: &Agreement) {
    if found.commonest.is_empty() {
        return;
    }
    put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: Commonest differences\">"
        "<table><caption>The commonest differences</caption><thead><tr><th scope=\"col\">Champion</th>"
        "<th scope=\"col\">Candidate</th><th scope=\"col\" class=\"number\">Pairs</th></tr></thead><tbody>");
    for (champion, candidate, count) in &found.commonest {
        put!(page; "<tr><td>" {Truncated(champion, LONGEST)} "</td><td>" {Truncated(candidate, LONGEST)}
            "</td><td class=\"number\">" {Whole(*count)} "</td></tr>");
    }
    put!(page; "</tbody></table></div>");
}

pub(super) fn disagreements(page: &mut Page, content: &Content) {
    let Some(found) = &content.disagreements else { return };
    list(page, "The farthest apart", &found.worst);
    list(page, "Some at random", &found.at_random);
}

fn list(page: &mut Page, caption: &str, rows: &[Disagreement]) {
    if rows.is_empty() {
        return;
    }
    let labels = rows.iter().any(|row| row.label.is_some());
    let features = rows.iter().any(|row| row.features.is_some());
    put!(page; "<div class=\"wide\" role=\"region\" tabindex=\"0\" aria-label=\"Table: " {caption}
        "\"><table><caption>" {caption} "</caption><thead><tr><th scope=\"col\">Champion</th>"
        "<th scope=\"col\">Candidate</th><th scope=\"col\" class=\"number\">Distance</th>");
    if labels {
        put!(page; "<th scope=\"col\">Label</th>");
    }
    if features {
        put!(page; "<th scope=\"col\">Features</th>");
    }
    put!(page; "<th scope=\"col\">Prediction</th></tr></thead><tbody>");
    for row in rows {
        put!(page; "<tr><td>" {Truncated(&row.champion, LONGEST)} "</td><td>" {Truncated(&row.candidate, LONGEST)}
            "</td><td class=\"number\">");
        match row.distance {
            Some(distance) => put!(page; {Short(distance)}),
            None => put!(page; "–"),
        }
        put!(page; "</td>");
        if labels {
            put!(page; "<td>" {Truncated(row.label.as_deref().unwrap_or("–"), LONGEST)} "</td>");
        }
        if features {
            put!(page; "<td>" {Truncated(row.features.as_deref().unwrap_or("–"), 120)} "</td>");
        }
        put!(page; "<td><code class=\"id\">" {Truncated(&row.prediction_id, 32)} "</code></td></tr>");
    }
    put!(page; "</tbody></table></div>");
}
