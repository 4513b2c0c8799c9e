//! Restarts, attempts and other questions: which sums belong together.

use super::*;

#[test]
fn each_attempt_asks_for_twice_the_evidence_of_the_one_before() {
    let pairs_to_roll_back = |attempt: u32| {
        let verdict = builder().metric(Metric::failures()).attempt(attempt).build().unwrap();
        let judgement = verdict.judge();
        assert_eq!(judgement.attempt, attempt);
        judgement.metric("failures").unwrap().threshold.worse
    };
    let [first, second, third] = [0, 1, 2].map(pairs_to_roll_back);
    assert!((second - first - 2_f64.ln()).abs() < 1e-12);
    assert!((third - first - 4_f64.ln()).abs() < 1e-12, "the third needs four times as much");
}

#[test]
fn another_margin_is_another_question_whose_sums_are_never_mixed() {
    let ask = |margin: f64| builder().metric(Metric::failures().margin(margin)).build().unwrap();
    let (one, other) = (ask(0.005), ask(0.01));
    assert_ne!(one.config().hash(), other.config().hash());
    other.record(&pair(1, Ok(1), Ok(1)));
    let mismatch = one.resume(&other.tally()).unwrap_err();
    assert_eq!(mismatch.field(), "config_hash");
    let before = one.tally();
    assert!(one.tally().merge(&other.tally()).is_err());
    assert_eq!(one.tally(), before);
}

#[test]
fn a_verdict_goes_on_after_a_restart_as_if_there_had_been_none() {
    let fresh = || builder().metric(Metric::failures()).metric(Metric::accuracy()).build().unwrap();
    let whole = fresh();
    let (first, second) = (fresh(), fresh());
    for user in 0..1_000 {
        let comparison = pair(user, Ok(0), Ok((user % 9 == 0).into()));
        whole.record(&comparison);
        whole.label(id(user), 0);
        let part = if user < 400 { &first } else { &second };
        part.record(&comparison);
        part.label(id(user), 0);
    }
    let stored = serde_json::to_string(&first.tally()).unwrap();
    second.resume(&serde_json::from_str::<Tally>(&stored).unwrap()).unwrap();
    assert_eq!(second.tally(), whole.tally());
    assert_eq!(second.evidence(), whole.evidence());
}

#[test]
fn evidence_says_when_anything_in_it_was_changed() {
    let verdict = builder().metric(Metric::failures()).metric(Metric::accuracy()).build().unwrap();
    for user in 0..300 {
        verdict.record(&pair(user, Ok(0), Ok((user % 9 == 0).into())));
        verdict.label(id(user), 0);
    }
    let evidence = verdict.evidence();
    evidence.verify().unwrap();
    let json = serde_json::to_string(&evidence).unwrap();
    let again: Evidence = serde_json::from_str(&json).unwrap();
    assert_eq!(again, evidence);
    // Every digit and letter inside it, one after the other.
    let (mut found, mut tried) = (0, 0);
    for (place, byte) in json.bytes().enumerate().step_by(7) {
        let other = match byte {
            b'0'..=b'8' => byte + 1,
            b'9' => b'0',
            b'a'..=b'y' => byte + 1,
            _ => continue,
        };
        let mut changed = json.clone().into_bytes();
        changed[place] = other;
        let Ok(changed) = serde_json::from_slice::<Evidence>(&changed) else { continue };
        if changed == evidence {
            continue;
        }
        tried += 1;
        found += usize::from(changed.verify().is_err());
    }
    assert!(tried > 100, "{tried}");
    assert_eq!(found, tried);
}
