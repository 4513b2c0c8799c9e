//! Contents of pages to draw: nothing, one pair, a million pairs, many classes, numbers instead of
//! classes, no autopilot, and names that would break a careless page.

mod usual;

pub(crate) use self::usual::a_million_pairs;
use crate::report::content::*;

pub(crate) fn all() -> Vec<(&'static str, Content)> {
    vec![
        ("no_data", no_data()),
        ("one_pair", one_pair()),
        ("a_million_pairs", a_million_pairs()),
        ("two_hundred_classes", two_hundred_classes()),
        ("regression", regression()),
        ("no_autopilot", no_autopilot()),
        ("hostile", hostile()),
    ]
}

fn empty(title: &str) -> Content {
    Content {
        schema: 1,
        title: title.to_owned(),
        at_ms: Some(1_790_000_000_000),
        ..Content::default()
    }
}

fn headline(standing: Standing, sentence: &str) -> Headline {
    Headline { sentence: sentence.to_owned(), standing }
}

pub(crate) fn no_data() -> Content {
    Content {
        headline: headline(Standing::Neutral, "There is no data yet."),
        ..empty("ml-model-version")
    }
}

fn metric(name: &str, pairs: u64) -> Metric {
    Metric {
        name: name.to_owned(),
        role: "guardrail".to_owned(),
        finding: "undecided".to_owned(),
        champion: Some(0.02),
        candidate: Some(0.024),
        estimate: Some(0.004),
        interval: Some((-0.001, 0.009)),
        margin: Some(0.005),
        unit: Unit::Share,
        pairs,
        expected_pairs: Some(1_396),
        worse: Some(EvidenceBar { ln_e: 0.8, threshold: 3.689 }),
        not_worse: Some(EvidenceBar { ln_e: -0.4, threshold: 2.996 }),
        sentence: format!(
            "{name}: undecided after {pairs} pairs; the difference is +0.4 points, between \
             \u{2212}0.1 and 0.9, with a margin of 0.5."
        ),
        ..Metric::default()
    }
}

pub(crate) fn one_pair() -> Content {
    Content {
        champion: Some("v1".to_owned()),
        candidate: Some("v2".to_owned()),
        headline: headline(Standing::Neutral, "v2 is not known to be better or worse: 1 pair."),
        metrics: vec![Metric {
            estimate: Some(0.0),
            interval: Some((-1.0, 1.0)),
            champion: Some(0.0),
            candidate: Some(0.0),
            worse: Some(EvidenceBar { ln_e: 0.0, threshold: 2.996 }),
            not_worse: Some(EvidenceBar { ln_e: 0.004, threshold: 2.996 }),
            ..metric("failures", 1)
        }],
        series: vec![Series {
            metric: "failures".to_owned(),
            margin: Some(0.005),
            unit: Unit::Share,
            thresholds: Some((2.996, 2.996)),
            points: vec![point(1, 0.0, 1.0)],
            stages: Vec::new(),
        }],
        agreement: Some(Agreement {
            pairs: 1,
            classes: vec!["3".to_owned()],
            confusion: vec![vec![1]],
            ..Agreement::default()
        }),
        ..empty("ml-model-version")
    }
}

fn point(pairs: u64, estimate: f64, half: f64) -> Point {
    Point {
        pairs,
        estimate,
        interval: Some((estimate - half, estimate + half)),
        ln_e_worse: -0.3,
        ln_e_not_worse: 4.6 * (1.0 - half),
    }
}

fn line(metric: &str, pairs: u64) -> Series {
    let points = (1..=200).map(|place| {
        let at = pairs * place / 200;
        let wave = (place as f64 * 0.7).sin() * 0.004 / (place as f64).sqrt();
        point(at, 0.001 + wave, 0.08 / (place as f64).sqrt())
    });
    Series {
        metric: metric.to_owned(),
        margin: Some(0.01),
        unit: Unit::Share,
        thresholds: Some((3.689, 2.996)),
        points: points.collect(),
        stages: vec![(pairs / 5, "5 %".to_owned()), (pairs / 2, "25 %".to_owned())],
    }
}

