//! Points in time as people read them.

use std::time::{Duration, SystemTime};

/// The current Unix time in seconds.
pub(crate) fn now() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}

/// A Unix time as `2030-01-31 12:00 UTC`.
pub(crate) fn utc(unix_seconds: i64) -> String {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    // Certificates end with the year 9999 at the latest.
    let seconds = u64::try_from(unix_seconds.clamp(0, 253_402_300_799)).unwrap_or_default();
    let at = epoch + Duration::from_secs(seconds);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02} UTC",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute()
    )
}

const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

/// How long ago something was, in whole days, or in hours where it was less than one.
pub(crate) fn ago(then: i64, now: i64) -> String {
    let passed = now.saturating_sub(then).max(0);
    let (number, unit) = match passed {
        DAY.. => (passed / DAY, "day"),
        HOUR.. => (passed / HOUR, "hour"),
        _ => return "less than an hour ago".to_owned(),
    };
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{s} ago")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_past_is_told_in_days_or_hours() {
        for (passed, text) in [
            (-5, "less than an hour ago"),
            (3599, "less than an hour ago"),
            (3600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (86_400, "1 day ago"),
            (12 * 86_400 + 1, "12 days ago"),
        ] {
            assert_eq!(ago(1_000_000, 1_000_000 + passed), text);
        }
    }

    #[test]
    fn dates_are_written_in_utc() {
        for (unix, text) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_767_225_599, "2025-12-31 23:59 UTC"),
            (i64::MAX, "9999-12-31 23:59 UTC"),
            (-1, "1970-01-01 00:00 UTC"),
        ] {
            assert_eq!(utc(unix), text);
        }
    }
}
