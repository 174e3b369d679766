//! What a value can be: read from text whatever it was written in, and written again to be shown.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use http::Uri;
use http::uri::{Authority, Scheme};
use patchgate_journal::{Durability, Keep};
use patchgate_model::Cloud;
use patchgate_model::suggest::nearest;

use super::{LogFormat, LogRequests, OtlpProtocol};
use crate::authority::{self, has_port_or_none, may_be_cut_short};

/// What a value is in TOML. In a variable or a flag each is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// An integer.
    Integer,
    /// A boolean.
    Boolean,
}

/// A value of one key.
pub(super) trait Value: Sized {
    /// What it is in TOML.
    const KIND: Kind;

    /// What is accepted, as words.
    fn form() -> String;

    /// Reads it; or says what is wrong, without saying the text again.
    fn parse(text: &str) -> Result<Self, String>;

    /// The text that would be read as this value, safe to be shown; nothing where there is none.
    fn written(&self) -> Option<String>;
}

impl<T: Value> Value for Option<T> {
    const KIND: Kind = T::KIND;

    fn form() -> String {
        T::form()
    }

    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn written(&self) -> Option<String> {
        self.as_ref().and_then(T::written)
    }
}

impl Value for bool {
    const KIND: Kind = Kind::Boolean;

    fn form() -> String {
        "true or false".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "this is neither true nor false".to_owned())
    }

    fn written(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Value for SocketAddr {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "an IP address and a port, such as \"127.0.0.1:4080\" or \"[::1]:4080\"".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| {
            if text.starts_with("localhost:") {
                "a name is no IP address".to_owned()
            } else if text.parse::<IpAddr>().is_ok() {
                "a port is missing".to_owned()
            } else if text.rsplit_once(':').is_some_and(|(host, _)| is_address(host)) {
                "its port is not a number up to 65535".to_owned()
            } else {
                "this is not an IP address and a port".to_owned()
            }
        })
    }

    fn written(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// Whether this is an address as it stands before a port.
fn is_address(host: &str) -> bool {
    let inner = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.unwrap_or(host).parse::<IpAddr>().is_ok_and(|address| address.is_ipv6() == inner.is_some())
}

/// An address as the flag of a command has it that reads no configuration; or what is wrong, and what is accepted.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    SocketAddr::parse(text).map_err(|problem| format!("{problem}; expected {}", SocketAddr::form()))
}

impl Value for PathBuf {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        "the path of a file, relative to the folder of the configuration".to_owned()
    }

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(Self::from(text)) }
    }

    fn written(&self) -> Option<String> {
        Some(self.display().to_string())
    }
}

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

/// One of a few names.
trait Choice: Copy + PartialEq + 'static {
    const ALL: &'static [(&'static str, Self)];
}

impl Choice for Cloud {
    const ALL: &'static [(&'static str, Self)] = &[
        (Self::Global.name(), Self::Global),
        (Self::UsGovL4.name(), Self::UsGovL4),
        (Self::UsGovL5.name(), Self::UsGovL5),
        (Self::China.name(), Self::China),
    ];
}

impl Choice for OtlpProtocol {
    const ALL: &'static [(&'static str, Self)] = &[("http/protobuf", Self::Http), ("grpc", Self::Grpc)];
}

impl Choice for Durability {
    const ALL: &'static [(&'static str, Self)] = &[("strict", Self::Strict), ("relaxed", Self::Relaxed)];
}

impl Choice for Keep {
    const ALL: &'static [(&'static str, Self)] =
        &[("value", Self::Value), ("hash", Self::Hash), ("omit", Self::Omit)];
}

impl Choice for LogFormat {
    const ALL: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("human", Self::Human), ("json", Self::Json)];
}

impl Choice for LogRequests {
    const ALL: &'static [(&'static str, Self)] =
        &[("refused", Self::Refused), ("all", Self::All), ("off", Self::Off)];
}

impl<C: Choice> Value for C {
    const KIND: Kind = Kind::Text;

    fn form() -> String {
        let names: Vec<String> = C::ALL.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        match names.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, before)) => format!("{} or {last}", before.join(", ")),
            None => String::new(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Some((_, value)) = C::ALL.iter().find(|(name, _)| *name == text) {
            return Ok(*value);
        }
        let near = nearest(text, C::ALL.iter().map(|(name, _)| *name));
        let near = near.map(|near| format!("; did you mean \"{near}\"?")).unwrap_or_default();
        Err(format!("this is none of the names that are known{near}"))
    }

    fn written(&self) -> Option<String> {
        C::ALL.iter().find(|(_, value)| value == self).map(|(name, _)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_address_is_said() {
        for (text, why) in [
            ("localhost:4080", "a name is no IP address"),
            ("127.0.0.1", "a port is missing"),
            ("::1", "a port is missing"),
            ("127.0.0.1:", "its port is not a number up to 65535"),
            ("127.0.0.1:80000", "its port is not a number up to 65535"),
            ("[::1]:http", "its port is not a number up to 65535"),
            ("::1:80000", "this is not an IP address and a port"),
            ("[127.0.0.1]:80", "this is not an IP address and a port"),
            ("4080", "this is not an IP address and a port"),
        ] {
            assert_eq!(SocketAddr::parse(text).unwrap_err(), why, "{text}");
        }
    }

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
