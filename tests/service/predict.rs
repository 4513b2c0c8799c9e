//! `POST /predict`.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Ask, Client, Site, flags};
use crate::example::service::{LARGEST_BODY, Service};

/// The pixels by name, in the model's order.
fn named(site: &Site, number: usize) -> Vec<(String, f32)> {
    site.digits().names().iter().cloned().zip(site.pixels(number)).collect()
}

/// A JSON object with its names in this order.
fn object(pairs: &[(String, f32)]) -> String {
    let members: Vec<String> =
        pairs.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!(r#"{{"features":{{{}}}}}"#, members.join(","))
}

pub async fn a_row_and_a_map_in_any_order_get_the_same_bits<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    for version in ["v1", "v2"] {
        let site = Site::new(Some(flags(version, false)));
        let client = client(site.service()).await;
        for number in 0..20 {
            let row = json!({ "features": site.pixels(number) });
            let by_row = client.send(Ask::predict("user-1", row)).await.answer();
            assert_eq!(by_row["model_version"], version);

            let in_order = named(&site, number);
            let mut reversed = in_order.clone();
            reversed.reverse();
            let mut sorted = in_order.clone();
            sorted.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
            let mut rotated = in_order.clone();
            rotated.rotate_left(29);
            for pairs in [in_order, reversed, sorted, rotated] {
                let by_map = client.send(Ask::predict("user-1", object(&pairs))).await.answer();
                // Compared as text: the same digits come from the same bits.
                for field in ["label", "probabilities"] {
                    assert_eq!(by_map[field].to_string(), by_row[field].to_string());
                }
            }
        }
    }
}

pub async fn the_answer_has_the_documented_fields<C: Client>(client: impl AsyncFn(Service) -> C) {
    let site = Site::of_the_example();
    let client = client(site.service()).await;
    let mut ids = HashSet::new();
    for number in 0..50 {
        let body = json!({ "features": site.pixels(number) });
        let answer = client.send(Ask::predict("user-1", body)).await.answer();
        let fields: Vec<&str> = answer.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(
            fields,
            [
                "label",
                "probabilities",
                "model_version",
                "reason",
                "flag_revision",
                "fell_back",
                "prediction_id"
            ]
        );
        assert_eq!(answer["reason"], "TARGETING_MATCH");
        assert_eq!(answer["fell_back"], false);
        assert!(answer["flag_revision"].as_u64() > Some(0), "{answer}");
        let probabilities: Vec<f64> =
            serde_json::from_value(answer["probabilities"].clone()).unwrap();
        assert_eq!(probabilities.len(), 10);
        let sum: f64 = probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-4, "{answer}");
        let largest = (0..10).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
        assert_eq!(answer["label"].as_u64(), largest.map(|place| place as u64));
        assert!(ids.insert(answer["prediction_id"].as_str().unwrap().to_owned()));
    }
}

