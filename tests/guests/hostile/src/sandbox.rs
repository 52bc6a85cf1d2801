//! Attacks on what the host gives: requests, credentials, private state, media, the desk.

use crate::{deed, size, text};
use beffroi_plugin::json::to_string;
use beffroi_plugin::prelude::*;

pub(crate) fn act(orders: &Value) -> Option<Result<String, Error>> {
    Some(match deed(orders) {
        "fetch" => Ok(fetch_all(orders)),
        "fetch-and-loop" => {
            fetch_all(orders);
            loop {
                std::hint::black_box(());
            }
        }
        "fetch-and-panic" => {
            fetch_all(orders);
            panic!("after sending")
        }
        "sign" => Ok(match http::sign(text(orders, "credential"), b"data") {
            Ok(bytes) => format!("signed {}", bytes.len()),
            Err(error) => format!("{} {}", error.code(), error.message()),
        }),
        "ask-settings" => Ok(settings::get::<Value>().map(|v| v.to_string()).unwrap_or_default()),
        "keys" => Ok(keys(orders)),
        "fill" => Ok(fill(orders)),
        "keep-and-fail" => {
            drop(state::set("kept", "by a failing call"));
            Err(Error::reject("wanted", "As ordered."))
        }
        "keep-and-panic" => {
            drop(state::set("kept", "by a dying call"));
            panic!("after writing")
        }
        "desk-elsewhere" => desk::run_now().map(|n| n.to_string()),
        _ => return None,
    })
}

fn fetch_all(orders: &Value) -> String {
    let requests = orders["requests"].as_array().cloned().unwrap_or_default();
    let times = size(orders, "count").max(1);
    let mut told = Vec::new();
    for _ in 0..times {
        for asked in &requests {
            told.push(fetch(asked));
        }
    }
    told.dedup();
    told.join(" | ")
}

fn fetch(asked: &Value) -> String {
    let mut request = http::request(asked["method"].as_str().unwrap_or("GET"), text(asked, "url"));
    for header in asked["headers"].as_array().into_iter().flatten() {
        request = request.header(header[0].as_str().unwrap_or_default(), header[1].as_str().unwrap_or_default());
    }
    for n in 0..size(asked, "many-headers") {
        request = request.header(format!("x-{n}"), "v".repeat(100));
    }
    if let Some(credential) = asked["credential"].as_str() {
        request = request.credential(credential);
    }
    if size(asked, "size") > 0 {
        request = request.bytes(vec![b'x'; size(asked, "size")], "text/plain");
    } else if let Some(body) = asked["body"].as_str() {
        request = request.bytes(body, "text/plain");
    } else if asked["form"].is_string() {
        let name = text(asked, "form");
        request = request.form([http::part_bytes(name, name, text(asked, "type"), b"inside".to_vec())]);
    }
    match request.send_raw() {
        Ok(answer) => {
            let headers: Vec<String> = answer.headers.iter().map(|h| format!("{}: {}", h.name, h.value)).collect();
            let body: String = answer.text().chars().take(2_000).collect();
            format!("answer {} [{}] {} bytes {body}", answer.status, headers.join("; "), answer.body.len())
        }
        Err(error) => format!("{error:?}"),
    }
}

/// Tries every trick to see keys that are not its own.
fn keys(orders: &Value) -> String {
    let mut seen = state::keys("", None, u32::MAX);
    for key in orders["keys"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if let Some(value) = state::get(key) {
            seen.push(format!("{key}={}", String::from_utf8_lossy(&value)));
        }
        seen.extend(state::keys(key, None, 1_000));
        seen.extend(state::keys("", Some(key), 1_000));
        state::remove(key);
    }
    format!("saw {seen:?}")
}

fn fill(orders: &Value) -> String {
    let (value, key) = (size(orders, "size"), size(orders, "key"));
    for n in 0..size(orders, "count") {
        let key = if key > 0 { "k".repeat(key) } else { format!("key-{n}") };
        if let Err(error) = state::set(&key, vec![7; value]) {
            return format!("refused at {n}: {}", error.message());
        }
    }
    "all were taken".into()
}

