//! The statistics against numbers that were computed with sixty digits by independent closed forms.
//!
//! They lie outside this repository: `MODELGATE_VERDICT` names their folder. Two groups of theirs are
//! compared with nothing, since nothing here computes what they hold: `prpl_eb`, an empirical
//! Bernstein sequence that depends on the order of the data, so that its sums would not add up over
//! processes, and `msprt`, a likelihood ratio of normal means, which the asymptotic sequence replaces.

use std::path::PathBuf;

use modelgate::{
    PredictionId,
    verdict::stats::{
        agreement, asymptotic, bernoulli, budget, drift, e_bh, e_detector, grid, mcnemar,
        rate_ratio, rounding, sample_ratio,
    },
};
use serde_json::Value;

/// Of results that need no gamma function, and of those that do.
const EXACT: f64 = 1e-10;
const BY_GAMMA: f64 = 1e-9;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("MODELGATE_VERDICT").map(PathBuf::from);
    if folder.is_none() {
        println!("skipped: MODELGATE_VERDICT names no folder");
    }
    folder
}

/// The rows of a group of golden numbers, and how many there are at least.
fn golden(group: &str) -> Option<Value> {
    let text = std::fs::read_to_string(folder()?.join("golden.json")).expect("golden.json");
    let mut all: Value = serde_json::from_str(&text).expect("golden numbers are JSON");
    Some(all[group].take())
}

