//! What crontab expressions mean, in known cases; [`differential`] compares with a slow second opinion.

mod differential;
mod oracle;

use super::{CronError, Dst, Schedule};
use crate::domain::{Language, Timestamp, Zone};
use chrono_tz::{America, Australia, Europe, Pacific};
use proptest::prelude::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_millis(second * 1_000)
}

fn seconds(text: &str) -> i64 {
    Timestamp::parse(text).expect("RFC 3339").millis() / 1_000
}

fn schedule(text: &str, zone: Zone, dst: Dst) -> Schedule {
    Schedule::parse(text, zone, dst).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// Due instants in local RFC 3339, after the one and up to the other.
fn due(text: &str, zone: Zone, dst: Dst, after: &str, until: &str) -> Vec<String> {
    let (after, until) = (Timestamp::parse(after).expect("RFC 3339"), Timestamp::parse(until).expect("RFC 3339"));
    schedule(text, zone, dst).between(after, until).map(|t| t.rfc3339(zone)).collect()
}

fn wrong(text: &str) -> CronError {
    Schedule::parse(text, Europe::Paris, Dst::Vixie).expect_err(text)
}

/// Due instants of the night before and after a change in Paris, as `day hour:minute offset`.
fn paris(text: &str, dst: Dst, day: &str) -> Vec<String> {
    let (after, until) = (format!("2026-{day}T00:00:00Z"), format!("2026-{day}T03:00:00Z"));
    due(text, Europe::Paris, dst, &after, &until).iter().map(|t| t[11..16].to_owned() + &t[19..22]).collect()
}

#[test]
fn the_spring_night_in_paris() {
    // 02:00 to 03:00 does not exist on 29 March 2026.
    let night = |text, dst| paris(text, dst, "03-29");
    for (text, vixie) in [
        ("30 2 * * *", vec!["03:00+02"]),
        ("0,30 2 * * *", vec!["03:00+02"]),
        ("0 3 * * *", vec!["03:00+02"]),
        ("30 2,3 * * *", vec!["03:00+02", "03:30+02"]),
        ("0 2,3 * * *", vec!["03:00+02"]),
        ("*/30 * * * *", vec!["01:30+01", "03:00+02", "03:30+02", "04:00+02", "04:30+02", "05:00+02"]),
        ("*/30 2 * * *", vec![]),
        ("@hourly", vec!["03:00+02", "04:00+02", "05:00+02"]),
    ] {
        assert_eq!(night(text, Dst::Vixie), vixie, "{text}");
    }
    assert_eq!(night("30 2 * * *", Dst::Skip), Vec::<String>::new());
    assert_eq!(night("30 2,3 * * *", Dst::Skip), ["03:30+02"]);
    assert_eq!(night("30 2 * * *", Dst::Twice), ["03:00+02"]);
    assert_eq!(night("*/30 * * * *", Dst::Skip), night("*/30 * * * *", Dst::Twice));
}

#[test]
fn the_autumn_night_in_paris() {
    // 02:00 to 03:00 comes twice on 25 October 2026.
    let night = |text, dst| paris(text, dst, "10-25");
    for (text, vixie) in [
        ("30 2 * * *", vec!["02:30+02"]),
        ("0,30 2 * * *", vec!["02:30+02"]),
        ("0 3 * * *", vec!["03:00+01"]),
        ("*/30 * * * *", vec!["02:30+02", "02:00+01", "02:30+01", "03:00+01", "03:30+01", "04:00+01"]),
        ("@hourly", vec!["02:00+01", "03:00+01", "04:00+01"]),
    ] {
        assert_eq!(night(text, Dst::Vixie), vixie, "{text}");
    }
    assert_eq!(night("30 2 * * *", Dst::Skip), ["02:30+02"]);
    assert_eq!(night("30 2 * * *", Dst::Twice), ["02:30+02", "02:30+01"]);
    // Asked in the second pass, the first one is not due again.
    let second_pass = Timestamp::parse("2026-10-25T02:10:00+01:00").expect("RFC 3339");
    let next = schedule("30 2 * * *", Europe::Paris, Dst::Vixie).next(second_pass).map(|t| t.rfc3339(Europe::Paris));
    assert_eq!(next.as_deref(), Some("2026-10-26T02:30:00+01:00"));
}

#[test]
fn changes_at_midnight_of_half_an_hour_and_of_a_day() {
    // Midnight itself is left out in São Paulo on 4 November 2018, and comes twice on 18 February.
    let sao_paulo = |text, after, until| due(text, America::Sao_Paulo, Dst::Vixie, after, until);
    assert_eq!(
        sao_paulo("0 0 * * *", "2018-11-03T00:00:00-03:00", "2018-11-05T12:00:00-02:00"),
        ["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"]
    );
    assert_eq!(
        sao_paulo("30 23 * * *", "2018-02-17T00:00:00-02:00", "2018-02-19T00:00:00-03:00"),
        ["2018-02-17T23:30:00-02:00", "2018-02-18T23:30:00-03:00"]
    );
    let lord_howe = |text| due(text, Australia::Lord_Howe, Dst::Vixie, "2026-10-03T12:00:00Z", "2026-10-03T17:00:00Z");
    assert_eq!(lord_howe("15 2 * * *"), ["2026-10-04T02:30:00+11:00"]);
    assert_eq!(lord_howe("0 0-3 * * *").len(), 4);
    assert_eq!(lord_howe("0 * * * *").len(), 5);
    // Samoa had no 30 December 2011.
    assert_eq!(
        due("0 9 * * *", Pacific::Apia, Dst::Vixie, "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00"),
        ["2011-12-29T09:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T09:00:00+14:00"]
    );
    assert_eq!(
        due("0 9 * * *", Pacific::Apia, Dst::Skip, "2011-12-29T00:00:00-10:00", "2012-01-01T00:00:00+14:00"),
        ["2011-12-29T09:00:00-10:00", "2011-12-31T09:00:00+14:00"]
    );
}

#[test]
fn a_weekly_slot_keeps_its_local_time_for_five_years() {
    let slots = due("15 18 * * thu", Europe::Paris, Dst::Vixie, "2026-01-01T00:00:00Z", "2031-01-01T00:00:00Z");
    assert_eq!(slots.len(), 261);
    assert!(slots.iter().all(|slot| slot[11..19] == *"18:15:00"), "{slots:?}");
    assert_eq!(slots.iter().filter(|slot| slot.ends_with("+02:00")).count(), 153);
}

#[test]
fn the_fields_mean_what_crontab_says() {
    let next = |text: &str, after: &str| {
        let found = schedule(text, Zone::UTC, Dst::Vixie).next(Timestamp::parse(after).expect("RFC 3339"));
        found.map(|t| t.utc().format("%a %F %T").to_string()).unwrap_or_default()
    };
    let start = "2026-11-22T10:00:00Z"; // a Sunday
    for (text, wanted) in [
        ("* * * * *", "Sun 2026-11-22 10:01:00"),
        ("0 10 * * *", "Mon 2026-11-23 10:00:00"),
        ("*/15 * * * *", "Sun 2026-11-22 10:15:00"),
        ("5/20 * * * *", "Sun 2026-11-22 10:05:00"),
        ("10-40/15 11 * * *", "Sun 2026-11-22 11:10:00"),
        ("*/10 * * * * *", "Sun 2026-11-22 10:00:10"),
        ("30 0 7 * * *", "Mon 2026-11-23 07:00:30"),
        ("0 9 * * 0", "Sun 2026-11-29 09:00:00"),
        ("0 9 * * 7", "Sun 2026-11-29 09:00:00"),
        ("0 11 * * 5-7", "Sun 2026-11-22 11:00:00"),
        ("0 11 * * fri-SUN", "Sun 2026-11-22 11:00:00"),
        ("0 9 * JAN Mon", "Mon 2027-01-04 09:00:00"),
        // Either day field is enough when neither starts with a star; both must match when one does.
        ("0 9 13 * fri", "Fri 2026-11-27 09:00:00"),
        ("0 9 */13 * fri", "Fri 2026-11-27 09:00:00"),
        ("0 9 */2 * fri", "Fri 2026-11-27 09:00:00"),
        ("0 9 */13 * tue", "Tue 2026-12-01 09:00:00"),
        ("0 9 1-31 * tue", "Mon 2026-11-23 09:00:00"),
        ("0 9 L * *", "Mon 2026-11-30 09:00:00"),
        ("0 9 l-3 * ?", "Fri 2026-11-27 09:00:00"),
        ("0 9 L 2 *", "Sun 2027-02-28 09:00:00"),
        ("0 9 15,L * *", "Mon 2026-11-30 09:00:00"),
        ("0 9 ? * 5L", "Fri 2026-11-27 09:00:00"),
        ("0 9 * * sunL", "Sun 2026-11-29 09:00:00"),
        ("0 9 * * fri#2", "Fri 2026-12-11 09:00:00"),
        ("0 9 * * 7#1", "Sun 2026-12-06 09:00:00"),
        ("0 0 29 2 *", "Tue 2028-02-29 00:00:00"),
        ("0 0 30 2 5", "Fri 2027-02-05 00:00:00"),
        ("@yearly", "Fri 2027-01-01 00:00:00"),
        ("@Annually", "Fri 2027-01-01 00:00:00"),
        ("@monthly", "Tue 2026-12-01 00:00:00"),
        ("@weekly", "Sun 2026-11-29 00:00:00"),
        ("@daily", "Mon 2026-11-23 00:00:00"),
        ("@midnight", "Mon 2026-11-23 00:00:00"),
        (" @hourly ", "Sun 2026-11-22 11:00:00"),
    ] {
        assert_eq!(next(text, start), wanted, "{text}");
    }
}

#[test]
fn time_starts_in_1970_and_ends_with_2099() {
    let daily = schedule("0 12 * * *", America::New_York, Dst::Vixie);
    assert_eq!(daily.next(Timestamp::EPOCH).map(|t| t.to_string()).as_deref(), Some("1970-01-01T17:00:00Z"));
    let last = Timestamp::parse("2099-12-31T17:00:00Z").expect("RFC 3339");
    assert_eq!(daily.next(last.minus(std::time::Duration::from_millis(1))), Some(last));
    assert_eq!(daily.next(last), None);
    assert_eq!(daily.next(Timestamp::NEVER), None);
    // A started second is not yet its end, and its beginning is over.
    let each = schedule("* * * * * *", Zone::UTC, Dst::Vixie);
    assert_eq!(each.next(Timestamp::from_millis(1_500)), Some(Timestamp::from_millis(2_000)));
    assert_eq!(each.next(Timestamp::from_millis(2_000)), Some(Timestamp::from_millis(3_000)));
}

#[test]
fn errors_name_the_field_the_place_and_the_remedy() {
    for (text, place, message, help) in [
        ("", "", "empty", "30 7 * * *"),
        ("   ", "   ", "empty", "five fields"),
        ("60 * * * *", "60", "minute field has \"60\"", "Minutes go from 0 to 59."),
        ("0 24 * * *", "24", "hour field", "midnight is 0"),
        ("7 30 * * *", "30", "hour field", "Did you mean \"30 7 * * *\"?"),
        ("0 0 1 15 *", "15", "month field", "Did you mean \"0 0 15 1 *\"?"),
        ("0 0 0 * *", "0", "day-of-month field", "from 1 to 31"),
        ("0 0 * 13 *", "13", "month field", "jan to dec"),
        ("0 0 * * 8", "8", "weekday field", "0 and 7 are both Sunday"),
        ("61 * * * * *", "61", "second field", "Seconds go from 0 to 59."),
        ("0 99999999999 * * *", "99999999999", "out of range", "0 to 23"),
        ("0 0 5-99 * *", "99", "in \"5-99\"", "1 to 31"),
        ("0 22-5 * * *", "22-5", "ends before it starts", "\"22-23,0-5\""),
        ("0 0 * * 5-1", "5-1", "ends before it starts", "\"5-6,0-1\""),
        ("0 0 * * 5-0", "5-0", "ends before it starts", "\"5-7\""),
        ("0 0 * * sat-mon", "sat-mon", "ends before it starts", "\"6,0-1\""),
        ("0 0 * * mno", "mno", "not a name", "\"mon\""),
        ("0 0 * * monday", "monday", "not a name", "\"mon\""),
        ("0 0 * * lun", "lun", "not a name", "\"mon\""),
        ("0 0 * * mar", "mar", "not a name", "\"tue\""),
        ("0 0 1 févr *", "févr", "not a name", "\"feb\""),
        ("0 0 1 Décembre *", "Décembre", "not a name", "\"dec\""),
        ("0 0 1 sept *", "sept", "not a name", "\"sep\""),
        ("0 7 * mon *", "mon", "is a weekday", "Did you mean \"0 7 * * mon\"?"),
        ("*/0 * * * *", "*/0", "never move on", "*/5"),
        ("*/ * * * *", "*/", "missing", "*/5"),
        ("*/x * * * *", "*/x", "not a number", "*/5"),
        ("5- * * * *", "5-", "both ends", "0-59"),
        ("-5 * * * *", "-5", "both ends", "0-59"),
        ("1-2-3 * * * *", "1-2-3", "two ends", "commas"),
        ("1,,2 * * * *", ",", "comma", "single commas"),
        ("1, * * * *", ",", "comma", "single commas"),
        (",1 * * * *", ",", "comma", "single commas"),
        ("*5 * * * *", "*5", "stands alone", "*/5"),
        ("** * * * *", "**", "stands alone", "\"*\""),
        ("/5 * * * *", "/5", "a value is missing", "0 to 59"),
        ("1.5 * * * *", "1.5", "not a number", "1-5"),
        ("? * * * *", "?", "two day fields only", "\"*\""),
        ("0 0 1,? * *", "?", "stands alone", "\"*\""),
        ("0 0 15W * *", "15W", "nearest working day", "1#1"),
        ("0 0 LW * *", "LW", "nearest working day", "1#1"),
        ("0 0 L-31 * *", "L-31", "0 to 30", "L-3"),
        ("0 0 L3 * *", "L3", "0 to 30", "L-3"),
        ("0 0 * * L", "L", "which weekday", "5L"),
        ("0 0 * * 1-5L", "1-5L", "one weekday", "1L,5L"),
        ("0 0 * * 5#6", "5#6", "1 to 5", "5L"),
        ("0 0 * * 5#", "5#", "1 to 5", "5#2"),
        ("0 0 * * 5#+2", "5#+2", "1 to 5", "5#2"),
        ("0 0 5#2 * *", "5#2", "weekday field", "last field"),
        ("0 0 * * 9L", "9", "in \"9L\"", "0 to 7"),
        ("H 4 * * *", "H", "program's choice", "0 to 59"),
        ("0 0 30 2 *", "30 2", "No year has a 30 February.", "\"L\""),
        ("0 0 31 4 *", "31 4", "No year has a 31 April.", "\"L\""),
        ("0 0 31 2,4,jun *", "31 2,4,jun", "in February or April or June", "\"L\""),
        ("0 0 30-31 feb ?", "30-31 feb", "No year has a day \"30-31\" in February.", "\"L\""),
        ("0 0 L-29 2 *", "L-29 2", "No year has a day \"L-29\" in February.", "\"L\""),
        ("0 0 */31 * 2#3", "*/31 * 2#3", "never meet", "Write \"*\""),
        ("@reboot", "@reboot", "not a time", "\"missed\""),
        ("@dialy", "@dialy", "not a known short form", "\"@daily\""),
        ("@every 5m", "@every", "not a crontab word", "*/15"),
        ("@daily 7", "7", "Nothing may follow", "whole expression"),
        ("*", "*", "1 field;", "\"* * * * *\""),
        ("30 7 * *", "30 7 * *", "4 fields; crontab needs 5", "\"30 7 * * *\""),
        ("0 0 7 * * * 2026", "2026", "7 fields; there are 5, or 6", "year"),
        ("0 7 * * * a b c", "b c", "8 fields", "commas"),
        ("0 7 * * * /bin/true", "/bin/true", "A command follows", "script"),
        ("0 7 * * * python x.py", "python x.py", "A command follows", "script"),
        ("TZ=Europe/Paris 0 7 * * *", "TZ=Europe/Paris", "time zone", "\"zone\""),
        ("\u{a0}0 7 * * \u{1f355}", "\u{1f355}", "weekday field", "sun to sat"),
    ] {
        let error = wrong(text);
        let shown = text.get(error.span.clone()).unwrap_or_else(|| panic!("{text}: {:?}", error.span));
        assert_eq!(shown, place, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {}", error.message);
        assert!(error.help.contains(help), "{text}: {}", error.help);
        assert!(error.to_string().ends_with(['.', '?']) && error.message.ends_with('.'), "{text}: {error}");
    }
}

#[test]
fn expressions_are_said_in_plain_words() {
    for (text, english, french) in [
        ("30 7 * * *", "Every day at 7:30", "Chaque jour à 7 h 30"),
        ("0 9,18 * * mon-fri", "From Monday to Friday at 9:00 and 18:00", "Du lundi au vendredi à 9 h et 18 h"),
        ("0 10 * * 0,6", "Every Saturday and Sunday at 10:00", "Chaque samedi et dimanche à 10 h"),
        ("0 10 * * 1-6", "From Monday to Saturday at 10:00", "Du lundi au samedi à 10 h"),
        ("0 10 * * 0,2-6", "From Tuesday to Sunday at 10:00", "Du mardi au dimanche à 10 h"),
        ("0 10 * * 0-2,4-6", "Every day except Wednesday at 10:00", "Chaque jour sauf le mercredi à 10 h"),
        ("* * * * *", "Every minute", "Chaque minute"),
        ("*/15 * * * *", "Every 15 minutes", "Toutes les 15 minutes"),
        (
            "*/5 9-17 * * 1-5",
            "Every 5 minutes from 9:00 to 17:55, from Monday to Friday",
            "Toutes les 5 minutes de 9 h à 17 h 55, du lundi au vendredi",
        ),
        ("@hourly", "Every hour", "Chaque heure"),
        ("5,35 * * * *", "Every hour at minutes 5 and 35", "Chaque heure aux minutes 5 et 35"),
        ("0 8-18 * * *", "Every hour from 8:00 to 18:00", "Chaque heure de 8 h à 18 h"),
        ("10 */2 * * *", "Every 2 hours from 0:10", "Toutes les 2 heures à partir de 0 h 10"),
        ("*/20 * * * * *", "Every 20 seconds", "Toutes les 20 secondes"),
        ("15 30 7 * * *", "Every day at 7:30:15", "Chaque jour à 7 h 30 min 15 s"),
        ("0 9 1,15 * *", "On the 1st and the 15th of the month at 9:00", "Le 1er et le 15 du mois à 9 h"),
        ("0 9 1-7 * *", "From the 1st to the 7th of the month at 9:00", "Du 1er au 7 du mois à 9 h"),
        ("0 9 L * *", "On the last day of the month at 9:00", "Le dernier jour du mois à 9 h"),
        ("0 9 L-3 * *", "3 days before the last day of the month at 9:00", "3 jours avant le dernier jour du mois à 9 h"),
        ("0 9 */2 * *", "Every 2 days from the 1st of the month at 9:00", "Tous les 2 jours à partir du 1er du mois à 9 h"),
        ("0 9 * * 5#2", "On the second Friday of the month at 9:00", "Le deuxième vendredi du mois à 9 h"),
        ("0 9 * * friL", "On the last Friday of the month at 9:00", "Le dernier vendredi du mois à 9 h"),
        ("0 9 13 * 5", "On the 13th of the month and every Friday at 9:00", "Le 13 du mois et chaque vendredi à 9 h"),
        (
            "0 9 */13 * 5",
            "Every 13 days from the 1st of the month (only if it is a Friday) at 9:00",
            "Tous les 13 jours à partir du 1er du mois (seulement si c'est un vendredi) à 9 h",
        ),
        ("0 9 14 2 *", "Every year on 14 February at 9:00", "Chaque année le 14 février à 9 h"),
        ("0 9 29 2 *", "Every leap year on 29 February at 9:00", "Chaque année bissextile le 29 février à 9 h"),
        ("0 9 */16 * *", "On the 1st and the 17th of the month at 9:00", "Le 1er et le 17 du mois à 9 h"),
        ("0 9 * 6-8 *", "Every day from June to August at 9:00", "Chaque jour de juin à août à 9 h"),
        ("0 9 * 4-8 1", "Every Monday from April to August at 9:00", "Chaque lundi d'avril à août à 9 h"),
        ("0 9 1 1,7 *", "On the 1st of the month in January and July at 9:00", "Le 1er du mois en janvier et juillet à 9 h"),
        (
            "1,2,3,4,5,7 3,5 * * *",
            "Every day when the minute is 1 to 5 or 7 and the hour is 3 or 5",
            "Chaque jour quand la minute est 1 à 5 ou 7 et l'heure est 3 ou 5",
        ),
    ] {
        let schedule = schedule(text, Europe::Paris, Dst::Vixie);
        assert_eq!(schedule.describe(Language::En), english, "{text}");
        assert_eq!(schedule.describe(Language::Fr), french, "{text}");
    }
}

/// Heaps of the characters of expressions, words in a row, and nearly right expressions.
const SCRIBBLES: [&str; 4] = [
    "[0-9*/,LW#?@a-zé -]{0,24}",
    "(([0-9]{1,2}|[*]|[*]/[0-9]{1,2}|[0-9]-[0-9]{1,2}|L|[a-z]{3}|[0-9](L|#[0-9]))( |,|/|-)){3,7}[0-9*]",
    "[0-9*](,[0-9]|/[0-9]|-[5-9]){0,2}( [1-9*](,[1-9]|/[1-9]|-[5-9]){0,2}){3} ([0-6*](,[1-9]|L|#[1-5]){0,2}|mon|fri-sun)",
    ".{0,12}",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whatever_is_written_gets_an_answer_or_an_error_with_a_place(
        text in prop_oneof![SCRIBBLES[0], SCRIBBLES[1], SCRIBBLES[2], SCRIBBLES[3]],
        second in 0..4_102_444_800_i64,
    ) {
        match Schedule::parse(&text, Europe::Paris, Dst::Vixie) {
            Ok(schedule) => {
                prop_assert!(schedule.next(at(second)).is_none_or(|due| due > at(second)));
                prop_assert!(!schedule.describe(Language::En).is_empty() && !schedule.describe(Language::Fr).is_empty());
            }
            Err(error) => {
                prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {text:?}: {error}", error.span);
                prop_assert!(error.message.ends_with('.'), "{error}");
            }
        }
    }
}

#[test]
fn policies_are_read_and_written_alike() {
    for dst in [Dst::Vixie, Dst::Skip, Dst::Twice] {
        assert_eq!(Dst::parse(dst.as_str()), Ok(dst));
    }
    let error = Dst::parse("skpi").expect_err("no such word").to_string();
    assert!(error.ends_with("Did you mean \"skip\"?"), "{error}");
}

#[test]
fn equal_halves_are_shared_and_a_schedule_stays_small() {
    let one = schedule("30 7 * * mon", Europe::Paris, Dst::Vixie);
    let two = schedule("30 7 1 * *", America::New_York, Dst::Skip);
    let three = schedule("45 8 * * 1", Europe::Paris, Dst::Vixie);
    assert!(std::sync::Arc::ptr_eq(&one.times, &two.times) && std::sync::Arc::ptr_eq(&one.days, &three.days));
    assert!(std::sync::Arc::ptr_eq(&one.offsets, &three.offsets));
    assert!(size_of::<Schedule>() <= 64, "{} bytes", size_of::<Schedule>());
    assert_eq!(one, one.clone());
    assert_ne!(one, schedule("30 7 * * mon", Europe::Paris, Dst::Skip));
    assert_eq!(format!("{one:?}"), "Schedule(\"30 7 * * mon\", Europe/Paris, vixie)");
}
