//! The one place where stored rows become the JSON that people and programs see.
//!
//! In: rows of the store's views, and the business's zone. Out: JSON in which every instant is RFC 3339 in that zone.
//! Never: touches what scripts put into it: their keys and values are shown as they are.

use crate::domain::{Json, Timestamp, Zone};
use crate::kinds::Message;
use crate::store::view::{DeliveryRow, RunDetail, RunRow};
use serde::Serialize;
use serde_json::json;

/// An instant as everybody sees it.
pub fn instant(at: Timestamp, zone: Zone) -> Json {
    if at == Timestamp::NEVER { Json::Null } else { Json::String(at.rfc3339(zone)) }
}

fn plain(value: impl Serialize) -> Json {
    serde_json::to_value(value).unwrap_or_default()
}

/// Turns these keys of an object from milliseconds into instants.
fn dated(mut value: Json, keys: &[&str], zone: Zone) -> Json {
    date(&mut value, keys, zone);
    value
}

fn date(value: &mut Json, keys: &[&str], zone: Zone) {
    for key in keys {
        if let Some(found) = value.get_mut(*key)
            && let Some(millis) = found.as_i64()
        {
            *found = instant(Timestamp::from_millis(millis), zone);
        }
    }
}

const RUN: [&str; 4] = ["due", "started", "finished", "last_due"];

/// A line of the run history.
pub fn run(row: &RunRow, zone: Zone) -> Json {
    dated(plain(row), &RUN, zone)
}

/// A run, whole.
pub fn detail(run: &mut RunDetail, zone: Zone) -> Json {
    if let Some(effects) = &mut run.effects {
        planned(effects, zone);
    }
    let mut value = dated(plain(&*run), &RUN, zone);
    for line in value.get_mut("log").and_then(Json::as_array_mut).into_iter().flatten() {
        date(line, &["at"], zone);
    }
    value
}

/// What a run planned. Only the places that hold instants of ours are touched.
fn planned(effects: &mut Json, zone: Zone) {
    fn each<'a>(value: &'a mut Json, key: &str) -> impl Iterator<Item = &'a mut Json> + use<'a> {
        value.get_mut(key).and_then(Json::as_array_mut).into_iter().flatten()
    }
    for post in each(effects, "posts") {
        for delivery in each(post, "deliveries") {
            date(delivery, &["at", "until"], zone);
        }
    }
    for later in each(effects, "later") {
        date(later, &["at"], zone);
    }
}

/// A delivery.
pub fn delivery(row: &DeliveryRow, zone: Zone) -> Json {
    let mut value = dated(plain(row), &["due", "until", "look_at", "created", "armed_at", "settled_at", "swapped_at"], zone);
    if let Some(recall) = value.get_mut("recall") {
        date(recall, &["asked_at", "settled_at"], zone);
    }
    value
}

/// A message of the public.
pub fn message(account: &str, message: &Message, zone: Zone) -> Json {
    let mut value = dated(plain(message), &["at"], zone);
    value["account"] = account.into();
    value
}

/// A delivery with what happened to it.
pub fn delivery_with(row: &DeliveryRow, history: &[(Timestamp, String, String)], zone: Zone) -> Json {
    let mut value = delivery(row, zone);
    let step =
        |(at, state, text): &(Timestamp, String, String)| json!({ "at": instant(*at, zone), "state": state, "text": text });
    value["history"] = history.iter().map(step).collect();
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_in_the_zone_and_a_scripts_own_values_are_left_alone() {
        let zone = chrono_tz::Europe::Paris;
        let mut effects = json!({
            "state": { "at": 5, "due": 1_000 },
            "posts": [{ "deliveries": [{ "account": "a", "at": 1_774_738_200_000_i64, "until": null }] }],
            "later": [{ "at": 1_774_738_200_000_i64, "payload": { "at": 7 } }],
        });
        planned(&mut effects, zone);
        assert_eq!(effects["state"], json!({ "at": 5, "due": 1_000 }));
        assert_eq!(effects["posts"][0]["deliveries"][0]["at"], "2026-03-28T23:50:00+01:00");
        assert_eq!(effects["later"][0], json!({ "at": "2026-03-28T23:50:00+01:00", "payload": { "at": 7 } }));
        assert_eq!(instant(Timestamp::NEVER, zone), Json::Null);
    }
}
