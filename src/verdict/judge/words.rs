//! The sentence about each metric, for people.

use crate::verdict::{Config, Finding, MetricConfig, MetricJudgement, MetricKind};

/// `1,204 pairs`, `1 pair`.
pub(super) fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A whole number with separated thousands: `1,415`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1.2 %`.
pub(super) fn percent(share: f64) -> String {
    format!("{} %", short(share * 100.0))
}

/// Three significant digits, without trailing zeros.
fn short(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let digits = (2 - number.abs().log10().floor().clamp(-6.0, 2.0) as i32).max(0) as usize;
    let text = format!("{number:.digits$}");
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// A difference in the metric's own unit.
fn amount(kind: MetricKind, value: f64) -> String {
    let number = number(kind, value);
    match kind {
        MetricKind::Failures | MetricKind::Noise | MetricKind::Accuracy | MetricKind::Late => {
            format!("{number} point{}", if number == "1" { "" } else { "s" })
        }
        MetricKind::Disagreement => format!("{number} %"),
        _ => number,
    }
}

/// The same without the unit.
fn number(kind: MetricKind, value: f64) -> String {
    match kind {
        MetricKind::Failures
        | MetricKind::Noise
        | MetricKind::Accuracy
        | MetricKind::Late
        | MetricKind::Disagreement => short(value * 100.0),
        _ => short(value),
    }
}

pub(super) fn sentence(config: &Config, metric: &MetricConfig, judged: &MetricJudgement) -> String {
    let candidate = &config.candidate;
    let champion = config.champion.as_deref().unwrap_or("the champion");
    let name = &metric.name;
    let margin = metric.margin.map(|margin| amount(metric.kind, margin));
    let of_margin = margin.as_deref().unwrap_or("its margin");
    let head = match (metric.kind, judged.finding) {
        (_, Finding::NoData) => return format!("{name}: no data yet."),
        (MetricKind::Disagreement | MetricKind::Distance, finding) => match (finding, &margin) {
            (Finding::Worse, _) => format!("more than the {of_margin} allowed"),
            (Finding::NotWorse, _) => format!("less than the {of_margin} allowed"),
            (_, Some(_)) => format!("not known yet whether below {of_margin}"),
            (_, None) => "shown only, as no limit was set".to_owned(),
        },
        (MetricKind::LiveFailures | MetricKind::LiveLate, Finding::Worse) => {
            format!("{candidate} is worse than {champion}")
        }
        (MetricKind::LiveFailures | MetricKind::LiveLate, _) => "no harm found so far".to_owned(),
        (_, Finding::Worse) => format!("{candidate} is worse than {champion}"),
        (_, Finding::Better) => format!("{candidate} is better than {champion}"),
        (_, Finding::NotWorse) => {
            format!("{candidate} is not worse than {champion} by {of_margin}")
        }
        (_, Finding::Equivalent) => {
            format!("{candidate} and {champion} are within {of_margin} of each other")
        }
        _ => "not known yet".to_owned(),
    };
    let pairs = match metric.kind {
        MetricKind::LiveFailures => counted(judged.pairs, "failing user"),
        MetricKind::LiveLate => counted(judged.pairs, "late user"),
        MetricKind::Outcome => counted(judged.pairs, "value"),
        _ => counted(judged.pairs, "pair"),
    };
    let mut text = format!("{name}: {head}: {}", what(metric.kind, judged));
    if let Some(interval) = judged.interval {
        text += &format!(" ({})", between(metric.kind, interval));
    }
    text += &format!(" on {pairs}");
    match judged.expected_pairs {
        Some(more) if judged.finding == Finding::Undecided => {
            text += &format!("; about {} more at this rate", counted(more, "pair"));
        }
        None if judged.finding == Finding::Undecided && margin.is_some() => {
            text += "; at this rate it will not be known";
        }
        _ => {}
    }
    text.push('.');
    text
}

/// The interval in the words of the estimate: a difference is so much less or so much more, and
/// nobody has to ask what a minus in front of "less often" means.
fn between(kind: MetricKind, (low, high): (f64, f64)) -> String {
    let signed = match kind {
        MetricKind::Failures
        | MetricKind::Accuracy
        | MetricKind::Late
        | MetricKind::Noise
        | MetricKind::Loss
        | MetricKind::Outcome => true,
        MetricKind::Disagreement
        | MetricKind::Distance
        | MetricKind::LiveFailures
        | MetricKind::LiveLate => false,
    };
    if !signed || low >= 0.0 {
        format!("between {} and {}", number(kind, low), amount(kind, high))
    } else if high <= 0.0 {
        format!("between {} and {}", number(kind, -high), amount(kind, -low))
    } else {
        format!("between {} less and {} more", amount(kind, -low), amount(kind, high))
    }
}

/// What was found, as a part of a sentence.
fn what(kind: MetricKind, judged: &MetricJudgement) -> String {
    let Some(estimate) = judged.estimate else { return "no estimate".to_owned() };
    let size = amount(kind, estimate.abs());
    let same = number(kind, estimate) == "0";
    let word = if estimate < 0.0 { "less" } else { "more" };
    let often = if same { "as often".to_owned() } else { format!("{size} {word} often") };
    match kind {
        MetricKind::Failures => format!("it failed {often}"),
        MetricKind::Accuracy => format!("it was wrong {often}"),
        MetricKind::Late => format!("it was late {often}"),
        MetricKind::Noise if same => "it disagreed as often as the champion with itself".to_owned(),
        MetricKind::Noise => format!("it disagreed {often} than the champion with itself"),
        MetricKind::Disagreement => format!("they disagreed on {size} of the pairs"),
        MetricKind::Distance => format!("they were {size} apart"),
        MetricKind::Loss if same => "it lost as much".to_owned(),
        MetricKind::Loss => format!("it lost {size} {word}"),
        MetricKind::LiveFailures => format!("its users failed {size} times as often"),
        MetricKind::LiveLate => format!("its users waited too long {size} times as often"),
        MetricKind::Outcome if same => "its users' value was the same".to_owned(),
        MetricKind::Outcome => format!("its users' value was {size} {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(counted(1, "pair"), "1 pair");
        assert_eq!(counted(1_234_567, "pair"), "1,234,567 pairs");
        let written = [0.0, 0.012_345, -0.5, 1.0, 11.741_8, 1_204.4, -1e-12].map(short);
        assert_eq!(written, ["0", "0.0123", "-0.5", "1", "11.7", "1204", "0"]);
        assert_eq!(percent(0.123), "12.3 %");
    }

    #[test]
    fn an_interval_takes_its_side_from_words_and_not_from_a_minus() {
        let accuracy = |interval| between(MetricKind::Accuracy, interval);
        assert_eq!(accuracy((0.02, 0.05)), "between 2 and 5 points");
        assert_eq!(accuracy((-0.05, -0.02)), "between 2 and 5 points");
        assert_eq!(accuracy((-0.05, 0.02)), "between 5 points less and 2 points more");
    }
}
