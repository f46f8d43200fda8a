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
        bail!("“{text}” is no length of time: write a number and a unit, as in 90s, 30m, 2h or 7d");
    }
    // Ten thousand years: beyond it nothing can be written as a date, and additions could overflow.
    let longest = 10_000 * 365 * DAY;
    match digits
        .parse::<u64>()
        .ok()
        .and_then(|count| count.checked_mul(unit))
    {
        Some(0) => bail!("“{text}” is no time at all: a token would be over as soon as it is made"),
        Some(seconds) if seconds <= longest => Ok(Duration::from_secs(seconds)),
        _ => bail!("“{text}” is longer than ten thousand years"),
    }
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
    let (days, second) = (
        seconds.div_euclid(DAY as i64),
        seconds.rem_euclid(DAY as i64),
    );
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02} UTC",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Days since 1970 to a date of the Gregorian calendar, counted in years that start in March, so that the leap day
/// is a year's last.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{parse_span, span, utc};
    use std::time::Duration;

    #[test]
    fn spans_are_a_number_and_a_unit() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("2h", 7200), (" 7d ", 604_800)] {
            assert_eq!(parse_span(text).unwrap(), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_forms_that_work() {
        for text in [
            "",
            "h",
            "2",
            "2 fortnights",
            "-1h",
            "1.5h",
            "1h30m",
            "٣h",
            "2h\u{e9}",
            "99999999999999999999h",
        ] {
            let error = parse_span(text).unwrap_err().to_string();
            assert!(
                error.contains("2h or 7d") || error.contains("ten thousand"),
                "{text}: {error}"
            );
        }
        assert!(
            parse_span("0s")
                .unwrap_err()
                .to_string()
                .contains("no time at all")
        );
    }

    #[test]
    fn spans_in_words_have_at_most_two_units() {
        let words = [5, 59, 60, 185, 3600, 7500, 86_400, 100_000].map(span);
        assert_eq!(
            words,
            [
                "5 s",
                "59 s",
                "1 min",
                "3 min",
                "1 h",
                "2 h 5 min",
                "1 d",
                "1 d 3 h"
            ]
        );
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
