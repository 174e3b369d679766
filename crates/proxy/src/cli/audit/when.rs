//! A time as it is asked for: RFC 3339, a day, or how long ago.

use std::str::FromStr;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

/// A time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    At(Timestamp),
    Ago(SignedDuration),
}

impl When {
    /// The time, where it is `now`.
    pub(super) fn before(self, now: Timestamp) -> Timestamp {
        match self {
            Self::At(time) => time,
            Self::Ago(duration) => now.checked_sub(duration).unwrap_or(Timestamp::MIN),
        }
    }
}

impl FromStr for When {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORMS: &str = "it is no time; write 2026-11-24T08:00:00Z, 2026-11-24 (its begin in UTC), or how long ago: 90m, 2h, 7d";
        if let Ok(time) = text.parse() {
            return Ok(Self::At(time));
        }
        if text.len() == "2026-11-24".len()
            && let Ok(date) = text.parse::<Date>()
        {
            return TimeZone::UTC
                .to_timestamp(date.to_datetime(Time::midnight()))
                .map(Self::At)
                .map_err(|_| FORMS);
        }
        let span: Span = text.parse().map_err(|_| FORMS)?;
        let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| FORMS)?;
        if duration.is_negative() { Err(FORMS) } else { Ok(Self::Ago(duration)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood() {
        let now: Timestamp = "2026-11-24T12:00:00Z".parse().unwrap();
        for (text, expected) in [
            ("2026-11-24T08:00:00Z", Some("2026-11-24T08:00:00Z")),
            ("2026-11-24T08:00:00.5+01:00", Some("2026-11-24T07:00:00.5Z")),
            ("2026-11-24", Some("2026-11-24T00:00:00Z")),
            ("2h", Some("2026-11-24T10:00:00Z")),
            ("90m", Some("2026-11-24T10:30:00Z")),
            ("7d", Some("2026-11-17T12:00:00Z")),
            ("2w", Some("2026-11-10T12:00:00Z")),
            ("PT2H", Some("2026-11-24T10:00:00Z")),
            ("0s", Some("2026-11-24T12:00:00Z")),
            // Of no zone.
            ("2026-11-24T08:00:00", None),
            ("-2h", None),
            ("2h ago", None),
            // How long is a month?
            ("1mo", None),
            ("yesterday", None),
            ("2", None),
            ("", None),
        ] {
            let found = text.parse::<When>().ok().map(|when| when.before(now).to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
        assert_eq!("9999999h".parse::<When>().unwrap().before(now).to_string(), "0886-01-14T21:00:00Z");
    }
}
