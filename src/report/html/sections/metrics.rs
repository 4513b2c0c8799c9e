//! What each metric says: the forest plot, and each metric's development over time.

use super::super::{
    super::{
        content::{Content, EvidenceBar, Metric, Series, Unit},
        figure::{Percent, Points, Short, Whole},
    },
    badge,
    chart::{self, Band, Line, Lines, Rule},
    markup::{Page, Truncated, put},
};

/// A difference in the metric's own unit.
fn difference(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Share => Points(value).to_string(),
        Unit::Part => Percent(value).to_string(),
        Unit::Number => Short(value).to_string(),
        Unit::Ratio => format!("× {}", Short(value)),
    }
}

fn value(value: Option<f64>, unit: Unit) -> String {
    match value {
        None => "not known".to_owned(),
        Some(value) if matches!(unit, Unit::Share | Unit::Part) => Percent(value).to_string(),
        Some(value) => Short(value).to_string(),
    }
}

fn interval(metric: &Metric) -> String {
    match metric.interval {
        Some((low, high)) => {
            format!("{} to {}", difference(low, metric.unit), difference(high, metric.unit))
        }
        None => "no interval yet".to_owned(),
    }
}

pub(super) fn forest(page: &mut Page, content: &Content) {
    put!(page; "<p>Difference of candidate and champion on the same requests, each on a scale of its \
         own: the dot is the estimate, the bar what the evidence does not exclude, the dashed line \
         the margin.</p>"
        "<div role=\"table\" class=\"forest-table\" aria-label=\"Guardrails and signals\">"
        "<div role=\"row\" class=\"head\"><span role=\"columnheader\">Metric</span>"
        "<span role=\"columnheader\"><span class=\"for-readers\">Difference</span>");
    chart::forest_scale(page);
    put!(page; "</span><span role=\"columnheader\">Finding</span></div>");
    for metric in &content.metrics {
        let metric = &finite(metric);
        put!(page; "<div role=\"row\"><span role=\"rowheader\"><b>" {Truncated(&metric.name, 80)} "</b> <small>"
            {&metric.role} "</small></span><span role=\"cell\" class=\"plot-cell\">");
        chart::forest_bar(page, metric, &reading(metric));
        put!(page; "<small>");
        if let Some(estimate) = metric.estimate {
            put!(page; {difference(estimate, metric.unit)} ", ");
        }
        put!(page; {interval(metric)});
        if let Some(margin) = metric.margin {
            put!(page; "; margin " {difference(margin, metric.unit)});
        }
        put!(page; "</small></span><span role=\"cell\">");
        badge(page, metric.standing, &metric.finding);
        put!(page; "</span></div>");
    }
    put!(page; "</div>");
    for metric in &content.metrics {
        details(page, metric);
    }
}

/// A number, or "not known" for NaN.
fn finite(metric: &Metric) -> Metric {
    Metric {
        estimate: metric.estimate.filter(|value| value.is_finite()),
        interval: metric.interval.filter(|(low, high)| low.is_finite() && high.is_finite()),
        ..metric.clone()
    }
}

fn reading(metric: &Metric) -> String {
    let estimate = match metric.estimate {
        Some(estimate) => difference(estimate, metric.unit),
        None => "not known".to_owned(),
    };
    let margin = match metric.margin {
        Some(margin) => difference(margin, metric.unit),
        None => "none".to_owned(),
    };
    format!("difference {estimate}, between {}; margin {margin}", interval(metric))
}

fn details(page: &mut Page, metric: &Metric) {
    put!(page; "<article class=\"metric\"><h3>" {Truncated(&metric.name, 80)} "</h3><p>" {Truncated(&metric.sentence, 600)}
        "</p><dl class=\"figures\">");
    // A metric of both versions together has no value for either alone.
    if metric.champion.is_some() || metric.candidate.is_some() {
        put!(page; "<div><dt>Champion</dt><dd>" {value(metric.champion, metric.unit)}
            "</dd></div><div><dt>Candidate</dt><dd>" {value(metric.candidate, metric.unit)} "</dd></div>");
    }
    put!(page; "<div><dt>Pairs</dt><dd>" {Whole(metric.pairs)} "</dd></div>");
    if let Some(expected) = metric.expected_pairs {
        put!(page; "<div><dt>Still needed, about</dt><dd>" {Whole(expected)} "</dd></div>");
    }
    put!(page; "</dl>");
    evidence(page, "Evidence that it is worse", metric.worse);
    evidence(page, "Evidence that it is not worse", metric.not_worse);
    put!(page; "</article>");
}