fn buckets(middle: f64) -> Vec<(f64, u64)> {
    (0..120)
        .map(|place| {
            let end = middle * 10_f64.powf((f64::from(place) - 60.0) / 40.0);
            let from = (f64::from(place) - 60.0) / 14.0;
            (end, ((-from * from / 2.0).exp() * 10_000.0) as u64)
        })
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn latency(version: &str, middle: f64) -> Latency {
    Latency {
        version: version.to_owned(),
        measured: "answering a caller".to_owned(),
        count: 754_321,
        p50_us: middle,
        p90_us: middle * 2.1,
        p99_us: middle * 7.3,
        max_us: middle * 31.0,
        buckets: buckets(middle),
    }
}

fn disagreement(place: u32) -> Disagreement {
    Disagreement {
        prediction_id: format!("{place:032x}"),
        champion: format!("{}", place % 10),
        candidate: format!("{}", (place + 3) % 10),
        distance: Some(1.0 - f64::from(place) * 0.013),
        label: Some(format!("{}", place % 10)),
        features: None,
    }
}

pub(crate) fn two_hundred_classes() -> Content {
    Content {
        champion: Some("v1".to_owned()),
        candidate: Some("v2".to_owned()),
        headline: headline(Standing::Good, "v2 is not worse than v1 in every guardrail."),
        agreement: Some(Agreement {
            pairs: 48_000,
            disagreed: 1_920,
            interval: Some((0.037, 0.043)),
            commonest: (0..20)
                .map(|n| (format!("species-{n}"), format!("species-{}", n + 180), 96 - n * 4))
                .collect(),
            ..Agreement::default()
        }),
        ..empty("species")
    }
}

pub(crate) fn regression() -> Content {
    let absolute = Metric {
        unit: Unit::Number,
        champion: Some(43.2),
        candidate: Some(60.8),
        estimate: Some(17.6),
        interval: Some((9.1, 26.4)),
        margin: Some(3.0),
        finding: "worse".to_owned(),
        standing: Standing::Bad,
        sentence: "absolute error: worse for certain, by 17.6, between 9.1 and 26.4.".to_owned(),
        ..metric("absolute error", 442)
    };
    Content {
        champion: Some("ridge".to_owned()),
        candidate: Some("tree".to_owned()),
        headline: headline(
            Standing::Bad,
            "tree is worse than ridge: its absolute error is 17.6 higher (442 pairs).",
        ),
        metrics: vec![absolute],
        ..empty("progression")
    }
}

pub(crate) fn no_autopilot() -> Content {
    Content { rollout: None, gates: Vec::new(), history: Vec::new(), ..a_million_pairs() }
}

pub(crate) fn hostile() -> Content {
    let name = "</title></style><script>alert(1)</script><img src=x onerror=alert(1)>\" onload=\"x\u{202e}";
    let mut content = a_million_pairs();
    content.title = name.to_owned();
    content.champion = Some(name.to_owned());
    content.candidate = Some(name.repeat(40));
    content.headline.sentence = name.to_owned();
    for metric in &mut content.metrics {
        metric.name = name.to_owned();
        metric.estimate = Some(f64::NAN);
        metric.interval = Some((f64::NEG_INFINITY, f64::INFINITY));
        metric.sentence = name.to_owned();
    }
    for series in &mut content.series {
        series.metric = name.to_owned();
        for point in series.points.iter_mut().step_by(3) {
            point.estimate = f64::NAN;
            point.ln_e_worse = f64::INFINITY;
        }
        series.stages = vec![(3, name.to_owned())];
    }
    if let Some(agreement) = &mut content.agreement {
        agreement.classes.fill(name.to_owned());
    }
    if let Some(found) = &mut content.disagreements {
        for row in &mut found.worst {
            (row.champion, row.candidate) = (name.to_owned(), name.repeat(100));
            row.features = Some(name.repeat(100));
        }
    }
    for version in &mut content.versions {
        version.version = name.repeat(20);
        version.state = name.to_owned();
    }
    for latency in &mut content.latency {
        latency.version = name.to_owned();
    }
    for source in &mut content.sources {
        source.name = name.to_owned();
        source.state = name.repeat(4);
    }
    for event in &mut content.history {
        event.sentence = name.to_owned();
    }
    if let Some(decision) = &mut content.decision {
        decision.evidence = serde_json::json!({ name: name });
    }
    content
}
