//! The media type of an edit: JSON in UTF-8, with the parameters that Graph SDKs send.

/// Whether a `Content-Type` says `application/json`, with nothing that could make a reader take it for something else.
pub(super) fn is_json(value: &[u8]) -> bool {
    if value == b"application/json" {
        return true;
    }
    let Ok(value) = std::str::from_utf8(value) else { return false };
    let mut parts = value.split(';').map(|part| part.trim_matches([' ', '\t']));
    let essence = parts.next().unwrap_or_default();
    essence.eq_ignore_ascii_case("application/json") && parts.all(is_known_parameter)
}

fn is_known_parameter(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else { return false };
    let quoted = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
    let value = quoted.unwrap_or(value);
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let name = name.to_ascii_lowercase();
    plain
        && match name.as_str() {
            "charset" => value.eq_ignore_ascii_case("utf-8"),
            "ieee754compatible" => true,
            other => other
                .strip_prefix("odata.")
                .is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_alphanumeric())),
        }
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn media_types() {
        for value in [
            "application/json",
            "Application/JSON; Charset=\"UTF-8\"",
            "application/json;charset=utf-8",
            "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8",
            "application/json ; charset=utf-8",
        ] {
            assert!(is_json(value.as_bytes()), "{value}");
        }
        for value in [
            "",
            "text/json",
            "application/json-patch+json",
            "application/jsonx",
            "application/json, text/plain",
            "application/json;",
            "application/json; charset=utf-16",
            "application/json; charset=latin1",
            "application/json; charset=\"utf-8",
            "application/json; charset=utf-8; x=y",
            "application/json; boundary=x",
            "text/plain; a=application/json",
            "application/json charset=utf-8",
        ] {
            assert!(!is_json(value.as_bytes()), "{value}");
        }
        assert!(!is_json(b"application/json\xff"));
    }
}