fn rows(group: &str, least: usize) -> Vec<Value> {
    let Some(mut group) = golden(group) else { return Vec::new() };
    let rows = group["rows"].take().as_array().expect("rows").clone();
    assert!(rows.len() >= least, "{} rows", rows.len());
    rows
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn counts(value: &Value) -> Vec<u64> {
    value.as_array().expect("counts").iter().map(count).collect()
}

#[track_caller]
fn near(found: f64, expected: &Value, tolerance: f64, row: &Value) {
    let expected = number(expected);
    // Relative; a golden zero is met to the tolerance itself.
    let scale = if expected == 0.0 { 1.0 } else { expected.abs() };
    assert!(
        (found - expected).abs() <= tolerance * scale,
        "found {found:e}, expected {expected:e} (off by {:e}) in {row}",
        (found - expected).abs() / scale
    );
}

#[test]
fn ternary_grid_betting_meets_the_golden_numbers() {
    for row in rows("grid_kelly_ternary", 8) {
        let seen = grid::ternary(count(&row["worse"]), count(&row["same"]), count(&row["better"]));
        for margin in ["0.0", "0.005", "0.01"] {
            let m = (margin.parse::<f64>().unwrap() + 1.0) / 2.0;
            let (above, below) =
                (format!("ln_e_worse_than_{margin}"), format!("ln_e_less_than_{margin}"));
            near(grid::ln_e_above(&seen, m), &row[above], EXACT, &row);
            near(grid::ln_e_below(&seen, m), &row[below], EXACT, &row);
        }
        for alpha in ["0.025", "0.05"] {
            let a: f64 = alpha.parse().unwrap();
            let (lower, upper) = (format!("lower_d_{alpha}"), format!("upper_d_{alpha}"));
            near(2.0 * grid::lower_limit(&seen, a) - 1.0, &row[lower], EXACT, &row);
            near(2.0 * grid::upper_limit(&seen, a) - 1.0, &row[upper], EXACT, &row);
        }
    }
}

#[test]
fn grid_betting_on_a_histogram_meets_the_golden_numbers() {
    let Some(group) = golden("grid_kelly_histogram") else { return };
    let mut bins = vec![0; rounding::STEPS + 1];
    for (bin, seen) in group["bins"].as_object().unwrap() {
        bins[bin.parse::<usize>().unwrap()] = count(seen);
    }
    let seen = grid::histogram(&bins);
    near(grid::mean(&seen).unwrap(), &group["mean_x"], EXACT, &group);
    for row in group["rows"].as_array().unwrap() {
        near(grid::ln_e_above(&seen, number(&row["m"])), &row["ln_e_plus"], EXACT, row);
        near(grid::ln_e_below(&seen, number(&row["m"])), &row["ln_e_minus"], EXACT, row);
    }
    near(grid::lower_limit(&seen, 0.025), &group["lower_x_0025"], EXACT, &group);
    near(grid::upper_limit(&seen, 0.025), &group["upper_x_0025"], EXACT, &group);
}

#[test]
fn the_bernoulli_sequence_meets_the_golden_numbers() {
    for row in rows("bernoulli_cs", 16) {
        let prior = (number(&row["a"]), number(&row["b"]));
        let (low, high) =
            bernoulli::interval(count(&row["s"]), count(&row["n"]), prior, number(&row["alpha"]));
        near(low, &row["lower"], BY_GAMMA, &row);
        near(high, &row["upper"], BY_GAMMA, &row);
    }
}

#[test]
fn mcnemars_tests_meet_the_golden_numbers() {
    for row in rows("mcnemar", 10) {
        let (b, c) = (count(&row["b"]), count(&row["c"]));
        near(mcnemar::ln_e_two_sided(b, c), &row["ln_e_two"], BY_GAMMA, &row);
        near(mcnemar::ln_e_worse(b, c), &row["ln_e_one"], BY_GAMMA, &row);
    }
    for row in rows("mcnemar_exact", 5) {
        let p = mcnemar::exact_p(count(&row["b"]), count(&row["c"]));
        near(p, &row["p_exact"], BY_GAMMA, &row);
    }
}

#[test]
fn the_rate_ratio_meets_the_golden_numbers() {
    for row in rows("rate_ratio", 6) {
        let stages: Vec<rate_ratio::Stratum> = row["stages"]
            .as_array()
            .unwrap()
            .iter()
            .map(|stage| rate_ratio::Stratum {
                share: number(&stage["share"]),
                candidate: count(&stage["failures_candidate"]),
                held_back: count(&stage["failures_champion"]),
            })
            .collect();
        near(rate_ratio::ln_e_above(&stages, 1.0), &row["ln_e_ratio_above_1"], EXACT, &row);
        near(rate_ratio::ln_e_above(&stages, 1.25), &row["ln_e_ratio_above_1_25"], EXACT, &row);
        near(rate_ratio::ln_e_below(&stages, 2.0), &row["ln_e_ratio_below_2"], EXACT, &row);
        let (lower, upper) = rate_ratio::limits(&stages, 0.025);
        near(lower, &row["ratio_lower_0025"], EXACT, &row);
        match upper {
            Some(upper) => near(upper, &row["ratio_upper_0025"], EXACT, &row),
            None => assert!(row["ratio_upper_0025"].is_null(), "{row}"),
        }
    }
}

#[test]
fn the_asymptotic_sequence_meets_the_golden_numbers() {
    for row in rows("asymptotic_cs", 6) {
        let [n, alpha, tuned, sd] = ["n", "alpha", "nstar", "sd"].map(|name| number(&row[name]));
        near(asymptotic::rho(alpha, tuned, true), &row["rho_two"], EXACT, &row);
        near(asymptotic::rho(alpha, tuned, false), &row["rho_one"], EXACT, &row);
        near(asymptotic::half_width(sd, n, alpha, tuned), &row["half_two"], EXACT, &row);
        let one = asymptotic::half_width_one_sided(sd, n, alpha, tuned);
        near(one, &row["half_one"], EXACT, &row);
    }
    for row in rows("asymptotic_e", 6) {
        let [n, mean, null, sd, rho] =
            ["n", "mean", "null", "sd", "rho"].map(|name| number(&row[name]));
        near(asymptotic::ln_e_two_sided(n, mean, null, sd, rho), &row["ln_e_two"], EXACT, &row);
        near(asymptotic::ln_e_above(n, mean, null, sd, rho), &row["ln_e_one"], EXACT, &row);
    }
}

#[test]
fn the_contrast_of_two_arms_meets_the_golden_numbers() {
    let Some(group) = golden("ipw_contrast") else { return };
    let (mut candidate, mut other) = (asymptotic::Arm::default(), asymptotic::Arm::default());
    for i in 0..400_u32 {
        let y = f64::from((i * 37) % 101) / 100.0;
        if i % 4 == 0 { candidate.add(y + 0.1) } else { other.add(y) }
    }
    let contrast = asymptotic::Contrast::of(candidate, other, 0.25, 0.5);
    near(contrast.n, &group["n"], EXACT, &group);
    near(contrast.sum, &group["sum"], EXACT, &group);
    near(contrast.sum_of_squares, &group["sum_sq"], EXACT, &group);
    near(contrast.mean(), &group["mean"], EXACT, &group);
    near(contrast.variance(), &group["var_population"], EXACT, &group);
    let half = asymptotic::half_width(contrast.variance().sqrt(), contrast.n, 0.05, 2000.0);
    near(half, &group["half_two_005_2000"], EXACT, &group);
}

#[test]
fn the_sample_ratio_test_meets_the_golden_numbers() {
    for row in rows("srm", 7) {
        let shares: Vec<f64> = row["theta"].as_array().unwrap().iter().map(number).collect();
        let ln_bf = sample_ratio::ln_bayes_factor(&counts(&row["counts"]), &shares);
        near(ln_bf, &row["ln_bf"], BY_GAMMA, &row);
        near(sample_ratio::p_value(ln_bf), &row["p"], BY_GAMMA, &row);
    }
    if let Some(group) = golden("srm") {
        let two = sample_ratio::ln_bayes_factor(&[5000, 5000], &[0.5, 0.5])
            + sample_ratio::ln_bayes_factor(&[430, 9570], &[0.05, 0.95]);
        near(two, &group["stages"]["ln_bf"], BY_GAMMA, &group["stages"]);
    }
}

#[test]
fn drift_meets_the_golden_numbers() {
    for row in rows("drift", 5) {
        let found = drift::compare(&counts(&row["base"]), &counts(&row["now"]), 0.05).unwrap();
        near(found.psi, &row["psi"], EXACT, &row);
        near(found.critical, &row["critical_95"], BY_GAMMA, &row);
        near(found.p, &row["p"], BY_GAMMA, &row);
        near(found.js_divergence, &row["js_divergence"], EXACT, &row);
        near(found.js_divergence.sqrt(), &row["js_distance"], EXACT, &row);
    }
}

#[test]
fn the_e_detector_meets_the_golden_numbers() {
    let (mut plain, mut with_margin) =
        (e_detector::EDetector::new(0.0), e_detector::EDetector::new(0.01));
    let mut after = 0;
    for row in rows("e_detector", 5) {
        while after < count(&row["after"]) {
            let (place, worse, better) = (
                (after * 7) % 10,
                if after < 200 { 3 } else { 5 },
                if after < 200 { 5 } else { 6 },
            );
            let d = if place < worse {
                1.0
            } else if place < better {
                -1.0
            } else {
                0.0
            };
            plain.observe(d);
            with_margin.observe(d);
            after += 1;
        }
        near(plain.ln_shiryaev_roberts().unwrap(), &row["ln_sr_m0"], EXACT, &row);
        near(plain.ln_cusum().unwrap(), &row["ln_cusum_m0"], EXACT, &row);
        near(with_margin.ln_shiryaev_roberts().unwrap(), &row["ln_sr_m001"], EXACT, &row);
        near(with_margin.ln_cusum().unwrap(), &row["ln_cusum_m001"], EXACT, &row);
    }
}

#[test]
fn e_bh_rejects_what_the_golden_rows_reject() {
    for row in rows("e_bh", 6) {
        let ln_e: Vec<f64> = row["e"].as_array().unwrap().iter().map(|e| number(e).ln()).collect();
        let rejected: Vec<usize> =
            counts(&row["rejected"]).into_iter().map(|place| place as usize).collect();
        assert_eq!(e_bh::reject(&ln_e, number(&row["alpha"])), rejected, "{row}");
    }
}

#[test]
fn agreement_figures_meet_the_golden_numbers() {
    let Some(group) = golden("agreement") else { return };
    let numbers = |value: &Value| value.as_array().unwrap().iter().map(number).collect::<Vec<_>>();
    for row in group["kappa"].as_array().unwrap() {
        let table: Vec<Vec<u64>> = row["table"].as_array().unwrap().iter().map(counts).collect();
        let found = agreement::kappa(&table).unwrap();
        near(found.observed, &row["po"], EXACT, row);
        near(found.kappa, &row["kappa"], EXACT, row);
    }
    for row in group["ccc"].as_array().unwrap() {
        let mut moments = agreement::Moments::default();
        for (x, y) in numbers(&row["x"]).into_iter().zip(numbers(&row["y"])) {
            moments.add(x, y);
        }
        near(moments.concordance().unwrap(), &row["ccc"], EXACT, row);
    }
}

#[test]
fn rounding_meets_the_golden_numbers() {
    for row in rows("unbiased_rounding", 8) {
        let id: PredictionId = row["prediction_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(rounding::bits(id), count(&row["u53"]), "{row}");
        assert_eq!(rounding::bin(number(&row["x"]), id) as u64, count(&row["bin"]), "{row}");
    }
}

#[test]
fn error_budgets_meet_the_golden_numbers() {
    for row in rows("alpha", 5) {
        let alpha = number(&row["alpha"]);
        let attempt = count(&row["attempt"]) as u32;
        let spent = budget::ErrorBudget { rollback: alpha, promote: alpha }.of_attempt(attempt);
        let metrics = count(&row["metrics"]) as usize;
        near(spent.ln_rollback(metrics), &row["ln_threshold_rollback"], EXACT, &row);
        near((-spent.ln_rollback(metrics)).exp(), &row["rollback"], EXACT, &row);
        near(spent.promote, &row["promote"], EXACT, &row);
    }
    if let Some(group) = golden("alpha") {
        for row in group["spending"].as_array().unwrap() {
            near(budget::spend(0.05, count(&row["j"])), &row["alpha"], EXACT, row);
        }
    }
}
