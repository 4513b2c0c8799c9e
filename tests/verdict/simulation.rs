//! How often a verdict is wrong, and how long it takes: simulated, with fixed seeds.
//!
//! Streams are looked at after every pair. The wealth of the fourteen bets is carried from pair to
//! pair, which costs less than computing it anew; that it is the same is checked on the way.

use std::time::Duration;

use modelgate::{
    PredictionId,
    compare::{Comparison, Run, key::KeyHasher, sink::ComparisonSink},
    verdict::{
        Finding, Metric, MetricCounts, Unit, Verdict,
        stats::{
            grid::{self, STAKES, WEIGHTS},
            rate_ratio::{Stratum, ln_e_above},
            rounding, sample_ratio,
        },
    },
};

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 up to 1.
    fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / 9_007_199_254_740_992.0
    }

    fn happens(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Worse, same, better: 0, 1, 2.
    fn pair(&mut self, worse: f64, better: f64) -> usize {
        let u = self.uniform();
        if u < worse {
            0
        } else if u < worse + better {
            2
        } else {
            1
        }
    }
}

/// Bets that the mean of `x` lies above the null, or below it.
struct Bets {
    /// By outcome: what each stake becomes.
    factors: [[f64; STAKES.len()]; 3],
    wealth: [f64; STAKES.len()],
    counts: [u64; 3],
    null: f64,
    above: bool,
}

impl Bets {
    fn new(margin: f64, above: bool) -> Bets {
        let null = (margin + 1.0) / 2.0;
        let factors = [1.0, 0.5, 0.0].map(|x: f64| {
            let gain = if above { x / null } else { (1.0 - x) / (1.0 - null) } - 1.0;
            STAKES.map(|stake| 1.0 + stake * gain)
        });
        Bets { factors, wealth: WEIGHTS, counts: [0; 3], null, above }
    }

    /// Takes a pair, and answers the evidence, which is no logarithm.
    fn take(&mut self, outcome: usize) -> f64 {
        self.counts[outcome] += 1;
        let mut sum = 0.0;
        for (wealth, factor) in self.wealth.iter_mut().zip(&self.factors[outcome]) {
            *wealth *= factor;
            sum += *wealth;
        }
        sum
    }

    /// The same by the library, from the counts alone.
    fn ln_e(&self) -> f64 {
        let [worse, same, better] = self.counts;
        let seen = grid::ternary(worse, same, better);
        if self.above {
            grid::ln_e_above(&seen, self.null)
        } else {
            grid::ln_e_below(&seen, self.null)
        }
    }
}

