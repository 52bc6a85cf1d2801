//! The module against what it must read and refuse, and against serde_json.

use super::*;
use crate::json;

fn read(text: &str) -> Result<Value, Error> {
    from_str(text)
}

#[test]
fn what_serde_json_reads_and_refuses_is_read_and_refused_here() {
    for text in [
        "null",
        " true ",
        "false",
        "0",
        "-1",
        "18446744073709551615",
        "-9223372036854775808",
        "\"\"",
        "[]",
        "{}",
        "[1, [2], {}]",
        "{\"b\":1,\"a\":{\"c\":[null]}}",
        "\"\\u00e9\\ud83e\\udd50\\n\\\\\\/\"",
        "\"é🥐\"",
        "1.5",
        "-2.5e3",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1,\"c\":3,\"b\":2,\"a\":4,\"b\":5}",
    ] {
        let theirs: serde_json::Value = serde_json::from_str(text).expect(text);
        let ours = read(text).expect(text);
        let again: serde_json::Value = serde_json::from_str(&ours.to_string()).expect(text);
        assert_eq!(again, theirs, "{text}");
        assert_eq!(read(&ours.to_string()), Ok(ours), "{text}");
    }
    for text in [
        "",
        " ",
        "nul",
        "nulll",
        "01",
        "-",
        "1.",
        ".5",
        "1e",
        "+1",
        "\"",
        "\"\n\"",
        "\"\\x\"",
        "\"\\ud83e\"",
        "\"\\ud83e\\u0041\"",
        "\"\\udd50\"",
        "\"\\u12\"",
        "[1,]",
        "[1 2]",
        "[",
        "{\"a\"}",
        "{\"a\":}",
        "{a:1}",
        "{\"a\":1,}",
        "{\"a\":1",
        "1 2",
        "[]]",
        "NaN",
    ] {
        assert!(serde_json::from_str::<serde_json::Value>(text).is_err() && read(text).is_err(), "{text}");
    }
    assert!(from_slice::<Value>(b"\"\xff\"").is_err());
}

#[test]
fn nesting_ends_before_the_stack_does() {
    assert!(read(&format!("{}{}", "[".repeat(128), "]".repeat(128))).is_ok());
    assert!(read(&format!("{}{}", "[".repeat(129), "]".repeat(129))).is_err());
    assert!(read(&"[{\"a\":".repeat(100_000)).is_err());
}

#[test]
fn any_text_survives_writing_and_reading() {
    let pieces = ["é", "🥐", "\"", "\\", "\n", "\u{0}", "\u{1f}", "\u{7f}", "/", "a", "\u{2028}", "{", "\t"];
    let mut seed = 7_u64;
    for _ in 0..5_000 {
        let mut text = String::new();
        for _ in 0..8 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        let value = json!({ text: [text.as_str()] });
        assert_eq!(read(&value.to_string()), Ok(value.clone()));
        let theirs: serde_json::Value = serde_json::from_str(&value.to_string()).expect("JSON");
        assert_eq!(theirs[&text][0].as_str(), Some(text.as_str()));
    }
}

#[test]
fn names_are_sorted_and_the_last_value_of_a_name_counts() {
    let many: Vec<String> = (0..1_000).map(|n| format!("\"{}\":{n}", n * 7_919 % 500)).collect();
    let value = read(&format!("{{{}}}", many.join(","))).expect("JSON");
    let map = value.as_object().expect("an object");
    assert_eq!(map.len(), 500);
    assert!(map.keys().is_sorted());
    for n in 500..1_000_u64 {
        assert_eq!(value[(n * 7_919 % 500).to_string()], n);
    }
}

#[test]
fn values_written_down_in_code_are_what_they_say() {
    let (name, link) = ("Claire", None::<String>);
    let value = json!({
        "name": name, "link": link, "list": [1, -2, [], {}, null, name.len() + 1], "deep": { "yes": true, "half": 0.5 }, "none": null,
    });
    assert_eq!(
        value.to_string(),
        r#"{"deep":{"half":0.5,"yes":true},"link":null,"list":[1,-2,[],{},null,7],"name":"Claire","none":null}"#
    );
    assert_eq!(value.pointer("/deep/yes"), Some(&Value::Bool(true)));
    assert_eq!((value["list"][1].as_i64(), value["list"][1].as_u64(), value["x"]["y"].as_str()), (Some(-2), None, None));
    let mut made = Value::Null;
    made["a"]["b"] = json!([name]);
    made["a"]["b"][0] = json!(1);
    assert_eq!(made, json!({ "a": { "b": [1] } }));
    assert_eq!(json!(f64::NAN), Value::Null);
}

#[test]
fn whole_parts_of_numbers_need_no_floating_point() {
    for (text, whole) in [
        ("12", Some(12)),
        ("12.9", Some(12)),
        ("-12.9", Some(-12)),
        ("1.25e2", Some(125)),
        ("1250e-2", Some(12)),
        ("0.5", Some(0)),
        ("1e300", None),
        ("0e999999999", Some(0)),
        ("1e-999999999", Some(0)),
        ("9e15", None),
        ("1e99999999999", None),
    ] {
        let value = read(text).expect(text);
        assert_eq!(value.as_number().expect(text).whole(), whole, "{text}");
    }
}

#[test]
fn types_of_the_plugins_own_are_read_and_written_too() {
    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Line {
        name: String,
        rest: Value,
    }
    let line: Line = from_str(r#"{"name":"a","rest":{"b":[1,2.5,null]}}"#).expect("it fits");
    assert_eq!(line, Line { name: "a".into(), rest: json!({ "b": [1, 2.5, null] }) });
    assert!(from_str::<Line>("{}").is_err());
    assert_eq!(to_string(&("a", 1)), Ok("[\"a\",1]".to_owned()));
    assert_eq!(to_string(&json!(["a", 1])), Ok("[\"a\",1]".to_owned()));
}
