//! `Via` (RFC 9110, 7.6.3): who has forwarded a request. An upstream that leads back here would else get an edit again and again,
//! each time on record.

use std::sync::LazyLock;

use http::HeaderValue;
use uuid::{NoContext, Timestamp, Uuid};

/// How this process calls itself: no other gateway has the name, so that one behind another is no loop.
static OWN: LazyLock<Own> = LazyLock::new(Own::new);

struct Own {
    name: String,
    /// It lies in static memory, so that workers share no count of who uses it.
    field: HeaderValue,
}

impl Own {
    fn new() -> Self {
        // All but its first digits is random.
        let random = Uuid::new_v7(Timestamp::from_unix(NoContext, 0, 0)).simple().to_string();
        let name = format!("patchgate-{}", random.get(24..).unwrap_or_default());
        let field: &'static str = format!("1.1 {name}").leak();
        Self { name, field: HeaderValue::from_static(field) }
    }
}

/// The field for a request that came with these.
pub(crate) fn after(before: &[&HeaderValue]) -> HeaderValue {
    let own = &OWN.field;
    if before.is_empty() {
        return own.clone();
    }
    let all: Vec<&str> =
        before.iter().copied().chain([own]).filter_map(|value| value.to_str().ok()).collect();
    HeaderValue::try_from(all.join(", ")).unwrap_or_else(|_| own.clone())
}

/// Whether this gateway is among those who have forwarded a request.
pub(crate) fn names_us(value: &HeaderValue) -> bool {
    let name = OWN.name.as_bytes();
    let by = |entry: &[u8]| {
        let mut words = entry.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        words.nth(1).is_some_and(|by| by.eq_ignore_ascii_case(name))
    };
    value.as_bytes().split(|byte| *byte == b',').any(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_forwarded_a_request_is_known() {
        let own = after(&[]);
        let text = own.to_str().unwrap();
        assert_eq!(text.len(), "1.1 patchgate-01234567".len());
        let others = HeaderValue::from_static("1.0 fred, 1.1 patchgate-0 (a, b)");
        let odd = HeaderValue::from_bytes(b"1.1 caf\xe9").unwrap();
        let all = after(&[&others, &odd]);
        assert_eq!(all, format!("1.0 fred, 1.1 patchgate-0 (a, b), {text}").as_str());
        let row = |value: String| HeaderValue::try_from(value).unwrap();
        for (value, ours) in [
            (own.clone(), true),
            (all, true),
            (row(format!("1.0 fred,\t{} (a comment) , 2 x", text.to_uppercase())), true),
            (others, false),
            (odd, false),
            (row(text.replace("1.1 ", "")), false),
            (row(format!("{text}0")), false),
            (row(format!("1.1 a {text}")), false),
            (row(String::new()), false),
        ] {
            assert_eq!(names_us(&value), ours, "{value:?}");
        }
    }
}
