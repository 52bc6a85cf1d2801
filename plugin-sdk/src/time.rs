//! Instants as remotes write them.
//!
//! In: RFC 3339 or the dates of mail, HTTP and RSS. Out: milliseconds since 1970, and RFC 3339 back.
//! Never: says what time it is; that is [`run::now`](crate::run::now).

const DAY: i64 = 86_400;

/// Reads `2026-03-28T22:50:00+01:00`, `2026-03-28`, or `Sat, 28 Mar 2026 21:50:00 GMT`. None for anything else, and before 1970.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.get(4..5) == Some("-") { rfc3339(text) } else { mail(text) }
}

/// Writes an instant as RFC 3339 in UTC, such as `2026-03-28T21:50:00.000Z`.
pub fn write(instant: u64) -> String {
    let seconds = (instant / 1000) as i64;
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let (rest, millis) = (seconds.rem_euclid(DAY), instant % 1000);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{millis:03}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

fn rfc3339(text: &str) -> Option<u64> {
    let days = days(number(text.get(..4)?)?, number(text.get(5..7)?)?, number(text.get(8..10)?)?)?;
    if text.get(7..8)? != "-" {
        return None;
    }
    let Some(clock) = text.get(11..) else { return instant(days, 0, 0, 0) };
    let zone = clock.find(['Z', 'z', '+', '-'])?;
    let (clock, zone) = clock.split_at(zone);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let digits = fraction.get(..3.min(fraction.len()))?;
    let millis = if digits.is_empty() { 0 } else { number(digits)? * 10_i64.pow(3 - digits.len() as u32) };
    instant(days, seconds(clock)?, offset(zone)?, millis)
}

fn mail(text: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let text = text.split_once(',').map_or(text, |(_, rest)| rest);
    let mut words = text.split_whitespace();
    let day = number(words.next()?)?;
    let name = words.next()?.get(..3)?.to_ascii_lowercase();
    let month = MONTHS.iter().position(|m| *m == name)? as i64 + 1;
    let year = number(words.next()?)?;
    let year = if year < 70 {
        year + 2000
    } else if year < 100 {
        year + 1900
    } else {
        year
    };
    let clock = seconds(words.next()?)?;
    instant(days(year, month, day)?, clock, offset(words.next().unwrap_or("GMT"))?, 0)
}

fn instant(days: i64, clock: i64, offset: i64, millis: i64) -> Option<u64> {
    u64::try_from((days * DAY + clock - offset) * 1000 + millis).ok()
}

fn number(text: &str) -> Option<i64> {
    if text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `22:50` or `22:50:00`, in seconds.
fn seconds(clock: &str) -> Option<i64> {
    let mut parts = clock.split(':').map(number);
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    (hour < 24 && minute < 60 && second <= 60 && parts.next().is_none()).then_some(hour * 3600 + minute * 60 + second)
}

/// `Z`, `GMT`, `+01:00` or `+0100`, in seconds.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return ["z", "gmt", "ut", "utc"].contains(&zone.to_ascii_lowercase().as_str()).then_some(0),
    };
    let digits: String = zone.chars().skip(1).filter(|c| *c != ':').collect();
    let (hours, minutes) = (number(digits.get(..2)?)?, number(digits.get(2..)?)?);
    (digits.len() == 4 && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Days since 1970 of a date of the Gregorian calendar, counted in years that begin in March.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let y = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (y.div_euclid(400), y.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let count = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    (date(count) == (year, month, day)).then_some(count)
}

/// The date of a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::{date, days, parse, write};

    #[test]
    fn every_day_of_three_centuries_is_the_same_there_and_back() {
        for day in 0..110_000 {
            let (y, m, d) = date(day);
            assert_eq!(days(y, m, d), Some(day));
        }
    }

    #[test]
    fn all_ways_of_writing_one_instant_agree() {
        let instant = 1_774_734_600_000;
        assert_eq!(write(instant), "2026-03-28T21:50:00.000Z");
        for text in [
            "2026-03-28T21:50:00Z",
            "2026-03-28T21:50Z",
            "2026-03-28T22:50:00.000+01:00",
            "2026-03-28 16:50:00-0500",
            "Sat, 28 Mar 2026 21:50:00 GMT",
            "28 March 26 22:50 +0100",
        ] {
            assert_eq!(parse(text), Some(instant), "{text}");
        }
        assert_eq!(parse("2026-03-28"), Some(instant - (21 * 3600 + 50 * 60) * 1000));
        assert_eq!(parse("2026-03-28T21:50:00.25Z"), Some(instant + 250));
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in
            ["", "soon", "2026-02-30", "2026-13-01T00:00:00Z", "2026-03-28T25:00:00Z", "Sat, 28 Mar", "1969-12-31T00:00:00Z", "é"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
