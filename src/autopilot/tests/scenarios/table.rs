//! Time to rollback and users exposed, beside Flagger's threshold rule and GrowthBook's sequential one,
//! on traffic made alike. The guide shows the table that this makes.

use std::fmt::Write as _;

use super::Random;
use crate::verdict::stats::{
    grid,
    rate_ratio::{self, Stratum},
};

/// A median of so many is within a twentieth of that of ever so many.
const RUNS: u64 = 2_000;
/// Of equal versions, which are watched for a whole day.
const EQUAL_RUNS: u64 = 200;
const ALPHA: f64 = 0.05;
/// The part of the users who are scored in shadow.
const IN_SHADOW: f64 = 0.1;

/// Requests a second, and how often each version fails.
struct Case {
    name: &'static str,
    rate: f64,
    champion: f64,
    candidate: f64,
    /// Minutes and users at 5 %, as the simulation found them by which the rules were chosen: medians of
    /// 300 rollouts; 0 for equal versions.
    chosen: (f64, f64),
    /// The same by the same rule in 20,000 rollouts, made with another program and other numbers. Of
    /// medians of 300, nineteen in twenty are from 8.8 to 11.3 minutes in the fourth case, for instance.
    expected: (f64, f64),
}

const fn case(
    name: &'static str,
    rate: f64,
    champion: f64,
    candidate: f64,
    chosen: (f64, f64),
    expected: (f64, f64),
) -> Case {
    Case { name, rate, champion, candidate, chosen, expected }
}

const CASES: [Case; 8] = [
    case("equal, 0.5 %, 20/s", 20.0, 0.005, 0.005, (0.0, 0.0), (0.0, 0.0)),
    case("equal, 2 %, 2/s", 2.0, 0.02, 0.02, (0.0, 0.0), (0.0, 0.0)),
    case("0.5 → 1 %, 20/s", 20.0, 0.005, 0.01, (31.4, 1_871.0), (32.3, 1_942.0)),
    case("0.5 → 1.5 %, 20/s", 20.0, 0.005, 0.015, (9.3, 545.0), (10.2, 607.0)),
    case("0.5 → 5 %, 20/s", 20.0, 0.005, 0.05, (1.2, 74.0), (1.17, 70.0)),
    case("0.5 → 5 %, 0.5/s", 0.5, 0.005, 0.05, (36.4, 55.0), (40.3, 61.0)),
    case("0.5 → 50 %, 20/s", 20.0, 0.005, 0.5, (0.17, 10.5), (0.17, 11.0)),
    case("0.5 → 50 %, 0.5/s", 0.5, 0.005, 0.5, (2.7, 4.0), (2.5, 4.0)),
];

impl Case {
    fn is_equal(&self) -> bool {
        self.champion == self.candidate
    }
}

/// When it was rolled back, in minutes, and how many users had reached the candidate by then.
type Outcome = Option<(f64, f64)>;

impl Random {
    /// The same above a mean where the normal distribution is as good.
    fn arrivals(&mut self, mean: f64) -> f64 {
        if mean < 50.0 {
            return self.poisson(mean) as f64;
        }
        let (radius, angle) = ((-2.0 * (1.0 - self.next()).ln()).sqrt(), self.next());
        let normal = radius * (std::f64::consts::TAU * angle).cos();
        (mean + mean.sqrt() * normal).round().max(0.0)
    }

    /// Users of a time, and those of them who failed: thinned arrivals are arrivals.
    fn users(&mut self, mean: f64, fails: f64) -> (f64, f64) {
        let (failed, served) = (self.arrivals(mean * fails), self.arrivals(mean * (1.0 - fails)));
        (failed + served, failed)
    }
}

fn live(failed: u64, held_back: u64, alpha: f64) -> bool {
    let stage = Stratum { share: 0.05, candidate: failed, held_back };
    rate_ratio::ln_e_above(&[stage], 1.0) >= (1.0 / alpha).ln()
}

fn paired(worse: u64, better: u64, alpha: f64) -> bool {
    grid::ln_e_above(&grid::ternary(worse, 0, better), 0.5) >= (1.0 / alpha).ln()
}

