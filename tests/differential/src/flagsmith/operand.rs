//! What conditions compare with: a value for each shape that operators take apart.

use serde_json::{Value as Json, json};

use super::{split, traits};
use crate::{pool, random::Random};

/// The shapes that a condition's value is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    Empty,
    Text,
    Whole,
    Decimal,
    BoolWord,
    Version,
    Modulo,
    Pattern,
    Commas,
    ListText,
    BadListText,
    Array,
    Number,
    Boolean,
    Null,
}

impl Shape {
    pub const ALL: [Shape; 15] = [
        Shape::Empty,
        Shape::Text,
        Shape::Whole,
        Shape::Decimal,
        Shape::BoolWord,
        Shape::Version,
        Shape::Modulo,
        Shape::Pattern,
        Shape::Commas,
        Shape::ListText,
        Shape::BadListText,
        Shape::Array,
        Shape::Number,
        Shape::Boolean,
        Shape::Null,
    ];

    pub fn of(value: &Json) -> Shape {
        match value {
            Json::Null => Shape::Null,
            Json::Bool(_) => Shape::Boolean,
            Json::Number(_) => Shape::Number,
            Json::Array(_) => Shape::Array,
            Json::Object(_) => Shape::Text,
            Json::String(text) => Shape::of_text(text),
        }
    }

    fn of_text(text: &str) -> Shape {
        let modulo = || match text.split('|').collect::<Vec<_>>()[..] {
            [divisor, rest] => divisor.parse::<f64>().is_ok() && rest.parse::<f64>().is_ok(),
            _ => false,
        };
        if text.is_empty() {
            Shape::Empty
        } else if text.ends_with(":semver") {
            Shape::Version
        } else if text.trim().starts_with('[') {
            match serde_json::from_str::<Vec<String>>(text) {
                Ok(_) => Shape::ListText,
                Err(_) => Shape::BadListText,
            }
        } else if modulo() {
            Shape::Modulo
        } else if text.parse::<i64>().is_ok() {
            Shape::Whole
        } else if text.parse::<f64>().is_ok() {
            Shape::Decimal
        } else if text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false") {
            Shape::BoolWord
        } else if text.contains(',') {
            Shape::Commas
        } else if text.contains(['^', '$', '\\', '(', '?', '[', '*', '+', '{']) {
            Shape::Pattern
        } else {
            Shape::Text
        }
    }

    /// A shape that this operator looks into; now and then any.
    pub fn fitting(random: &mut Random, operator: &str) -> Shape {
        if random.chance(0.15) {
            return *random.of(&Shape::ALL);
        }
        *random.of(match operator {
            "IN" => {
                &[Shape::Commas, Shape::ListText, Shape::BadListText, Shape::Array, Shape::Text]
            }
            "REGEX" => &[Shape::Pattern, Shape::Pattern, Shape::Text],
            "MODULO" => &[Shape::Modulo],
            "PERCENTAGE_SPLIT" => &[Shape::Decimal, Shape::Decimal, Shape::Whole, Shape::Number],
            "IS_SET" | "IS_NOT_SET" => &[Shape::Empty, Shape::Null],
            "CONTAINS" | "NOT_CONTAINS" => &[Shape::Text, Shape::Empty, Shape::Whole],
            _ => &[
                Shape::Text,
                Shape::Text,
                Shape::Whole,
                Shape::Decimal,
                Shape::BoolWord,
                Shape::Version,
                Shape::Number,
                Shape::Boolean,
            ],
        })
    }
}

pub const PATTERNS: &[&str] = &[
    "^a",
    "b$",
    "(?i)^A",
    "\\d+",
    "[a-c]+",
    "^$",
    "é?",
    "^\\p{L}+$",
    "(",
    "(?=a)",
    "a(?!b)",
    "^(?:1|2)\\.0$",
    "\\w+@\\w+",
    "^user-\\d+$",
    "\\bab\\b",
    "[",
    "(?x) a b",
    "\\p{Greek}{2,}",
    "^[^a]*$",
    "\\",
    "a{1001,}{1001,}",
    "(?-u)\\xff",
    "(?s).",
    "^-?0",
    "*",
];

