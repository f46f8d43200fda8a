//! Spans and moments in words, and back. No time zone but UTC: a server's local time confuses more than it helps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A span written as a number and a unit: `90s`, `30m`, `2h`, `7d`.
pub fn parse_span(text: &str) -> Result<Duration> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => MINUTE,
        "h" => HOUR,
        "d" => DAY,
        _ => 0,
    };
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits || unit == 0 {
        bail!("“{text}” is not a length of time: write a number and a unit, as in 90s, 30m, 2h or 7d");
    }
    // Ten thousand years: beyond it nothing can be written as a date, and additions could overflow.
    let longest = 10_000 * 365 * DAY;
    match digits.parse::<u64>().ok().and_then(|count| count.checked_mul(unit)) {
        Some(0) => bail!("“{text}” is no time at all: a token would be over as soon as it is made"),
        Some(seconds) if seconds <= longest => Ok(Duration::from_secs(seconds)),
        _ => bail!("“{text}” is longer than ten thousand years"),
    }
}

/// A moment as RFC 3339 writes it (`2026-12-31T18:00:00Z`, `2026-12-31 18:00+01:00`), or a date, which means its first
/// second; seconds since 1970.
pub fn parse_moment(text: &str) -> Result<i64> {
    let text = text.trim();
    let Some(moment) = moment(text) else {
        bail!(
            "“{text}” is no moment: write 2026-12-31T18:00:00Z, 2026-12-31T18:00:00+01:00, or a date (its first second, UTC)"
        )
    };
    Ok(moment)
}

fn moment(text: &str) -> Option<i64> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    let month = after(&mut rest, "-")?;
    let day = after(&mut rest, "-")?;
    let days = days(year, month, day)?;
    if rest.is_empty() {
        return Some(days * DAY as i64);
    }
    rest = rest.strip_prefix(['T', 't', ' '])?;
    let hour = number(&mut rest, 2)?;
    let minute = after(&mut rest, ":")?;
    let second = if rest.starts_with(':') { after(&mut rest, ":")? } else { 0 };
    // Fractions are allowed by the standard and mean nothing here.
    if let Some(fraction) = rest.strip_prefix('.') {
        let behind = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
        if behind.len() == fraction.len() {
            return None;
        }
        rest = behind;
    }
    // A leap second is taken for the one before it.
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let local = days * DAY as i64 + hour * 3600 + minute * 60 + second.min(59);
    Some(local - offset(rest)?)
}

/// What a time zone adds to UTC. There must be one: a server's local time is anybody's guess.
fn offset(text: &str) -> Option<i64> {
    if text.eq_ignore_ascii_case("z") {
        return Some(0);
    }
    let (sign, mut rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-')?),
    };
    let hours = number(&mut rest, 2)?;
    let minutes = after(&mut rest, ":")?;
    (rest.is_empty() && hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Takes this many digits from the front.
fn number(rest: &mut &str, digits: usize) -> Option<i64> {
    let front = rest.get(..digits)?;
    if !front.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    *rest = &rest[digits..];
    front.parse().ok()
}

/// Takes a separator and two digits.
fn after(rest: &mut &str, separator: &str) -> Option<i64> {
    *rest = rest.strip_prefix(separator)?;
    number(rest, 2)
}

/// The day's number since 1970, if there is such a day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that start in March, as in `civil`.
    let shifted = if month > 2 { year } else { year - 1 };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = era * 146_097 + day_of_era - 719_468;
    (civil(days) == (year, month, day)).then_some(days)
}

/// Seconds since 1970.
pub fn unix(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(span) => i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// A number of seconds in the two largest units that matter: `3 min`, `2 h 5 min`, `4 d`.
pub fn span(seconds: u64) -> String {
    let pair = |count: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{count} {unit}"),
        rest => format!("{count} {unit} {rest} {small}"),
    };
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => pair(seconds / HOUR, "h", seconds % HOUR / MINUTE, "min"),
        _ => pair(seconds / DAY, "d", seconds % DAY / HOUR, "h"),
    }
}

/// A moment: `2026-11-24 10:00:00 UTC`; the bare number where no calendar reaches.
pub fn utc(seconds: i64) -> String {
    if !(-62_135_596_800..=253_402_300_799).contains(&seconds) {
        return format!("{seconds} s after 1970");
    }
    let (days, second) = (seconds.div_euclid(DAY as i64), seconds.rem_euclid(DAY as i64));
    let (year, month, day) = civil(days);
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC", second / 3600, second / 60 % 60, second % 60)
}

/// Days since 1970 to a date of the Gregorian calendar, counted in years that start in March, so that the leap day
/// is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{parse_moment, parse_span, span, utc};
    use std::time::Duration;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("2h", 7200), (" 7d ", 604_800)] {
            assert_eq!(parse_span(text).unwrap(), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_forms_that_work() {
        for text in ["", "h", "2", "2 fortnights", "-1h", "1.5h", "1h30m", "٣h", "2h\u{e9}", "99999999999999999999h"] {
            let error = parse_span(text).unwrap_err().to_string();
            assert!(error.contains("2h or 7d") || error.contains("ten thousand"), "{text}: {error}");
        }
        assert!(parse_span("0s").unwrap_err().to_string().contains("no time at all"));
    }

    #[test]
    fn moments_are_rfc_3339_or_dates() {
        for (text, moment) in [
            ("1970-01-01", 0),
            ("2000-02-29T00:00:00Z", 951_782_400),
            ("2027-01-15T08:00:00Z", 1_800_000_000),
            ("2027-01-15t09:00:00.250+01:00", 1_800_000_000),
            ("2027-01-15 04:30-03:30", 1_800_000_000),
            (" 9999-12-31T23:59:60z ", 253_402_300_799),
        ] {
            assert_eq!(parse_moment(text).unwrap(), moment, "{text}");
        }
        for text in [
            "",
            "tomorrow",
            "2027-02-29",
            "2027-13-01",
            "2027-00-10",
            "2027-1-15",
            "2027-01-15T08:00:00",
            "2027-01-15T24:00:00Z",
            "2027-01-15T08:00:00.Z",
            "2027-01-15T08:00:00+1:00",
            "2027-01-15T08:00:00Zx",
            "1800000000",
            "٢٠٢٧-01-15",
        ] {
            let error = parse_moment(text).unwrap_err().to_string();
            assert!(error.contains("2026-12-31T18:00:00Z"), "{text}: {error}");
        }
    }

    #[test]
    fn spans_in_words_have_at_most_two_units() {
        let words = [5, 59, 60, 185, 3600, 7500, 86_400, 100_000].map(span);
        assert_eq!(words, ["5 s", "59 s", "1 min", "3 min", "1 h", "2 h 5 min", "1 d", "1 d 3 h"]);
    }

    #[test]
    fn moments_are_dates_of_the_gregorian_calendar() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_800_000_000), "2027-01-15 08:00:00 UTC");
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
        assert_eq!(utc(253_402_300_799), "9999-12-31 23:59:59 UTC");
        assert_eq!(utc(i64::MAX), format!("{} s after 1970", i64::MAX));
    }
}
