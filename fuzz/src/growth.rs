//! Whether a document of twice the parts takes much more than twice the time.

use std::time::{Duration, Instant};

use modelgate::{
    Features, flagd::Flagd, flagsmith::Flagsmith, launchdarkly::LaunchDarkly, unleash::Unleash,
};

/// How many parts the smaller document has. What is quadratic in them takes a million steps.
const PARTS: usize = 1_000;

/// Faster than this nothing is measured well.
const MEASURABLE: Duration = Duration::from_millis(50);

/// Twice the parts are twice the work; what a cache no longer holds may double that.
const MOST: f64 = 6.0;

/// A machine that does something else for a moment makes one measurement slow, and not all of these.
const ROUNDS: usize = 5;

/// The input's first line is a part, in which `%` counts up; every other line is a name, and they
/// take turns in the place of `@`. So the input chooses the names, which may all meet in a table.
pub fn growth(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let mut lines = text.lines();
    let part = lines.next().unwrap_or_default();
    let names: Vec<&str> = lines.collect();
    for (head, tail, read) in PLACES {
        let [small, large] =
            [PARTS, 2 * PARTS].map(|parts| document(head, part, tail, &names, parts));
        // The fastest of three: whatever else the machine does only adds.
        let time = |text: &str| {
            let times = (0..3).map(|_| {
                let begin = Instant::now();
                read(text);
                begin.elapsed()
            });
            times.min().unwrap_or_default()
        };
        let ratio = || {
            let large = time(&large);
            match large < MEASURABLE {
                true => 0.0,
                false => large.as_secs_f64() / time(&small).as_secs_f64().max(1e-9),
            }
        };
        // The first round that is fast enough ends it.
        let slow = (0..ROUNDS).map(|_| ratio()).take_while(|ratio| *ratio >= MOST);
        let slow: Vec<f64> = slow.collect();
        assert!(
            slow.len() < ROUNDS,
            "twice the parts of {part:?} in {head:?}: {slow:.1?} times the time"
        );
    }
}

fn document(head: &str, part: &str, tail: &str, names: &[&str], parts: usize) -> String {
    let mut text = head.to_owned();
    for number in 0..parts {
        if number > 0 {
            text.push(',');
        }
        let name = match names.len() {
            0 => "",
            many => names[number % many],
        };
        text.push_str(&part.replace('@', name).replace('%', &number.to_string()));
    }
    text.push_str(tail);
    text
}

type Place = (&'static str, &'static str, fn(&str));

/// Where parts may stand.
const PLACES: &[Place] = &[
    (r#"{"flags":{"#, "}}", flagd),
    (r#"{"flags":{"f":{"state":"ENABLED","variants":{"#, "}}}}", flagd),
    (r#"{"flags":{"f":{"state":"ENABLED","variants":{},"targeting":{"if":["#, "]}}}}", flagd),
    (r#"{"flags":{"#, "}}", launchdarkly),
    (r#"{"segments":{"#, "}}", launchdarkly),
    (r#"{"flags":{"f":{"rules":[{"clauses":["#, "]}]}}}", launchdarkly),
    (r#"{"flags":{"f":{"targets":[{"variation":0,"values":["#, "]}]}}}", launchdarkly),
    (r#"{"features":["#, "]}", unleash),
    (r#"{"features":[],"segments":["#, "]}", unleash),
    (r#"{"events":["#, "]}", unleash),
    (
        r#"{"features":[{"name":"f","enabled":true,"strategies":[{"name":"default","constraints":["#,
        "]}]}]}",
        unleash,
    ),
    (r#"{"api_key":"k","feature_states":["#, "]}", flagsmith),
    (r#"{"api_key":"k","project":{"segments":["#, "]}}", flagsmith),
    (r#"{"api_key":"k","identity_overrides":["#, "]}", flagsmith),
    (r#"{"environment":{"key":"k"},"features":{"#, "}}", flagsmith),
    ("{", "}", features),
];

fn flagd(text: &str) {
    let _ = Flagd::new().compile(text);
}

fn launchdarkly(text: &str) {
    let _ = LaunchDarkly::new().compile(text);
}

fn unleash(text: &str) {
    let _ = Unleash::new().compile(text);
}

fn flagsmith(text: &str) {
    let _ = Flagsmith::new().compile(text);
}

/// A caller's own JSON.
fn features(text: &str) {
    let _ = serde_json::from_str::<Features>(text);
}
