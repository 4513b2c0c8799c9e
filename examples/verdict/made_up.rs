//! Three candidates whose truth is known: a bad, an equal and a better one.
//!
//! Each user asks once; both versions answer, the candidate in the shadow; the label comes later.

use std::error::Error;

use modelgate::{
    Context, ModelError, ModelRouter, Rollout, Shadow,
    compare::SameLabel,
    model_fn,
    verdict::{Finding, Metric, Overall, Verdict},
};

/// How many of a thousand users a version is wrong about. The truth of user `n` is `n % 3`.
fn answer(user: u64, wrong_of_a_thousand: u64, draw: u64) -> u64 {
    // Fibonacci hashing: which users is a matter of the draw, not of their number.
    let drawn = (user ^ draw).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let truth = user % 3;
    if drawn % 1_000 < wrong_of_a_thousand { (truth + 1) % 3 } else { truth }
}

pub fn show() -> Result<(), Box<dyn Error>> {
    for (what, wrong) in [("bad", 80), ("equal", 50), ("better", 30)] {
        println!("== a candidate that is {what}: wrong {wrong} times in 1,000, the champion 50");
        let expected = match what {
            "bad" => Overall::RollBack,
            _ => Overall::Advance,
        };
        let found = judge(wrong)?;
        assert_eq!(found, expected);
        println!();
    }
    Ok(())
}

fn judge(wrong: u64) -> Result<Overall, Box<dyn Error>> {
    let verdict = Verdict::<u64, u64>::builder("v2")
        .against("v1")
        .metric(Metric::failures())
        .metric(Metric::disagreement())
        .metric(Metric::accuracy())
        .build()?;
    let version = |wrong: u64, draw: u64| {
        model_fn(move |user: &u64| -> Result<u64, ModelError> { Ok(answer(*user, wrong, draw)) })
    };
    let router = ModelRouter::<u64, u64>::builder("ml-model-version")
        .model("v1", version(50, 1))
        // The better one is wrong about some of the users that the champion is wrong about, too.
        .model("v2", version(wrong, if wrong < 50 { 1 } else { 2 }))
        .fallback("v1")
        .source(Rollout::everyone("v1").flag("ml-model-version")?)
        .shadow(Shadow::always().candidate("v2").joined())
        .compare(SameLabel)
        .sink(verdict.clone())
        .build()?;

    for user in 0..40_000_u64 {
        let key = format!("user-{user}");
        let given = router.predict(&Context::new(&key), &user)?;
        verdict.label(given.id(), user % 3);
        // One may look as often as one likes; here, every hundred users.
        if user % 100 == 99 {
            let judgement = verdict.judge();
            let decided = judgement.overall != Overall::Hold;
            let better = judgement.metric("accuracy").map(|accuracy| accuracy.finding);
            // An equal candidate may go on as soon as it is not worse; a better one is watched
            // until that is known.
            if decided && (wrong >= 50 || better == Some(Finding::Better)) {
                break;
            }
        }
    }
    let judgement = verdict.judge();
    println!("{judgement}");
    Ok(judgement.overall)
}