/// After which pair the evidence of a stream first reached each level.
fn first<const N: usize>(
    random: &mut Random,
    mut bets: Bets,
    (worse, better): (f64, f64),
    pairs: usize,
    levels: [f64; N],
) -> [Option<usize>; N] {
    let mut found = [None; N];
    for pair in 1..=pairs {
        let evidence = bets.take(random.pair(worse, better));
        for (found, level) in found.iter_mut().zip(levels) {
            if found.is_none() && evidence >= level {
                *found = Some(pair);
                // What decides says so, too.
                assert!(bets.ln_e() >= level.ln() - 1e-9);
            }
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    assert!((bets.ln_e() - bets.wealth.iter().sum::<f64>().ln()).abs() < 1e-6);
    found
}

const STREAMS: usize = 1_000;
const PAIRS: usize = 2_000;
/// 5 %, and three standard errors of a share of a thousand.
const BOUND: f64 = 0.0707;

/// The share of streams that ever reach 1/0.05.
fn alarms(seed: u64, bets: impl Fn() -> Bets, outcomes: (f64, f64)) -> f64 {
    let mut random = Random(seed);
    let alarmed = (0..STREAMS)
        .filter(|_| first(&mut random, bets(), outcomes, PAIRS, [20.0])[0].is_some())
        .count();
    alarmed as f64 / STREAMS as f64
}

#[test]
fn equal_candidates_looked_at_after_every_pair_are_seldom_called_worse() {
    for (seed, discordance) in [(1, 0.004), (2, 0.02), (3, 0.1), (4, 0.4)] {
        let outcomes = (discordance / 2.0, discordance / 2.0);
        let share = alarms(seed, || Bets::new(0.0, true), outcomes);
        println!("discordance {discordance}: {share}");
        assert!(share <= BOUND, "{discordance}: {share}");
    }
}

#[test]
fn a_candidate_that_is_worse_by_the_margin_is_seldom_called_not_worse() {
    for (seed, discordance) in [(5, 0.004), (6, 0.1)] {
        let outcomes = (discordance / 2.0 + 0.01, discordance / 2.0);
        let share = alarms(seed, || Bets::new(0.01, false), outcomes);
        println!("at the margin, discordance {discordance}: {share}");
        assert!(share <= BOUND, "{discordance}: {share}");
    }
}

/// The share of streams of values from 0 to 1, rounded as losses are, in which the evidence that
/// their mean lies above a half, or below it, ever reaches 1/0.05.
fn alarms_of_values(seed: u64, above: bool, draw: impl Fn(&mut Random) -> f64) -> f64 {
    let mut random = Random(seed);
    let mut alarmed = 0;
    for _ in 0..STREAMS {
        let mut wealth = WEIGHTS;
        let mut bins = vec![0_u64; rounding::STEPS + 1];
        let mut reached = false;
        for _ in 0..PAIRS {
            let value = draw(&mut random);
            let id = u128::from(random.next()) << 64 | u128::from(random.next());
            let bin = rounding::bin(value, PredictionId::from_u128(id));
            bins[bin] += 1;
            let x = bin as f64 / rounding::STEPS as f64;
            let gain = if above { 2.0 * x - 1.0 } else { 1.0 - 2.0 * x };
            for (wealth, stake) in wealth.iter_mut().zip(STAKES) {
                *wealth *= 1.0 + stake * gain;
            }
            reached |= wealth.iter().sum::<f64>() >= 20.0;
        }
        // The library says the same of the counts alone.
        let seen = grid::histogram(&bins);
        let ln_e = if above { grid::ln_e_above(&seen, 0.5) } else { grid::ln_e_below(&seen, 0.5) };
        assert!((ln_e - wealth.iter().sum::<f64>().ln()).abs() < 1e-6);
        alarmed += usize::from(reached);
    }
    alarmed as f64 / STREAMS as f64
}

/// A loss that is mostly small: Beta(1/2, 5), from a squared normal and five exponentials.
fn skewed_loss(random: &mut Random) -> f64 {
    let exponential = |random: &mut Random| -(1.0 - random.uniform()).ln();
    let angle = random.uniform() * std::f64::consts::TAU;
    let normal = (2.0 * exponential(random)).sqrt() * angle.cos();
    let (half, five) = (normal * normal / 2.0, (0..5).map(|_| exponential(random)).sum::<f64>());
    half / (half + five)
}

#[test]
fn equal_losses_that_are_no_bits_are_seldom_called_worse() {
    let skewed = alarms_of_values(7, true, |random| {
        f64::midpoint(skewed_loss(random) - skewed_loss(random), 1.0)
    });
    // One in a thousand loses nearly everything, and all others gain what makes the mean nothing.
    let rare = |random: &mut Random| {
        let difference = if random.happens(0.001) { 0.999 } else { -0.001 };
        f64::midpoint(difference, 1.0)
    };
    let (rare_worse, rare_better) =
        (alarms_of_values(8, true, rare), alarms_of_values(9, false, rare));
    println!("skewed losses: {skewed}; rare large ones: worse {rare_worse}, better {rare_better}");
    for share in [skewed, rare_worse, rare_better] {
        assert!(share <= BOUND, "{share}");
    }
}

/// The median number of pairs of so many streams until each level.
fn medians(
    seed: u64,
    streams: usize,
    bets: impl Fn() -> Bets,
    outcomes: (f64, f64),
    most: usize,
) -> [usize; 3] {
    let mut random = Random(seed);
    let levels = [20.0, 80.0, 200.0];
    let found: Vec<_> =
        (0..streams).map(|_| first(&mut random, bets(), outcomes, most, levels)).collect();
    [0, 1, 2].map(|level| {
        let mut pairs: Vec<usize> =
            found.iter().map(|found| found[level].unwrap_or(usize::MAX)).collect();
        pairs.sort_unstable();
        let (a, b) = (pairs[(streams - 1) / 2], pairs[streams / 2]);
        (a / 2).saturating_add(b / 2) + (a % 2 + b % 2) / 2
    })
}

#[test]
fn decisions_take_as_many_pairs_as_the_table_says() {
    type Row = (&'static str, f64, f64, f64, bool, usize, [usize; 3]);
    let rows: [Row; 10] = [
        ("errors .5 % -> 50 %", 0.5, 0.001, 0.0, true, 2_000, [14, 17, 22]),
        ("errors .5 % -> 5 %", 0.05, 0.005, 0.0, true, 2_000, [160, 224, 273]),
        ("errors .5 % -> 1.5 %", 0.015, 0.005, 0.0, true, 2_000, [1_321, 1_895, 2_245]),
        ("errors .5 % -> 1 %", 0.009_95, 0.004_95, 0.0, true, 800, [3_943, 5_807, 6_975]),
        ("accuracy -2 pt, discordance 6 %", 0.04, 0.02, 0.0, true, 2_000, [874, 1_377, 1_674]),
        ("accuracy -1 pt, discordance 11 %", 0.06, 0.05, 0.0, true, 400, [9_419, 13_193, 15_018]),
        ("never discordant, margin .5 pt", 0.0, 0.0, 0.005, false, 1, [903, 1_229, 1_435]),
        ("discordance 1 %, margin .5 pt", 0.005, 0.005, 0.005, false, 800, [2_616, 4_004, 4_896]),
        ("discordance 6 %, margin 1 pt", 0.03, 0.03, 0.01, false, 600, [4_961, 6_785, 7_843]),
        ("better by 1 pt, margin 1 pt", 0.025, 0.035, 0.01, false, 1_000, [1_054, 1_497, 1_838]),
    ];
    for (seed, (what, worse, better, margin, above, streams, expected)) in rows.iter().enumerate() {
        let bets = || Bets::new(*margin, *above);
        let found = medians(100 + seed as u64, *streams, bets, (*worse, *better), 60_000);
        println!("{what}: {found:?}, expected {expected:?}");
        for (found, expected) in found.iter().zip(expected) {
            // Medians of a few pairs are whole numbers: one pair is more than 15 % of them.
            let allowed = (*expected as f64 * 0.15).max(3.0);
            assert!(found.abs_diff(*expected) as f64 <= allowed, "{what}: {found}, {expected}");
        }
    }
}

#[test]
fn equal_versions_live_are_seldom_rolled_back() {
    for (seed, share) in [(7, 0.05), (8, 0.25), (9, 0.5)] {
        let mut random = Random(seed);
        let rolled_back = (0..400)
            .filter(|_| {
                let mut stage = Stratum { share, candidate: 0, held_back: 0 };
                (0..500).any(|_| {
                    if random.happens(share) {
                        stage.candidate += 1;
                    } else {
                        stage.held_back += 1;
                    }
                    ln_e_above(&[stage], 1.0) >= 20_f64.ln()
                })
            })
            .count();
        let found = rolled_back as f64 / 400.0;
        println!("share {share}: {found}");
        // 5 %, and three standard errors of a share of 400.
        assert!(found <= 0.05 + 3.0 * (0.05 * 0.95 / 400.0_f64).sqrt(), "{share}: {found}");
    }
}

#[test]
fn a_split_that_is_kept_raises_no_alarm_and_a_tenth_lost_does() {
    let mut random = Random(10);
    let alarm = |random: &mut Random, lost: f64, users: usize| {
        let mut counts = [0_u64; 2];
        (1..=users).any(|user| {
            if random.happens(0.5) {
                counts[0] += u64::from(!random.happens(lost));
            } else {
                counts[1] += 1;
            }
            user % 100 == 0 && sample_ratio::ln_bayes_factor(&counts, &[0.5, 0.5]) >= 1_000_f64.ln()
        })
    };
    let false_alarms = (0..300).filter(|_| alarm(&mut random, 0.0, 5_000)).count();
    assert!(false_alarms <= 3, "{false_alarms}");
    let found = (0..20).filter(|_| alarm(&mut random, 0.1, 30_000)).count();
    assert_eq!(found, 20);
}

/// The share of equal candidates that are called worse, with ten requests a user that all end
/// alike. Looked at after every tenth user.
fn called_worse(unit: Unit, runs: u64) -> f64 {
    let hasher = KeyHasher::new([7; 32]).unwrap();
    let users: Vec<_> = (0..300).map(|user| hasher.hash(&format!("user-{user}"))).collect();
    let mut random = Random(11);
    let called = (0..runs)
        .filter(|_| {
            let verdict = Verdict::<i64, i64>::builder("v2")
                .metric(Metric::accuracy())
                .unit(unit)
                .open_labels(10)
                .expected_users(1_000)
                .build()
                .unwrap();
            let mut worse = false;
            let mut id = 0;
            for (user, key) in users.iter().enumerate() {
                // The truth is 0; one of both is wrong, about this user, always.
                let (champion, candidate) = match random.pair(0.05, 0.05) {
                    0 => (0, 1),
                    2 => (1, 0),
                    _ => (0, 0),
                };
                for _ in 0..10 {
                    let run = |version, class| Run::new(version, Ok(class), Duration::ZERO);
                    let mut comparison = Comparison::new(run("v1", champion), run("v2", candidate));
                    id += 1;
                    comparison.prediction_id = PredictionId::from_u128(id);
                    comparison.key_hash = Some(*key);
                    verdict.record(&comparison);
                    verdict.label(comparison.prediction_id, 0);
                }
                if user % 10 == 9 {
                    let tally = verdict.tally();
                    let Some(MetricCounts::Paired { worse: w, same, better, .. }) =
                        tally.metrics.get("accuracy")
                    else {
                        panic!("accuracy is a pair");
                    };
                    worse |=
                        grid::ln_e_above(&grid::ternary(*w, *same, *better), 0.5) >= 20_f64.ln();
                }
            }
            worse |= verdict.judge().metric("accuracy").unwrap().finding == Finding::Worse;
            worse
        })
        .count();
    called as f64 / runs as f64
}

#[test]
fn ten_pairs_a_user_fool_the_unit_of_requests_and_not_that_of_users() {
    let by_user = called_worse(Unit::Key, 300);
    println!("by user: {by_user}");
    assert!(by_user <= 0.05, "{by_user}");
    let by_request = called_worse(Unit::Request, 60);
    println!("by request: {by_request}");
    assert!(by_request >= 0.4, "{by_request}");
}
