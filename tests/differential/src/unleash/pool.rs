//! The values that contexts and toggles are made of: few, and colliding on purpose.

use serde_json::{Value as Json, json};

pub use crate::pool::{TEXTS, number};
use crate::random::Random;

/// What a constraint finds in the context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Type {
    Missing,
    Empty,
    Text,
    /// A text that reads as a number.
    Numeric,
    Number,
    Bool,
    Date,
    Version,
    Address,
}

impl Type {
    pub const ALL: [Type; 9] = [
        Type::Missing,
        Type::Empty,
        Type::Text,
        Type::Numeric,
        Type::Number,
        Type::Bool,
        Type::Date,
        Type::Version,
        Type::Address,
    ];

    /// The property that mostly holds a value of this type.
    pub fn property(self) -> &'static str {
        match self {
            Type::Missing => "nothing",
            Type::Empty => "empty",
            Type::Text => "text",
            Type::Numeric => "numeric",
            Type::Number => "number",
            Type::Bool => "bool",
            Type::Date => "date",
            Type::Version => "version",
            Type::Address => "address",
        }
    }

    pub fn of(value: Option<&Json>) -> Type {
        match value {
            Some(Json::Number(_)) => Type::Number,
            Some(Json::Bool(_)) => Type::Bool,
            Some(Json::String(text)) if text.is_empty() => Type::Empty,
            Some(Json::String(text)) if text.parse::<f64>().is_ok() => Type::Numeric,
            Some(Json::String(text)) if SEEN_DATES.contains(&&**text) => Type::Date,
            Some(Json::String(text)) if SEEN_VERSIONS.contains(&&**text) => Type::Version,
            Some(Json::String(text)) if SEEN_ADDRESSES.contains(&&**text) => Type::Address,
            Some(Json::String(_)) => Type::Text,
            _ => Type::Missing,
        }
    }

    /// A value of this type as a context may hold it.
    pub fn value(self, random: &mut Random) -> Json {
        match self {
            Type::Missing => Json::Null,
            Type::Empty => json!(""),
            Type::Text => json!(text(random)),
            Type::Numeric => json!(random.of(SEEN_NUMBERS)),
            Type::Number => number(random),
            Type::Bool => json!(random.chance(0.5)),
            Type::Date => json!(random.of(SEEN_DATES)),
            Type::Version => json!(random.of(SEEN_VERSIONS)),
            Type::Address => json!(random.of(SEEN_ADDRESSES)),
        }
    }
}

/// Texts whose lower case is not as long as they are, or depends on where a letter stands.
const CASES: &[&str] = &["ΟΔΟΣ ΣΑΣ", "οδος", "İstanbul", "i̇stanbul", "STRASSE", "straße", "K"];

pub fn text(random: &mut Random) -> &'static str {
    let choices = if random.chance(0.2) { CASES } else { TEXTS };
    choices[random.below(choices.len())]
}

const SEEN_NUMBERS: &[&str] = &[
    "0",
    "1",
    "1.0",
    "-1",
    "5",
    "+5",
    ".5",
    "5.",
    "1.5",
    "1e3",
    "1E-2",
    "-0",
    "007",
    "inf",
    "-infinity",
    "NaN",
    "9007199254740993",
    "1.0000000000000001",
    "1e400",
];

const SEEN_DATES: &[&str] = &[
    "2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00.000Z",
    "2024-01-01T02:00:00+02:00",
    "2023-12-31T18:30:00-05:30",
    "2024-01-01 00:00:00Z",
    "2024-01-01t00:00:00z",
    "2024-01-01T00:00:00.123456Z",
    "2024-01-01T00:00:00.123456789Z",
    "2024-01-01T00:00:00.123Z",
    "2024-01-01T00:00:00.1234567890123Z",
    "2024-01-01T00:00:00",
    "2024-01-01T00:00Z",
    "2024-01-01T00:00:00 Z",
    "2024-01-01T00:00:00 +02:00",
    "2024-01-01T00:00:00+0200",
    "2024-01-01T00:00:00+02",
    "2024-01-01T00:00:00UTC",
    "2024-01-01",
    "2016-12-31T23:59:60Z",
    "2024-02-30T00:00:00Z",
    "2024-1-1T0:0:0Z",
    "+12024-01-01T00:00:00Z",
    "-0001-01-01T00:00:00Z",
    " 2024-01-01T00:00:00Z",
    "2024-01-01T00:00:00Z ",
    "2030-06-15T12:34:56Z",
    "2024-01-01T00:00:00−05:00",
    "2024-01-01  00:00:00Z",
];

const SEEN_VERSIONS: &[&str] = &[
    "1.0.0",
    "1.2.3",
    "1.3.0",
    "2.0.0",
    "10.0.0",
    "0.9.9",
    "1.0.0-rc.1",
    "1.0.0-rc.10",
    "1.0.0-rc.2",
    "1.0.0-alpha",
    "1.0.0-alpha.beta",
    "1.0.0-1",
    "1.0.0+b1",
    "1.0.0+b2",
    "1.0.0-rc.1+b1",
    "v1.0.0",
    "01.0.0",
    "1.0.0-01",
    "1.0.0.0",
    "1.0.0-",
    "1.0.0+",
    "18446744073709551615.0.0",
    "18446744073709551616.0.0",
    " 1.0.0",
];

const SEEN_ADDRESSES: &[&str] = &[
    "127.0.0.1",
    "192.168.1.7",
    "192.168.1.255",
    "10.1.2.3",
    "::1",
    "2001:db8::1",
    "2001:0DB8:0:0:0:0:0:1",
    "::ffff:192.168.1.7",
    "fe80::1%eth0",
    "192.168.001.007",
    "192.168.1",
    "300.1.1.1",
    " 127.0.0.1",
    "192.168.1.7/32",
    "[::1]",
    "::ffff:c0a8:107",
];