/// Attacks by the files of a post.
pub(crate) fn with_media(orders: &Value, post: &Post) -> Option<Result<String, Error>> {
    let asset = |id: &str| {
        let known = post.assets.first();
        Asset {
            id: id.into(),
            media_type: "image/png".into(),
            size: known.map_or(1, |a| a.size),
            dimensions: None,
            alt: String::new(),
        }
    };
    Some(match deed(orders) {
        "media-others" => {
            let ids = ["0", "2", "3", "999", "", "../1", "/etc/passwd", "1\0", "-1", "beffroi.toml", "1/../2"];
            let read = ids.map(|id| (id, media::read(&asset(id), 0, 100)));
            let got: Vec<&str> = read.iter().filter(|(_, read)| read.is_ok()).map(|(id, _)| *id).collect();
            let sentence = read.into_iter().find_map(|(_, read)| read.err()).map(|e| e.message().to_owned());
            Ok(format!("read {got:?}: {}", sentence.unwrap_or_default()))
        }
        "media-range" => {
            let ranges = [(u64::MAX, u32::MAX), (u64::MAX, 0), (u64::MAX - 1, 2), (1 << 63, 1), (0, u32::MAX), (13, u32::MAX)];
            let told = ranges.map(|(offset, length)| match media::read(&asset("1"), offset, length) {
                Ok(bytes) => format!("{} bytes", bytes.len()),
                Err(error) => error.message().to_owned(),
            });
            Ok(told.join(" | "))
        }
        "media-send-others" => {
            let sent = http::post(text(orders, "url")).file(&asset("7")).send_raw();
            Ok(format!("{sent:?}"))
        }
        _ => return None,
    })
}

fn said(answer: Result<impl std::fmt::Display, Error>) -> String {
    answer.map_or_else(|e| e.message().to_owned(), |v| v.to_string())
}

/// Attacks by what a workflow may plan.
pub(crate) fn at_desk(orders: &Value) -> Option<Result<String, Error>> {
    Some(match deed(orders) {
        "desk-ungranted" => Ok(said(desk::posts_plan(json!({
            "text": "Bonjour", "accounts": [text(orders, "account")],
        })))),
        "desk-plan" => Ok(said(desk::posts_plan(json!({
            "text": text(orders, "text"), "accounts": [text(orders, "account")],
        })))),
        "desk-plan-many" => {
            for n in 0..size(orders, "count") {
                let planned = desk::posts_plan(json!({ "text": format!("{n}"), "accounts": [text(orders, "account")] }));
                if let Err(error) = planned {
                    return Some(Ok(format!("refused at {n}: {}", error.message())));
                }
            }
            Ok("all were taken".into())
        }
        "step-nested" => desk::step("outer", || {
            Ok(match desk::step("inner", || Ok(1)) {
                Ok(_) => "nested".to_owned(),
                Err(error) => error.message().to_owned(),
            })
        }),
        "step-same" => desk::step("same", || {
            Ok(match desk::step("same", || Ok(1)) {
                Ok(_) => "twice".to_owned(),
                Err(error) => error.message().to_owned(),
            })
        }),
        "step-huge" => Ok(match desk::step("huge", || Ok("x".repeat(size(orders, "size")))) {
            Ok(text) => format!("kept {}", text.len()),
            Err(error) => error.message().to_owned(),
        }),
        "step-name" => Ok(match desk::step(&"n".repeat(size(orders, "size")), || Ok(1)) {
            Ok(_) => "kept".into(),
            Err(error) => error.message().to_owned(),
        }),
        "step-many" => {
            for n in 0..size(orders, "count") {
                if let Err(error) = desk::step(&format!("step {n}"), || Ok("x".repeat(1_000))) {
                    return Some(Ok(format!("refused at {n}: {}", error.message())));
                }
            }
            Ok("all were taken".into())
        }
        "state-bomb" => {
            for n in 0..size(orders, "count") {
                if let Err(error) = desk::state_set(&format!("k{n}"), json!("x".repeat(size(orders, "size")))) {
                    return Some(Ok(format!("refused at {n}: {}", error.message())));
                }
            }
            Ok("all were taken".into())
        }
        "desk-log-flood" => {
            for n in 0..size(orders, "count") {
                drop(desk::log_info(&format!("{n} {}", "z".repeat(200))));
            }
            Ok("flooded".into())
        }
        "desk-loop" => loop {
            drop(std::hint::black_box(desk::run_now()));
        },
        "desk-get" => Ok(said(desk::http_get(text(orders, "url"), ()))),
        "line" => Ok(to_string(orders).unwrap_or_default().repeat(size(orders, "count"))),
        _ => return None,
    })
}
