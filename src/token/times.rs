//! Parses and prints durations and times. In UTC only: a server's local time confuses more than it helps.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use jiff::SignedDuration;
use jiff::civil::{DateTime, date};
use jiff::fmt::temporal::{Pieces, PiecesOffset};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

const EPOCH: DateTime = date(1970, 1, 1).at(0, 0, 0, 0);

/// Parses a duration: numbers with units, the largest unit first: `90s`, `30m`, `1h30m`, `7d`.
pub fn parse_span(text: &str) -> Result<Duration> {
    let text = text.trim();
    let Some(parts) = parts(text) else {
        bail!("invalid duration \"{text}\": use numbers with units, such as 90s, 30m, 1h30m or 7d");
    };
    // Ten thousand years: longer ones lead to times that cannot be written as dates, and additions could overflow.
    let longest = 10_000 * 365 * DAY;
    let seconds = |(digits, unit): &(&str, u64)| digits.parse::<u64>().ok()?.checked_mul(*unit);
    let total = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(seconds(part)?));
    match total {
        Some(0) => bail!("invalid duration \"{text}\": use 1s or more"),
        Some(seconds) if seconds <= longest => Ok(Duration::from_secs(seconds)),
        _ => bail!("invalid duration \"{text}\": longer than ten thousand years"),
    }
}

/// The numbers of a duration with their units in seconds, each unit smaller than the one before.
fn parts(text: &str) -> Option<Vec<(&str, u64)>> {
    let mut parts: Vec<(&str, u64)> = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let length = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = match rest.as_bytes().get(length)? {
            b's' => 1,
            b'm' => MINUTE,
            b'h' => HOUR,
            b'd' => DAY,
            _ => return None,
        };
        let smaller = parts.last().is_none_or(|(_, before)| unit < *before);
        if length == 0 || !smaller {
            return None;
        }
        parts.push((&rest[..length], unit));
        rest = &rest[length + 1..];
    }
    (!parts.is_empty()).then_some(parts)
}

/// Parses a time as RFC 3339 writes it (`2026-12-31T18:00:00Z`, `2026-12-31 18:00+01:00`), or a date, which means 00:00
/// UTC; in seconds since 1970.
pub fn parse_moment(text: &str) -> Result<i64> {
    let text = text.trim();
    let Some(moment) = moment(text) else {
        bail!("invalid time \"{text}\": use 2026-12-31T18:00:00Z, 2026-12-31T18:00:00+01:00, or a date (00:00 UTC)")
    };
    Ok(moment)
}

fn moment(text: &str) -> Option<i64> {
    let pieces = Pieces::parse(text).ok().filter(|pieces| pieces.time_zone_annotation().is_none())?;
    let local = match (pieces.time(), pieces.offset()) {
        (None, None) => pieces.date().at(0, 0, 0, 0),
        // A server's local time is anybody's guess, so there must be an offset.
        (Some(time), Some(_)) => pieces.date().to_datetime(time),
        _ => return None,
    };
    let offset = match pieces.offset() {
        Some(PiecesOffset::Numeric(offset)) => i64::from(offset.offset().seconds()),
        _ => 0,
    };
    // Fractions of a second are meaningless here.
    let local = local.with().subsec_nanosecond(0).build().ok()?;
    Some(local.duration_since(EPOCH).as_secs() - offset)
}

/// Seconds since 1970, negative before.
pub fn unix(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(span) => i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX),
    }
}

/// A duration in the two largest units that matter: `3 min`, `2 h 5 min`, `4 d`.
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

/// A time for people: `2026-11-24 10:00:00 UTC`; a number of seconds where the calendar ends.
pub fn utc(seconds: i64) -> String {
    match EPOCH.checked_add(SignedDuration::from_secs(seconds)) {
        Ok(moment) => moment.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => format!("{seconds} s after 1970"),
    }
}

/// A time for programs: `2026-11-24T10:00:00Z`; a number of seconds where the calendar ends.
pub fn rfc3339(seconds: i64) -> String {
    match EPOCH.checked_add(SignedDuration::from_secs(seconds)) {
        Ok(moment) => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => seconds.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_moment, parse_span, rfc3339, span, utc};
    use std::time::Duration;

    #[test]
    fn durations_parse_as_numbers_with_units() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2d1h", 176_400), (" 7d ", 604_800)] {
            assert_eq!(parse_span(text).unwrap(), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn invalid_durations_are_rejected_with_examples() {
        for text in [
            "",
            "h",
            "2",
            "2 fortnights",
            "-1h",
            "1.5h",
            "30m1h",
            "1h2h",
            "1h30",
            "٣h",
            "2h\u{e9}",
            "99999999999999999999h",
        ] {
            let error = parse_span(text).unwrap_err().to_string();
            assert!(error.contains("1h30m or 7d") || error.contains("ten thousand"), "{text}: {error}");
        }
        assert!(parse_span("0s").unwrap_err().to_string().contains("use 1s or more"));
    }

    #[test]
    fn times_parse_as_rfc_3339_or_dates() {
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
    fn durations_print_with_at_most_two_units() {
        let words = [5, 59, 60, 185, 3600, 7500, 86_400, 100_000].map(span);
        assert_eq!(words, ["5 s", "59 s", "1 min", "3 min", "1 h", "2 h 5 min", "1 d", "1 d 3 h"]);
    }

    #[test]
    fn times_print_as_calendar_dates() {
        assert_eq!(utc(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(utc(951_782_399), "2000-02-28 23:59:59 UTC");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(utc(1_800_000_000), "2027-01-15 08:00:00 UTC");
        assert_eq!(rfc3339(1_800_000_000), "2027-01-15T08:00:00Z");
        assert_eq!(rfc3339(i64::MAX), i64::MAX.to_string());
        assert_eq!(utc(-1), "1969-12-31 23:59:59 UTC");
        assert_eq!(utc(253_402_300_799), "9999-12-31 23:59:59 UTC");
        assert_eq!(utc(i64::MAX), format!("{} s after 1970", i64::MAX));
    }
}
