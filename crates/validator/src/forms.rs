//! The forms that a text can have: patterns of the deriver's own, and the words for them and for the formats of JSON Schema.

/// The part of a duration that is shorter than a day: hours, minutes and seconds in this order, one of them at least.
macro_rules! time {
    () => {
        "T([0-9]+H([0-9]+M)?([0-9]+(\\.[0-9]{1,12})?S)?|[0-9]+M([0-9]+(\\.[0-9]{1,12})?S)?|[0-9]+(\\.[0-9]{1,12})?S)"
    };
}

/// The grammar of an OData duration: JSON Schema's own `duration` has years, months and weeks, which Graph refuses, and neither a
/// sign nor fractions.
pub(crate) const DURATION: &str = concat!("^-?P([0-9]+D(", time!(), ")?|", time!(), ")$");
/// The grammar of an OData time of day; JSON Schema's own `time` demands an offset, which Graph does not send.
pub(crate) const TIME_OF_DAY: &str = "^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,12})?)?$";
/// Base64, with either alphabet.
pub(crate) const BASE64: &str = "^[A-Za-z0-9+/_-]*={0,2}$";

/// The words for a pattern of the deriver's.
pub(crate) fn of_pattern(pattern: &str) -> Option<&'static str> {
    match pattern {
        DURATION => Some("a duration of days, hours, minutes and seconds, such as 'P1DT12H'"),
        TIME_OF_DAY => Some("a time of day without a zone, such as '08:00:00'"),
        BASE64 => Some("bytes in Base64"),
        _ => None,
    }
}

/// The words for a format of JSON Schema.
pub(crate) fn of_format(format: &str) -> &str {
    match format {
        "date-time" => "a date and time with a zone (RFC 3339), such as '2026-01-31T08:00:00Z'",
        "date" => "a date, such as '2026-01-31'",
        "time" => "a time of day with a zone (RFC 3339), such as '08:00:00Z'",
        "duration" => "a duration (ISO 8601), such as 'P1DT12H'",
        "uuid" => "a GUID of 32 hexadecimal digits and 4 dashes",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::validate_example;

    #[test]
    fn a_duration_is_one_of_odata() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string", "pattern": DURATION}}});
        let good = [
            "P1D",
            "P0D",
            "PT1H",
            "PT1M",
            "PT1S",
            "PT0.5S",
            "-PT1H",
            "PT1H30S",
            "PT1H30M",
            "PT1M0.123456789012S",
            "P1DT12H",
            "-P10DT1H2M3.4S",
        ];
        let bad = [
            "",
            "P",
            "PT",
            "-P",
            "P1DT",
            "P1",
            "1D",
            "PT1",
            "P1Y",
            "P1M",
            "P1W",
            "P1Y2D",
            "P1H",
            "PT1D",
            "PT1M1H",
            "PT1S1M",
            "PT.5S",
            "PT1.S",
            "PT1.5H",
            "PT1,5S",
            "p1d",
            "+P1D",
            "P-1D",
            "P1D ",
            "P1D\n",
            "PT1.1234567890123S",
        ];
        let fits = |text: &str| validate_example(&schema, &json!({"a": text})).is_ok();
        assert_eq!(good.into_iter().filter(|text| !fits(text)).collect::<Vec<_>>(), [""; 0]);
        assert_eq!(bad.into_iter().filter(|text| fits(text)).collect::<Vec<_>>(), [""; 0]);
    }
}
