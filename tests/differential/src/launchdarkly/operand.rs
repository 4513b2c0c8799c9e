//! Values that operators tell apart: versions, moments, patterns.

use serde_json::{Value as Json, json};

use crate::{
    pool::{self, Type},
    random::Random,
};

#[rustfmt::skip] // A line for each would be a page.
const VERSIONS: &[&str] = &[
    "2", "2.0", "2.0-rc.1", "2-rc.1", "2.0.0-rc.1+b", "2+b", "1.2.3-01", "1.2.3-", "1.2.3+",
    "1.2.3-1", "1.2.3-alpha.beta", "1.2.3-alpha.1", "1.2.3--", "1.2.3-rc..1", "1.2.3.4-rc", "1.",
    "1..2", "", " 1.0.0", "1.0.0 ", "١.٢.٣", "02", "2.00", "18446744073709551615.0.0",
    "18446744073709551616.0.0", "1.0.0-18446744073709551616", "1.0.0-18446744073709551617",
    "1.0.0-0", "1.0.0-00", "1.0.0-é", "1.0.0+é", "1.0.0+00", "1.0.0-a_b", "1.0.0-A", "1.0.0-a-b",
];

#[rustfmt::skip] // A line for each would be a page.
const MOMENTS: &[&str] = &[
    "2020-01-01T00:00:00Z", "2020-01-01t00:00:00z", "2020-01-01 00:00:00Z",
    "2020-01-01_00:00:00Z", "2020-01-01T00:00:00+00:00", "2019-12-31T19:00:00-05:00",
    "2019-12-31T19:00:00\u{2212}05:00", "2020-01-01T00:00:00-00:00", "2020-01-01T23:59:00+23:59",
    "2020-01-02T00:00:00+24:00", "2020-01-01T00:00:00+0000", "2020-01-01T00:00:00+00",
    "2020-01-01T00:00:00+00:60", "2020-01-01T00:00:00 Z", "2020-01-01T00:00:00 +00:00",
    "2020-01-01T00:00:00.123Z", "2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00.123456789Z",
    "2020-01-01T00:00:00.1234567891Z", "2020-01-01T00:00:00.Z", "2020-01-01T00:00:00.0000Z",
    "2020-01-01T00:00:00,5Z", "2020-01-01T00:00Z", "2020-01-01T00:00:00", "2020-01-01",
    "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.5Z", "2017-01-01T00:00:00Z",
    "2017-01-01T00:00:00.5Z", "2016-12-31T23:59:59.999Z", "2020-01-01T00:00:60Z",
    "2020-01-01T12:34:60Z", "2020-01-01T00:00:61Z", "2020-02-29T00:00:00Z",
    "2021-02-29T00:00:00Z", "2020-04-31T00:00:00Z", "2020-13-01T00:00:00Z",
    "2020-00-01T00:00:00Z", "2020-01-00T00:00:00Z", "2020-01-01T24:00:00Z",
    "2020-01-01T23:60:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z",
    "+2020-01-01T00:00:00Z", "-0001-01-01T00:00:00Z", "12020-01-01T00:00:00Z",
    "020-01-01T00:00:00Z", "2020-1-1T0:0:0Z", " 2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z ",
    "2020-01-01T00:00:00Zz", "2020-01-01T00:00:00UTC", "20200101T000000Z", "1970-01-01T00:00:00Z",
    "1577836800000", "yesterday", "",
];

/// The last are the bounds of what the calendar holds, and of whole numbers.
#[rustfmt::skip] // A line for each would be a page.
const MILLISECONDS: &[f64] = &[
    1_577_836_800_000.0, 1_577_836_800_000.5, 1_577_836_799_999.9, 1_577_836_800_123.0,
    1_577_836_800_123.456, 1_483_228_799_999.0, 1_483_228_800_000.0, 0.0, -0.5, 0.5, -1.0,
    253_402_300_799_999.0, -62_167_219_200_000.0, 8_210_266_876_799_999.0,
    8_210_266_876_800_000.0, -8_334_601_228_800_000.0, -8_334_601_228_800_001.0,
    9_007_199_254_740_991.0, 9_007_199_254_740_992.0, -9_007_199_254_740_992.0, 1e300,
];

#[rustfmt::skip] // A line for each would be a page.
const PATTERNS: &[&str] = &[
    "", "^", "^$", ".", ".*", "a", "^a", "b$", "^ab?c*$", "(?i)TRUE", "(?i)é", "(?i)οδος", "\\d+",
    "^\\d+(\\.\\d+)*$", "[a-c]+", "[^a]", "\\p{L}", "\\p{Greek}", "\\pN", "\\bab\\b", "(?x) a b #",
    "(?s)a.b", "\\w+@\\w+", "^(user|person)-\\d+$", "\\Aab\\z", "[[:alpha:]]", "\\u{e9}", "\\x61",
    "a.c", "a\\.b", "a|b|", "(?:a|b){1,3}", "x*", "(?P<name>a)", "(?<name>b)", "🦀", "\\S", "-",
    // None of these is a pattern.
    "(", ")", "[", "[a", "a{2,1}", "*", "a**", "(?=a)", "(?!a)", "(?<=a)", "\\1", "\\", "(?-u)\\xff",
    "\\p{Nonsense}", "(?P<a>x)(?P<a>y)", "\\Q", "[z-a]", "(?u", "\\h",
];

