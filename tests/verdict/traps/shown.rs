//! What is shown and decides nothing: slices, drift, disagreements, timelines; and the guard.

use super::*;

#[test]
fn a_slice_in_which_the_candidate_is_worse_is_named_and_rolls_nothing_back() {
    let verdict = builder()
        .metric(Metric::failures())
        .by_comparison("half", |comparison| {
            Some((comparison.prediction_id.as_u128() % 2).to_string())
        })
        .build()
        .unwrap();
    for user in 0..4_000_u64 {
        // In one half it fails now and then, in the other the champion does.
        let fails = user % 40 < 2;
        let failed = Err(ErrorKind::Failed);
        verdict.record(&match (fails, user % 2) {
            (true, 0) => pair(user, Ok(0), failed),
            (true, _) => pair(user, failed, Ok(0)),
            _ => pair(user, Ok(0), Ok(0)),
        });
    }
    let judgement = verdict.judge();
    assert_ne!(judgement.overall, Overall::RollBack);
    let [slice] = &judgement.slices[..] else { panic!("{:?}", judgement.slices) };
    assert_eq!(
        (slice.slice.as_str(), slice.metric.as_str(), slice.pairs),
        ("half=0", "failures", 2_000)
    );
    assert!((slice.estimate - 0.05).abs() < 1e-12);
}

#[test]
fn a_promoted_version_that_gets_worse_sounds_the_guard() {
    let verdict = builder().metric(Metric::failures()).metric(Metric::accuracy()).build().unwrap();
    let feed = |users: std::ops::Range<u64>, wrong: u64| {
        for user in users {
            // The candidate answers now, the champion runs in its shadow.
            let mut reversed = pair(user, Ok(0), Ok(0));
            reversed.primary = Run::new("v2", Ok((user % 100 < wrong).into()), Duration::ZERO);
            reversed.candidate = Run::new("v1", Ok((user % 100 == 99).into()), Duration::ZERO);
            verdict.record(&reversed);
            verdict.label(id(user), 0);
        }
    };
    feed(0..10_000, 1);
    assert!(verdict.guard(1e-6).iter().all(|guard| !guard.alarm), "{:?}", verdict.guard(1e-6));
    feed(10_000..15_000, 6);
    let alarms: Vec<_> =
        verdict.guard(1e-6).into_iter().filter(|guard| guard.alarm).map(|it| it.name).collect();
    assert_eq!(alarms, ["accuracy"]);
    // What is watched after promotion adds nothing to what was decided before.
    assert_eq!(verdict.tally().pairs.scored, 0);
}

#[test]
fn a_distribution_that_moves_is_shown_and_decides_nothing() {
    let verdict = builder()
        .metric(Metric::failures())
        .drift("time of day", 0.0..=24.0, |comparison| {
            Some((comparison.prediction_id.as_u128() % 24) as f64)
        })
        .drift("amount", 0.0..=100.0, |comparison| {
            let id = comparison.prediction_id.as_u128();
            Some(if id < 2_000 { (id % 50) as f64 } else { (id % 100) as f64 })
        })
        .build()
        .unwrap();
    for user in 0..6_000 {
        verdict.record(&pair(user, Ok(1), Ok(1)));
    }
    let judgement = verdict.judge();
    let moved = |name: &str| judgement.health.drift.iter().find(|it| it.name == name).unwrap();
    assert!(moved("amount").moved && !moved("time of day").moved, "{judgement}");
    assert_eq!((moved("amount").base, moved("amount").now), (1_000, 5_000));
    assert_eq!(judgement.overall, Overall::Advance);
}

#[test]
fn the_worst_disagreements_are_kept_and_redacted() {
    let verdict = builder()
        .metric(Metric::disagreement())
        .metric(Metric::accuracy())
        .show_disagreements(|answer| format!("class {answer}"))
        .redact(|shown| shown.champion = "hidden".to_owned())
        .build()
        .unwrap();
    for user in 0..500 {
        let mut comparison = pair(user, Ok(0), Ok(1));
        comparison.agreement =
            Agreement::of("label", user % 2 == 0).with_distance((user % 97) as f64);
        verdict.record(&comparison);
    }
    let kept = verdict.disagreements();
    assert_eq!((kept.worst.len(), kept.random.len()), (10, 10));
    assert!(kept.worst.windows(2).all(|pair| pair[0].distance >= pair[1].distance));
    assert!(kept.worst.iter().all(|it| it.distance >= Some(93.0)), "{:?}", kept.worst);
    assert!(kept.worst.iter().all(|it| it.champion == "hidden" && it.candidate == "class 1"));
    verdict.label(kept.worst[0].prediction_id, 1);
    assert_eq!(verdict.disagreements().worst[0].label.as_deref(), Some("1"));
}

