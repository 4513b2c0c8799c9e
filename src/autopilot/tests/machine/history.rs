//! The transitions of a rollout, which can be verified.

use super::*;

#[test]
fn a_history_that_was_touched_does_not_verify() {
    let (plan, mut sums) = (plan(), good());
    let mut state = RolloutState::new(&plan, "hash", 0);
    for _ in 0..40 {
        sums.findings.pairs += 10;
        state = tick(&plan, &state, &sums, MINUTE);
    }
    let text = serde_json::to_string(&state.transitions).unwrap();
    let mut caught = 0;
    for place in 0..text.len() {
        let mut bytes = text.clone().into_bytes();
        bytes[place] = if bytes[place] == b'7' { b'8' } else { b'7' };
        let Ok(touched) = serde_json::from_slice::<Vec<crate::autopilot::Transition>>(&bytes)
        else {
            continue;
        };
        if touched == state.transitions {
            continue;
        }
        assert!(verify_history(&touched).is_err(), "byte {place} of {text}");
        caught += 1;
    }
    assert!(caught > 500, "{caught}");
    let shortened: Vec<_> =
        state.transitions.iter().enumerate().filter(|(n, _)| *n != 1).map(|(_, t)| t).collect();
    assert!(verify_history(shortened).is_err(), "one was taken out");
}

#[test]
fn old_sums_are_dropped_and_what_they_prove_is_kept() {
    let mut plan = plan();
    plan.stages = vec![Stage::percent(5.0)];
    let mut sums = good();
    sums.findings.judgement = serde_json::json!({"long": "sums"});
    let mut state = at(&plan, Phase::Shadowing);
    for _ in 0..80 {
        state = commanded(&plan, &state, &sums, CommandKind::Pause).unwrap();
        state = commanded(&plan, &state, &sums, CommandKind::Resume).unwrap();
    }
    assert_eq!(state.transitions.len(), 100);
    verify_history(&state.transitions).unwrap();
    let kept = state.transitions.iter().filter(|one| one.evidence.judgement.get("long").is_some());
    assert_eq!(kept.count(), 12);
}