/// A condition's value of this shape; half of them are made of something the case has of its own.
pub fn value(random: &mut Random, shape: Shape, own: &[String]) -> Json {
    for _ in 0..20 {
        let own = if random.chance(0.5) && !own.is_empty() { Some(random.of(own)) } else { None };
        let value = attempt(random, shape, own.map(String::as_str));
        if Shape::of(&value) == shape {
            return value;
        }
    }
    attempt(random, shape, None)
}

fn attempt(random: &mut Random, shape: Shape, own: Option<&str>) -> Json {
    let text = |random: &mut Random| match own {
        Some(own) => own.to_owned(),
        None => pool::text(random).as_str().unwrap_or_default().to_owned(),
    };
    match shape {
        Shape::Empty => json!(""),
        Shape::Text => match own {
            // A piece of it, for those that look for one.
            Some(own) if random.chance(0.3) => {
                let from = random.below(3);
                json!(own.chars().skip(from).take(1 + random.below(4)).collect::<String>())
            }
            _ => json!(text(random)),
        },
        Shape::Whole => match own {
            Some(own) => json!(own),
            None => json!(traits::value(random, traits::Type::Whole).to_string()),
        },
        Shape::Decimal => match own {
            Some(own) => json!(own),
            None if random.chance(0.5) => {
                json!(split::weight(random, "1", None).to_string())
            }
            None => json!(random.of(&[
                "1.0",
                "1.5",
                ".5",
                "inf",
                "-inf",
                "NaN",
                "1e3",
                "1e21",
                "0.1",
                "-0.0",
                "+5.0",
                "9223372036854775808",
                "1e999"
            ])),
        },
        Shape::BoolWord => json!(random.of(&["true", "false", "TRUE", "False"])),
        Shape::Version => match own {
            Some(own) => json!(format!("{own}:semver")),
            None => json!(format!("{}:semver", random.of(pool::VERSIONS))),
        },
        Shape::Modulo => match own.and_then(|own| own.parse::<f64>().ok()) {
            Some(number) => {
                let divisor = *random.of(&[2.0, 3.0, 0.5, -3.0, 10.0]);
                let rest = number % divisor;
                let rest = if random.chance(0.3) { rest + 1e-11 } else { rest };
                json!(format!("{divisor}|{rest}"))
            }
            None => {
                let divisor = random.of(&["2", "3", "0", "-3", "0.5", "1e3", "inf", "2.0"]);
                let rest = random.of(&["0", "1", "-1", "2", "0.5", "NaN", "1.0"]);
                json!(format!("{divisor}|{rest}"))
            }
        },
        Shape::Pattern => match own {
            Some(own) => json!(format!("^{}$", own.replace(['\\', '[', '(', '+', '*'], "."))),
            None => json!(random.of(PATTERNS)),
        },
        Shape::Commas => {
            let mut parts: Vec<String> = (0..1 + random.below(3))
                .map(|_| pool::text(random).as_str().unwrap_or_default().to_owned())
                .collect();
            parts.push(text(random));
            random.shuffle(&mut parts);
            json!(parts.join(*random.of(&[",", ", ", " ,", ",,"])))
        }
        Shape::ListText => {
            let list = json!([pool::text(random), text(random)]).to_string();
            json!(if random.chance(0.2) { format!(" {list}") } else { list })
        }
        Shape::BadListText => match random.below(4) {
            0 => json!(format!("[{}]", text(random))),
            1 => json!("[1, \"a\"]"),
            2 => json!(format!("[\"{}\"", text(random))),
            _ => json!(format!("[a,{},b]", text(random))),
        },
        Shape::Array => {
            let mut members = vec![json!(text(random)), traits::scalar(random)];
            if random.chance(0.2) {
                members.push(pool::anything(random));
            }
            if random.chance(0.1) {
                members.clear();
            }
            Json::Array(members)
        }
        Shape::Number => match own.and_then(|own| serde_json::from_str::<Json>(own).ok()) {
            Some(number @ Json::Number(_)) => number,
            _ => pool::number(random),
        },
        Shape::Boolean => json!(random.chance(0.5)),
        Shape::Null => Json::Null,
    }
}