/// What a constraint's `value` may look like; `absent` is none of them.
pub const SHAPES: &[(&str, &[&str])] = &[
    ("empty", &[""]),
    (
        "number",
        &[
            "0",
            "1",
            "-1",
            "+5",
            "5",
            "5.",
            "1.5",
            "1e3",
            "1E-2",
            "-0",
            "007",
            "1.0",
            "1e400",
            "9007199254740993",
            "10",
        ],
    ),
    ("odd number", &[".5", "inf", "NaN", "0x10", "1_000", "--5", "1e", "٣", "5,0", "-"]),
    (
        "version",
        &[
            "1.0.0",
            "1.2.3",
            "2.0.0",
            "10.0.0",
            "0.9.9",
            "1.0.0-rc.1",
            "1.0.0-rc.10",
            "1.0.0-alpha",
            "1.0.0+b1",
            "1.0.0+01",
            "1.0.0-rc.1+b1",
        ],
    ),
    ("bad version", &["01.0.0", "1.0.0-01", "1.02.3", "18446744073709551616.0.0", "1.0.0-rc.01"]),
    ("v version", &["v1.0.0", "v", "v2", "version"]),
    (
        "date",
        &[
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.000Z",
            "2024-01-01T02:00:00+02:00",
            "2023-12-31T18:30:00-05:30",
            "2024-01-01T00:00:00.123Z",
            "2016-12-31T23:59:60Z",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
        ],
    ),
    (
        "bad date",
        &[
            "2024-02-30T00:00:00Z",
            "2024-13-01T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:61Z",
            "2024-01-01T00:00:00+24:00",
            "2024-01-01T00:00:00+00:60",
            "2024-01-01T00:00:00+99:00",
        ],
    ),
    (
        "odd date",
        &[
            "2024-01-01 00:00:00Z",
            "2024-01-01",
            "2024-01-01T00:00Z",
            "2024-01-01T00:00:00.123456Z",
            "2024-01-01T00:00:00",
            "2024-01-01t00:00:00z",
            "2024-01-01T00:00:00.12Z",
        ],
    ),
    (
        "padded",
        &[
            " 5",
            "5 ",
            "\t1",
            " 1.0.0",
            "1.0.0\t",
            " 2024-01-01T00:00:00Z ",
            " v1.0.0",
            "5\n",
            "\u{a0}5",
        ],
    ),
    ("text", &["a", "nonsense", "1.0.0.0", "1.0.0-", "1.2", "é", "a\"b", "5%", "5)", "1;2"]),
    ("backslash end", &["a\\", "1.0.0\\", "5\\", "\\"]),
];

/// What a constraint's pattern may look like.
pub const PATTERNS: &[(&str, &[&str])] = &[
    ("empty", &[""]),
    ("plain", &["a", "ab", "é", "user", "1", "true", "2024"]),
    ("anchored", &["^a", "b$", "^$", "^ab$", r"\bab\b", r"\Aa\z", r"(?m)^a$"]),
    ("class", &["[a-z]+", r"\d+", r"\w", r"\p{Greek}", "[[:alpha:]]+", r"[^a-z\d]", r"\S\s\S"]),
    (
        "other",
        &[".*", "a|b", "(?i)A", "a{2}", "(a)(b)?", "(?x) a b", r"^\d+\.\d+\.\d+$", "(?s-u)a.b"],
    ),
    ("quoted", &["a\"b", "\"", "a\\\"b", "[\"]"]),
    ("invalid", &["(", "[", "a{2,1}", "(?=a)", r"(a)\1", "*", r"\p{Nowhere}", r"(?-u)\xff"]),
    ("backslash end", &["a\\", "a\\\\", "\\"]),
];

/// What a list of `values` may look like.
pub const LISTS: &[&str] =
    &["absent", "empty", "one", "many", "empty text", "quoted", "backslash end"];

/// What `IN_CIDR` and the strategy by address are given.
pub const NETWORKS: &[&str] = &[
    "127.0.0.1",
    "192.168.1.7",
    "192.168.0.0/16",
    "192.168.1.99/24",
    "10.0.0.0/255.0.0.0",
    "10.0.0.0/255.0.255.0",
    "0.0.0.0/0",
    "192.168.1.7/32",
    "192.168.1.7/33",
    "192.168.1.7/",
    "192.168.1.7/024",
    "192.168.1.7/+24",
    "::1",
    "::/0",
    "2001:db8::/32",
    "2001:db8::1/128",
    "2001:db8::1/129",
    "2001:db8::/ffff:ffff::",
    "::ffff:192.168.1.7",
    "::ffff:192.168.1.0/120",
    "300.1.1.1",
    "192.168.1",
    "fe80::1%eth0",
    "junk",
    "",
    " 127.0.0.1",
];

/// Which shape a constraint's value has.
pub fn shape_of(shapes: &[(&'static str, &[&str])], value: Option<&str>) -> &'static str {
    let Some(value) = value else { return "absent" };
    let listed = shapes.iter().find(|(_, values)| values.contains(&value));
    listed.map_or("from the context", |(shape, _)| shape)
}

/// Which shape a constraint's list has.
pub fn list_shape(values: Option<&Vec<Json>>) -> &'static str {
    let Some(values) = values else { return "absent" };
    let any = |is: &dyn Fn(&str) -> bool| values.iter().filter_map(Json::as_str).any(is);
    match values.len() {
        0 => "empty",
        _ if any(&|text| text.ends_with('\\')) => "backslash end",
        _ if any(&|text| text.contains('"')) => "quoted",
        _ if any(&str::is_empty) => "empty text",
        1 => "one",
        _ => "many",
    }
}
