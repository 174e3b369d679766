//! "Did you mean": the nearest of the accepted names.

/// The accepted name nearest to what was read, if one is near enough.
///
/// Names that differ only in case, `_`, `-` or white space are nearest; otherwise up to a third of the characters may
/// differ, three at most: of one or two none, since each other letter makes another word of them.
pub fn nearest<'a>(read: &str, accepted: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Input is the caller's: what is far too long is near to nothing, and costs nothing.
    if read.is_empty() || read.len() > 128 {
        return None;
    }
    let folded = fold(read);
    let allowed = (folded.chars().count() / 3).min(3);
    accepted
        .into_iter()
        .map(|name| (strsim::osa_distance(&folded, &fold(name)), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn fold(name: &str) -> String {
    let counts = |c: &char| !c.is_whitespace() && *c != '_' && *c != '-';
    name.chars().filter(counts).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let names = ["ownedBy", "categorization", "state", "extraLabels"];
        for (read, meant) in [
            ("owned_by", Some("ownedBy")),
            ("State", Some("state")),
            ("extra labels", Some("extraLabels")),
            ("categorisation", Some("categorization")),
            ("severity", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(read, names), meant, "{read}");
        }
        assert_eq!(nearest(&"state".repeat(100), names), None);
        for (read, meant) in
            [("to", None), ("n", None), ("NO", Some("no")), ("nott", Some("not")), ("on", None)]
        {
            assert_eq!(nearest(read, ["no", "not"]), meant, "{read}");
        }
    }
}