/// What would be compiled to more than the official evaluator lets a pattern grow to.
const HUGE: &str = "(?:\\w{100}){100}";

pub fn version(random: &mut Random) -> String {
    match random.below(4) {
        0 => (*random.of(pool::VERSIONS)).to_owned(),
        1 => (*random.of(VERSIONS)).to_owned(),
        _ => {
            let parts = 1 + random.below(4).min(2);
            let numbers: Vec<String> =
                (0..parts).map(|_| random.of(&["0", "1", "2", "10"]).to_string()).collect();
            let mut version = numbers.join(".");
            if random.chance(0.4) {
                let tags = ["-rc", "-rc.1", "-rc.2", "-rc.10", "-alpha", "-1", "-1.a", "-rc.1.0"];
                version.push_str(random.of::<&'static str>(&tags));
            }
            if random.chance(0.2) {
                version.push_str(random.of::<&'static str>(&["+b1", "+b2", "+a.b"]));
            }
            version
        }
    }
}

/// A moment as text or as milliseconds.
pub fn moment(random: &mut Random) -> Json {
    if random.chance(0.35) { milliseconds(random) } else { json!(moment_text(random)) }
}

fn milliseconds(random: &mut Random) -> Json {
    let number = *random.of(MILLISECONDS);
    if number.fract() == 0.0 && random.chance(0.5) { json!(number as i64) } else { json!(number) }
}

fn moment_text(random: &mut Random) -> String {
    let mut text = (*random.of(MOMENTS)).to_owned();
    if random.chance(0.15) && text.is_ascii() && !text.is_empty() {
        let place = random.below(text.len());
        let put = *random.of(&["", "0", "1", "9", "T", "Z", ":", "-", "+", ".", " "]);
        text.replace_range(place..=place, put);
    }
    text
}

pub fn pattern(random: &mut Random) -> String {
    if random.chance(0.002) {
        return HUGE.to_owned();
    }
    (*random.of(PATTERNS)).to_owned()
}

/// A value of this type, one that the operator tells apart from others where there is such.
pub fn of_type(random: &mut Random, operator: &str, of: Type) -> Json {
    if random.chance(0.3) {
        return pool::value(random, of);
    }
    match (operator, of) {
        ("before" | "after", Type::Text) => json!(moment_text(random)),
        ("before" | "after", Type::Number) => milliseconds(random),
        ("semVerEqual" | "semVerLessThan" | "semVerGreaterThan", Type::Text) => {
            json!(version(random))
        }
        (_, Type::List) => {
            let inner = *random.of(&[Type::Text, Type::Text, Type::Number, Type::Bool]);
            (0..random.below(4)).map(|_| of_type(random, operator, inner)).collect()
        }
        _ => pool::value(random, of),
    }
}

/// A value that the operator may well hold for, beside one of the context's own.
pub fn counterpart(random: &mut Random, operator: &str, own: &Json) -> Json {
    if let Json::Array(elements) = own
        && !elements.is_empty()
        && random.chance(0.9)
    {
        let element = elements[random.below(elements.len())].clone();
        return counterpart(random, operator, &element);
    }
    match (operator, own) {
        ("startsWith" | "endsWith" | "contains", Json::String(text)) => {
            let letters: Vec<char> = text.chars().collect();
            let (mut from, mut to) = (0, letters.len());
            if operator != "startsWith" {
                from = random.below(letters.len() + 1);
            }
            if operator != "endsWith" {
                to = from + random.below(letters.len() - from + 1);
            }
            json!(letters[from..to].iter().collect::<String>())
        }
        ("matches", Json::String(text)) if random.chance(0.5) && text.len() < 40 => {
            let mut pattern = String::new();
            for letter in text.chars() {
                if letter.is_ascii_punctuation() {
                    pattern.push('\\');
                }
                pattern.push(letter);
            }
            json!(if random.chance(0.5) { format!("^{pattern}$") } else { pattern })
        }
        ("matches", _) => json!(pattern(random)),
        (
            "lessThan" | "lessThanOrEqual" | "greaterThan" | "greaterThanOrEqual",
            Json::Number(own),
        ) => {
            let own = own.as_f64().unwrap_or_default();
            json!(*random.of(&[own, own, own + 1.0, own - 1.0, own.next_up(), own.next_down()]))
        }
        ("before" | "after", Json::String(_)) if random.chance(0.6) => moment(random),
        ("before" | "after", Json::Number(own)) if random.chance(0.6) => {
            let own = own.as_f64().unwrap_or_default();
            json!(*random.of(&[own, own + 1.0, own - 1.0, own + 0.5, own - 0.5]))
        }
        ("semVerEqual" | "semVerLessThan" | "semVerGreaterThan", Json::String(_))
            if random.chance(0.7) =>
        {
            json!(version(random))
        }
        _ => own.clone(),
    }
}
