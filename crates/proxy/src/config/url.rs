//! URLs in a configuration, and how a text with one is shown: without what may be a password in it.

use std::borrow::Cow;
use std::fmt;

use http::Uri;
use http::uri::{Authority, Scheme};

use super::value::{Kind, Value};
use crate::authority::{self, has_port_or_none, may_be_cut_short};

/// A URL. What stands before `@` in it may be a password: it is in no output, whoever prints this.
#[derive(Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// The whole of it, for the one who connects.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_once("//") {
            // Behind its host is none, see below.
            Some((scheme, rest)) => write!(f, "{scheme}//{}", concealed(rest)),
            None => f.write_str("***"),
        }
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

impl Value for Url {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "a URL, such as \"https://host\" or \"https://host:port\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let uri = text.parse::<Uri>().map_err(|_| "this is not a URL".to_owned())?;
        let known = uri.scheme_str().is_some_and(|scheme| ["https", "http"].contains(&scheme));
        if !known {
            return Err("it does not begin with https:// or http://".to_owned());
        }
        match uri.authority() {
            _ if may_be_cut_short(text) => Err(CUT_SHORT.to_owned()),
            Some(authority) if authority.host().is_empty() => Err("it has no host".to_owned()),
            Some(authority) if !has_port_or_none(authority) => Err(NO_PORT.to_owned()),
            Some(_) => Ok(Self(text.to_owned())),
            None => Err("it has no host".to_owned()),
        }
    }

    fn written(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// A text in which nothing stands between `//` and the last `@` of the string that it is in; as many bytes as before, so that
/// places in it stay. A password may have characters in it that no URL has, and others that end its authority.
pub(super) fn masked(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (at, slashes) in text.match_indices("//") {
        let (before, rest) = text.split_at(at + slashes.len());
        let secret = string_of(before, rest).rfind('@').unwrap_or(0);
        bytes.iter_mut().skip(before.len()).take(secret).for_each(|byte| *byte = b'*');
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// The rest of the string that a URL begins: up to the quote that stands before it, else the whole line.
fn string_of<'t>(before: &str, rest: &'t str) -> &'t str {
    let line = rest.lines().next().unwrap_or_default();
    let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.:/".contains(c);
    let quote = before.trim_end_matches(is_scheme).chars().next_back().filter(|c| "\"'".contains(*c));
    let is_end = |at: &usize| quote == Some('\'') || !line.get(..*at).unwrap_or_default().ends_with('\\');
    let end = quote.and_then(|quote| line.match_indices(quote).map(|(at, _)| at).find(is_end));
    end.and_then(|end| line.get(..end)).unwrap_or(line)
}

/// A value as it may be said: without what stands before its last `@`. It is one value, which need not be a URL; of a text with
/// several, whose places must stay, see [`masked`].
pub(crate) fn concealed(text: &str) -> Cow<'_, str> {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("***@{rest}").into(),
        None => text.into(),
    }
}

const NO_PORT: &str = "its port is not a number from 1 to 65535";
const CUT_SHORT: &str = "an '@' stands behind its host; in a name or password write '/', '?', '#' as %2F, %3F, %23, elsewhere '@' as %40";

/// The URL that callers use: a scheme and an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    text: String,
    base: String,
    authority: Authority,
    /// The port of its scheme, as it stands in a `Host`.
    port: &'static str,
}

impl PublicUrl {
    /// The URL, without a slash at its end, and without the port of its scheme.
    pub fn as_str(&self) -> &str {
        &self.base
    }

    /// The authority that callers must name.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Whether a `Host` names it: with the port of its scheme, or without.
    pub fn is_named_by(&self, host: &[u8]) -> bool {
        let named = self.authority.as_str().as_bytes();
        named.eq_ignore_ascii_case(host)
            || host.strip_suffix(self.port.as_bytes()).is_some_and(|bare| named.eq_ignore_ascii_case(bare))
    }
}

impl Value for PublicUrl {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "\"https://host\" or \"https://host:port\", without a path".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(why.to_owned());
        let Ok(uri) = text.parse::<Uri>() else { return wrong("this is not a URL") };
        let parts = uri.into_parts();
        let (scheme, port) = match parts.scheme.as_ref().map(Scheme::as_str) {
            Some("https") => ("https", ":443"),
            Some("http") => ("http", ":80"),
            _ => return wrong("it does not begin with https:// or http://"),
        };
        if parts.path_and_query.is_some_and(|path| path != "/") {
            return wrong("it has a path");
        }
        match parts.authority {
            // It is not a part of what was read.
            _ if text.contains('#') => wrong("it has a fragment"),
            Some(authority) if authority.as_str().contains('@') => wrong("it has a user name"),
            Some(authority) if authority.host().is_empty() => wrong("it has no host"),
            Some(authority) if !has_port_or_none(&authority) => wrong(NO_PORT),
            Some(authority) => {
                let authority = authority::plain(scheme, &authority);
                let base = format!("{scheme}://{authority}");
                Ok(Self { text: text.to_owned(), base, authority, port })
            }
            None => wrong("it has no host"),
        }
    }

    fn written(&self) -> Option<String> {
        Some(self.text.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        for (text, shown) in [
            ("https://user:pass@host/a", "https://*********@host/a"),
            ("a = \"http://é@h\" # //x@y", "a = \"http://**@h\" # //*@y"),
            ("https://host/users/a", "https://host/users/a"),
            ("//", "//"),
            // A password with what no URL has in it.
            ("a = \"http://u:hunter/2@h:1\" # b", "a = \"http://**********@h:1\" # b"),
            ("http://u:hun ter@h", "http://*********@h"),
            ("http://u:hun'ter@h\nc@d", "http://*********@h\nc@d"),
            ("http://u:1@h:x/p@q", "http://*********@q"),
            ("# // of a@b", "# //*****@b"),
            // And with what ends its authority.
            ("https://host/users/a@b", "https://************@b"),
            ("http://u:12/34@h:1", "http://*******@h:1"),
            ("a = \"http://u:12?34@h\" # b@c", "a = \"http://*******@h\" # b@c"),
            ("a = 'http://u:12#34@h' # b@c", "a = 'http://*******@h' # b@c"),
            ("a = \"http://u:1\\\"2'3 4@h\" # b@c", "a = \"http://**********@h\" # b@c"),
            ("a = http://u:12 34@h", "a = http://*******@h"),
            ("a = \"http://u:12 34@h", "a = \"http://*******@h"),
        ] {
            assert_eq!(masked(text), shown);
            assert_eq!(masked(text).len(), text.len());
        }
        for (text, said) in
            [("user:pass@host", "***@host"), ("http://u:p/a@b@h:1", "***@h:1"), ("1KB", "1KB")]
        {
            assert_eq!(concealed(text), said);
        }
        for text in
            ["https://user:12/34@host", "https://user:12?34@host", "https://user:12#34@host", "http://h/a@b"]
        {
            assert_eq!(Url::parse(text).unwrap_err(), CUT_SHORT, "{text}");
        }
        let url = Url::parse("https://user:pass@host/a").unwrap();
        assert_eq!(url.to_string(), "https://***@host/a");
        for said in [format!("{url}"), format!("{url:?}"), url.written().unwrap()] {
            assert!(!said.contains("pass") && !said.contains("user"), "{said}");
        }
    }
}