/// Looks every ten seconds for a day. A look counts where the candidate failed since the last one: no
/// other raises the evidence.
fn each_look(mut look: impl FnMut() -> (bool, f64)) -> Outcome {
    (1..=8_640_u32).find_map(|number| {
        let (over, exposed) = look();
        over.then_some((f64::from(number) / 6.0, exposed))
    })
}

/// At 5 %.
fn ours(case: &Case, random: &mut Random) -> Outcome {
    let (mut failed, mut held_back, mut exposed) = (0, 0, 0.0);
    each_look(|| {
        let (users, failures) = random.users(case.rate * 10.0 * 0.05, case.candidate);
        exposed += users;
        failed += failures as u64;
        held_back += random.arrivals(case.rate * 10.0 * 0.95 * case.champion) as u64;
        (failures > 0.0 && live(failed, held_back, ALPHA), exposed)
    })
}

/// A tenth of the users in shadow, nobody exposed.
fn in_shadow(case: &Case, random: &mut Random) -> Outcome {
    let (mut worse, mut better) = (0, 0);
    let pairs = case.rate * 10.0 * IN_SHADOW;
    each_look(|| {
        let failed = random.arrivals(pairs * case.candidate * (1.0 - case.champion));
        worse += failed as u64;
        better += random.arrivals(pairs * case.champion * (1.0 - case.candidate)) as u64;
        (failed > 0.0 && paired(worse, better, ALPHA), 0.0)
    })
}

/// As a rollout does it that the guide sets up: at 5 %, with everybody in shadow, whoever answers. The
/// two metrics share the error, and a failure counts in both.
fn both(case: &Case, random: &mut Random) -> Outcome {
    let (mut worse, mut better, mut failed, mut held_back, mut exposed) = (0, 0, 0, 0, 0.0);
    let (p, q) = (case.candidate, case.champion);
    each_look(|| {
        let mut new = 0;
        for (share, is_candidate) in [(0.05, true), (0.95, false)] {
            let users = case.rate * 10.0 * share;
            let mut some = |rate: f64| random.arrivals(users * rate) as u64;
            let [only_new, only_old, both] = [p * (1.0 - q), q * (1.0 - p), p * q].map(&mut some);
            worse += only_new;
            better += only_old;
            if is_candidate {
                failed += only_new + both;
                exposed += (only_new + both + some(1.0 - p)) as f64;
            } else {
                held_back += only_old + both;
            }
            new += only_new + if is_candidate { both } else { 0 };
        }
        let over = live(failed, held_back, ALPHA / 2.0) || paired(worse, better, ALPHA / 2.0);
        (new > 0 && over, exposed)
    })
}

/// Each minute, fewer than 99 % that succeed, or nobody, is a failed check; five of them roll back. A
/// good one is ten points more, up to half, and then the promotion.
fn flagger(case: &Case, random: &mut Random) -> Outcome {
    let (mut weight, mut failed_checks, mut exposed) = (0.1, 0, 0.0);
    for minute in 1..600_u32 {
        if failed_checks >= 5 {
            return Some((f64::from(minute), exposed));
        }
        let (users, failed) = random.users(case.rate * 60.0 * weight, case.candidate);
        exposed += users;
        match users > 0.0 && 1.0 - failed / users >= 0.99 {
            true if weight >= 0.5 => return None,
            true => weight += 0.1,
            false => failed_checks += 1,
        }
    }
    None
}

/// One-sided, tuned for 5,000, against a control of the same size; steps of two hours, looked at every
/// ten minutes, which is kinder than its default.
fn growthbook(case: &Case, random: &mut Random) -> Outcome {
    let (a, tuned) = (2.0 * ALPHA, 5_000.0);
    let rho = ((-2.0 * f64::ln(a) + (-2.0 * f64::ln(a) + 1.0).ln()) / tuned).sqrt();
    let (mut treated, mut control, mut minutes) = ((0.0, 0.0), (0.0, 0.0), 0.0);
    for (share, looks) in [(0.01, 12), (0.05, 12), (0.1, 12), (0.25, 12), (0.5, 120)] {
        for _ in 0..looks {
            let mean = case.rate * 600.0 * share;
            let (new, old) =
                (random.users(mean, case.candidate), random.users(mean, case.champion));
            treated = (treated.0 + new.0, treated.1 + new.1);
            control = (control.0 + old.0, control.1 + old.1);
            minutes += 10.0;
            if treated.0 < 2.0 || control.0 < 2.0 {
                continue;
            }
            let (p, q) = (treated.1 / treated.0, control.1 / control.0);
            let variance = p * (1.0 - p) / treated.0 + q * (1.0 - q) / control.0;
            let n = treated.0 + control.0;
            let inner = n * rho * rho + 1.0;
            let width = (2.0 * inner / (n * rho).powi(2)
                * (1.0 + inner.sqrt() / (2.0 * ALPHA)).ln())
            .sqrt();
            if variance > 0.0 && p - q - (variance * n).sqrt() * width > 0.0 {
                return Some((minutes, treated.0));
            }
        }
    }
    None
}

