//! Dates the way feeds write them, in the two forms that readers of feeds understand.
//!
//! In: the text of a date. Out: RFC 3339 or RFC 2822 where the text can be seen to mean a date, else the text itself.
//! Never: decides which dates make sense.

/// Mends a date: French names of months, no zone, a space for the `T`, no seconds.
pub(super) fn tidy(text: &str) -> String {
    let text = text.trim();
    let bytes = text.as_bytes();
    if bytes.len() >= 10 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && text.is_char_boundary(10) {
        return iso(&text[..10], text[10..].trim_start_matches(['T', 't', ' ']).trim());
    }
    // The day of the week adds nothing and is wrong or in another language at times.
    let text = match text.split_once(',') {
        Some((day, rest)) if !day.contains(|c: char| c.is_ascii_digit()) => rest,
        _ => text,
    };
    let mut words: Vec<String> = text.split_whitespace().map(month).collect();
    if words.len() >= 4 && words.last().is_some_and(|w| w.contains(':')) {
        words.push("+0000".into());
    }
    if words.len() == 3 {
        words.push("00:00:00 +0000".into());
    }
    words.join(" ")
}

fn iso(day: &str, rest: &str) -> String {
    let at = rest.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(rest.len());
    let (clock, zone) = (&rest[..at], rest[at..].trim());
    let clock = match (clock.is_empty(), clock.matches(':').count()) {
        (true, _) => "00:00:00".to_owned(),
        (false, 1) => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    let digits: String = zone.chars().filter(char::is_ascii_digit).collect();
    let zone = match (zone.chars().next(), digits.len()) {
        (Some(sign @ ('+' | '-')), 2) => format!("{sign}{digits}:00"),
        (Some(sign @ ('+' | '-')), 4) => format!("{sign}{}:{}", &digits[..2], &digits[2..]),
        _ => "+00:00".to_owned(),
    };
    format!("{day}T{clock}{zone}")
}

fn month(word: &str) -> String {
    const NAMES: [(&str, &str); 14] = [
        ("janv", "Jan"),
        ("févr", "Feb"),
        ("fevr", "Feb"),
        ("fév", "Feb"),
        ("mars", "Mar"),
        ("avr", "Apr"),
        ("mai", "May"),
        ("juin", "Jun"),
        ("juil", "Jul"),
        ("août", "Aug"),
        ("aout", "Aug"),
        ("déc", "Dec"),
        ("sept", "Sep"),
        ("octobre", "Oct"),
    ];
    let low = word.to_lowercase();
    NAMES.iter().find(|(french, _)| low.starts_with(french)).map_or_else(|| word.to_owned(), |(_, english)| (*english).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_come_out_in_a_form_that_is_read() {
        for (written, tidied) in [
            ("2026-03-05T10:00:00Z", "2026-03-05T10:00:00+00:00"),
            ("2026-03-05 10:00:00", "2026-03-05T10:00:00+00:00"),
            ("2026-03-05T10:00+01", "2026-03-05T10:00:00+01:00"),
            ("2026-03-05T10:00:00.123 +0100", "2026-03-05T10:00:00.123+01:00"),
            ("2026-03-05", "2026-03-05T00:00:00+00:00"),
            ("Thu, 05 Mar 2026 10:00:00 +0100", "05 Mar 2026 10:00:00 +0100"),
            ("jeu., 05 févr. 2026 10:00:00 +0100", "05 Feb 2026 10:00:00 +0100"),
            ("5 août 2026", "5 Aug 2026 00:00:00 +0000"),
            ("05 Mar 2026 10:00", "05 Mar 2026 10:00 +0000"),
            ("tomorrow", "tomorrow"),
            ("", ""),
        ] {
            assert_eq!(tidy(written), tidied, "{written}");
        }
    }
}