/// Evidence as a logarithmic bar, which is full when the threshold is reached.
fn evidence(page: &mut Page, name: &str, evidence: Option<EvidenceBar>) {
    let Some(EvidenceBar { ln_e, threshold }) = evidence else { return };
    let share = match threshold > 0.0 && ln_e.is_finite() {
        true => (ln_e / threshold).clamp(0.0, 1.0),
        false => 0.0,
    };
    let times = |ln: f64| match ln > 1e6_f64.ln() {
        true => "over a million".to_owned(),
        false => Short(ln.max(-30.0).exp()).to_string(),
    };
    let enough = if ln_e >= threshold { ": enough" } else { "" };
    put!(page; "<p class=\"evidence\"><span>" {name} ": " {times(ln_e)} " of " {times(threshold)}
        " needed" {enough} "</span><span class=\"meter\" aria-hidden=\"true\"><i style=\"width:"
        {(share * 100.0).round()} "%\"></i></span></p>");
}

pub(super) fn over_time(page: &mut Page, content: &Content) {
    for series in content.series.iter().filter(|series| !series.points.is_empty()) {
        put!(page; "<article class=\"metric\"><h3>" {Truncated(&series.metric, 80)} "</h3>");
        difference_chart(page, series);
        evidence_chart(page, series);
        put!(page; "</article>");
    }
}

fn difference_chart(page: &mut Page, series: &Series) {
    let Some(last) = series.points.last() else { return };
    let reading = format!(
        "After {} pairs the difference is {}; {} looks are shown",
        Whole(last.pairs),
        difference(last.estimate, series.unit),
        series.points.len()
    );
    let points = series.points.iter();
    let banded = points.clone().filter_map(|p| p.interval.map(|(low, high)| (p.pairs, low, high)));
    let nothing = if series.unit == Unit::Part { "none" } else { "no difference" };
    let mut rules = vec![Rule { name: nothing, class: "zero", at: 0.0 }];
    if let Some(margin) = series.margin {
        rules.push(Rule { name: "margin", class: "margin", at: margin });
    }
    let line = Line {
        name: if series.unit == Unit::Part { "share" } else { "difference" },
        class: "line",
        points: points.map(|point| (point.pairs, point.estimate)).collect(),
    };
    chart::lines(
        page,
        &Lines {
            title: &format!("{}: difference by pairs", series.metric),
            reading: &reading,
            lines: &[line],
            band: Some(Band { name: "not excluded", points: banded.collect() }),
            rules: &rules,
            marks: &series.stages,
            label: match series.unit {
                Unit::Share => |value| Points(value).to_string(),
                Unit::Part => |value| Percent(value).to_string(),
                Unit::Number | Unit::Ratio => |value| Short(value).to_string(),
            },
        },
    );
}

fn evidence_chart(page: &mut Page, series: &Series) {
    let (Some(last), Some((worse, not_worse))) = (series.points.last(), series.thresholds) else {
        return;
    };
    let reading = format!(
        "After {} pairs the evidence for worse is {} of {}, for not worse {} of {}, as logarithms",
        Whole(last.pairs),
        Short(last.ln_e_worse),
        Short(worse),
        Short(last.ln_e_not_worse),
        Short(not_worse)
    );
    if series.points.iter().all(|point| point.ln_e_worse == 0.0 && point.ln_e_not_worse == 0.0) {
        return; // The metric is only watched: there is no evidence for or against a limit.
    }
    // Evidence far beyond its threshold, or far below zero, would flatten the rest of the chart.
    let bounded =
        |ln_e: f64| ln_e.clamp(-2.0 * worse.max(1.0), 2.0 * worse.max(not_worse).max(1.0));
    let points = series.points.iter();
    let lines = [
        Line {
            name: "worse (ln E)",
            class: "line",
            points: points.clone().map(|p| (p.pairs, bounded(p.ln_e_worse))).collect(),
        },
        Line {
            name: "not worse (ln E)",
            class: "line second",
            points: points.map(|p| (p.pairs, bounded(p.ln_e_not_worse))).collect(),
        },
    ];
    let mut rules = vec![Rule { name: "enough for worse", class: "margin", at: worse }];
    if (worse - not_worse).abs() > 1e-9 {
        rules.push(Rule { name: "enough for not worse", class: "margin second", at: not_worse });
    }
    chart::lines(
        page,
        &Lines {
            title: &format!("{}: evidence by pairs", series.metric),
            reading: &reading,
            lines: &lines,
            band: None,
            rules: &rules,
            marks: &series.stages,
            label: |value| Short(value).to_string(),
        },
    );
}
