//! Laws of percentage splits.

use modelgate::{Context, FlagSet, Rollout, clock::ManualClock};
use proptest::prelude::*;

fn flags(rollout: &Rollout, key: &str) -> FlagSet {
    [rollout.flag(key).expect("a sound rollout")].into_iter().collect()
}

fn enrolled(flags: &FlagSet, key: &str, user: &str) -> bool {
    let context = Context::new(user);
    flags.evaluate_at(key, &context, &ManualClock::default()).variant == Some("v2")
}

/// Whether a count is within five standard deviations of what a fair draw gives.
fn fair(count: usize, draws: usize, share: f64) -> bool {
    let (draws, count) = (draws as f64, count as f64);
    let deviation = (draws * share * (1.0 - share)).sqrt();
    (count - draws * share).abs() <= 5.0 * deviation + 1.0
}

/// Keys as services have them: numbers, padded numbers, addresses, anything.
fn shape(kind: u8, number: u32) -> String {
    match kind % 5 {
        0 => number.to_string(),
        1 => format!("{number:012}"),
        2 => format!("user-{number}"),
        3 => format!("{:x}", u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        _ => format!("użytkownik.{number}@example.com"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_split_is_uniform(
        percent in 0.0..=100.0_f64, kind: u8, start in 0..1_000_000_u32, flag in "[a-z-]{1,30}",
    ) {
        let flags = flags(&Rollout::percent("v2", percent).or("v1"), &flag);
        let draws = 4_000;
        let count = (start..start + draws)
            .filter(|number| enrolled(&flags, &flag, &shape(kind, *number)))
            .count();
        prop_assert!(fair(count, draws as usize, percent / 100.0), "{count} at {percent} %");
    }

    #[test]
    fn flags_with_one_salt_pick_the_same_users_and_the_larger_share_holds_the_smaller(
        percents in (0.0..=100.0_f64, 0.0..=100.0_f64), salt in "\\PC{1,30}", start: u16,
    ) {
        let share = |percent: f64| Rollout::percent("v2", percent).or("v1").salt(&salt);
        let (smaller, larger) = (percents.0.min(percents.1), percents.0.max(percents.1));
        let (few, many) = (flags(&share(smaller), "few"), flags(&share(larger), "many"));
        let twin = flags(&share(smaller), "twin");
        for number in 0..200 {
            let user = format!("user-{}", u32::from(start) + number);
            let picked = enrolled(&few, "few", &user);
            prop_assert_eq!(picked, enrolled(&twin, "twin", &user), "{} with one share", user);
            prop_assert!(!picked || enrolled(&many, "many", &user), "{} with a larger share", user);
        }
    }

    #[test]
    fn growing_never_moves_an_enrolled_user(
        mut steps in prop::collection::vec(0.0..=100.0_f64, 1..6), user in "\\PC{1,40}",
        flag in "\\PC{1,30}",
    ) {
        steps.extend([5.0, 25.0, 50.0, 100.0]);
        steps.sort_by(f64::total_cmp);
        let mut before = false;
        for percent in steps {
            let rollout = Rollout::percent("v2", percent).or("v1");
            let now = enrolled(&flags(&rollout, &flag), &flag, &user);
            prop_assert!(now || !before, "moved out at {percent} %");
            before = now;
        }
        prop_assert!(before, "100 % is everybody");
    }

    #[test]
    fn two_flags_draw_independently(kind: u8, start in 0..1_000_000_u32, a in "[a-z]{1,12}", b in "[a-z]{1,12}") {
        prop_assume!(a != b);
        let half = Rollout::percent("v2", 50.0).or("v1");
        let (first, second) = (flags(&half, &a), flags(&half, &b));
        let draws = 4_000;
        let both = (start..start + draws)
            .filter(|number| {
                let user = shape(kind, *number);
                enrolled(&first, &a, &user) && enrolled(&second, &b, &user)
            })
            .count();
        prop_assert!(fair(both, draws as usize, 0.25), "{both} of {draws} are in both");
    }

    #[test]
    fn the_same_user_always_gets_the_same_version(user in "\\PC{0,60}", percent in 0.0..=100.0_f64) {
        let rollout = Rollout::percent("v2", percent).or("v1");
        let (first, second) = (flags(&rollout, "flag"), flags(&rollout, "flag"));
        prop_assert_eq!(enrolled(&first, "flag", &user), enrolled(&second, "flag", &user));
    }
}
