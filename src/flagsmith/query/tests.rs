use serde_json::{Value as Json, json};

use super::Query;

fn first(path: &str, document: &Json) -> Option<Json> {
    Query::parse(path)?.first(document, &mut 10_000).cloned()
}

fn shop() -> Json {
    json!({
        "book": [
            {"title": "Go", "price": 9, "tags": ["a", "b"]},
            {"title": "Rust", "price": 12.5, "isbn": "x"},
            {"title": "C\r", "price": 12.5, "isbn": null},
        ],
        "limit": 10,
        "it's": "quoted",
        "tab\t": "escaped",
        "ΟΔΟΣ": "greek",
    })
}

#[test]
fn paths_lead_where_the_standard_says() {
    let cases = [
        ("$.limit", json!(10)),
        ("$['limit']", json!(10)),
        ("$.book[0].title", json!("Go")),
        ("$.book[-1].title", json!("C\r")),
        ("$.book [ 1 ] .title", json!("Rust")),
        ("$.book[1:].title", json!("Rust")),
        ("$.book[::-1].title", json!("C\r")),
        ("$.book[2:0:-1].title", json!("C\r")),
        ("$.book[0:3:2].price", json!(9)),
        ("$.book[*].isbn", json!("x")),
        ("$..isbn", json!("x")),
        ("$..tags[1]", json!("b")),
        ("$[\"it's\"]", json!("quoted")),
        (r"$['it\'s']", json!("quoted")),
        (r"$['tab\t']", json!("escaped")),
        (r"$['\u0074ab\u0009']", json!("escaped")),
        ("$.ΟΔΟΣ", json!("greek")),
        ("$['absent','limit']", json!(10)),
        ("$.book[?@.price > $.limit].title", json!("Rust")),
        ("$.book[?@.price >= 12.5 && !@.isbn].title", Json::Null),
        ("$.book[?@.isbn == null].title", json!("C\r")),
        ("$.book[?!(@.isbn)].title", json!("Go")),
        ("$.book[?@.title == 'C\\r' || @.price == 9.0].title", json!("Go")),
        ("$.book[?match(@.title, 'R.s')].title", Json::Null),
        ("$.book[?match(@.title, 'R.*|G')].title", json!("Rust")),
        ("$.book[?search(@.title, 'us')].title", json!("Rust")),
        ("$.book[?search(@.title, 'C.')].title", Json::Null),
        ("$.book[?length(@.title) == 4].title", json!("Rust")),
        ("$.book[?count(@.tags[*]) == 2].title", json!("Go")),
        ("$.book[?value(@..isbn) == 'x'].title", json!("Rust")),
        ("$.book[?@.tags == @.absent].title", json!("Rust")),
    ];
    for (path, expected) in cases {
        let found = first(path, &shop()).unwrap_or_default();
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn malformed_paths_are_refused() {
    let malformed = [
        "",
        "limit",
        "$.",
        "$. limit",
        "$.1",
        "$.a-b",
        "$[]",
        "$[a]",
        "$['a",
        "$['a]",
        "$[01]",
        "$[-0]",
        "$[9007199254740992]",
        "$['a',]",
        "$[?]",
        "$[?@.a == ]",
        "$[?@..a == 1]",
        "$[?!@.a == 1]",
        "$[?length(@.a)]",
        "$[?unknown(@.a)]",
        "$[?1]",
        r"$['\x']",
        r"$['\ud800']",
        "$.a ",
        "$...a",
        "$.[a]",
    ];
    for path in malformed {
        assert!(Query::parse(path).is_none(), "{path}");
    }
    let deep = format!("$[?{}@.a{}]", "(".repeat(100_000), ")".repeat(100_000));
    assert!(Query::parse(&deep).is_none());
    let deep = format!("${}", "[?@".repeat(100_000));
    assert!(Query::parse(&deep).is_none());
}

#[test]
fn a_query_that_would_look_at_too_much_finds_nothing() {
    let wide: Json = (0..100).map(|n| json!({"n": n, "wide": vec![n; 100]})).collect();
    let mut left = 1_000_000;
    let path = format!("$[?$..[?$..[?$..wide]]]{}", ".x".repeat(3));
    assert!(Query::parse(&path).unwrap().first(&wide, &mut left).is_none());
    assert_eq!(left, 0);
    assert!(Query::parse("$[0].n").unwrap().first(&wide, &mut left).is_none());
}

#[test]
fn slices_comparisons_and_patterns_count_what_they_look_at() {
    let text = "x".repeat(10_000);
    let wide: Json = (0..1_000).map(|n| json!([n, text])).collect();
    for path in [
        format!("$[{}:]", ":,".repeat(1_000)),
        "$[?$ == $]".to_owned(),
        "$[?$[0][1] == $[1][1]]".to_owned(),
        "$[?$[0][1] <= $[1][1]]".to_owned(),
        "$[?length($[0][1]) == 1]".to_owned(),
        "$[?search($[0][1], 'y')]".to_owned(),
        "$[?search('y', @[1])]".to_owned(),
        format!("$[?{}$.a]", "!$ || ".repeat(1_000)),
    ] {
        let mut left = 50_000;
        let found = Query::parse(&path).unwrap().first(&wide, &mut left);
        assert!(found.is_none() && left == 0, "{}: {left} left", &path[..path.len().min(30)]);
    }
}

#[test]
fn numbers_are_equal_by_their_value_wherever_they_stand() {
    let document =
        json!({"a": {"n": [1, {"m": 2}]}, "b": {"n": [1.0, {"m": 2.0}]}, "c": {"n": [1]}});
    assert_eq!(first("$[?@ == $.b].n[0]", &document).unwrap().to_string(), "1");
    assert_eq!(first("$[?@ != $.b].n", &document), Some(json!([1])));
}
