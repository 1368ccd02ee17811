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

#[cfg(test)]
mod tests {
    use super::*;

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