struct Summary {
    caught: f64,
    minutes: f64,
    exposed: f64,
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(f64::NAN)
}

fn summary(case: &Case, rule: fn(&Case, &mut Random) -> Outcome) -> Summary {
    let runs = if case.is_equal() { EQUAL_RUNS } else { RUNS };
    let outcomes: Vec<Outcome> = (0..runs).map(|run| rule(case, &mut Random::new(run))).collect();
    let caught: Vec<(f64, f64)> = outcomes.iter().flatten().copied().collect();
    Summary {
        caught: caught.len() as f64 / runs as f64,
        minutes: median(caught.iter().map(|one| one.0).collect()),
        exposed: median(caught.iter().map(|one| one.1).collect()),
    }
}

fn cell(summary: &Summary, equal: bool) -> String {
    let percent = (summary.caught * 1_000.0).round() / 10.0;
    let minutes = match summary.minutes {
        minutes if minutes < 10.0 => format!("{minutes:.1}"),
        minutes => format!("{minutes:.0}"),
    };
    match (equal, percent < 100.0) {
        (true, _) => format!("{percent} %"),
        (false, true) if summary.caught == 0.0 => "0 %".to_owned(),
        (false, true) => format!("{minutes} ({:.0}), in {percent} %", summary.exposed),
        (false, false) => format!("{minutes} ({:.0})", summary.exposed),
    }
}

#[test]
fn no_later_and_nobody_more_than_the_rules_of_others_and_the_guide_shows_it() {
    let mut table = String::from(
        "| | Flagger | GrowthBook | live at 5 % | a tenth in shadow | live, all in shadow |\n|---|---|---|---|---|---|\n",
    );
    for case in &CASES {
        let rules = [flagger, growthbook, ours, in_shadow, both].map(|rule| summary(case, rule));
        let [of_flagger, of_growthbook, live, shadow, both] = &rules;
        for one in [live, shadow, both] {
            if case.is_equal() {
                // Three standard deviations above the promise.
                assert!(one.caught <= 0.097, "{}: {}", case.name, one.caught);
            } else {
                assert!(one.caught >= 0.999, "{}: {}", case.name, one.caught);
            }
        }
        if !case.is_equal() {
            let near = |found: f64, expected: f64, step: f64| {
                (found - expected).abs() <= expected * 0.08 + step
            };
            let (minutes, users) = case.expected;
            assert!(near(live.minutes, minutes, 0.17), "{}: {}", case.name, live.minutes);
            assert!(near(live.exposed, users, 1.0), "{}: {}", case.name, live.exposed);
            // What a rollout does is no later than what was found, of one rule, when they were chosen.
            let (minutes, users) = case.chosen;
            assert!(both.minutes <= minutes + 0.01, "{}: {}", case.name, both.minutes);
            assert!(both.exposed <= users + 0.5, "{}: {}", case.name, both.exposed);
            for ours in [live, both] {
                assert!(ours.minutes <= of_growthbook.minutes, "{}", case.name);
                assert!(ours.exposed <= of_growthbook.exposed, "{}", case.name);
                // A threshold that catches it at all is compared, where it always does.
                if of_flagger.caught >= 0.99 {
                    assert!(ours.minutes <= of_flagger.minutes, "{}", case.name);
                    assert!(ours.exposed <= of_flagger.exposed, "{}", case.name);
                }
            }
        }
        let cells = rules.each_ref().map(|rule| cell(rule, case.is_equal()));
        writeln!(table, "| {} | {} |", case.name, cells.join(" | ")).unwrap();
    }
    let guide = include_str!("../../../guide/autopilot.md");
    assert!(guide.contains(&table), "the guide should show this table:\n\n{table}");
}