pub async fn bad_input_is_refused_by_name<C: Client>(client: impl AsyncFn(Service) -> C) {
    let site = Site::new(Some(flags("v2", false)));
    let client = client(site.service()).await;
    let pixels = site.pixels(0);
    let with = |place: usize, value: Value| {
        let mut row: Vec<Value> = pixels.iter().map(|pixel| json!(pixel)).collect();
        row[place] = value;
        json!({ "features": row }).to_string()
    };
    let map = named(&site, 0);
    let text = object(&map);
    let map_with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} is not in {text}");
        text.replacen(from, to, 1)
    };

    for (body, names) in [
        // Not JSON, or not the object that was asked for.
        (String::new(), vec!["body"]),
        ("not json".to_owned(), vec!["body"]),
        (text[..100].to_owned(), vec!["body"]),
        (format!("{text} trailing"), vec!["body"]),
        ("[1, 2]".to_owned(), vec!["body", "a list", "features"]),
        ("{}".to_owned(), vec!["body", "`features`"]),
        (r#"{"feature": [1]}"#.to_owned(), vec!["body", "`features`"]),
        (r#"{"features": "abc"}"#.to_owned(), vec!["features", "a list of numbers"]),
        (r#"{"features": null}"#.to_owned(), vec!["features", "a list of numbers"]),
        (r#"{"features": 7}"#.to_owned(), vec!["features", "a list of numbers"]),
        (r#"{"features": [1], "features": [2]}"#.to_owned(), vec!["`features`"]),
        // A row that does not fit.
        (r#"{"features": []}"#.to_owned(), vec!["features", "0 values", "64 values"]),
        (json!({ "features": &pixels[1..] }).to_string(), vec!["features", "63", "64 values"]),
        (with(3, json!("seven")), vec!["features[3]", "pixel_0_3", "\"seven\"", "a number"]),
        (with(3, json!(null)), vec!["features[3]", "null"]),
        (with(3, json!([1])), vec!["features[3]", "a list"]),
        (with(63, json!(16.5)), vec!["features[63]", "pixel_7_7", "16.5", "from 0 to 16"]),
        (with(0, json!(-1)), vec!["features[0]", "-1"]),
        (with(0, json!(1e300)), vec!["features[0]", "pixel_0_0"]),
        // A map that does not.
        (r#"{"features": {}}"#.to_owned(), vec!["features.pixel_0_0", "nothing"]),
        (map_with("\"pixel_4_4\"", "\"pixel_9_9\""), vec!["features.pixel_9_9", "unknown"]),
        (map_with("\"pixel_0_1\"", "\"pixel_0_0\""), vec!["features.pixel_0_0", "second"]),
        (map_with("\"pixel_0_4\":13", "\"pixel_0_4\":\"13\""), vec!["features.pixel_0_4"]),
        (map_with("\"pixel_0_4\":13", "\"pixel_0_4\":true"), vec!["features.pixel_0_4", "true"]),
        (map_with("\"pixel_0_4\":13", "\"pixel_0_4\":1e40"), vec!["features.pixel_0_4"]),
        (map_with("\"pixel_0_4\":13", "\"pixel_0_4\":NaN"), vec!["body"]),
        (map_with("\"pixel_0_4\":13", "\"pixel_0_4\":1e999"), vec!["body", "number out of range"]),
    ] {
        let error = client.send(Ask::predict("user-1", &body)).await.error(400);
        for name in names {
            assert!(error.contains(name), "{error} does not say {name}, for {body}");
        }
    }

    let good = Ask::predict("user-1", &text);
    let deep = format!(r#"{{"features":{}}}"#, "[".repeat(20_000));
    let error = client.send(Ask::predict("user-1", deep)).await.error(400);
    assert!(error.contains("body"), "{error}");
    for header in ["x-user-id", "x-region"] {
        let got = client.send(good.clone().with(header, vec![0xff, 0xfe])).await;
        assert!(got.error(400).to_lowercase().contains(header));
    }
    for wrong in ["text/plain", "application/x-www-form-urlencoded", "", "json"] {
        let got = client.send(good.clone().with("content-type", wrong)).await;
        assert!(got.error(415).contains("Content-Type"));
    }
    let mut untyped = good.clone();
    untyped.headers.retain(|(name, _)| *name != "content-type");
    assert!(client.send(untyped).await.error(415).contains("Content-Type"));
    // Every one of them was the caller's mistake, and none of v2's: no breaker opened.
    assert_eq!(client.send(good).await.answer()["model_version"], "v2");
}

pub async fn a_body_that_is_too_large_is_refused<C: Client>(client: impl AsyncFn(Service) -> C) {
    let site = Site::new(Some(flags("v1", false)));
    let client = client(site.service()).await;
    let padding = " ".repeat(LARGEST_BODY);
    let body = format!("{}{padding}", json!({ "features": site.pixels(0) }));
    let error = client.send(Ask::predict("user-1", &body)).await.error(413);
    assert!(error.contains("body") && error.contains(&LARGEST_BODY.to_string()), "{error}");
    // One that is just not too large is read.
    client.send(Ask::predict("user-1", &body[..LARGEST_BODY])).await.answer();
}

pub async fn a_media_type_that_is_json_is_read<C: Client>(client: impl AsyncFn(Service) -> C) {
    let site = Site::new(Some(flags("v1", false)));
    let client = client(site.service()).await;
    let ask = Ask::predict("user-1", json!({ "features": site.pixels(0) }));
    for good in ["Application/JSON", "application/json; charset=utf-8", "application/vnd.x+json"] {
        client.send(ask.clone().with("content-type", good)).await.answer();
    }
}

pub async fn a_caller_without_an_id_gets_v1_and_the_reason_says_so<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::of_the_example();
    let client = client(site.service()).await;
    let ask = Ask::predict("", json!({ "features": site.pixels(0) }));
    for ask in [ask.clone(), ask.with("x-user-id", "")] {
        let answer = client.send(ask).await.answer();
        assert_eq!(answer["model_version"], "v1");
        assert_eq!(answer["reason"], "MISSING_KEY");
        assert_eq!(answer["fell_back"], true);
    }
}

pub async fn a_region_rule_sends_its_users_to_v2<C: Client>(client: impl AsyncFn(Service) -> C) {
    let site = Site::of_the_example();
    let client = client(site.service()).await;
    for user in 0..20 {
        let user = format!("user-{user}");
        let ask = Ask::predict(&user, json!({ "features": site.pixels(0) }));
        let answer = client.send(ask.with("x-region", "nz")).await.answer();
        assert_eq!(answer["model_version"], "v2");
        assert_eq!(answer["reason"], "TARGETING_MATCH");
    }
}

pub async fn a_quarter_of_the_users_gets_v2_and_keeps_it<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::of_the_example();
    let client = client(site.service()).await;
    let body = json!({ "features": site.pixels(0) });
    let mut first: Vec<Value> = Vec::new();
    for round in 0..3 {
        for user in 0..400 {
            let answer = client.send(Ask::predict(&format!("user-{user}"), &body)).await.answer();
            match round {
                0 => first.push(answer["model_version"].clone()),
                _ => assert_eq!(answer["model_version"], first[user]),
            }
        }
    }
    let candidates = first.iter().filter(|version| *version == "v2").count();
    // Five standard deviations around 100.
    assert!((57..=143).contains(&candidates), "{candidates} of 400 users got v2");
}

pub async fn a_version_that_nobody_registered_is_answered_and_labelled_by_v1<C: Client>(
    client: impl AsyncFn(Service) -> C,
) {
    let site = Site::new(Some(flags("v3", false)));
    let client = client(site.service()).await;
    let ask = Ask::predict("user-1", json!({ "features": site.pixels(0) }));
    let answer = client.send(ask).await.answer();
    assert_eq!(answer["model_version"], "v1");
    assert_eq!(answer["fell_back"], true);
    let status = client.send(Ask::get("/status")).await.answer();
    assert_eq!(status["fallbacks"]["unknown_version"], 1, "{status}");
}