#[test]
fn timelines_are_thin_and_end_at_the_present() {
    let verdict = builder().metric(Metric::failures()).build().unwrap();
    assert!(verdict.timelines()[0].points.is_empty());
    for user in 0..5_003 {
        verdict.record(&pair(user, Ok(1), Ok(1)));
    }
    let line = &verdict.timelines()[0];
    assert!((50..=201).contains(&line.points.len()), "{}", line.points.len());
    assert!(line.points.windows(2).all(|pair| pair[0].pairs < pair[1].pairs));
    assert_eq!(line.points.last().map(|point| point.pairs), Some(5_003));
}

#[test]
fn slices_by_the_context_are_those_of_the_request_live_and_replayed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("comparisons.jsonl");
    let sink = Arc::new(JsonlSink::create(&path).unwrap());
    let sliced = || {
        Verdict::<f32>::builder("v2")
            .against("v1")
            .metric(Metric::failures())
            .by("country", |context| Some(context.attribute("country")?.as_str()?.to_owned()))
            .by("broken", |_| panic!("a slice that panics"))
            .build()
            .unwrap()
    };
    let live = sliced();
    let router = |policy: Shadow| {
        ModelRouter::<[f32], f32>::builder("flag")
            .model("v1", model_fn(|_: &[f32]| Ok(1.0)))
            .model(
                "v2",
                model_fn(|features: &[f32]| match features {
                    [1.0, ..] => Err(ModelError::new("not in this country")),
                    _ => Ok(1.0),
                }),
            )
            .fallback("v1")
            .source(Rollout::everyone("v1").flag("flag").unwrap())
            .shadow(policy)
            .sink(live.clone())
            .sink(Arc::clone(&sink))
            .build()
            .unwrap()
    };
    let hasher = || KeyHasher::new([7; 32]).unwrap();
    let policy = || Shadow::always().candidate("v2").key_hasher(hasher());
    let roomy = Budget::cpu_percent(100.0);
    let (joined, detached) = (
        router(policy().joined()),
        router(policy().budget(roomy).deadline(Duration::from_secs(600))),
    );
    for user in 0..1_000_u32 {
        let key = format!("user-{user}");
        let country = if user % 4 == 0 { "se" } else { "no" };
        let context = Context::new(&key).with("country", country);
        let features = [if country == "se" && user % 8 == 0 { 1.0 } else { 0.0 }];
        joined.predict(&context, &features).unwrap();
    }
    // A request without the attribute is in no slice, and a detached shadow carries its own.
    let context = Context::new("somebody");
    joined.predict(&context, &[0.0]).unwrap();
    let context = Context::new("somebody-else").with("country", "dk");
    detached.predict(&context, &[0.0]).unwrap();
    let context = Context::new("one-of-many").with("country", "fi");
    let many: [(&dyn EvaluationContext, &[f32]); 1] = [(&context, &[0.0])];
    detached.predict_batch(&many).into_iter().for_each(|answer| drop(answer.unwrap()));
    assert!(detached.flush(Duration::from_secs(30)));

    let tally = live.tally();
    let pairs = |slice: &str| match tally.slices.get(slice).map(|slice| &slice["failures"]) {
        Some(MetricCounts::Paired { worse, same, .. }) => (*worse, *same),
        other => panic!("{slice}: {other:?}"),
    };
    assert_eq!(pairs("country=se"), (125, 125));
    assert_eq!(pairs("country=no"), (0, 750));
    assert_eq!((pairs("country=dk"), pairs("country=fi")), ((0, 1), (0, 1)));
    let judgement = live.judge();
    assert_eq!(judgement.slices[0].slice, "country=se");

    // The records carry them: a replay makes the same of them, and says where they do not.
    JsonlSink::flush(&sink).unwrap();
    let records = std::fs::read_to_string(&path).unwrap();
    let again = sliced();
    let read = again.replay(records.as_bytes()).unwrap();
    assert_eq!(again.tally().slices, tally.slices);
    assert_eq!(read.without_slice, read.comparisons, "none says anything of `broken`");
    let other = Verdict::<f32>::builder("v2").by("tenant", |_| None).build().unwrap();
    let read = other.replay(records.as_bytes()).unwrap();
    assert_eq!(read.without_slice, read.comparisons);
    let other = Verdict::<f32>::builder("v2").by("country", |_| None).build().unwrap();
    assert_eq!(other.replay(records.as_bytes()).unwrap().without_slice, 1);
}
