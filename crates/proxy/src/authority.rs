//! Authorities of URLs: the port of a scheme goes without saying (RFC 9110, 4.2.3), and those who say it mean the same.

use http::uri::Authority;

/// The port of a scheme.
pub fn port_of(scheme: &str) -> u16 {
    if scheme == "https" { 443 } else { 80 }
}

/// An authority without the port that its scheme has anyway.
pub fn plain(scheme: &str, authority: &Authority) -> Authority {
    if authority.port_u16() != Some(port_of(scheme)) {
        return authority.clone();
    }
    // The host of an authority is one.
    authority.host().parse().unwrap_or_else(|_| authority.clone())
}

/// The port that stands behind the host: digits alone. The library takes a sign before them, too.
pub fn port(authority: &Authority) -> Option<u16> {
    let port = authority.port()?;
    port.as_str().bytes().all(|byte| byte.is_ascii_digit()).then(|| port.as_u16())
}

/// Whether what stands behind the host is a port that there is, or nothing.
pub fn has_port_or_none(authority: &Authority) -> bool {
    let behind_name = authority.as_str().rsplit('@').next().unwrap_or_default();
    behind_name == authority.host() || port(authority).is_some_and(|port| port != 0)
}

/// Whether an '@' stands behind the authority of a URL. Then a password may have ended it, with a '/', '?' or '#' in it, and
/// what is taken for the host is the name before it.
pub fn may_be_cut_short(url: &str) -> bool {
    let (_, rest) = url.split_once("//").unwrap_or(("", url));
    rest.split_once(['/', '?', '#']).is_some_and(|(_, behind)| behind.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_ends_where_a_password_goes_on() {
        for (url, holds) in [
            ("https://a.example", false),
            ("https://u:p@a.example/b", false),
            ("https://u:1/2@a.example", true),
            ("https://u:1?2@a.example", true),
            ("https://u#2@a.example", true),
            ("https://a.example/b@c", true),
            ("a.example:4317", false),
            ("u:1/2@a.example:4317", true),
        ] {
            assert_eq!(may_be_cut_short(url), holds, "{url}");
        }
    }

    #[test]
    fn the_port_of_the_scheme_goes_without_saying() {
        for (scheme, authority, expected) in [
            ("https", "a.example:443", "a.example"),
            ("https", "a.example", "a.example"),
            ("https", "a.example:80", "a.example:80"),
            ("http", "a.example:80", "a.example"),
            ("http", "a.example:443", "a.example:443"),
            ("https", "[::443]:443", "[::443]"),
            ("https", "[::443]", "[::443]"),
        ] {
            assert_eq!(plain(scheme, &authority.parse().unwrap()), expected, "{scheme} {authority}");
        }
    }

    #[test]
    fn a_port_is_one_or_left_out() {
        for (authority, holds) in [
            ("a.example", true),
            ("a.example:1", true),
            ("u:p@a.example", true),
            ("u:p@[::1]:65535", true),
            ("a.example:", false),
            ("a.example:0", false),
            ("a.example:65536", false),
            ("a.example:port", false),
            ("a.example:+1", false),
        ] {
            assert_eq!(has_port_or_none(&authority.parse().unwrap()), holds, "{authority}");
        }
    }
}
